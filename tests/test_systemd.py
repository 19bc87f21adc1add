"""systemd is told what the broker does: over real sockets of datagrams."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from trio.testing import MockClock

from amqpy.config.sources import read
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


# --- the unit

UNIT = Path(__file__).parents[1] / "packaging" / "amqpy.service"
ANALYZE = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, of a program that is there."""
    path = tmp_path / "amqpy.service"
    path.write_text(UNIT.read_text().replace("/opt/amqpy/bin/amqpy", sys.executable))
    return path


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(ANALYZE), *arguments], capture_output=True, text=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL
    )


@needs_analyze
def test_the_unit_is_good(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notices"))
    assert "Failed to parse service type" in analyze("verify", str(unit)).stderr


@needs_analyze
def test_the_unit_may_do_little(unit: Path) -> None:
    def is_below(tenths: int) -> bool:
        return analyze("security", "--offline=yes", f"--threshold={tenths}", str(unit)).returncode == 0

    assert is_below(15)
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert not is_below(15)


def test_the_variables_of_the_unit_are_settings(tmp_path: Path) -> None:
    lines = [line.removeprefix("Environment=") for line in UNIT.read_text().splitlines()]
    environ = dict(line.split("=") for line in lines if line.startswith(("AMQPY_", "RABBITMQ_")))
    environ = {name: value.replace("%S", "/var/lib").replace("%E", str(tmp_path)) for name, value in environ.items()}
    (tmp_path / "amqpy" / "conf.d").mkdir(parents=True)
    settings = read(environ=environ)
    assert (settings.config.data_dir, settings.notes) == ("/var/lib/amqpy", [])
    (tmp_path / "amqpy" / "conf.d" / "a.toml").write_text("heartbeat = 7")
    (tmp_path / "amqpy" / "conf.d" / "b.conf").write_text("channel_max = 8")
    config = read(environ=environ).config
    assert (config.heartbeat, config.channel_max) == (7, 8)
