"""Parses the limits of memory and disk that an administrator sets, with the error texts of `rabbitmqctl`.

Source: `SetVmMemoryHighWatermarkCommand`, `SetDiskFreeLimitCommand` of RabbitMQ's command line tools.
"""

import math
import re

from amqpy.errors import AdministrationError
from amqpy.sizes import SHARE_MAX, Limit, parse_size


def check_memory_limit(fraction: float | str | None, absolute: int | str | None) -> Limit:
    """Makes a memory limit of a fraction or an absolute size, one of which is given. Raises AdministrationError."""
    if absolute is None:
        share = _number_of(fraction)
        if not 0 <= share <= 1:
            raise _bad_argument("The threshold should be a fraction between 0.0 and 1.0")
        return Limit(share=share)
    size = _size_of(absolute)
    if size is None:
        if re.match(r"[0-9]+\.[0-9]", str(absolute)):
            raise _bad_argument("The threshold should be an integer.")
        raise _bad_argument("Invalid units." if re.match("[0-9]", str(absolute)) else "")
    return Limit(size)


def check_disk_limit(absolute: int | str | None, mem_relative: float | str | None) -> Limit:
    """Makes a disk limit of an absolute size or a multiple of the memory, one of which is given. Raises
    AdministrationError."""
    if absolute is None:
        share = _number_of(mem_relative)
        if not 0 <= share <= SHARE_MAX:
            raise _bad_argument()
        return Limit(share=share)
    size = _size_of(absolute)
    if size is None:
        raise _bad_argument()
    return Limit(size)


def _number_of(value: float | str | None) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # None is refused like any other text that is no number
    except (TypeError, ValueError):
        raise _bad_argument() from None
    if not math.isfinite(number):
        raise _bad_argument()
    return number


def _size_of(absolute: int | str) -> int | None:
    try:
        return parse_size(str(absolute))
    except ValueError:
        return None


def _bad_argument(detail: str = "") -> AdministrationError:
    return AdministrationError(f"Bad argument: {detail}" if detail else "Bad argument.")
