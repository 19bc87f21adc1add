"""The brokers that are compared, each with a listener for the stream protocol."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from interop.kit.brokers import STREAMING, STREAMS_LISTENING, ended, private_folder
from interop.kit.program import START_TIMEOUT_S
from interop.parity.amqpy import Subject
from interop.parity.connection import Broker
from interop.parity.management import Management
from interop.parity.version import profile_for
from interop.rabbitmq import MANAGEMENT, STREAMS, free_ports, running_rabbitmq, stream_listener


@dataclass(frozen=True)
class Side:
    """A broker, who administers it, and where it speaks the stream protocol."""

    amqp: Broker
    port: int

    @property
    def host(self) -> str:
        return self.amqp.host


@contextlib.contextmanager
def rabbitmq_side(version: str | None) -> Iterator[Side]:
    """A private RabbitMQ with its plugin."""
    (port,) = free_ports(1)
    plugins, settings = [MANAGEMENT, STREAMS], "\n".join(stream_listener(port))
    with running_rabbitmq(version=version, plugins=plugins, extra_config=settings) as rabbitmq:
        assert rabbitmq.management_url is not None
        yield Side(Broker.at(rabbitmq.url, Management(rabbitmq.management_url, rabbitmq.control)), port)


@contextlib.contextmanager
def amqpy_side(version: str) -> Iterator[Side]:
    """A private amqpy, as that version of RabbitMQ. Raises ProgramFailed at the end if its log speaks of a bug."""
    with private_folder() as folder:
        options = ("--strict", "--profile", profile_for(version), "--stream-port", "0", "--config", os.devnull)
        with ended(Subject(folder, options, environment=STREAMING)) as amqpy:
            amqpy.start()
            port = int(amqpy.program.wait_for_line(STREAMS_LISTENING, START_TIMEOUT_S)[1])
            yield Side(Broker.at(amqpy.address.url, amqpy), port)
            amqpy.stop()
