"""Consumers: consume, cancel, tags, prefetch, fairness, exclusive consumers, the server's own cancel."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import CANCEL_OK_CRASHES, Differs, scenario
from interop.parity.script import Stage


@scenario()
def consume(stage: Stage) -> None:
    """consume-ok comes before the first delivery; deliveries are numbered over all consumers of the channel."""
    channel = stage.channel()
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.publish_some(one, 2)
    channel.publish_some(two, 1)
    channel.settle(one, two)
    channel.consume(one, "first")
    channel.wait_deliveries(2)
    channel.consume(two, "second")
    channel.wait_deliveries(1)
    channel.publish("", one, b"last")
    channel.wait_deliveries(1)
    channel.ack(4, multiple=True)
    channel.settle(one, two)


@scenario()
def server_made_tag(stage: Stage) -> None:
    """An empty tag gets one from the server, a new one each time."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    first = channel.consume(queue, "")
    channel.consume(queue, "")
    if first is not None:
        channel.call("basic.cancel", consumer_tag=first["consumer_tag"])
    channel.publish("", queue, b"for the second")
    channel.wait_deliveries(1)


@scenario()
def server_made_tag_without_waiting(stage: Stage) -> None:
    """With nowait, deliveries tell the tag."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.send("basic.consume", queue=queue, nowait=True)
    channel.publish("", queue, b"hello")
    channel.wait_deliveries(1)


@scenario(each=["x" * 255, "é", " ", "amq.ctag-mine", "with\r\nbreak", "a\0b"])
def odd_tags(stage: Stage, tag: str) -> None:
    """A tag is any short string."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, tag)
    channel.publish("", queue, b"hello")
    channel.wait_deliveries(1)
    channel.call("basic.cancel", consumer_tag=tag)


@scenario(each={"same queue": True, "another queue": False})
def tag_reuse(stage: Stage, same_queue: bool) -> None:
    """530 for a tag the channel has already, whatever the queue."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, "tag")
    channel.consume(queue if same_queue else channel.declare(exclusive=True), "tag")


@scenario()
def tag_reuse_without_waiting(stage: Stage) -> None:
    """The same with nowait."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, "tag")
    channel.send("basic.consume", queue=queue, consumer_tag="tag", nowait=True)
    channel.wait_close()


@scenario()
def tags_belong_to_channels(stage: Stage) -> None:
    """Two channels may use the same tag; a cancelled tag is free."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = one.declare(exclusive=True)
    one.consume(queue, "tag")
    two.consume(queue, "tag")
    one.call("basic.cancel", consumer_tag="tag")
    one.consume(queue, "tag")
    one.call("basic.cancel", consumer_tag="tag")
    two.publish("", queue, b"hello")
    two.wait_deliveries(1)


@scenario()
def consume_missing_queue(stage: Stage) -> None:
    """404, and the tag is free again."""
    channel = stage.channel()
    channel.consume(stage.name(), "tag")


@scenario()
def cancel(stage: Stage) -> None:
    """No delivery after cancel-ok; what was delivered may still be acknowledged."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    channel.publish_some(queue, 2)
    channel.wait_deliveries(2)
    channel.call("basic.cancel", consumer_tag="c")
    channel.publish("", queue, b"waits")
    channel.ack(1)
    channel.reject(2)
    channel.settle(queue)
    channel.get(queue)
    channel.get(queue)


@scenario()
def cancel_unknown(stage: Stage) -> None:
    """An unknown tag is cancelled with success."""
    channel = stage.channel()
    channel.call("basic.cancel", consumer_tag="unknown")
    channel.send("basic.cancel", consumer_tag="unknown", nowait=True)
    channel.call("basic.cancel", consumer_tag="")


@scenario()
def cancel_without_waiting(stage: Stage) -> None:
    """nowait leaves out the reply."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    channel.send("basic.cancel", consumer_tag="c", nowait=True)
    channel.settle(queue)
    channel.publish("", queue, b"stays")
    channel.get(queue)


@scenario(differs=CANCEL_OK_CRASHES)
def cancel_ok_of_a_client(stage: Stage) -> None:
    """RabbitMQ takes cancel-ok from clients that answer its cancel, if the reader lets it."""
    channel = stage.channel(capabilities={"consumer_cancel_notify": True})
    queue = channel.declare(stage.name())
    channel.consume(queue)
    channel.call("queue.delete", queue=queue)
    channel.wait("basic.cancel")
    channel.send("basic.cancel-ok", consumer_tag="c")
    channel.sync()


@scenario(
    each={
        "with the capability": {"consumer_cancel_notify": True},
        "refused": {"consumer_cancel_notify": False},
        "without": None,
    }
)
def server_cancel(stage: Stage, capabilities: dict[str, bool] | None) -> None:
    """When the queue goes, consumers of clients that want to know are told."""
    consumer, other = stage.channel(capabilities=capabilities), stage.channel()
    queue = other.declare(stage.name())
    consumer.consume(queue, "one")
    consumer.consume(queue, "two", no_ack=True)
    other.call("queue.delete", queue=queue)
    if capabilities and capabilities["consumer_cancel_notify"]:
        consumer.wait("basic.cancel", count=2)
    other.declare(queue)
    consumer.consume(queue, "three")
    other.publish("", queue, b"for three")
    consumer.wait_deliveries(1)


@scenario(confirms_apart=True)
def server_cancel_frees_the_tag(stage: Stage) -> None:
    """The tag of a consumer that the server cancelled may be used again."""
    channel = stage.channel(capabilities={"consumer_cancel_notify": True})
    queue = channel.declare(stage.name())
    channel.consume(queue, "tag")
    channel.call("queue.delete", queue=queue)
    channel.wait("basic.cancel")
    channel.declare(queue)
    channel.consume(queue, "tag")


@scenario()
def deleted_queue_forgets_unacked(stage: Stage) -> None:
    """Tags of messages whose queue is gone may still be acknowledged, once."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish_some(queue, 2)
    channel.consume(queue)
    channel.wait_deliveries(2)
    channel.call("queue.delete", queue=queue)
    channel.ack(1)
    channel.reject(2)
    channel.sync()
    channel.ack(2)
    channel.wait_close()


