"""The firehose: which messages are copied, and what is said about them."""

import pytest

from amqpy.core import publishing
from amqpy.core.events.tracing import TRACE_EXCHANGE
from amqpy.core.message import AnnotatedMessage, Message, address_of
from amqpy.core.ports import Origin
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Field, decode_table, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, properties_header
from tests.core.events_read import Listener

ORIGIN = Origin("1.2.3.4:5 -> 6.7.8.9:10", 3, "user", "<pid>")
FROM = {"node": "rabbit@localhost", "vhost": "/", "connection": ORIGIN.connection, "channel": 3, "user": "user"}


def traced(*keys: str) -> tuple[CoreHarness, Listener]:
    core = CoreHarness()
    listener = Listener(core, TRACE_EXCHANGE, *keys)
    core.broker.administration.trace_on("/")
    return core, listener


def publish(core: CoreHarness, exchange: str, key: str, body: str = "a", header: bytes | None = None) -> None:
    """As a channel publishes."""
    message = Message(address_of(exchange, key), header or properties_header(), body.encode())
    publishing.publish(core.client, core.vhost, exchange, key, message, origin=ORIGIN)
    core.broker.settle()


def test_a_publish_is_copied_with_where_it_goes() -> None:
    core, listener = traced()
    for name in ("q2", "q1"):
        core.queue(name)
        core.bind(name, "amq.fanout")
    publish(core, "amq.fanout", "k", "text")
    (told,) = listener.take()
    assert (told.key, told.body, told.properties) == ("publish.amq.fanout", b"text", {})
    assert told.facts == FROM | {
        "exchange_name": "amq.fanout",
        "routing_keys": ["k"],
        "properties": {},
        "routed_queues": ["q1", "q2"],
    }
    assert told.headers["channel"].kind == "signedint"


def test_the_default_exchange_leads_to_names() -> None:
    core, listener = traced("publish.")
    publish(core, "", "nowhere")
    (told,) = listener.take()
    assert told.facts["routed_queues"] == ["nowhere"]


def test_copies_and_replies() -> None:
    core, listener = traced("publish.")
    message = AnnotatedMessage(
        core.route("", "k").address, properties_header(), b"", more_keys=("b", "amq.rabbitmq.reply-to.x")
    )
    assert core.vhost.tracer is not None
    core.vhost.tracer.published(message, (), ORIGIN, in_transaction=False)
    (told,) = listener.take()
    assert told.facts["routing_keys"] == ["k", "b", "amq.rabbitmq.reply-to.x"]
    assert told.facts["routed_queues"] == ["b", "k"]


def test_a_get_is_copied_each_time() -> None:
    core, listener = traced("deliver.#")
    core.queue("q")
    publish(core, "", "q")
    unacked = UnackedDeliveries(ORIGIN)
    core.get("q", unacked)
    core.nack(unacked, 1)
    core.get("q", unacked, no_ack=True)
    core.get("q", unacked)
    told = listener.take()
    assert [(each.key, each.headers["redelivered"]) for each in told] == [
        ("deliver.q", Field("signedint", 0)),
        ("deliver.q", Field("signedint", 1)),
    ]
    assert told[0].facts == FROM | {
        "exchange_name": "",
        "routing_keys": ["q"],
        "properties": {},
        "redelivered": 0,
    }


@pytest.mark.parametrize("first", ["consumer", "tracing"])
def test_deliveries_are_copied_to_consumers_old_and_new(first: str) -> None:
    core = CoreHarness()
    listener = Listener(core, TRACE_EXCHANGE, "deliver.*")
    core.queue("q")
    target = FakeTarget()
    if first == "consumer":
        core.consume("q", UnackedDeliveries(ORIGIN), target)
    core.broker.administration.trace_on("/")
    if first == "tracing":
        core.consume("q", UnackedDeliveries(ORIGIN), target)
    publish(core, "", "q", "a")
    core.broker.administration.trace_off("/")
    publish(core, "", "q", "b")
    assert target.bodies == ["a", "b"]
    assert [(told.key, told.body) for told in listener.take()] == [("deliver.q", b"a")]


def test_a_traced_consumer_is_still_told_that_its_queue_is_gone() -> None:
    core, _ = traced()
    core.queue("q")
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    core.delete_queue("q")
    assert target.cancellations == 1


def test_a_traced_consumer_that_does_not_read_is_passed_over() -> None:
    core, _ = traced()
    core.queue("q")
    target = FakeTarget()
    target.reading = False
    core.consume("q", UnackedDeliveries(), target)
    publish(core, "", "q")
    assert (target.bodies, core.ready("q")) == ([], ["a"])


