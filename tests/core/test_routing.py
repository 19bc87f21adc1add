"""Routes over several exchanges: bindings between them, alternates, auto-delete, and what is remembered of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core import routing
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.events.tracing import TRACE_EXCHANGE
from amqpy.core.message import AnnotatedMessage
from amqpy.core.vhost import PREDECLARED
from amqpy.wire.values import Field
from tests.core.core_harness import CoreHarness, FakeClient, content_header, longstr


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    for name in ("q1", "q2", "q3"):
        core.queue(name)
    return core


def test_what_the_default_virtual_host_has() -> None:
    core = CoreHarness()
    exchanges = core.vhost.exchanges
    assert {name: each.type for name, each in exchanges.items()} == {
        "": "direct",
        **PREDECLARED,
        EVENT_EXCHANGE: "topic",
    }
    assert all(each.durable and not each.auto_delete for each in exchanges.values())
    assert [name for name, each in exchanges.items() if each.internal] == [TRACE_EXCHANGE, EVENT_EXCHANGE]
    assert not core.vhost.queues


# --- exchange to exchange


def test_a_message_follows_the_bindings_between_exchanges(core: CoreHarness) -> None:
    core.exchange("news", "topic")
    core.exchange("all", "fanout", internal=True)
    core.bind_exchange("all", "news", "de.#")
    core.bind("q1", "all")
    core.bind("q2", "news", "*.sport")
    assert core.routed("news", "de.sport") == {"q1", "q2"}
    assert core.routed("news", "en.sport") == {"q2"}
    assert core.routed("news", "de") == {"q1"}
    core.unbind_exchange("all", "news", "de.#")
    assert core.routed("news", "de.sport") == {"q2"}


def test_cycles_are_legal(core: CoreHarness) -> None:
    for name in ("a", "b", "c"):
        core.exchange(name, "fanout")
    for source, destination in ("ab", "bc", "ca", "aa"):
        core.bind_exchange(destination, source)
    core.bind("q1", "c")
    core.bind("q2", "a")
    for name in ("a", "b", "c"):
        assert core.routed(name) == {"q1", "q2"}


def test_a_queue_reached_in_several_ways_gets_one_message(core: CoreHarness) -> None:
    core.exchange("a", "fanout")
    core.exchange("b", "fanout")
    core.bind_exchange("b", "a")
    core.bind("q1", "a")
    core.bind("q1", "b")
    core.bind("q1", "b", "again")
    core.publish("a", "", "message")
    assert core.ready("q1") == ["message"]


def test_exchange_and_queue_of_one_name_are_two_destinations(core: CoreHarness) -> None:
    core.exchange("a", "fanout")
    core.exchange("q1", "fanout")
    core.bind("q1", "a")
    assert core.routed("a") == {"q1"}
    core.bind("q2", "q1")
    assert core.routed("a") == {"q1"}
    core.bind_exchange("q1", "a")
    assert core.routed("a") == {"q1", "q2"}


# --- alternates


def with_alternate(name: str) -> dict[str, Field]:
    return {"alternate-exchange": longstr(name)}


def test_what_an_exchange_cannot_route_goes_to_its_alternate(core: CoreHarness) -> None:
    core.exchange("x", arguments=with_alternate("other"))
    core.bind("q1", "x", "k")
    assert core.routed("x", "l") == set(), "the alternate need not exist"
    core.exchange("other", "fanout", internal=True, arguments=with_alternate("last"))
    assert core.routed("x", "l") == set()
    core.exchange("last", "fanout")
    core.bind("q3", "last")
    assert core.routed("x", "l") == {"q3"}
    core.bind("q2", "other")
    assert core.routed("x", "l") == {"q2"}
    assert core.routed("x", "k") == {"q1"}


def test_an_alternate_is_asked_for_the_exchange_that_failed_not_for_the_whole_route(core: CoreHarness) -> None:
    core.exchange("a", "fanout")
    core.exchange("b", arguments=with_alternate("other"))
    core.exchange("other", "fanout")
    core.bind_exchange("b", "a")
    core.bind("q1", "a")
    core.bind("q2", "other")
    assert core.routed("a", "k") == {"q1", "q2"}


def test_a_binding_to_an_exchange_that_leads_nowhere_is_a_match(core: CoreHarness) -> None:
    core.exchange("a", "fanout", arguments=with_alternate("other"))
    core.exchange("dead-end", "fanout")
    core.exchange("other", "fanout")
    core.bind("q1", "other")
    core.bind_exchange("dead-end", "a")
    assert core.routed("a") == set()


def test_the_default_exchange_is_no_good_alternate(core: CoreHarness) -> None:
    """Its bindings are only implied, and `rabbit_exchange:route` looks at those of the first exchange alone."""
    core.exchange("x", arguments=with_alternate(""))
    assert core.routed("x", "q1") == set()


def test_more_routing_keys_make_one_route(core: CoreHarness) -> None:
    core.exchange("x", arguments=with_alternate("other"))
    core.exchange("other", "fanout")
    core.bind("q1", "x", "a")
    core.bind("q2", "x", "b")
    core.bind("q3", "other")

    def routed(exchange: str, key: str, *more_keys: str) -> list[str]:
        route = core.route(exchange, key)
        message = AnnotatedMessage(route.address, content_header(), b"", more_keys=more_keys)
        queues = core.vhost.router.targets_of(route.exchange, message)
        return sorted(queue.name for queue in queues)

    assert routed("x", "a", "b", "a", "c") == ["q1", "q2"]
    assert routed("x", "c", "b") == ["q2"], "the alternate is for messages that no key of theirs leads anywhere"
    assert routed("x", "c", "d") == ["q3"]
    assert routed("", "q1", "q3", "nobody", "q1") == ["q1", "q3"]


def test_alternates_may_go_in_circles(core: CoreHarness) -> None:
    core.exchange("a", arguments=with_alternate("b"))
    core.exchange("b", arguments=with_alternate("a"))
    core.exchange("self", arguments=with_alternate("self"))
    assert core.routed("a", "k") == set()
    assert core.routed("self", "k") == set()
    core.bind("q1", "b", "k")
    assert core.routed("a", "k") == {"q1"}


# --- graphs

NAMES = ["a", "b", "c", "d"]
edges = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([*NAMES, "q1", "q2", "q3"]), st.sampled_from(["k", "l"])),
    max_size=12,
    unique=True,
)


@given(
    edges,
    st.fixed_dictionaries({name: st.sampled_from(["direct", "fanout", "headers"]) for name in NAMES}),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "", "missing"])),
    st.booleans(),
)
def test_any_graph_is_walked_whole(
    edges: list[tuple[str, str, str]], kinds: dict[str, str], alternates: dict[str, str], has_header: bool
) -> None:
    core = CoreHarness()
    for name in ("q1", "q2", "q3", "k"):
        core.queue(name)
    for name in NAMES:
        arguments = with_alternate(alternates[name]) if name in alternates else None
        core.exchange(name, kinds[name], arguments=arguments)
    one = Field("byte", 1)
    for source, destination, key in edges:
        bind = core.bind if destination.startswith("q") else core.bind_exchange
        bind(destination, source, key, {key: one})

    def walk(exchange: str, key: str, seen: set[str]) -> set[str]:
        if exchange in seen or exchange not in NAMES:
            return set()
        seen.add(exchange)
        found = set()
        hits = [
            destination
            for source, destination, binding_key in edges
            if source == exchange
            and {"direct": binding_key == key, "fanout": True, "headers": has_header and binding_key == "k"}[
                kinds[exchange]
            ]
        ]
        for destination in hits:
            found |= {destination} if destination.startswith("q") else walk(destination, key, seen)
        return found if hits or exchange not in alternates else walk(alternates[exchange], key, seen)

    for name in NAMES:
        for key in ("k", "l"):
            assert core.routed(name, key, {"k": one} if has_header else {}) == walk(name, key, set())


# --- auto-delete of exchanges


def exists(core: CoreHarness, *names: str) -> list[bool]:
    return [name in core.vhost.exchanges for name in names]


def test_an_auto_delete_exchange_goes_with_its_last_binding(core: CoreHarness) -> None:
    core.exchange("x", auto_delete=True)
    assert exists(core, "x") == [True], "it never had a binding"
    core.bind("q1", "x", "k")
    core.bind("q1", "x", "l")
    core.unbind("q1", "x", "k")
    assert exists(core, "x") == [True]
    core.unbind("q1", "x", "nothing")
    assert exists(core, "x") == [True]
    core.unbind("q1", "x", "l")
    assert exists(core, "x") == [False]


def test_an_auto_delete_exchange_goes_with_its_last_queue(core: CoreHarness) -> None:
    core.exchange("x", "fanout", auto_delete=True)
    core.exchange("stays", "fanout")
    core.bind("q1", "x")
    core.bind("q2", "x")
    core.bind("q1", "stays")
    core.delete_queue("q1")
    assert exists(core, "x", "stays") == [True, True]
    core.delete_queue("q2")
    assert exists(core, "x", "stays") == [False, True]


def test_auto_delete_runs_up_a_chain(core: CoreHarness) -> None:
    """What feeds an exchange that goes loses a binding, and may have been kept by that one only."""
    for name in ("a", "b", "c", "kept"):
        core.exchange(name, "fanout", auto_delete=True)
    core.bind_exchange("b", "a")
    core.bind_exchange("c", "b")
    core.bind_exchange("c", "kept")
    core.bind("q1", "c")
    core.bind("q2", "kept")
    core.unbind("q1", "c")
    assert exists(core, "a", "b", "c", "kept") == [False, False, False, True]
    assert core.routed("kept") == {"q2"}
    assert len(core.vhost.exchanges["kept"].bindings) == 1


def test_auto_delete_goes_around_a_cycle(core: CoreHarness) -> None:
    for name in ("a", "b"):
        core.exchange(name, "fanout", auto_delete=True)
    core.bind_exchange("b", "a")
    core.bind_exchange("a", "b")
    core.bind_exchange("a", "a")
    core.bind("q1", "b")
    core.delete_queue("q1")
    assert exists(core, "a", "b") == [True, True]
    core.delete_exchange("b")
    assert exists(core, "a", "b") == [True, False], "it still is bound to itself"
    core.unbind_exchange("a", "a")
    assert exists(core, "a") == [False]


def test_being_a_destination_keeps_no_auto_delete_exchange(core: CoreHarness) -> None:
    core.exchange("source", "fanout")
    core.exchange("x", "fanout", auto_delete=True)
    core.bind_exchange("x", "source")
    core.bind("q1", "x")
    core.unbind("q1", "x")
    assert exists(core, "x", "source") == [False, True]
    assert not core.vhost.exchanges["source"].bindings


def test_deleting_an_exchange_takes_its_bindings_on_both_sides(core: CoreHarness) -> None:
    for name in ("a", "b", "c"):
        core.exchange(name, "fanout")
    core.bind_exchange("b", "a")
    core.bind_exchange("c", "b")
    core.bind("q1", "b")
    core.bind("q2", "c")
    core.delete_exchange("b")
    assert core.routed("a") == set()
    core.exchange("b", "fanout")
    assert core.routed("a") == set()
    assert core.routed("b") == set()
    core.delete_queue("q1")
    core.delete_exchange("c")
    assert not core.vhost.exchanges["a"].bindings


# --- what is remembered


def test_the_same_publish_finds_the_same_route(core: CoreHarness) -> None:
    assert core.route("", "q1") is core.route("", "q1")
    assert core.route("", "q1") is not core.route("", "q2")
    assert core.route("", "q1") is not core.route("", "q1", mandatory=True)


@pytest.mark.parametrize("change", ["bind", "unbind", "queue", "delete queue", "exchange", "delete exchange"])
def test_every_change_of_the_topology_forgets_the_routes(core: CoreHarness, change: str) -> None:
    core.exchange("x", "fanout", arguments=with_alternate("new"))
    core.exchange("y", "fanout")
    core.bind_exchange("y", "x")
    core.bind("q1", "y")
    routes = core.vhost.router.remembered("guest")
    core.route("x", "")
    core.route("", "new")
    assert len(routes) == 2
    match change:
        case "bind":
            core.bind("q2", "y")
            expected = {"q1", "q2"}
        case "unbind":
            core.unbind("q1", "y")
            expected = set()
        case "queue":
            core.queue("new")
            assert core.routed("", "new") == {"new"}
            expected = {"q1"}
        case "delete queue":
            core.delete_queue("q1")
            expected = set()
        case "exchange":
            core.delete_exchange("y")
            assert core.routed("x") == set()
            core.exchange("new", "fanout")
            core.bind("q3", "new")
            expected = {"q3"}
        case "delete exchange":
            core.delete_exchange("y")
            expected = set()
    assert core.routed("x") == expected
    assert core.vhost.router.remembered("guest") is routes, "sessions hold on to it"


def test_a_route_by_headers_is_asked_for_every_message(core: CoreHarness) -> None:
    core.exchange("front", "fanout")
    core.exchange("x", "headers")
    core.bind_exchange("x", "front")
    core.bind("q1", "x", "", {"a": Field("byte", 1)})
    core.bind("q2", "x", "", {"a": Field("byte", 2)})
    for name in ("x", "front"):
        assert core.route(name, "").targets is None
        assert core.routed(name, "", {"a": Field("byte", 1)}) == {"q1"}
        assert core.routed(name, "", {"a": Field("byte", 2)}) == {"q2"}
    assert core.route("front", "").targets is None


def test_routes_are_remembered_for_each_user(core: CoreHarness) -> None:
    core.route("", "q1")
    other = FakeClient("other")
    assert core.vhost.router.remembered("other") == {}
    core.client = other
    core.route("", "q1")
    assert len(core.vhost.router.remembered("guest")) == len(core.vhost.router.remembered("other")) == 1


def test_ever_new_routing_keys_do_not_pile_up(core: CoreHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "ROUTES_MAX", 5)
    sizes = []
    for number in range(12):
        core.route("", str(number))
        sizes.append(len(core.vhost.router.remembered("guest")))
    assert max(sizes) == 5
    assert core.routed("", "q1") == {"q1"}
