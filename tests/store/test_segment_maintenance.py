"""What an operator does with the segments of streams."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amqpy.core.durability.records import LaneRecord, QueueRecord
from amqpy.store import maintenance, segment_maintenance
from amqpy.store.directory import DATABASE
from amqpy.store.segment_maintenance import StreamReport, check_stream
from amqpy.store.store import StoreError
from tests.core.streams.logs import ScriptedLog
from tests.store.material import Run
from tests.store.test_maintenance import Command, command, run_of  # noqa: F401 (a fixture)
from tests.store.test_segments import filled, killed, open_files, paths

CHUNK = 48 + 4 + 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Iterator[Run]:
    """A store that knows the stream `s`, whose number is 1."""
    run = run_of(data)
    run.write(run.batch(puts=[QueueRecord("/", "s", "stream", False, b""), LaneRecord(1, "/", "queue", "s", 0, 0)]))
    yield run
    run.close()


def checked(directory: Path, *, is_clean: bool = False) -> StreamReport:
    return check_stream(directory / "streams" / "1", is_clean=is_clean)


# --- check


def test_what_a_running_broker_writes_is_whole(tmp_path: Path) -> None:
    stream = filled(tmp_path)
    report = checked(tmp_path)
    assert report.problems == []
    assert report.messages == 30
    assert report.size == sum(segment.size - 8 for segment in stream.log.segments)


def test_a_stream_without_messages(tmp_path: Path) -> None:
    assert checked(tmp_path) == StreamReport(0, 0, [])


def test_a_half_written_chunk_is_no_problem_unless_the_stop_was_clean(tmp_path: Path) -> None:
    filled(tmp_path, 6, segment_bytes=10**9).segments.close()  # type: ignore[union-attr]
    (path,) = paths(tmp_path)
    os.truncate(path, path.stat().st_size - 3)
    assert checked(tmp_path) == StreamReport(5, 5 * CHUNK, [])
    assert checked(tmp_path, is_clean=True).problems == [f"{path} is damaged at byte {8 + 5 * CHUNK}"]


@pytest.mark.parametrize("chunk", range(5))
@pytest.mark.parametrize("place", [0, 24, 32, 48 + 4])
def test_a_damaged_chunk_before_others_is_found(tmp_path: Path, chunk: int, place: int) -> None:
    filled(tmp_path, 6, segment_bytes=10**9)
    (path,) = paths(tmp_path)
    content = bytearray(path.read_bytes())
    content[8 + chunk * CHUNK + place] ^= 0xFF
    path.write_bytes(content)
    assert checked(tmp_path).problems == [f"{path} is damaged at byte {8 + chunk * CHUNK}"]


def test_a_hole_between_segments_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    first, second, *_ = paths(tmp_path)
    second.unlink()
    (problem,) = checked(tmp_path).problems
    assert problem == f"{first} is damaged at byte {first.stat().st_size}"


def test_a_segment_that_is_none(tmp_path: Path) -> None:
    filled(tmp_path)
    paths(tmp_path)[0].write_bytes(b"songs")
    assert checked(tmp_path).problems == [f"{paths(tmp_path)[0]} is damaged at byte 0"]


@pytest.mark.parametrize("damage", ["cut", "longer", "other"])
def test_an_index_that_says_what_is_not_there(tmp_path: Path, damage: str) -> None:
    filled(tmp_path)
    path = paths(tmp_path, "index")[0]
    records = path.read_bytes()
    damaged = {"cut": records[:-5], "longer": records + bytes(24), "other": records[:-8] + bytes(6) + b"\1\0"}
    path.write_bytes(damaged[damage])
    assert checked(tmp_path).problems == [f"{path} does not fit its segment"]


def test_first_segments_may_go_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = filled(tmp_path)
    listed = paths(tmp_path)
    monkeypatch.setattr(segment_maintenance, "_segments", lambda _: listed)
    listed[0].unlink()
    assert checked(tmp_path).messages == 30 - stream.log.segments[1].first
    listed[2].unlink()
    with pytest.raises(FileNotFoundError):
        checked(tmp_path)


def test_the_command_shows_streams(run: Run, data: Path, command: Command) -> None:  # noqa: F811
    filled(data, 20)
    code, out, err = command("check")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split()[:3] == ["/", "s", "20"]
    (path, *_) = paths(data)
    path.write_bytes(b"songs")
    code, out, err = command("check")
    assert (code, err) == (1, f"amqpy: {path} is damaged at byte 0\n")
    assert out.endswith("1 durable queues, 1 problems\n")


# --- backup


def restored(tmp_path: Path) -> Path:
    directory = tmp_path / "restored"
    directory.mkdir()
    (tmp_path / "copy").rename(directory / DATABASE)
    (tmp_path / "copy.streams").rename(directory / "streams")
    return directory


def test_a_backup_of_a_running_broker_has_its_streams(
    run: Run,
    data: Path,
    tmp_path: Path,
    command: Command,  # noqa: F811
) -> None:
    stream = filled(data)
    whole = stream.read()
    code, out, err = command("backup", str(tmp_path / "copy"))
    assert (code, err) == (0, "")
    size = sum(path.stat().st_size for path in [*(tmp_path / "copy.streams").glob("1/*.segment"), tmp_path / "copy"])
    assert out == f"{size} bytes\n"
    stream.write(b"later")
    directory = restored(tmp_path)
    for path in directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    assert command("check", data_dir=directory)[0] == 0
    again = killed(stream, directory)
    assert again.read() == whole
    again.write(b"new")
    assert stream.read()[-1] == (30, b"later")
    assert not run_of(directory).loaded.is_clean, "so that the ends of streams are looked at"


def test_a_backup_with_streams_is_that_of_no_clean_stop(run: Run, data: Path, tmp_path: Path) -> None:
    """A broker may have stopped while they were copied: their ends are looked at."""
    filled(data)
    run.store.close(is_clean=True)
    maintenance.back_up(data, tmp_path / "copy")
    assert not run_of(restored(tmp_path)).loaded.is_clean
    assert run.start().is_clean


def test_a_chunk_that_is_being_written_is_not_in_a_backup(run: Run, data: Path, tmp_path: Path) -> None:
    stream = filled(data)
    whole = stream.read()
    with paths(data)[-1].open("r+b") as file:
        file.seek(stream.log.segments[-1].size)
        file.write(b"\x50" + bytes(30))
    maintenance.back_up(data, tmp_path / "copy")
    assert killed(stream, restored(tmp_path)).read() == whole


def test_segments_that_go_while_it_copies_leave_no_hole(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = filled(data, 60)
    whole, listed = stream.read(), paths(data)
    copy_file = segment_maintenance._copy_file  # noqa: SLF001

    def copying(path: Path, target: Path) -> Path:
        if path in (listed[2], listed[4]):
            for gone in listed[: listed.index(path) + 1]:
                gone.unlink(missing_ok=True)
        return copy_file(path, target)

    monkeypatch.setattr(segment_maintenance, "_copy_file", copying)
    maintenance.back_up(data, tmp_path / "copy")
    assert killed(stream, restored(tmp_path)).read() == whole[stream.log.segments[5].first :]


def test_a_backup_tells_how_far_it_is(run: Run, data: Path, tmp_path: Path) -> None:
    filled(data)
    told: list[float] = []
    maintenance.back_up(data, tmp_path / "copy", told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > len(paths(data))


@pytest.mark.parametrize("name", ["copy", "copy.part", "copy.streams", "copy.streams.part"])
def test_a_backup_overwrites_nothing(run: Run, data: Path, tmp_path: Path, name: str) -> None:
    filled(data)
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=f"cannot make .*{name}: File exists"):
        maintenance.back_up(data, tmp_path / "copy")
    assert (tmp_path / name).read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [name, "data"]


def test_a_backup_that_fails_leaves_nothing(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:  # noqa: ANN401
        raise OSError(28, "No space left on device")

    filled(data)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(StoreError, match="No space left on device"):
        maintenance.back_up(data, tmp_path / "copy")
    assert os.listdir(tmp_path) == ["data"]


def test_what_is_no_stream_is_not_copied(run: Run, data: Path, tmp_path: Path) -> None:
    filled(data)
    (data / "streams" / "2.gone").mkdir()
    ScriptedLog(open_files(data)).segments.close()  # type: ignore[union-attr]
    maintenance.back_up(data, tmp_path / "copy")
    assert os.listdir(tmp_path / "copy.streams") == ["1"]
