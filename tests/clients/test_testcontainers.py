"""The ways in which testcontainers waits for RabbitMQ find that amqpy has started, and not before.

`interop.container` plays the same with the image.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pika.exceptions
import pytest

from interop.container import waits
from interop.container.waits import parameters_for, wait_for_connection, wait_for_log
from tests.serving import Serving, serving

USER, PASSWORD, VHOST = "me", "s3cret", "mine"
VARIABLES = {
    "RABBITMQ_DEFAULT_USER": USER,
    "RABBITMQ_DEFAULT_PASS": PASSWORD,
    "RABBITMQ_DEFAULT_VHOST": VHOST,
}


@contextmanager
def started(port: int = 0) -> Iterator[Serving]:
    """A broker with the variables that testcontainers gives a container."""
    with serving(**VARIABLES, RABBITMQ_NODE_PORT=str(port)) as broker:
        yield broker


def lines_of(broker: Serving) -> Iterator[str]:
    assert broker.process.stderr is not None
    for line in broker.process.stderr:
        broker.lines.append(line.rstrip("\n"))
        yield line


def test_the_wait_of_java_ends_once_clients_are_let_in() -> None:
    with started() as broker:
        read = wait_for_log(lines_of(broker))
        assert "listening on" in "".join(read)
        assert wait_for_connection(parameters_for("127.0.0.1", broker.port, USER, PASSWORD, VHOST)) == 1
        broker.stop()
        assert [waits.LOG_MESSAGE.fullmatch(line) is not None for line in broker.lines].count(True) == 1


def test_the_wait_of_java_fails_with_a_broker_that_cannot_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, started(taken.getsockname()[1]) as broker:
        with pytest.raises(TimeoutError, match="the log has ended:\namqpy: cannot listen on"):
            wait_for_log(lines_of(broker))
        assert broker.exit_code() == 1


def test_the_wait_of_python_ends_once_it_is_let_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started(port) as broker:  # it is asked from the first moment on
        assert wait_for_connection(parameters_for("127.0.0.1", port, USER, PASSWORD, VHOST)) >= 1
        broker.ready().stop()


def test_the_wait_of_python_fails_with_another_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "TRIES", 2)
    with started() as broker:
        port = broker.ready().port
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            wait_for_connection(parameters_for("127.0.0.1", port, USER, "wrong", VHOST))
        broker.stop()
