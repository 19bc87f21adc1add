"""All that looks at the single octets of every message, which costs more than anything else about it.

Pure Python here; `_scan.c` has the same functions in C, where that could be compiled. Both answer alike to any bytes:
what is here is the reference, and the tests hold its twin to it. Nothing here knows a broker.

A content header is judged once, on arrival, so that no consumer is sent bytes that its library cannot parse. The
verdict is one number:

    bits 0-15   the flags of the properties that are present
    bits 16-23  the delivery mode, 0 without one
    bit 24      the headers name CC or BCC

or MALFORMED. Nothing recurses: a client may nest tables as deep as a frame has room for.

Source: AMQP 0-9-1 sections 4.2.5.5 and 4.2.6.1 with RabbitMQ's errata; `rabbit_framing_amqp_0_9_1:decode_properties`.
"""

import os
import struct
from collections.abc import Callable
from typing import Final

FLAGS_AT: Final = 12
"""The offset of the flags in a content header's payload: class, weight and body size come before them."""

SHORTSTR, TABLE, MODE = 0, -1, -2
KINDS: Final = (
    *(SHORTSTR, SHORTSTR, TABLE, MODE, 1),  # content type and encoding, headers, delivery mode, priority
    *(SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR, 8),  # correlation id, reply-to, expiration, message id, timestamp
    *(SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR),  # type, user id, app id, cluster id
)
"""The kinds of the properties, in the order of their flags. A positive number is that many octets."""

MALFORMED: Final = -1
COPIES: Final = 1 << 24
MODE_SHIFT: Final = 16
_MODE_FLAG: Final = 0x8000 >> KINDS.index(MODE)

SIZES: Final = {
    **dict.fromkeys(b"V", 1),
    **dict.fromkeys(b"bBt", 2),
    **dict.fromkeys(b"su", 3),
    **dict.fromkeys(b"Iif", 5),
    **dict.fromkeys(b"D", 6),
    **dict.fromkeys(b"lLdT", 9),
}
"""Octets of a tag and its value, for the values that always have the same size. The others are a tag, four octets of
size and that many more."""
_SIZES: Final = bytes(SIZES.get(tag, 0) for tag in range(256))
_LONGSTR, _BINARY = b"Sx"
CONTAINERS: Final = {ord("F"): True, ord("A"): False}
"""Those that have other values inside, and if these have names."""
_COPY_NAMES: Final = (b"\x02CC", b"\x03BCC")
_LONG: Final = struct.Struct(">I").unpack_from

SHAPES_MAX: Final = 1000
"""Combinations of flags that are remembered; applications use a handful."""
shapes: dict[int, tuple[int, ...]] = {}
"""The kinds of the properties that flags stand for."""


def judge_in_python(header: bytes) -> int:
    """Checks that `decode_properties` could decode the header, at a tenth of its cost. Returns the verdict."""
    try:
        verdict = header[FLAGS_AT] << 8 | header[FLAGS_AT + 1]
        position = FLAGS_AT + 2
        shape = shapes.get(verdict)
        if shape is None:
            shape = _shape(verdict)
        for kind in shape:
            if kind == SHORTSTR:
                position += 1 + header[position]
            elif kind > 0:
                position += kind
            elif kind == MODE:
                verdict |= header[position] << MODE_SHIFT
                position += 1
            else:
                start = position + 4
                position = start + _LONG(header, position)[0]
                if position > len(header):
                    return MALFORMED
                verdict |= scan_table(header, start, position)  # -1 whatever comes after it, if it is malformed
    except (IndexError, struct.error):
        return MALFORMED
    return verdict if position == len(header) else MALFORMED


def scan_table(data: bytes, position: int, end: int, *, keyed: bool = True) -> int:
    """Checks that `decode_table` could decode data[position:end], at any depth; `keyed` is false for an array's inside.

    Returns COPIES if a name in it (not in a table inside of it) is CC or BCC, 0 if none is, or MALFORMED.
    """
    found = 0
    outer: list[tuple[int, bool]] = []
    """The ends of the tables and arrays around this one, and if their items have names."""
    try:
        while True:
            while position < end:
                if keyed:
                    start = position
                    size = data[position]
                    position += 1 + size
                    if size < 4 and data[start:position] in _COPY_NAMES and not outer:
                        found = COPIES
                tag = data[position]
                if tag == _LONGSTR:  # as most are
                    position += 5 + _LONG(data, position + 1)[0]
                    continue
                size = _SIZES[tag]
                if size:
                    position += size
                    continue
                start = position + 5
                position = start + _LONG(data, position + 1)[0]
                if tag == _BINARY:
                    continue
                if position > end or tag not in CONTAINERS:
                    return MALFORMED
                outer.append((end, keyed))
                position, end, keyed = start, position, CONTAINERS[tag]
            if position != end:
                return MALFORMED
            if not outer:
                return found
            end, keyed = outer.pop()
    except (IndexError, struct.error):
        return MALFORMED


def delivery_mode_of(verdict: int) -> int | None:
    """The delivery mode of a valid header, None if it has none."""
    return verdict >> MODE_SHIFT & 0xFF if verdict & _MODE_FLAG else None


def _shape(flags: int) -> tuple[int, ...]:
    if len(shapes) >= SHAPES_MAX:
        shapes.clear()
    shape = shapes[flags] = tuple(kind for bit, kind in enumerate(KINDS) if flags & 0x8000 >> bit)
    return shape


def _compiled() -> Callable[[bytes], int] | None:
    if os.environ.get("AMQPY_PURE") == "1":
        return None
    try:
        from amqpy.wire import _scan

        return _scan.judge
    except (ImportError, AttributeError):  # AttributeError: it was built from older source
        return None


judge: Final = _compiled() or judge_in_python
"""Judges the payload of a content header: returns the verdict on it, or MALFORMED."""

LANGUAGE: Final = "Python" if judge is judge_in_python else "C"
"""The language of the functions in use."""
