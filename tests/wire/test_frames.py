"""Frames come out the same however the network cuts the stream."""

import struct
from collections.abc import Container, Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.errors import FrameFault, erlang_text
from amqpy.wire.frame_reader import ACK, PUBLISH, Frame, FrameReader, split
from amqpy.wire.frames import ACK_ID, BODY, HEADER, HEARTBEAT, HEARTBEAT_FRAME, METHOD
from amqpy.wire.scan import HELD_MAX, MALFORMED, judge
from tests.strategies import chunked

FRAME_MAX = 4096
PUBLISH_ID = b"\x00\x3c\x00\x28"


class Received(NamedTuple):
    """What a reader made of a stream: single frames only, and the text of the fault that ended it."""

    frames: list[tuple[int, int, bytes]]
    fault: str | None


def frame(kind: int, channel: int, payload: bytes, end: int = 0xCE) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes((end,))


def content_header(body_size: int, properties: bytes = b"\x00\x00", class_id: int = 60) -> bytes:
    return struct.pack(">HHQ", class_id, 0, body_size) + properties


def expanded(frames: Iterable[Frame]) -> Iterable[tuple[int, int, bytes]]:
    """The frames on the wire: what is in a run is what it was made from."""
    for kind, channel, payload in frames:
        if kind in {PUBLISH, ACK}:
            yield from split(kind, channel, payload)
        else:
            yield kind, channel, payload


def read(chunks: Iterable[bytes], frame_max: int = FRAME_MAX, waiting: Container[int] = ()) -> Received:
    reader = FrameReader(frame_max, waiting)
    frames: list[tuple[int, int, bytes]] = []
    try:
        for chunk in chunks:
            for each in reader.feed(chunk):
                frames += expanded([each])
    except FrameFault as fault:
        return Received(frames, fault.text)
    return Received(frames, None)


def read_plainly(data: bytes, frame_max: int = FRAME_MAX) -> Received:
    """The model: the whole stream at once, one frame after the other."""
    frames: list[tuple[int, int, bytes]] = []
    while len(data) >= 7:
        kind, channel, size = struct.unpack_from(">BHI", data)
        if size > frame_max:
            text = f"type {kind}, all octets = <<>>: {{frame_too_large,{size},{frame_max - 8}}}"
            return Received(frames, text)
        if len(data) < size + 8:
            break
        payload, end, data = data[7 : 7 + size], data[7 + size], data[8 + size :]
        if end != 0xCE:
            which = "all" if size <= 16 else "first 16"
            shown = erlang_text(payload[:16])
            return Received(frames, f"type {kind}, {which} octets = {shown}: {{invalid_frame_end_marker,{end}}}")
        frames.append((kind, channel, payload))
    return Received(frames, None)


# --- streams

channels = st.integers(0, 2)
payloads = st.binary(max_size=30)
publish_payloads = st.binary(max_size=6).map(lambda rest: PUBLISH_ID + rest)
headers = st.builds(
    content_header,
    st.integers(0, 6) | st.just(2**64 - 1),
    st.binary(max_size=4),
    st.sampled_from([60, 50]),
)
any_frame = st.builds(
    frame,
    st.sampled_from([METHOD, HEADER, BODY, HEARTBEAT, 0, 255]),
    channels,
    payloads | publish_payloads | headers,
)
oversize = st.integers(FRAME_MAX + 1, 2**32 - 1).map(lambda size: struct.pack(">BHI", 3, 1, size) + bytes(40))
bad_end = st.builds(frame, st.just(METHOD), channels, payloads, st.integers(0, 255))


@st.composite
def publishes(draw: st.DrawFn) -> bytes:
    """A message, mostly as it should be: sometimes its frames are of another channel, cut, empty or bad."""
    channel = draw(channels)
    parts = draw(st.lists(st.binary(max_size=5), max_size=3))
    size = sum(map(len, parts)) + draw(st.sampled_from([0, 0, 0, 0, 1]))

    def number() -> int:
        return draw(st.sampled_from([channel] * 8 + [9]))

    def end() -> int:
        return draw(st.sampled_from([0xCE] * 15 + [0]))

    return b"".join(
        [
            frame(METHOD, channel, draw(publish_payloads), end()),
            frame(HEADER, number(), content_header(size), end()),
            *(frame(BODY, number(), part, end()) for part in parts),
        ]
    )


