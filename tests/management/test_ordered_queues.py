"""Queues in the order of their names, which those who ask again and again do not have sorted each time."""

from hypothesis import given
from hypothesis import strategies as st

from amqpy.management.call import FEW, OrderedQueues
from tests.core.core_harness import CoreHarness

NAMES = st.text("abc", min_size=1, max_size=2)
ACTIONS = st.one_of(st.tuples(st.just("declare"), NAMES), st.tuples(st.just("delete"), NAMES), st.just(("look", "")))


def looked(core: CoreHarness, ordered: OrderedQueues) -> list[str]:
    queues = ordered.look(core.broker.events.counts.get("queue.created", 0))
    assert all(core.vhost.queues[queue.name] is queue for queue in queues)
    return [queue.name for queue in queues]


@given(st.lists(ACTIONS, max_size=30))
def test_they_are_those_that_there_are_in_order(actions: list[tuple[str, str]]) -> None:
    core = CoreHarness()
    ordered = OrderedQueues(core.vhost)
    looked(core, ordered)
    for action, name in [*actions, ("look", "")]:
        if action == "declare" and name not in core.vhost.queues:
            core.queue(name)
        elif action == "delete" and name in core.vhost.queues:
            core.delete_queue(name)
        elif action == "look":
            assert looked(core, ordered) == sorted(core.vhost.queues)


def test_many_new_ones_are_sorted_at_once() -> None:
    core = CoreHarness()
    ordered = OrderedQueues(core.vhost)
    looked(core, ordered)
    for number in range(FEW + 1):
        core.queue(str(number))
    assert looked(core, ordered) == sorted(core.vhost.queues)


def test_what_was_given_to_a_request_stays_as_it_is() -> None:
    core = CoreHarness()
    ordered = OrderedQueues(core.vhost)
    core.queue("b")
    looked(core, ordered)
    before = ordered.look(core.broker.events.counts["queue.created"])
    core.queue("a")
    assert looked(core, ordered) == ["a", "b"]
    assert [queue.name for queue in before] == ["b"]
