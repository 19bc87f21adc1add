"""Confirms and replies that are sent only when the changes they report are durable.

A client relies on a confirm, declare-ok and commit-ok: the message, the queue, the transaction survives a crash. So
confirms wait for the batch of the journal that holds their messages, and a reply holds back everything that the
connection sends after it until its batch is durable: this takes little time, and nothing may overtake it. When the
disk is full it takes longer: heartbeats and connection.blocked do not wait.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpy.core.durability.journal import Batch, Journal
    from amqpy.wire.outbox import Outbox


class DurableReplies:
    """The held confirms and replies of one connection. Without a journal nothing is held."""

    __slots__ = ("_added_count", "_outbox", "_overflow_count", "journal", "stores")

    def __init__(self, journal: "Journal | None", outbox: "Outbox") -> None:
        self.journal = journal
        self._outbox = outbox
        self._added_count = 0
        """`Journal.added_count` at the beginning of this turn."""
        self._overflow_count = 0
        """`Journal.overflow_count` at the beginning of this turn."""
        self.stores = False
        """True if the client publishes messages that are stored, and so waits when the store does not keep up."""

    def begin(self) -> None:
        """Begins a turn of the connection."""
        if self.journal is not None:
            self._added_count = self.journal.added_count
            self._overflow_count = self.journal.overflow_count

    def batch(self) -> "Batch | None":
        """The batch with the messages stored in this turn, if confirms must wait for it; else None."""
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
        """Holds the replies from this chunk of the outbox on until the batch that gathers is durable."""
        journal = self.journal
        if journal is not None and journal.is_awaited and not journal.batch.is_empty:
            self._hold_for(journal.batch, first)

    def hold_for_others(self) -> None:
        """Holds the next reply until earlier changes are durable: another client may have just made the declaration
        that it repeats."""
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
        """Releases replies held for this batch or an earlier one (`durability.journal.Waiter`)."""
        held_for = self._outbox.held_for
        if held_for is not None and held_for <= number:
            self._outbox.release()
