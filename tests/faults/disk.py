"""A disk that fails on demand, for a process whose files are called as the store's are."""

import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")
FOREVER = 10**9


def make_library(directory: Path) -> Path:
    """Builds what goes between a process and its disk."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "needs a C compiler for the faulty disk (Debian: apt-get install gcc libc6-dev)"
    library = directory / "faults.so"
    subprocess.run([compiler, "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library


class Disk:
    """What the disk of one process does, from now on."""

    def __init__(self, library: Path, orders: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "FAULTY_DISK": str(orders)}
        self._orders = orders
        self._numbers = count(1)

    def fail(self, fault: str, first: int = 1, last: int = FOREVER) -> None:
        """`fault` is an operation and what becomes of it, as `faults.c` says; of the `first` to the `last` call."""
        new = self._orders.with_suffix(".new")
        new.write_text(f"{fault} {first} {last} order {next(self._numbers)}")
        os.replace(new, self._orders)

    def work(self) -> None:
        """As disks should."""
        self._orders.unlink(missing_ok=True)

    def is_waited_for(self) -> bool:
        """Whether an operation waits for the next order."""
        return Path(f"{self._orders}.waiting").exists()
