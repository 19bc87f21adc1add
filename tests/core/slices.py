"""Large work made small: tests in which a handful of messages is more than a turn may do."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from amqpy.core import jobs, ledger, portions


@contextmanager
def sliced(units: int) -> Iterator[None]:
    """Brokers made inside do so many units of large work at once, and more than that is large."""
    with ExitStack() as stack:
        for module in (jobs, ledger):
            stack.enter_context(patch.object(module, "UNITS_AT_ONCE", units))
        for module in (jobs, ledger, portions):
            stack.enter_context(patch.object(module, "LOT", 1))
        yield
