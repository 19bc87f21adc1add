"""Each fault, as a client sees it."""

from contextlib import closing, suppress

import pika
import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
    ProbableAuthenticationError,
    StreamLostError,
)

from amqpy.testing import FaultNotFired, TestBroker
from interop.kit.address import Address
from interop.kit.client import Client, Gone, publication
from tests.testing.apps import Publisher


@pytest.fixture
def publisher(amqp_broker: TestBroker) -> Publisher:
    made = Publisher(amqp_broker.url, "publisher")
    made.channel.queue_declare("q")
    return made


def test_a_withheld_confirm_leaves_when_the_fault_is_removed(amqp_broker: TestBroker) -> None:
    with amqp_broker.faults.withhold_confirm(nth=2) as fault, PipelinedPublisher(amqp_broker) as publisher:
        publisher.send(3)
        assert publisher.confirmed() == [(1, False), (3, False)]
        (leak,) = amqp_broker.leaks("unconfirmed")
        assert leak.startswith("1 message published on channel 1 of connection ")
        fault.remove()
        assert publisher.confirmed() == [(2, False)]
        assert [event.delivery_tag for event in amqp_broker.confirmed()] == [1, 3, 2]


def test_a_withheld_confirm_of_a_channel_that_has_closed_is_never_sent(
    amqp_broker: TestBroker,
) -> None:
    fault = amqp_broker.faults.withhold_confirm()
    with closing(Client(Address(amqp_broker.host, amqp_broker.port))) as client:
        client.call("confirm.select")
        client.send(publication("", "q", b"1", bytes(2)))
        client.call("channel.close", reply_code=200, reply_text="", class_id=0, method_id=0)
        fault.remove()
        client.call("channel.open")
        assert not client.events
    assert not amqp_broker.confirmed()


def test_a_late_confirm_comes_by_the_clock(amqp_broker: TestBroker) -> None:
    amqp_broker.faults.delay_confirm(60)
    amqp_broker.clock.freeze()
    with PipelinedPublisher(amqp_broker) as publisher:
        publisher.send(1)
        assert publisher.confirmed() == []
        amqp_broker.clock.advance(59)
        assert publisher.confirmed() == []
        amqp_broker.clock.advance(1)
        assert publisher.confirmed() == [(1, False)]


@pytest.mark.parametrize("stored", [False, True])
def test_a_denied_confirm(amqp_broker: TestBroker, publisher: Publisher, stored: bool) -> None:
    amqp_broker.faults.deny_confirm(stored=stored, routing_key="q")
    with publisher:
        with pytest.raises(NackError):
            publisher.send(b"1", "q")
        publisher.send(b"2", "q")
    assert amqp_broker.queue("q").bodies == ([b"1", b"2"] if stored else [b"2"])
    assert [event.nacked for event in amqp_broker.confirmed()] == [True, False]
    assert not amqp_broker.find("refused")


def test_a_dropped_publish_is_confirmed_and_lost(amqp_broker: TestBroker, publisher: Publisher) -> None:
    fault = amqp_broker.faults.drop_publish(body=b"1")
    with publisher:
        publisher.channel.basic_publish("", "q", b"1", mandatory=True)
        publisher.send(b"2", "q")
    assert amqp_broker.queue("q").bodies == [b"2"]
    assert [event.body for event in fault.events] == [b"1"]


def test_a_refused_publish_closes_the_channel(amqp_broker: TestBroker, publisher: Publisher) -> None:
    amqp_broker.faults.refuse_publish(text="not today")
    with publisher:
        with pytest.raises(ChannelClosedByBroker) as refusal:
            publisher.send(b"1", "q")
        assert (refusal.value.reply_code, refusal.value.reply_text) == (406, "PRECONDITION_FAILED - not today")
        publisher.connection.process_data_events(0)
    assert not amqp_broker.published()
    (event,) = amqp_broker.find("refused")
    assert (event.body, event.reply_code, event.connection) == (b"1", 406, "publisher")
    assert amqp_broker.find("channel.closed", reply_code=406)


