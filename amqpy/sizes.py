"""Sizes and limits as people write them: `50MB`, `2GiB`, `0.4`, `40%`.

Source: `rabbit_resource_monitor_misc`, `rabbit.schema`.
"""

import re
from typing import NamedTuple

SHARE_MAX = 1000

UNITS = {"": 1}
UNITS |= {prefix + unit: 1000**power for power, prefix in enumerate("kmgt", 1) for unit in ("", "b")}
UNITS |= {prefix + unit: 1024**power for power, prefix in enumerate("kmgt", 1) for unit in ("i", "ib")}
"""Bytes in each unit, in lower case. In RabbitMQ before 3.13, k, M and G alone were powers of 1024."""


class Limit(NamedTuple):
    """A limit in bytes, absolute or as a share of the memory."""

    size: int = 0
    """Bytes."""
    share: float | None = None
    """The share of the total memory, instead of `size`; for the disk it may be more than 1."""

    def of(self, total_memory: int) -> int:
        return self.size if self.share is None else int(self.share * total_memory)


def parse_limit(text: str) -> Limit | None:
    """Parses `0.4` or `40%` of the memory, `2GiB`, a whole number of bytes, or `none`. Raises ValueError.

    1 is a share, too: one byte is never meant.
    """
    if text == "none":
        return None
    if found := re.fullmatch(r"([0-9]*\.?[0-9]+)(%?)", text):
        number = float(found[1]) / (100 if found[2] else 1)
        if found[2] or "." in text or number <= 1:
            if number > SHARE_MAX:
                raise ValueError("too large a share")
            return Limit(share=number)
    return Limit(size=parse_size(text))


def parse_watermark(text: str) -> Limit | None:
    """Parses a limit of at most all the memory. Raises ValueError."""
    limit = parse_limit(text)
    if limit is not None and limit.share is not None and limit.share > 1:
        raise ValueError("more than there is")
    return limit


def parse_size(text: str) -> int:
    """Parses a whole number and perhaps a unit, such as `50MB` or `2GiB`, into bytes. Raises ValueError."""
    found = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", text)
    if found is None or found[2].lower() not in UNITS:
        raise ValueError("no size")
    return int(found[1]) * UNITS[found[2].lower()]
