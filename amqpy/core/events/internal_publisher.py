"""What the broker itself publishes: events, and the copies of the firehose.

What is announced while an operation goes on is published when it is settled, in order: an operation is whole before
its consequences. So nothing waits longer than a turn, and no more than one turn has to tell. Nor is there a circle:
no event tells that a message was published, and the firehose makes no copies of its own.
"""

import struct
from collections import deque

from amqpy.core.exchanges import Exchange
from amqpy.core.message import Message, PersistentMessage
from amqpy.core.scheduler import Scheduler
from amqpy.wire.properties import content_header, headers_property
from amqpy.wire.values import Table, encode_table

SHORTSTR_MAX = 255
PERSISTENT = b"\x02"


class InternalPublisher:
    """Publishes when the operation is over (`scheduler.TimerTarget`): whatever is announced is due at once."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: deque[tuple[Exchange, Message]] = deque()

    def publish(
        self,
        exchange: Exchange,
        routing_key: str,
        headers: Table,
        body: bytes = b"",
        *,
        unix_time_ms: int | None = None,
    ) -> None:
        """A message for an exchange. With a time it is persistent and says when that was."""
        properties = {"headers": headers_property(encode_table(headers))}
        if unix_time_ms is not None:
            properties["delivery_mode"] = PERSISTENT
            properties["timestamp"] = struct.pack(">Q", unix_time_ms // 1000)
        address = _shortstr(exchange.name) + _shortstr(routing_key)
        kind = Message if unix_time_ms is None else PersistentMessage
        if not self._waiting:
            self._scheduler.deadlines.set(self, self._scheduler.now_ms)
        self._waiting.append((exchange, kind(address, content_header(len(body), properties), body)))

    def on_timer(self) -> None:
        while self._waiting:
            exchange, message = self._waiting.popleft()
            for queue in exchange.vhost.queues_of(exchange, message):
                queue.publish(message)


def _shortstr(value: str) -> bytes:
    """As much of it as fits: a name with a prefix may be too long for a routing key."""
    raw = value.encode("utf-8", "surrogateescape")[:SHORTSTR_MAX]
    return bytes((len(raw),)) + raw
