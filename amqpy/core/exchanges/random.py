"""The random exchanges: route to one of the bindings, chosen at random.

Source: `rabbit_exchange_type_random`, `rabbit_exchange_type_local_random`.
"""

from amqpy.core.exchanges.exchange import Binding
from amqpy.core.exchanges.single_destination import SingleDestinationExchange
from amqpy.core.message import Keys
from amqpy.core.queues.queue import Queue
from amqpy.errors import PreconditionFailed


class RandomExchange(SingleDestinationExchange):
    type = "x-random"
    per_message = True

    def choose(self, keys: Keys, count: int) -> int:
        return self.vhost.choose(count)


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
