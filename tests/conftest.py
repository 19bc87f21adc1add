"""What holds for every test: Hypothesis tries the same examples in every run, so that a red run stays red; and nothing
secret is told."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import secrecy

settings.register_profile("steady", derandomize=True, database=None, deadline=None, print_blob=False)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("steady")

WATCH = secrecy.Watch()


def pytest_configure() -> None:
    secrecy.begin(WATCH)


@pytest.fixture(autouse=True)
def nothing_secret_is_told() -> Iterator[None]:
    WATCH.begin_test()
    yield
    assert not WATCH.told, "a secret was told"
