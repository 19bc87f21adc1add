"""Consuming with pika: acknowledgements, requeueing, prefetch, cancellation, get, purge and recover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pika.exceptions import ChannelClosedByBroker

from .blocking import consumer_count, get_all, get_body, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import pika
    from pika.adapters.blocking_connection import BlockingChannel


@pytest.fixture
def queue(channel: BlockingChannel, name: str) -> str:
    """A queue with five messages in it."""
    channel.queue_declare(name, auto_delete=True)
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", name, b"%d" % number)
    return name


class Consumer:
    """Notes what it is sent, and acknowledges nothing by itself."""

    def __init__(self, channel: BlockingChannel, queue: str, **options: object) -> None:
        self.channel = channel
        self.bodies: list[bytes] = []
        self.tags: list[int] = []
        self.redelivered: list[bool] = []
        self.tag = channel.basic_consume(queue, self._on_message, **options)

    def _on_message(
        self, _: BlockingChannel, method: pika.spec.Basic.Deliver, __: pika.BasicProperties, body: bytes
    ) -> None:
        assert method.consumer_tag == self.tag
        self.bodies.append(body)
        self.tags.append(method.delivery_tag)
        self.redelivered.append(method.redelivered)

    def wait_for(self, count: int) -> None:
        wait_until(self.channel.connection, lambda: len(self.bodies) >= count)


def test_get(channel: BlockingChannel, queue: str) -> None:
    for number in range(5):
        method, _, body = channel.basic_get(queue)
        assert (method.exchange, method.routing_key, method.redelivered) == ("", queue, False)
        assert (method.delivery_tag, method.message_count, body) == (number + 1, 4 - number, b"%d" % number)
    assert channel.basic_get(queue) == (None, None, None)
    channel.basic_nack(0, multiple=True)
    assert get_all(channel, queue) == [b"0", b"1", b"2", b"3", b"4"]


def test_purge_leaves_what_is_unacknowledged(channel: BlockingChannel, queue: str) -> None:
    method, _, _ = channel.basic_get(queue)
    assert channel.queue_purge(queue).method.message_count == 4
    assert get_body(channel, queue) is None
    channel.basic_reject(method.delivery_tag, requeue=True)
    assert get_all(channel, queue) == [b"0"]


def test_requeued_messages_return_to_their_places(channel: BlockingChannel, queue: str) -> None:
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(4)]
    channel.basic_ack(tags[1])
    channel.basic_nack(tags[2], requeue=True)
    channel.basic_reject(tags[0], requeue=True)
    channel.basic_nack(tags[3], requeue=False)
    deliveries = take(channel, queue, 3)
    assert [(each.body, each.method.redelivered) for each in deliveries] == [
        (b"0", True),
        (b"2", True),
        (b"4", False),
    ]


def test_nack_of_several_at_once(channel: BlockingChannel, queue: str) -> None:
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(5)]
    channel.basic_nack(tags[2], multiple=True, requeue=False)
    channel.basic_nack(0, multiple=True, requeue=True)
    assert get_all(channel, queue) == [b"3", b"4"]
    channel.basic_ack(tags[1])
    with pytest.raises(ChannelClosedByBroker, match=f"unknown delivery tag {tags[1]}"):
        channel.basic_qos()


def test_recover_redelivers_everything_unacknowledged(channel: BlockingChannel, queue: str) -> None:
    consumer = Consumer(channel, queue)
    consumer.wait_for(5)
    channel.basic_ack(consumer.tags[0])
    channel.basic_recover(requeue=True)
    consumer.wait_for(9)
    assert consumer.bodies[5:] == [b"1", b"2", b"3", b"4"]
    assert consumer.redelivered == [False] * 5 + [True] * 4


def test_a_lost_channel_gives_its_messages_back(
    channel: BlockingChannel, queue: str, connect: Callable[..., pika.BlockingConnection]
) -> None:
    other = connect().channel()
    for _ in range(3):
        other.basic_get(queue)
    assert get_body(channel, queue) == b"3"
    other.close()
    assert get_all(channel, queue) == [b"0", b"1", b"2", b"4"]


def test_prefetch_is_counted_for_each_consumer(channel: BlockingChannel, queue: str) -> None:
    channel.basic_qos(prefetch_count=1)
    first = Consumer(channel, queue)
    channel.basic_qos(prefetch_count=2)
    second = Consumer(channel, queue)
    second.wait_for(2)
    assert [first.bodies, second.bodies] == [[b"0"], [b"1", b"2"]]
    channel.basic_ack(first.tags[0])
    first.wait_for(2)
    assert [first.bodies, second.bodies] == [[b"0", b"3"], [b"1", b"2"]]


def test_a_global_prefetch_is_shared_by_the_channel(connection: pika.BlockingConnection, queue: str, name: str) -> None:
    channel = connection.channel()
    channel.basic_qos(prefetch_count=3, global_qos=True)
    consumers = Consumer(channel, queue), Consumer(channel, queue)
    wait_until(connection, lambda: sum(len(consumer.bodies) for consumer in consumers) >= 3)
    assert consumer_count(channel, queue) == 2  # and whatever else was delivered has arrived with the answer
    connection.process_data_events()
    assert sorted(consumers[0].bodies + consumers[1].bodies) == [b"0", b"1", b"2"]
    channel.basic_ack(0, multiple=True)
    wait_until(connection, lambda: sum(len(consumer.bodies) for consumer in consumers) >= 5)
    assert sorted(consumers[0].bodies + consumers[1].bodies) == [b"0", b"1", b"2", b"3", b"4"]


def test_without_acknowledgement_prefetch_does_not_count(channel: BlockingChannel, queue: str) -> None:
    channel.basic_qos(prefetch_count=1)
    consumer = Consumer(channel, queue, auto_ack=True)
    consumer.wait_for(5)
    assert consumer.bodies == [b"0", b"1", b"2", b"3", b"4"]


def test_consumers_take_turns(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    consumers = [Consumer(channel, name, auto_ack=True) for _ in range(3)]
    for number in range(9):
        channel.basic_publish("", name, b"%d" % number)
    for consumer in consumers:
        consumer.wait_for(3)
    assert sorted(consumer.bodies for consumer in consumers) == [
        [b"0", b"3", b"6"],
        [b"1", b"4", b"7"],
        [b"2", b"5", b"8"],
    ]


def test_a_cancelled_consumer_may_still_acknowledge(channel: BlockingChannel, queue: str) -> None:
    channel.basic_qos(prefetch_count=2)
    consumer = Consumer(channel, queue)
    consumer.wait_for(2)
    spare = Consumer(channel, queue, auto_ack=True)  # keeps the auto-delete queue alive
    spare.wait_for(3)
    channel.basic_cancel(consumer.tag)
    assert consumer_count(channel, queue) == 1
    channel.basic_ack(consumer.tags[0])
    channel.basic_reject(consumer.tags[1])
    spare.wait_for(4)
    assert (consumer.bodies, spare.bodies) == ([b"0", b"1"], [b"2", b"3", b"4", b"1"])


def test_the_broker_cancels_consumers_of_a_deleted_queue(
    channel: BlockingChannel, queue: str, connect: Callable[..., pika.BlockingConnection]
) -> None:
    consumer = Consumer(channel, queue, consumer_tag="mine")
    cancelled: list[str] = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    consumer.wait_for(5)
    connect().channel().queue_delete(queue)
    wait_until(channel.connection, lambda: bool(cancelled))
    assert cancelled == ["mine"]
    assert channel.consumer_tags == []
    with pytest.raises(ChannelClosedByBroker, match="no queue"):
        channel.queue_declare(queue, passive=True)


def test_iterating_ends_when_the_queue_is_deleted(
    channel: BlockingChannel, queue: str, connect: Callable[..., pika.BlockingConnection]
) -> None:
    bodies: list[bytes] = []
    for method, _, body in channel.consume(queue):
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == 5:
            connect().channel().queue_delete(queue)
    assert bodies == [b"0", b"1", b"2", b"3", b"4"]


def test_an_auto_delete_queue_goes_with_its_last_consumer(channel: BlockingChannel, queue: str) -> None:
    consumers = Consumer(channel, queue), Consumer(channel, queue)
    channel.basic_cancel(consumers[0].tag)
    assert consumer_count(channel, queue) == 1
    channel.basic_cancel(consumers[1].tag)
    with pytest.raises(ChannelClosedByBroker, match="no queue"):
        channel.queue_declare(queue, passive=True)


def test_an_exclusive_consumer_is_alone(connection: pika.BlockingConnection, queue: str) -> None:
    holder, refused = connection.channel(), connection.channel()
    consumer = Consumer(holder, queue, exclusive=True)
    with pytest.raises(ChannelClosedByBroker) as closed:
        refused.basic_consume(queue, lambda *_: None)
    assert (closed.value.reply_code, closed.value.reply_text) == (
        403,
        f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use",
    )
    consumer.wait_for(5)
