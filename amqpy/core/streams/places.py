"""Places in a stream: where a consumer begins to read.

`x-stream-offset` is `first`, `last`, `next`, an offset, a timestamp in seconds, or an interval before now such as `1h`.
A negative offset counts from the end, as in LavinMQ.

Source: `rabbit_stream_queue:parse_offset_arg`, `osiris_log:init_offset_reader`.
"""

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from amqpy.core.streams.log import StreamLog
from amqpy.wire.values import INTEGER_KINDS, Field, as_erlang, as_text

UNITS_MS: Final = {
    "Y": 365 * 86_400_000,
    "M": 30 * 86_400_000,
    "D": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
}
_INTERVAL: Final = re.compile(r"0*([1-9][0-9]{0,17})([YMDhms])")

Kind: TypeAlias = Literal["first", "last", "next", "offset", "from end", "timestamp", "interval"]


class Place(NamedTuple):
    """A place to begin at; `value` is an offset, a number of messages, or milliseconds."""

    kind: Kind
    value: int = 0


NEXT: Final = Place("next")
NAMED: Final = {"first": Place("first"), "last": Place("last"), "next": NEXT}


def interval_ms(text: str) -> int | None:
    """The milliseconds of an interval such as `1h`; None if it is none, or 0."""
    found = _INTERVAL.fullmatch(text)
    return None if found is None else int(found[1]) * UNITS_MS[found[2]]


def place_of(field: Field | None) -> Place | None:
    """The place that the argument of a consumer names; None if it names none."""
    if field is None:
        return NEXT
    kind, value = field
    if kind in INTEGER_KINDS:
        return Place("offset", value) if value >= 0 else Place("from end", -value)
    if kind == "timestamp":
        return Place("timestamp", value * 1000)
    if kind not in {"longstr", "binary"}:
        return None
    text = as_text(value)
    if text in NAMED:
        return NAMED[text]
    span_ms = interval_ms(text)
    return None if span_ms is None else Place("interval", span_ms)


def check_offset(field: Field) -> str | None:
    """The error term for an `x-stream-offset` that names no place, or None."""
    if place_of(field) is not None:
        return None
    return f"{{invalid_stream_offset_arg,{{{field.kind},{as_erlang(field)}}}}}"


def find(log: StreamLog, place: Place, now_ms: int) -> int:
    """The offset of the first message from a place on. It may be beyond the end. `now_ms` is Unix time."""
    kind, value = place
    if kind == "first":
        return log.first
    if kind == "next":
        return log.next
    if kind == "last":
        return max(log.last_chunk, log.first) if log.length else log.next
    if kind == "offset":
        return max(value, log.first)
    if kind == "from end":
        return max(log.committed - value, log.first)
    return _since(log, value if kind == "timestamp" else now_ms - value)


def _since(log: StreamLog, timestamp_ms: int) -> int:
    """The offset of the first message of the first chunk that is not older."""
    older = [segment for segment in log.segments if segment.first_ms < timestamp_ms]
    if not older:
        return log.first
    segment = older[-1]
    for _, head in log.chunks_from(segment, log.index_of(segment).before_time(timestamp_ms)):
        if head.timestamp_ms >= timestamp_ms:
            return head.offset
    return log.segment_after(segment).first if segment is not log.segments[-1] else log.next
