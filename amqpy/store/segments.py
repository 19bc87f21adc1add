"""The segments of streams, in files (docs/store.md).

    streams/<number>/<first offset, 20 digits>.segment     and .index beside it

One thread writes, with `apply` and `tidy`; the event loop reads, and must not wait for the disk: what is not in the
operating system's cache is read by a thread before (`fetch`). Every write is at a position that was decided before, so
a batch that found the disk full is written again over what was written of it.

A file is made longer ahead of what is written, for a sync is quicker where no file grows. So behind the last chunk
there may be zeros, and after a crash anything: a start walks over the last chunks, checks them, and cuts the file
behind the last one that is whole. All that was synced is before that.

An index is written when its segment ends, and now and then before, without a sync: it is only trusted if there is such
a chunk where it says, and else made anew.
"""

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

from amqpy.core.streams.segments import (
    FILE_HEADER,
    FIRST_AT,
    RECORD_SIZE,
    ChunkWrite,
    Index,
    IndexRecord,
    SegmentChanges,
    SegmentEnd,
    SegmentName,
    SegmentRange,
    SegmentState,
    state_of,
    walk,
)
from amqpy.store.store import StoreError, StoreFull
from amqpy.wire.chunk import HEAD_SIZE, read_head
from amqpy.wire.values import MalformedValue

DIRECTORY: Final = "streams"
GONE: Final = ".gone"
"""Behind the name of a stream's directory that is being deleted."""

OPEN_MAX: Final = 64
"""Files that are open for writing, and again as many for reading."""
AHEAD_MIN: Final = 64 * 1024
AHEAD_MAX: Final = 16 * 1024 * 1024
"""Bytes by which files are made longer ahead: as much as they have, within these bounds."""
CHECKED_BYTES: Final = 64 * 1024 * 1024
"""Bytes at the end of a stream whose checksums are looked at after a crash."""
BUFFERS_MAX: Final = 512
REMOVED_AT_ONCE: Final = 4
FETCHED_AT_ONCE: Final = 1024 * 1024

_sync_data: Final = getattr(os, "fdatasync", os.fsync)
_allocate: Final = getattr(os, "posix_fallocate", None)
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", None)
_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_UNSUPPORTED: Final = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class _Written:
    """A file that is open for writing."""

    __slots__ = ("allocated", "end", "file", "is_dirty", "is_new", "path")

    def __init__(self, path: Path, *, begins: bool) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if begins else 0)
        self.file = os.open(path, flags, 0o600)
        self.end = self.allocated = os.fstat(self.file).st_size
        self.is_new, self.is_dirty = begins, False


class SegmentFiles:
    """The segments of all streams of a broker. `syncs` if what was applied must survive a power failure. All but what
    reads may raise StoreError."""

    def __init__(self, directory: Path, *, syncs: bool) -> None:
        self._directory = directory
        self._syncs = syncs
        self._allocates = syncs and _allocate is not None
        self._written: dict[SegmentName, _Written] = {}
        self._read: dict[SegmentName, int] = {}
        self._gone: list[Path] = []
        """Directories that are being deleted."""
        self._no_wait = _NO_WAIT

    def _path(self, name: SegmentName, suffix: str = "segment") -> Path:
        return self._directory / str(name.stream) / f"{name.first:020}.{suffix}"

    # --- writing

    def apply(self, changes: SegmentChanges) -> None:
        """Writes and syncs chunks. What is to be deleted stays until `clear_away`."""
        with self._errors("write to"):
            names = groupby(changes.chunks, key=lambda chunk: chunk.name)
            for name, chunks in names:
                self._append(name, list(chunks))
                if len(self._written) > OPEN_MAX:
                    self._sync()
                    self._close_some()
            self._sync()
            for end in changes.ended:
                self._end(end)
            for mark in changes.marked:
                self._write_index(mark.name, mark.records, syncs=False)

    def clear_away(self, changes: SegmentChanges) -> None:
        """Deletes what the changes say is not needed any more."""
        with self._errors("delete from"):
            for name in changes.dropped:
                self._close(name)
                self._path(name).unlink(missing_ok=True)
                self._path(name, "index").unlink(missing_ok=True)
            for stream in changes.deleted:
                for name in [name for name in self._written if name.stream == stream]:
                    self._close(name)
                self._put_away(self._directory / str(stream))
            self._remove_some()

    def tidy(self) -> bool:
        """Deletes some of what is not needed any more. True if there is more."""
        with self._errors("delete from"):
            self._remove_some()
        return bool(self._gone)

    def close(self) -> None:
        with suppress(OSError):
            for name in list(self._written):
                self._close(name)
        self.release(list(self._read))

    def _append(self, name: SegmentName, chunks: list[ChunkWrite]) -> None:
        begins = chunks[0].position == FIRST_AT
        if begins:
            self._close(name)
            self._make_directory(name.stream)
        opened = self._written.pop(name, None) or _Written(self._path(name), begins=begins)
        self._written[name] = opened  # the last one again
        position = 0 if begins else chunks[0].position
        buffers = [chunk.encoded() for chunk in chunks]
        if begins:
            buffers.insert(0, FILE_HEADER)
        end = position + sum(map(len, buffers))
        self._make_room(opened, end)
        opened.is_dirty = True
        for start in range(0, len(buffers), BUFFERS_MAX):
            position = _write_all(opened.file, buffers[start : start + BUFFERS_MAX], position)
        opened.end = end

    def _make_room(self, opened: _Written, end: int) -> None:
        if not self._allocates or end <= opened.allocated:
            return
        assert _allocate is not None
        ahead = min(max(end, AHEAD_MIN), AHEAD_MAX)
        try:
            _allocate(opened.file, end, ahead)
            opened.allocated = end + ahead
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self._allocates = False
            elif error.errno not in _FULL:  # what is to be written may still fit
                raise

    def _sync(self) -> None:
        directories = set()
        for opened in self._written.values():
            if not opened.is_dirty:
                continue
            if self._syncs:
                _sync_data(opened.file)
            if opened.is_new:
                directories.add(opened.path.parent)
            if not os.fstat(opened.file).st_nlink:
                raise StoreError(f"{opened.path} is gone")
            opened.is_new = opened.is_dirty = False
        if self._syncs:
            for directory in directories:
                _sync_directory(directory)

    def _end(self, end: SegmentEnd) -> None:
        opened = self._written.get(end.name) or _Written(self._path(end.name), begins=False)
        self._written[end.name] = opened
        opened.end = end.size
        self._close(end.name, syncs=self._syncs)
        self._write_index(end.name, end.records, syncs=self._syncs)

    def _write_index(self, name: SegmentName, records: bytes, *, syncs: bool) -> None:
        file = os.open(self._path(name, "index"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, [records], 0)
            if syncs:
                _sync_data(file)
        finally:
            os.close(file)

    def _close(self, name: SegmentName, *, syncs: bool = False) -> None:
        """Closes a file that is open for writing, as long as what is in it."""
        opened = self._written.pop(name, None)
        if opened is None:
            return
        try:
            if opened.allocated > opened.end:
                os.ftruncate(opened.file, opened.end)
            if syncs:
                _sync_data(opened.file)
        finally:
            os.close(opened.file)

    def _close_some(self) -> None:
        while len(self._written) > OPEN_MAX // 2:
            self._close(next(iter(self._written)))

    def _make_directory(self, stream: int) -> None:
        directory = self._directory / str(stream)
        if directory.is_dir():
            return
        directory.mkdir(mode=0o700, parents=True)
        if self._syncs:
            _sync_directory(self._directory.parent)
            _sync_directory(self._directory)

    def _put_away(self, directory: Path) -> None:
        gone = directory.with_name(directory.name + GONE)
        with suppress(FileNotFoundError):
            if gone.exists():  # a number that was used again
                gone = directory.with_name(f"{directory.name}-{len(self._gone)}{GONE}")
            directory.rename(gone)
            self._gone.append(gone)

    def _remove_some(self) -> None:
        if not self._gone:
            return
        directory = self._gone[0]
        names = sorted(each.name for each in os.scandir(directory))
        for name in names[:REMOVED_AT_ONCE]:
            (directory / name).unlink(missing_ok=True)
        if len(names) <= REMOVED_AT_ONCE:
            directory.rmdir()
            del self._gone[0]

    # --- reading

    def read(self, name: SegmentName, position: int, size: int, *, may_wait: bool = False) -> bytes | None:
        with self._errors("read"):
            file = self._open(name)
            if may_wait or self._no_wait is None:
                return os.pread(file, size, position)
            buffer = bytearray(size)
            try:
                count = os.preadv(file, [buffer], position, self._no_wait)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                self._no_wait = None
                return os.pread(file, size, position)
            if count == size:
                return bytes(buffer)
            is_end = position + count >= os.fstat(file).st_size
            return bytes(buffer[:count]) if is_end else None

    def _open(self, name: SegmentName) -> int:
        file = self._read.pop(name, None)
        if file is None:
            file = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
            if len(self._read) >= OPEN_MAX:
                self.release([next(iter(self._read))])
        self._read[name] = file
        return file

    def release(self, names: list[SegmentName]) -> None:
        """Closes segments that will not be read any more."""
        for name in names:
            file = self._read.pop(name, None)
            if file is not None:
                os.close(file)

    def fetch(self, ranges: list[SegmentRange]) -> None:
        """Reads what will be read soon, so that it is in the operating system's cache. For a thread of its own."""
        for name, position, size in ranges:
            with self._errors("read"), suppress(FileNotFoundError):
                file = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    for at in range(position, position + max(size, FETCHED_AT_ONCE), FETCHED_AT_ONCE):
                        if not os.pread(file, FETCHED_AT_ONCE, at):
                            break
                finally:
                    os.close(file)

    def read_index(self, name: SegmentName) -> bytes:
        """The index of a segment that has ended: the file, or if that cannot be, what a walk finds."""
        with self._errors("read"):
            with suppress(FileNotFoundError):
                records = self._path(name, "index").read_bytes()
                if records and len(records) % RECORD_SIZE == 0:
                    return records
            index = Index()
            with mapped(self._path(name)) as data:
                walk(data, index, position=FIRST_AT, next_offset=name.first, checks_from=len(data), size=len(data))
            return bytes(index.raw)

    # --- the start

    def recover(self, stream: int, *, is_clean: bool) -> list[SegmentState]:
        with self._errors("recover"):
            directory = self._directory / str(stream)
            if not directory.is_dir():
                return []
            firsts = sorted(int(path.stem) for path in directory.glob("*.segment"))
            states: list[SegmentState] = []
            for first, following in pairwise([*firsts, None]):
                assert first is not None
                name = SegmentName(stream, first)
                state = None if following is None else self._ended(name, following)
                if state is None:
                    state = self._walked(name, following, is_clean=is_clean, is_next_to_last=following == firsts[-1])
                if state is not None:
                    states.append(state)
                if state is None or (following is not None and state.end != following):
                    # The last segment was begun in the batch that was not written whole.
                    for later in firsts[firsts.index(first) + 1 :]:
                        self._path(SegmentName(stream, later)).unlink()
                    break
            if states and states[-1].tracking is None:
                states[-1] = self._tracked(stream, states[-1])
            return states

    def _tracked(self, stream: int, state: SegmentState) -> SegmentState:
        """The state of an ended segment, with the tracking at its end: the one after it was not written."""
        with mapped(self._path(SegmentName(stream, state.first))) as data:
            size = len(data)
            found = walk(data, Index(), position=FIRST_AT, next_offset=state.first, checks_from=size, size=size)
        return state._replace(tail=found.tail, tracking=found.tracking, chunk_count=found.chunk_count)

    def _ended(self, name: SegmentName, following: int) -> SegmentState | None:
        """The state of a segment that has ended, by its index; None if that does not fit."""
        try:
            index = os.open(self._path(name, "index"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        segment = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            size, index_size = os.fstat(segment).st_size, os.fstat(index).st_size
            last = Index(os.pread(index, RECORD_SIZE, index_size - RECORD_SIZE) if index_size >= RECORD_SIZE else b"")
            record = last.last()
            if record is None or index_size % RECORD_SIZE:
                return None
            first_head = read_head(os.pread(segment, HEAD_SIZE, FIRST_AT))
            head = read_head(os.pread(segment, HEAD_SIZE, record.position))
        except (MalformedValue, OverflowError):
            return None
        finally:
            os.close(index)
            os.close(segment)
        end = head.offset + head.records
        if head.offset != record.offset or end != following or record.position + head.size != size:
            return None
        return SegmentState(name.first, end, size, first_head.timestamp_ms, record, head.epoch, 0, None)

    def _walked(
        self, name: SegmentName, following: int | None, *, is_clean: bool, is_next_to_last: bool
    ) -> SegmentState | None:
        """The state of a segment that is walked over, and cut behind its last whole chunk. None if it has none: then it
        is deleted."""
        path = self._path(name)
        index = Index()
        with mapped(path) as data:
            size = len(data)
            position, offset = FIRST_AT, name.first
            checks_from = size if is_clean else max(size - CHECKED_BYTES - AHEAD_MAX, 0)
            if size > FIRST_AT and bytes(data[:FIRST_AT]) == FILE_HEADER:
                start = self._trusted(name, data, index)
                if start is not None:
                    position, offset = start.position, start.offset
                found = walk(data, index, position=position, next_offset=offset, checks_from=checks_from, size=size)
            else:
                found = walk(b"", index, position=0, next_offset=0, checks_from=0, size=0)
        if following is not None and found.next_offset != following and not is_next_to_last:
            raise StoreError(f"{path} is damaged at byte {found.end}")
        if found.last is None:
            path.unlink()
            self._path(name, "index").unlink(missing_ok=True)
            return None
        if found.end < size:
            os.truncate(path, found.end)
        state = state_of(name.first, found, index)
        if following is None:
            return state
        assert found.tail is not None
        if index.last() != found.tail:
            index.add(found.tail)
        self._write_index(name, bytes(index.raw), syncs=self._syncs)
        return state

    def _trusted(self, name: SegmentName, data: memoryview, index: Index) -> IndexRecord | None:
        """Takes what an index says of a segment, if there is such a chunk where its last record says; returns that."""
        with suppress(FileNotFoundError, MalformedValue):
            known = Index(self._path(name, "index").read_bytes())
            records = [known[number] for number in range(len(known))]
            is_in_order = all(a.offset < b.offset and a.position < b.position for a, b in pairwise(records))
            if not records or not is_in_order or records[0].position != FIRST_AT or records[0].offset != name.first:
                return None
            last = records.pop()
            head = read_head(data[last.position : last.position + HEAD_SIZE])
            if (head.offset, head.timestamp_ms) == (last.offset, last.timestamp_ms):
                for record in records:
                    index.add(record)
                return last
        return None

    def keep(self, streams: set[int]) -> None:
        with self._errors("delete from"):
            if not self._directory.is_dir():
                return
            for entry in sorted(self._directory.iterdir()):
                if entry.name.endswith(GONE):
                    self._gone.append(entry)
                elif entry.name.isdigit() and int(entry.name) not in streams:
                    self._put_away(entry)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turns errors of the operating system into StoreError."""
        try:
            yield
        except OSError as error:
            text = f"cannot {doing} {error.filename or self._directory}: {error.strerror}"
            raise (StoreFull if error.errno in _FULL else StoreError)(text) from error


def _write_all(file: int, buffers: list[bytes], position: int) -> int:
    """Writes all of the buffers; returns the position behind them."""
    count = os.pwritev(file, buffers, position)
    position += count
    if count == sum(map(len, buffers)):
        return position
    rest = memoryview(b"".join(buffers))[count:]
    while rest:
        count = os.pwrite(file, rest, position)
        position += count
        rest = rest[count:]
    return position


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """The content of a file, for a walk. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not os.fstat(file).st_size:
            yield memoryview(b"")
            return
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content, memoryview(content) as data:
            yield data
    finally:
        os.close(file)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
