"""Exchanges that give each message to one of their bindings: by lot, or by the routing key.

Every binding counts, also where two lead to the same destination, which then gets twice as much.

Source: `rabbit_exchange_type_random`, `rabbit_exchange_type_local_random`, `rabbit_exchange_type_modulus_hash`.
"""

from collections.abc import Iterable
from zlib import crc32

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.queues.queue import Queue
from amqpy.errors import PreconditionFailed


class OneOfMany(Exchange):
    """Keeps the destinations as a list, made anew after the bindings changed."""

    def prepare(self) -> None:
        self._destinations: list[Destination] | None = []

    def index(self, binding: Binding) -> None:
        self._destinations = None

    def unindex(self, binding: Binding) -> None:
        self._destinations = None

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        chosen = self._choose(keys)
        if chosen and chosen[0].deleted:
            # It is being unbound, which others need not wait for.
            self._destinations = None
            chosen = self._choose(keys)
        return chosen

    def _choose(self, keys: Keys) -> list[Destination]:
        if self._destinations is None:
            destinations = (binding.destination for binding in self.bindings.values())
            self._destinations = self.in_order([each for each in destinations if not each.deleted])
        count = len(self._destinations)
        return [self._destinations[self.choose(keys, count)]] if count else []

    def in_order(self, destinations: list[Destination]) -> list[Destination]:
        return destinations

    def choose(self, keys: Keys, count: int) -> int:
        """A number below `count`."""
        raise NotImplementedError


class RandomExchange(OneOfMany):
    type = "x-random"
    per_message = True

    def choose(self, keys: Keys, count: int) -> int:
        return self.vhost.choose(count)


class LocalRandomExchange(RandomExchange):
    """RabbitMQ 4's: to one of the classic queues on the node that the publisher is connected to."""

    type = "x-local-random"

    def check_binding(self, binding: Binding) -> None:
        if binding.routing_key:
            raise PreconditionFailed(f"Non empty binding '{binding.routing_key}' key not permitted")
        if not isinstance(binding.destination, Queue):
            raise PreconditionFailed("Destination not found")
        if binding.destination.type != "classic":
            kind = f"rabbit_{binding.destination.type}_queue"
            raise PreconditionFailed(f"Queue type {kind} not valid for this exchange type")


class ModulusHashExchange(OneOfMany):
    """The same keys go to the same binding as long as the bindings stay."""

    type = "x-modulus-hash"

    def in_order(self, destinations: list[Destination]) -> list[Destination]:
        """Whatever the order they were bound in, so that a new start of the broker changes nothing."""
        return sorted(destinations, key=lambda each: (isinstance(each, Queue), each.name))

    def choose(self, keys: Keys, count: int) -> int:
        return crc32("\0".join(keys).encode("utf-8", "surrogateescape")) % count