def test_a_refused_publish_closes_the_connection(amqp_broker: TestBroker, publisher: Publisher) -> None:
    amqp_broker.faults.refuse_publish(541, "as if it had crashed")
    with pytest.raises(ConnectionClosedByBroker) as refusal:
        publisher.send(b"1", "q")
    assert (refusal.value.reply_code, refusal.value.reply_text) == (541, "INTERNAL_ERROR - as if it had crashed")
    assert amqp_broker.find("connection.closed", reply_code=541)


def test_a_dropped_delivery_is_unacknowledged_until_the_channel_ends(
    amqp_broker: TestBroker, publisher: Publisher
) -> None:
    amqp_broker.faults.drop_delivery(queue="q")
    got: list[bytes] = []
    with publisher:
        publisher.send(b"1", "q")
        publisher.send(b"2", "q")
        publisher.channel.basic_consume("q", lambda channel, method, properties, body: got.append(body))
        publisher.connection.process_data_events(0)
        assert got == [b"2"]
        assert len(amqp_broker.queue("q").unacked) == 2
    assert [event.body for event in amqp_broker.queue("q").ready] == [b"1", b"2"]


def test_a_late_delivery_comes_by_the_clock(amqp_broker: TestBroker, publisher: Publisher) -> None:
    amqp_broker.faults.delay_delivery(10, body=b"1")
    amqp_broker.clock.freeze()
    got: list[bytes] = []
    with publisher:
        publisher.send(b"1", "q")
        publisher.send(b"2", "q")
        publisher.channel.basic_consume("q", lambda channel, method, properties, body: got.append(body), auto_ack=False)
        publisher.connection.process_data_events(0)
        assert got == [b"2"]
        assert [what for _, what in amqp_broker.clock.due()] == ["the delivery of message 1, delayed"]
        amqp_broker.clock.advance(10)
        publisher.connection.process_data_events(0)
        assert got == [b"2", b"1"]
        publisher.channel.basic_ack(2, multiple=True)
    amqp_broker.assert_empty("q")


def test_a_message_is_delivered_twice(amqp_broker: TestBroker, publisher: Publisher) -> None:
    amqp_broker.faults.duplicate_delivery()
    got: list[tuple[int, bool]] = []

    def handle(channel: pika.channel.Channel, method: pika.spec.Basic.Deliver, _: object, body: bytes) -> None:
        got.append((method.delivery_tag, method.redelivered))
        channel.basic_ack(method.delivery_tag)

    with publisher:
        publisher.channel.basic_consume("q", handle)
        publisher.send(b"1", "q")
        publisher.connection.process_data_events(0)
        amqp_broker.settle()
        assert got == [(1, False), (2, True)]
        publisher.send(b"2", "q")
        publisher.connection.process_data_events(0)
        assert got[2:] == [(3, False)]
    assert [event.redelivered for event in amqp_broker.delivered()] == [False, True, False]
    amqp_broker.assert_empty("q")


@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_is_cut_when_a_message_is_stored(
    amqp_broker: TestBroker, publisher: Publisher, reset: bool
) -> None:
    amqp_broker.faults.cut_connection(reset=reset)
    with pytest.raises(AMQPConnectionError):
        publisher.send(b"1", "q")
    assert amqp_broker.queue("q").bodies == [b"1"]
    assert not amqp_broker.confirmed()
    assert not amqp_broker.connections


def test_a_connection_is_cut_when_a_message_is_acknowledged(amqp_broker: TestBroker, publisher: Publisher) -> None:
    amqp_broker.faults.cut_connection(on="acked", queue="q")
    publisher.send(b"1", "q")
    publisher.send(b"2", "q")
    publisher.channel.basic_get("q")
    publisher.channel.basic_ack(1)
    with pytest.raises(StreamLostError):
        publisher.channel.basic_get("q")
    assert amqp_broker.queue("q").bodies == [b"2"]


def test_of_two_connections_with_a_name_that_which_acknowledges_is_cut(
    amqp_broker: TestBroker, publisher: Publisher
) -> None:
    amqp_broker.faults.cut_connection(on="acked")
    publisher.send(b"1", "q")
    with publisher:
        second = Publisher(amqp_broker.url, "publisher")
        second.channel.basic_get("q")
        second.channel.basic_ack(1)
        with pytest.raises(StreamLostError):
            second.channel.basic_get("q")
        publisher.send(b"2", "q")


