"""`amqpy serve` in a child process, and a client of it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from amqpy.wire.methods import AMQP_0_9_1, Connection

COMMAND = [sys.executable, "-m", "amqpy"]
DEADLINE_S = 30
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


def environment(**variables: str) -> dict[str, str]:
    """This process's variables without those that are settings, and `variables`. Without these there are no
    management API and no stream protocol: their ports are the same for all."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AMQPY_", "RABBITMQ_"))}
    return inherited | {"AMQPY_MANAGEMENT": "false", "AMQPY_PROMETHEUS": "false", "AMQPY_STREAM": "false"} | variables


class Serving:
    """`amqpy serve` in a child process, from its start to its exit code."""

    def __init__(self, *options: str, **variables: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*COMMAND, "serve", *options],
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def read_until(self, text: str) -> str:
        """The first line, of those not read yet, with `text` in it; fails when the process ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"no {text!r} in the log:\n{self.log}")

    def ready(self) -> "Serving":
        self.read_until("Server startup complete")
        return self

    @property
    def addresses(self) -> list[str]:
        return [line.rpartition("listening on ")[2] for line in self.lines if "listening on " in line]

    @property
    def port(self) -> int:
        return int(self.addresses[0].rpartition(":")[2])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        assert self.process.stderr is not None
        self.lines += self.process.stderr.read().splitlines()
        return self.process.wait(DEADLINE_S)

    def stop(self) -> None:
        """An orderly end; anything else is a failure."""
        self.signal(signal.SIGTERM)
        assert self.exit_code() == 0, self.log

    def connect(self, *, user: str = "guest", password: str = "guest") -> "Client":
        return Client(self.port, user, password)


class Client:
    """A connection that has said everything up to connection.open, and reads only when it is asked to."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.heard = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(DEADLINE_S)
        self.socket.sendall(
            AMQP_HEADER
            + AMQP_0_9_1.encode(0, Connection.StartOk, {}, "PLAIN", f"\0{user}\0{password}".encode(), "en_US")
            + AMQP_0_9_1.encode(0, Connection.TuneOk, 2047, 131072, 0)
            + AMQP_0_9_1.encode(0, Connection.Open, "/", "", False)
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *failure: object) -> None:
        self.socket.close()

    def hears(self, words: bytes) -> bool:
        """Whether these bytes come before the end of the stream."""
        while words not in self.heard:
            data = self.socket.recv(65536)
            if not data:
                return False
            self.heard += data
        return True

    def is_let_in(self) -> bool:
        return self.hears(AMQP_0_9_1.encode(0, Connection.OpenOk, ""))


@contextmanager
def serving(*options: str, **variables: str) -> Iterator[Serving]:
    broker = Serving(*options, "--strict", **variables)
    try:
        yield broker
    finally:
        broker.process.kill()
        broker.process.wait()
        assert broker.process.stderr is not None
        broker.process.stderr.close()
