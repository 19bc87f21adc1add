"""The filter of a chunk: which filter values its messages may have.

A Bloom filter: it may take a value for one that is there, and never the other way round. Messages without a value count
as having the empty one. A chunk in which no message has a value has no filter.

Source: `osiris_bloom` for how it is used; the hash is a matter of each broker.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

SIZE: Final = 16
"""Bytes of a filter, where nobody says."""
UNFILTERED: Final = b""


def _bits(value: bytes, size: int) -> list[int]:
    """The bits of a value, four of them."""
    digest = blake2b(value, digest_size=16).digest()
    return [int.from_bytes(digest[at : at + 4], "big") % (size * 8) for at in (0, 4, 8, 12)]


def filter_of(values: Iterable[bytes], size: int = SIZE) -> bytes:
    """Makes the filter of some values."""
    found = 0
    for value in set(values):
        for bit in _bits(value, size):
            found |= 1 << bit
    return found.to_bytes(size, "big")


class Wanted:
    """The filter values that a consumer asks for."""

    __slots__ = ("_match_unfiltered", "_values")

    def __init__(self, values: Sequence[bytes], *, match_unfiltered: bool) -> None:
        self._values = tuple(values) + ((UNFILTERED,) if match_unfiltered else ())
        self._match_unfiltered = match_unfiltered

    def may_match(self, bloom: bytes) -> bool:
        """True if a chunk with this filter may have a message with one of the values."""
        if not bloom:
            return self._match_unfiltered
        found = int.from_bytes(bloom, "big")
        return any(all(found >> bit & 1 for bit in _bits(value, len(bloom))) for value in self._values)
