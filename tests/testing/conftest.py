"""What the tests of the control face share, and what must not outlive a test."""

import logging
from collections.abc import Iterator

import pytest

from tests.testing.control import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """The control face of test brokers. It must meet no internal error."""
    site = Site()
    yield site
    assert site.brokers.end_all() == []


@pytest.fixture(autouse=True)
def level_of_the_log() -> Iterator[None]:
    """Celery's workers set that of all logs."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
