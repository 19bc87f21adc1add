"""A broker with a disk that fails on demand, and peers that are closed afterwards."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interop.kit.brokers import Amqpy, ended
from tests.faults.disk import Disk, make_library
from tests.faults.peer import Peer

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*"]  # LD_PRELOAD and /proc are Linux's


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("disk"))


@pytest.fixture
def disk(library: Path, tmp_path: Path) -> Disk:
    return Disk(library, tmp_path / "orders")


@pytest.fixture
def broker(disk: Disk, tmp_path: Path, data_dir: Path) -> Iterator[Amqpy]:
    """Started."""
    with ended(Amqpy(tmp_path, data_dir=data_dir, environment=disk.environment)) as amqpy:
        amqpy.start()
        yield amqpy
        disk.work()
        amqpy.stop()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


Connect = Callable[..., Peer]


@pytest.fixture
def connect(broker: Amqpy) -> Iterator[Connect]:
    """Makes peers."""
    peers: list[Peer] = []

    def make(*, heartbeat_s: int = 0) -> Peer:
        peers.append(Peer(broker.address.port, heartbeat_s=heartbeat_s))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()
