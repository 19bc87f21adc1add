"""Which version the reference is, and what is taken after it."""

import pytest

from interop.parity.version import profile_for, version_of
from tests.parity.fake_broker import VERSION, fake_broker


def test_a_broker_is_asked_for_its_version() -> None:
    with fake_broker() as broker:
        assert version_of(broker) == VERSION


@pytest.mark.parametrize(
    ("version", "profile"),
    [
        ("3.8.9", "rabbitmq-3.10"),
        ("3.10.8", "rabbitmq-3.10"),
        ("3.12.14", "rabbitmq-3.10"),
        ("3.13.0", "rabbitmq-3.13"),
        ("4.0.5", "rabbitmq-4.0"),
        ("4.2.1", "rabbitmq-4.0"),
        ("4.3.6", "rabbitmq-4.3"),
        ("5.1.0-rc.1", "rabbitmq-4.3"),
    ],
)
def test_the_profile_is_the_newest_that_is_not_too_new(version: str, profile: str) -> None:
    assert profile_for(version) == profile
