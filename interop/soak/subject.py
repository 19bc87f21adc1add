"""The broker under the soak: amqpy that counts its objects, a private RabbitMQ, or one that runs elsewhere."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from interop import rabbitmq
from interop.bench.peer import Address
from interop.crash.subject import Amqpy, RabbitMQ, Subject, SubjectFailed


class Observed(Amqpy):
    """`interop.soak.observed`, which answers a line with a census of its objects."""

    program = ("interop.soak.observed",)

    def _launch(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output
            )
        self.pid = self._process.pid
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def census(self) -> tuple[dict[str, int], int]:
        """Its objects by class, and Python's blocks of memory."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise SubjectFailed(f"amqpy has ended:\n{self.log()}")
        objects, blocks = json.loads(line)
        return objects, blocks


class Elsewhere(Subject):
    """Somebody else's, who alone may stop it."""

    is_strict = False

    def __init__(self, url: str) -> None:
        self.address = Address.parse(url)
        self.port = self.address.port

    def start(self) -> float:
        return 0.0

    def stop(self) -> None:
        """Not ours."""

    def kill(self) -> None:
        """Not ours."""


def address_of(subject: Subject) -> Address:
    """Where clients find it without the proxy."""
    if isinstance(subject, Elsewhere):
        return subject.address
    return Address("127.0.0.1", subject.port, "guest", "guest", "/")


@contextlib.contextmanager
def running(kind: str, url: str, options: tuple[str, ...]) -> Iterator[tuple[Subject, Path]]:
    """A subject that is not started yet, and the folder with what it writes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amqpy-soak-")))
        if url:
            subject: Subject = Elsewhere(url)
        elif kind == "rabbitmq":
            subject = RabbitMQ(stack.enter_context(rabbitmq.private_node()))
        else:
            subject = Observed(folder / "data", folder / "log", options)
        try:
            yield subject, folder
        finally:
            with contextlib.suppress(SubjectFailed):
                subject.kill()
