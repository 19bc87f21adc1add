"""Counting by size: right for any cut of the stream, and it notices what does not belong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interop.bench import frames
from interop.bench.counters import (
    ConfirmCounter,
    DeliveryCounter,
    UnexpectedFrames,
    VariedDeliveryCounter,
    describe,
    message_size,
)
from interop.bench.frames import Publication

SMALL = Publication("x", "key", b"0123456789")
CUTS = st.lists(st.integers(1, 400), min_size=1, max_size=30)


def deliveries(count: int, message: Publication = SMALL, first: int = 1) -> bytes:
    return b"".join(frames.deliver(1, "tag", number, message) for number in range(first, first + count))


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    found = []
    while data:
        for cut in cuts:
            found.append(data[:cut])
            data = data[cut:]
    return [chunk for chunk in found if chunk]


@pytest.mark.parametrize("body", [b"", b"x", bytes(300_000)])
def test_the_size_of_a_delivery_is_known_once_it_is_complete(body: bytes) -> None:
    data = frames.deliver(1, "tag", 1, Publication("x", "key", body))
    assert message_size(data + b"more") == len(data)
    assert message_size(data[:-1]) is None


@given(CUTS)
def test_deliveries_are_counted_however_the_stream_is_cut(cuts: list[int]) -> None:
    data, counter, seen = deliveries(20), DeliveryCounter(), 0
    size = len(data) // 20
    for chunk in chunks(data, cuts):
        seen += len(chunk)
        assert counter.feed(memoryview(chunk)) == seen // size
    assert counter.count == 20


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20), CUTS)
def test_deliveries_of_any_size_are_counted_however_the_stream_is_cut(sizes: list[int], cuts: list[int]) -> None:
    sent = [
        frames.deliver(1, "tag", number, Publication("x", "key", bytes(size))) for number, size in enumerate(sizes, 1)
    ]
    ends = [sum(map(len, sent[: index + 1])) for index in range(len(sent))]
    counter, seen = VariedDeliveryCounter(), 0
    for chunk in chunks(b"".join(sent), cuts):
        seen += len(chunk)
        assert counter.feed(memoryview(chunk)) == sum(end <= seen for end in ends)
    assert counter.count == len(sizes)


def test_bodies_larger_than_the_buffer_are_counted() -> None:
    data, counter = deliveries(3, Publication("", "q", bytes(300_000))), DeliveryCounter()
    for chunk in chunks(data, [65_536]):
        counter.feed(memoryview(chunk))
    assert counter.count == 3


@pytest.mark.parametrize(
    "wrong",
    [
        deliveries(1, first=4),
        deliveries(1, first=2),
        frames.qos(1, 0) + deliveries(1, first=3),
        deliveries(1, Publication("x", "longer", b"0123456789"), first=3) + deliveries(1, first=4),
    ],
    ids=["lost", "doubled", "another method", "another size"],
)
def test_what_does_not_belong_is_noticed(wrong: bytes) -> None:
    counter = DeliveryCounter()
    counter.feed(memoryview(deliveries(2)))
    with pytest.raises(UnexpectedFrames, match="expected delivery"):
        counter.feed(memoryview(wrong))


@pytest.mark.parametrize(
    "wrong",
    [deliveries(1, first=4), deliveries(1, first=2), frames.qos(1, 0), frames.qos(1, 0) + deliveries(1, first=3)],
    ids=["lost", "doubled", "another method", "another method before"],
)
def test_what_does_not_belong_is_noticed_among_deliveries_of_any_size(wrong: bytes) -> None:
    counter = VariedDeliveryCounter()
    counter.feed(memoryview(deliveries(2)))
    with pytest.raises(UnexpectedFrames, match="expected delivery"):
        counter.feed(memoryview(wrong))


def test_something_else_instead_of_the_first_delivery_is_told() -> None:
    text = "NOT_FOUND - no queue"
    close = frames.method(1, 20, 40, frames.short(404), frames.shortstr(text), frames.short(60), frames.short(20))
    with pytest.raises(UnexpectedFrames, match=r"channel\.close 404 NOT_FOUND - no queue"):
        DeliveryCounter().feed(memoryview(close))
    assert describe(frames.qos(1, 0)) == "method 60.10 of 11 bytes"


@given(CUTS)
def test_confirms_are_counted_however_the_stream_is_cut(cuts: list[int]) -> None:
    acks = [(1, False), (4, True), (6, False), (7, False), (5, False), (9, True), (11, False)]
    counter = ConfirmCounter()
    for chunk in chunks(b"".join(frames.ack(1, tag, multiple=multiple) for tag, multiple in acks), cuts):
        counter.feed(chunk)
    assert (counter.through, counter.count) == (9, 10)


def test_a_nack_is_no_confirm() -> None:
    nack = frames.method(1, 60, 120, frames.longlong(1), b"\0")
    with pytest.raises(UnexpectedFrames, match=r"method 60\.120"):
        ConfirmCounter().feed(nack)
