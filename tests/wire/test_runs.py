"""Runs of messages and acknowledgements: both twins cut them as one frame after the other is cut."""

import struct
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amqpy.wire.scan import ASKS, HELD_MAX, MALFORMED, Run
from tests.strategies import mangled
from tests.wire.test_scan import plainest
from tests.wire.twins import TWINS, Twin

both_twins = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)

FRAME_MAX = 4096
PUBLISH = b"\x00\x3c\x00\x28\x00\x00\x00\x01q\x00"


def frame(kind: int, channel: int, payload: bytes, end: int = 0xCE) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes((end,))


def header_of(body: bytes, properties: bytes = b"\x00\x00") -> bytes:
    return struct.pack(">HHQ", 60, 0, len(body)) + properties


def content(body: bytes, properties: bytes = b"\x00\x00") -> bytes:
    return frame(2, 1, header_of(body, properties)) + (frame(3, 1, body) if body else b"")


METHOD_FRAME = frame(1, 1, PUBLISH)


def message(body: bytes, properties: bytes = b"\x00\x00") -> bytes:
    return METHOD_FRAME + content(body, properties)


# --- the plainest reading of messages: takes what comes, one thing after the other


class UnusualError(Exception):
    pass


class NotYetThereError(Exception):
    """So many octets must be there."""


class Read(NamedTuple):
    channel: int
    method: bytes
    header: bytes
    body: bytes
    size: int


def first_message(data: bytes, frame_max: int) -> Read:
    at = 0

    def taken(size: int) -> bytes:
        nonlocal at
        if at + size > len(data):
            raise NotYetThereError(at + size)
        at += size
        return data[at - size : at]

    def payload_of(expected: tuple[int, int], least: int, most: int) -> bytes:
        kind, channel, size = struct.unpack(">BHI", taken(7))
        if expected != (kind, channel) or not least <= size <= most:
            raise UnusualError
        *payload, end = taken(size + 1)
        if end != 0xCE:
            raise UnusualError
        return bytes(payload)

    try:
        _, channel, _ = struct.unpack_from(">BHI", data.ljust(7, b"\0"))
        method = payload_of((1, channel), 4, frame_max)
    except NotYetThereError:
        raise UnusualError from None  # it waits like any other frame
    if not method.startswith(b"\x00\x3c\x00\x28"):
        raise UnusualError
    header = payload_of((2, channel), 14, frame_max)
    class_id, weight, size = struct.unpack_from(">HHQ", header)
    if (class_id, weight) != (60, 0) or size > frame_max:
        raise UnusualError
    body = payload_of((3, channel), size, size) if size else b""
    return Read(channel, method, header, body, at)


def plainest_run(data: bytes, position: int, frame_max: int) -> tuple[int, Run] | int:
    found: list[Read] = []
    at, wait = position, 0
    while True:
        try:
            it = first_message(data[at:], frame_max)
        except NotYetThereError as more:
            (wait,) = more.args
            break
        except UnusualError:
            break
        first = found[0] if found else it
        if it.channel != first.channel or plainest(it.header) != plainest(first.header):
            break
        found.append(it)
        at += it.size
    if found:
        first = found[0]
        verdict = plainest(first.header)
        return at, ([it.method for it in found], verdict, [it.header for it in found], [it.body for it in found])
    return wait if wait <= HELD_MAX else 0


# --- messages by chance

_CHANNELS = st.sampled_from([1, 1, 1, 2])
_PROPERTIES = st.sampled_from(
    [b"\x00\x00", b"\x00\x00", b"\x10\x00\x01", b"\x10\x00\x02", b"\x80\x00\x01t", b"\x80\x00\x02tt", b"\x80\x00\x02t"]
)
_ENDS = st.sampled_from([0xCE] * 15 + [0])


@st.composite
def some_messages(draw: st.DrawFn) -> bytes:
    """A row of messages, mostly as they should be."""
    channel = draw(_CHANNELS)
    payload = draw(st.sampled_from([PUBLISH, PUBLISH, PUBLISH[:-1] + b"\x01", PUBLISH[:4], b""]))
    method_frame = frame(1, channel, payload, draw(_ENDS))

    def put(kind: int, payload: bytes) -> bytes:
        number = draw(st.sampled_from([channel] * 8 + [9]))
        return frame(draw(st.sampled_from([kind] * 8 + [5])), number, payload, draw(_ENDS))

    parts = []
    for body in draw(st.lists(st.binary(max_size=3), max_size=5)):
        properties = draw(_PROPERTIES)
        claimed = len(body) + draw(st.sampled_from([0] * 8 + [1]))
        class_id = draw(st.sampled_from([60] * 8 + [50]))
        header = struct.pack(">HHQ", class_id, draw(st.sampled_from([0] * 8 + [1])), claimed) + properties
        parts += [method_frame, put(2, header)]
        if body:
            parts.append(put(3, body))
    return b"".join(parts)


