"""How tests go through the profiles."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.profile import PROFILES


def switch(name: str, *expected: object) -> Callable[[Any], Any]:
    """Runs a test of the switch `name` once for each profile, with what is expected there, the oldest first.

    The name says to readers, and to the test that looks for switches without one, what the test is about.
    """
    return pytest.mark.parametrize(
        ("profile", "expected"),
        list(zip(PROFILES, expected, strict=True)),
        ids=[f"{name}-{profile}" for profile in PROFILES],
    )
