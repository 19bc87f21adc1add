"""x-recent-history: what a new destination is given, against a plain list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.wire.values import Field, Table, array_field, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, content_header, longstr

NO_STORE = {"x-recent-history-no-store": Field("bool", True)}


def core_with(arguments: Table | None = None) -> CoreHarness:
    core = CoreHarness()
    core.exchange("x", "x-recent-history", arguments=arguments)
    for name in ("q1", "q2"):
        core.queue(name)
    return core


def bind(core: CoreHarness, queue: str, key: str = "") -> None:
    core.bind(queue, "x", key)
    core.broker.settle()


@given(
    st.integers(1, 4),
    st.lists(st.one_of(st.booleans(), st.tuples(st.sampled_from(["q1", "q2"]), st.sampled_from("ab"))), max_size=20),
)
def test_new_bindings_are_given_the_last_messages(length: int, steps: list[bool | tuple[str, str]]) -> None:
    """A bool is a message, and whether it is stored; a tuple is a binding, made or undone."""
    core = core_with({"x-recent-history-length": Field("signedint", length)})
    history: list[str] = []
    expected: dict[str, list[str]] = {"q1": [], "q2": []}
    bound: set[tuple[str, str]] = set()
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            queue, key = step
            if step in bound:
                bound.remove(step)
                core.unbind(queue, "x", key)
                continue
            bound.add(step)
            expected[queue] += history[-length:]
            bind(core, queue, key)
            bind(core, queue, key)
        else:
            core.publish("x", "k", str(number), headers=None if step else NO_STORE)
            history += [str(number)] if step else []
            for queue in {queue for queue, _ in bound}:
                expected[queue].append(str(number))
    assert {name: core.ready(name) for name in expected} == expected


def test_twenty_are_kept_and_no_more() -> None:
    core = core_with()
    core.publish("x", "", *map(str, range(30)))
    bind(core, "q1")
    assert core.ready("q1") == [str(number) for number in range(10, 30)]
    assert core.vhost.exchanges["x"].message_count() == 20
    assert core.broker.message_count() == 40


@pytest.mark.parametrize("value", [Field("bool", False), longstr("true"), Field("void", None)])
def test_only_true_keeps_a_message_out(value: Field) -> None:
    core = core_with()
    core.publish("x", "", "1", headers={"x-recent-history-no-store": value})
    bind(core, "q1")
    assert core.ready("q1") == ["1"]


def test_a_bound_exchange_is_given_the_newest_first() -> None:
    core = core_with()
    core.exchange("next", "topic")
    core.bind("q1", "next", "a.*")
    core.bind("q2", "next", "c")
    core.send("x", ("a.1", "c"), content_header(), "1")
    core.send("x", ("b",), content_header(), "2")
    core.send("x", ("a.3",), content_header(), "3")
    core.bind_exchange("next", "x")
    assert core.ready("q1") == [], "nothing happens before the operation is over"
    core.broker.settle()
    assert (core.ready("q1"), core.ready("q2")) == (["3", "1"], ["1"])


def test_a_consumer_is_given_them_at_once() -> None:
    core = core_with()
    core.publish("x", "", "1", "2")
    target = FakeTarget()
    core.consume("q1", UnackedDeliveries(), target)
    bind(core, "q1")
    assert target.bodies == ["1", "2"]
    assert not any(delivery.redelivered for delivery in target.got)


def test_the_time_to_live_begins_with_the_replay() -> None:
    core = core_with()
    core.send("x", ("k",), content_header(), "1", ttl_ms=100)
    core.wait(1000)
    bind(core, "q1")
    core.wait(99)
    assert core.ready("q1") == ["1"]
    core.wait(1)
    assert core.ready("q1") == []


def test_a_deleted_exchange_forgets() -> None:
    core = core_with()
    core.publish("x", "", "1")
    core.delete_exchange("x")
    assert core.broker.message_count() == 0
    core.exchange("x", "x-recent-history")
    bind(core, "q1")
    assert core.ready("q1") == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Field("signedint", 0), "0"),
        (Field("signedint", -1), "-1"),
        (Field("unsignedbyte", 3), "3"),
        (longstr("3"), '<<"3">>'),
        (Field("bool", True), "true"),
        (Field("void", None), "undefined"),
        (array_field([Field("signedint", 1)]), "[{signedint,1}]"),
        (table_field({}), "[]"),
    ],
)
def test_what_is_no_length(value: Field, shown: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        core_with({"x-recent-history-length": value})
    assert caught.value.text == f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
