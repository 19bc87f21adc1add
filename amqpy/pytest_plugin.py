"""The pytest plugin: `amqp_broker` and its relatives. It imports nothing but pytest until one of them is used."""

from typing import TYPE_CHECKING, Any

import pytest

from amqpy.testing.pytest_items import BROKERS, REPORT, marked, of_ini, session_port

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from amqpy.testing.broker import TestBroker

LEAKS = "connections unacked unconfirmed transactions"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("amqp_profile", "The RabbitMQ that test brokers are like (a profile of amqpy).", default="")
    parser.addini("amqp_leaks", "What is looked for at the end of a test: kinds of leaks, or none.", default=LEAKS)
    parser.addini("amqp_port", "The port of the broker of the whole run; 0 takes a free one.", default="0")
    parser.getgroup("amqp", "test brokers").addoption(
        "--amqp-transcript",
        choices=("never", "failed", "always"),
        default="failed",
        help="When to print what happened in a test's brokers (default: failed).",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "amqp(**settings): settings of the test's `amqp_broker`.")


@pytest.fixture
def amqp_broker(request: pytest.FixtureRequest) -> "Iterator[TestBroker]":
    """A fresh broker of AMQP 0-9-1: its own port, clock, faults and record."""
    from amqpy.testing.fixtures import broker_of

    yield from broker_of(request, marked(request.node))


@pytest.fixture
def amqp_url(amqp_broker: "TestBroker") -> str:
    """The URL of the test's broker, without a path, which every client takes for virtual host `/`."""
    return amqp_broker.url


@pytest.fixture(scope="session")
def amqp_session_broker(request: pytest.FixtureRequest) -> "TestBroker":
    """One broker for the whole run: `purge()` it between tests."""
    from amqpy.testing.fixtures import session_broker

    return session_broker(**of_ini(request.config), port=session_port(request.config))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)  # in the old way: this is imported wherever there is any pytest
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> "Generator[None, Any, None]":
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "call":
        item.stash[REPORT] = report
        wanted = item.config.getoption("--amqp-transcript")
        if wanted == "always" or (wanted == "failed" and report.failed):
            for broker in item.stash.get(BROKERS, []):
                if text := broker.transcript():
                    report.sections.append((f"transcript of {broker!r}", text))
        for broker in item.stash.get(BROKERS, []):
            broker.relent()