_SOMETHING = st.builds(frame, st.sampled_from([1, 2, 3, 8, 0, 255]), _CHANNELS, st.binary(max_size=20), _ENDS)
_STREAMS = st.lists(some_messages() | _SOMETHING | st.binary(max_size=9), max_size=4).map(b"".join)
_FRAME_MAXES = st.sampled_from([FRAME_MAX, FRAME_MAX, 0, 13, 14, 15, 16, 2**32 - 1, 2**63 - 1])


def beginnings(data: bytes) -> list[int]:
    """Where the head of a frame, or what looks like one, has room."""
    places, at = [], 0
    while at + 7 <= len(data):
        places.append(at)
        at += 8 + int.from_bytes(data[at + 3 : at + 7], "big")
    return places


def outcomes(twin: Twin, data: bytes, frame_max: int) -> None:
    for at in beginnings(data):
        assert twin.cut_run(data, at, frame_max) == plainest_run(data, at, frame_max)


@both_twins
@given(_STREAMS, _FRAME_MAXES)
def test_runs_by_chance(twin: Twin, stream: bytes, frame_max: int) -> None:
    outcomes(twin, stream, frame_max)


@both_twins
@given(some_messages().flatmap(mangled), _FRAME_MAXES)
@example(METHOD_FRAME + b"\xff\xce" * 4, FRAME_MAX)
@example(message(b"") + METHOD_FRAME + b"\xff\xce" * 4, FRAME_MAX)
def test_spoilt_runs(twin: Twin, stream: bytes, frame_max: int) -> None:
    outcomes(twin, stream, frame_max)


@both_twins
@given(some_messages())
def test_a_row_that_is_cut_anywhere(twin: Twin, row: bytes) -> None:
    for size in range(7, len(row) + 1):
        assert twin.cut_run(row[:size], 0, FRAME_MAX) == plainest_run(row[:size], 0, FRAME_MAX)


# --- messages by hand


@both_twins
@pytest.mark.parametrize("behind", [b"", b"\x01", METHOD_FRAME, message(b"xyz")[:-1], frame(8, 0, b""), b"\xff" * 99])
def test_a_run_ends_with_the_last_whole_message(twin: Twin, behind: bytes) -> None:
    row = message(b"one") + message(b"") + message(b"3", b"\x00\x00")
    bodies = [b"one", b"", b"3"]
    run = [PUBLISH] * len(bodies), 0, [*map(header_of, bodies)], bodies
    assert twin.cut_run(row + behind, 0, FRAME_MAX) == (len(row), run)
    assert twin.cut_run(b"before" + row + behind, 6, FRAME_MAX) == (6 + len(row), run)


@both_twins
@pytest.mark.parametrize(
    "bad",
    [
        frame(5, 1, header_of(b"abc")) + frame(3, 1, b"abc"),
        frame(2, 2, header_of(b"abc")) + frame(3, 1, b"abc"),
        frame(2, 1, header_of(b"abc"), end=0) + frame(3, 1, b"abc"),
        frame(2, 1, header_of(b"abc")) + frame(5, 1, b"abc"),
        frame(2, 1, header_of(b"abc")) + frame(3, 2, b"abc"),
        frame(2, 1, header_of(b"abc")) + frame(3, 1, b"abc", end=0),
        frame(2, 1, header_of(b"abc")) + frame(3, 1, b"ab") + frame(3, 1, b"c"),
        frame(2, 1, header_of(b"ab")) + frame(3, 1, b"abc"),
        frame(2, 1, b"\x00\x32" + header_of(b"abc")[2:]) + frame(3, 1, b"abc"),
        frame(2, 1, b"\x00\x3c\x00\x01" + header_of(b"abc")[4:]) + frame(3, 1, b"abc"),
        frame(2, 1, header_of(b""), end=0),
        frame(8, 0, b"") + content(b"abc"),
        b"\xff\xce" * 9,
    ],
)
def test_a_message_is_read_as_strictly_behind_its_like_as_alone(twin: Twin, bad: bytes) -> None:
    for good in (message(b"abc"), message(b"")):
        end, _ = expected = plainest_run(good * 2, 0, FRAME_MAX)  # type: ignore[misc]
        assert end == 2 * len(good)
        assert twin.cut_run(good * 2 + METHOD_FRAME + bad + good, 0, FRAME_MAX) == expected
        assert twin.cut_run(METHOD_FRAME + bad + good, 0, FRAME_MAX) == 0


