"""The samples that a request asks for: how far back, and how far from each other.

Source: `rabbit_mgmt_util`: `range`, `range_ceil`.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from amqpy.management.answers import bad_request

SAMPLES_MAX: Final = 500

LENGTHS: Final = "lengths"
MESSAGE_RATES: Final = "msg_rates"
DATA_RATES: Final = "data_rates"
NODE_STATS: Final = "node_stats"


class Range(NamedTuple):
    """Seconds."""

    age: int
    increment: int

    def times_ms(self, now_ms: int, *, rounds_up: bool) -> range:
        """The times of the samples, the newest first: from the first on, which is so long before now as they go back;
        now is a multiple of the increment."""
        step, age = self.increment * 1000, self.age * 1000
        last = now_ms // step * step
        if rounds_up and last < now_ms:
            last += step
        first = last - age
        return range(first + age // step * step, first - 1, -step)


class Ranges(NamedTuple):
    """Those of one request, by the kinds of numbers; None where no samples are asked for."""

    lengths: Range | None = None
    message_rates: Range | None = None
    data_rates: Range | None = None
    node_stats: Range | None = None


NO_RANGES: Final = Ranges()


def ranges_of(query: Mapping[str, str], error: str = "bad_request") -> Ranges:
    """Raises Refusal with this error, for a range that cannot be."""
    if not query:
        return NO_RANGES
    return Ranges(*(_range(query, prefix, error) for prefix in (LENGTHS, MESSAGE_RATES, DATA_RATES, NODE_STATS)))


def _range(query: Mapping[str, str], prefix: str, error: str) -> Range | None:
    age, increment = _number(query.get(f"{prefix}_age")), _number(query.get(f"{prefix}_incr"))
    if age is None or increment is None:
        return None
    if age <= 0 or increment <= 0 or age // increment > SAMPLES_MAX:
        raise bad_request(f"Invalid range parameters: age {age}, incr {increment}", error)
    return Range(age, increment)


def _number(text: str | None) -> int | None:
    """A number with a sign or without; None for anything else."""
    return int(text) if text is not None and re.fullmatch(r"[+-]?[0-9]{1,100}", text) else None
