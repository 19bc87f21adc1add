"""Direct reply-to, as the two clients see it."""

import pytest
from pamqp.commands import Basic, Queue, Tx

from amqpy.wire.outbox import UnsentLimit

from .client import Client, names

REPLY_TO = "amq.rabbitmq.reply-to"


def conversation() -> tuple[Client, Client, str]:
    """Who asks, who answers, and the name that leads back."""
    asker = Client.opened()
    responder = Client.opened(asker.broker)
    responder.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", no_ack=True))
    asker.send(Basic.Consume(queue=REPLY_TO, consumer_tag="replies", no_ack=True))
    asker.publish("q", b"request", reply_to=REPLY_TO)
    (request,) = responder.received()
    return asker, responder, request.properties.reply_to


def test_a_reply() -> None:
    asker, responder, reply_to = conversation()
    responder.publish(reply_to, b"reply", correlation_id="1")
    (reply,) = asker.received()
    assert (reply.body, reply.properties.correlation_id, reply.method.consumer_tag) == (b"reply", "1", "replies")


def test_a_mandatory_reply_in_a_transaction() -> None:
    asker, responder, reply_to = conversation()
    responder.send(Tx.Select())
    responder.publish(reply_to, b"reply", mandatory=True)
    assert names(asker.received()) == []
    assert names(responder.send(Tx.Commit())) == ["Basic.Return", "Tx.CommitOk"]
    assert names(asker.received()) == ["Basic.Deliver"]


def test_a_copy_in_a_queue_is_not_returned() -> None:
    asker, responder, reply_to = conversation()
    received = responder.publish(reply_to, b"reply", mandatory=True, headers={"CC": ["q"]})
    assert names(received) == ["Basic.Deliver"]
    assert names(asker.received()) == ["Basic.Deliver"]


def test_replies_that_wait_come_before_cancel_ok() -> None:
    asker, responder, reply_to = conversation()
    asker.session.outbox.limit = UnsentLimit(0)
    responder.publish(reply_to, b"reply")
    assert asker.received() == []
    assert names(asker.send(Basic.Cancel("replies"))) == ["Basic.Deliver", "Basic.CancelOk"]


@pytest.mark.parametrize("replies_first", [True, False])
def test_the_tag_of_another_consumer(replies_first: bool) -> None:
    client = Client.opened()
    client.send(Queue.Declare(queue="q"))
    replies = Basic.Consume(queue=REPLY_TO, consumer_tag="tag", no_ack=True)
    consumer = Basic.Consume(queue="q", consumer_tag="tag")
    if not replies_first:
        client.send(consumer)
        assert names(client.send(replies)) == ["Connection.Close"]
        return
    assert names(client.send(replies, consumer, Basic.Cancel("tag"))) == [*["Basic.ConsumeOk"] * 2, "Basic.CancelOk"]
    assert names(client.publish("q")) == ["Basic.Deliver"], "the reply consumer was meant"
    client.send(Basic.Cancel("tag"))
    assert names(client.publish("q")) == []
