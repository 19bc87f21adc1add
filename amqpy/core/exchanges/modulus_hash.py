"""The modulus hash exchange: to one of the bindings, by the hash of the routing key.

Source: `rabbit_exchange_type_modulus_hash`.
"""

from zlib import crc32

from amqpy.core.exchanges.exchange import Destination
from amqpy.core.exchanges.single_destination import SingleDestinationExchange
from amqpy.core.message import Keys
from amqpy.core.queues.queue import Queue


class ModulusHashExchange(SingleDestinationExchange):
    """The same keys go to the same binding as long as the bindings stay."""

    type = "x-modulus-hash"

    def in_order(self, destinations: list[Destination]) -> list[Destination]:
        """Whatever the order they were bound in, so that a new start of the broker changes nothing."""
        return sorted(destinations, key=lambda each: (isinstance(each, Queue), each.name))

    def choose(self, keys: Keys, count: int) -> int:
        return crc32("\0".join(keys).encode("utf-8", "surrogateescape")) % count
