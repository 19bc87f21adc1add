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
        process = self.program.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        if not line:
            raise self.program.failure("amqpy has ended")
        objects, blocks = json.loads(line)
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
