"""The modulus hash exchange: routes to one of the bindings, by the hash of the routing key.

Source: `rabbit_exchange_type_modulus_hash`.
"""

from zlib import crc32

from amqpy.core.exchanges.exchange import Destination
from amqpy.core.exchanges.single_destination import SingleDestinationExchange
from amqpy.core.message import Keys
from amqpy.core.queues.queue import Queue


class ModulusHashExchange(SingleDestinationExchange):
    """Routes the same keys to the same binding as long as the bindings stay."""

    type = "x-modulus-hash"

    def in_order(self, destinations: list[Destination]) -> list[Destination]:
        """Sorts the destinations, so that the order of binding, and so a restart, does not matter."""
        return sorted(destinations, key=lambda each: (isinstance(each, Queue), each.name))

    def choose(self, keys: Keys, count: int) -> int:
        return crc32("\0".join(keys).encode("utf-8", "surrogateescape")) % count