@scenario()
def no_ack(stage: Stage) -> None:
    """Messages count as acknowledged when sent: their tags are not known."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, no_ack=True)
    channel.publish_some(queue, 3)
    channel.wait_deliveries(3)
    channel.settle(queue)
    channel.ack(1)
    channel.wait_close()


@scenario()
def no_local_is_ignored(stage: Stage) -> None:
    """RabbitMQ delivers a connection its own messages all the same."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, no_local=True)
    channel.publish("", queue, b"mine")
    channel.wait_deliveries(1)


@scenario(
    each={
        "exclusive after shared": (False, True),
        "shared after exclusive": (True, False),
        "both exclusive": (True, True),
    }
)
def exclusive_consumer(stage: Stage, case: tuple[bool, bool]) -> None:
    """403 for whoever comes second."""
    first, second = case
    channel, other = stage.channel(), stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue, exclusive=first)
    other.consume(queue, exclusive=second)
    other = other.reopen()
    channel.call("basic.cancel", consumer_tag="c")
    other.consume(queue, exclusive=second)
    other.publish("", queue, b"hello")
    other.wait_deliveries(1)


@scenario()
def exclusive_consumer_and_get(stage: Stage) -> None:
    """An exclusive consumer does not keep others from basic.get."""
    channel, other = stage.channel(), stage.channel()
    queue = channel.declare(stage.name())
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, exclusive=True)
    channel.publish_some(queue, 2)
    channel.wait_deliveries(1)
    channel.settle(queue)
    other.get(queue)


@scenario()
def round_robin(stage: Stage) -> None:
    """Consumers take turns in the order they came."""
    connection = stage.connect()
    channels = [connection.channel(number) for number in (1, 2, 3)]
    queue = channels[0].declare(exclusive=True)
    for channel in channels:
        channel.consume(queue)
    for number in range(1, 8):
        channels[0].publish("", queue, str(number).encode())
    channels[0].wait_deliveries(3)
    channels[1].wait_deliveries(2)
    channels[2].wait_deliveries(2)


@scenario()
def round_robin_passes_over_the_full(stage: Stage) -> None:
    """A consumer without room is left out until it has room again."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = one.declare(exclusive=True)
    one.call("basic.qos", prefetch_count=1)
    one.consume(queue)
    two.consume(queue)
    one.publish_some(queue, 4)
    one.wait_deliveries(1)
    two.wait_deliveries(3)
    one.ack(1)
    connection.settle(queue)
    one.publish_some(queue, 2)
    connection.settle(queue)


@scenario()
def round_robin_after_cancel(stage: Stage) -> None:
    """The turn goes on when one leaves."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    for tag in ("a", "b", "c"):
        channel.consume(queue, tag)
    channel.publish_some(queue, 2)
    channel.wait_deliveries(2)
    channel.call("basic.cancel", consumer_tag="b")
    channel.publish_some(queue, 3)
    channel.wait_deliveries(3)


@scenario()
def messages_wait_for_the_first_consumer(stage: Stage) -> None:
    """Two consumers come to a queue that has messages: the first gets all it may."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 5)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "first")
    channel.consume(queue, "second")
    channel.wait_deliveries(4)
    channel.settle(queue)


@scenario()
def channel_close_cancels_consumers(stage: Stage) -> None:
    """Unacknowledged messages of a closed channel go to the next consumer, in order and marked."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = one.declare(exclusive=True)
    one.consume(queue)
    one.publish_some(queue, 3)
    one.wait_deliveries(3)
    one.ack(2)
    connection.settle(queue)
    two.consume(queue)
    one.close()
    two.wait_deliveries(2)


@scenario(
    differs=Differs(
        "RabbitMQ's channel crashes when it cancels a consumer that its queue has not confirmed yet",
        ["answer: connection.close"],
        ["answer: basic.cancel-ok"],
        before="4.3",
    ),
)
def cancelled_in_the_same_packet(stage: Stage) -> None:
    """A client that does not wait for consume-ok before it cancels."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.connection.recording = False
    payloads = [
        codec.method_payload("basic.consume", queue=queue, consumer_tag="c"),
        codec.method_payload("basic.cancel", consumer_tag="c"),
    ]
    channel.connection.send_bytes(b"".join(codec.frame(codec.METHOD, 1, payload) for payload in payloads))
    (reply,) = channel.wait("basic.cancel-ok")
    stage.note(f"answer: {reply and reply.method}")


ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "unknown": {"x-whatever": 1},
    "any type": {"a": [1, {"b": None}], "c": Typed("D", (1, 1))},
}


@scenario(each=ARGUMENTS)
def consume_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """Unknown arguments are accepted."""
    channel = stage.channel()
    channel.consume(channel.declare(exclusive=True), arguments=arguments)


@scenario()
def delivery_has_the_published_content(stage: Stage) -> None:
    """All fourteen properties come back byte for byte."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    properties = codec.properties(
        content_type="text/plain", content_encoding="utf-8", headers={"k": 1}, delivery_mode=1, priority=9,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m", timestamp=1, type="t", user_id="guest",
        app_id="a", cluster_id="x",
    )  # fmt: skip
    channel.publish("", queue, b"body", properties=properties)
    channel.wait_deliveries(1)
