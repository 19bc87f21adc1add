"""The protocol of a store, and its errors.

A store is used by one task at a time for writing (`append`, `sync`), in a thread of its own, because both may wait for
the disk; and by another one for reading, at the same time. It knows neither queues nor clients: only records, and
messages with keys.
"""

from typing import Protocol

from amqpy.core.durability.journal import Batch
from amqpy.core.durability.startup import StartSource
from amqpy.core.streams.segments import SegmentRange


class StoreError(Exception):
    """The store failed; the text is one line for the operator. Batches that were not synced are lost."""


class StoreFull(StoreError):
    """The error for a full disk. No batch appended since the last sync is stored; they may be appended again."""


class Store(StartSource, Protocol):
    """Durable changes and messages."""

    def append(self, batch: Batch) -> None:
        """Buffers a batch, which must not change any more. Keys that it adds are new, or it removes them as well.
        Raises StoreError."""

    def sync(self) -> int:
        """Makes all appended batches durable, as a whole or not at all; returns the number of the last one. Raises
        StoreError; after StoreFull the batches are forgotten, and may be appended again."""

    def tidy(self) -> bool:
        """Does some of the work that can wait, between two syncs: deletes cleared messages, gives space back. True if
        there is more to do. Raises StoreError."""

    def read_ahead(self, first: int, last: int) -> None:
        """Loads messages that will be read soon into caches, if reading is slow. For a thread of its own. Raises
        StoreError."""

    def fetch(self, ranges: list[SegmentRange]) -> None:
        """Loads bytes of segments into the operating system's cache. For a thread of its own. Raises StoreError."""

    def close(self, *, is_clean: bool) -> None:
        """Closes the store: the last call. `is_clean` if everything was written (a clean shutdown)."""
