"""The data directory: who may look into it, and that only one broker has it."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amqpy.store.directory import DATABASE, LOCK, open_store
from amqpy.store.sqlite import Sync
from amqpy.store.store import StoreError
from tests.store.material import by_size, drain
from tests.store.test_maintenance import run_of

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_look_inside(tmp_path: Path, mask: int) -> None:
    data = tmp_path / "some" / "data"
    with umask(mask):
        run = run_of(data)
        run.write(run.batch(by_size([1] * 10)))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
    assert modes == dict.fromkeys([DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", LOCK], 0o600)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    run.close()


def test_a_second_broker_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = open_store(data, sync="full")
    for _ in range(2):
        with pytest.raises(StoreError, match=rf"^the data directory {data} is in use by another broker$"):
            open_store(data, sync="full")
    first.close(is_clean=False)
    open_store(data, sync="full").close(is_clean=True)


def test_a_start_that_fails_leaves_the_directory_free(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(StoreError, match="not a database"):
            open_store(tmp_path, sync="full")


def test_a_killed_broker_leaves_the_directory_free_and_all_that_was_synced(tmp_path: Path) -> None:
    program = f"""
import sys, pathlib
from tests.store.material import by_size, lane_record
from tests.store.test_maintenance import run_of
run = run_of(pathlib.Path({str(tmp_path)!r}))
run.write(run.batch(by_size([5] * 10), puts=[lane_record(1)]))
run.store.append(run.batch(by_size([5] * 10, lane=2)))
sys.stdout.write("synced\\n")
sys.stdout.flush()
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        assert child.stdout.readline() == "synced\n"
        with pytest.raises(StoreError, match="in use"):
            open_store(tmp_path, sync="full")
        child.send_signal(signal.SIGKILL)
        child.wait()
    run = run_of(tmp_path)
    assert not run.loaded.is_clean
    assert list(run.all(1)) == list(range(10))
    assert not run.all(2)
    run.close()


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^cannot make the data directory .*file/data: Not a directory$"):
        open_store(tmp_path / "file" / "data", sync="full")


def test_a_directory_that_cannot_be_written_to_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(StoreError, match=r"^cannot write to the data directory .*: Is a directory$"):
        open_store(tmp_path, sync="full")


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 9))
    with pytest.raises(StoreError, match=r"SQLite is too old: it is .*, and 3\.32\.0 is needed"):
        open_store(tmp_path, sync="full")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("sync", "synchronous"), [("full", 2), ("os", 1), ("none", 1)])
def test_whoever_wants_less_gets_less(tmp_path: Path, sync: Sync, synchronous: int) -> None:
    store = open_store(tmp_path, sync=sync)
    (level,) = store._writer.execute("PRAGMA synchronous").fetchone()  # noqa: SLF001 (nothing else shows it)
    assert level == synchronous
    store.load()
    assert drain(store) == 1
    store.close(is_clean=True)
