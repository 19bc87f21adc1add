"""The write-ahead log's file."""

import sqlite3
from contextlib import closing
from pathlib import Path

from amqpy.core.durability.journal import Batch
from amqpy.core.message import PersistentMessage
from amqpy.store.sqlite import SqliteStore
from tests.store.material import key_of


def test_the_log_is_made_long_once(tmp_path: Path) -> None:
    """A sync is quicker where no file grows. What makes room is never there."""
    path = tmp_path / "amqpy.db"
    path.touch()
    log = Path(f"{path}-wal")
    store = SqliteStore(path, page_bytes=512)
    store.load()
    store.append(batch_of(1))
    store.sync()
    short = log.stat().st_size
    assert not store.tidy()
    long = log.stat().st_size
    assert long > 10 * short
    for number in range(2, 20):
        store.append(batch_of(number))
        store.sync()
        assert not store.tidy()
    assert log.stat().st_size == long
    store.close(is_clean=True)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*), min(key) FROM messages").fetchone() == (19, key_of(1, 1))


def batch_of(number: int) -> Batch:
    batch = Batch(number)
    batch.added[key_of(1, number)] = PersistentMessage(b"\0\1q", bytes(14), b"body")
    return batch
