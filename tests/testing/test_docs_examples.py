"""The examples in docs/testing-your-app.md run as they stand there: their functions become tests of this module."""

import os
import re
import unittest
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import kombu.pools
import pika
import pytest
import time_machine
from celery.contrib.testing.worker import start_worker

from amqpy.testing import NotSettled, TestBroker
from tests.testing import page_apps
from tests.testing.apps import Publisher

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing-your-app.md"
TEXT = PAGE.read_text("utf-8")
BLOCK = re.compile(r"(?:<!-- text: (?P<text>[\w ]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```", re.DOTALL)
BLOCKS = list(BLOCK.finditer(TEXT))
GIVEN = {
    **{name: value for name, value in vars(page_apps).items() if not name.startswith("_")},
    "TestBroker": TestBroker,
    "pytest": pytest,
    "pika": pika,
    "time_machine": time_machine,
    "unittest": unittest,
    "UTC": UTC,
    "datetime": datetime,
    "timedelta": timedelta,
    "__name__": __name__,
    "__file__": __file__,
}
"""What an example takes for granted."""


def examples() -> dict[str, Any]:
    """What the blocks of the page define, but for those that are the text of something."""
    found: dict[str, Any] = {}
    for block in BLOCKS:
        if block["language"] == "python" and "os.environ" not in block["code"]:
            line = TEXT.count("\n", 0, block.start("code"))
            namespace = dict(GIVEN)
            exec(compile("\n" * line + block["code"], PAGE, "exec"), namespace)
            defined = {name: value for name, value in namespace.items() if name not in GIVEN and name[0] != "_"}
            assert not found.keys() & defined.keys()
            found |= defined
    return found


EXAMPLES = examples()
FAILING = EXAMPLES.pop("test_what_is_near")
globals().update(EXAMPLES)


@pytest.fixture(autouse=True)
def in_place(request: pytest.FixtureRequest) -> Iterator[None]:
    """The examples' applications use the broker of the test, and end before it."""
    if "amqp_broker" in request.fixturenames:
        page_apps.place.url = request.getfixturevalue("amqp_broker").url
    yield
    page_apps.place.close()


@pytest.fixture
def snapshot() -> object:
    """As that of syrupy, which would have it in a file."""
    return [("orders", "order.create", page_apps.cart)]


@pytest.fixture
def celery(amqp_broker: TestBroker) -> Iterator[None]:
    """A worker in a thread."""
    page_apps.tasks.conf.broker_url = amqp_broker.url
    with start_worker(page_apps.tasks, pool="solo", perform_ping_check=False):
        yield
    kombu.pools.reset()
    page_apps.tasks.close()


def text_after(name: str) -> str:
    """The block of text on the page that shows this."""
    after = [block for block in BLOCKS if block.start() >= next(b.start() for b in BLOCKS if b["text"] == name)]
    return next(block["code"] for block in after if block["language"] != "python").strip("\n")


def without_addresses(text: object) -> str:
    return re.sub(r"\d+\.\d+\.\d+\.\d+:\d+|\d+\.\d{3} ", "…", str(text))


def test_the_page_is_read() -> None:
    assert len([name for name in EXAMPLES if name.startswith("test_")]) >= 15


def test_the_text_of_an_assertion(amqp_broker: TestBroker) -> None:
    with pytest.raises(AssertionError) as caught:
        FAILING(amqp_broker)
    assert f"AssertionError: {caught.value}" == text_after("assertion")


def test_the_text_of_a_transcript(amqp_broker: TestBroker) -> None:
    with pytest.raises(AssertionError):
        FAILING(amqp_broker)
    assert without_addresses(amqp_broker.transcript()) == without_addresses(text_after("transcript"))


def test_the_text_of_not_settled(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "billing") as publisher:
        publisher.channel.queue_declare("orders")
        publisher.channel.basic_consume("orders", lambda *_: None, consumer_tag="billing-1")
        for _ in range(2):
            publisher.send(b"x", "orders")
        with pytest.raises(NotSettled) as caught:
            amqp_broker.settle(timeout=0)
        assert f"NotSettled: {caught.value}" == text_after("not settled")
        publisher.channel.close()


def test_a_conftest_that_sets_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMQP_URL", "")
    (block,) = (block["code"] for block in BLOCKS if "os.environ" in block["code"])
    exec(compile(block, PAGE, "exec"), {})
    with Publisher(os.environ["AMQP_URL"]) as publisher:
        assert publisher.channel.is_open
