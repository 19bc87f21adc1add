"""No space on the disk: nothing is promised, everybody is told, those who only consume go on, and nothing is lost."""

import threading

import pika
from pamqp.commands import Basic, Confirm, Queue, Tx

from interop.kit.brokers import Amqpy
from tests.clients.blocking import parameters
from tests.faults.conftest import Connect
from tests.faults.disk import Disk
from tests.faults.peer import DEADLINE_S, Peer, take_all

FULL = "the store is full, nothing is confirmed until there is space"
ALARM = "disk resource limit alarm set on node"
BEATS = 6
"""Heartbeats of one second, which come twice as often: many more than a client that misses them would wait for."""


def publisher_of(connect: Connect, *, heartbeat_s: int = 0) -> Peer:
    """A peer with confirms, and a durable queue `q` with ten messages."""
    peer = connect(heartbeat_s=heartbeat_s)
    peer.ask(Queue.Declare(queue="q", durable=True))
    peer.ask(Confirm.Select())
    peer.publish("q", *(b"%d" % number for number in range(10)))
    peer.wait_for_confirms(10)
    return peer


def fill(broker: Amqpy, disk: Disk, peer: Peer) -> None:
    """The disk is full, this peer's message the first that has no place, and its next is not heard."""
    disk.fail("write enospc")
    peer.publish("q", b"10")
    broker.program.wait_for_line(FULL, DEADLINE_S)
    broker.program.wait_for_line(ALARM, DEADLINE_S)
    peer.publish("q", b"11")
    assert peer.expect("Connection.Blocked").method.reason == "low on disk"


def test_a_full_disk_costs_nothing_but_time(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher, consumer = publisher_of(connect, heartbeat_s=1), connect(heartbeat_s=1)
    declarer, committer = connect(heartbeat_s=1), connect(heartbeat_s=1)
    committer.ask(Tx.Select())
    consumer.ask(Basic.Consume(queue="q"))
    for number in range(10):
        assert consumer.expect("Basic.Deliver").body == b"%d" % number
    fill(broker, disk, publisher)

    # Consumers notice nothing: they get what is there, and what they say is heard.
    assert consumer.expect("Basic.Deliver").body == b"10"
    consumer.say(Basic.Ack(delivery_tag=8, multiple=True))
    assert consumer.ask(Queue.Declare(queue="q", durable=True)).method.message_count == 0
    consumer.say(Basic.Reject(delivery_tag=9, requeue=True))
    assert consumer.expect("Basic.Deliver").method.redelivered
    consumer.say(Basic.Ack(delivery_tag=12))
    transient = consumer.ask(Queue.Declare(queue="transient"))
    assert transient.method.queue == "transient"

    # Who waits for a promise waits for nothing else: heartbeats come. So it does in pika's opinion.
    declarer.say(Queue.Declare(queue="new", durable=True))
    committer.say(Tx.Commit())
    with pika.BlockingConnection(parameters(broker.address, heartbeat=1)) as connection:
        waiting = threading.Thread(target=connection.channel().queue_declare, args=("of pika",), kwargs={"durable": 1})
        waiting.start()
        for peer in (declarer, committer, publisher, consumer):
            peer.wait_for_heartbeats(BEATS)
        assert publisher.confirmed == 10
        assert waiting.is_alive()
        disk.work()
        waiting.join(DEADLINE_S)
        assert not waiting.is_alive()

    broker.program.wait_for_line("the store has space again", DEADLINE_S)
    declarer.expect("Queue.DeclareOk")
    committer.expect("Tx.CommitOk")
    publisher.expect("Connection.Unblocked")
    publisher.wait_for_confirms(12)
    assert not [*publisher.others, *declarer.others, *committer.others]

    broker.restart(kill=True)
    witness = connect()
    for queue in ("new", "of pika"):
        witness.ask(Queue.Declare(queue=queue, passive=True))
    assert take_all(witness, "q") == [b"9", b"10", b"11"]


def test_a_stop_does_not_wait_for_space(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    """Everybody is told, whatever they wait for, and so is the operator."""
    publisher, declarer = publisher_of(connect), connect()
    fill(broker, disk, publisher)
    declarer.say(Queue.Declare(queue="new", durable=True))
    witness = connect()
    witness.ask(Queue.Declare(queue="new", passive=True))
    broker.program.terminate()
    for peer in (publisher, declarer, witness):
        (close,) = peer.end()
        assert close.method.reply_code == 320
        assert close.method.reply_text.endswith("'shutdown'")
    lines = broker.wait_for_failure()
    assert lines[-1].startswith("amqpy: stopped without space for what was not confirmed yet: cannot write to ")
    assert publisher.confirmed == 10

    disk.work()
    broker.start()
    assert take_all(connect(), "q") == [b"%d" % number for number in range(10)]


def test_a_stop_writes_all_if_there_is_space_again(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher = publisher_of(connect)
    disk.fail("write enospc")
    publisher.publish("q", b"10")
    broker.program.wait_for_line(FULL, DEADLINE_S)
    disk.work()
    broker.stop()
    broker.start()
    assert take_all(connect(), "q") == [b"%d" % number for number in range(11)]
