"""The ways in which testcontainers waits for a broker.

Source: testcontainers-java, `RabbitMQContainer` and `LogMessageWaitStrategy`; testcontainers-python,
`RabbitMqContainer.readiness_probe` and `wait_container_is_ready`.
"""

import re
import time
from collections.abc import Iterable

import pika
import pika.exceptions

LOG_MESSAGE = re.compile(".*Server startup complete.*", re.DOTALL)
"""The whole of a line must match."""
TRIES = 120
POLL_S = 0.1  # a second there


def wait_for_log(lines: Iterable[str]) -> list[str]:
    """Reads lines until the one that says that the server has started; returns them. Raises TimeoutError at their
    end."""
    read = []
    for line in lines:
        read.append(line)
        if LOG_MESSAGE.fullmatch(line):
            return read
    raise TimeoutError("the log has ended:\n" + "".join(read))


def wait_for_connection(parameters: pika.ConnectionParameters) -> int:
    """Opens connections until one succeeds, and closes it; returns how many it took. Raises the last error."""
    for attempt in range(1, TRIES + 1):
        try:
            connection = pika.BlockingConnection(parameters)
        except (pika.exceptions.IncompatibleProtocolError, pika.exceptions.AMQPConnectionError):
            if attempt == TRIES:
                raise
            time.sleep(POLL_S)
        else:
            if not connection.is_open:
                raise RuntimeError("the connection is not open")
            connection.close()
            return attempt
    raise AssertionError("not reached")


def parameters_for(host: str, port: int, user: str, password: str, vhost: str) -> pika.ConnectionParameters:
    return pika.ConnectionParameters(
        host=host, port=port, virtual_host=vhost, credentials=pika.PlainCredentials(user, password)
    )
