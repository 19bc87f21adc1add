"""A disk that can no longer be trusted: nothing more is promised, everybody is told, and the broker stops."""

import shutil
from pathlib import Path

import pytest
from pamqp.commands import Basic, Confirm, Connection, Queue

from interop.kit.brokers import Amqpy
from tests.faults.conftest import Connect
from tests.faults.disk import Disk
from tests.faults.peer import Peer, take_all

LOST = "broker forced connection closure with reason 'store lost'"
BODIES = [b"%d" % number for number in range(10)]
BACKLOG = [b"%06d" % number * 2000 for number in range(1000)]
"""More than a queue has in memory."""


def publisher_of(connect: Connect) -> Peer:
    """A peer with confirms, and a durable queue `q` with ten messages."""
    peer = connect()
    peer.ask(Queue.Declare(queue="q", durable=True))
    peer.ask(Confirm.Select())
    peer.publish("q", *BODIES)
    peer.wait_for_confirms(len(BODIES))
    return peer


def expect_lost(peer: Peer) -> None:
    """The next that comes, and the last."""
    (close,) = peer.end()
    assert isinstance(close.method, Connection.Close), close
    assert (close.method.reply_code, close.method.reply_text) == (320, f"CONNECTION_FORCED - {LOST}")


def expect_stop(broker: Amqpy, reason: str) -> None:
    """With a line for the log, and one for who started it."""
    lines = broker.wait_for_failure()
    told = [line for line in lines if reason in line]
    assert len(told) == 2, "\n".join(lines)
    assert "[critical] [-] the store is lost: " in told[0]
    assert told[1] == lines[-1]
    assert lines[-1].startswith("amqpy: ")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("sync eio", "disk I/O error (SQLITE_IOERR_FSYNC)"),
        ("write eio", "disk I/O error (SQLITE_IOERR_WRITE)"),
        ("write erofs", "disk I/O error (SQLITE_IOERR_WRITE)"),
        ("moved", "is gone: No such file or directory"),
        ("deleted", "is gone: No such file or directory"),
    ],
)
def test_nothing_is_promised_that_the_disk_may_not_have(
    broker: Amqpy, disk: Disk, data_dir: Path, connect: Connect, fault: str, reason: str
) -> None:
    publisher, consumer, declarer = publisher_of(connect), connect(), connect()
    consumer.ask(Basic.Consume(queue="q"))
    for _ in BODIES:
        consumer.expect("Basic.Deliver")
    if fault == "moved":
        data_dir.rename(data_dir.with_name("moved"))
    elif fault == "deleted":
        shutil.rmtree(data_dir)
    else:
        disk.fail(fault)
    declarer.say(Queue.Declare(queue="new", durable=True))
    expect_lost(declarer)
    expect_lost(consumer)
    expect_lost(publisher)
    expect_stop(broker, reason)

    if fault == "deleted":
        return
    disk.work()
    if fault == "moved":
        data_dir.with_name("moved").rename(data_dir)
    broker.start()
    assert take_all(connect(), "q") == BODIES


def test_a_confirm_is_not_given_after_a_failed_sync(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    """Although the disk works again at once."""
    publisher = publisher_of(connect)
    disk.fail("sync eio", last=1)
    publisher.publish("q", b"10")
    expect_lost(publisher)
    assert publisher.confirmed == len(BODIES)
    expect_stop(broker, "SQLITE_IOERR_FSYNC")
    disk.work()
    broker.start()
    assert take_all(connect(), "q")[: len(BODIES)] == BODIES


def test_what_cannot_be_read_back_stays_in_the_store(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    publisher, consumer, declarer = publisher_of(connect), connect(), connect()
    publisher.publish("q", *BACKLOG)
    publisher.wait_for_confirms(len(BODIES) + len(BACKLOG))
    disk.fail("read eio")
    consumer.say(Basic.Consume(queue="q"))
    *deliveries, close = consumer.end()
    assert close.method.reply_text.endswith(LOST)
    assert len(deliveries) < len(BACKLOG)
    expect_lost(declarer)
    expect_lost(publisher)
    expect_stop(broker, "database disk image is malformed")  # so SQLite puts it

    disk.work()
    broker.start()
    assert take_all(connect(), "q") == BODIES + BACKLOG


def test_short_writes_are_none_of_the_brokers_business(broker: Amqpy, disk: Disk, connect: Connect) -> None:
    """Whoever writes the rest has written it all."""
    disk.fail("write short")
    publisher = publisher_of(connect)
    body = bytes(range(256)) * 100
    publisher.publish("q", body)
    publisher.wait_for_confirms(len(BODIES) + 1)
    broker.restart(kill=True)
    assert take_all(connect(), "q") == [*BODIES, body]


# --- at the start


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("read eio", "disk I/O error"),
        ("write eio", "disk I/O error"),
        ("sync eio", "disk I/O error"),
        ("write enospc", "SQLITE_IOERR_SHMSIZE"),
        ("open erofs", "cannot write to the data directory"),
    ],
)
def test_who_cannot_start_says_why(broker: Amqpy, disk: Disk, connect: Connect, fault: str, reason: str) -> None:
    publisher_of(connect)
    broker.stop()
    disk.fail(fault)
    broker.launch()
    lines = broker.wait_for_failure()
    assert len(lines) == 1, lines
    (line,) = lines
    assert line.startswith("amqpy: ")
    assert reason in line
    disk.work()
    broker.start()
    assert take_all(connect(), "q") == BODIES


def test_a_second_broker_is_refused_and_the_first_goes_on(
    broker: Amqpy, tmp_path: Path, data_dir: Path, connect: Connect
) -> None:
    publisher = publisher_of(connect)
    folder = tmp_path / "second"
    folder.mkdir()
    second = Amqpy(folder, data_dir=data_dir)
    second.launch()
    assert second.wait_for_failure() == [f"amqpy: the data directory {data_dir} is in use by another broker"]
    publisher.publish("q", b"10")
    publisher.wait_for_confirms(11)
    broker.restart(kill=True)
    assert take_all(connect(), "q") == [*BODIES, b"10"]
