"""The data directory: for its owner only, and for one broker at a time.

    amqpy.db                 the database, with amqpy.db-wal and amqpy.db-shm beside it while it is open
    amqpy.lock               locked as long as a broker has the directory; its content does not matter

The lock is the kernel's, so that it is released when a broker is killed.
"""

import os
import sqlite3
import sys
from pathlib import Path
from typing import Final

from amqpy.store.sqlite import SqliteStore, Sync
from amqpy.store.store import StoreError

DATABASE: Final = "amqpy.db"
LOCK: Final = "amqpy.lock"
SQLITE_MIN: Final = (3, 32, 0)
"""The first version in which a statement may have as many values as ours have."""


class Lock:
    """Locks a directory against other brokers, until released or the process ends. Raises StoreError."""

    def __init__(self, directory: Path) -> None:
        try:
            self._file = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot write to the data directory {directory}: {error.strerror}") from error
        try:
            take(self._file)
        except OSError:
            os.close(self._file)
            raise StoreError(f"the data directory {directory} is in use by another broker") from None

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1  # the number may be used for another file from now on


if sys.platform == "win32":
    import msvcrt

    def take(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DirectoryStore(SqliteStore):
    """A store that has its directory locked."""

    def __init__(self, directory: Path, *, sync: Sync) -> None:
        self._lock = Lock(directory)
        try:
            path = directory / DATABASE
            if not path.exists():
                make_file(path)
            super().__init__(path, sync=sync)
        except BaseException:
            self._lock.release()
            raise

    def close(self, *, is_clean: bool) -> None:
        try:
            super().close(is_clean=is_clean)
        finally:
            self._lock.release()


def open_store(directory: Path, *, sync: Sync) -> SqliteStore:
    """Opens the store of a directory, which is made if it does not exist. Raises StoreError."""
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        needed = ".".join(map(str, SQLITE_MIN))
        raise StoreError(f"SQLite is too old: it is {sqlite3.sqlite_version}, and {needed} is needed")
    make_directory(directory)
    return DirectoryStore(directory, sync=sync)


def make_directory(directory: Path) -> None:
    """Makes a directory for its owner only; an existing one stays as it is. Raises StoreError."""
    if directory.is_dir():
        return
    try:
        directory.mkdir(mode=0o700, parents=True)
        sync_directory(directory.parent)
    except OSError as error:
        raise StoreError(f"cannot make the data directory {directory}: {error.strerror}") from error


def make_file(path: Path) -> None:
    """Makes a new file for its owner only; SQLite gives its other files the same permissions. Raises StoreError."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync_directory(path.parent)
    except OSError as error:
        raise StoreError(f"cannot make {path}: {error.strerror}") from error


def sync_directory(directory: Path) -> None:
    """Syncs a directory, so that a new name in it survives a power failure. Windows does that by itself."""
    if sys.platform != "win32":
        file = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
