"""Times of death: hidden where both brokers must have written them, seen where not."""

import time

import pytest

from interop.parity.codec import Typed, properties, properties_text

NOW = int(time.time())


def died(when: object) -> str:
    return properties_text(properties(headers={"x-death": [{"time": when}]}))


def test_recent_times_are_alike() -> None:
    assert died(Typed("T", NOW)) == died(Typed("T", NOW - 1))
    assert "<recent>" in died(Typed("T", NOW))


@pytest.mark.parametrize(
    "when", [Typed("T", NOW * 1000), Typed("T", 5), Typed("T", 2**64 - 1), Typed("l", NOW), Typed("S", b"<recent>")]
)
def test_other_times_are_seen(when: Typed) -> None:
    assert died(when) != died(Typed("T", NOW))


def test_long_headers_are_compared_to_the_last_byte() -> None:
    assert properties_text(properties(headers={"k": "v" * 5000})) != properties_text(
        properties(headers={"k": "v" * 4999 + "w"})
    )
