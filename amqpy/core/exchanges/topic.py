"""The topic exchange: routes to the queues whose binding pattern matches the words of the routing key.

Source: AMQP 0-9-1 section 3.1.3.3; `rabbit_exchange_type_topic`.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.structures import TopicTrie
from amqpy.errors import PreconditionFailed


class TopicExchange(Exchange):
    type = "topic"

    def prepare(self) -> None:
        self._trie: TopicTrie[Binding] = TopicTrie()

    def check_binding(self, binding: Binding) -> None:
        key, most = binding.routing_key, self.vhost.profile.topic_hashes_max
        count = _words(key).count("#")
        if most is not None and count > most:
            raise PreconditionFailed(
                f"Topic binding key '{key}' uses {count} '#' wildcards, at most {most} are allowed"
            )

    def index(self, binding: Binding) -> None:
        self._trie.add(_words(binding.routing_key), binding)

    def unindex(self, binding: Binding) -> None:
        self._trie.remove(_words(binding.routing_key), binding)

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        return [binding.destination for key in keys for binding in self._trie.match(_words(key))]


def _words(key: str) -> list[str]:
    """Splits a key into words. An empty key has none; `a..b` has an empty one."""
    return key.split(".") if key else []
