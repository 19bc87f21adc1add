"""The modulus hash exchange: routes to one of the bindings, by the hash of the routing key.

Source: `rabbit_exchange_type_modulus_hash`.
"""

from zlib import crc32

from amqpy.core.exchanges.exchange import Binding
from amqpy.core.exchanges.single_destination import SingleDestinationExchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.queues.queue import Queue


class ModulusHashExchange(SingleDestinationExchange):
    """Routes the same keys to the same binding as long as the bindings stay."""

    type = "x-modulus-hash"

    def in_order(self, bindings: list[Binding]) -> list[Binding]:
        """Sorts by the destinations, so that the order of binding, and so a restart, does not matter."""
        return sorted(bindings, key=lambda each: (isinstance(each.destination, Queue), each.destination.name))

    def choose(self, keys: Keys, count: int) -> int:
        return _hash(keys) % count

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return "the hash of the key chose it" if matched else "the hash of the key chose another"

    def remark(self, keys: Keys, view: MessageView) -> str:
        count = len(self.candidates())
        if not count:
            return ""
        hashed = _hash(keys)
        return f"the hash of the key is {hashed}; modulo {count} bindings it chooses number {hashed % count}"


def _hash(keys: Keys) -> int:
    return crc32("\0".join(keys).encode("utf-8", "surrogateescape"))
