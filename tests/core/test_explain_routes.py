"""Explanations against what really happens: any topology, any message."""

# ruff: noqa: SLF001 (it looks for changes where nobody else may look)

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.core.exchanges import EXCHANGE_TYPES, Exchange
from amqpy.core.explain import explain
from amqpy.core.message import AnnotatedMessage, address_of
from amqpy.core.publishing import PublishResult, publish
from amqpy.core.sender_selected import take_copies
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import content_header, headers_property
from amqpy.wire.values import Field, Table, array_field, encode_table
from tests.core.core_harness import CoreHarness, integer, longstr

QUEUES = ["q0", "q1", "q2", "q3"]
EXCHANGES = ["e0", "e1", "e2", "e3"]
DELAY_MS = 1000
RUNS_MAX = 100
"""Ways that chance may take which are tried."""

message_keys = st.sampled_from(["a", "a.b", "", "q0", "q1"])
binding_keys = st.sampled_from(["a", "a.b", "#", "*", "a.*", "#.b", "", "1", "2"])
values = st.sampled_from([longstr("1"), integer(1), Field("void", None), Field("double", 1.0)])
binding_tables = st.builds(
    lambda mode, table: {**table, **({"x-match": longstr(mode)} if mode else {})},
    st.sampled_from([None, "all", "any", "all-with-x", "any-with-x"]),
    st.dictionaries(st.sampled_from(["h", "i", "x-delay"]), values, max_size=1),
)
message_tables = st.fixed_dictionaries(
    {},
    optional={
        "h": values,
        "i": values,
        "x-delay": st.sampled_from([*[integer(DELAY_MS)] * 3, integer(-1), longstr("soon")]),
        "x-deduplication-header": st.sampled_from([longstr("1"), longstr("2")]),
        "x-recent-history-no-store": st.just(Field("bool", True)),
        "CC": st.lists(message_keys.map(longstr), max_size=2).map(array_field),
        "BCC": st.lists(message_keys.map(longstr), max_size=2).map(array_field),
    },
)


class Made(NamedTuple):
    """An exchange that is declared."""

    kind: str
    arguments: Table
    alternate: str | None
    by_policy: bool
    """True if a policy names the alternate exchange."""


class Bound(NamedTuple):
    source: str
    destination: str
    key: str
    arguments: Table


class Sent(NamedTuple):
    exchange: str
    key: str
    headers: Table


ARGUMENTS: dict[str, Table] = {"x-message-deduplication": {"x-cache-size": integer(9)}}
HASHED: dict[str, Table] = {
    "": {},
    "header": {"hash-header": longstr("h")},
    "id": {"hash-property": longstr("message_id")},
}


DELAYED = "x-delayed-message"
INNER = sorted(set(EXCHANGE_TYPES) - {DELAYED})
KINDS = [*((kind, None) for kind in INNER), *((DELAYED, inner) for inner in INNER)]
"""Each type of exchange, and what a delayed one works as."""


@st.composite
def exchanges(draw: st.DrawFn, kinds: Sequence[tuple[str, str | None]] = KINDS) -> Made:
    kind, inner = draw(st.sampled_from(kinds))
    arguments = dict(ARGUMENTS.get(inner or kind, {}))
    if inner is not None:
        arguments["x-delayed-type"] = longstr(inner)
    if "x-consistent-hash" in {kind, inner}:
        arguments |= HASHED[draw(st.sampled_from(sorted(HASHED)))]
    alternate = draw(st.sampled_from([None, "e1", "e2", "e3", "none", ""]))
    return Made(kind, arguments, alternate, draw(st.booleans()))


def bindings(sources: Sequence[str]) -> st.SearchStrategy[Bound]:
    return st.builds(
        Bound,
        st.sampled_from(sources),
        st.sampled_from(QUEUES + EXCHANGES),
        binding_keys,
        st.one_of(st.just({}), binding_tables),
    )


def messages(exchanges: Sequence[str]) -> st.SearchStrategy[Sent]:
    return st.builds(Sent, st.sampled_from(exchanges), message_keys, message_tables)


def never(below: int) -> int:
    raise AssertionError("a lot was drawn")


def only(below: int) -> int:
    assert below == 1, "chance decides"
    return 0


