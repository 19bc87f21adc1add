"""The control socket of `amqpy serve`: who may open it, where it is, and what the tools do on it."""

import json
import signal
import socket
import stat
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from amqpy.ctl.api import Api, SocketAddress, UnixConnection
from tests.serving import COMMAND, DEADLINE_S, Serving, environment, serving

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this platform has no unix sockets")

QUIETLY = ("--port", "0", "--management-port", "0")


class Site(NamedTuple):
    """A broker with a data directory."""

    broker: Serving
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "control.sock"

    def run(self, *line: str) -> "subprocess.CompletedProcess[str]":
        """Runs the command, in the environment of the broker."""
        return subprocess.run(
            [*COMMAND, *line],
            env=environment(AMQPY_DATA_DIR=str(self.directory)),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    def status(self, method: str, path: str, **headers: str) -> int:
        """The status of the answer to a request."""
        with closing(UnixConnection(str(self.socket), DEADLINE_S)) as connection:
            connection.request(method, path, headers=headers)
            return connection.getresponse().status


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("d")
    with serving(*QUIETLY, "--data-dir", str(directory)) as broker:
        yield Site(broker.ready(), directory)


def test_it_is_for_its_owner_only(site: Site) -> None:
    assert stat.S_IMODE(site.socket.stat().st_mode) == 0o600


def test_the_log_tells_where_it_is(site: Site) -> None:
    assert f"the control socket is {site.socket}" in site.broker.log


def test_it_tells_whose_it_is(site: Site) -> None:
    api = Api(SocketAddress(str(site.socket)))
    assert api.process_id() == site.broker.process.pid
    assert api.host is None
    assert [each["name"] for each in api.get("vhosts")] == ["/"]
    api.close()


def test_nobody_is_asked_for_a_password(site: Site) -> None:
    assert site.status("PUT", "/api/exchanges/%2F/made-by-nobody") == 201


def test_who_gives_a_password_is_that_user(site: Site) -> None:
    for password, status in ("guest", 200), ("wrong", 401):
        credentials = b64encode(f"guest:{password}".encode()).decode()
        assert site.status("GET", "/api/vhosts", authorization=f"Basic {credentials}") == status


def test_the_tools_work_on_it(site: Site) -> None:
    done = site.run("ctl", "list_exchanges", "--formatter", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert {"name": "amq.topic", "type": "topic"} in json.loads(done.stdout)


def test_options_stand_anywhere(site: Site) -> None:
    for line in (["-q", "list_vhosts"], ["list_vhosts", "-q"], ["-n", "rabbit@x", "list_vhosts", "--quiet"]):
        assert site.run("ctl", *line).stdout == "name\n/\n"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not tell which files are open")
def test_connections_that_clients_have_closed_are_gone(site: Site) -> None:
    """And not kept for as long as one that waits for another request."""

    def count() -> int:
        return len(list(Path(f"/proc/{site.broker.process.pid}/fd").iterdir()))

    held = [UnixConnection(str(site.socket), DEADLINE_S) for _ in range(5)]
    for connection in held:
        connection.request("GET", "/api/vhosts")
        connection.getresponse().read()
    opened, deadline = count(), time.monotonic() + DEADLINE_S
    for connection in held:
        connection.close()
    while count() > opened - len(held):
        assert time.monotonic() < deadline


def test_stop_stops_the_broker(tmp_path: Path) -> None:
    with serving(*QUIETLY, "--data-dir", str(tmp_path)) as broker:
        site = Site(broker.ready(), tmp_path)
        done = site.run("ctl", "-n", "rabbit@x", "stop")
        assert (done.returncode, done.stdout) == (0, "Stopping and halting node rabbit@x ...\n"), done.stderr
        assert broker.exit_code() == 0
        assert not site.socket.exists()
        done = site.run("ctl", "-n", "rabbit@x", "list_vhosts")
        assert (done.returncode, done.stdout) == (69, "")
        assert done.stderr.startswith("Error: unable to perform an operation on node 'rabbit@x'. Please see ")


def test_without_a_data_directory_it_is_named_after_the_port(tmp_path: Path) -> None:
    with serving(*QUIETLY, XDG_RUNTIME_DIR=str(tmp_path)) as broker:
        path = tmp_path / "amqpy" / f"{broker.ready().port}.sock"
        assert f"the control socket is {path}" in broker.log
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        broker.stop()
        assert not path.exists()


def test_one_that_a_crash_left_is_taken_over(tmp_path: Path) -> None:
    for _ in range(2):
        with serving(*QUIETLY, "--data-dir", str(tmp_path)) as broker:
            assert "the control socket is" in broker.ready().log
            broker.signal(signal.SIGKILL)
            broker.exit_code()
            assert (tmp_path / "control.sock").exists()


def test_there_is_none_in_a_directory_of_everybody(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with serving(*QUIETLY, "--data-dir", str(tmp_path)) as broker:
        assert f"there is no control socket: others may write to {tmp_path}" in broker.ready().log
        broker.stop()


def test_one_that_is_asked_for_must_be_possible(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with serving(*QUIETLY, AMQPY_CONTROL_SOCKET=str(tmp_path / "c.sock")) as broker:
        assert broker.exit_code() == 1
        assert broker.log == f"amqpy: no control socket at {tmp_path}/c.sock: others may write to {tmp_path}"
    with serving(*QUIETLY, AMQPY_CONTROL_SOCKET=str(tmp_path / "no" / "c.sock")) as broker:
        assert broker.exit_code() == 1
        assert broker.log == f"amqpy: no control socket at {tmp_path}/no/c.sock: No such file or directory"


def test_there_may_be_none(tmp_path: Path) -> None:
    with serving(*QUIETLY, "--data-dir", str(tmp_path), AMQPY_CONTROL_SOCKET="") as broker:
        assert "control socket" not in broker.ready().log
        broker.stop()
