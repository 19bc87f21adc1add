"""The brokers that suites start, kill and stop: amqpy, a private RabbitMQ, or one that runs elsewhere."""

import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from interop import rabbitmq
from interop.kit.address import Address
from interop.kit.program import START_TIMEOUT_S, Program, ProgramFailed, end_of
from interop.kit.tls import Tls, make_tls

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
API_LISTENING = re.compile(r"management API listens on 127\.0\.0\.1:(\d+)")
STREAMS_LISTENING = re.compile(r"the stream protocol listens on 127\.0\.0\.1:(\d+)")
READY = "Server startup complete"
ALONE = {
    "AMQPY_MANAGEMENT": "false",
    "AMQPY_PROMETHEUS": "false",
    "AMQPY_STREAM": "false",
    "AMQPY_CONTROL_SOCKET": "",
}
"""Without what all brokers of a machine have at the same place."""
STREAMING = {"AMQPY_STREAM": "true"}
MANAGED = {"AMQPY_MANAGEMENT": "true", "AMQPY_MANAGEMENT_PORT": "0"}
SIGNS_OF_A_BUG = ("Traceback", "internal error")
SIGNS_OF_A_SECRET = ("eyJ", "PRIVATE KEY")
"""How every token begins that is signed, and what stands in the file of every key."""


class Broker:
    """A broker that is started and stopped any number of times, on the same port and the same directory."""

    name: str
    port = 0
    """Known when it was started once."""
    tls: Tls | None = None
    """Its listener for TLS, if it has one."""
    management_port = 0
    """The port of its management API; 0 if it has none, or does not run."""
    pid = 0
    """Of its process, while it runs and if it is ours."""
    data_dir: Path | None = None
    """Where it keeps what is durable, if that is known."""
    has_delays = True
    """It knows the exchange type x-delayed-message."""
    is_strict = True
    """It is held to what amqpy promises beyond what RabbitMQ does."""

    @property
    def address(self) -> Address:
        return Address(LOOPBACK, self.port)

    @property
    def tls_address(self) -> Address:
        assert self.tls is not None
        return Address(LOOPBACK, self.tls.port, tls=True)

    def start(self) -> float:
        """Start, and wait until it accepts connections; how many seconds that took."""
        raise NotImplementedError

    def start_and_kill(self, after_s: float) -> None:
        """Kill it while it starts."""
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """In good order."""
        raise NotImplementedError

    def restart(self, *, kill: bool = False) -> float:
        """As `start`."""
        (self.kill if kill else self.stop)()
        return self.start()

    def log(self) -> str:
        """The last lines it wrote, if that is known."""
        return ""


class Amqpy(Broker):
    """A program of its own. It raises ProgramFailed if it does not start, does not end in good order, or if its log
    speaks of a bug."""

    module: tuple[str, ...] = ("amqpy", "serve")
    talks = False

    def __init__(
        self,
        folder: Path,
        options: tuple[str, ...] = ("--strict",),
        *,
        data_dir: Path | None = None,
        in_memory: bool = False,
        source: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        tls: Tls | None = None,
    ) -> None:
        """`folder`: for its log and, without another `data_dir`, its data. `source`: the tree it is run from."""
        self.name = "amqpy"
        self.tls = tls
        self.data_dir = None if in_memory else (data_dir or folder / "data").absolute()
        self._options = options
        self._source = source
        self._environment = {"PYTHONPATH": str(source), **ALONE, **(environment or {})}
        self._log = folder / "log"
        self._program: Program | None = None
        self.secrets: set[str] = set()
        """What may not be in the log."""

    @property
    def program(self) -> Program:
        """The one that runs."""
        if self._program is None:
            raise ProgramFailed("amqpy does not run")
        return self._program

    @property
    def is_running(self) -> bool:
        return self._program is not None and self._program.is_running

    def launch(self) -> Program:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", *self.module, "--listen", f"{LOOPBACK}:{self.port}"]
        command += self.tls.amqpy_options() if self.tls else []
        command += ["--data-dir", str(self.data_dir)] if self.data_dir else ["--memory"]
        command += self._options
        self._program = Program(command, self._log, cwd=self._source, environment=self._environment, talks=self.talks)
        self.pid = self._program.pid
        return self._program

    def start(self) -> float:
        started_at = time.monotonic()
        program = self.launch()
        program.wait_for_line(READY, START_TIMEOUT_S)
        took_s = time.monotonic() - started_at
        self.port = int(program.wait_for_line(LISTENING, START_TIMEOUT_S)[1])
        if self._environment["AMQPY_MANAGEMENT"] == "true":
            self.management_port = int(program.wait_for_line(API_LISTENING, START_TIMEOUT_S)[1])
        return took_s

    def start_and_kill(self, after_s: float) -> None:
        self.launch()
        time.sleep(after_s)
        self.kill()

    def kill(self) -> None:
        program = self._let_go()
        if program is not None:
            if (code := program.kill()) is not None:
                raise program.failure(f"amqpy had ended by itself, with code {code}")
            self._check_log(program)

    def stop(self) -> None:
        program = self._let_go()
        if program is not None:
            if code := program.stop():
                raise program.failure(f"amqpy stopped with code {code}")
            self._check_log(program)

    def wait_for_failure(self) -> list[str]:
        """Hold it to the end that it comes to by itself, with an exit code of 1; the lines it wrote."""
        program = self.program
        self._let_go()
        if (code := program.wait()) != 1:
            raise program.failure(f"amqpy ended with code {code}")
        self._check_log(program)
        return program.lines

    def log(self) -> str:
        return end_of(self._log)

    def _let_go(self) -> Program | None:
        program, self._program = self._program, None
        self.pid = 0
        return program

    def _check_log(self, program: Program) -> None:
        if program.mentions(*SIGNS_OF_A_BUG):
            raise program.failure("amqpy's log speaks of a bug")
        if program.mentions(*SIGNS_OF_A_SECRET, *self.secrets):
            raise program.failure("amqpy's log tells a secret")