class Topology:
    """A broker with these exchanges and bindings."""

    def __init__(self, made: list[Made], bound: list[Bound], profile: str) -> None:
        self.core = CoreHarness(profile)
        for name in QUEUES:
            self.core.queue(name)
        for name, each in zip(EXCHANGES, made, strict=True):
            alternate = (
                {} if each.alternate is None or each.by_policy else {"alternate-exchange": longstr(each.alternate)}
            )
            self.core.exchange(name, each.kind, arguments={**each.arguments, **alternate})
            if each.alternate is not None and each.by_policy:
                definition = {"alternate-exchange": each.alternate}
                self.core.broker.administration.set_policy("/", name, f"^{name}$", definition)
        for source, destination, key, arguments in bound:
            bind: Callable[..., None] = self.core.bind if destination in QUEUES else self.core.bind_exchange
            try:
                bind(destination, source, key, arguments)
            except PreconditionFailed:
                # Not every type takes every key, nor every destination.
                with suppress(PreconditionFailed):
                    bind(destination, source, "" if self.core.vhost.exchanges[source].type == "x-local-random" else "1")
        self.core.settle()

    def publish(self, sent: Sent) -> tuple[set[str], PublishResult]:
        """Publishes a message and waits for it; returns the queues that got it."""
        core = self.core
        parts = {"headers": headers_property(encode_table(sent.headers))} if sent.headers else {}
        more_keys, header = take_copies(content_header(1, parts))
        message = AnnotatedMessage(address_of(sent.exchange, sent.key), header, b"!", more_keys=more_keys)
        before = {name: queue.ready_count for name, queue in core.vhost.queues.items()}
        result = publish(core.client, core.vhost, sent.exchange, sent.key, message, mandatory=True)
        core.settle()
        core.wait(DELAY_MS)
        core.settle()
        return {name for name, queue in core.vhost.queues.items() if queue.ready_count > before[name]}, result

    def choose_by(self, choose: Callable[[int], int]) -> None:
        self.core.vhost.choose = choose


def state_of(core: CoreHarness) -> list[Any]:
    """All that a publish may change."""
    vhost, scheduler = core.vhost, core.broker.scheduler
    return [
        core.snapshot(),
        [state_of_exchange(each) for each in vhost.exchanges.values()],
        [(queue.ready_count, queue.message_stats(), dict(queue.counts.dropped)) for queue in vhost.queues.values()],
        {user: list(routes) for user, routes in vhost.router._by_user.items()},
        list(vhost.router._internal),
        (len(scheduler.deadlines), scheduler.jobs.spent, len(scheduler.jobs.lines), len(scheduler.dead_letters)),
        dict(core.broker.events.counts),
    ]


def state_of_exchange(exchange: Exchange) -> list[Any]:
    inside = getattr(exchange, "_inner", None)
    return [
        exchange.message_count(),
        (exchange.published_in, exchange.published_out),
        dict(getattr(exchange, "_winners", {})),
        len(getattr(exchange, "_seen", ())),
        [] if inside is None else state_of_exchange(inside),
    ]


def scripts() -> Iterator[Callable[[int], int]]:
    """Makers of numbers below others, one for each way that chance may take."""
    script: list[tuple[int, int]] = []
    for _ in range(RUNS_MAX):
        position = 0

        def choose(below: int) -> int:
            nonlocal position
            if position == len(script):
                script.append((0, below))
            position += 1
            return script[position - 1][0]

        yield choose
        while script and script[-1][0] + 1 == script[-1][1]:
            script.pop()
        if not script:
            return
        script[-1] = (script[-1][0] + 1, script[-1][1])


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(max_examples=20)
@given(st.data(), st.sampled_from(["rabbitmq-3.10", "rabbitmq-4.3"]))
def test_what_is_told_is_what_happens(kind: tuple[str, str | None], data: st.DataObject, profile: str) -> None:
    made = [data.draw(exchanges([kind])), *data.draw(st.lists(exchanges(), min_size=3, max_size=3))]
    bound = data.draw(st.lists(bindings(["e0"]), min_size=1, max_size=4))
    bound += data.draw(st.lists(bindings(["e1", "e2", "e3"]), min_size=2, max_size=8))
    sent = data.draw(messages(["e0"] * 5 + [""]))
    before = data.draw(st.lists(st.one_of(st.just(sent), messages(EXCHANGES)), max_size=2))
    check(made, bound, before, sent, profile)


def check(made: list[Made], bound: list[Bound], before: list[Sent], sent: Sent, profile: str) -> None:
    reached: set[str] = set()
    told: set[str] = set()
    runs = 0
    for choose in scripts():
        topology = Topology(made, bound, profile)
        for each in before:
            topology.choose_by(lambda below: 0)
            topology.publish(each)
        topology.choose_by(never)
        state = state_of(topology.core)
        explanation = explain(topology.core.broker, "/", *sent)
        assert state_of(topology.core) == state
        assert str(explanation)
        told = set(explanation.queues)
        assert len(told) == len(explanation.queues)
        topology.choose_by(choose if explanation.by_chance else only)
        queues, result = topology.publish(sent)
        assert queues <= told
        reached |= queues
        if not explanation.by_chance:
            assert result.is_returned is explanation.is_unroutable
            assert queues == told
            return
        runs += 1
    if runs < RUNS_MAX:
        assert reached == told