def test_off_leaves_everything_as_it_was() -> None:
    core = CoreHarness()
    core.queue("q")
    target = FakeTarget()
    consumer = core.consume("q", UnackedDeliveries(), target)
    ask = core.broker.administration
    for _ in range(2):
        ask.trace_on("/")
    assert core.vhost.tracing
    assert core.route("", "q").targets is None
    for _ in range(2):
        ask.trace_off("/")
    assert not core.vhost.tracing
    assert core.route("", "q").targets == (core.vhost.queues["q"],)
    assert consumer.target is target


def test_only_its_own_vhost_is_traced() -> None:
    core = CoreHarness()
    core.broker.administration.add_vhost("v")
    core.broker.administration.trace_on("v")
    listener = Listener(core, TRACE_EXCHANGE)
    publish(core, "amq.fanout", "k")
    assert listener.take() == []


def test_properties_are_a_table() -> None:
    core, listener = traced("publish.#")
    header = properties_header(
        content_type="t", delivery_mode=2, priority=3, timestamp=None, headers={"a": 1}, correlation_id="c"
    )
    publish(core, "amq.fanout", "k", header=header)
    (told,) = listener.take()
    assert decode_table(told.headers["properties"].value) == {
        "content_type": Field("longstr", "t"),
        "headers": table_field({"a": Field("byte", 1)}),
        "delivery_mode": Field("signedint", 2),
        "priority": Field("signedint", 3),
        "correlation_id": Field("longstr", "c"),
    }


def test_a_timestamp_is_cut_to_32_bits() -> None:
    core, listener = traced("publish.#")
    header = b"\x00\x3c" + bytes(10) + b"\x00\x40" + ((1 << 33) + (1 << 31)).to_bytes(8, "big")
    publish(core, "amq.fanout", "k", header=header)
    (told,) = listener.take()
    assert decode_table(told.headers["properties"].value) == {"timestamp": Field("signedint", -(1 << 31))}


def test_a_name_that_is_too_long_for_a_routing_key_is_cut() -> None:
    core, listener = traced()
    name = "x" * 255
    core.exchange(name, "fanout")
    publish(core, name, "k")
    (told,) = listener.take()
    assert told.key == f"publish.{name}"[:255]
    assert told.facts["exchange_name"] == name


def test_what_the_firehose_delivers_is_not_copied() -> None:
    core, _ = traced()
    target = FakeTarget()
    core.consume("listener", UnackedDeliveries(), target)
    publish(core, "amq.fanout", "k")
    assert [message.routing_key for message in target.messages] == ["publish.amq.fanout"]
    assert core.ready("listener") == []


def test_a_queue_may_get_messages_and_their_copies() -> None:
    """The copies come after the message, whatever the queue was doing."""
    core = CoreHarness()
    core.queue("q")
    core.bind("q", TRACE_EXCHANGE, "#")
    core.broker.administration.trace_on("/")
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    for body in ("a", "b"):
        publish(core, "", "q", body)
    keys = ["q", "publish.", "deliver.q"]
    assert [message.routing_key for message in target.messages] == [*keys, *keys]


def test_dead_letters_are_not_copied_but_their_deliveries_are() -> None:
    core, listener = traced()
    core.queue("dead")
    core.queue("q", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="dead"))
    unacked = UnackedDeliveries()
    publish(core, "", "q")
    core.get("q", unacked)
    listener.take()
    core.nack(unacked, 1, requeue=False)
    assert listener.take() == []
    core.get("dead", unacked)
    assert listener.keys() == ["deliver.dead"]


def test_counts_of_a_quorum_queue_are_copied_and_keys_kept() -> None:
    core, listener = traced("deliver.#")
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    core.send("", ("q", "c"), properties_header())
    unacked = UnackedDeliveries()
    core.get("q", unacked)
    core.nack(unacked, 1)
    core.get("q", unacked)
    last = listener.take()[-1]
    assert last.facts["properties"]["headers"] == {"x-delivery-count": 1}
    assert last.facts["routing_keys"] == ["q", "c"]


def test_copies_nobody_wants_are_not_made() -> None:
    core = CoreHarness()
    core.broker.administration.trace_on("/")
    publish(core, "amq.fanout", "k")
    assert core.broker.next_at_ms() is None


def test_copies_nobody_wants_go_to_the_alternate_exchange() -> None:
    core = CoreHarness()
    core.queue("q")
    core.bind("q", "amq.fanout")
    core.broker.administration.trace_on("/")
    core.broker.administration.set_policy("/", "p", "trace$", {"alternate-exchange": "amq.fanout"})
    publish(core, "amq.topic", "k")
    message = core.fetch("q")
    assert message is not None
    assert message.routing_key == "publish.amq.topic"


def test_tracing_ends_with_its_vhost() -> None:
    core, _ = traced()
    core.queue("q")
    target = FakeTarget()
    consumer = core.consume("q", UnackedDeliveries(), target)
    core.broker.administration.delete_vhost("/")
    consumer.target.deliver(1, False, Message(b"\x00\x01q", properties_header(), b""))
    assert core.broker.next_at_ms() is None
