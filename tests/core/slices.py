"""Large work made small: tests in which a handful of messages is more than a turn may do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from amqpy.core import acknowledgements, jobs, portions, unacked
from amqpy.core.queues import fifo_queue
from amqpy.core.queues.ready_fifo import Cleared


def items_of(cleared: Cleared) -> "Iterator[Any]":
    """What was in a FIFO that was cleared."""
    for part in cleared:
        yield from (item for _, item in part) if isinstance(part, list) else part


@contextmanager
def sliced(units: int) -> Iterator[None]:
    """Brokers made inside do so many units of large work at once, and more than that is large."""
    with ExitStack() as stack:
        for module in (acknowledgements, jobs, unacked):
            stack.enter_context(patch.object(module, "UNITS_AT_ONCE", units))
        stack.enter_context(patch.object(fifo_queue, "EXCESS_MAX", units))
        for module in (jobs, unacked, portions, fifo_queue):
            stack.enter_context(patch.object(module, "LOT", 1))
        yield