def test_nothing_is_heard_after_a_cut(amqp_broker: TestBroker) -> None:
    amqp_broker.faults.cut_connection(nth=3)
    with PipelinedPublisher(amqp_broker) as publisher:
        publisher.send(5)
        assert [event.body for event in amqp_broker.published()] == [b"1", b"2", b"3"]
        assert publisher.confirmed() == [(2, True)]
    assert [event.delivery_tag for event in amqp_broker.confirmed()] == [1, 2]


def test_a_login_is_refused(amqp_broker: TestBroker) -> None:
    amqp_broker.faults.refuse_login("guest")
    with pytest.raises(ProbableAuthenticationError):
        Publisher(amqp_broker.url)
    with Publisher(amqp_broker.url):
        pass


def test_a_fault_is_for_one_event_unless_told_otherwise(amqp_broker: TestBroker, publisher: Publisher) -> None:
    once = amqp_broker.faults.drop_publish(routing_key="once")
    twice = amqp_broker.faults.drop_publish(routing_key="twice", times=2)
    always = amqp_broker.faults.drop_publish(routing_key="always.*", times=None)
    third = amqp_broker.faults.drop_publish(routing_key="third", nth=3)
    maybe = amqp_broker.faults.drop_publish(routing_key="maybe", probability=0.5, seed=1)
    with publisher:
        for name in ("once", "twice", "always.x", "third", "maybe"):
            for _ in range(4):
                publisher.send(b"", name)
    assert (once.fired, twice.fired, always.fired, third.fired) == (1, 2, 4, 1)
    assert 0 < maybe.fired < 4


def test_a_fault_that_never_fires_fails_the_test() -> None:
    text = r"never fired.*drop_publish\(routing_key='nobody'\) \(matched 0\)"
    with pytest.raises(FaultNotFired, match=text), TestBroker() as broker:
        broker.faults.drop_publish(routing_key="nobody")
    with TestBroker() as broker:
        broker.faults.drop_publish(optional=True)
        broker.faults.drop_publish(probability=0.1)
    with pytest.raises(FaultNotFired), TestBroker() as broker, broker.faults.drop_publish():
        pass


def test_a_function_that_fails_is_the_tests_and_no_bug(amqp_broker: TestBroker, publisher: Publisher) -> None:
    def where(event: object) -> bool:
        amqp_broker.published()
        return True

    amqp_broker.faults.drop_publish(where=where, optional=True)
    with publisher:
        publisher.send(b"1", "q")
    with pytest.raises(RuntimeError, match="cannot wait for itself"):
        amqp_broker.faults.check()
    amqp_broker.faults.clear()


@pytest.mark.parametrize(("code", "error"), [(299, ValueError), (600, ValueError)])
def test_a_code_that_is_none(amqp_broker: TestBroker, code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="no reply code"):
        amqp_broker.faults.refuse_publish(code)


def test_an_unknown_condition(amqp_broker: TestBroker) -> None:
    with pytest.raises(TypeError, match="no condition 'exchnage': there are exchange, queue"):
        amqp_broker.faults.drop_publish(exchnage="x")
    with pytest.raises(ValueError, match="on='sent'"):
        amqp_broker.faults.cut_connection(on="sent")


class PipelinedPublisher:
    """Publishes messages in one go, with confirms."""

    def __init__(self, broker: TestBroker) -> None:
        self._client = Client(Address(broker.host, broker.port))
        self._client.call("confirm.select")

    def __enter__(self) -> "PipelinedPublisher":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.drop()

    def send(self, count: int) -> None:
        """Publishes messages whose bodies are the numbers from 1 on."""
        self._client.send(b"".join(publication("", "q", b"%d" % number, bytes(2)) for number in range(1, count + 1)))

    def confirmed(self) -> list[tuple[int, bool]]:
        """The confirms that have come since the last call: tag, multiple. Or those before the end."""
        with suppress(Gone):
            self._client.call("basic.qos")
        found = [(int(each["delivery_tag"]), bool(each["multiple"])) for each in self._client.events]
        self._client.events.clear()
        return found
