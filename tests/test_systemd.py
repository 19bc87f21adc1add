"""systemd is told what the broker does: over real sockets of datagrams."""

import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from trio.testing import MockClock

from amqpy.systemd import Systemd
from tests.serving import DEADLINE_S, serving

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no unix sockets")

NAMES = [
    "path",
    pytest.param("abstract", marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")),
]


class Manager:
    """The service manager's end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(DEADLINE_S)
        self.socket.bind(name.replace("@", "\0"))

    def hear(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")

    def heard(self) -> list[list[str]]:
        """All that has been told."""
        self.socket.setblocking(False)
        found = []
        try:
            while True:
                found.append(self.hear())
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(DEADLINE_S)


@pytest.fixture(params=NAMES)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@amqpy-{uuid4()}")
    yield manager
    manager.socket.close()


READY = ["READY=1", "STATUS=Server startup complete; 0 plugins started."]


def test_a_broker_tells_when_it_serves_and_when_it_stops(manager: Manager) -> None:
    with serving("--port", "0", NOTIFY_SOCKET=manager.name) as broker:
        assert manager.hear() == READY
        broker.read_until("Server startup complete")
        broker.stop()
        assert manager.heard() == [["STOPPING=1"]]


def test_a_reload_without_certificates_ends_nothing(manager: Manager) -> None:
    with serving("--port", "0", NOTIFY_SOCKET=manager.name) as broker:
        assert manager.hear() == READY
        broker.signal(signal.SIGHUP)
        reloading, since = manager.hear()
        assert reloading == "RELOADING=1"
        assert re.fullmatch(r"MONOTONIC_USEC=\d+", since)
        assert manager.hear() == ["READY=1"]
        broker.ready().stop()


def test_a_broker_gives_signs_of_life(manager: Manager) -> None:
    with serving("--port", "0", NOTIFY_SOCKET=manager.name, WATCHDOG_USEC="20000") as broker:
        assert [manager.hear() for _ in range(3)] == [READY, ["WATCHDOG=1"], ["WATCHDOG=1"]]
        broker.ready().stop()
        assert ["STOPPING=1"] in manager.heard()


def test_a_broker_that_cannot_start_is_not_ready(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with serving("--port", "0", "--data-dir", str(tmp_path / "file"), NOTIFY_SOCKET=manager.name) as broker:
        assert broker.exit_code() == 1
    assert manager.heard() == []


def test_a_broker_serves_though_nobody_listens(tmp_path: Path) -> None:
    for name in str(tmp_path / "none"), "@amqpy-nobody", "vsock:2:1", "relative":
        with serving("--port", "0", NOTIFY_SOCKET=name, WATCHDOG_USEC="1000") as broker:
            broker.ready().stop()


async def test_signs_of_life_come_twice_in_each_interval(
    manager: Manager, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    stop = trio.Event()
    nursery.start_soon(Systemd(manager.name, 60).attend, "serves", stop)
    await trio.sleep(119)
    assert manager.heard() == [["READY=1", "STATUS=serves"], *[["WATCHDOG=1"]] * 3]
    stop.set()
    await trio.sleep(59)
    assert manager.heard() == [["STOPPING=1"], ["WATCHDOG=1"]]


async def test_without_a_watchdog_there_are_none(
    manager: Manager, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    nursery.start_soon(Systemd(manager.name).attend, "serves", trio.Event())
    await trio.sleep(80_000)
    assert manager.heard() == [["READY=1", "STATUS=serves"]]


def test_what_is_read_is_read_between_the_messages(manager: Manager) -> None:
    heard: list[list[str]] = []
    read: Callable[[], object] = lambda: heard.append(manager.hear())  # noqa: E731
    Systemd(manager.name).reload(read)
    assert [lines[0] for lines in (*heard, *manager.heard())] == ["RELOADING=1", "READY=1"]


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, None),
        ({"NOTIFY_SOCKET": "/run/notify"}, inf),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "3000000"}, 1.5),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, inf),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "0"}, inf),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "soon"}, inf),
    ],
)
def test_variables_say_whom_to_tell(variables: dict[str, str], seconds: float | None) -> None:
    found = Systemd.of(variables, os.getpid())
    assert (None if found is None else found.interval_s) == seconds