@both_twins
@pytest.mark.parametrize("body", [b"", b"x", b"0123456789"])
def test_every_cut_of_the_first_message_tells_what_to_wait_for(twin: Twin, body: bytes) -> None:
    whole = message(body)
    header_end = len(METHOD_FRAME) + len(frame(2, 1, header_of(body)))
    ends = [len(METHOD_FRAME) + 7, header_end, *([header_end + 7, len(whole)] if body else [])]
    for size in range(7, len(whole)):
        wanted = min(end for end in ends if end > size) if size >= len(METHOD_FRAME) else 0
        assert twin.cut_run(whole[:size], 0, FRAME_MAX) == wanted
        assert twin.cut_run(b"......" + whole[:size], 6, FRAME_MAX) == wanted
    assert twin.cut_run(whole, 0, FRAME_MAX) == (len(whole), ([PUBLISH], 0, [header_of(body)], [body]))


@both_twins
def test_only_a_small_message_is_waited_for(twin: Twin) -> None:
    around = len(message(b"x")) - 1
    for size, wanted in ((HELD_MAX, HELD_MAX), (HELD_MAX + 1, 0)):
        whole = message(bytes(size - around))
        assert len(whole) == size
        assert twin.cut_run(whole[:-1], 0, 131072) == wanted
        assert twin.cut_run(whole, 0, 131072) == plainest_run(whole, 0, 131072) != 0
        assert twin.cut_run(message(b"first") + whole[:-1], 0, 131072) == plainest_run(message(b"first"), 0, 131072)


@both_twins
@pytest.mark.parametrize(
    ("other", "count"),
    [
        (message(b"b", b"\x80\x00\x03abc"), 1),  # another property
        (message(b"b", b"\x10\x00\x02"), 1),  # another mode
        (message(b"b", b"\x00\x00\x00"), 1),  # malformed
        (frame(1, 1, PUBLISH + b"\x00") + content(b"b"), 3),  # a longer method
        (frame(1, 1, PUBLISH[:-1] + b"\x01") + content(b"b"), 3),  # another bit
        (frame(1, 1, PUBLISH[:3] + b"\x29" + PUBLISH[4:]) + content(b"b"), 1),  # another class and method
        (frame(1, 1, PUBLISH[:3]) + content(b"b"), 1),  # too short for them
        (frame(5, 1, PUBLISH) + content(b"b"), 1),  # another kind
        (frame(1, 2, PUBLISH) + content(b"b").replace(b"\x00\x01", b"\x00\x02", 1), 1),  # another channel
        (message(b"b"), 3),
    ],
)
def test_a_run_ends_where_something_else_begins(twin: Twin, other: bytes, count: int) -> None:
    row = message(b"a") + other + message(b"c")
    cut = twin.cut_run(row, 0, FRAME_MAX)
    assert cut == plainest_run(row, 0, FRAME_MAX)
    assert isinstance(cut, tuple)
    assert len(cut[1][3]) == count


@both_twins
def test_malformed_headers_are_a_run_of_their_own(twin: Twin) -> None:
    bad = [b"\x80\x00\x05a", b"\x80\x00", b"\x00\x00more", b"\x80\x00\x05a"]
    row = b"".join(message(b"m", properties) for properties in bad)
    headers = [header_of(b"m", properties) for properties in bad]
    assert twin.cut_run(row + message(b"m"), 0, FRAME_MAX) == (
        len(row),
        ([PUBLISH] * 4, MALFORMED, headers, [b"m"] * 4),
    )


@both_twins
def test_the_verdict_tells_who_asks_for_a_direct_reply(twin: Twin) -> None:
    for name in (
        b"amq.rabbitmq.reply-to",
        b"amq.rabbitmq.reply-to.x",
        b"amq.rabbitmq.reply-tO",
        b"amq.rabbitmq.reply-t",
    ):
        asks = ASKS if name == b"amq.rabbitmq.reply-to" else 0
        whole = message(b"m", b"\x02\x00" + bytes((len(name),)) + name)
        cut = twin.cut_run(whole, 0, FRAME_MAX)
        assert isinstance(cut, tuple)
        assert cut[1][1] == 0x0200 | asks


@both_twins
@pytest.mark.parametrize("size", [0, 13, 14, 15])
def test_the_smallest_header(twin: Twin, size: int) -> None:
    stream = METHOD_FRAME + frame(2, 1, header_of(b"", b"\x00\x00\x00")[:size])
    verdicts = {14: 0, 15: MALFORMED}
    cut = twin.cut_run(stream, 0, FRAME_MAX)
    assert cut == plainest_run(stream, 0, FRAME_MAX)
    assert (cut[1][1] if isinstance(cut, tuple) else None) == verdicts.get(size)


