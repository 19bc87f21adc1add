"""What a store can do, and how it fails.

A store is used by one task at a time for writing (`append`, `sync`), in a thread of its own, because both may wait for
the disk; and for reading by another, at the same time. It knows neither queues nor clients: only records, and messages
with keys.
"""

from typing import Protocol

from amqpy.core.durability.journal import Batch
from amqpy.core.durability.startup import StartSource


class StoreError(Exception):
    """The store cannot go on; the text is one line for the operator. What was not synced is lost."""


class StoreFull(StoreError):
    """There is no space. Nothing of what was appended since the last sync is stored; the same may be tried again."""


class Store(StartSource, Protocol):
    """Durable changes and messages."""

    def append(self, batch: Batch) -> None:
        """Buffers a batch, which must not change any more. Keys that it adds are new, or it removes them, too. Raises
        StoreError."""

    def sync(self) -> int:
        """Makes all that was appended durable, as a whole or not at all; the number of the last batch. Raises
        StoreError; after StoreFull, what was appended is forgotten, and may be appended again."""

    def tidy(self) -> bool:
        """Does a bit of what can wait, between two syncs: deletes what was cleared, gives space back. Whether there
        is more to do. Raises StoreError."""

    def read_ahead(self, first: int, last: int) -> None:
        """These keys will be read soon: has them at hand, where that takes time. For a thread of its own. Raises
        StoreError."""

    def close(self, *, is_clean: bool) -> None:
        """The last call. `is_clean`: all there was to write is written."""
