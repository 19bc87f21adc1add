"""The loops on a pair of sockets, with a few messages that fit into the kernel's buffers."""

import socket
from collections.abc import Iterator

import pytest

from interop.bench import frames, loops
from interop.bench.counters import UnexpectedFrames
from interop.bench.frames import Block, Publication
from interop.bench.loops import Client, Flow, Inlet, Latencies, Limits

MESSAGE = Publication("", "q", b"0123456789")
ENCODED = MESSAGE.encode()
BUFFER = memoryview(bytearray(65_536))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The load's end and the broker's end of one connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


Ends = tuple[socket.socket, socket.socket]


def test_a_publisher_sends_the_messages_asked_for(ends: Ends) -> None:
    ours, theirs = ends
    span = loops.publish([ours], [Block([MESSAGE] * 4)], Limits(messages=10), Flow())
    assert span.counts == [10]
    assert theirs.recv(65_536) == ENCODED * 10


def test_a_publisher_that_runs_out_of_time_finishes_its_message(ends: Ends) -> None:
    ours, theirs = ends
    flow = Flow()
    span = loops.publish([ours], [Block([MESSAGE])], Limits(seconds=0.01, in_flight=20), flow)
    assert span.total > 20
    assert theirs.recv(1 << 20) == ENCODED * span.total


def test_a_publisher_tells_why_it_was_refused(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(frames.method(1, 20, 40, frames.short(404), frames.shortstr("NOT_FOUND"), bytes(4)))
    with pytest.raises(UnexpectedFrames, match=r"channel\.close 404 NOT_FOUND"):
        loops.publish([ours], [Block([MESSAGE])], Limits(messages=10**9), Flow())


@pytest.mark.parametrize(
    ("ack_every", "acks"),
    [
        (0, b""),
        (1, b"".join(frames.ack(1, tag) for tag in range(1, 26))),
        (10, frames.ack(1, 20, multiple=True)),
    ],
)
def test_a_consumer_counts_and_acks(ends: Ends, ack_every: int, acks: bytes) -> None:
    ours, theirs = ends
    run = frames.delivery_run("tag", MESSAGE)
    theirs.sendall(run.render(4, 25))
    flow = Flow()
    flow.target = 25
    inlet = Inlet(ours, ack_every, received=run.render(1, 3))
    span = loops.consume([inlet], flow)
    assert span.counts == [25]
    assert flow.consumed == 25
    theirs.sendall(b"")
    assert (theirs.recv(65_536) if acks else b"") == acks


def test_a_small_client_acks_and_publishes_again(ends: Ends) -> None:
    ours, theirs = ends
    client, latencies = Client(ours, [MESSAGE]), Latencies()
    client.start()
    assert theirs.recv(65_536) == ENCODED
    delivery = frames.deliver(1, "tag", 1, MESSAGE)
    theirs.sendall(delivery[:20])
    assert client.turn(BUFFER, latencies) == 0
    theirs.sendall(delivery[20:])
    assert client.turn(BUFFER, latencies) == 1
    assert theirs.recv(65_536) == frames.ack(1, 1) + ENCODED
    assert len(latencies.seconds) == 1


def test_one_delivery_is_received_in_pieces(ends: Ends) -> None:
    ours, theirs = ends
    delivery = frames.deliver(1, "tag", 1, MESSAGE)
    theirs.sendall(delivery)
    size = loops.receive_one(ours, 0)
    assert size == len(delivery)
    theirs.sendall(delivery + delivery[:5])
    with pytest.raises(UnexpectedFrames, match="expected a delivery of"):
        loops.receive_one(ours, size)


def test_latencies_are_cut_by_when_they_were_due() -> None:
    latencies = Latencies()
    for due_at in range(5):
        latencies.add(due_at, due_at / 10)
    assert latencies.between(1, 3) == [0.1, 0.2]


def test_a_backlog_is_published_within_its_window_and_timed(ends: Ends) -> None:
    ours, theirs = ends
    for tag in (2, 4, 5):
        theirs.sendall(frames.ack(1, tag, multiple=True))
    span, marks = loops.publish_all(ours, Block([MESSAGE] * 9), 9, 5)
    assert span.counts == [5]
    assert len(marks) == 100
    assert list(marks) == sorted(marks)
    assert theirs.recv(65_536) == ENCODED * 5
