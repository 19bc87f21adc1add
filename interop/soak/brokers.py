"""The broker under the soak: amqpy that counts its objects, a private RabbitMQ, or one that runs elsewhere."""

import contextlib
import json
from collections.abc import Iterator

from interop.kit.brokers import Amqpy, Broker, Elsewhere, ended, private_folder, private_rabbitmq


class Observed(Amqpy):
    """`interop.soak.observed`, which answers a line with a census of its objects."""

    module = ("interop.soak.observed",)
    talks = True

    def census(self) -> tuple[dict[str, int], int]:
        """Its objects by class, and Python's blocks of memory."""
        objects, blocks = json.loads(self.program.ask(""))
        return objects, blocks


@contextlib.contextmanager
def chosen(kind: str, url: str, options: tuple[str, ...]) -> Iterator[Broker]:
    """A broker that is not started yet."""
    if url:
        yield Elsewhere(url)
    elif kind == "rabbitmq":
        with private_rabbitmq() as rabbitmq:
            yield rabbitmq
    else:
        with private_folder() as folder, ended(Observed(folder, options)) as amqpy:
            yield amqpy
