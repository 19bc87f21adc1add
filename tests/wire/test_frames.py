"""Frames come out the same however the network cuts the stream."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.errors import FrameFault, erlang_text
from amqpy.wire.frames import BODY, HEADER, HEARTBEAT, HEARTBEAT_FRAME, METHOD, PUBLISH, Frame, FrameReader
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
    """The frames on the wire: a PUBLISH is the three it was made from."""
    for kind, channel, payload, header, body in frames:
        if kind == PUBLISH:
            yield METHOD, channel, payload
            yield HEADER, channel, header
            if body:
                yield BODY, channel, body
        else:
            assert header == body == b""
            yield kind, channel, payload


def read(chunks: Iterable[bytes], frame_max: int = FRAME_MAX) -> Received:
    reader = FrameReader(frame_max)
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


some_frames = publishes() | repeated_publishes() | any_frame | oversize | bad_end | st.binary(max_size=9)
streams = st.lists(some_frames, max_size=6).map(b"".join)


@given(st.data())
def test_frames_do_not_depend_on_the_chunks(data: st.DataObject) -> None:
    stream = data.draw(streams)
    expected = read_plainly(stream)
    assert read([stream]) == expected
    assert read(data.draw(chunked(stream))) == expected


@given(streams)
def test_frames_arrive_byte_by_byte(stream: bytes) -> None:
    assert read([stream[at : at + 1] for at in range(len(stream))]) == read_plainly(stream)


def test_a_frame_is_handed_out_with_its_last_byte() -> None:
    reader = FrameReader(FRAME_MAX)
    stream = frame(METHOD, 3, b"abc")
    assert list(reader.feed(stream[:-1])) == []
    assert list(reader.feed(stream[-1:] + b"\x01")) == [(METHOD, 3, b"abc", b"", b"")]
    assert list(reader.feed(stream[1:])) == [(METHOD, 3, b"abc", b"", b"")]


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
    assert message == (PUBLISH, 1, PUBLISH_PAYLOAD, header, body)
    assert heartbeat[0] == HEARTBEAT


def test_messages_in_one_piece_follow_each_other() -> None:
    stream = METHOD_FRAME + frame(HEADER, 1, content_header(2)) + frame(BODY, 1, b"ab")
    assert [kind for kind, *_ in FrameReader(FRAME_MAX).feed(stream * 3)] == [PUBLISH] * 3


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
