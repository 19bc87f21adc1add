"""Tables and arrays inside of each other, deeper than any stack of calls: carried, compared, shown, kept, let go."""

import struct

import pytest

from amqpy.amqp.handshake import capabilities_of
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.events.tracing import TRACE_EXCHANGE
from amqpy.core.message import Message
from amqpy.core.queues.reply_to import name_reply_queue
from amqpy.core.sender_selected import take_copies
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import headers_of, replace_property
from amqpy.wire.scan import judge
from amqpy.wire.values import Field, Table, array_field, encode_field, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header, integer, longstr
from tests.core.recorded import DurableHarness, Store

DEPTH = 20_000
KINDS = ["table", "array"]


def deep(kind: str, innermost: Field, depth: int = DEPTH) -> Field:
    """A value around which there are so many tables (whose only name is empty) or arrays."""
    name, tag = (b"\0", b"F") if kind == "table" else (b"", b"A")
    item = name + encode_field(innermost)
    around = len(name) + 5
    sizes = (len(item) + around * inside for inside in reversed(range(depth - 1)))
    return Field(kind, b"".join([*(name + struct.pack(">cI", tag, size) for size in sizes), item]))


ONE, TWO = Field("long", 1), Field("long", 2)


def fetched(core: CoreHarness, queue: str) -> Table:
    message = core.fetch(queue)
    assert message is not None
    return headers_of(message.header)


@pytest.mark.parametrize("kind", KINDS)
def test_messages_are_carried_and_written_anew(kind: str) -> None:
    value = deep(kind, ONE)
    header = content_header({"deep": value, "BCC": array_field([longstr("copy"), value])})
    assert judge(header) >= 0
    keys, passed_on = take_copies(header)
    assert keys == ("copy",)
    assert headers_of(passed_on) == {"deep": value}
    assert headers_of(replace_property(passed_on, "reply_to", b"\1r")) == {"deep": value}


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_an_old_type_at_the_bottom_is_written_anew(kind: str) -> None:
    value = deep(kind, Field("long", -5))
    raw = bytearray(content_header({"deep": value}))
    raw[-9] = ord("L")
    assert headers_of(bytes(raw)) == {"deep": value}
    renewed = replace_property(bytes(raw), "app_id", b"\1a")
    assert renewed[-11] == ord("l")


@pytest.mark.parametrize("kind", KINDS)
def test_dead_letters(kind: str) -> None:
    core = CoreHarness()
    core.queue("dead")
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="dead"))
    value = deep(kind, ONE)
    told = table_field({"queue": longstr("q"), "reason": longstr("maxlen"), "count": ONE, "more": value})
    for x_death in (array_field([told]), deep("array", told), array_field([table_field({"queue": value})])):
        core.publish("", "q", "a", headers={"deep": value, "x-death": x_death})
        assert fetched(core, "dead")["deep"] == value


@pytest.mark.parametrize("kind", KINDS)
def test_redeliveries_of_quorum_queues(kind: str) -> None:
    core, unacked, target = CoreHarness(), UnackedDeliveries(), FakeTarget()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    core.publish("", "q", "a", headers={"deep": deep(kind, ONE)})
    core.consume("q", unacked, target)
    core.nack(unacked, 1)
    again = target.messages[1]
    assert headers_of(again.header) == {"deep": deep(kind, ONE), "x-delivery-count": ONE}


@pytest.mark.parametrize("kind", KINDS)
def test_requests(kind: str) -> None:
    core = CoreHarness()
    queue = core.broker.consume_replies(core.vhost, UnackedDeliveries(), FakeTarget(), tag="tag")
    named = name_reply_queue(content_header({"deep": deep(kind, ONE)}), queue)
    assert headers_of(named) == {"deep": deep(kind, ONE)}


@pytest.mark.parametrize("kind", KINDS)
def test_delayed_messages(kind: str) -> None:
    core = CoreHarness()
    core.exchange("x", "x-delayed-message", arguments={"x-delayed-type": longstr("fanout")})
    core.queue("q")
    core.bind("q", "x")
    core.publish("x", "", "a", headers={"deep": deep(kind, ONE), "x-delay": integer(5)})
    core.advance(5)
    assert fetched(core, "q") == {"deep": deep(kind, ONE), "x-delay": Field("long", -5)}


