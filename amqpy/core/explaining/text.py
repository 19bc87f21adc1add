"""Explanations for people: in lines, the answer first, and then the way to it."""

from collections.abc import Iterator, Sequence
from typing import Final

from amqpy.core.explaining.results import (
    AlternateTold,
    BindingTold,
    DeadLettersTold,
    ExchangeTold,
    QueueTold,
    Refusal,
    SettingTold,
)
from amqpy.core.names import shortened

WIDTH_MAX: Final = 40
"""The most columns that are kept free for what stands before another thing."""

NAMES_MAX: Final = 10
"""The most names in a list."""

UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))

OVER_LIMIT: Final = "drops-head"


def way_text(vhost: str, exchange: str, keys: Sequence[str]) -> str:
    copies = f" and, by CC and BCC, {listed(keys[1:])}" if len(keys) > 1 else ""
    where = f"exchange {exchange!r}" if exchange else "the default exchange"
    return f"A message published to {where} in vhost {vhost!r} with the routing key {keys[0]!r}{copies}"


def refusal_lines(way: str, refusal: Refusal) -> Iterator[str]:
    yield way
    yield f"is refused with {refusal.code}: {refusal.text}"
    if refusal.nearest:
        yield meant(refusal.nearest)


def summary(
    way: str,
    exchanges: Sequence[ExchangeTold],
    reached: Sequence[QueueTold],
    reply_queues: Sequence[str],
    *,
    is_unroutable: bool,
) -> Iterator[str]:
    """The answer: which queues a message reaches, or what becomes of it."""
    yield way
    waits_ms = max((exchange.delay_ms for exchange in exchanges), default=0)
    if is_unroutable and not reply_queues:
        yield "reaches no queue: it is dropped; if it is mandatory, it is returned with 312 NO_ROUTE."
        return
    if not reached and not reply_queues:
        yield f"waits for {span(waits_ms)}, then reaches no queue and is dropped."
        return
    by_chance = any(exchange.by_chance for exchange in exchanges)
    parts = [counted(len(reached), "queue") + ": " + listed([queue.name for queue in reached])] if reached else []
    if reply_queues:
        parts.append(f"a client that waits for a reply: {listed(reply_queues)}")
    more = " Chance chooses among them." if by_chance else ""
    yield f"{'may reach' if by_chance else 'reaches'} {' and '.join(parts)}.{more}"
    refusing = [queue.name for queue in reached if queue.fate == "refused"]
    if refusing:
        yield f"Now it is refused by {listed(refusing)}: a publisher that waits for confirms gets basic.nack."


# --- exchanges


def exchange_lines(exchange: ExchangeTold, keys: Sequence[str]) -> Iterator[str]:
    name = f"exchange {exchange.name!r}" if exchange.name else "the default exchange"
    late = f" {span(exchange.after_ms)}" if exchange.after_ms and exchange.came_by == "after its delay" else ""
    yield f"{name} ({exchange.type}), {exchange.came_by}{f' of{late}' if late else ''}"
    if exchange.delay_ms:
        yield f"  the header x-delay: waits for {span(exchange.delay_ms)}, and is routed then"
        return
    if exchange.remark:
        yield f"  {exchange.remark}"
    if not exchange.bindings and not exchange.left_out and exchange.name:
        yield "  nothing is bound to it"
    whats = [_binding_text(each) for each in exchange.bindings]
    wheres = [f"{each.destination_type} {each.destination!r}" for each in exchange.bindings]
    for binding, what, where in zip(exchange.bindings, _padded(whats), _padded(wheres), strict=True):
        near = f". {meant(binding.nearest)}" if binding.nearest else ""
        yield f"  {'+' if binding.matched else '-'} {what} -> {where}  {binding.reason}{near}"
    if exchange.left_out:
        yield f"  ... {counted(exchange.left_out, 'more binding')} that {_do(exchange.left_out)} not match"
    if exchange.alternate is not None:
        yield f"  {_alternate_text(exchange.alternate)}"


def _do(count: int) -> str:
    return "does" if count == 1 else "do"


def _binding_text(binding: BindingTold) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in binding.arguments.items())
    key = repr(binding.routing_key) if binding.routing_key or not arguments else ""
    return " ".join(part for part in (key, shortened(f"{{{arguments}}}", 100) if arguments else "") if part)


def _alternate_text(alternate: AlternateTold) -> str:
    text = f"alternate exchange {alternate.exchange!r} ({alternate.said_by})"
    if not alternate.exists:
        return f"{text}: does not exist{'. ' + meant(alternate.nearest) if alternate.nearest else ''}"
    return f"{text}: used, for nothing matches" if alternate.used else f"{text}: not used, for something matches"


# --- queues


