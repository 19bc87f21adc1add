"""A log that is cut anywhere, or damaged: what is left is all there was up to some sync, and nothing of the next."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from amqpy.core.durability.journal import Batch
from amqpy.store.sqlite import SqliteStore
from tests.store.scripted_batches import State, batches, state_of, states

SEED = 5
BATCHES = 3
BODY_MAX = 60
PARTS = 4
"""Tests of their own, that may run side by side."""


class Told(NamedTuple):
    """The story, written down without an end."""

    database: bytes
    log: bytes
    ends: list[int]
    """How long the log was after each batch; before the first one, it was not there."""
    states: list[State]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    path = tmp_path_factory.mktemp("story") / "amqpy.db"
    path.touch()
    SqliteStore(path, sync="os", page_bytes=512).close(is_clean=True)
    store = SqliteStore(path, sync="os")
    store.load()
    log = Path(f"{path}-wal")
    ends = [0]
    for batch in batches(SEED, size_max=BODY_MAX):
        store.append(batch)
        store.sync()
        ends.append(log.stat().st_size)
        if batch.number == BATCHES:
            break
    found = Told(path.read_bytes(), log.read_bytes(), ends, states(SEED, BATCHES, size_max=BODY_MAX))
    store.close(is_clean=False)
    assert sorted(set(ends)) == ends
    return found


@pytest.fixture
def directory() -> Iterator[Path]:
    """In memory where there is such a place: ten thousand databases are opened here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def recovered(directory: Path, database: bytes, log: bytes) -> State:
    path = directory / "amqpy.db"
    path.write_bytes(database)
    Path(f"{path}-wal").write_bytes(log)
    store = SqliteStore(path, sync="os")
    state = state_of(store)
    store.close(is_clean=False)
    return state


@pytest.mark.parametrize("part", range(PARTS))
def test_a_log_cut_at_any_byte_leaves_all_that_was_synced_before(told: Told, directory: Path, part: int) -> None:
    for cut in range(part, len(told.log) + 1, PARTS):
        synced = max(number for number, end in enumerate(told.ends) if end <= cut)
        assert recovered(directory, told.database, told.log[:cut]) == told.states[synced], f"cut at {cut}"


def test_a_log_damaged_anywhere_leaves_all_that_was_synced_before(told: Told, directory: Path) -> None:
    for at in range(32, len(told.log), 41):
        damaged = told.log[:at] + bytes([told.log[at] ^ 0x10]) + told.log[at + 1 :]
        synced = max(number for number, end in enumerate(told.ends) if end <= at)
        assert recovered(directory, told.database, damaged) == told.states[synced], f"damaged at {at}"


def test_a_log_that_began_anew_is_not_mistaken_for_the_old_one(directory: Path) -> None:
    """After its pages went to their places, a log is written from the start again, over what it was before."""
    for cut in range(0, 60_000, 997):
        shutil.rmtree(directory / "a", ignore_errors=True)
        (directory / "a").mkdir()
        path = directory / "a" / "amqpy.db"
        path.touch()
        store = SqliteStore(path, sync="os", page_bytes=512)
        store.load()
        for batch in _some(8):
            store.append(batch)
            store.sync()
            if batch.number == 5:
                other = SqliteStore(path, sync="os")
                other._writer.execute("PRAGMA wal_checkpoint(RESTART)")  # noqa: SLF001 (which happens by chance else)
                other.close(is_clean=False)
        database, log = path.read_bytes(), Path(f"{path}-wal").read_bytes()
        store.close(is_clean=False)
        assert recovered(directory, database, log[:cut]) in states(SEED, 8, size_max=BODY_MAX)[5:]
        assert recovered(directory, database, log) == states(SEED, 8, size_max=BODY_MAX)[8]


def _some(count: int) -> Iterator[Batch]:
    for batch in batches(SEED, size_max=BODY_MAX):
        yield batch
        if batch.number == count:
            return
