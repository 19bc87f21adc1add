"""Tracking: what a stream remembers beside its messages.

A *sequence* is the last publishing id of a named publisher: what it sends again is not stored again. An *offset* is
what a consumer has stored under a name, to go on there. Of each there are a number; beyond it the one that was written
longest ago is forgotten.

It is in the log: the sequences of the messages of a chunk, and offsets, are in its trailer; offsets that come alone, in
a chunk of their own; and each segment begins with a snapshot of all, so that older ones may go.

    octet      type       1 a sequence, 2 an offset; 0 is what was not written
    octet      length     of the name
    ...        name
    longlong   value

Source: `osiris_tracking`.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

NAMES_MAX: Final = 1000
"""Names of each kind that are remembered."""
SEQUENCE: Final = 1
OFFSET: Final = 2
_VALUE: Final = struct.Struct(">Q")


class Tracking:
    """The sequences and offsets of one stream, by name."""

    __slots__ = ("offsets", "sequences")

    def __init__(self) -> None:
        self.sequences: dict[str, int] = {}
        self.offsets: dict[str, int] = {}

    def note_sequence(self, name: str, publishing_id: int) -> None:
        _put(self.sequences, name, publishing_id)

    def store_offset(self, name: str, offset: int) -> None:
        _put(self.offsets, name, offset)

    def encoded(self) -> bytes:
        """All of it, as a snapshot."""
        return encode(self.sequences, self.offsets)

    def apply(self, raw: bytes) -> bool:
        """Takes what is in a trailer or a chunk. False if that is malformed, as what was not written whole is."""
        entries = list(_decode(raw))
        if any(name is None for _, name, _ in entries):
            return False
        for kind, name, value in entries:
            assert name is not None
            _put(self.sequences if kind == SEQUENCE else self.offsets, name, value)
        return True


def _put(values: dict[str, int], name: str, value: int) -> None:
    values.pop(name, None)  # to be the last one again
    values[name] = value
    if len(values) > NAMES_MAX:
        del values[next(iter(values))]


def encode(sequences: Mapping[str, int], offsets: Mapping[str, int]) -> bytes:
    """Sequences and offsets as a trailer has them. Names have at most 255 bytes."""
    parts = []
    for kind, values in ((SEQUENCE, sequences), (OFFSET, offsets)):
        for name, value in values.items():
            raw = name.encode("utf-8", "surrogateescape")
            parts.append(bytes((kind, len(raw))) + raw + _VALUE.pack(value))
    return b"".join(parts)


def _decode(raw: bytes) -> Iterator[tuple[int, str | None, int]]:
    """Yields type, name and value of each entry; None as the name of one that is malformed, which is the last then."""
    at = 0
    while at < len(raw):
        end = at + 2 + (raw[at + 1] if at + 1 < len(raw) else 0)
        if raw[at] not in {SEQUENCE, OFFSET} or end + _VALUE.size > len(raw):
            yield 0, None, 0
            return
        yield raw[at], raw[at + 2 : end].decode("utf-8", "surrogateescape"), _VALUE.unpack_from(raw, end)[0]
        at = end + _VALUE.size
