"""Bodies of any size that nobody has to keep: each is a piece of one long text, known by its checksum."""

import functools
import random
import zlib

SIZE_MAX = 20_000_000
STEP = 31
"""Octets by which the body of one number begins after that of the number before."""

NUMBER_MAX = 10_000


@functools.cache
def filler() -> memoryview:
    return memoryview(random.Random(0).randbytes(SIZE_MAX + NUMBER_MAX * STEP))


def body(number: int, size: int) -> memoryview:
    """The body of the message with this number; no copy."""
    return filler()[number * STEP : number * STEP + size]


@functools.lru_cache(maxsize=100_000)
def checksum(number: int, size: int) -> int:
    return zlib.crc32(body(number, size))


def runs(labels: list[str]) -> str:
    """Numbers in a row as one: `1-4 r5-r7 9`. A label is a number with what is said about it in front or behind."""
    told: list[str] = []
    first = last = ""
    for label in [*labels, ""]:
        if last and label and is_next(last, label):
            last = label
            continue
        if last:
            told.append(first if first == last else f"{first}-{last}")
        first = last = label
    return " ".join(told) or "nothing"


def is_next(label: str, other: str) -> bool:
    """Whether the other label says the same of the next number."""
    digits = "".join(filter(str.isdigit, label))
    return bool(digits) and label.replace(digits, str(int(digits) + 1)) == other