class RabbitMQ(Broker):
    name = "RabbitMQ"
    has_delays = False
    is_strict = False

    def __init__(self, node: rabbitmq.Node, tls: Tls | None = None) -> None:
        self._node = node
        self.tls = tls
        self.port = node.port
        self.management_port = node.management_port or 0
        self.data_dir = node.data_dir
        self._serving = ExitStack()

    def start(self) -> float:
        started_at = time.monotonic()
        self.pid = self._serving.enter_context(rabbitmq.serving(self._node)).pid
        return time.monotonic() - started_at

    def start_and_kill(self, after_s: float) -> None:
        """It takes seconds to start; killed at once, it does not come to anything worth a test."""

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        self.pid = 0
        self._serving.close()


class Elsewhere(Broker):
    """Somebody else's, who alone may stop it."""

    is_strict = False

    def __init__(self, url: str) -> None:
        self._address = Address.parse(url)
        self.name = f"{self._address.host}:{self._address.port}"
        self.port = self._address.port

    @property
    def address(self) -> Address:
        return self._address

    def start(self) -> float:
        return 0.0

    def restart(self, *, kill: bool = False) -> float:
        raise RuntimeError(f"{self.name} was started by somebody else, who alone may restart it")

    def stop(self) -> None:
        """Not ours."""

    def kill(self) -> None:
        """Not ours."""


AnyBroker = TypeVar("AnyBroker", bound=Broker)


@contextlib.contextmanager
def ended(broker: AnyBroker) -> Iterator[AnyBroker]:
    """Whatever happens, it does not run any more at the end."""
    try:
        yield broker
    finally:
        with contextlib.suppress(ProgramFailed):
            broker.kill()


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """For all that an amqpy writes, below the directory for temporary files as RabbitMQ's."""
    with tempfile.TemporaryDirectory(prefix="amqpy-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def private_amqpy(
    options: tuple[str, ...] = ("--strict",),
    *,
    data_dir: Path | None = None,
    in_memory: bool = False,
    source: Path = ROOT,
    tls: bool = False,
    managed: bool = False,
) -> Iterator[Amqpy]:
    """An amqpy that is not started yet, on a directory of its own or on `data_dir`, which stays."""
    with private_folder() as folder:
        made, environment = make_tls(folder) if tls else None, MANAGED if managed else {}
        amqpy = Amqpy(
            folder, options, data_dir=data_dir, in_memory=in_memory, source=source, tls=made, environment=environment
        )
        with ended(amqpy):
            yield amqpy


@contextlib.contextmanager
def private_rabbitmq(*, tls: bool = False, managed: bool = False) -> Iterator[RabbitMQ]:
    """A RabbitMQ that is not started yet."""
    with private_folder() as folder:
        made = make_tls(folder) if tls else None
        extra_config = "\n".join(made.rabbitmq_conf()) if made else ""
        plugins = [rabbitmq.MANAGEMENT] if managed else []
        with (
            rabbitmq.private_node(plugins=plugins, extra_config=extra_config) as node,
            ended(RabbitMQ(node, made)) as broker,
        ):
            yield broker
