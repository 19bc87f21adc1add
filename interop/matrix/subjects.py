"""The brokers that play: a private RabbitMQ, amqpy with and without a data directory, or any by its URL."""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from interop import rabbitmq
from interop.crash.subject import Amqpy

DATA_DIR, MEMORY = "data-dir", "memory"
STORES = (DATA_DIR, MEMORY)


@dataclass(frozen=True)
class Subject:
    """A running broker. Without a process id, its memory is not looked at."""

    name: str
    url: str
    pid: int = 0
    is_amqpy: bool = False


@contextlib.contextmanager
def running_rabbitmq() -> Iterator[Subject]:
    with rabbitmq.running_rabbitmq() as running:
        yield Subject("RabbitMQ", running.url, running.pid)


class InMemory(Amqpy):
    """amqpy that keeps everything in memory."""

    place = ("--memory",)


@contextlib.contextmanager
def running_amqpy(store: str) -> Iterator[Subject]:
    """amqpy that ends at the first internal error. Raises SubjectFailed if it does not end in good order."""
    options = ("--strict", "--profile", "rabbitmq-3.10")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amqpy-matrix-")))
        kind = Amqpy if store == DATA_DIR else InMemory
        amqpy = kind(folder / "data", folder / "log", options)
        amqpy.start()
        try:
            yield Subject(f"amqpy, {store}", f"amqp://guest:guest@127.0.0.1:{amqpy.port}/", amqpy.pid, is_amqpy=True)
        finally:
            if sys.exc_info()[0] is None:
                amqpy.stop()
            else:
                amqpy.kill()
