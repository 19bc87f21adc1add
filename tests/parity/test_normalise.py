"""Times of death: hidden where both brokers must have written them, seen where not."""

import time
from collections.abc import Callable

import pytest

from interop.parity.codec import Typed, properties, properties_text

Time = Callable[[int], Typed]


def now() -> int:
    return int(time.time())


def died(when: object) -> str:
    return properties_text(properties(headers={"x-death": [{"time": when}]}))


def test_recent_times_are_alike() -> None:
    assert died(Typed("T", now())) == died(Typed("T", now() - 1))
    assert "<recent>" in died(Typed("T", now()))


@pytest.mark.parametrize(
    "time_at",
    [
        lambda now: Typed("T", now * 1000),
        lambda _: Typed("T", 5),
        lambda _: Typed("T", 2**64 - 1),
        lambda now: Typed("l", now),
        lambda _: Typed("S", b"<recent>"),
    ],
)
def test_other_times_are_seen(time_at: Time) -> None:
    assert died(time_at(now())) != died(Typed("T", now()))


def test_long_headers_are_compared_to_the_last_byte() -> None:
    assert properties_text(properties(headers={"k": "v" * 5000})) != properties_text(
        properties(headers={"k": "v" * 4999 + "w"})
    )
