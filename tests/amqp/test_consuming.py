"""Consumers as their client sees them: tags, prefetch, cancellation, redelivery, parking."""

from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Queue, Tx

from amqpy.wire.outbox import HIGH

from .client import Client, method_frame, names, publish_frames


def consuming(**consume: Any) -> Client:  # noqa: ANN401
    client = Client.opened(channels=(1, 2), consumer_cancel_notify=True)
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", consumer_tag="c", **consume))
    return client


def test_a_consumer_without_a_tag_gets_one_of_ours() -> None:
    client = Client.opened()
    _, one, two = client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q"), Basic.Consume(queue="q"))
    assert one.method.consumer_tag != two.method.consumer_tag
    assert one.method.consumer_tag.startswith("amq.ctag-")


def test_a_tag_is_its_channels_own() -> None:
    client = consuming()
    assert names(client.send(Basic.Consume(queue="q", consumer_tag="c"), channel=2)) == ["Basic.ConsumeOk"]
    (close,) = client.send(Basic.Consume(queue="q", consumer_tag="c"))
    assert (close.name, close.method.reply_code) == ("Connection.Close", 530)
    assert close.method.reply_text == "NOT_ALLOWED - attempt to reuse consumer tag 'c'"


def test_a_cancelled_tag_can_be_used_again() -> None:
    client = consuming()
    assert names(client.send(Basic.Cancel("c"), Basic.Consume(queue="q", consumer_tag="c"))) == [
        "Basic.CancelOk",
        "Basic.ConsumeOk",
    ]
    assert names(client.publish("q")) == ["Basic.Deliver"]


def test_nothing_comes_after_cancel_ok() -> None:
    client = consuming(no_ack=True)
    received = client.feed(publish_frames("q", b"1") + method_frame(Basic.Cancel("c"), 1) + publish_frames("q", b"2"))
    assert names(received) == ["Basic.Deliver", "Basic.CancelOk"]
    (ok,) = client.send(Queue.Declare(queue="q", passive=True))
    assert (ok.method.message_count, ok.method.consumer_count) == (1, 0)


def test_a_backlog_comes_right_after_consume_ok() -> None:
    client = Client.opened()
    client.send(Queue.Declare(queue="q"))
    for body in b"1", b"2":
        client.publish("q", body)
    received = client.send(Basic.Consume(queue="q"))
    assert [(each.name, each.body) for each in received] == [
        ("Basic.ConsumeOk", b""),
        ("Basic.Deliver", b"1"),
        ("Basic.Deliver", b"2"),
    ]
    assert names(client.send(Queue.Declare(queue="p"), Basic.Consume(queue="p", nowait=True))) == ["Queue.DeclareOk"]
    assert names(client.publish("p")) == ["Basic.Deliver"]


@pytest.mark.parametrize("capable", [True, False])
def test_the_end_of_a_queue_is_told_to_who_wants_to_know(capable: bool) -> None:
    client = Client.opened(channels=(1, 2), consumer_cancel_notify=capable)
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", consumer_tag="c"))
    received = client.send(Queue.Delete(queue="q"), channel=2)
    assert [(each.channel, each.name) for each in received if each.channel == 1] == [(1, "Basic.Cancel")] * capable
    assert [each.name for each in received if each.channel == 2] == ["Queue.DeleteOk"]
    # The tag is free, and what the consumer still owes can be answered.
    client.send(Queue.Declare(queue="q"))
    assert names(client.send(Basic.Consume(queue="q", consumer_tag="c"))) == ["Basic.ConsumeOk"]


def test_a_prefetch_is_for_the_consumers_to_come() -> None:
    client = Client.opened()
    client.send(Queue.Declare(queue="q"), Basic.Qos(prefetch_count=1), Basic.Consume(queue="q", consumer_tag="one"))
    client.send(Basic.Qos(prefetch_count=2), Basic.Consume(queue="q", consumer_tag="two"))
    received = client.feed(publish_frames("q", b"x") * 10)
    assert sorted(each.method.consumer_tag for each in received) == ["one", "two", "two"]
    assert [each.method.consumer_tag for each in client.send(Basic.Ack(1))] == [received[0].method.consumer_tag]


