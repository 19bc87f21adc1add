"""x-delayed-message, on virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.exchanges import EXCHANGE_TYPES, delayed
from amqpy.core.exchanges.delayed import RELEASED_AT_ONCE, DelayedExchange
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, array_field, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, content_header, longstr
from tests.fifo import as_fifo, ready_messages

LONGEST_MS = 4_294_967_295


def delay(value_ms: int) -> Table:
    return {"x-delay": Field("long", value_ms)}


def core_with(inner: str = "direct", **arguments: Field) -> CoreHarness:
    core = CoreHarness()
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    core.exchange("x", "x-delayed-message", arguments={"x-delayed-type": longstr(inner), **named})
    for name in ("q1", "q2"):
        core.queue(name)
    return core


def waiting(core: CoreHarness) -> int:
    exchange = core.vhost.exchanges["x"]
    assert isinstance(exchange, DelayedExchange)
    return len(exchange.waiting)


def headers_in(core: CoreHarness, queue: str) -> list[Table]:
    return [
        decode_properties(message.header).get("headers", {}) for message in ready_messages(core.vhost.queues[queue])
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=30))
def test_messages_arrive_in_time_and_those_of_one_time_in_order(steps: list[tuple[int, int]]) -> None:
    """Each step waits, and publishes with a delay."""
    core = core_with()
    core.bind("q1", "x", "k")
    due: list[tuple[int, int]] = []
    now_ms = 0
    for number, (pause_ms, delay_ms) in enumerate(steps):
        now_ms += pause_ms
        core.wait(pause_ms)
        core.publish("x", "k", str(number), headers=delay(delay_ms))
        due.append((now_ms + delay_ms, number))
        arrived = sorted(entry for entry in due if entry[0] <= now_ms)
        assert sorted(core.ready("q1"), key=int) == sorted((str(number) for _, number in arrived), key=int)
        assert waiting(core) == len(due) - len(arrived)
        assert core.broker.next_at_ms() == min((at_ms for at_ms, _ in due if at_ms > now_ms), default=None)
    # What did not wait overtakes nothing: it came when it was published.
    order = [str(number) for _, number in sorted(due, key=lambda entry: (entry[0], steps[entry[1]][1] == 0, entry[1]))]
    core.wait(10)
    assert core.ready("q1") == order
    assert waiting(core) == 0


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [
        (Field("byte", 1), 1),
        (Field("unsignedbyte", 200), 200),
        (Field("short", 3), 3),
        (Field("unsignedshort", 40_000), 40_000),
        (Field("signedint", 5), 5),
        (Field("unsignedint", LONGEST_MS), LONGEST_MS),
        (Field("long", LONGEST_MS), LONGEST_MS),
        (Field("float", 2.5), 2),
        (Field("double", 1999.9), 1999),
        (Field("decimal", (1, 155)), 15),
        (longstr("70"), 70),
        (longstr("+70"), 70),
        (longstr("00070"), 70),
        (Field("binary", b"70"), 70),
    ],
)
def test_forms_of_a_delay(value: Field, expected_ms: int) -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1", headers={"first": longstr("1"), "x-delay": value, "last": longstr("2")})
    assert core.broker.next_at_ms() == expected_ms
    core.wait(expected_ms - 1)
    assert core.ready("q1") == []
    core.wait(1)
    (headers,) = headers_in(core, "q1")
    assert list(headers.items()) == [
        ("first", longstr("1")),
        ("x-delay", Field("long", -expected_ms)),
        ("last", longstr("2")),
    ]


@pytest.mark.parametrize(
    "value",
    [
        Field("byte", 0),
        Field("signedint", -5),
        Field("long", LONGEST_MS + 1),
        Field("float", 0.75),
        Field("double", float("inf")),
        Field("double", float("nan")),
        Field("double", 1e300),
        Field("decimal", (255, 1)),
        Field("bool", True),
        Field("timestamp", 5),
        Field("void", None),
        array_field([Field("byte", 1)]),
        table_field({}),
        longstr(""),
        longstr("5 s"),
        longstr("1.5"),
        longstr("9" * 5000),
        longstr("-5"),
    ],
)
def test_no_delay(value: Field) -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1", headers={"x-delay": value})
    assert core.ready("q1") == ["1"]
    assert repr(headers_in(core, "q1")) == repr([{"x-delay": value}])


def test_a_message_without_headers_does_not_wait() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1")
    assert core.ready("q1") == ["1"]


# --- as another type


@pytest.mark.parametrize(
    ("inner", "key", "arguments"),
    [
        ("direct", "a.b", {}),
        ("fanout", "", {}),
        ("topic", "a.*", {}),
        ("headers", "", {"h": longstr("1")}),
        ("x-consistent-hash", "1", {}),
        ("x-modulus-hash", "", {}),
        ("x-random", "", {}),
        ("x-local-random", "", {}),
        ("x-recent-history", "", {}),
        ("x-message-deduplication", "", {}),
    ],
)
def test_every_other_type(inner: str, key: str, arguments: Table) -> None:
    assert inner in EXCHANGE_TYPES
    core = core_with(inner, x_cache_size=Field("signedint", 5))
    headers = {"h": longstr("1"), "x-deduplication-header": longstr("once")}
    core.bind("q1", "x", key, arguments)
    core.publish("x", "a.b", "1", headers={**headers, **delay(10)})
    core.wait(9)
    assert core.ready("q1") == []
    core.wait(1)
    assert core.ready("q1") == ["1"]
    core.unbind("q1", "x", key, arguments)
    assert core.routed("x", "a.b", headers) == set()


def test_arguments_and_bindings_are_the_inner_types_too() -> None:
    core = core_with("x-consistent-hash")
    with pytest.raises(PreconditionFailed, match="The binding key must be an integer"):
        core.bind("q1", "x", "k")
    with pytest.raises(PreconditionFailed, match="Missing or invalid argument, 'x-cache-size'"):
        core_with("x-message-deduplication")


def test_a_history_begins_with_the_release() -> None:
    core = core_with("x-recent-history")
    core.publish("x", "", "1", headers=delay(10))
    core.bind("q1", "x")
    core.broker.settle()
    assert core.ready("q1") == []
    core.wait(10)
    core.bind("q2", "x")
    core.broker.settle()
    assert (core.ready("q1"), core.ready("q2")) == (["1"], ["1"])
    assert core.broker.message_count() == 3
    core.delete_exchange("x")
    assert core.broker.message_count() == 2


@pytest.mark.parametrize(
    ("arguments", "fault", "text"),
    [
        ({}, PreconditionFailed, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        (
            {"x-delayed-type": Field("byte", 1)},
            PreconditionFailed,
            "Invalid argument, 'x-delayed-type' must be an existing exchange type",
        ),
        (
            {"x-delayed-type": longstr("x-delayed-message")},
            PreconditionFailed,
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
        ),
        ({"x-delayed-type": longstr("direkt")}, PreconditionFailed, "unknown exchange type 'direkt'"),
        ({"x-delayed-type": longstr("")}, PreconditionFailed, "invalid exchange type ''"),
    ],
)
def test_what_is_no_inner_type(arguments: Table, fault: type[Exception], text: str) -> None:
    core = CoreHarness()
    with pytest.raises(fault) as caught:
        core.exchange("x", "x-delayed-message", arguments=arguments)
    assert str(caught.value) == text
    assert "x" not in core.vhost.exchanges


# --- on the way


def test_waiting_counts_as_routed_and_asks_no_alternate() -> None:
    core = core_with(alternate_exchange=longstr("other"))
    core.exchange("other", "fanout")
    core.bind("q2", "other")
    (admission,) = core.send("x", ("k",), content_header(delay(10)), "1")
    assert not admission.deleted
    assert core.ready("q2") == []
    core.wait(10)
    assert core.ready("q2") == ["1"], "now that nobody is bound, the alternate gets it"


def test_bindings_count_when_the_time_has_come() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1", headers=delay(10))
    core.unbind("q1", "x", "k")
    core.bind("q2", "x", "k")
    core.wait(10)
    assert (core.ready("q1"), core.ready("q2")) == ([], ["1"])


def test_every_routing_key_is_kept() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.bind("q2", "x", "copy")
    core.send("x", ("k", "copy"), content_header(delay(10)), "1")
    core.wait(10)
    assert (core.ready("q1"), core.ready("q2")) == (["1"], ["1"])


def test_other_exchanges_pass_messages_on() -> None:
    core = core_with("fanout")
    core.exchange("first", "direct")
    core.exchange("again", "x-delayed-message", arguments={"x-delayed-type": longstr("fanout")})
    core.bind_exchange("x", "first", "k")
    core.bind("q1", "first", "k")
    core.bind_exchange("again", "x")
    core.bind("q2", "again")
    core.publish("first", "k", "1", headers=delay(10))
    assert (core.ready("q1"), core.ready("q2")) == (["1"], [])
    core.wait(10)
    assert (core.ready("q1"), core.ready("q2")) == (["1"], ["1"]), "delayed once, not by each"
    assert headers_in(core, "q1") == [delay(10)]
    assert headers_in(core, "q2") == [{"x-delay": Field("long", -10)}]
    message = as_fifo(core.vhost.queues["q2"]).ready.first()
    assert message is not None
    assert message.exchange == "first"


def test_the_time_to_live_begins_when_the_delay_ends() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.send("x", ("k",), content_header(delay(100)), "1", ttl_ms=50)
    core.wait(149)
    assert core.ready("q1") == ["1"]
    core.wait(1)
    assert core.ready("q1") == []


def test_a_consumer_gets_it_at_its_time() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    target = FakeTarget()
    core.consume("q1", UnackedDeliveries(), target)
    core.publish("x", "k", "1", "2", headers=delay(10))
    core.publish("x", "k", "3", headers=delay(5))
    core.wait(5)
    assert target.bodies == ["3"]
    core.wait(5)
    assert target.bodies == ["3", "1", "2"]


def test_messages_go_with_their_exchange() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1", headers=delay(10))
    targets = core.queues_for("x", "k", delay(10))
    assert core.broker.message_count() == 1
    core.delete_exchange("x")
    assert [target.deleted for target in targets] == [True]
    assert core.broker.next_at_ms() is None
    assert core.broker.message_count() == 0
    core.broker.sweep(100)
    assert not core.broker.scheduler.discarded
    core.exchange("x", "x-delayed-message", arguments={"x-delayed-type": longstr("direct")})
    core.bind("q1", "x", "k")
    core.wait(10)
    assert core.ready("q1") == []


# --- many


def test_many_due_at_once_leave_a_slice_at_a_time() -> None:
    core = core_with()
    core.bind("q1", "x", "k")
    bodies = [str(number) for number in range(2 * RELEASED_AT_ONCE + 1)]
    core.publish("x", "k", *bodies, headers=delay(10))
    core.broker.advance(10)
    assert core.ready("q1") == bodies[:RELEASED_AT_ONCE]
    assert core.broker.next_at_ms() == 11
    core.broker.settle()
    assert core.ready("q1") == bodies[:RELEASED_AT_ONCE], "clients are served first"
    core.broker.advance(11)
    assert core.ready("q1") == bodies[: 2 * RELEASED_AT_ONCE]
    core.broker.advance(12)
    assert core.ready("q1") == bodies
    assert core.broker.next_at_ms() is None


def test_what_is_late_still_comes_before_what_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delayed, "RELEASED_AT_ONCE", 2)
    core = core_with()
    core.bind("q1", "x", "k")
    core.publish("x", "k", "1", "2", "3", headers=delay(10))
    core.broker.advance(10)
    core.publish("x", "k", "4", headers=delay(1))
    core.broker.advance(11)
    assert core.ready("q1") == ["1", "2", "3", "4"]
    assert core.broker.next_at_ms() is None