@both_twins
@pytest.mark.parametrize("part", range(3))
def test_a_payload_may_fill_frame_max_but_not_exceed_it(twin: Twin, part: int) -> None:
    for size in (FRAME_MAX, FRAME_MAX + 1):
        method = frame(1, 1, PUBLISH.ljust(size, b"\0") if part == 0 else PUBLISH)
        body = bytes(size) if part == 2 else b"body"
        header = header_of(body).ljust(size, b"\0") if part == 1 else header_of(body)
        whole = method + frame(2, 1, header) + frame(3, 1, body)
        cut = twin.cut_run(whole, 0, FRAME_MAX)
        assert cut == plainest_run(whole, 0, FRAME_MAX)
        assert (cut == 0) == (size > FRAME_MAX)


@both_twins
@pytest.mark.parametrize("body", [b"", b"body"])
def test_headers_that_are_alike_are_one_object(twin: Twin, body: bytes) -> None:
    cut = twin.cut_run(message(body) * 3 + message(b"other") + message(body), 0, FRAME_MAX)
    assert isinstance(cut, tuple)
    first, second, third, *_, last = cut[1][2]
    assert first is second is third
    assert last == first


@both_twins
@pytest.mark.parametrize("size", [2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_body_of_more_than_can_be(twin: Twin, size: int) -> None:
    start = METHOD_FRAME + frame(2, 1, struct.pack(">HHQH", 60, 0, size, 0)) + struct.pack(">BHI", 3, 1, 2**32 - 1)
    for frame_max in (FRAME_MAX, 2**32 - 1, 2**63 - 1):
        assert twin.cut_run(start, 0, frame_max) == plainest_run(start, 0, frame_max) == 0


# --- acknowledgements


def ack(tag: int, bits: int = 0, channel: int = 1, method: bytes = b"\x00\x3c\x00\x50", end: int = 0xCE) -> bytes:
    return frame(1, channel, method + struct.pack(">QB", tag, bits), end)


def plainest_acks(data: bytes, position: int) -> tuple[int, tuple[list[int], int]]:
    tags: list[int] = []
    bits = 0
    while True:
        at = position + 21 * len(tags)
        it = data[at : at + 21]
        if len(it) < 21 or it[:11] != data[position : position + 11] or it[20] != 0xCE:
            return at, (tags, bits)
        if tags and (it[19] != bits or bits & 1):
            return at, (tags, bits)
        tags.append(int.from_bytes(it[11:19], "big"))
        bits = it[19]


_ACKS = st.builds(
    ack,
    st.integers(0, 2**64 - 1),
    st.sampled_from([0] * 6 + [1, 2]),
    _CHANNELS,
    st.sampled_from([b"\x00\x3c\x00\x50"] * 8 + [b"\x00\x3c\x00\x78"]),
    _ENDS,
)
_ROWS = st.lists(_ACKS, min_size=1, max_size=8).map(b"".join)


@both_twins
@given(_ROWS | _ROWS.flatmap(mangled).filter(lambda data: len(data) >= 7), st.binary(max_size=25))
def test_acks_by_chance(twin: Twin, row: bytes, behind: bytes) -> None:
    for at in beginnings(row):
        assert twin.cut_acks(row, at) == plainest_acks(row, at)
        assert twin.cut_acks(row + behind, at) == plainest_acks(row + behind, at)


@both_twins
@pytest.mark.parametrize(
    ("row", "tags", "bits"),
    [
        (ack(1) + ack(2**64 - 1) + ack(0), [1, 2**64 - 1, 0], 0),
        (ack(1) + ack(2) + ack(3)[:-1], [1, 2], 0),
        (ack(1, bits=1) + ack(2), [1], 1),
        (ack(1) + ack(2, bits=1), [1], 0),
        (ack(1, bits=2) + ack(2, bits=2) + ack(3, bits=4), [1, 2], 2),
        (ack(1) + ack(2, channel=2), [1], 0),
        (ack(1) + ack(2, end=0) + ack(3), [1], 0),
        (ack(1)[:-1], [], 0),
        (ack(1, end=0) + ack(2), [], 0),
        (ack(1) + frame(8, 0, b"") + ack(2), [1], 0),
    ],
)
def test_acks_by_hand(twin: Twin, row: bytes, tags: list[int], bits: int) -> None:
    for before in (b"", b"\xce" * 5):
        assert twin.cut_acks(before + row, len(before)) == (len(before) + 21 * len(tags), (tags, bits))
