"""The random exchanges: route to one of the bindings, chosen at random.

Source: `rabbit_exchange_type_random`, `rabbit_exchange_type_local_random`.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Destination
from amqpy.core.exchanges.single_destination import SingleDestinationExchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.queues.queue import Queue
from amqpy.errors import PreconditionFailed


class RandomExchange(SingleDestinationExchange):
    type = "x-random"
    per_message = True
    is_random = True

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        """All that chance may choose."""
        return self.candidates()

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        return [binding.destination for binding in super().matching(keys, view)]

    def choose(self, keys: Keys, count: int) -> int:
        return self.vhost.choose(count)

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return "chance may choose it" if matched else "none"

    def remark(self, keys: Keys, view: MessageView) -> str:
        count = len(self.candidates())
        return f"each message goes to one of {count}, by chance" if count > 1 else ""


class LocalRandomExchange(RandomExchange):
    """RabbitMQ 4's x-local-random: routes to one of the classic queues on the publisher's node."""

    type = "x-local-random"

    def check_binding(self, binding: Binding) -> None:
        if binding.routing_key:
            raise PreconditionFailed(f"Non empty binding '{binding.routing_key}' key not permitted")
        if not isinstance(binding.destination, Queue):
            raise PreconditionFailed("Destination not found")
        if binding.destination.type != "classic":
            kind = f"rabbit_{binding.destination.type}_queue"
            raise PreconditionFailed(f"Queue type {kind} not valid for this exchange type")
