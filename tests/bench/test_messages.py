"""Realistic messages: no two alike, the same at each start, and valid."""

from collections.abc import Iterator

import pytest
from pamqp import frame
from pamqp.header import ContentHeader

from interop.bench import messages
from interop.bench.messages import Make, distinct

MADE: list[Make] = [
    messages.business_event,
    messages.persistent_event,
    messages.prioritised_event,
    messages.celery_task,
]
TRANSIENT = (messages.business_event, messages.prioritised_event)


def headers_in(data: bytes) -> Iterator[ContentHeader]:
    while data:
        size, _, value = frame.unmarshal(data)
        data = data[size:]
        if isinstance(value, ContentHeader):
            yield value


@pytest.mark.parametrize("make", MADE)
def test_no_two_messages_are_alike(make: Make) -> None:
    made = distinct(make, "x", "a", "bb", count=300)
    assert len({each.properties for each in made}) == len({each.body for each in made}) == 300
    assert len({len(each.body) for each in made}) > 100
    assert [each.routing_key for each in made[:3]] == ["a", "bb", "a"]
    assert made == distinct(make, "x", "a", "bb", count=300)
    assert made != distinct(make, "x", "a", "bb", count=300, seed=1)


@pytest.mark.parametrize("make", MADE)
def test_properties_are_as_clients_write_them(make: Make) -> None:
    encoded = b"".join(each.encode() for each in distinct(make, "x", "key", count=20))
    mode = 1 if make in TRANSIENT else 2
    for header in headers_in(encoded):
        assert header.properties.delivery_mode == mode
        assert header.properties.correlation_id
        assert header.properties.headers
        assert len(header.properties.headers) >= 7


def test_priorities_take_turns() -> None:
    encoded = b"".join(each.encode() for each in distinct(messages.prioritised_event, "x", "key", count=8))
    assert [header.properties.priority for header in headers_in(encoded)] == [0, 1, 2, 3, 0, 1, 2, 3]