@st.composite
def repeated_publishes(draw: st.DrawFn) -> bytes:
    """Messages that only differ in a few bytes, as most publishers send them."""
    size = draw(st.integers(0, 3))
    channel = draw(channels)
    start = frame(METHOD, channel, draw(publish_payloads)) + frame(HEADER, channel, content_header(size))
    bodies = draw(st.lists(st.binary(min_size=size, max_size=size), max_size=4))
    stream = bytearray(b"".join(start + (frame(BODY, channel, body) if size else b"") for body in bodies))
    if stream and draw(st.booleans()):
        stream[draw(st.integers(0, len(stream) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(stream)


acks = st.builds(
    lambda channel, tags, bits: b"".join(
        frame(METHOD, channel, ACK_ID + tag.to_bytes(8, "big") + bytes((bits,))) for tag in tags
    ),
    channels,
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
    st.integers(0, 3),
)
some_frames = publishes() | repeated_publishes() | acks | any_frame | oversize | bad_end | st.binary(max_size=9)
streams = st.lists(some_frames, max_size=6).map(b"".join)


@given(st.data())
def test_frames_do_not_depend_on_the_chunks(data: st.DataObject) -> None:
    stream = data.draw(streams)
    expected = read_plainly(stream)
    assert read([stream]) == expected
    chunks = data.draw(chunked(stream))
    assert read(chunks) == expected
    held = read(chunks, waiting={0, 1})
    assert held.fault == expected.fault
    assert held.frames == expected.frames[: len(held.frames)]
    assert len(expected.frames) - len(held.frames) <= (0 if held.fault else 2), "at most an unfinished message waits"


@given(streams)
def test_frames_arrive_byte_by_byte(stream: bytes) -> None:
    assert read([stream[at : at + 1] for at in range(len(stream))]) == read_plainly(stream)


def test_a_frame_is_handed_out_with_its_last_byte() -> None:
    reader = FrameReader(FRAME_MAX)
    stream = frame(METHOD, 3, b"abc")
    assert list(reader.feed(stream[:-1])) == []
    assert list(reader.feed(stream[-1:] + b"\x01")) == [(METHOD, 3, b"abc")]
    assert list(reader.feed(stream[1:])) == [(METHOD, 3, b"abc")]


def test_empty_frames() -> None:
    assert read([HEARTBEAT_FRAME * 2 + frame(BODY, 1, b"")]) == Received(
        [(HEARTBEAT, 0, b""), (HEARTBEAT, 0, b""), (BODY, 1, b"")], None
    )


# --- whole messages

PUBLISH_PAYLOAD = PUBLISH_ID + b"\x00\x00\x00\x01q\x00"
METHOD_FRAME = frame(METHOD, 1, PUBLISH_PAYLOAD)


@pytest.mark.parametrize("size", [0, 1, 100, FRAME_MAX - 8, FRAME_MAX])
@pytest.mark.parametrize("properties", [b"\x00\x00", b"\x10\x00\x02"])
def test_a_whole_message_comes_in_one_piece(size: int, properties: bytes) -> None:
    header, body = content_header(size, properties), b"x" * size
    stream = METHOD_FRAME + frame(HEADER, 1, header) + (frame(BODY, 1, body) if size else b"")
    (message, heartbeat) = FrameReader(FRAME_MAX).feed(stream + HEARTBEAT_FRAME)
    assert message == (PUBLISH, 1, ([PUBLISH_PAYLOAD], judge(header), [header], [body]))
    assert heartbeat[0] == HEARTBEAT


def message_of(
    body: bytes, properties: bytes = b"\x00\x00", channel: int = 1, payload: bytes = PUBLISH_PAYLOAD
) -> bytes:
    return (
        frame(METHOD, channel, payload)
        + frame(HEADER, channel, content_header(len(body), properties))
        + (frame(BODY, channel, body) if body else b"")
    )


def test_messages_in_a_row_are_one_run() -> None:
    properties = b"\x10\x00\x02"
    bodies = [b"ab", b"", b"abc", b"de"]
    ((kind, channel, run),) = FrameReader(FRAME_MAX).feed(b"".join(message_of(body, properties) for body in bodies))
    headers = [content_header(len(body), properties) for body in bodies]
    assert (kind, channel, run) == (PUBLISH, 1, ([PUBLISH_PAYLOAD] * 4, judge(headers[0]), headers, bodies))


def test_a_run_may_have_several_methods() -> None:
    other = PUBLISH_ID + b"\x00\x00\x00\x01p\x00"
    stream = message_of(b"a") + message_of(b"b", payload=other) + message_of(b"c")
    ((_, _, run),) = frames = list(FrameReader(FRAME_MAX).feed(stream))
    assert run[0] == [PUBLISH_PAYLOAD, other, PUBLISH_PAYLOAD]
    assert list(expanded(frames)) == read_plainly(stream).frames


@pytest.mark.parametrize(
    "other",
    [
        message_of(b"b", b"\x10\x00\x01"),
        message_of(b"b", b"\x00\x01"),
        message_of(b"b", channel=2),
        HEARTBEAT_FRAME,
    ],
)
def test_a_run_ends_where_anything_else_comes(other: bytes) -> None:
    one = message_of(b"a")
    frames = list(FrameReader(FRAME_MAX).feed(one + other + one))
    assert [len(payload[2]) if kind == PUBLISH else 0 for kind, _, payload in frames] in ([1, 1, 1], [1, 0, 1])
    assert read([one + other + one]) == read_plainly(one + other + one)


def test_a_malformed_header_is_in_a_run_of_such() -> None:
    ((_, _, run),) = FrameReader(FRAME_MAX).feed(message_of(b"a", b"\x10\x00") * 2)
    assert (run[1], len(run[2])) == (MALFORMED, 2)


def test_acks_in_a_row_are_one_run_but_for_those_of_many() -> None:
    def ack(tag: int, bits: int, channel: int = 1) -> bytes:
        return frame(METHOD, channel, ACK_ID + tag.to_bytes(8, "big") + bytes((bits,)))

    stream = ack(1, 0) + ack(5, 0) + ack(2**64 - 1, 2) + ack(4, 1) + ack(6, 1) + ack(7, 0) + ack(8, 0, channel=2)
    assert list(FrameReader(FRAME_MAX).feed(stream)) == [
        (ACK, 1, ([1, 5], 0)),
        (ACK, 1, ([2**64 - 1], 2)),
        (ACK, 1, ([4], 1)),
        (ACK, 1, ([6], 1)),
        (ACK, 1, ([7], 0)),
        (ACK, 2, ([8], 0)),
    ]


# --- messages that are not whole yet


def test_a_small_message_is_held_back_until_it_is_whole() -> None:
    reader, stream = FrameReader(FRAME_MAX, {1}), message_of(b"body")
    for at in range(len(stream) - 1):
        assert list(reader.feed(stream[at : at + 1])) == []
    ((kind, _, run),) = reader.feed(stream[-1:])
    assert (kind, run[3]) == (PUBLISH, [b"body"])


def test_what_comes_behind_it_belongs_to_its_run() -> None:
    reader, stream = FrameReader(FRAME_MAX, {1}), message_of(b"body") * 4
    first = list(reader.feed(stream[:-100]))
    second = list(reader.feed(stream[-100:]))
    assert [len(run[3]) for _, _, run in first + second] == [2, 2]


def test_messages_of_a_channel_that_cannot_take_them_are_not_held_back() -> None:
    reader, stream = FrameReader(FRAME_MAX, {2}), message_of(b"body")
    assert list(reader.feed(stream[:-1])) == [
        (METHOD, 1, PUBLISH_PAYLOAD),
        (HEADER, 1, content_header(4)),
    ]


def test_a_large_message_is_not_held_back() -> None:
    for size in (HELD_MAX - 100, HELD_MAX):
        reader = FrameReader(131072, {1})
        held = not list(reader.feed(message_of(bytes(size))[:-1]))
        assert held == (size < HELD_MAX)


@pytest.mark.parametrize("at", [len(METHOD_FRAME), len(METHOD_FRAME) + 22])
def test_a_message_that_is_held_back_does_not_hide_what_is_wrong_behind_it(at: int) -> None:
    """Whoever goes on with something else in the middle of a message waits for our answer."""
    stream = message_of(b"x" * 1000)[:at] + frame(METHOD, 1, b"\x00\x14\x00\x28")
    reader = FrameReader(FRAME_MAX, {1})
    assert list(reader.feed(stream[:at])) == []
    assert [kind for kind, *_ in reader.feed(stream[at:])][-1] == METHOD


def test_a_repeated_message_is_read_as_strictly_as_the_first() -> None:
    start = METHOD_FRAME + frame(HEADER, 1, content_header(3))
    good, bad = start + frame(BODY, 1, b"one"), start + frame(BODY, 1, b"two", end=0)
    for stream in (good * 2 + bad, good + bad, good + bad[:-1], good + start + frame(BODY, 1, b"four")):
        assert read([stream]) == read([good, stream[len(good) :]]) == read_plainly(stream)


@pytest.mark.parametrize(
    "rest",
    [
        frame(HEADER, 2, content_header(2)) + frame(BODY, 1, b"ab"),
        frame(HEADER, 1, content_header(2)) + frame(BODY, 2, b"ab"),
        frame(HEADER, 1, content_header(2)) + frame(BODY, 1, b"a") + frame(BODY, 1, b"b"),
        frame(HEADER, 1, content_header(3)) + frame(BODY, 1, b"ab"),
        frame(HEADER, 1, content_header(1)) + frame(BODY, 1, b"ab"),
        frame(HEADER, 1, content_header(2)) + frame(METHOD, 1, b"ab"),
        frame(HEADER, 1, content_header(2)) + HEARTBEAT_FRAME + frame(BODY, 1, b"ab"),
        frame(HEADER, 1, content_header(2)) + frame(BODY, 1, b"") + frame(BODY, 1, b"ab"),
        frame(BODY, 1, content_header(2)) + frame(BODY, 1, b"ab"),
        frame(HEADER, 1, content_header(0)[:13]),
        METHOD_FRAME,
    ],
)
def test_anything_unusual_comes_frame_by_frame(rest: bytes) -> None:
    kinds = [kind for kind, *_ in FrameReader(FRAME_MAX).feed(METHOD_FRAME + rest)]
    assert PUBLISH not in kinds
    assert read([METHOD_FRAME + rest]) == read_plainly(METHOD_FRAME + rest)


# --- faults


@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_a_payload_may_fill_frame_max_but_not_exceed_it(frame_max: int) -> None:
    """RabbitMQ allows for clients that forget that frame-max counts the eight octets around the payload."""
    full = frame(BODY, 1, bytes(frame_max))
    assert read([full], frame_max).fault is None
    received = read([full + frame(BODY, 1, bytes(frame_max + 1))[:7]], frame_max)
    assert received.frames == [(BODY, 1, bytes(frame_max))]
    assert received.fault == f"type 3, all octets = <<>>: {{frame_too_large,{frame_max + 1},{frame_max - 8}}}"


def test_an_oversize_frame_is_refused_before_it_is_there() -> None:
    reader = FrameReader(FRAME_MAX)
    assert list(reader.feed(b"\x02\x00\x01\xff\xff\xff")) == []
    with pytest.raises(FrameFault, match="frame_too_large,4294967295,4088") as caught:
        list(reader.feed(b"\xff"))
    assert caught.value.reply_text == "FRAME_ERROR - type 2, all octets = <<>>: {frame_too_large,4294967295,4088}"


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", "all octets = <<>>"),
        (b"abc", 'all octets = <<"abc">>'),
        (b"\x00\x0a\x00\x28", "all octets = <<0,10,0,40>>"),
        (b"sixteen octets..", 'all octets = <<"sixteen octets..">>'),
        (b"seventeen octets.", 'first 16 octets = <<"seventeen octets">>'),
        (b'a"b\\c\n\r\t', 'all octets = <<"a\\"b\\\\c\\n\\r\\t">>'),
        (b"\x08\x0b\x0c\x1b", 'all octets = <<"\\b\\v\\f\\e">>'),
        (b"abc\x7f", "all octets = <<97,98,99,127>>"),
        (b"\x80", "all octets = <<128>>"),
        (b"\xa0\xff", 'all octets = <<"\xa0\xff">>'),
    ],
)
def test_a_bad_end_shows_the_start_of_the_frame(payload: bytes, shown: str) -> None:
    """The texts are what an Erlang shell prints for these binaries."""
    received = read([HEARTBEAT_FRAME + frame(METHOD, 1, payload, end=0xCD)])
    assert received == Received([(HEARTBEAT, 0, b"")], f"type 1, {shown}: {{invalid_frame_end_marker,205}}")


def test_a_new_frame_max_holds_for_the_frames_that_follow() -> None:
    reader = FrameReader(FRAME_MAX)
    list(reader.feed(frame(BODY, 1, bytes(4096))))
    reader.frame_max = 8192
    assert len(list(reader.feed(frame(BODY, 1, bytes(8192))))) == 1
