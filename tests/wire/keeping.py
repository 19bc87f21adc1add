"""Memory that is left by calls."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amqpy.wire import scan

CALLS: Final = 1000

PLACES: Final = (__file__, str(Path(scan.__file__).parent / "*"))
"""Where these calls allocate. The threads that bring the tests' results away allocate elsewhere."""


def kept_by(call: Callable[[], object]) -> int:
    """Returns the octets that a thousand calls have left."""
    tracemalloc.start()
    try:
        for _ in range(CALLS):
            call()
        traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, place) for place in PLACES])
    finally:
        tracemalloc.stop()
    return sum(each.size for each in traces.statistics("filename"))
