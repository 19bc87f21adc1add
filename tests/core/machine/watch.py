"""Queues that write down what happens to their messages, in the order in which it happens."""

from typing import Any

from amqpy.core.message import Message
from amqpy.core.queues.classic import ClassicQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost import Vhost
from amqpy.wire.properties import headers_of
from amqpy.wire.values import decode_array, decode_table
from tests.core.core_harness import FakeTarget

Log = list[tuple[Any, ...]]
"""Events: the name of a method of `QueueModel`, and its arguments."""

History = list[tuple[str, str, int]]
"""The x-death of a message: queue, reason and count."""


def watch(vhost: Vhost, log: Log) -> None:
    """Lets the queues that will be declared write into the log."""
    add_queue = vhost.add_queue

    def add_watched(name: str, kind: type[Queue] = ClassicQueue, **properties: Any) -> Queue:  # noqa: ANN401 (as they are)
        return add_queue(name, watched(kind, log), **properties)

    vhost.add_queue = add_watched  # type: ignore[method-assign]


def watched(kind: type[Queue], log: Log) -> type[Queue]:
    class WatchedQueue(kind):  # type: ignore[misc, valid-type]
        __slots__ = ()

        def publish(self, message: Message) -> bool:
            log.append(("published", self.name, message.body.decode()))
            refused: bool = super().publish(message)
            log.append(("answered", self.name, refused))
            return refused

        def drop(self, position: int, message: Message, reason: str) -> None:
            log.append(("died", self.name, message.body.decode(), reason))
            super().drop(position, message, reason)

        def dead_letter(self, position: int | None, message: Message, reason: str) -> None:
            if position is None:
                log.append(("died", self.name, message.body.decode(), reason))
            super().dead_letter(position, message, reason)

        def purge(self) -> int:
            if self.deleted:
                log.append(("gone", self.name))
            count: int = super().purge()
            return count

    return WatchedQueue


class LoggedTarget(FakeTarget):
    """Writes its deliveries into the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.log.append(("delivered", self, tag, redelivered, message))


def history_of(message: Message) -> History:
    deaths = headers_of(message.header).get("x-death")
    tables = (decode_table(death.value) for death in decode_array(deaths.value)) if deaths else ()
    return [(death["queue"].value, death["reason"].value, death["count"].value) for death in tables]


def delivery_count_of(message: Message) -> int:
    count = headers_of(message.header).get("x-delivery-count")
    return count.value if count else 0
