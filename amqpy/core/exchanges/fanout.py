"""The fanout exchange: routes to every queue that is bound.

Source: AMQP 0-9-1 section 3.1.3.2; `rabbit_exchange_type_fanout`.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Destination, Exchange
from amqpy.core.message import Keys, MessageView


class FanoutExchange(Exchange):
    type = "fanout"

    def index(self, binding: Binding) -> None:
        pass

    def unindex(self, binding: Binding) -> None:
        pass

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        return [binding.destination for binding in self.bindings.values()]
