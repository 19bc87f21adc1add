"""What the tests of stores are made of: batches, messages, and a store that can be left in any way and opened again."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from amqpy.core.durability.journal import POSITION_BITS, Batch, DueTime
from amqpy.core.durability.records import Drop, LaneRecord, Loaded, Put, Record
from amqpy.core.message import AnnotatedMessage, Message, PersistentMessage
from amqpy.store.memory import MemoryStore
from amqpy.store.sqlite import SqliteStore
from amqpy.store.store import Store
from amqpy.wire.properties import content_header

NOW_MS = 1_700_000_000_000
"""The Unix time at which the brokers of these tests start; their own clock starts at 0."""

TRACES = ("persistent", "more_keys", "is_dead_letter", "delivery_count", "acquired_count", "waits_first")

FEW = 8
"""The least messages of a run where `few_are_a_run`."""


def key_of(lane: int, position: int) -> int:
    return lane << POSITION_BITS | position


def lane_record(number: int, owner: str = "q") -> LaneRecord:
    return LaneRecord(number, "/", "queue", owner, 0, 0)


def header_of(body: bytes, *, persistent: bool) -> bytes:
    return content_header(len(body), {"content_type": b"\x01t", "delivery_mode": b"\x02" if persistent else b"\x01"})


def message_of(body: bytes, *, persistent: bool = True, expires_at_ms: int | None = None) -> Message:
    kind = PersistentMessage if persistent else Message
    return kind(b"\x01x\x03key", header_of(body, persistent=persistent), body, expires_at_ms)


def traced(
    body: bytes, *, expires_at_ms: int | None = None, persistent: bool = True, **traces: object
) -> AnnotatedMessage:
    message = message_of(body, persistent=persistent)
    return AnnotatedMessage(
        message.address,
        message.header,
        body,
        expires_at_ms,
        persistent=persistent,
        **traces,  # type: ignore[arg-type]
    )


def look(message: Message) -> tuple[object, ...]:
    """All there is to know of a message."""
    assert type(message.body) is bytes
    parts = (message.address, message.header, message.body, message.expires_at_ms)
    return (*parts, *(getattr(message, name) for name in TRACES))


class Opener(Protocol):
    """Makes stores of one implementation; each call opens what the last one left."""

    def open(self) -> Store: ...

    def crash(self, store: Store) -> None:
        """The process is gone, and with it what was not synced."""


class MemoryOpener:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def open(self) -> Store:
        return self.store

    def crash(self, store: Store) -> None:
        self.store.crash()


class SqliteOpener:
    """In a directory for each run; a crash is a copy of the files as they are."""

    def __init__(self, directory: Path, page_bytes: int = 1024) -> None:
        self._directory = directory
        self._page_bytes = page_bytes
        self._numbers = count()
        self.path = self._next_path()
        self.path.touch()

    def _next_path(self) -> Path:
        directory = self._directory / str(next(self._numbers))
        directory.mkdir()
        return directory / "amqpy.db"

    def open(self) -> SqliteStore:
        return SqliteStore(self.path, sync="os", page_bytes=self._page_bytes)

    def crash(self, store: Store) -> None:
        before, self.path = self.path, self._next_path()
        for end in ("", "-wal"):
            shutil.copyfile(f"{before}{end}", f"{self.path}{end}")
        store.close(is_clean=False)


class Run:
    """A broker's use of a store, from one start to the next."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self.now_ms = NOW_MS
        self._start()

    def _start(self) -> None:
        self.store = self.opener.open()
        self.loaded: Loaded = self.store.load()
        self._number = 0

    def batch(
        self,
        added: dict[int, Message] | None = None,
        *,
        puts: Sequence[Record] = (),
        drops: Sequence[Record] = (),
        removed: Sequence[int] = (),
        cleared: Sequence[tuple[int, int]] = (),
        transient: Sequence[int] = (),
        notes: dict[int, int] | None = None,
    ) -> Batch:
        self._number += 1
        batch = Batch(self._number)
        batch.changes = [*map(Drop, drops), *map(Put, puts)]
        batch.removed = list(removed)
        batch.cleared = list(cleared)
        batch.added = added or {}
        batch.transient = set(transient)
        batch.due_times = {key: DueTime(due_at_ms) for key, due_at_ms in (notes or {}).items()}
        batch.unix_offset_ms = self.now_ms
        return batch

    def write(self, batch: Batch) -> None:
        self.store.append(batch)
        assert self.store.sync() == batch.number

    def restart(self, *, after_ms: int = 0) -> Loaded:
        """In good order."""
        self.store.close(is_clean=True)
        self.now_ms += after_ms
        self._start()
        return self.loaded

    def crash(self) -> Loaded:
        self.opener.crash(self.store)
        self._start()
        return self.loaded

    def start(self) -> Loaded:
        """After `close`."""
        self._start()
        return self.loaded

    def read(
        self, first: int, last: int, *, count_max: int = 10**6, size_max: int = 10**9
    ) -> list[tuple[int, Message]]:
        return self.store.read(first, last, count_max=count_max, size_max=size_max, unix_offset_ms=self.now_ms)

    def all(self, lane: int) -> dict[int, tuple[object, ...]]:
        """The lane's messages by position."""
        found = self.read(key_of(lane, 0), key_of(lane + 1, 0) - 1)
        return {key - key_of(lane, 0): look(message) for key, message in found}

    def close(self) -> None:
        self.store.close(is_clean=False)


def by_size(sizes: Sequence[int], lane: int = 1) -> dict[int, Message]:
    """Messages one behind the other, with bodies of these sizes that are all different."""
    return {key_of(lane, at): message_of(bytes([at % 251]) * size) for at, size in enumerate(sizes)}


def drain(store: Store) -> int:
    """Tidies until nothing is left to do; in how many steps."""
    steps: Iterator[int] = count(1)
    return next(step for step in steps if not store.tidy())


def ask(run: Run, question: str) -> Any:  # noqa: ANN401
    """What somebody else sees in the database."""
    assert isinstance(run.opener, SqliteOpener)
    other = sqlite3.connect(run.opener.path)
    try:
        (answer,) = other.execute(question).fetchone()
    finally:
        other.close()
    return answer
