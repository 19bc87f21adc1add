"""The codec of the stream protocol."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.wire import stream_frames as frames
from amqpy.wire.stream_frames import (
    Code,
    Entry,
    Frames,
    FrameTooLarge,
    Key,
    MalformedFrame,
    OffsetSpec,
    OffsetType,
    read_command,
)


def frame(key: int, body: bytes, version: int = 1) -> bytes:
    return struct.pack(">HH", key, version) + body


def sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(1, 7))
def test_frames_are_cut_wherever_bytes_end(contents: list[bytes], step: int) -> None:
    data = b"".join(map(sized, contents))
    cutter = Frames(1000)
    found = [each for at in range(0, len(data), step) for each in cutter.feed(data[at : at + step])]
    assert found == contents
    assert list(cutter.feed(b"")) == []


def test_a_frame_may_be_as_large_as_allowed() -> None:
    assert list(Frames(10).feed(sized(bytes(10)))) == [bytes(10)]
    with pytest.raises(FrameTooLarge):
        list(Frames(9).feed(sized(bytes(10))[:4]))


def test_a_large_frame_is_set_aside() -> None:
    cutter = Frames(1 << 20)
    assert list(cutter.feed(struct.pack(">I", 1 << 20) + b"x")) == []
    assert cutter.is_amid_large
    assert list(cutter.feed(bytes(1 << 20))) == [b"x" + bytes((1 << 20) - 1)]
    assert not cutter.is_amid_large


@given(st.binary(max_size=100), st.sampled_from(Key), st.sampled_from((0, frames.RESPONSE)), st.integers(0, 3))
def test_any_bytes_are_a_command_or_malformed(body: bytes, key: Key, bit: int, version: int) -> None:
    for data in (body, frame(key | bit, body, version)):
        try:
            command = read_command(data)
        except MalformedFrame:
            continue
        assert command.key in Key


@pytest.mark.parametrize("key", sorted(frames.DECODERS))
def test_a_command_that_is_cut_or_too_long_is_malformed(key: Key) -> None:
    some: dict[frames.Decoder, bytes] = {
        frames.Fields.octet: b"\1",
        frames.Fields.short: b"\0\2",
        frames.Fields.long: b"\0\0\0\3",
        frames.Fields.longlong: bytes(7) + b"\4",
        frames.Fields.string: b"\0\2ab",
        frames.Fields.octets: b"\0\0\0\1x",
        frames.Fields.strings: b"\0\0\0\1\0\1a",
        frames.Fields.last_strings: b"\0\0\0\1\0\1a",
        frames.Fields.properties: b"\0\0\0\1\0\1k\0\1v",
        frames.Fields.optional_properties: b"\0\0\0\1\0\1k\0\1v",
        frames.Fields.offset_spec: b"\0\4" + bytes(8),
        frames.Fields.versions: b"\0\0\0\1\0\2\0\1\0\2",
    }
    correlation = b"" if key in frames.UNCORRELATED else b"\0\0\0\x09"
    data = frame(key, correlation + b"".join(some[each] for each in frames.DECODERS[key]))
    command = read_command(data)
    assert command.key is key
    assert command.correlation == (9 if correlation else 0)
    with pytest.raises(MalformedFrame):
        read_command(data + b"\0")
    optional: dict[frames.Decoder, int] = {
        frames.Fields.optional_properties: len(data) - 10,
        frames.Fields.last_strings: len(data) - 3,
    }
    whole = {optional.get(each) for each in frames.DECODERS[key]}
    for size in range(4, len(data)):
        if size not in whole:
            with pytest.raises(MalformedFrame):
                read_command(data[:size])


def test_a_publish_has_messages_and_sub_batches() -> None:
    message, batch = b"\0\0\0\2hi", b"\x90\0\5\0\0\0\x63\0\0\0\3abc"
    body = b"\7" + struct.pack(">IQ", 2, 10) + message + struct.pack(">Q", 11) + batch
    command = read_command(frame(Key.PUBLISH, body))
    assert command.fields == (7, [Entry(10, message), Entry(11, batch, 5)])


def test_the_second_version_of_publish_has_filter_values() -> None:
    body = b"\7" + struct.pack(">IQ", 2, 10) + b"\0\1f\0\0\0\2hi" + struct.pack(">Q", 11) + b"\xff\xff\0\0\0\0"
    command = read_command(frame(Key.PUBLISH, body, 2))
    assert command.fields == (7, [Entry(10, b"\0\0\0\2hi", 1, b"f"), Entry(11, b"\0\0\0\0")])


@pytest.mark.parametrize("size", [0, 3, 8, 9, 11])
def test_a_message_that_is_cut_is_malformed(size: int) -> None:
    body = struct.pack(">Q", 1) + b"\0\0\0\4full"
    with pytest.raises(MalformedFrame):
        read_command(frame(Key.PUBLISH, b"\0\0\0\0\1" + body[: len(body) - size - 1]))


def test_a_place_is_an_offset_or_a_time() -> None:
    def place(raw: bytes) -> OffsetSpec:
        return frames.Fields(raw).offset_spec()

    assert place(b"\0\1") == OffsetSpec(OffsetType.FIRST)
    assert place(b"\0\4" + bytes(7) + b"\5") == OffsetSpec(OffsetType.OFFSET, 5)
    assert place(b"\0\5" + b"\xff" * 8) == OffsetSpec(OffsetType.TIMESTAMP, -1)
    with pytest.raises(MalformedFrame):
        place(b"\0\6")


@pytest.mark.parametrize("behind", [b"", bytes(8)])
def test_what_follows_the_place_of_an_active_consumer_is_not_looked_at(behind: bytes) -> None:
    answer = b"\x80\x1a\0\1" + b"\0\0\0\7" + b"\0\1" + b"\0\1"
    assert read_command(answer + behind).fields[-1] == OffsetSpec(OffsetType.FIRST)


def test_what_the_client_is_told() -> None:
    assert frames.response(Key.OPEN, 3, Code.OK, b"x") == bytes.fromhex("0000000b 8015 0001 00000003 0001 78")
    assert frames.confirm(2, [5, 6]) == bytes.fromhex("00000019 0003 0001 02 00000002") + struct.pack(">QQ", 5, 6)
    assert frames.publish_error(2, [5], Code.ACCESS_REFUSED) == (
        bytes.fromhex("00000013 0004 0001 02 00000001") + struct.pack(">QH", 5, 16)
    )
    assert frames.deliver_head(1, 100, None) == bytes.fromhex("00000069 0008 0001 01")
    assert frames.deliver_head(1, 100, 7) == bytes.fromhex("00000071 0008 0002 01") + struct.pack(">Q", 7)
    assert frames.properties({"a": "b"}) == b"\0\0\0\1\0\1a\0\1b"