def queue_lines(queue: QueueTold, indent: str = "") -> Iterator[str]:
    late = f", after {span(queue.after_ms)}" if queue.after_ms else ""
    numbers = f"{queue.ready} ready, {queue.unacked} unacknowledged, {counted(queue.consumers, 'consumer')}"
    yield f"{indent}queue {queue.name!r} ({queue.type}){late}: {numbers}"
    inside = f"{indent}  "
    if queue.fate == "duplicate":
        yield f"{inside}drops it: a message with the same x-deduplication-header is here"
    if queue.ttl_ms is not None:
        yield f"{inside}expires here after {_span_setting(queue.ttl_ms)}"
    if queue.expires_ms is not None:
        yield f"{inside}the queue is deleted when it is unused for {_span_setting(queue.expires_ms)}"
    yield from (f"{inside}{line}" for line in _limit_lines(queue))
    if queue.dead_letters is not None:
        yield from _dead_letter_lines(queue.dead_letters, inside)


def _limit_lines(queue: QueueTold) -> Iterator[str]:
    for setting, unit in ((queue.max_length, "message"), (queue.max_length_bytes, "byte")):
        if setting is not None:
            yield f"holds {counted(int(setting.value), unit)} at most{_said(setting, counted_unit(unit))}"
    if queue.overflow is None:
        return
    fates = {
        "taken": f"not full; when it is, {OVERFLOW_TEXTS[str(queue.overflow.value)]}",
        "duplicate": "",
        "refused": "full: this message is refused",
        OVER_LIMIT: "full: with this message, one at the head is dropped",
    }
    if fate := fates[queue.fate]:
        yield f"{fate} (overflow {queue.overflow.value}, {queue.overflow.said_by})"


OVERFLOW_TEXTS: Final = {
    "drop-head": "messages are dropped from the head",
    "reject-publish": "messages are refused",
    "reject-publish-dlx": "messages are refused, and dead-lettered",
}


def _dead_letter_lines(letters: DeadLettersTold, indent: str) -> Iterator[str]:
    where = f"exchange {letters.exchange!r}" if letters.exchange else "the default exchange"
    key = "its own key" if letters.routing_key is None else f"the key {letters.routing_key!r}"
    said_by = dict.fromkeys(each for each in (letters.exchange_said_by, letters.routing_key_said_by) if each)
    yield f"{indent}dead letters go to {where} with {key} ({', '.join(said_by)})"
    inside = f"{indent}  "
    if not letters.exists:
        near = f" {meant(letters.nearest)}" if letters.nearest else ""
        yield f"{inside}which does not exist: they are lost.{near}"
        return
    if not letters.is_followed:
        yield f"{inside}where they go from there is not told: there are too many queues"
        return
    if letters.by_chance:
        yield f"{inside}which chooses by chance"
    if not (letters.queues or letters.back_to or letters.left_out):
        yield f"{inside}from where they reach no queue: they are lost"
    for queue in letters.queues:
        yield from queue_lines(queue, inside)
    if letters.back_to:
        again = f"back to {listed(letters.back_to)}"
        yield f"{inside}{again}: a cycle, in which a message is dropped unless a client rejects it on the way"
    if letters.left_out:
        yield f"{inside}... {counted(letters.left_out, 'more queue')}"


def _span_setting(setting: SettingTold) -> str:
    others = "; ".join(f"{each.said_by}: {span(int(each.value))}" for each in setting.others)
    return f"{span(int(setting.value))} ({setting.said_by}{f'; not {others}' if others else ''})"


def _said(setting: SettingTold, unit: str) -> str:
    others = "; ".join(f"{each.said_by}: {each.value:,} {unit}" for each in setting.others)
    return f" ({setting.said_by}{f'; not {others}' if others else ''})"


# --- words


def printable(line: str) -> str:
    """The line without characters that end it, or that a terminal would obey."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


def span(span_ms: int) -> str:
    """A span of time, in its two largest units: `1 h 30 min`."""
    parts = []
    for size, unit in UNITS:
        count, span_ms = divmod(span_ms, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 ms"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def counted_unit(noun: str) -> str:
    return f"{noun}s"


def listed(names: Sequence[str]) -> str:
    """Names in a row: `'a', 'b' and 'c'`."""
    shown = [repr(name) for name in names[:NAMES_MAX]]
    if len(names) > NAMES_MAX:
        return f"{', '.join(shown)} and {len(names) - NAMES_MAX:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def meant(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names]
    return f"Did you mean {', '.join(shown[:-1])}{' or ' if len(shown) > 1 else ''}{shown[-1]}?"


def _padded(texts: Sequence[str]) -> list[str]:
    """The texts, as wide as the widest of those that are not too wide."""
    width = max((len(text) for text in texts if len(text) <= WIDTH_MAX), default=0)
    return [text.ljust(width) for text in texts]
