"""The brokers that play: a private RabbitMQ, amqpy with and without a data directory, or any by its URL."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from interop import rabbitmq
from interop.kit.brokers import private_amqpy

DATA_DIR, MEMORY = "data-dir", "memory"
STORES = (DATA_DIR, MEMORY)


@dataclass(frozen=True)
class Player:
    """A running broker. Without a process id, its memory is not looked at."""

    name: str
    url: str
    pid: int = 0
    is_amqpy: bool = False


@contextlib.contextmanager
def running_rabbitmq() -> Iterator[Player]:
    with rabbitmq.running_rabbitmq() as running:
        yield Player("RabbitMQ", running.url, running.pid)


@contextlib.contextmanager
def running_amqpy(store: str) -> Iterator[Player]:
    """amqpy that ends at the first internal error. Raises ProgramFailed if it does not end in good order."""
    options = ("--strict", "--profile", "rabbitmq-3.10")
    with private_amqpy(options, in_memory=store == MEMORY) as amqpy:
        amqpy.start()
        yield Player(f"amqpy, {store}", amqpy.address.url, amqpy.pid, is_amqpy=True)
        amqpy.stop()
