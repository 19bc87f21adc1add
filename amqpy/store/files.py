"""Checks that the open files of the database are still the ones at their paths.

A file that was deleted or replaced can still be written to, and is lost at the next start; so this is checked before
each commit. Each system call releases Python's interpreter lock, and then waits for it: therefore only the directory
is looked at where that is enough, because any such change sets its modification time.
"""

import os
import time
from pathlib import Path
from typing import Final

from amqpy.store.store import StoreError

SETTLED_NS: Final = 10**9
"""The least age of a change of the directory, in ns, to be distinguished from the next one: file systems' clocks are
coarse."""
SIGHT_MAX: Final = 64
"""Checks in a row that may look at the directory only."""


class Files:
    """The files of a database and its log, in one directory. Raises StoreError when they are gone or replaced."""

    def __init__(self, database: Path) -> None:
        log = Path(f"{database}-wal")
        self._identities = [(path, _identity(_stat(path))) for path in (database, log)]
        self._directory = database.parent
        self._settled: tuple[int, int, int] | None = None
        """The directory's identity and time when both files were last found in it."""
        self._trusted = 0
        self.log_bytes = 0
        """The size of the log at the last full check, which is often enough."""

    def check(self) -> None:
        found = _stat(self._directory)
        directory = (found.st_dev, found.st_ino, found.st_mtime_ns)
        if directory == self._settled and self._trusted < SIGHT_MAX:
            self._trusted += 1
            return
        for path, identity in self._identities:
            file = _stat(path)
            if _identity(file) != identity:
                raise StoreError(f"{path} was replaced while it was in use")
            self.log_bytes = file.st_size
        self._trusted = 0
        self._settled = directory if time.time_ns() - found.st_mtime_ns > SETTLED_NS else None


def _stat(path: Path) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise StoreError(f"{path} is gone: {error.strerror}") from None


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino
