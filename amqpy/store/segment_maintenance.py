"""Maintenance of the segments of streams by an operator: check, back up. A broker may go on writing meanwhile.

It appends to the last segment of a stream and deletes the first ones, so that what is found may be a little older or
newer than what was found a moment before, but fits together.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from amqpy.core.streams.segments import FILE_HEADER, FIRST_AT, RECORD_SIZE, Index, Walk, walk
from amqpy.store.directory import sync_directory
from amqpy.store.segments import mapped
from amqpy.wire.chunk import MAGIC, read_head
from amqpy.wire.values import MalformedValue

NOTHING: Final = Walk(0, 0, None, 0, 0, None, b"")
MAGIC_BYTE: Final = bytes((MAGIC,))
COPIED_AT_ONCE: Final = 1024 * 1024


class StreamReport(NamedTuple):
    """The result of a check of one stream."""

    messages: int
    size: int
    """Bytes of its chunks."""
    problems: list[str]


def check_stream(directory: Path, *, is_clean: bool) -> StreamReport:
    """Reads all chunks of a stream, and looks if they are whole and follow each other. Behind the last one there may be
    anything, unless the last stop was clean. Raises OSError."""
    messages, size, problems = 0, 0, list[str]()
    for path, following in pairwise([*_segments(directory), None]):
        assert path is not None
        try:
            with mapped(path) as data:
                found = _walk(data, int(path.stem))
                problem = _problem(data, found, following, is_clean=is_clean)
        except FileNotFoundError:
            if messages:
                raise
            continue  # the limits of the stream say that the first ones go
        messages += max(found.next_offset - int(path.stem), 0)
        size += max(found.end - FIRST_AT, 0)
        if problem is not None:
            problems.append(f"{path} {problem}")
        elif following is not None and not _fits(path):
            problems.append(f"{path.with_suffix('.index')} does not fit its segment")
    return StreamReport(messages, size, problems)


def _segments(directory: Path) -> list[Path]:
    """The segments of a stream in their order; none if nothing was ever written."""
    return sorted(directory.glob("*.segment"))


def _walk(data: memoryview, first: int) -> Walk:
    if bytes(data[:FIRST_AT]) != FILE_HEADER:
        return NOTHING._replace(next_offset=first)
    return walk(data, Index(), position=FIRST_AT, next_offset=first, checks_from=FIRST_AT, size=len(data))


def _problem(data: memoryview, found: Walk, following: Path | None, *, is_clean: bool) -> str | None:
    """Says what is wrong with a segment in which so many chunks are whole; None if nothing is."""
    if following is not None and found.next_offset != int(following.stem):
        return f"is damaged at byte {found.end}"
    is_last = following is None
    if found.end == len(data) or (is_last and not is_clean and not _goes_on(data, found)):
        return None
    return f"is damaged at byte {found.end}"


def _goes_on(data: memoryview, found: Walk) -> bool:
    """True if there is a whole chunk behind one that is not: so this was not merely the last one, half written."""
    content: Any = data.obj
    position = found.end
    while (position := content.find(MAGIC_BYTE, position + 1)) >= 0:
        with suppress(MalformedValue):
            head = read_head(data, position)
            end = min(position + head.size, len(data))
            if head.offset > found.next_offset and (
                walk(data, Index(), position=position, next_offset=head.offset, checks_from=position, size=end).last
            ):
                return True
    return False


def _fits(segment: Path) -> bool:
    """True if an index says only what is there. One that is missing is made anew when it is needed."""
    try:
        records = segment.with_suffix(".index").read_bytes()
        with mapped(segment) as data:
            index = Index(records)
            heads = [(read_head(data, record.position), record) for record in map(index.__getitem__, range(len(index)))]
    except FileNotFoundError:
        return True
    except (MalformedValue, OverflowError):
        return False
    return not len(records) % RECORD_SIZE and all(
        (head.offset, head.timestamp_ms) == (record.offset, record.timestamp_ms) for head, record in heads
    )


def size_of(directory: Path) -> int:
    """The bytes of all streams. Raises OSError."""
    return sum(path.stat().st_size for path in directory.glob("*/*.segment"))


def copy_streams(directory: Path, target: Path, tell: Callable[[int], object]) -> None:
    """Copies all streams, as far as they are written by now, into a new directory. Tells the number of bytes of each
    file that is copied. Raises OSError."""
    target.mkdir(mode=0o700)
    for stream in sorted(directory.iterdir()):
        if stream.name.isdigit():
            _copy_stream(stream, target / stream.name, tell)
    sync_directory(target)


def _copy_stream(directory: Path, target: Path, tell: Callable[[int], object]) -> None:
    target.mkdir(mode=0o700)
    copied: list[Path] = []
    for segment in _segments(directory):
        try:
            copied.append(_copy_file(segment, target))
        except FileNotFoundError:
            # The first ones went while later ones were copied: or there would be a hole.
            for path in copied:
                path.unlink()
                path.with_suffix(".index").unlink(missing_ok=True)
            copied.clear()
            continue
        with suppress(FileNotFoundError):
            _copy_file(segment.with_suffix(".index"), target)
        tell(copied[-1].stat().st_size)
    sync_directory(target)


def _copy_file(path: Path, target: Path) -> Path:
    copy = target / path.name
    with path.open("rb") as source, open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(source, file, COPIED_AT_ONCE)
        file.flush()
        os.fsync(file.fileno())
    return copy