def test_under_a_global_prefetch_no_queue_goes_short() -> None:
    client = Client.opened()
    client.send(Basic.Qos(prefetch_count=1, global_=True))
    for queue in ("a", "b", "c"):
        client.send(Queue.Declare(queue=queue), Basic.Consume(queue=queue))
    received = [each for queue in ("a", "b", "c") for _ in range(3) for each in client.publish(queue, b"")]
    for number in range(1, 9):
        received += client.send(Basic.Ack(number))
    assert [each.method.routing_key for each in received] == ["a", "b", "c"] * 3


def test_a_global_prefetch_is_for_all_consumers_of_the_channel() -> None:
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"), Basic.Qos(prefetch_count=3, global_=True))
    client.send(Basic.Consume(queue="q"), Basic.Consume(queue="q"))
    received = client.feed(publish_frames("q", b"x") * 10)
    assert names(received) == ["Basic.Deliver"] * 3
    assert names(client.send(Basic.Ack(2, True))) == ["Basic.Deliver"] * 2


def test_recover_delivers_again() -> None:
    client = consuming()
    client.feed(publish_frames("q", b"1") + publish_frames("q", b"2"))
    received = client.send(Basic.Recover(requeue=True))
    assert sorted(names(received)) == ["Basic.Deliver", "Basic.Deliver", "Basic.RecoverOk"]
    delivers = [each for each in received if each.name == "Basic.Deliver"]
    assert [(each.body, each.method.redelivered, each.method.delivery_tag) for each in delivers] == [
        (b"1", True, 3),
        (b"2", True, 4),
    ]


def test_what_is_refused_comes_back_first() -> None:
    client = consuming()
    client.send(Basic.Cancel("c"))
    client.feed(b"".join(publish_frames("q", b"%d" % number) for number in range(3)))
    client.send(Basic.Get(queue="q"), Basic.Get(queue="q"))
    client.send(Basic.Nack(2, True, True))
    got = client.send(*[Basic.Get(queue="q")] * 3)
    assert [(each.body, each.method.redelivered) for each in got] == [(b"0", True), (b"1", True), (b"2", False)]


def test_a_client_that_does_not_read_is_passed_over_until_it_is_resumed() -> None:
    broker = Client().broker
    slow, other = Client.opened(broker), Client.opened(broker)
    slow.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", no_ack=True))
    slow.session.outbox.write(bytes(HIGH))
    assert other.publish("q", b"1") == []
    slow.take_output()
    assert names(other.send(Basic.Get(queue="q"))) == ["Basic.GetOk"]
    other.publish("q", b"2")
    assert slow.received() == []
    slow.session.resume_consumers()
    broker.settle()
    assert [each.body for each in slow.received()] == [b"2"]


def test_one_answer_for_each_delivery() -> None:
    client = consuming()
    client.publish("q")
    assert client.send(Basic.Ack(1)) == []
    (close,) = client.send(Basic.Ack(1))
    assert dict(close.method) == {
        "reply_code": 406,
        "reply_text": "PRECONDITION_FAILED - unknown delivery tag 1",
        "class_id": 60,
        "method_id": 80,
    }
    client.send(Channel.CloseOk(), Channel.Open())
    (close,) = client.send(Basic.Nack(7, True, True))
    assert (close.method.class_id, close.method.method_id) == (60, 120)


ALL = 0


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize(
    "settle", [Basic.Ack(ALL, multiple=True), Basic.Nack(ALL, multiple=True, requeue=False)], ids=["ack", "nack"]
)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_the_first_consumer_is_served_before_the_others_have_room(
    kind: str, settle: Basic.Ack | Basic.Nack, in_transaction: bool
) -> None:
    """All are settled at once, consumer by consumer in the order of their tags."""
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q", durable=True, arguments={"x-queue-type": kind}), Basic.Qos(prefetch_count=2))
    for tag in "ba":
        client.send(Basic.Consume(queue="q", consumer_tag=tag))
        for _ in range(2):
            assert [each.method.consumer_tag for each in client.publish("q", channel=2)] == [tag]
    for _ in range(3):
        assert client.publish("q", channel=2) == []
    received = client.send(Tx.Select(), settle, Tx.Commit()) if in_transaction else client.send(settle)
    assert [each.method.consumer_tag for each in received if each.name == "Basic.Deliver"] == ["a", "a", "b"]
