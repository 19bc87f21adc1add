"""The fixtures of pytest, and the broker of a whole run."""

import atexit
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from amqpy.log import LOGGER
from amqpy.testing.broker import TestBroker
from amqpy.testing.pytest_items import BROKERS, has_failed, leaks_of, of_ini

_lock = threading.Lock()
_session_broker: TestBroker | None = None


def session_broker(**settings: Any) -> TestBroker:  # noqa: ANN401
    """The one broker of this run, started when it is first asked for: for a `conftest.py` that sets a variable before
    the application reads it. The settings of the first call hold."""
    global _session_broker
    with _lock:
        if _session_broker is None:
            _session_broker = TestBroker(**settings).start()
            atexit.register(_end, _session_broker)
        return _session_broker


def _end(broker: TestBroker) -> None:
    """Stops it at the end of the process, without a word: pytest has closed what logs are written to."""
    logging.getLogger(f"{LOGGER}.testing").disabled = True
    broker.stop()


def broker_fixture(scope: Any = "function", name: str | None = None, **settings: Any) -> Callable[..., Any]:  # noqa: ANN401
    """Makes a fixture: `orders_mq = broker_fixture(scope="module", profile="rabbitmq-4")`."""

    @pytest.fixture(scope=scope, name=name)
    def broker(request: pytest.FixtureRequest) -> Iterator[TestBroker]:
        """A broker of AMQP 0-9-1."""
        yield from broker_of(request, settings)

    return broker


def broker_of(request: pytest.FixtureRequest, settings: Mapping[str, Any]) -> Iterator[TestBroker]:
    """A broker as long as a fixture, and what is wrong at its end."""
    __tracebackhide__ = True
    broker = TestBroker(**{**of_ini(request.config), **settings}).start()
    request.node.stash.setdefault(BROKERS, []).append(broker)
    try:
        yield broker
    finally:
        request.node.stash[BROKERS].remove(broker)  # a test stays until the end of the run, and a broker need not
        if has_failed(request.node):
            broker.stop()
        else:
            broker.finish(leaks_of(request.config, settings))
