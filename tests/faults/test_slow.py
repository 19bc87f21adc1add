"""A disk that takes its time: nobody waits for it but those who must, and what waits for it has a limit."""

import psutil
import pytest
from pamqp.commands import Basic, Confirm, Queue

from interop.kit.brokers import Amqpy
from tests.amqp.client import publish_frames
from tests.faults.conftest import Connect
from tests.faults.disk import Disk
from tests.faults.peer import DEADLINE_S, Peer, take_all

ROUND_TRIPS = 1000
BODY = bytes(32 * 1024)
SENT_MAX = 80 * 2**20
"""Bytes that may be on their way to the disk: 32 MiB, the window of a queue, the buffers of sockets; and some more."""
MEMORY_MAX = 160 * 2**20


def hold_up(broker: Amqpy, disk: Disk, peer: Peer) -> None:
    """The disk is busy with this peer's message until the next order."""
    disk.fail("sync wait", last=1)
    peer.publish("q", b"first")
    broker.program.wait_until(disk.is_waited_for, DEADLINE_S)


def publisher_of(connect: Connect) -> Peer:
    peer = connect()
    peer.ask(Queue.Declare(queue="q", durable=True))
    peer.ask(Confirm.Select())
    return peer


def test_while_the_disk_is_busy_others_are_served(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    """However long one sync takes, others have as many turns as they want: the event loop does not wait for it."""
    publisher, other, consumer = publisher_of(connect), connect(), connect()
    other.ask(Queue.Declare(queue="other"))
    consumer.ask(Basic.Consume(queue="other"))
    hold_up(broker, disk, publisher)
    for number in range(1, ROUND_TRIPS + 1):
        other.publish("other", b"%d" % number)
        assert consumer.expect("Basic.Deliver").body == b"%d" % number
        consumer.say(Basic.Ack(delivery_tag=number))
    consumer.ask(Basic.Qos(prefetch_count=1))
    assert disk.is_waited_for()
    publisher.ask(Basic.Qos(prefetch_count=1))
    assert publisher.confirmed == 0
    disk.work()
    publisher.wait_for_confirms(1)


def flood(peer: Peer, witness: Peer, *, delivery_mode: int) -> tuple[int, bytes]:
    """Publishes until it is not heard any more: its socket has no room, however often others are served meanwhile.
    How many bytes it took, and those of the last message that it did not."""
    message = publish_frames("q", BODY, delivery_mode=delivery_mode)
    peer.socket.setblocking(False)
    sent = refused = 0
    rest = b""
    while refused < 200 and sent < 2 * SENT_MAX:
        rest = rest or message
        try:
            size = peer.socket.send(rest)
        except BlockingIOError:
            refused += 1
            witness.ask(Basic.Qos(prefetch_count=1))
        else:
            refused = 0
            rest = rest[size:]
            sent += size
    peer.socket.settimeout(DEADLINE_S)
    return sent, rest


@pytest.mark.parametrize("delivery_mode", [2, 1], ids=["persistent", "transient"])
@pytest.mark.parametrize("confirms", [True, False], ids=["confirms", ""])
def test_what_waits_for_the_disk_has_a_limit(
    broker: Amqpy, disk: Disk, connect: Connect, delivery_mode: int, *, confirms: bool
) -> None:
    """Whether it is to survive, or there is too much of it for the memory."""
    first, witness, peer = publisher_of(connect), connect(), connect()
    if confirms:
        peer.ask(Confirm.Select())
    hold_up(broker, disk, first)
    sent, rest = flood(peer, witness, delivery_mode=delivery_mode)
    assert sent < SENT_MAX
    assert psutil.Process(broker.program.pid).memory_info().rss < MEMORY_MAX
    assert disk.is_waited_for()
    disk.work()
    peer.send(rest)
    count = (sent + len(rest)) // len(publish_frames("q", BODY, delivery_mode=delivery_mode))
    if confirms:
        peer.wait_for_confirms(count)
    else:
        peer.ask(Basic.Qos(prefetch_count=1))
    assert take_all(witness, "q") == [b"first", *[BODY] * count]
