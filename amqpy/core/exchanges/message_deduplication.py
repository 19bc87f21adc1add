"""x-message-deduplication: a fanout exchange that routes each message once.

Messages are the same when their header `x-deduplication-header` is; those without it are always routed. A message
that was seen before is unroutable: it goes to the alternate exchange, or is returned if it is mandatory.

Source: noxdafox/rabbitmq-message-deduplication, `RabbitMQMessageDeduplication.Exchange`.
"""

from collections.abc import Iterable

from amqpy.core.deduplication import DuplicateCache, deduplication_key, ttl_header
from amqpy.core.exchanges.exchange import Destination
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
            return super().match(keys, view)
        return []


def _number_in(arguments: Table, name: str) -> int | None:
    """The argument as a positive integer, which may be given as a string; None for everything else."""
    match arguments.get(name):
        case Field(kind, int(value)) if kind in INTEGER_KINDS and value > 0:
            return value
        case Field("longstr", str(value)) if value.isascii() and value.isdigit() and 0 < len(value) < 20:
            return int(value) or None
    return None
