"""A disk that writes less than it should, has no space or is broken, under a real store in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amqpy.store.sqlite import SqliteStore
from tests.store.story import BATCHES, FAULTS, state_of, states

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(3 * len(FAULTS))

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's")


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that fails on demand."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "needs a C compiler for the faulty disk (Debian: apt-get install gcc libc6-dev)"
    library = tmp_path_factory.mktemp("disk") / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{FAULTS[seed % len(FAULTS)].replace(' ', '-')}-{seed}")
def test_all_that_was_synced_is_there_whatever_the_disk_did(disk: Path, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "amqpy.db"
    path.touch()
    faults = tmp_path / "faults"
    told = subprocess.run(
        [sys.executable, "-m", "tests.store.story", path, faults, str(seed)],
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(disk), "AMQPY_TEST_FAULTS": str(faults)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()
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
