"""x-consistent-hash: messages with the same key go to the same destination, when others are bound or unbound, too.

The binding key is the destination's weight. RabbitMQ lays the destinations' buckets one after the other and picks one
by a jump hash; so when one in the middle is unbound, the keys of all behind it move. Here every key stays with its
destination until that is unbound or a new one takes the key over, and keys are spread as evenly: weighted rendezvous
hashing. There, every destination draws a number for the key, and the smallest wins. Drawing for every message would
be slow, so keys are hashed to slots, and a slot remembers its winner.

Of several bindings of one destination the oldest sets the weight, as in RabbitMQ. When that is removed, the next one
does; RabbitMQ removes the destination with the first binding that is removed, whichever that is, and loses its
messages.

Source: `rabbit_exchange_type_consistent_hash`; Schindelhauer and Schomaker, "Weighted distributed hash tables" (2005).
"""

import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.queues.queue import Queue
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import Field, Table, as_erlang, comparable, last_values

SLOTS = 1 << 16
MASK = (1 << 64) - 1
PROPERTIES = ("correlation_id", "message_id", "timestamp")
INTEGER = re.compile(r"[+-]?[0-9]+")


class ConsistentHashExchange(Exchange):
    type = "x-consistent-hash"

    def prepare(self) -> None:
        self._header = _name_in(self.arguments, "hash-header")
        self._property = _name_in(self.arguments, "hash-property")
        self.per_message = self._header is not None or self._property is not None
        self._bound: dict[Destination, OrderedDict[Binding, None]] = {}
        """The bindings of each destination, the oldest first."""
        self._candidates: dict[Destination, tuple[int, int]] = {}
        """The seed from which each destination draws its numbers, and its weight."""
        self._winners: dict[int, Destination] = {}
        """The destinations of slots that were used; some may be unbound."""
        self._gone = 0
        """The number of destinations unbound since `_winners` was cleaned."""

    @classmethod
    def check_arguments(cls, arguments: Table, profile: Profile) -> None:
        header, hashed_property = _name_in(arguments, "hash-header"), _name_in(arguments, "hash-property")
        if header is not None and hashed_property is not None:
            raise PreconditionFailed("hash-header and hash-property are mutually exclusive")
        if hashed_property is not None and hashed_property not in PROPERTIES:
            raise PreconditionFailed(f"Unsupported property: {hashed_property}")

    def check_binding(self, binding: Binding) -> None:
        key = binding.routing_key
        if not INTEGER.fullmatch(key):
            raise PreconditionFailed(f"The binding key must be an integer: {as_erlang(Field('longstr', key))}")
        if int(key) < 1:
            raise PreconditionFailed("The binding key must be greater than 0")
        most = self.vhost.profile.hash_weight_max
        if most is not None and int(key) > most:
            raise PreconditionFailed(f"The binding key must not exceed {most}")

    def index(self, binding: Binding) -> None:
        bindings = self._bound.setdefault(binding.destination, OrderedDict())
        bindings[binding] = None
        if len(bindings) == 1:
            self._weigh(binding)

    def unindex(self, binding: Binding) -> None:
        destination = binding.destination
        bindings = self._bound[destination]
        counted = next(iter(bindings))
        del bindings[binding]
        if not bindings:
            del self._bound[destination], self._candidates[destination]
            self._forget_winners()
        elif binding is counted:
            self._weigh(next(iter(bindings)))

    def _weigh(self, binding: Binding) -> None:
        """Sets the weight of a destination from this binding."""
        destination = binding.destination
        kind = "queue" if isinstance(destination, Queue) else "exchange"
        seed = _hash(f"{kind} {destination.name}".encode("utf-8", "surrogateescape"))
        self._candidates[destination] = (seed, int(binding.routing_key))
        self._winners.clear()

    def _forget_winners(self) -> None:
        """Counts an unbound destination; removes all of them from `_winners` once they outnumber the bound ones."""
        self._gone += 1
        if self._gone > len(self._candidates):
            self._gone = 0
            self._winners = {slot: each for slot, each in self._winners.items() if each in self._candidates}

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        slot = _hash(self._hashed(keys, view)) % SLOTS
        winner = self._winners.get(slot)
        if winner is None or winner.deleted or winner not in self._candidates:
            drawn = self._draw(slot)
            self.vhost.scheduler.jobs.spend(len(drawn) // 2)
            if not drawn:
                return []
            winner = self._winners[slot] = min(drawn, key=drawn.__getitem__)
        return [winner]

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        drawn = self._draw(_hash(self._hashed(keys, view)) % SLOTS)
        return list(self._bound[min(drawn, key=drawn.__getitem__)]) if drawn else []

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        candidate = self._candidates.get(binding.destination)
        weight = "" if candidate is None else f"; its weight is {candidate[1]}"
        return f"the hash chose {'it' if matched else 'another'}{weight}"

    def remark(self, keys: Keys, view: MessageView) -> str:
        what = "the routing key"
        if self._header is not None:
            what = f"the header {self._header!r}" + ("" if self._header in view.headers else ", which is not there")
        elif self._property is not None:
            there = self._property in view.properties
            what = f"the property {self._property}" + ("" if there else ", which is not there")
        slot = _hash(self._hashed(keys, view)) % SLOTS
        return f"the hash of {what}, {slot} of {SLOTS}, chooses among {len(self._candidates)} by their weights"

    def nearness(self, binding: Binding, keys: Keys, view: MessageView) -> float:
        return 0.0

    def _hashed(self, keys: Keys, view: MessageView) -> bytes:
        """The part of a message that is hashed. Messages without it all have the same destination."""
        if self._header is not None:
            headers = last_values(view.headers) if self.vhost.profile.headers_as_map else view.headers
            return repr(comparable(headers.get(self._header, ABSENT))).encode()
        value = keys[0] if self._property is None else view.properties.get(self._property, "")
        return str(value).encode("utf-8", "surrogateescape")

    def _draw(self, slot: int) -> dict[Destination, float]:
        """Draws a number for each destination; the smallest wins. They are exponentially distributed, with the weight
        as the rate: so the chance to be the smallest is the weight's share of all weights."""
        hashed = _mixed(slot)
        return {
            destination: -math.log((_mixed(seed ^ hashed) + 1) / (MASK + 2)) / weight
            for destination, (seed, weight) in self._candidates.items()
            if not destination.deleted
        }


ABSENT = Field("void", None)


def _name_in(arguments: Table, argument: str) -> str | None:
    field = arguments.get(argument)
    if field is None:
        return None
    if field.kind != "longstr":
        raise PreconditionFailed(f"invalid type '{field.kind}' for arg '{argument}'")
    return str(field.value)


def _hash(raw: bytes) -> int:
    """Hashes bytes to 64 bits, the same in every process; Python's own `hash` is salted."""
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big")


def _mixed(number: int) -> int:
    """Hashes a 64-bit number, much faster than `_hash`: the end of SplitMix64 (Steele, Lea and Flood, 2014)."""
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & MASK
    return number ^ number >> 31
