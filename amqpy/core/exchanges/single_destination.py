"""The base of exchanges that route each message to one of their bindings.

Every binding counts, also where two lead to the same destination, which then gets twice as many messages.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange
from amqpy.core.message import Keys, MessageView


class SingleDestinationExchange(Exchange):
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
            # Deleted, and being unbound bit by bit.
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
        """Chooses a destination: a number below `count`."""
        raise NotImplementedError
