"""Names that come twice in a table: the first counts, and none is lost."""

from typing import Any

import pytest

from amqpy.amqp.handshake import capabilities_of
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.sender_selected import take_copies
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, Table, array_field, decode_table, encode_table, fields_of, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header, integer, longstr
from tests.core.events_read import Listener


def table(*fields: tuple[str, Any]) -> Table:
    """As it is read from the wire: numbers are integers, texts are texts, None is void, a field is itself."""
    return decode_table(b"".join(encode_table({name: field(value)}) for name, value in fields))


def field(value: Any) -> Field:  # noqa: ANN401
    match value:
        case Field():
            return value
        case None:
            return Field("void", None)
        case int():
            return integer(value)
    return longstr(value)


A12, A21 = table(("a", 1), ("a", 2)), table(("a", 2), ("a", 1))
MESSAGES = {
    "1": table(("a", 1)),
    "2": table(("a", 2)),
    "1 1": table(("a", 1), ("a", 1)),
    "1 2": A12,
    "2 1": A21,
    "1 2 3": table(("a", 1), ("b", 9), ("a", 2), ("a", 3)),
    "void 1": table(("a", None), ("a", 1)),
}


@pytest.mark.parametrize(
    ("binding", "matching"),
    [
        (table(("x-match", "all"), ("a", 1), ("a", 2)), {"1 2", "1 2 3"}),
        (table(("x-match", "any"), ("a", 1), ("a", 2)), {"1", "1 1", "1 2", "1 2 3"}),
        (table(("x-match", "any"), ("a", 9), ("a", 1)), {"1 1", "2 1", "void 1"}),
        (A21, {"2 1"}),
        (table(("a", 1), ("a", 1)), {"1 1"}),
        (table(("a", None), ("a", 1)), {"1 1", "2 1", "void 1"}),
        (table(("a", 1), ("a", None)), {"1 1", "1 2", "1 2 3"}),
        (table(("x-match", "any"), ("a", 9), ("a", None)), {"1 1", "1 2", "2 1", "1 2 3", "void 1"}),
        (table(("x-match", "any"), ("x-match", "all"), ("a", 1), ("b", 1)), {"1", "1 1", "1 2", "1 2 3"}),
        (table(("x-a", 1), ("x-a", 2)), set(MESSAGES)),
    ],
)
def test_headers_are_compared_first_with_first_and_second_with_second(binding: Table, matching: set[str]) -> None:
    check_matching("rabbitmq-3.10", binding, matching)


LAST_IS_1 = {"1", "1 1", "2 1", "void 1"}


@pytest.mark.parametrize(
    ("binding", "matching"),
    [
        (table(("x-match", "all"), ("a", 1), ("a", 2)), set()),
        (table(("x-match", "any"), ("a", 1), ("a", 2)), {*LAST_IS_1, "2", "1 2"}),
        (table(("x-match", "any"), ("a", 9), ("a", 1)), LAST_IS_1),
        (table(("a", 1), ("a", 1)), LAST_IS_1),
        (table(("a", None), ("a", 1)), LAST_IS_1),
        (table(("a", 1), ("a", None)), LAST_IS_1),
        (table(("x-match", "any"), ("a", 9), ("a", None)), set(MESSAGES)),
        (table(("x-match", "any"), ("x-match", "all"), ("a", 1), ("b", 1)), LAST_IS_1),
        (table(("x-a", 1), ("x-a", 2)), set(MESSAGES)),
    ],
)
@pytest.mark.parametrize("profile", ["rabbitmq-3.13", "rabbitmq-4.0", "rabbitmq-4.3"])
def test_each_value_of_a_binding_is_compared_with_the_last(profile: str, binding: Table, matching: set[str]) -> None:
    check_matching(profile, binding, matching)


def check_matching(profile: str, binding: Table, matching: set[str]) -> None:
    core = CoreHarness(profile)
    core.queue("q")
    core.exchange("x", "headers")
    core.bind("q", "x", "", binding)
    assert {label for label, headers in MESSAGES.items() if core.routed("x", "", headers)} == matching
    core.unbind("q", "x", "", binding)
    assert not any(core.routed("x", "", headers) for headers in MESSAGES.values())


