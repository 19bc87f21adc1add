"""What a connection tells its client only when it is durable.

A confirm, the reply to a declaration and that to a commit are promises: what they tell of survives. So confirms wait
for the batch of the journal that has what was published, and replies keep back all that the connection says until
theirs is durable: it is soon, and nothing may overtake them. But when the disk is full it is not so soon: heartbeats,
and the news of that, do not wait.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpy.core.durability.journal import Batch, Journal
    from amqpy.wire.outbox import Outbox


class DurableReplies:
    """Those of one connection. Without a journal nothing is durable, and nothing waits for anything."""

    __slots__ = ("_added_count", "_outbox", "_overflow_count", "journal", "stores")

    def __init__(self, journal: "Journal | None", outbox: "Outbox") -> None:
        self.journal = journal
        self._outbox = outbox
        self._added_count = 0
        """How many messages had been stored when this turn began."""
        self._overflow_count = 0
        """The same of those that are only stored because there are so many."""
        self.stores = False
        """Whether the client publishes what is stored, and so waits when the store does not keep up."""

    def begin(self) -> None:
        """A turn of the connection begins."""
        if self.journal is not None:
            self._added_count = self.journal.added_count
            self._overflow_count = self.journal.overflow_count

    def batch(self) -> "Batch | None":
        """The batch that has what this turn stored, if the client is to wait for that."""
        journal = self.journal
        if journal is None:
            return None
        if journal.overflow_count != self._overflow_count:
            self.stores = True
        if journal.added_count == self._added_count:
            return None
        self.stores = True
        return journal.batch if journal.is_awaited else None

    def hold_until_durable(self, first: int) -> None:
        """Replies, from this chunk of the outbox on, promise what is not durable yet: they leave when it is."""
        journal = self.journal
        if journal is not None and journal.is_awaited and not journal.batch.is_empty:
            self._hold_for(journal.batch, first)

    def hold_for_others(self) -> None:
        """The next reply promises what was there already: somebody else declared it, perhaps only just now."""
        journal = self.journal
        if journal is None or not journal.is_awaited:
            return
        if journal.batch.changes:
            self._hold_for(journal.batch, len(self._outbox.chunks))
        elif journal.writing is not None and journal.writing.changes and self._outbox.held_for is None:
            self._hold_for(journal.writing, len(self._outbox.chunks))

    def _hold_for(self, batch: "Batch", first: int) -> None:
        self._outbox.hold(batch.number, first)
        batch.waiting[self] = None

    def on_durable(self, number: int) -> None:
        """A batch is durable, and all before it (`durability.journal.Waiter`)."""
        held_for = self._outbox.held_for
        if held_for is not None and held_for <= number:
            self._outbox.release()
