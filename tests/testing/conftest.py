"""What the tests of the control face share."""

from collections.abc import Iterator

import pytest

from tests.testing.control import Site


@pytest.fixture
def site() -> Iterator[Site]:
    """The control face of test brokers. It must meet no internal error."""
    site = Site()
    yield site
    assert site.brokers.end_all() == []
