"""Publishing by the broker itself: events, and the copies of the firehose.

Messages noted during an operation are published when it is settled, in order, so that an operation is complete before
its consequences. So they wait for one turn at most, and are bounded by what one turn does. There is no cycle: no
event tells that a message was published, and the firehose does not copy its own messages.
"""

import struct
from collections import deque

from amqpy.core.exchanges import Exchange
from amqpy.core.message import Message, PersistentMessage, address_of
from amqpy.core.scheduler import Scheduler
from amqpy.wire.properties import content_header, headers_property
from amqpy.wire.values import Table, encode_table

PERSISTENT = b"\x02"


class InternalPublisher:
    """Publishes noted messages when the operation is over (`scheduler.TimerTarget`): its timer is due at once."""

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
        """Notes a message for an exchange. With a time it is persistent and has that timestamp (in seconds)."""
        properties = {"headers": headers_property(encode_table(headers))}
        if unix_time_ms is not None:
            properties["delivery_mode"] = PERSISTENT
            properties["timestamp"] = struct.pack(">Q", unix_time_ms // 1000)
        address = address_of(exchange.name, routing_key)
        kind = Message if unix_time_ms is None else PersistentMessage
        if not self._waiting:
            self._scheduler.deadlines.set(self, self._scheduler.now_ms)
        self._waiting.append((exchange, kind(address, content_header(len(body), properties), body)))

    def on_timer(self) -> None:
        while self._waiting:
            exchange, message = self._waiting.popleft()
            exchange.vhost.publish(exchange, message)
