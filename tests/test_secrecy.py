"""The watch over the test run sees what it is for."""

import logging

import pytest

from amqpy.core.users import Credentials
from amqpy.errors import AccessRefused
from tests.conftest import WATCH

LOG = logging.getLogger("amqpy.tests")


@pytest.mark.parametrize("text", ["refused: correct horse", "eyJhbGciOi", "-----BEGIN PRIVATE KEY-----"])
def test_a_record_that_tells_a_secret(text: str) -> None:
    Credentials("app", b"correct horse")
    LOG.warning("%s", text)
    assert WATCH.told == [f"amqpy.tests {text}"]
    WATCH.begin_test()


def test_a_fault_that_tells_one() -> None:
    Credentials("app", b"correct horse")
    AccessRefused("no correct horse may enter")
    assert WATCH.told == ["no correct horse may enter"]
    WATCH.begin_test()


def test_names_and_short_words_are_none() -> None:
    Credentials("reader", b"reader")
    Credentials("other", b"word")
    LOG.warning("the reader has a word")
    assert WATCH.told == []
