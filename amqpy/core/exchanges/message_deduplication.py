"""x-message-deduplication: a fanout exchange that routes each message once.

Messages are the same when their header `x-deduplication-header` is; those without it are always routed. A message
that was seen before is unroutable: it goes to the alternate exchange, or is returned if it is mandatory.

Source: noxdafox/rabbitmq-message-deduplication, `RabbitMQMessageDeduplication.Exchange`.
"""

from collections.abc import Iterable

from amqpy.core.deduplication import DEDUPLICATION_HEADER, DuplicateCache, deduplication_key, ttl_header
from amqpy.core.exchanges.exchange import Binding, Destination
from amqpy.core.exchanges.fanout import FanoutExchange
from amqpy.core.message import Keys, MessageView
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import INTEGER_KINDS, Field, Table


class MessageDeduplicationExchange(FanoutExchange):
    type = "x-message-deduplication"
    per_message = True

    def prepare(self) -> None:
        self._seen = DuplicateCache(
            size_max=_number_in(self.arguments, "x-cache-size"), ttl_ms=_number_in(self.arguments, "x-cache-ttl")
        )

    @classmethod
    def check_arguments(cls, arguments: Table, profile: Profile) -> None:
        if _number_in(arguments, "x-cache-size") is None:
            raise PreconditionFailed("Missing or invalid argument, 'x-cache-size' must be an integer greater than 0")
        if "x-cache-ttl" in arguments and _number_in(arguments, "x-cache-ttl") is None:
            raise PreconditionFailed("Invalid argument, 'x-cache-ttl' must be an integer greater than 0")
        if arguments.get("x-cache-persistence") not in (None, Field("longstr", "memory"), Field("longstr", "disk")):
            raise PreconditionFailed("Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'")

    def match(self, keys: Keys, view: MessageView) -> Iterable[Destination]:
        key = deduplication_key(view.headers)
        if key is None or self._seen.add(key, self.vhost.scheduler.now_ms, ttl_header(view.headers)):
            return [binding.destination for binding in super().matching(keys, view)]
        return []

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        return [] if self._is_seen(view) else super().matching(keys, view)

    def _is_seen(self, view: MessageView) -> bool:
        key = deduplication_key(view.headers)
        return key is not None and self._seen.seen(key, self.vhost.scheduler.now_ms)

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return super().explain(binding, keys, view, matched=True) if matched else "the message was seen before"

    def remark(self, keys: Keys, view: MessageView) -> str:
        if deduplication_key(view.headers) is None:
            return f"without a header {DEDUPLICATION_HEADER} it is no duplicate"
        if self._is_seen(view):
            return f"a duplicate: a message with the same {DEDUPLICATION_HEADER} was here"
        return f"the first with this {DEDUPLICATION_HEADER}; the next is a duplicate"


def _number_in(arguments: Table, name: str) -> int | None:
    """The argument as a positive integer, which may be given as a string; None for everything else."""
    match arguments.get(name):
        case Field(kind, int(value)) if kind in INTEGER_KINDS and value > 0:
            return value
        case Field("longstr", str(value)) if value.isascii() and value.isdigit() and 0 < len(value) < 20:
            return int(value) or None
    return None
