"""Moves of messages, for tests of them."""

from typing import Any
from unittest.mock import patch

import pytest

from amqpy.core import moving
from amqpy.core.message_filter import MessageFilter
from amqpy.core.moving import Destination, Moving
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeClient, arguments

ALL = MessageFilter()
KINDS = pytest.mark.parametrize("kind", ["classic", "quorum"])
ONE_AT_A_TIME = patch.object(moving, "UNITS_AT_ONCE", 1)
"""Each step looks at one message."""


def begin(
    core: CoreHarness,
    queue: str,
    to: Destination | str | None = None,
    *,
    client: FakeClient | None = None,
    unacked: UnackedDeliveries | None = None,
    wanted: MessageFilter | None = None,
    **more: Any,  # noqa: ANN401 (as Moving has them)
) -> Moving:
    """A move of messages that has not begun; the name of a queue is the way through the default exchange."""
    where = Destination("", to) if isinstance(to, str) else to
    place = UnackedDeliveries() if unacked is None else unacked
    return Moving(client or core.client, core.vhost, queue, where, wanted or ALL, place, **more)


def move(core: CoreHarness, queue: str, to: Destination | str | None = None, **more: Any) -> Moving:  # noqa: ANN401
    """The same, carried out."""
    work = begin(core, queue, to, **more)
    for _ in work:
        core.settle()
    core.settle()
    return work


def counts(work: Moving) -> dict[str, int]:
    return {outcome.value: count for outcome, count in work.outcomes.items() if count}


def wanted(**conditions: object) -> MessageFilter:
    return MessageFilter.of(conditions)


def dying(core: CoreHarness, *bodies: str, queue: str = "work", letters: str = "dead") -> None:
    """A queue whose messages are rejected, and a queue for its dead letters."""
    letter_way = arguments(dead_letter_exchange="", dead_letter_routing_key=letters)
    core.queue(letters)
    core.queue(queue, arguments=letter_way)
    core.publish("", queue, *bodies)
    unacked = UnackedDeliveries()
    for tag, _ in enumerate(bodies, 1):
        core.get(queue, unacked)
        core.nack(unacked, tag, requeue=False)


def limit_of(kind: str) -> dict[str, int]:
    """The argument with which messages go back to the front of a queue of this type."""
    return {"delivery_limit": 9} if kind == "quorum" else {}
