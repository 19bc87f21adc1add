"""A private RabbitMQ: Debian's `rabbitmq-server` as a child process that shares nothing with the machine.

It is the installed one, or that of another release of Debian (`debian.py`), by its version.

RabbitMQ is the reference amqpy is held to, so tests and benchmarks need one they may break at will. What a
node would normally share is made private here: the data, log and configuration directories, the Erlang
cookie, the node name, all ports, and epmd, the Erlang name server, which would otherwise outlive the broker
as a daemon. The broker listens on 127.0.0.1 only.

    with running_rabbitmq() as rabbitmq:
        connect(rabbitmq.url)

or, from a shell, `python -m interop.rabbitmq [--version 4.0] [PLUGIN …]`.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from interop import debian

START_TIMEOUT_S = 300.0  # with a large backlog
CONTROL_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.05

# /usr/sbin/rabbitmq-server is a wrapper that switches to the user rabbitmq, which could not write to our
# directories. The script behind it runs as whoever starts it.
SERVER_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL_SCRIPT = SERVER_SCRIPT.with_name("rabbitmqctl")

MANAGEMENT = "rabbitmq_management"
STREAMS = "rabbitmq_stream"


class RabbitMQUnavailable(RuntimeError):
    """RabbitMQ is not installed or did not start; the text says which, and how to go on."""


@dataclass(frozen=True)
class RabbitMQ:
    """A running broker: where it lives and listens, and which process it is."""

    node: "Node"
    pid: int
    host: str = "127.0.0.1"

    @property
    def port(self) -> int:
        return self.node.port

    @property
    def management_port(self) -> int | None:
        return self.node.management_port

    @property
    def data_dir(self) -> Path:
        return self.node.data_dir

    def control(self, *arguments: str) -> str:
        """What rabbitmqctl has to object, nothing if it did what it was asked for."""
        done = subprocess.run(
            self.node.command(str(CONTROL_SCRIPT), "--quiet", *arguments),
            env=self.node.environment,
            cwd=self.data_dir,
            capture_output=True,
            text=True,
            timeout=CONTROL_TIMEOUT_S,
        )
        return done.stderr.strip().partition("\n")[0] if done.returncode else ""

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.host}:{self.port}/"

    @property
    def management_url(self) -> str | None:
        """Where the HTTP API is, if the plugin rabbitmq_management runs."""
        return f"http://guest:guest@{self.host}:{self.management_port}/" if self.management_port else None


def is_installed() -> bool:
    return SERVER_SCRIPT.exists() and shutil.which("epmd") is not None


def root_of(version: str | None) -> Path | None:
    """Where to find that RabbitMQ (`4.0`), or whichever is installed: None for this machine, else a root directory."""
    if is_installed() and (version is None or f"{installed_version()}.".startswith(f"{version}.")):
        return None
    if version is None:
        raise RabbitMQUnavailable("RabbitMQ is not installed: apt-get install rabbitmq-server")
    try:
        return debian.root_with(version)
    except debian.DebianUnavailable as error:
        raise RabbitMQUnavailable(str(error)) from None


def installed_version() -> str:
    """The version in the name of the directory that has the script: `rabbitmq_server-3.10.8`."""
    return SERVER_SCRIPT.resolve().parents[1].name.rpartition("-")[2]


@dataclass(frozen=True)
class Node:
    """Where a broker lives: a directory, a name and ports, the same each time it is started.

    `root` is where its programs are, unless they are this machine's.
    """

    root: Path | None
    data_dir: Path
    port: int
    epmd_port: int
    distribution_port: int
    management_port: int | None
    name: str

    @property
    def environment(self) -> dict[str, str]:
        return private_environment(self)

    def command(self, *command: str) -> list[str]:
        """The command line that runs one of its programs."""
        return list(command) if self.root is None else debian.inside(self.root, *command)


@contextlib.contextmanager
def running_rabbitmq(
    *, version: str | None = None, plugins: Sequence[str] = (), extra_config: str = ""
) -> Iterator[RabbitMQ]:
    """Start a private broker, give it to the caller once it answers AMQP, and stop it at the end."""
    with (
        private_node(version=version, plugins=plugins, extra_config=extra_config) as node,
        serving(node) as rabbitmq,
    ):
        yield rabbitmq


@contextlib.contextmanager
def private_node(*, version: str | None = None, plugins: Sequence[str] = (), extra_config: str = "") -> Iterator[Node]:
    """Make a place for a broker that may be started there more than once, and clear it away at the end.

    `version` is one such as `4.0`, by default the installed one; RabbitMQUnavailable if there is none. `extra_config`
    is appended to rabbitmq.conf. A plugin that listens needs its own address there; that of rabbitmq_management is
    taken care of.
    """
    root = root_of(version)
    data_dir = Path(tempfile.mkdtemp(prefix="amqpy-rabbitmq-"))
    port, epmd_port, distribution_port, free_port = free_ports(4)
    management_port = free_port if MANAGEMENT in plugins else None
    name = f"private-{uuid.uuid4().hex[:12]}@localhost"
    node = Node(root, data_dir, port, epmd_port, distribution_port, management_port, name)
    epmd = node.command("epmd", "-port", str(epmd_port), "-address", "127.0.0.1")
    (data_dir / "rabbitmq.conf").write_text("\n".join([*configuration(port, management_port), extra_config, ""]))
    (data_dir / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
    try:
        with stop_on_sigterm(), child(epmd, node.environment, data_dir / "epmd.log"):
            yield node
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.contextmanager
def serving(node: Node) -> Iterator[RabbitMQ]:
    """Run the broker of a node. A caller that kills it may do this again."""
    with child(node.command(str(SERVER_SCRIPT)), node.environment, node.data_dir / "console.log") as server:
        wait_until_serving(server, node.port, node.data_dir)
        yield RabbitMQ(node, server.pid)


def configuration(port: int, management_port: int | None) -> Iterator[str]:
    """The lines of rabbitmq.conf that keep its listeners to loopback and to ports of our own."""
    yield f"listeners.tcp.local = 127.0.0.1:{port}"
    if management_port is not None:
        yield "management.tcp.ip = 127.0.0.1"
        yield f"management.tcp.port = {management_port}"


def stream_listener(port: int) -> Iterator[str]:
    """The lines of rabbitmq.conf for the plugin rabbitmq_stream, whose clients are to come to this port."""
    yield f"stream.listeners.tcp.local = 127.0.0.1:{port}"
    yield "stream.advertised_host = 127.0.0.1"
    yield f"stream.advertised_port = {port}"


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Ends by way of every `finally` when somebody ends us: the broker is in a process group of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def private_environment(node: Node) -> dict[str, str]:
    data_dir = node.data_dir
    return {
        "PATH": os.environ["PATH"] if node.root is None else debian.PATH,
        "HOME": str(data_dir),  # Erlang keeps its cookie here
        "ERL_EPMD_PORT": str(node.epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": node.name,
        "RABBITMQ_DIST_PORT": str(node.distribution_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(data_dir / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(data_dir / "advanced.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(data_dir / "generated"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(data_dir / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(data_dir / "mnesia"),
        "RABBITMQ_LOG_BASE": str(data_dir / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(data_dir / "rabbitmq.pid"),
        # Any value makes the start script exec the Erlang VM in place of itself, so that the process we
        # started is the broker: its pid is the one to measure, and SIGTERM reaches its own clean shutdown.
        "detached": "in the foreground, as our child",
    }


@contextlib.contextmanager
def child(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `command` in a process group of its own and end it, by force only when it does not go by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_serving(server: "subprocess.Popen[bytes]", port: int, data_dir: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers_amqp(port):
        if server.poll() is not None:
            raise RabbitMQUnavailable(f"RabbitMQ ended with code {server.returncode}:\n{log_tail(data_dir)}")
        if time.monotonic() > deadline:
            raise RabbitMQUnavailable(f"RabbitMQ does not answer after {START_TIMEOUT_S:.0f} s:\n{log_tail(data_dir)}")
        time.sleep(POLL_INTERVAL_S)


def answers_amqp(port: int) -> bool:
    """Whether the port answers a protocol header with a method frame, which is connection.start."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def log_tail(data_dir: Path, lines: int = 20) -> str:
    text = (data_dir / "console.log").read_text(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def free_ports(count: int) -> list[int]:
    """Different ports nobody listens on: all are held at once, or the kernel could give one out twice."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop.rabbitmq", description="Run a private RabbitMQ.")
    parser.add_argument("--version", help=f"one of {', '.join(debian.RELEASES)}; by default the installed one")
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with running_rabbitmq(version=wanted.version, plugins=wanted.plugins) as rabbitmq:
            for url in filter(None, [rabbitmq.url, rabbitmq.management_url]):
                sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except RabbitMQUnavailable as error:
        sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
