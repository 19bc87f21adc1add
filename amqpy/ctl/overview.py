"""`amqpy status`: the broker at a glance, for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from amqpy.ctl.facts import alarms_of, described, node
from amqpy.ctl.failing import FailingCommand
from amqpy.ctl.options import Call, Options, common_options
from amqpy.ctl.output import aligned, printable

LONGEST: Final = 10
"""Queues that are shown: those with the most messages."""

ALARM: Final = "ALARM"

STEPS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SIZES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def duration(seconds: int) -> str:
    """Its two largest parts: `3 d 4 h`."""
    parts = []
    for length, unit in STEPS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def size(count: float) -> str:
    for scale, unit in SIZES:
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} B"


def summary(overview: Mapping[str, Any], here: Mapping[str, Any], queues: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The lines."""
    version = overview["rabbitmq_version"]
    yield f"{heading(here)}, process {here.get('os_pid')}"
    yield f"{overview.get('erlang_full_version', '')}; for clients it is RabbitMQ {version}"
    yield ""
    for each in overview.get("listeners") or ():
        yield f"  {described(each)}"
    yield ""
    yield from measures(overview, here)
    if queues:
        yield ""
        yield from _queues(queues)


def heading(here: Mapping[str, Any]) -> str:
    return f"{printable(str(here['name']))} is up for {duration(int(here.get('uptime', 0)) // 1000)}"


def measures(overview: Mapping[str, Any], here: Mapping[str, Any]) -> Iterable[str]:
    """Lines about what the broker as a whole has, uses and does."""
    short = alarms_of(here)
    alarm = f"{ALARM}: too little {' and '.join(short)}; publishers are blocked" if short else "no alarms"
    yield f"memory    {size(here.get('mem_used', 0))} of {size(here.get('mem_limit', 0))}"
    yield f"disk      {size(here.get('disk_free', 0))} free, {size(here.get('disk_free_limit', 0))} needed"
    yield f"files     {here.get('fd_used', 0)} of {here.get('fd_total', 0)}"
    yield f"alarms    {alarm}"
    totals, messages = overview.get("object_totals", {}), overview.get("queue_totals") or {}
    yield "objects   " + ", ".join(f"{count} {kind}" for kind, count in totals.items())
    ready, unacked = messages.get("messages_ready", 0), messages.get("messages_unacknowledged", 0)
    yield f"messages  {ready} ready, {unacked} unacknowledged"
    rates = {key: _rate(overview, key) for key in ("publish", "deliver_get", "ack")}
    if any(rates.values()):
        yield "rates     " + ", ".join(f"{key.replace('_', ' / ')} {rate:.1f}/s" for key, rate in rates.items())


def _rate(overview: Mapping[str, Any], key: str) -> float:
    return float(((overview.get("message_stats") or {}).get(f"{key}_details") or {}).get("rate", 0))


def _queues(queues: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    rows = [("messages", "ready", "consumers", "queue")]
    for queue in queues:
        vhost = "" if queue["vhost"] == "/" else f"{queue['vhost']}: "
        counts = (queue.get("messages", 0), queue.get("messages_ready", 0), queue.get("consumers", 0))
        rows.append((str(counts[0]), str(counts[1]), str(counts[2]), printable(f"{vhost}{queue['name']}")))
    yield from aligned(rows, numbers=range(3))


def longest_queues(call: Call) -> list[dict[str, Any]]:
    """Those with the most messages, of those with any."""
    columns = "name,vhost,messages,messages_ready,consumers"
    query = {"page": 1, "page_size": LONGEST, "sort": "messages", "sort_reverse": True, "columns": columns}
    found: list[dict[str, Any]] = call.api.get("queues", **query)["items"]
    return [queue for queue in found if queue.get("messages")]


def run() -> None:
    context = click.get_current_context()
    call = Call(context.ensure_object(Options))
    context.call_on_close(call.disconnect)
    overview, here = call.api.get("overview"), node(call)
    if call.out.is_json:
        call.out.json({"overview": overview, "node": here})
        return
    for line in summary(overview, here, longest_queues(call)):
        call.out.say(line)


command = FailingCommand(
    "status", callback=run, params=common_options(), help="Show the broker at a glance: what it has, uses and does."
)
