"""Where frames end, wherever the chunks do."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interop.parity import codec
from interop.soak.cutting import Close, Place, Tracker, cut

CLOSE = codec.frame(
    codec.METHOD, 0, codec.method_payload("connection.close", reply_code=320, reply_text="CONNECTION_FORCED - bye")
)
CHANNEL_CLOSE = codec.frame(codec.METHOD, 5, codec.method_payload("channel.close", reply_code=404, reply_text="none"))
OTHERS = [
    codec.frame(codec.HEARTBEAT, 0, b""),
    codec.frame(codec.BODY, 1, b"\x00\x0a\x00\x32" + bytes(70_000)),
    codec.frame(codec.METHOD, 1, codec.method_payload("basic.ack", delivery_tag=7)),
    codec.frame(codec.METHOD, 1, b"\x00"),
]


@given(st.lists(st.sampled_from([CLOSE, CHANNEL_CLOSE, *OTHERS])), st.booleans(), st.data())
def test_frames_end_where_they_end(sent: list[bytes], is_client: bool, data: st.DataObject) -> None:
    header = codec.PROTOCOL_HEADER if is_client else b""
    stream = header + b"".join(sent)
    places = st.integers(0, len(stream))
    edges = sorted({0, len(stream), *data.draw(st.lists(places, max_size=20))})
    tracker, ends, closes = Tracker(is_client=is_client), [], []
    for start, end in itertools.pairwise(edges):
        boundaries, told = tracker.feed(stream[start:end])
        ends += [start + each for each in boundaries]
        closes += told
    wanted, at = [len(header)] if is_client else [], len(header)
    for frame in sent:
        at += len(frame)
        wanted.append(at)
    assert [each for each in ends if each != len(header)] == [each for each in wanted if each != len(header)]
    assert closes == [close_of(frame) for frame in sent if frame in (CLOSE, CHANNEL_CLOSE)]


def close_of(frame: bytes) -> Close:
    return (
        Close("connection.close", 320, "CONNECTION_FORCED - bye")
        if frame == CLOSE
        else Close("channel.close", 404, "none")
    )


@pytest.mark.parametrize(
    ("size", "boundaries", "at_boundary", "inside"),
    [
        (100, [], None, {50}),
        (100, [30, 50, 90], 50, {51}),
        (8, [8], 8, {4}),
        (1, [1], 1, {None}),
        (1, [], None, {1}),
        (2, [1, 2], 2, {None}),
    ],
)
def test_a_chunk_is_cut_where_asked(
    size: int, boundaries: list[int], at_boundary: int | None, inside: set[int | None]
) -> None:
    assert cut(size, boundaries, Place.BOUNDARY) == at_boundary
    assert {cut(size, boundaries, Place.INSIDE)} == inside
