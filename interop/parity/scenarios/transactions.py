"""Transactions: select, commit, rollback, and the modes that exclude each other."""

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage


def transactional(stage: Stage) -> tuple[Channel, str]:
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.call("tx.select")
    return channel, queue


@scenario()
def select(stage: Stage) -> None:
    """Selecting twice is fine; empty commits and rollbacks, too."""
    channel = stage.channel()
    for method in ("tx.select", "tx.select", "tx.commit", "tx.rollback", "tx.commit"):
        channel.call(method)


@scenario(each=["tx.commit", "tx.rollback"])
def without_select(stage: Stage, method: str) -> None:
    """406 on a channel that is not transactional."""
    stage.channel().call(method)


@scenario()
def confirm_after_tx(stage: Stage) -> None:
    """A transactional channel cannot confirm."""
    channel = stage.channel()
    channel.call("tx.select")
    channel.call("confirm.select")


@scenario()
def tx_after_confirm(stage: Stage) -> None:
    """A confirming channel cannot be transactional."""
    channel = stage.channel()
    channel.call("confirm.select")
    channel.call("tx.select")


@scenario()
def modes_are_free_after_reopening(stage: Stage) -> None:
    """The mode ends with the channel."""
    channel = stage.channel()
    channel.call("tx.select")
    channel.call("confirm.select")
    channel = channel.reopen()
    channel.call("confirm.select")
    channel.publish("amq.fanout", stage.name("k"))
    channel.wait_confirms(1)


@scenario()
def commit(stage: Stage) -> None:
    """Published messages are not there before commit-ok."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 3)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.call("tx.commit")
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario()
def commit_persistent(stage: Stage) -> None:
    """commit-ok comes when persistent messages are safe."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), durable=True)
    channel.call("tx.select")
    channel.publish("", queue, b"body", properties=codec.properties(delivery_mode=2))
    channel.call("tx.commit")
    channel.get(queue)


@scenario()
def rollback(stage: Stage) -> None:
    """Rolled back messages never were; what comes after counts."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 2)
    channel.call("tx.rollback")
    channel.call("tx.commit")
    channel.publish("", queue, b"after")
    channel.call("tx.commit")
    channel.drain(queue)


@scenario()
def close_rolls_back(stage: Stage) -> None:
    """Closing the channel is no commit."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 2)
    channel.close()
    channel = channel.reopen()
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def mandatory_at_commit(stage: Stage) -> None:
    """Unroutable messages are returned at the commit, before commit-ok; or earlier."""
    channel, _ = transactional(stage)
    channel.publish("", stage.name("nobody"), b"returned", mandatory=True)
    channel.sync()
    channel.call("tx.commit")
    channel.sync()


@scenario()
def mandatory_rolled_back(stage: Stage) -> None:
    """Nothing is returned of what was rolled back."""
    channel, _ = transactional(stage)
    channel.publish("", stage.name("nobody"), b"returned", mandatory=True)
    channel.call("tx.rollback")
    channel.sync()


@scenario(each=["tx.commit", "tx.rollback"])
def acks(stage: Stage, method: str) -> None:
    """Acks count at the commit; a rollback undoes them, and the messages stay with the client."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 3)
    channel.call("tx.commit")
    for _ in range(3):
        channel.get(queue)
    channel.ack(2, multiple=True)
    channel.call(method)
    channel.ack(1)
    channel.sync()
    if not channel.closed:
        channel.call("tx.commit")
        channel.close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=1 if method == "tx.commit" else 2)
    channel.drain(queue)


@scenario(each=["tx.commit", "tx.rollback"])
def rejects(stage: Stage, method: str) -> None:
    """Rejected messages go back at the commit, not before."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 3)
    channel.call("tx.commit")
    for _ in range(3):
        channel.get(queue)
    channel.reject(1)
    channel.nack(2, requeue=False)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.call(method)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=2 if method == "tx.commit" else 3)
    channel.drain(queue)


@scenario()
def ack_twice_within(stage: Stage) -> None:
    """A tag may be settled once, also within a transaction."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 1)
    channel.call("tx.commit")
    channel.get(queue)
    channel.ack(1)
    channel.ack(1)
    channel.wait_close()


@scenario()
def prefetch_waits_for_commit(stage: Stage) -> None:
    """An ack makes room when it is committed."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 3)
    channel.call("tx.commit")
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.ack(1)
    channel.settle(queue)
    channel.call("tx.commit")
    channel.wait_deliveries(1)
    channel.settle(queue)


@scenario()
def rollback_keeps_the_order_of_unacked(stage: Stage) -> None:
    """After a rollback, multiple reaches the same messages as before."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 4)
    channel.call("tx.commit")
    for _ in range(4):
        channel.get(queue)
    channel.ack(3)
    channel.ack(1)
    channel.call("tx.rollback")
    channel.ack(3, multiple=True)
    channel.call("tx.commit")
    channel.close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=1)
    channel.drain(queue)


@scenario()
def publish_to_missing_exchange(stage: Stage) -> None:
    """Errors do not wait for the commit."""
    channel, _ = transactional(stage)
    channel.publish(stage.name("missing"), "k", b"error")
    channel.wait_close()


@scenario(before="4.3")
def queue_deleted_before_commit(stage: Stage) -> None:
    """A message for a queue that is gone by then is lost without a word, or returned."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.call("tx.select")
    channel.publish("", queue, b"lost", mandatory=True)
    channel.call("queue.delete", queue=queue)
    channel.call("tx.commit")
    channel.sync()


@scenario()
def bound_after_publish(stage: Stage) -> None:
    """Where a message goes is decided when it is published, or when it is committed."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.call("tx.select")
    channel.publish(name, "", b"body", mandatory=True)
    channel.bind(queue, name)
    channel.call("tx.commit")
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def recover_within(stage: Stage) -> None:
    """basic.recover does not wait for the commit."""
    channel, queue = transactional(stage)
    channel.publish_some(queue, 2)
    channel.call("tx.commit")
    channel.get(queue)
    channel.get(queue)
    channel.ack(1)
    channel.call("basic.recover", requeue=True)
    channel.settle(queue)
    channel.drain(queue)
    channel.call("tx.rollback")
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def declares_are_not_transactional(stage: Stage) -> None:
    """Topology changes at once and stays."""
    channel, queue = transactional(stage)
    channel.bind(queue, "amq.direct", stage.name("k"))
    channel.call("tx.rollback")
    channel.publish("amq.direct", stage.name("k"), b"bound", mandatory=True)
    channel.call("tx.commit")
    channel.drain(queue)


@scenario()
def two_transactions(stage: Stage) -> None:
    """Channels have transactions of their own."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = one.declare(exclusive=True)
    one.call("tx.select")
    two.call("tx.select")
    one.publish("", queue, b"one")
    two.publish("", queue, b"two")
    two.call("tx.commit")
    one.call("tx.rollback")
    connection.settle(queue)
    one.drain(queue)
    two.call("tx.commit")