def test_which_bindings_are_the_same() -> None:
    core = CoreHarness()
    core.queue("q")
    bound = table(("a", 1), ("b", 1), ("a", 2))
    core.bind("q", "amq.fanout", "", bound)
    for other in (table(("a", 2), ("b", 1), ("a", 1)), dict(bound), table(("b", 1), ("a", 2))):
        core.unbind("q", "amq.fanout", "", other)
        assert core.routed("amq.fanout") == {"q"}
    core.unbind("q", "amq.fanout", "", table(("b", 1), ("a", 1), ("a", 2)))
    assert core.routed("amq.fanout") == set()


def test_arguments_of_queues() -> None:
    core = CoreHarness()
    core.queue("q", arguments=table(("x-max-length", 1), ("x-max-length", 3)))
    core.publish("", "q", "a", "b")
    assert core.ready("q") == ["b"]
    core.queue("q", arguments=table(("x-max-length", 1), ("x-max-length", "odd")))
    for other in (table(("x-max-length", 3), ("x-max-length", 1)), table(("x-max-length", 3))):
        with pytest.raises(PreconditionFailed):
            core.queue("q", arguments=other)
    with pytest.raises(PreconditionFailed):
        core.queue("new", arguments=table(("x-max-length", "odd"), ("x-max-length", 1)))


def test_a_default_type_is_put_behind_them() -> None:
    core = CoreHarness("rabbitmq-4")
    queue = core.queue("q", durable=True, arguments=table(("x-a", 1), ("x-a", 2)))
    shown = [(name, each.value) for name, each in fields_of(queue.arguments)]
    assert shown == [("x-a", 1), ("x-a", 2), ("x-queue-type", "classic")]


def test_the_first_copies_count_and_only_the_first_bcc_is_taken_out() -> None:
    lists = {name: array_field([longstr(name)]) for name in ("one", "two", "three", "four")}
    headers = table(
        ("z", 1), ("BCC", lists["one"]), ("CC", lists["two"]), ("a", 1), ("BCC", lists["three"]), ("CC", lists["four"])
    )
    keys, passed_on = take_copies(content_header(headers))
    assert keys == ("two", "one")
    left = [(name, each) for name, each in fields_of(headers) if each != lists["one"]]
    assert list(fields_of(headers_of(passed_on))) == left, "in the same order"


def test_a_death_changes_the_first_history() -> None:
    core = CoreHarness()
    core.queue("dead")
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="dead"))
    told = table_field({"count": Field("long", 5), "reason": longstr("maxlen"), "queue": longstr("q")})
    other = array_field([longstr("other")])
    core.publish("", "q", "m", headers=table(("x-death", array_field([told])), ("b", 1), ("x-death", other), ("b", 2)))
    letter = core.fetch("dead")
    assert letter is not None
    shown = list(fields_of(headers_of(letter.header)))
    assert [each for name, each in shown if name == "b"] == [integer(1), integer(2)]
    first, second = (each for name, each in shown if name == "x-death")
    assert b"count" + b"l" + (6).to_bytes(8, "big") in first.value
    assert second == other
    assert [name for name, _ in shown] == sorted(name for name, _ in shown)


def test_a_redelivery_changes_the_first_count() -> None:
    core, unacked, target = CoreHarness(), UnackedDeliveries(), FakeTarget()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    headers = table(("x-delivery-count", "theirs"), ("a", 1), ("x-delivery-count", "second"))
    core.publish("", "q", "m", headers=headers)
    core.consume("q", unacked, target)
    core.nack(unacked, 1)
    shown = [(name, each.value) for name, each in fields_of(headers_of(target.messages[1].header))]
    assert shown == [("a", 1), ("x-delivery-count", 1), ("x-delivery-count", "second")]


def test_events_show_all_of_them() -> None:
    core = CoreHarness()
    listener = Listener(core, EVENT_EXCHANGE, "queue.created", "binding.created")
    doubled = table(("z", 1), ("a", 1), ("z", 2))
    core.queue("q", arguments=doubled)
    core.bind("q", "amq.fanout", "", doubled)
    z1, a1, z2 = '{<<"z">>,signedint,1}', '{<<"a">>,signedint,1}', '{<<"z">>,signedint,2}'
    assert [facts["arguments"] for _, facts in listener.facts()] == [[z1, a1, z2], [a1, z1, z2]]


def test_the_first_capability_counts() -> None:
    yes, no = Field("bool", True), Field("bool", False)
    inside = Field("table", encode_table(table(("a", yes), ("b", no), ("a", no), ("b", yes))))
    assert capabilities_of(table(("capabilities", inside), ("capabilities", 1))) == {"a"}
    assert capabilities_of(table(("capabilities", 1), ("capabilities", inside))) == frozenset()