@pytest.mark.parametrize("kind", KINDS)
def test_exchanges_that_look_at_headers(kind: str) -> None:
    core = CoreHarness()
    same, other, deeper = deep(kind, ONE), deep(kind, TWO), deep(kind, ONE, DEPTH + 1)
    core.exchange("headers", "headers")
    core.exchange("hash", "x-consistent-hash", arguments={"hash-header": longstr("deep")})
    core.exchange("once", "x-message-deduplication", arguments=arguments(cache_size=9))
    for name in ("q1", "q2"):
        core.queue(name)
        core.bind(name, "hash", "1")
    for mode in ("all", "any"):
        core.bind("q1", "headers", "", {"x-match": longstr(mode), "deep": same})
    core.bind("q1", "once")
    assert [core.routed("headers", "", {"deep": value}) for value in (same, other, deeper)] == [{"q1"}, set(), set()]
    assert len(core.routed("hash", "", {"deep": same})) == 1
    seen = [core.routed("once", "", {"x-deduplication-header": value}) for value in (same, other, same, deeper)]
    assert seen == [{"q1"}, {"q1"}, set(), {"q1"}]


@pytest.mark.parametrize("kind", KINDS)
def test_queues_that_look_for_duplicates(kind: str) -> None:
    core = CoreHarness()
    core.queue("q", arguments={"x-message-deduplication": Field("bool", True)})
    for value in (ONE, ONE, TWO):
        core.publish("", "q", "a", headers={"x-deduplication-header": deep(kind, value)})
    assert core.ready("q") == ["a", "a"]


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_kept_and_found_again(kind: str) -> None:
    core = DurableHarness()
    given = {"deep": deep(kind, ONE), "a": ONE}
    core.queue("q", durable=True, arguments=given)
    core.queue("q", durable=True, arguments={"deep": deep(kind, TWO)})
    core.exchange("x", "fanout", durable=True, arguments=given)
    core.bind("q", "x", "", given)
    core.bind("q", "x", "", dict(reversed(given.items())))
    core.unbind("q", "x", "", {"deep": deep(kind, TWO), "a": ONE})
    store = Store()
    store.apply(core.facts())
    again = DurableHarness(store.records())
    assert again.snapshot() == core.snapshot()
    assert again.routed("x") == {"q"}
    again.unbind("q", "x", "", given)
    assert again.routed("x") == set()


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument_that_is_compared(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.10")

    def declare(value: Field) -> None:
        core.queue("q", durable=True, arguments=arguments(queue_type="quorum") | {"x-delivery-limit": value})

    declare(deep(kind, ONE))
    declare(deep(kind, ONE))
    with pytest.raises(PreconditionFailed) as caught:
        declare(deep(kind, TWO))
    assert caught.value.text.startswith("inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received '[{")
    assert "{long,2}" in caught.value.text or ",long,2}" in caught.value.text


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_that_must_be_something_else(kind: str) -> None:
    core = CoreHarness()
    core.queue("q")
    core.exchange("x", "headers")
    with pytest.raises(PreconditionFailed):
        core.queue("new", arguments={"x-max-length": deep(kind, ONE)})
    with pytest.raises(PreconditionFailed):
        core.exchange("new", "fanout", arguments={"alternate-exchange": deep(kind, ONE)})
    with pytest.raises(PreconditionFailed) as caught:
        core.bind("q", "x", "", {"x-match": deep(kind, ONE)})
    assert caught.value.text.startswith(f"Invalid x-match field type {kind} (value [{{")
    with pytest.raises(PreconditionFailed):
        consume(core, {"x-priority": deep(kind, ONE)})
    consume(core, {"deep": deep(kind, ONE)})


def consume(core: CoreHarness, arguments: Table) -> None:
    core.broker.consume(
        core.client,
        core.vhost,
        "q",
        UnackedDeliveries(),
        FakeTarget(),
        tag="tag",
        no_ack=True,
        exclusive=False,
        prefetch=0,
        arguments=arguments,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_events_and_the_firehose(kind: str) -> None:
    core = CoreHarness()
    core.queue("told")
    core.broker.administration.trace_on("/")
    for exchange, key in ((EVENT_EXCHANGE, "queue.created"), (TRACE_EXCHANGE, "publish.#")):
        core.bind("told", exchange, key)
    core.queue("q", arguments={"deep": deep(kind, ONE)})
    core.broker.settle()
    shown = fetched(core, "told")["arguments"].value
    assert shown.count(b"long,1") == 1
    assert shown.count(kind.encode()) == DEPTH
    message = Message(b"\0\1q", content_header({"deep": deep(kind, ONE)}), b"")
    assert core.vhost.tracer is not None
    core.vhost.tracer.published(message, (), UnackedDeliveries().origin, in_transaction=False)
    core.broker.settle()
    assert deep(kind, ONE).value in fetched(core, "told")["properties"].value


@pytest.mark.parametrize("kind", KINDS)
def test_what_clients_say_of_themselves(kind: str) -> None:
    assert capabilities_of({"capabilities": deep(kind, Field("bool", True))}) <= {""}
    assert capabilities_of({"capabilities": table_field({"a": Field("bool", True), "b": deep(kind, ONE)})}) == {"a"}
