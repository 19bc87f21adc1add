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
from tests.core.core_harness import FakeClient, World, content_header, longstr


@pytest.fixture
def world() -> World:
    world = World()
    for name in ("q1", "q2", "q3"):
        world.queue(name)
    return world


def test_what_the_default_virtual_host_has() -> None:
    world = World()
    exchanges = world.vhost.exchanges
    assert {name: each.type for name, each in exchanges.items()} == {
        "": "direct",
        **PREDECLARED,
        EVENT_EXCHANGE: "topic",
    }
    assert all(each.durable and not each.auto_delete for each in exchanges.values())
    assert [name for name, each in exchanges.items() if each.internal] == [TRACE_EXCHANGE, EVENT_EXCHANGE]
    assert not world.vhost.queues


# --- exchange to exchange


def test_a_message_follows_the_bindings_between_exchanges(world: World) -> None:
    world.exchange("news", "topic")
    world.exchange("all", "fanout", internal=True)
    world.bind_exchange("all", "news", "de.#")
    world.bind("q1", "all")
    world.bind("q2", "news", "*.sport")
    assert world.routed("news", "de.sport") == {"q1", "q2"}
    assert world.routed("news", "en.sport") == {"q2"}
    assert world.routed("news", "de") == {"q1"}
    world.unbind_exchange("all", "news", "de.#")
    assert world.routed("news", "de.sport") == {"q2"}


def test_cycles_are_legal(world: World) -> None:
    for name in ("a", "b", "c"):
        world.exchange(name, "fanout")
    for source, destination in ("ab", "bc", "ca", "aa"):
        world.bind_exchange(destination, source)
    world.bind("q1", "c")
    world.bind("q2", "a")
    for name in ("a", "b", "c"):
        assert world.routed(name) == {"q1", "q2"}


def test_a_queue_reached_in_several_ways_gets_one_message(world: World) -> None:
    world.exchange("a", "fanout")
    world.exchange("b", "fanout")
    world.bind_exchange("b", "a")
    world.bind("q1", "a")
    world.bind("q1", "b")
    world.bind("q1", "b", "again")
    world.publish("a", "", "message")
    assert world.ready("q1") == ["message"]


def test_exchange_and_queue_of_one_name_are_two_destinations(world: World) -> None:
    world.exchange("a", "fanout")
    world.exchange("q1", "fanout")
    world.bind("q1", "a")
    assert world.routed("a") == {"q1"}
    world.bind("q2", "q1")
    assert world.routed("a") == {"q1"}
    world.bind_exchange("q1", "a")
    assert world.routed("a") == {"q1", "q2"}


# --- alternates


def with_alternate(name: str) -> dict[str, Field]:
    return {"alternate-exchange": longstr(name)}


def test_what_an_exchange_cannot_route_goes_to_its_alternate(world: World) -> None:
    world.exchange("x", arguments=with_alternate("other"))
    world.bind("q1", "x", "k")
    assert world.routed("x", "l") == set(), "the alternate need not exist"
    world.exchange("other", "fanout", internal=True, arguments=with_alternate("last"))
    assert world.routed("x", "l") == set()
    world.exchange("last", "fanout")
    world.bind("q3", "last")
    assert world.routed("x", "l") == {"q3"}
    world.bind("q2", "other")
    assert world.routed("x", "l") == {"q2"}
    assert world.routed("x", "k") == {"q1"}


def test_an_alternate_is_asked_for_the_exchange_that_failed_not_for_the_whole_route(world: World) -> None:
    world.exchange("a", "fanout")
    world.exchange("b", arguments=with_alternate("other"))
    world.exchange("other", "fanout")
    world.bind_exchange("b", "a")
    world.bind("q1", "a")
    world.bind("q2", "other")
    assert world.routed("a", "k") == {"q1", "q2"}


def test_a_binding_to_an_exchange_that_leads_nowhere_is_a_match(world: World) -> None:
    world.exchange("a", "fanout", arguments=with_alternate("other"))
    world.exchange("dead-end", "fanout")
    world.exchange("other", "fanout")
    world.bind("q1", "other")
    world.bind_exchange("dead-end", "a")
    assert world.routed("a") == set()


