"""All that looks at the single octets of every message, which costs more than anything else about it.

Pure Python here; `_scan.c` has the same functions in C, where that could be compiled. Both answer alike to any bytes:
what is here is the reference, and the tests hold its twin to it. Nothing here knows a broker.

Publishers and consumers say much the same many times in a row, and all of it at once. So what is cut out of the
received bytes are *runs*: messages with the same method, channel and verdict (`cut_run`), acknowledgements of the same
channel (`cut_acks`); and the deliveries of a run are written as one buffer (`deliveries`).

A content header is judged once, on arrival, so that no consumer is sent bytes that its library cannot parse. The
verdict is one number:

    bits 0-15   the flags of the properties that are present
    bits 16-23  the delivery mode, 0 without one
    bit 24      the headers name CC or BCC
    bit 25      the reply-to is the pseudo-queue of direct reply-to

or MALFORMED. Nothing recurses: a client may nest tables as deep as a frame has room for.

Source: AMQP 0-9-1 sections 4.2.5.5 and 4.2.6.1 with RabbitMQ's errata; `rabbit_framing_amqp_0_9_1:decode_properties`.
"""

import os
import struct
from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol, TypeAlias

from amqpy.wire.frames import BODY, FRAME_END, HEAD_SIZE, HEADER, METHOD, PUBLISH_ID

FLAGS_AT: Final = 12
"""The offset of the flags in a content header's payload: class, weight and body size come before them."""

SHORTSTR, TABLE, MODE, REPLY_TO = 0, -1, -2, -3
KINDS: Final = (
    *(SHORTSTR, SHORTSTR, TABLE, MODE, 1),  # content type and encoding, headers, delivery mode, priority
    *(SHORTSTR, REPLY_TO, SHORTSTR, SHORTSTR, 8),  # correlation id, reply-to, expiration, message id, timestamp
    *(SHORTSTR, SHORTSTR, SHORTSTR, SHORTSTR),  # type, user id, app id, cluster id
)
"""The kinds of the properties, in the order of their flags. A positive number is that many octets."""

MALFORMED: Final = -1
COPIES: Final = 1 << 24
ASKS: Final = 1 << 25
DIRECT_REPLY_TO: Final = b"\x15amq.rabbitmq.reply-to"
"""The reply-to of a message that asks for a direct reply, as a short string."""
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
            elif kind == REPLY_TO:
                start = position
                position += 1 + header[position]
                if header[start:position] == DIRECT_REPLY_TO:
                    verdict |= ASKS
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


# --- runs

Run: TypeAlias = tuple[list[bytes], int, list[bytes], list[bytes]]
"""Published messages that came in a row: the payloads of their method frames, the verdict on all of their content
headers, the payloads of these, and the bodies. Payloads that are the same as the one before are the same object."""

Acks: TypeAlias = tuple[list[int], int]
"""Acknowledgements that came in a row: their delivery tags, and their bits. One that is `MULTIPLE` comes alone."""

MULTIPLE: Final = 1
HELD_MAX: Final = 16 * 1024
"""Octets of a message up to which it is held back while it is not whole."""

_HEAD: Final = struct.Struct(">BHI").unpack_from
_CONTENT: Final = struct.Struct(">HHQ").unpack_from
_BASIC: Final = 60
_ACK: Final = struct.Struct(">11sQBB")


def cut_run_in_python(data: bytes, position: int, frame_max: int) -> tuple[int, Run] | int:
    """Cuts messages out of `data`: the one that begins at `position`, and those behind it as long as they have the same
    channel and verdict. Each is three frames, or two if it has no body.

    Returns the end of the last one, and the run. If there is none: the octets to wait for, where the message is small
    and good so far, or 0 where its frames are to be looked at one by one.
    """
    end = len(data)
    _, channel, _ = _HEAD(data, position)
    method = payload = b""
    methods: list[bytes] = []
    headers: list[bytes] = []
    bodies: list[bytes] = []
    header = same = b""
    body_size, verdict = 0, MALFORMED
    at = position
    while True:
        if not (method and data.startswith(method, at)):
            method = _publish_frame(data, at, channel, frame_max)
            if not method:
                break
            payload = method[HEAD_SIZE:-1]
        start = at + len(method)
        if same and data.startswith(same, start):  # as the last message, up to its body
            body_start = start + len(same)
            body_end = body_start + body_size
            if body_end >= end or data[body_end] != FRAME_END:
                break
        else:
            content = _content(data, start, channel, frame_max)
            if isinstance(content, int):
                if bodies or content - position > HELD_MAX:
                    break
                return max(content - position, 0)
            header, body_start, body_end = content
            found = judge_in_python(header)
            if bodies and found != verdict:
                break
            verdict = found
            body_size = body_end - body_start
            same = data[start:body_start]
        methods.append(payload)
        headers.append(header)
        bodies.append(data[body_start:body_end])
        at = body_end + 1
    return (at, (methods, verdict, headers, bodies)) if bodies else 0


