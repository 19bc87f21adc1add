"""The cache of message deduplication: the keys of messages that were seen before.

Source: noxdafox/rabbitmq-message-deduplication, `RabbitMQMessageDeduplication.Cache`. That removes any entry to make
room for a new one; here it is the oldest.
"""

from collections import OrderedDict
from collections.abc import Hashable

from amqpy.core.structures import DeadlineHeap
from amqpy.wire.values import INTEGER_KINDS, Table, comparable

DEDUPLICATION_HEADER = "x-deduplication-header"


class DuplicateCache:
    """Keys that were seen: at most `size_max` of them, each for `ttl_ms` milliseconds; None is no limit."""

    def __init__(self, size_max: int | None = None, ttl_ms: int | None = None) -> None:
        self.size_max = size_max
        self.ttl_ms = ttl_ms
        self._keys: OrderedDict[Hashable, None] = OrderedDict()
        self._ends: DeadlineHeap[Hashable] = DeadlineHeap()

    def __len__(self) -> int:
        return len(self._keys)

    def seen(self, key: Hashable, now_ms: int) -> bool:
        self._forget_due(now_ms)
        return key in self._keys

    def add(self, key: Hashable, now_ms: int, ttl_ms: int | None = None) -> bool:
        """Adds the key, for its own TTL or the cache's. False if it is there already: nothing changes, not even its
        expiry time."""
        if self.seen(key, now_ms):
            return False
        if self.size_max is not None and len(self._keys) >= self.size_max:
            self.discard(next(iter(self._keys)))  # of an OrderedDict: a dict would look for it ever longer
        self._keys[key] = None
        if ttl_ms is None:
            ttl_ms = self.ttl_ms
        if ttl_ms is not None:
            self._ends.set(key, now_ms + ttl_ms)
        return True

    def discard(self, key: Hashable) -> None:
        self._keys.pop(key, None)
        self._ends.discard(key)

    def clear(self) -> None:
        self._keys.clear()
        self._ends = DeadlineHeap()

    def _forget_due(self, now_ms: int) -> None:
        while (key := self._ends.pop_due(now_ms)) is not None:
            del self._keys[key]


def deduplication_key(headers: Table) -> Hashable:
    """The key that duplicates of a message share, or None when it has none."""
    field = headers.get(DEDUPLICATION_HEADER)
    return None if field is None else (comparable(field),)


def ttl_header(headers: Table) -> int | None:
    """The header `x-cache-ttl` in milliseconds, or None: how long the message's key is kept."""
    field = headers.get("x-cache-ttl")
    return field.value if field is not None and field.kind in INTEGER_KINDS else None
