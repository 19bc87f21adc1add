"""The direct exchange: routes to the queues whose binding key is the routing key.

Source: AMQP 0-9-1 section 3.1.3.1; `rabbit_exchange_type_direct`.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Exchange
from amqpy.core.message import Keys, MessageView


class DirectExchange(Exchange):
    type = "direct"

    def prepare(self) -> None:
        self._by_key: dict[str, dict[Binding, None]] = {}

    def index(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.routing_key, {})[binding] = None

    def unindex(self, binding: Binding) -> None:
        bindings = self._by_key[binding.routing_key]
        del bindings[binding]
        if not bindings:
            del self._by_key[binding.routing_key]

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        return [binding for key in keys for binding in self._by_key.get(key, ())]

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return "the same key" if matched else "another key"