def test_the_default_exchange_is_no_good_alternate(world: World) -> None:
    """Its bindings are only implied, and `rabbit_exchange:route` looks at those of the first exchange alone."""
    world.exchange("x", arguments=with_alternate(""))
    assert world.routed("x", "q1") == set()


def test_more_routing_keys_make_one_route(world: World) -> None:
    world.exchange("x", arguments=with_alternate("other"))
    world.exchange("other", "fanout")
    world.bind("q1", "x", "a")
    world.bind("q2", "x", "b")
    world.bind("q3", "other")

    def routed(exchange: str, key: str, *more_keys: str) -> list[str]:
        route = world.route(exchange, key)
        message = AnnotatedMessage(route.address, content_header(), b"", more_keys=more_keys)
        queues = world.vhost.router.targets_of(route.exchange, message)
        return sorted(queue.name for queue in queues)

    assert routed("x", "a", "b", "a", "c") == ["q1", "q2"]
    assert routed("x", "c", "b") == ["q2"], "the alternate is for messages that no key of theirs leads anywhere"
    assert routed("x", "c", "d") == ["q3"]
    assert routed("", "q1", "q3", "nobody", "q1") == ["q1", "q3"]


def test_alternates_may_go_in_circles(world: World) -> None:
    world.exchange("a", arguments=with_alternate("b"))
    world.exchange("b", arguments=with_alternate("a"))
    world.exchange("self", arguments=with_alternate("self"))
    assert world.routed("a", "k") == set()
    assert world.routed("self", "k") == set()
    world.bind("q1", "b", "k")
    assert world.routed("a", "k") == {"q1"}


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
    world = World()
    for name in ("q1", "q2", "q3", "k"):
        world.queue(name)
    for name in NAMES:
        arguments = with_alternate(alternates[name]) if name in alternates else None
        world.exchange(name, kinds[name], arguments=arguments)
    one = Field("byte", 1)
    for source, destination, key in edges:
        bind = world.bind if destination.startswith("q") else world.bind_exchange
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
            assert world.routed(name, key, {"k": one} if has_header else {}) == walk(name, key, set())


# --- auto-delete of exchanges


def exists(world: World, *names: str) -> list[bool]:
    return [name in world.vhost.exchanges for name in names]


def test_an_auto_delete_exchange_goes_with_its_last_binding(world: World) -> None:
    world.exchange("x", auto_delete=True)
    assert exists(world, "x") == [True], "it never had a binding"
    world.bind("q1", "x", "k")
    world.bind("q1", "x", "l")
    world.unbind("q1", "x", "k")
    assert exists(world, "x") == [True]
    world.unbind("q1", "x", "nothing")
    assert exists(world, "x") == [True]
    world.unbind("q1", "x", "l")
    assert exists(world, "x") == [False]


def test_an_auto_delete_exchange_goes_with_its_last_queue(world: World) -> None:
    world.exchange("x", "fanout", auto_delete=True)
    world.exchange("stays", "fanout")
    world.bind("q1", "x")
    world.bind("q2", "x")
    world.bind("q1", "stays")
    world.delete_queue("q1")
    assert exists(world, "x", "stays") == [True, True]
    world.delete_queue("q2")
    assert exists(world, "x", "stays") == [False, True]


def test_auto_delete_runs_up_a_chain(world: World) -> None:
    """What feeds an exchange that goes loses a binding, and may have been kept by that one only."""
    for name in ("a", "b", "c", "kept"):
        world.exchange(name, "fanout", auto_delete=True)
    world.bind_exchange("b", "a")
    world.bind_exchange("c", "b")
    world.bind_exchange("c", "kept")
    world.bind("q1", "c")
    world.bind("q2", "kept")
    world.unbind("q1", "c")
    assert exists(world, "a", "b", "c", "kept") == [False, False, False, True]
    assert world.routed("kept") == {"q2"}
    assert len(world.vhost.exchanges["kept"].bindings) == 1


