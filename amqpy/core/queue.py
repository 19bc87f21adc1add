"""A queue: messages in order, consumers in line.

The rule that everything keeps: after each operation is settled, no message waits while a consumer stands in line.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue_process`, `rabbit_variable_queue`.
"""

from collections import deque
from typing import TYPE_CHECKING

from amqpy.core.agenda import Agenda
from amqpy.core.arguments import Definition, Settings, settings_of
from amqpy.core.consumers import Consumer
from amqpy.core.effects import Client
from amqpy.core.message import Message
from amqpy.core.structures import ReadyFifo
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.exchanges import Binding


class Queue:
    """A queue of a vhost."""

    __slots__ = (
        "agenda",
        "arguments",
        "auto_delete",
        "bindings",
        "consumers",
        "definition",
        "deleted",
        "durable",
        "exclusive_consumer",
        "expires_at_ms",
        "line",
        "name",
        "operator_policy",
        "owner",
        "policy",
        "ready",
        "settings",
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
        agenda: Agenda,
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection an exclusive queue belongs to."""
        self.arguments = arguments
        self.policy: str | None = None
        self.operator_policy: str | None = None
        self.definition: Definition = {}
        """What its policies say."""
        self.settings = settings_of(arguments, {})
        self.agenda = agenda
        self.bindings: dict[Binding, None] = {}
        self.ready: ReadyFifo[Message] = ReadyFifo()
        self.unacked = 0
        self.consumers: dict[Consumer, None] = {}
        self.line: deque[Consumer] = deque()
        self.exclusive_consumer = False
        self.deleted = False
        self.expires_at_ms: int | None = None
        """When its first message expires, as the agenda has it."""

    def configure(self, settings: Settings) -> None:
        """Settings change, because a policy did."""
        self.settings = settings

    def publish(self, message: Message) -> None:
        """Takes responsibility for the message. If a consumer is in line, it gets it now."""
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(), message, False)
                return
        ready.fresh.append(message)
        if message.expires_at_ms is not None:
            self.watch_first()

    def drain(self) -> None:
        """Hands out messages as long as there is a message and a consumer in line."""
        ready = self.ready
        while (ready.fresh or ready.returned) and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
        if self.expires_at_ms is not None:
            self.watch_first()

    def watch_first(self) -> None:
        """Puts on the agenda when the first message expires. Those behind it wait until they are first (as in
        RabbitMQ's classic queues): only the first one can be had, and so none is had too late."""
        first = self.ready.first()
        at_ms = None if first is None else first.expires_at_ms
        if at_ms == self.expires_at_ms:
            return
        self.expires_at_ms = at_ms
        if at_ms is None:
            self.agenda.deadlines.discard(self)
        else:
            self.agenda.deadlines.set(self, at_ms)

    def on_time(self) -> None:
        """The first message's time has come (`agenda.Timed`)."""
        self.expires_at_ms = None
        now_ms = self.agenda.now_ms
        while (first := self.ready.first()) and first.expires_at_ms is not None and first.expires_at_ms <= now_ms:
            self.ready.pop()
        self.watch_first()

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
            self.agenda.dirty[self] = None

    def requeue(self, position: int, message: Message) -> None:
        """An unacknowledged message comes back, to where it was."""
        self.unacked -= 1
        self.ready.put_back(position, message)
        if self.line:
            self.agenda.dirty[self] = None
        if message.expires_at_ms is not None or self.expires_at_ms is not None:
            self.watch_first()

    def discard(self) -> int:
        """Drops the messages that wait, to be freed bit by bit; returns their number."""
        messages = self.ready.clear()
        count = len(messages)
        if count:
            self.agenda.discarded.append(messages)
        if self.expires_at_ms is not None:
            self.watch_first()
        return count

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
