"""Streams on a disk that fails, and in a broker that is killed: what was confirmed is there, once and in order."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Queue

from interop.kit.brokers import Amqpy
from tests.faults.conftest import Connect
from tests.faults.disk import Disk
from tests.faults.peer import DEADLINE_S, Peer
from tests.faults.test_broken import expect_lost, expect_stop
from tests.faults.test_full import FULL

STREAM: dict[str, Any] = {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": 20_000}
BATCH = 40


def bodies(first: int, count: int) -> list[bytes]:
    """They are told from each other, and some are large."""
    return [b"%06d" % number + bytes(3000 if number % 7 == 0 else 20) for number in range(first, first + count)]


def publisher_of(connect: Connect) -> Peer:
    peer = connect()
    peer.ask(Queue.Declare(queue="s", durable=True, arguments=STREAM))
    peer.ask(Confirm.Select())
    return peer


def read_all(peer: Peer) -> list[bytes]:
    """All messages there are; their offsets are their places."""
    count = peer.ask(Queue.Declare(queue="s", passive=True)).method.message_count
    peer.ask(Basic.Qos(prefetch_count=65_000))
    if count:
        peer.ask(Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    found = [peer.expect("Basic.Deliver") for _ in range(count)]
    assert [each.properties.headers["x-stream-offset"] for each in found] == list(range(count))
    return [bytes(each.body) for each in found]


@pytest.mark.parametrize("write", [9, 16, 25])
def test_killed_at_any_write(broker: Amqpy, disk: Disk, connect: Connect, write: int) -> None:
    """Of several rounds; each goes on where the one before was killed."""
    there: list[bytes] = []
    for round_ in range(3):
        publisher = publisher_of(connect)
        disk.fail("write kill", write + round_, write + round_)
        sent = bodies(len(there), 2000)
        confirmed = publish_until_the_end(publisher, sent)
        broker.program.wait(DEADLINE_S)
        disk.work()
        broker.start()
        found = read_all(connect())
        assert found[: len(there)] == there
        new = found[len(there) :]
        assert new == sent[: len(new)]
        assert len(new) >= confirmed
        there = found
    assert there


def publish_until_the_end(publisher: Peer, sent: list[bytes]) -> int:
    """Publishes with a window; returns the number of messages that were confirmed."""
    with suppress(AssertionError, OSError):
        for start in range(0, len(sent), BATCH):
            publisher.publish("s", *sent[start : start + BATCH])
            publisher.wait_for_confirms(start)
        publisher.wait_for_confirms(len(sent))
    return publisher.confirmed


@pytest.mark.parametrize("fault", ["sync eio", "write eio", "moved"])
def test_nothing_is_promised_that_the_disk_may_not_have(
    broker: Amqpy, disk: Disk, data_dir: Path, connect: Connect, fault: str
) -> None:
    publisher = publisher_of(connect)
    sent = bodies(0, 10)
    publisher.publish("s", *sent)
    publisher.wait_for_confirms(10)
    if fault == "moved":
        data_dir.rename(data_dir.with_name("moved"))
    else:
        disk.fail(fault)
    publisher.publish("s", b"lost")
    expect_lost(publisher)
    assert publisher.confirmed == 10
    expect_stop(broker, "is gone" if fault == "moved" else "Input/output error")
    disk.work()
    if fault == "moved":
        data_dir.with_name("moved").rename(data_dir)
    broker.start()
    assert read_all(connect())[:10] == sent


def test_a_full_disk_costs_nothing_but_time(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher, consumer = publisher_of(connect), connect()
    consumer.ask(Basic.Qos(prefetch_count=1000))
    consumer.ask(Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    sent = bodies(0, 20)
    publisher.publish("s", *sent[:10])
    publisher.wait_for_confirms(10)
    assert [bytes(consumer.expect("Basic.Deliver").body) for _ in range(10)] == sent[:10]
    disk.fail("write enospc")
    publisher.publish("s", *sent[10:15])
    broker.program.wait_for_line(FULL, DEADLINE_S)
    publisher.publish("s", *sent[15:])
    assert publisher.confirmed == 10
    disk.work()
    publisher.wait_for_confirms(20)
    assert [bytes(consumer.expect("Basic.Deliver").body) for _ in range(10)] == sent[10:]
    broker.restart(kill=True)
    assert read_all(connect()) == sent


def test_short_writes_are_none_of_the_brokers_business(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher = publisher_of(connect)
    disk.fail("write short")
    sent = bodies(0, 50)
    publisher.publish("s", *sent)
    publisher.wait_for_confirms(50)
    disk.work()
    broker.restart(kill=True)
    assert read_all(connect()) == sent


def test_what_cannot_be_read_back_stays_in_the_store(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher, consumer = publisher_of(connect), connect()
    sent = bodies(0, 50)
    publisher.publish("s", *sent)
    publisher.wait_for_confirms(50)
    disk.fail("read eio")
    consumer.ask(Basic.Qos(prefetch_count=10))
    consumer.say(Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    consumer.end()
    expect_lost(publisher)
    expect_stop(broker, "cannot read")
    disk.work()
    broker.start()
    assert read_all(connect()) == sent
