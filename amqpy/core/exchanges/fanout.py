"""The fanout exchange: routes to every queue that is bound.

Source: AMQP 0-9-1 section 3.1.3.2; `rabbit_exchange_type_fanout`.
"""

from collections.abc import Iterable

from amqpy.core.exchanges.exchange import Binding, Exchange
from amqpy.core.message import Keys, MessageView


class FanoutExchange(Exchange):
    type = "fanout"

    def index(self, binding: Binding) -> None:
        pass

    def unindex(self, binding: Binding) -> None:
        pass

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        return self.bindings.values()

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return "every message, whatever its key" if matched else "none"
