"""The files of streams: what is written can be read, now and by the next broker, whatever happened in between."""

# ruff: noqa: SLF001 (it looks where nobody else may)

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.core.streams import log as log_module
from amqpy.core.streams import segments as segments_module
from amqpy.core.streams.segments import FIRST_AT, Index, SegmentChanges, SegmentName, SegmentRange
from amqpy.store import segments as files_module
from amqpy.store.segments import OPEN_MAX, SegmentFiles
from amqpy.store.store import StoreError, StoreFull
from tests.core.streams.logs import EVERYTHING, ScriptedLog, all_of

Content = list[tuple[int, bytes]]


def open_files(directory: Path, *, syncs: bool = True) -> SegmentFiles:
    return SegmentFiles(directory / "streams", syncs=syncs)


def filled(directory: Path, count: int = 30, *, segment_bytes: int = 400) -> ScriptedLog:
    stream = ScriptedLog(open_files(directory), segment_bytes=segment_bytes)
    for number in range(count):
        stream.write(b"%d" % number * 5)
        stream.now_ms += 1000
    return stream


def killed(stream: ScriptedLog, directory: Path) -> ScriptedLog:
    """The stream as the next broker finds it; this one closes nothing."""
    return stream.restarted(open_files(directory))


def paths(directory: Path, suffix: str = "segment") -> list[Path]:
    return sorted((directory / "streams" / "1").glob(f"*.{suffix}"))


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    expected = [(number, b"%d" % number * 5) for number in range(30)]
    assert stream.read() == expected
    assert killed(stream, tmp_path).read() == expected
    assert len(paths(tmp_path)) == len(stream.log.segments) > 3
    assert paths(tmp_path)[1].name == f"{stream.log.segments[1].first:020}.segment"


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    filled(tmp_path)
    for path in (tmp_path / "streams").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_closed_store_leaves_no_room_behind(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    assert isinstance(stream.segments, SegmentFiles)
    assert paths(tmp_path)[-1].stat().st_size > stream.log.segments[-1].size
    stream.segments.close()
    assert [path.stat().st_size for path in paths(tmp_path)] == [segment.size for segment in stream.log.segments]
    assert stream.restarted(open_files(tmp_path), is_clean=True).read() == stream.read()


def test_messages_go_on_after_a_restart(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    for _ in range(3):
        stream = killed(stream, tmp_path)
        stream.write(b"more")
    assert [offset for offset, _ in stream.read()] == list(range(33))


def test_many_streams_have_few_files_open(tmp_path: Path) -> None:
    files = open_files(tmp_path)
    logs = []
    for number in range(3 * OPEN_MAX):
        stream = ScriptedLog(files)
        stream.log.number = number + 1
        stream.append(b"%d" % number)
        logs.append(stream)
    changes = SegmentChanges()
    for stream in logs:
        stream.log.freeze(changes)
    files.apply(changes)
    for _ in range(2):
        for number, stream in enumerate(logs):
            stream.log.commit()
            assert stream.read() == [(0, b"%d" % number)]
    assert len(files._written) <= OPEN_MAX + 1
    assert len(files._read) <= OPEN_MAX


# --- retention and deletion


def test_what_is_dropped_is_deleted(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    stream.read()
    stream.log.bytes_max = 1000
    assert stream.expire() > 0
    assert len(paths(tmp_path)) == len(stream.log.segments)
    assert len(paths(tmp_path, "index")) == len(stream.log.segments) - 1
    names = {name.first for name in stream.segments._read} if isinstance(stream.segments, SegmentFiles) else set()
    assert names <= {segment.first for segment in stream.log.segments}
    assert killed(stream, tmp_path).log.first == stream.log.first > 0


def test_a_deleted_stream_goes_bit_by_bit(tmp_path: Path) -> None:
    stream = filled(tmp_path, 100)
    files = stream.segments
    assert isinstance(files, SegmentFiles)
    changes = SegmentChanges()
    changes.deleted.append(1)
    files.clear_away(changes)
    assert not (tmp_path / "streams" / "1").exists()
    turns = 0
    while files.tidy():
        turns += 1
    assert turns > 1
    assert list((tmp_path / "streams").iterdir()) == []


def test_a_number_may_be_used_again_before_all_is_gone(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    files = stream.segments
    assert isinstance(files, SegmentFiles)
    for _ in range(3):
        changes = SegmentChanges()
        changes.deleted.append(1)
        files.clear_away(changes)
        stream = ScriptedLog(files, segment_bytes=100)
        for _ in range(10):
            stream.write(bytes(100))
    assert len(stream.read()) == 10
    while files.tidy():
        pass
    assert [path.name for path in (tmp_path / "streams").iterdir()] == ["1"]


def test_a_start_deletes_what_belongs_to_nobody(tmp_path: Path) -> None:
    filled(tmp_path)
    shutil.copytree(tmp_path / "streams" / "1", tmp_path / "streams" / "2")
    shutil.copytree(tmp_path / "streams" / "1", tmp_path / "streams" / "3.gone")
    files = open_files(tmp_path)
    files.keep({1})
    while files.tidy():
        pass
    assert [path.name for path in (tmp_path / "streams").iterdir()] == ["1"]


# --- crashes


def test_a_file_that_is_cut_anywhere_has_whole_chunks(tmp_path: Path) -> None:
    stream = filled(tmp_path, 6, segment_bytes=10**9)
    whole, (path,) = stream.read(), paths(tmp_path)
    size = stream.log.segments[0].size
    content = path.read_bytes()[:size]
    ends = [FIRST_AT + (48 + 4 + 5) * number for number in range(7)]
    assert ends[-1] == size
    for cut in range(size + 1):
        for rest in (b"", bytes(100), b"\x50" + bytes(99)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content[:cut] + rest)
            again = killed(stream, tmp_path)
            count = sum(end <= cut for end in ends) - 1
            if rest and content[cut : cut + 1] == rest[:1]:
                continue  # the next octet is what it was
            assert again.read() == whole[: max(count, 0)]
            again.write(b"new")
            assert again.read()[-1] == (max(count, 0), b"new")
            assert killed(stream, tmp_path).read() == again.read()


def test_damaged_data_at_the_end_are_cut_off(tmp_path: Path) -> None:
    stream = filled(tmp_path, 6, segment_bytes=10**9)
    whole, (path,) = stream.read(), paths(tmp_path)
    content = bytearray(path.read_bytes())
    content[stream.log.segments[0].last.position + 48 + 4] ^= 1
    path.write_bytes(content)
    assert killed(stream, tmp_path).read() == whole[:-1]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "torn", "other"])
def test_indexes_are_made_anew(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MARK_BYTES", 100)
    stream = filled(tmp_path)
    assert len(paths(tmp_path, "index")) == len(paths(tmp_path))
    for path in paths(tmp_path, "index"):
        records = path.read_bytes()
        if damage == "missing":
            path.unlink()
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "cut":
            path.write_bytes(records[:-5])
        elif damage == "torn":
            path.write_bytes(records + bytes(24))
        else:
            path.write_bytes(records[:-8] + (2**63).to_bytes(8, "big"))
    again = killed(stream, tmp_path)
    assert again.read() == stream.read()
    for second in range(30):
        again.log.committed = stream.log.committed
        assert [offset for offset, _ in again.read(second)][:1] == [second]
    for segment in stream.log.segments[:-1]:
        assert again.segments.read_index(SegmentName(1, segment.first))


def test_the_index_of_an_open_segment_saves_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MARK_BYTES", 200_000)
    stream = ScriptedLog(open_files(tmp_path))
    for _ in range(50):
        stream.write(bytes(10_000))
    walked: list[int] = []

    def walk(data: memoryview, index: Index, *, position: int, **more: Any) -> Any:  # noqa: ANN401
        walked.append(position)
        return original(data, index, position=position, **more)

    original = segments_module.walk
    monkeypatch.setattr(files_module, "walk", walk)
    again = killed(stream, tmp_path)
    assert walked[0] > 300_000
    assert again.read() == stream.read()
    raw = bytes(stream.log.index_of(stream.log.segments[0]).raw)
    assert bytes(again.log.index_of(again.log.segments[0]).raw) == raw


def test_a_segment_that_was_begun_and_not_written(tmp_path: Path) -> None:
    """The last segment goes, and so may the end of the one before: nothing of it was confirmed."""
    stream = filled(tmp_path, 10, segment_bytes=200)
    whole, before = stream.read(), paths(tmp_path)
    last = stream.log.segments[-1]
    os.truncate(before[-1], 3)
    assert killed(stream, tmp_path).read() == whole[: last.first]
    stream = filled(tmp_path, 3, segment_bytes=10**9)


def test_a_hole_before_the_last_segment(tmp_path: Path) -> None:
    stream = filled(tmp_path, 10, segment_bytes=200)
    whole, before = stream.read(), paths(tmp_path)
    paths(tmp_path, "index")[-1].unlink()
    hole = stream.log.segments[-2]
    os.truncate(before[-2], hole.size - 1)
    again = killed(stream, tmp_path)
    assert again.read() == whole[: hole.end - 1]
    assert len(paths(tmp_path)) == len(before) - 1


def test_damage_further_back_is_told(tmp_path: Path) -> None:
    stream = filled(tmp_path, 10, segment_bytes=200)
    paths(tmp_path, "index")[0].unlink()
    os.truncate(paths(tmp_path)[0], 100)
    with pytest.raises(StoreError, match=r"0\.segment is damaged at byte"):
        killed(stream, tmp_path)


# --- errors


def failing(error: int, after: int, call: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(10**6))

    def fail(*arguments: Any) -> Any:  # noqa: ANN401
        if next(calls) == after:
            raise OSError(error, os.strerror(error))
        return call(*arguments)

    return fail


@pytest.mark.parametrize("call", ["pwritev", "posix_fallocate"])
@pytest.mark.parametrize("after", range(4))
def test_a_full_disk_may_have_room_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, after: int
) -> None:
    stream = filled(tmp_path, 5, segment_bytes=100)
    for _ in range(5):
        stream.append(b"later")
        stream.append(bytes(log_module.CHUNK_BYTES_MAX))
    changes = stream.freeze()
    module, name = (files_module, "_allocate") if call == "posix_fallocate" else (os, call)
    monkeypatch.setattr(module, name, failing(errno.ENOSPC, after, getattr(os, call)))
    if call == "pwritev":
        with pytest.raises(StoreFull):
            stream.apply(changes)
    monkeypatch.undo()
    stream.apply(changes)
    stream.log.commit()
    assert killed(stream, tmp_path).read() == stream.read()
    assert len(stream.read()) == 15


def test_other_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = filled(tmp_path)
    stream.append(b"m")
    changes = stream.freeze()
    monkeypatch.setattr(files_module, "_sync_data", failing(errno.EIO, 0, os.fsync))
    with pytest.raises(StoreError, match="cannot write to") as caught:
        stream.apply(changes)
    assert not isinstance(caught.value, StoreFull)


def test_a_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    stream = filled(tmp_path, 1)
    paths(tmp_path)[0].unlink()
    with pytest.raises(StoreError, match="is gone"):
        stream.write(b"lost")
    with pytest.raises(StoreError, match="cannot read"):
        open_files(tmp_path).read(SegmentName(1, 0), 0, 10)


def test_a_short_write_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(file: int, buffers: list[bytes], position: int) -> int:
        return os.pwrite(file, b"".join(buffers)[:7], position)

    monkeypatch.setattr(os, "pwritev", short)
    stream = filled(tmp_path)
    assert killed(stream, tmp_path).read() == stream.read()


def test_a_file_system_that_allocates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "_allocate", failing(errno.EOPNOTSUPP, 0, lambda *_: None))
    stream = filled(tmp_path, 3)
    assert paths(tmp_path)[-1].stat().st_size == stream.log.segments[-1].size


# --- reading


def test_what_is_not_in_the_cache_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = filled(tmp_path, 3)
    files = stream.segments
    assert isinstance(files, SegmentFiles)
    files._no_wait = 1

    def cold(*_: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "preadv", cold)
    reader = stream.reader()
    assert reader.take(1, EVERYTHING) == []
    assert reader.cold is not None
    files.fetch([reader.cold, SegmentRange(SegmentName(9, 9), 0, 10)])
    monkeypatch.undo()
    assert len(all_of(reader)) == 3


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_system_that_cannot_say_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    stream = filled(tmp_path, 3)
    assert isinstance(stream.segments, SegmentFiles)
    stream.segments._no_wait = 1
    monkeypatch.setattr(os, "preadv", failing(error, 0, os.preadv))
    assert len(stream.read()) == 3
    assert stream.segments._no_wait is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=200), min_size=1, max_size=5), max_size=20), st.integers(0, 600))
def test_any_messages_in_any_segments(tmp_path_factory: pytest.TempPathFactory, chunks: Any, size: int) -> None:  # noqa: ANN401
    directory = tmp_path_factory.mktemp("files")
    stream, expected = ScriptedLog(open_files(directory, syncs=False), segment_bytes=size), []
    for messages in chunks:
        stream.write(*messages)
        expected += messages
    assert [message for _, message in stream.read()] == expected
    assert killed(stream, directory).read() == stream.read()
    shutil.rmtree(directory)
