"""Messages of queues: searched for, and moved. Additions to RabbitMQ's commands."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import click

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import BadArguments, error
from amqpy.ctl.options import Call, Tasks, flag, option, settings_of
from amqpy.ctl.output import printable
from amqpy.ctl.values import compact

tasks = Tasks()

SHOWN: Final = 64
"""Bytes of a body that a table shows."""

PAGE: Final = 1000
"""Messages that are asked for at once."""

COLUMNS: Final = ("position", "exchange", "routing_key", "redelivered", "payload_bytes", "payload")

STAYED: Final = {
    "unroutable": "no queue would get it",
    "without_origin": "it has not died, as far as is known",
}

OF_FILTERS: Final = (
    option(
        "--filter",
        "conditions",
        metavar="JSON",
        text="Conditions, as an object: body, routing_key, exchange, headers, …",
    ),
    option("--body", metavar="TEXT", text="A text that is in the body."),
)


@contextmanager
def of_queue(call: Call, name: str) -> Iterator[None]:
    """Around requests about one queue, which may not be there. Raises Failure."""
    try:
        yield
    except ApiError as refusal:
        if not refusal.is_missing:
            raise
        if refusal.text != "Not Found":
            raise error(refusal.text) from None
        raise error(f"there is no queue '{name}' in virtual host '{call.vhost}'") from None


def filter_of(conditions: str | None, body: str | None) -> Mapping[str, Any]:
    """The filter that two options make. Raises BadArguments."""
    try:
        found = json.loads(conditions or "{}")
    except (ValueError, RecursionError):
        raise BadArguments("the filter is not JSON") from None
    if not isinstance(found, dict):
        raise BadArguments("the filter should be an object")
    return found if body is None else {**found, "body": body}


@tasks(
    "<queue>",
    *OF_FILTERS,
    option("--count", type=click.IntRange(min=1), default=20, text="The most messages to show, by default 20."),
    option("--offset", type=click.IntRange(min=0), default=0, text="Messages to pass over first."),
    option("--state", type=click.Choice(("ready", "unacked", "held")), default="ready", text="Of these."),
)
def search(
    call: Call, name: str, *, conditions: str | None, body: str | None, count: int, offset: int, state: str
) -> None:
    """Show messages of a queue that meet conditions. They stay there."""
    asked = {"filter": compact(filter_of(conditions, body)), "state": state}
    call.out.banner(f"Searching queue '{name}' in vhost '{call.vhost}' ...")
    if not call.out.is_json:
        asked["truncate"] = str(SHOWN)
    items: list[dict[str, Any]] = []
    at: int | None = offset
    with of_queue(call, name):
        while at is not None and len(items) < count:
            page = call.api.get(
                "queues", call.vhost, name, "search", **asked, offset=at, count=min(count - len(items), PAGE)
            )
            items += page["items"]
            at = page["next_offset"]
    if call.out.is_json:
        call.out.json(items)
        return
    call.out.rows(COLUMNS, items)
    if at is not None:
        call.out.note(f"There may be more: --offset {at}")


@tasks(
    "<queue>",
    *OF_FILTERS,
    option("--to", metavar="QUEUE", text="The queue to move them to; by default where each of them died first."),
    option("--exchange", metavar="NAME", text="Publish them to this exchange instead."),
    option("--routing-key", metavar="KEY", text="With this key; by default with their own."),
    option("--count", type=click.IntRange(min=1), text="The most messages to move."),
    flag("--dry-run", text="Only say what would be done."),
)
def move(
    call: Call,
    name: str,
    *,
    conditions: str | None,
    body: str | None,
    to: str | None,
    exchange: str | None,
    routing_key: str | None,
    count: int | None,
    dry_run: bool,
) -> None:
    """Move messages of a queue to another, to an exchange, or back to where they died."""
    if to is not None and (exchange is not None or routing_key is not None):
        raise BadArguments("--to names a queue: there is no exchange or routing key then")
    asked = {"filter": filter_of(conditions, body), "dry_run": dry_run, **settings_of(count=count)}
    if to is not None:
        asked["to"] = {"routing_key": to}
    elif exchange is not None or routing_key is not None:
        asked["to"] = settings_of(exchange=exchange, routing_key=routing_key)
    call.out.banner(f"Moving messages of queue '{name}' in vhost '{call.vhost}' ...")
    call.be_patient()
    with of_queue(call, name):
        told = call.api.post("queues", call.vhost, name, "move", body=asked)
    if call.out.is_json:
        call.out.json(told)
    else:
        tell_move(call, told, dry_run=dry_run)
    if "stopped" in told:
        raise error(f"stopped before the end: {told['stopped']}")


def tell_move(call: Call, told: Mapping[str, Any], *, dry_run: bool) -> None:
    moved = "would be moved" if dry_run else "moved"
    call.out.say(f"{told['moved']} {moved}, of {told['matched']} that match, of {told['scanned']} looked at")
    for queue, number in told["queues"].items():
        call.out.say(f"  {number} to '{printable(queue)}'")
    for outcome, reason in STAYED.items():
        if told[outcome]:
            call.out.say(f"  {told[outcome]} {stay(told[outcome], dry_run=dry_run)}: {reason}")
    for reason, number in told["reasons"].items():
        call.out.say(f"  {number} {stay(number, dry_run=dry_run)}: {printable(reason)}")


def stay(number: int, *, dry_run: bool) -> str:
    return "would stay" if dry_run else "stays" if number == 1 else "stay"
