"""A queue whose messages stay: what takes messages out of others means nothing to it, or less."""

from collections.abc import Iterator, Sequence

from amqpy.core.consumer import ReturnWay
from amqpy.core.jobs import Steps
from amqpy.core.message import Message
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.queue import Ahead, Queue


class KeptQueue(Queue):
    """A queue from which nothing is ever taken, and to which nothing comes back."""

    __slots__ = ()

    def reject(self, position: int, message: Message) -> None:
        """Counts an unacknowledged message as settled: nothing happens to it."""
        self.settled_count += 1
        self.counts.requeued += 1

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        self.settled_count += 1
        self.counts.requeued += 1

    def settled(self, position: int, message: Message) -> None:
        """Does nothing: messages stay."""

    def settled_all(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """Does nothing: messages stay."""

    def dead_lettered(self, position: int | None, message: Message) -> None:
        """Does nothing: there are no dead letters."""

    def level_of(self, message: Message) -> int:
        return 0

    def expire(self) -> Steps:
        return iter(())

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """None: basic.get is refused before."""
        return None

    def take_out(self, some: Sequence[Ahead]) -> None:
        """Nothing: what would take messages out is refused before, as queue.purge is."""

    def lanes(self) -> Iterator[PagedFifo | DelayedMessages]:
        """None: its lane has no messages, only a number for its directory."""
        return iter(())

    def restored(self) -> None:
        """Does nothing: its messages are complete once its lane is restored."""

    def purge(self) -> int:
        """Drops nothing: clients may not ask for it, and a stream that is deleted goes as a whole."""
        return 0