def test_auto_delete_goes_around_a_cycle(world: World) -> None:
    for name in ("a", "b"):
        world.exchange(name, "fanout", auto_delete=True)
    world.bind_exchange("b", "a")
    world.bind_exchange("a", "b")
    world.bind_exchange("a", "a")
    world.bind("q1", "b")
    world.delete_queue("q1")
    assert exists(world, "a", "b") == [True, True]
    world.delete_exchange("b")
    assert exists(world, "a", "b") == [True, False], "it still is bound to itself"
    world.unbind_exchange("a", "a")
    assert exists(world, "a") == [False]


def test_being_a_destination_keeps_no_auto_delete_exchange(world: World) -> None:
    world.exchange("source", "fanout")
    world.exchange("x", "fanout", auto_delete=True)
    world.bind_exchange("x", "source")
    world.bind("q1", "x")
    world.unbind("q1", "x")
    assert exists(world, "x", "source") == [False, True]
    assert not world.vhost.exchanges["source"].bindings


def test_deleting_an_exchange_takes_its_bindings_on_both_sides(world: World) -> None:
    for name in ("a", "b", "c"):
        world.exchange(name, "fanout")
    world.bind_exchange("b", "a")
    world.bind_exchange("c", "b")
    world.bind("q1", "b")
    world.bind("q2", "c")
    world.delete_exchange("b")
    assert world.routed("a") == set()
    world.exchange("b", "fanout")
    assert world.routed("a") == set()
    assert world.routed("b") == set()
    world.delete_queue("q1")
    world.delete_exchange("c")
    assert not world.vhost.exchanges["a"].bindings


# --- what is remembered


def test_the_same_publish_finds_the_same_route(world: World) -> None:
    assert world.route("", "q1") is world.route("", "q1")
    assert world.route("", "q1") is not world.route("", "q2")
    assert world.route("", "q1") is not world.route("", "q1", mandatory=True)


@pytest.mark.parametrize("change", ["bind", "unbind", "queue", "delete queue", "exchange", "delete exchange"])
def test_every_change_of_the_topology_forgets_the_routes(world: World, change: str) -> None:
    world.exchange("x", "fanout", arguments=with_alternate("new"))
    world.exchange("y", "fanout")
    world.bind_exchange("y", "x")
    world.bind("q1", "y")
    routes = world.vhost.router.remembered("guest")
    world.route("x", "")
    world.route("", "new")
    assert len(routes) == 2
    match change:
        case "bind":
            world.bind("q2", "y")
            expected = {"q1", "q2"}
        case "unbind":
            world.unbind("q1", "y")
            expected = set()
        case "queue":
            world.queue("new")
            assert world.routed("", "new") == {"new"}
            expected = {"q1"}
        case "delete queue":
            world.delete_queue("q1")
            expected = set()
        case "exchange":
            world.delete_exchange("y")
            assert world.routed("x") == set()
            world.exchange("new", "fanout")
            world.bind("q3", "new")
            expected = {"q3"}
        case "delete exchange":
            world.delete_exchange("y")
            expected = set()
    assert world.routed("x") == expected
    assert world.vhost.router.remembered("guest") is routes, "sessions hold on to it"


def test_a_route_by_headers_is_asked_for_every_message(world: World) -> None:
    world.exchange("front", "fanout")
    world.exchange("x", "headers")
    world.bind_exchange("x", "front")
    world.bind("q1", "x", "", {"a": Field("byte", 1)})
    world.bind("q2", "x", "", {"a": Field("byte", 2)})
    for name in ("x", "front"):
        assert world.route(name, "").targets is None
        assert world.routed(name, "", {"a": Field("byte", 1)}) == {"q1"}
        assert world.routed(name, "", {"a": Field("byte", 2)}) == {"q2"}
    assert world.route("front", "").targets is None


def test_routes_are_remembered_for_each_user(world: World) -> None:
    world.route("", "q1")
    other = FakeClient("other")
    assert world.vhost.router.remembered("other") == {}
    world.client = other
    world.route("", "q1")
    assert len(world.vhost.router.remembered("guest")) == len(world.vhost.router.remembered("other")) == 1


def test_ever_new_routing_keys_do_not_pile_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "ROUTES_MAX", 5)
    sizes = []
    for number in range(12):
        world.route("", str(number))
        sizes.append(len(world.vhost.router.remembered("guest")))
    assert max(sizes) == 5
    assert world.routed("", "q1") == {"q1"}
