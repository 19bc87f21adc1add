"""Connections to the database, their errors, and the records that are read through them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from amqpy.core.durability.records import Record
from amqpy.store.reading import DamagedMessage
from amqpy.store.rows import KINDS, to_record
from amqpy.store.statements import KeyTaken
from amqpy.store.store import StoreError, StoreFull

BUSY_S: Final = 60
"""Seconds to wait for the lock of another process, such as `sqlite3` writing by hand."""
STATEMENTS_KEPT: Final = 128

FULL_CODES: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


@contextmanager
def translate_errors(path: Path, doing: str) -> Iterator[None]:
    """Turns errors of SQLite, and of what was read, into StoreError."""
    try:
        yield
    except DamagedMessage as error:
        raise StoreError(f"{path} is damaged: {error}") from None
    except (sqlite3.Error, KeyTaken) as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        text = f"cannot {doing} {path}: {error} ({name})"
        if getattr(error, "sqlite_errorcode", None) in FULL_CODES:
            raise StoreFull(text) from error
        raise StoreError(text) from error


def connect(path: Path) -> sqlite3.Connection:
    """Opens an existing database, for one thread at a time. Raises sqlite3.Error."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_KEPT,
    )


def load_records(connection: sqlite3.Connection) -> list[Record]:
    """Loads the records, those of each kind in the order in which they were first put."""
    return [
        to_record(kind, list(row))
        for kind in KINDS.values()
        for row in connection.execute(f"SELECT {', '.join(kind.columns)} FROM {kind.table} ORDER BY id")
    ]
