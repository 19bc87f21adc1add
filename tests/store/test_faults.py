"""A disk that writes less than it should, has no space or is broken, under a real store in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amqpy.store.directory import open_store
from amqpy.store.sqlite import SqliteStore
from tests.faults.disk import make_library
from tests.store.scripted_batches import BATCHES, FAULTS, batches, state_of, states

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(3 * len(FAULTS))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's")


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that fails on demand."""
    return make_library(tmp_path_factory.mktemp("disk"))


def call(disk: Path, faults: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, on the disk that does what the file `faults` says."""
    environment = os.environ | {"LD_PRELOAD": str(disk), "FAULTY_DISK": str(faults)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{FAULTS[seed % len(FAULTS)].replace(' ', '-')}-{seed}")
def test_all_that_was_synced_is_there_whatever_the_disk_did(disk: Path, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "amqpy.db"
    path.touch()
    faults = tmp_path / "faults"
    result = call(disk, faults, "-m", "tests.store.scripted_batches", path, faults, str(seed))
    assert result.returncode == 0, result.stderr
    told = result.stdout.splitlines()
    said = [line.split()[0] for line in told]
    synced = said.count("synced")
    fault = FAULTS[seed % len(FAULTS)]
    if fault.startswith("sync") or fault.endswith("eio"):
        assert said[-1] == "error"
        assert said.count("error") == 1
    else:
        assert synced == BATCHES
        assert ("full" in said) == fault.endswith("enospc")
    store = SqliteStore(path)
    found = state_of(store)
    store.close(is_clean=False)
    expected = states(seed, BATCHES)
    # What was being written when the disk broke is there as a whole or not at all.
    assert found in expected[synced : said.count("trying") + 1]


KILLED = -signal.SIGKILL


def test_whoever_is_killed_while_starting_can_start_again(disk: Path, tmp_path: Path) -> None:
    """At the first start, when the tables are made, and at a later one."""
    program = f"""
from pathlib import Path
from amqpy.store.directory import open_store
open_store(Path({str(tmp_path / "data")!r}), sync="full").load()
"""
    faults = tmp_path / "faults"
    killed = 0
    for write in (1, 2, 3, 4, 5, 7, 11, 17, 25, 35, 1000):
        faults.write_text(f"write kill {write} {write}")
        result = call(disk, faults, "-c", program)
        assert result.returncode in {KILLED, 0}, result.stderr
        killed += result.returncode == KILLED
    assert killed > 4
    assert result.returncode == 0
    store = open_store(tmp_path / "data", sync="full")
    assert state_of(store) == states(0, 1)[0]
    store.close(is_clean=True)


def test_whoever_is_killed_while_compacting_loses_nothing(disk: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = open_store(data, sync="full")
    store.load()
    for batch in batches(3):
        store.append(batch)
        store.sync()
        if batch.number == BATCHES:
            break
    store.close(is_clean=False)
    faults = tmp_path / "faults"
    killed = 0
    for write in (2, 7, 15, 20, 30, 40, 50, 60, 70, 80, 10_000):
        faults.write_text(f"write kill {write} {write}")
        result = call(disk, faults, "-m", "amqpy", "store", "compact", "--data-dir", data)
        assert result.returncode in {KILLED, 0}, result.stderr
        killed += result.returncode == KILLED
        store = open_store(data, sync="full")
        assert state_of(store) == states(3, BATCHES)[BATCHES]
        store.close(is_clean=False)
    assert killed > 4
    assert result.returncode == 0
