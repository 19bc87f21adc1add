"""A queue: messages in order, consumers in line.

The rule that everything keeps: after each operation is settled, no message waits while a consumer stands in line.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue_process`, `rabbit_variable_queue`.
"""

from collections import deque
from typing import TYPE_CHECKING

from amqpy.core.consumers import Consumer
from amqpy.core.effects import Client
from amqpy.core.message import Message
from amqpy.core.structures import ReadyFifo
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.exchanges import Binding


class Queue:
    """A queue of a vhost. `dirty` is where it asks to be drained when the current operation is over."""

    __slots__ = (
        "arguments",
        "auto_delete",
        "bindings",
        "consumers",
        "deleted",
        "dirty",
        "durable",
        "exclusive_consumer",
        "line",
        "name",
        "owner",
        "ready",
        "unacked",
    )

    def __init__(
        self,
        name: str,
        *,
        durable: bool,
        auto_delete: bool,
        owner: Client | None,
        arguments: Table,
        dirty: dict["Queue", None],
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection an exclusive queue belongs to."""
        self.arguments = arguments
        self.dirty = dirty
        self.bindings: dict[Binding, None] = {}
        self.ready: ReadyFifo[Message] = ReadyFifo()
        self.unacked = 0
        self.consumers: dict[Consumer, None] = {}
        self.line: deque[Consumer] = deque()
        self.exclusive_consumer = False
        self.deleted = False

    def publish(self, message: Message) -> None:
        """Takes responsibility for the message. If a consumer is in line, it gets it now."""
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(), message, False)
                return
        ready.fresh.append(message)

    def drain(self) -> None:
        """Hands out messages as long as there is a message and a consumer in line."""
        ready = self.ready
        while (ready.fresh or ready.returned) and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)

    def _next_consumer(self) -> Consumer | None:
        """Whose turn it is. Those that cannot take a message after all leave the line."""
        line = self.line
        while line:
            consumer = line[0]
            if consumer.can_take():
                if len(line) > 1:
                    line.rotate(-1)
                return consumer
            line.popleft()
            consumer.parked = True
        return None

    def line_up(self, consumer: Consumer) -> None:
        """A consumer can take messages (again)."""
        self.line.append(consumer)
        if self.ready.fresh or self.ready.returned:
            self.dirty[self] = None

    def requeue(self, position: int, message: Message) -> None:
        """An unacknowledged message comes back, to where it was."""
        self.unacked -= 1
        self.ready.put_back(position, message)
        if self.line:
            self.dirty[self] = None

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers[consumer] = None
        consumer.ledger.consumers[consumer] = None
        self.exclusive_consumer = consumer.exclusive
        consumer.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        """What the consumer owes stays owed by its channel."""
        del self.consumers[consumer]
        del consumer.ledger.consumers[consumer]
        if consumer.exclusive:
            self.exclusive_consumer = False
        if not consumer.parked:
            self.line.remove(consumer)
        # Neither in line nor waiting for credit: answers to what it still owes must not bring it back.
        consumer.parked = False