def _publish_frame(data: bytes, position: int, channel: int, frame_max: int) -> bytes:
    """The frame that begins at `position`; empty if that is no basic.publish of this channel, or not whole, or bad."""
    start = position + HEAD_SIZE
    if not data.startswith(PUBLISH_ID, start):
        return b""
    kind, number, size = _HEAD(data, position)
    stop: int = start + size
    if kind != METHOD or number != channel or size > frame_max or stop >= len(data) or data[stop] != FRAME_END:
        return b""
    return data[position : stop + 1]


def _content(data: bytes, position: int, channel: int, frame_max: int) -> tuple[bytes, int, int] | int:
    """Reads a content header frame and one body frame. Returns the payload of the first, and where that of the second
    starts and ends. For content that is good so far: the end of what must be there to know more; else 0."""
    end = len(data)
    start = position + HEAD_SIZE
    if start > end:
        return start
    kind, number, size = _HEAD(data, position)
    stop: int = start + size
    if kind != HEADER or number != channel or not FLAGS_AT + 2 <= size <= frame_max:
        return 0
    if stop >= end:
        return stop + 1
    class_id, weight, body_size = _CONTENT(data, start)
    if data[stop] != FRAME_END or class_id != _BASIC or weight or body_size > frame_max:
        return 0
    if not body_size:
        return data[start:stop], stop, stop
    body_start = stop + 1 + HEAD_SIZE
    body_end: int = body_start + body_size
    if body_start > end:
        return body_start
    if _HEAD(data, stop + 1) != (BODY, channel, body_size):
        return 0
    if body_end >= end:
        return body_end + 1
    return (data[start:stop], body_start, body_end) if data[body_end] == FRAME_END else 0


def cut_acks_in_python(data: bytes, position: int) -> tuple[int, Acks]:
    """Cuts acknowledgements out of `data`: the one that begins at `position`, and those behind it as long as they have
    the same channel and bits and are not `MULTIPLE`. Returns the end of the last one, and all of them: none if the
    first is not whole, or bad."""
    size = _ACK.size
    head = data[position : position + 11]
    whole = memoryview(data)[position : len(data) - (len(data) - position) % size]
    tags: list[int] = []
    bits = 0
    for its_head, tag, its_bits, last in _ACK.iter_unpack(whole):
        if its_head != head or last != FRAME_END or (tags and (its_bits != bits or bits & MULTIPLE)):
            break
        tags.append(tag)
        bits = its_bits
    return position + len(tags) * size, (tags, bits)


class Content(Protocol):
    """The encoded parts of a message (`wire.content`)."""

    @property
    def address(self) -> bytes: ...
    @property
    def header(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...


_FRAME: Final = struct.Struct(">BHI").pack
_TAG: Final = struct.Struct(">QB").pack
_NEXT_FRAME: Final = struct.Struct(">BBHI").pack


def deliveries_in_python(
    opening: bytes, channel: int, tag: int, messages: Sequence[Content], start: int, body_max: int
) -> tuple[bytes, int]:
    """Encodes basic.deliver of messages[start:], with delivery tags from `tag` on, as far as no body has more than
    `body_max` octets. `opening` is class and method id and the consumer tag. Returns the frames, and the number of
    messages. Raises OverflowError if a channel, a tag or the size of a frame does not fit its place."""
    parts: list[bytes] = []
    first = tag
    address = header = None
    head = middle = b""
    size = -1
    try:
        for message in islice(messages, start, None):
            body = message.body
            if len(body) > body_max:
                break
            if message.address is not address:
                address, header = message.address, None
                head = _FRAME(METHOD, channel, len(opening) + 9 + len(address)) + opening
            if message.header is not header or len(body) != size:
                header, size = message.header, len(body)
                middle = address + _NEXT_FRAME(FRAME_END, HEADER, channel, len(header)) + header
                if size:
                    middle += _NEXT_FRAME(FRAME_END, BODY, channel, size)
            parts += (head, _TAG(tag, 0), middle, body, b"\xce")
            tag += 1
    except struct.error as error:
        raise OverflowError(str(error)) from None
    return b"".join(parts), tag - first


# --- the functions in use


def _uses_c() -> bool:
    if os.environ.get("AMQPY_PURE") == "1":
        return False
    try:
        from amqpy.wire import _scan
    except ImportError:
        return False
    return hasattr(_scan, "cut_run")  # or it was built from older source


if _uses_c():
    from amqpy.wire import _scan

    cut_acks, cut_run, deliveries, judge = _scan.cut_acks, _scan.cut_run, _scan.deliveries, _scan.judge
else:
    cut_acks, cut_run = cut_acks_in_python, cut_run_in_python
    deliveries, judge = deliveries_in_python, judge_in_python

LANGUAGE: Final = "Python" if judge is judge_in_python else "C"
"""The language of the functions in use."""
