"""The deliveries of a run: both twins write them as one frame after the other is written."""

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.test_runs import FRAME_MAX, both_twins, frame, header_of
from tests.wire.twins import Twin

OPENING = b"\x00\x3c\x00\x3c\x03tag"


class Message(NamedTuple):
    address: bytes
    header: bytes
    body: bytes


def plainest_delivery(opening: bytes, channel: int, tag: int, it: Message) -> bytes:
    method = opening + struct.pack(">QB", tag, 0) + it.address
    return frame(1, channel, method) + frame(2, channel, it.header) + (frame(3, channel, it.body) if it.body else b"")


_PARTS = st.binary(max_size=20)
_MESSAGES = st.lists(st.builds(Message, _PARTS, _PARTS, _PARTS), max_size=4)


@both_twins
@given(
    _PARTS,
    st.integers(0, 0xFFFF),
    st.integers(0, 2**64 - 9),
    _MESSAGES | _MESSAGES.filter(bool).flatmap(lambda few: st.lists(st.sampled_from(few), max_size=8)),
    st.integers(0, 3),
    st.sampled_from([0, 5, 10, 20, 2**63 - 1]),
)
def test_deliveries(
    twin: Twin, opening: bytes, channel: int, tag: int, messages: list[Message], start: int, body_max: int
) -> None:
    expected: list[bytes] = []
    for it in messages[start:]:
        if len(it.body) > body_max:
            break
        expected.append(plainest_delivery(opening, channel, tag + len(expected), it))
    given_to = twin.deliveries(opening, channel, tag, messages, start, body_max)
    assert given_to == (b"".join(expected), len(expected))
    assert twin.deliveries(opening, channel, tag, tuple(messages), start, body_max) == given_to


@both_twins
def test_parts_that_are_shared_in_part(twin: Twin) -> None:
    """A part that stays the same object beside others that do not."""
    address, header = b"\x00\x01q", header_of(b"abc")
    row = [
        Message(address, header, b"abc"),
        Message(address, header, b"ab"),
        Message(address, header, b""),
        Message(address, header_of(b"", b"\x10\x00\x02"), b""),
        Message(b"\x00\x02qq", header, b"abc"),
        Message(address, header, b"abc"),
    ]
    frames = b"".join(plainest_delivery(OPENING, 1, 7 + at, it) for at, it in enumerate(row))
    assert twin.deliveries(OPENING, 1, 7, row, 0, FRAME_MAX) == (frames, len(row))


@both_twins
def test_numbers_that_have_no_place_in_a_frame(twin: Twin) -> None:
    row = [Message(b"\x00\x01q", header_of(b"m"), b"m")] * 2
    last = plainest_delivery(OPENING, 0xFFFF, 2**64 - 2, row[0]) + plainest_delivery(OPENING, 0xFFFF, 2**64 - 1, row[0])
    assert twin.deliveries(OPENING, 0xFFFF, 2**64 - 2, row, 0, 1) == (last, 2)
    assert twin.deliveries(OPENING, 0x10000, 2**64 - 1, row, 2, 1) == (b"", 0)
    for channel, tag in ((0x10000, 1), (1, 2**64 - 1), (1, 2**64), (-1, 1), (1, -1)):
        with pytest.raises(OverflowError):
            twin.deliveries(OPENING, channel, tag, row, 0, 1)


@both_twins
@pytest.mark.parametrize("place", range(3))
def test_parts_must_be_bytes(twin: Twin, place: int) -> None:
    good = Message(b"\x00\x01q", header_of(b"m"), b"m")
    for bad in (None, "text", 7):
        it = Message(*(bad if at == place else part for at, part in enumerate(good)))  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            twin.deliveries(OPENING, 1, 1, [good, it], 0, 99)
    with pytest.raises(AttributeError):
        twin.deliveries(OPENING, 1, 1, [object()], 0, 99)  # type: ignore[list-item]


@both_twins
def test_parts_that_are_made_when_they_are_asked_for(twin: Twin) -> None:
    class Made:
        """Has a longer body each time."""

        times = 0
        address = b"\x00\x01q"
        header = header_of(b"")

        @property
        def body(self) -> bytes:
            self.times += 1
            return b"m" * self.times

    row = [Made() for _ in range(3)]
    row.append(row[0])
    expected = [Message(Made.address, Made.header, body) for body in (b"m", b"m", b"m", b"mm")]
    frames = b"".join(plainest_delivery(OPENING, 1, 1 + at, it) for at, it in enumerate(expected))
    assert twin.deliveries(OPENING, 1, 1, row, 0, 99) == (frames, 4)
