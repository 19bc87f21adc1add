"""A broker with a journal and users, what it records, and what survives of it; for tests of recovery."""

import json
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from amqpy.core.broker import Broker
from amqpy.core.durability.encoding import is_predeclared
from amqpy.core.durability.journal import Journal
from amqpy.core.durability.records import KEYS, Change, Drop, LaneRecord, Put, Record, VhostRecord
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.message import Message
from amqpy.core.queues.queue import Queue
from amqpy.core.streams.segments import MemorySegments
from amqpy.core.users import Users
from amqpy.core.vhost import Vhost
from amqpy.wire.values import encode_table
from tests.core.core_harness import CoreHarness
from tests.fifo import as_fifo

DEFAULT_VHOST = VhostRecord("/", "Default virtual host", "[]", None, protected_from_deletion=False)


class NoMessages:
    """A source of messages that has none."""

    segments = MemorySegments()

    def read(
        self, first: int, last: int, *, count_max: int, size_max: int, unix_offset_ms: int
    ) -> list[tuple[int, Message]]:
        return []


class DurableHarness(CoreHarness):
    """A broker with a journal and users, new or made from records."""

    def __init__(self, recorded: Sequence[Record] = (), **options: Any) -> None:  # noqa: ANN401 (those of a CoreHarness)
        self.journal = Journal(NoMessages(), lambda: 0)
        super().__init__(journal=self.journal, recorded=recorded, **options)
        salts = count()
        self.users = Users(self.broker, lambda: next(salts).to_bytes(4, "big"), recorded)
        self.seen = 0

    def facts(self) -> list[Change]:
        """What was recorded since the last time."""
        facts = self.journal.batch.changes[self.seen :]
        self.seen += len(facts)
        return facts


class Store:
    """What a store makes of facts: the records there are, each kind in the order in which they came."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[object, ...], Record] = {}

    def apply(self, facts: Iterable[Change]) -> None:
        """Each fact must make a difference: nothing is recorded in vain, nothing dropped that is not there. Lanes are
        left out: they are the messages' business."""
        for fact in facts:
            record = fact.record
            if isinstance(record, LaneRecord):
                continue
            key = type(record), *record[: KEYS[type(record)]]
            match fact:
                case Put():
                    assert self._by_key.get(key) != record, f"recorded again: {record}"
                    self._by_key[key] = record
                case Drop():
                    assert key in self._by_key, f"not there: {record}"
                    del self._by_key[key]

    def records(self) -> list[Record]:
        kinds = list(KEYS)
        return sorted(self._by_key.values(), key=lambda record: kinds.index(type(record)))


def core_with(*queues: str, durable: bool = True) -> DurableHarness:
    """A broker with these queues, of which all is written."""
    core = DurableHarness()
    for name in queues:
        core.queue(name, durable=durable)
    core.facts()
    return core


def restarted(core: DurableHarness, **options: Any) -> DurableHarness:  # noqa: ANN401 (those of a CoreHarness)
    """What a broker is like that starts with all that this one ever recorded."""
    store = Store()
    store.apply(core.journal.batch.changes)
    return DurableHarness(store.records(), **options)


def durable_state(broker: Broker, users: Users) -> dict[str, object]:
    """All that a restart must leave as it is."""
    return {
        "vhosts": {name: _state_of_vhost(vhost) for name, vhost in broker.vhosts.items()},
        "order of vhosts": list(broker.vhosts),
        "global parameters": _shown(broker.administration.global_parameters()),
        "users": [(user.name, user.password, user.tags, list(user.limits.items())) for user in users],
        "events": broker.events.exchange is not None and broker.events.exchange.vhost.name in broker.vhosts,
    }


def _state_of_vhost(vhost: Vhost) -> dict[str, object]:
    exchanges = [exchange for exchange in vhost.exchanges.values() if exchange.durable]
    queues = [queue for queue in vhost.queues.values() if queue.durable]
    return {
        "metadata": vhost.metadata,
        "permissions": list(vhost.permissions.items()),
        "topic permissions": sorted(
            (user, exchange, *permission.patterns.values())
            for user, of_user in vhost.topic_permissions.items()
            for exchange, permission in of_user.items()
        ),
        "parameters": _shown((*key, value) for key, value in vhost.parameters.items()),
        "policies": _shown(vhost.policies.policies),
        "operator policies": _shown(vhost.policies.operator_policies),
        "exchanges": [_state_of_exchange(exchange) for exchange in exchanges],
        "queues": [_state_of_queue(queue) for queue in queues],
        "bindings from": {each.name: _shown_bindings(each.bindings.values()) for each in exchanges},
        "bindings to exchanges": {each.name: _shown_bindings(vhost.bindings_to(each)) for each in exchanges},
        "bindings to queues": {each.name: _shown_bindings(vhost.bindings_to(each)) for each in queues},
    }


def _state_of_exchange(exchange: Exchange) -> tuple[object, ...]:
    return (
        exchange.name,
        exchange.type,
        exchange.auto_delete,
        exchange.internal,
        is_predeclared(exchange),
        encode_table(exchange.arguments),
        exchange.policy,
        exchange.alternate,
    )


def _state_of_queue(queue: Queue) -> tuple[object, ...]:
    return (
        queue.name,
        queue.type,
        queue.owner,
        queue.auto_delete,
        encode_table(queue.arguments),
        queue.policy,
        queue.settings,
        queue.expiry is None,
        type(as_fifo(queue).ready),
    )


def _shown(values: Iterable[object]) -> list[str]:
    """As JSON: 1, 1.0 and true are different."""
    return [json.dumps(value) for value in values]


def _shown_bindings(bindings: Iterable[Binding]) -> list[tuple[object, ...]]:
    return [
        (
            binding.source.name,
            binding.destination_kind,
            binding.destination.name,
            binding.routing_key,
            encode_table(binding.arguments),
        )
        for binding in bindings
        if binding.source.durable and binding.destination.durable
    ]
