"""The base of exchanges that route each message to one of their bindings.

Every binding counts, also where two lead to the same destination, which then gets twice as many messages.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Exchange
from amqpy.core.message import Keys, MessageView


class SingleDestinationExchange(Exchange):
    """Keeps the bindings as a list, made anew after they changed."""

    def prepare(self) -> None:
        self._listed: list[Binding] | None = []

    def index(self, binding: Binding) -> None:
        self._listed = None

    def unindex(self, binding: Binding) -> None:
        self._listed = None

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        chosen = self._choose(keys)
        if chosen and chosen[0].destination.deleted:
            # Deleted, and being unbound bit by bit.
            self._listed = None
            chosen = self._choose(keys)
        return chosen

    def _choose(self, keys: Keys) -> list[Binding]:
        candidates = self.candidates()
        count = len(candidates)
        return [candidates[self.choose(keys, count)]] if count else []

    def candidates(self) -> list[Binding]:
        """The bindings of which one is chosen."""
        if self._listed is None:
            self._listed = self.in_order([each for each in self.bindings.values() if not each.destination.deleted])
        return self._listed

    def in_order(self, bindings: list[Binding]) -> list[Binding]:
        return bindings

    def choose(self, keys: Keys, count: int) -> int:
        """Chooses a binding: a number below `count`."""
        raise NotImplementedError
