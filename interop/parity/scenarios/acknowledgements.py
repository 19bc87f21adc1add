"""Get, ack, nack, reject, recover: tags, redelivery, and the order of what comes back."""

from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage


def filled(stage: Stage, count: int) -> tuple[Channel, str]:
    """A channel, and its own queue with that many messages."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, count)
    return channel, queue


@scenario()
def get(stage: Stage) -> None:
    """get-ok counts what is left, get-empty says there is nothing."""
    channel, queue = filled(stage, 2)
    for _ in range(3):
        channel.get(queue)


@scenario()
def get_no_ack(stage: Stage) -> None:
    """Tags go on counting, but name nothing."""
    channel, queue = filled(stage, 2)
    channel.get(queue, no_ack=True)
    channel.get(queue)
    channel.ack(2)
    channel.sync()
    channel.ack(1)
    channel.wait_close()


@scenario()
def get_missing(stage: Stage) -> None:
    """404."""
    stage.channel().get(stage.name())


@scenario()
def get_and_consume_share_tags(stage: Stage) -> None:
    """One sequence of delivery tags on each channel."""
    channel, queue = filled(stage, 3)
    channel.get(queue)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.get(queue)
    channel.ack(3, multiple=True)
    channel.settle(queue)


BAD_TAGS = {"never sent": 4, "zero": 0, "highest": 2**64 - 1, "settled": 1}
METHODS = ["basic.ack", "basic.nack", "basic.reject"]


@scenario(each={f"{method}, {label}": (method, tag) for method in METHODS for label, tag in BAD_TAGS.items()})
def unknown_tag(stage: Stage, case: tuple[str, int]) -> None:
    """406 for a tag that is not outstanding, and what was outstanding goes back."""
    method, tag = case
    channel, queue = filled(stage, 3)
    for _ in range(3):
        channel.get(queue)
    channel.ack(1)
    channel.sync()
    channel.send(method, delivery_tag=tag)
    channel.wait_close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=2)
    channel.drain(queue)


@scenario(each={f"{method}, {label}": (method, tag) for method in METHODS[:2] for label, tag in BAD_TAGS.items()})
def unknown_tag_with_multiple(stage: Stage, case: tuple[str, int]) -> None:
    """With multiple: zero means all, a settled tag in the middle is an error or not."""
    method, tag = case
    channel, queue = filled(stage, 3)
    for _ in range(3):
        channel.get(queue)
    channel.ack(1)
    channel.sync()
    channel.send(method, delivery_tag=tag, multiple=True)
    channel.settle(queue)
    if channel.closed:
        channel = channel.reopen()
        channel.until_queue(queue, message_count=2)
    channel.drain(queue)


@scenario(each=METHODS[:2])
def multiple_with_nothing_outstanding(stage: Stage, method: str) -> None:
    """Tag zero and multiple, when there is nothing; then any other tag."""
    channel = stage.channel()
    channel.send(method, delivery_tag=0, multiple=True)
    channel.sync()
    channel.send(method, delivery_tag=1, multiple=True)
    channel.wait_close()


@scenario()
def multiple_up_to_a_settled_tag(stage: Stage) -> None:
    """multiple up to a tag that was settled before, with older ones outstanding."""
    channel, queue = filled(stage, 3)
    for _ in range(3):
        channel.get(queue)
    channel.ack(2)
    channel.ack(2, multiple=True)
    channel.sync()


@scenario()
def ack_on_another_channel(stage: Stage) -> None:
    """Tags belong to their channel."""
    channel, queue = filled(stage, 1)
    other = channel.connection.channel(2)
    channel.get(queue)
    other.ack(1)
    other.wait_close()
    channel.ack(1)
    channel.sync()


@scenario()
def ack_without_consumer(stage: Stage) -> None:
    """Nothing was ever delivered here."""
    channel = stage.channel()
    channel.ack(1)
    channel.wait_close()


@scenario()
def ack_multiple(stage: Stage) -> None:
    """All up to the tag, no more."""
    channel, queue = filled(stage, 4)
    for _ in range(4):
        channel.get(queue)
    channel.ack(2, multiple=True)
    channel.close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=2)
    channel.drain(queue)


@scenario(each={"reject": False, "nack": True})
def requeue_to_the_original_position(stage: Stage, nack: bool) -> None:
    """What comes back stands where it stood."""
    channel, queue = filled(stage, 5)
    for _ in range(4):
        channel.get(queue)
    for tag in (3, 1):
        channel.nack(tag) if nack else channel.reject(tag)
    channel.settle(queue)
    channel.drain(queue)
    channel.nack(0, multiple=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def requeue_before_new_messages(stage: Stage) -> None:
    """Redelivered first, although others were published since."""
    channel, queue = filled(stage, 2)
    channel.get(queue)
    channel.get(queue)
    channel.publish("", queue, b"new")
    channel.settle(queue)
    channel.nack(2, multiple=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def requeue_to_another_consumer(stage: Stage) -> None:
    """A rejected message may come back to the same consumer or the next."""
    channel, queue = filled(stage, 1)
    channel.consume(queue, "a")
    channel.wait_deliveries(1)
    channel.consume(queue, "b")
    channel.reject(1)
    channel.wait_deliveries(1)
    channel.reject(2)
    channel.wait_deliveries(1)
    channel.ack(3)
    channel.settle(queue)


@scenario()
def requeue_with_prefetch(stage: Stage) -> None:
    """A consumer that rejects gets the same message again, and again."""
    channel, queue = filled(stage, 3)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    for tag in range(1, 4):
        channel.reject(tag)
        channel.wait_deliveries(1)
    channel.ack(4)
    channel.wait_deliveries(1)


@scenario(each={"reject": False, "nack": True})
def discard(stage: Stage, nack: bool) -> None:
    """Without requeue the message is gone."""
    channel, queue = filled(stage, 3)
    for _ in range(3):
        channel.get(queue)
    if nack:
        channel.nack(3, multiple=True, requeue=False)
    else:
        channel.reject(2, requeue=False)
    channel.close()
    channel = channel.reopen()
    channel.until_queue(queue, message_count=0 if nack else 2)
    channel.drain(queue)


@scenario()
def nack_multiple_of_several_queues(stage: Stage) -> None:
    """Each message goes back to its own queue."""
    channel, one = filled(stage, 2)
    two = channel.declare(exclusive=True)
    channel.publish_some(two, 2)
    for queue in (one, two, one, two):
        channel.get(queue)
    channel.nack(3, multiple=True)
    channel.settle(one, two)
    channel.drain(one)
    channel.drain(two)


@scenario(each={"recover": "basic.recover", "recover-async": "basic.recover-async"})
def recover(stage: Stage, method: str) -> None:
    """All unacknowledged messages of the channel go back, and are delivered anew."""
    channel, queue = filled(stage, 3)
    channel.consume(queue)
    channel.wait_deliveries(3)
    channel.ack(2)
    if method == "basic.recover":
        channel.call(method, requeue=True)
    else:
        channel.send(method, requeue=True)
    channel.wait_deliveries(2)
    channel.ack(5)
    channel.settle(queue)
    channel.ack(1)
    channel.wait_close()


@scenario(each={"recover": "basic.recover", "recover-async": "basic.recover-async"})
def recover_without_requeue(stage: Stage, method: str) -> None:
    """To resend to the same consumer is not implemented: 540."""
    channel, queue = filled(stage, 1)
    channel.get(queue)
    channel.send(method, requeue=False)
    channel.wait_close()


@scenario()
def recover_with_nothing_outstanding(stage: Stage) -> None:
    """recover-ok all the same."""
    channel = stage.channel()
    channel.call("basic.recover", requeue=True)


@scenario()
def recover_what_basic_get_took(stage: Stage) -> None:
    """Messages of basic.get go back as well, to their positions."""
    channel, queue = filled(stage, 4)
    for _ in range(3):
        channel.get(queue)
    channel.ack(2)
    channel.call("basic.recover", requeue=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def redelivered_stays_set(stage: Stage) -> None:
    """Once back in the queue, a message is marked for ever, also on other channels."""
    channel, queue = filled(stage, 2)
    channel.get(queue)
    channel.reject(1)
    channel.settle(queue)
    other = channel.connection.channel(2)
    other.get(queue)
    other.close()
    channel.until_queue(queue, message_count=2)
    channel.get(queue)
    channel.get(queue)


@scenario()
def close_returns_in_order(stage: Stage) -> None:
    """Messages of a closed channel stand where they stood among the others."""
    channel, queue = filled(stage, 5)
    other = channel.connection.channel(2)
    other.get(queue)
    channel.get(queue)
    other.get(queue)
    channel.get(queue)
    other.close()
    channel.until_queue(queue, message_count=3)
    channel.drain(queue)
    channel.nack(0, multiple=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def acks_in_any_order(stage: Stage) -> None:
    """Tags may be settled in any order, each once."""
    channel, queue = filled(stage, 5)
    channel.consume(queue)
    channel.wait_deliveries(5)
    for tag in (5, 1, 3):
        channel.ack(tag)
    channel.ack(4, multiple=True)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.ack(4)
    channel.wait_close()
