"""Messages in a row as one row of the database: a *run*.

To insert a message and to delete it again costs SQLite 3 µs beside its bytes: values, a record, a cell of a page.
Messages that came in a row, and have nothing of their own but address, header and body, are put end to end into one row
instead, with the places where headers and bodies begin beside them. A run lies within one *block* of `RUN_MAX` keys, so
the run that has a key is found without searching.

A run of which nothing is left is deleted. Until then, what is gone from it is noted as ranges (table `gone`). The
thread that writes also knows by heart what is left of each run, so that it need not ask when messages go.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

from amqpy.core.durability.journal import POSITION_BITS
from amqpy.core.message import Message
from amqpy.store.ranges import Range

BLOCK_BITS: Final = 8
RUN_MAX: Final = 1 << BLOCK_BITS
"""The most messages of a run: so many are read for one of them."""
RUN_MIN: Final = 32
"""The least messages of a run. From 8 on it costs less time than rows, but each run is also known by heart, with 200
bytes of memory, and a backlog may be as large as the disk."""
BYTES_MAX: Final = 256 * 1024
"""The most bytes of the content of a run."""
BODY_MAX: Final = 16 * 1024
"""The most bytes of a body in a run. For larger ones the bytes are what costs."""

Row: TypeAlias = "tuple[int, int | None, str | None, bytes, bytes, bytes]"
"""A message as it is read: key, expiry, traces, address, header, body."""


class Run(NamedTuple):
    """A run in the database."""

    first: int
    last: int
    left: int
    """A bit for each of its messages that is left, the lowest for the first."""


def left_of(first: int, last: int, gone: Iterable[Range]) -> int:
    """The bits of the messages that are left of a run."""
    left = (1 << (last - first + 1)) - 1
    for begin, end in gone:
        left &= ~_bits(begin - first, end - first)
    return left


def _bits(first: int, last: int) -> int:
    return (1 << (last + 1)) - (1 << first)


class Runs:
    """The runs in the database, and what is left of each. A change counts for good once it was committed (`keep`), or
    not (`forget`)."""

    def __init__(self) -> None:
        self._lanes: dict[int, dict[int, tuple[Run, ...]]] = {}
        """The runs by lane and block: a block is `RUN_MAX` keys."""
        self._changed: dict[int, tuple[Run, ...]] = {}
        """Those of blocks that the transaction has changed."""

    def keep(self) -> None:
        """Is told that the transaction was committed."""
        for block, runs in self._changed.items():
            number = block >> POSITION_BITS - BLOCK_BITS
            lane = self._lanes.setdefault(number, {})
            if runs:
                lane[block] = runs
            else:
                lane.pop(block, None)
                if not lane:
                    del self._lanes[number]
        self._changed.clear()

    def forget(self) -> None:
        """Is told that the transaction was rolled back."""
        self._changed.clear()

    def _in_block(self, block: int) -> tuple[Run, ...]:
        runs = self._changed.get(block)
        if runs is None:
            lane = self._lanes.get(block >> POSITION_BITS - BLOCK_BITS)
            runs = lane.get(block, ()) if lane else ()
        return runs

    def _blocks(self, first: int, last: int) -> list[int]:
        """The blocks that may have runs with keys from `first` to `last`."""
        begin, end = first >> BLOCK_BITS, last >> BLOCK_BITS
        if end - begin < RUN_MAX:
            return list(range(begin, end + 1))
        begin_lane, end_lane = first >> POSITION_BITS, last >> POSITION_BITS
        numbers = [begin_lane] if begin_lane == end_lane else [n for n in self._lanes if begin_lane <= n <= end_lane]
        lanes = [self._lanes.get(number, {}) for number in numbers]
        return [block for known in (*lanes, self._changed) for block in known if begin <= block <= end]

    def add(self, first: int, last: int, left: int) -> None:
        block = first >> BLOCK_BITS
        self._changed[block] = (*self._in_block(block), Run(first, last, left))

    def are_free(self, first: int, last: int) -> bool:
        """True if no run has, or had, any of these keys."""
        for block in range(first >> BLOCK_BITS, (last >> BLOCK_BITS) + 1):
            for run in self._in_block(block):
                if run.first <= last and first <= run.last:
                    return False
        return True

    def has(self, key: int) -> bool:
        """True if the message is in a run."""
        runs = self._in_block(key >> BLOCK_BITS)
        return any(run.first <= key <= run.last and run.left >> (key - run.first) & 1 for run in runs)

    def remove(self, first: int, last: int, dead: list[int], gone: list[Range], *, clears: bool = False) -> int:
        """Removes the messages with keys from `first` to `last`, as far as they are in runs; returns how many
        those were. Appends runs of which nothing is left to `dead`, and to `gone` what is gone from others. With
        `clears`, runs that lie in the range are not among the dead: they are deleted as a range."""
        count = 0
        for block in self._blocks(first, last):
            runs = self._in_block(block)
            kept: list[Run] = []
            for run in runs:
                begin, end = max(first, run.first), min(last, run.last)
                going = run.left & _bits(begin - run.first, end - run.first) if begin <= end else 0
                if not going:
                    kept.append(run)
                    continue
                count += going.bit_count()
                if left := run.left & ~going:
                    kept.append(run._replace(left=left))
                    gone.append((begin, end))
                elif not (clears and first <= run.first and run.last <= last):
                    dead.append(run.first)
            if kept != list(runs):
                self._changed[block] = tuple(kept)
        return count


# --- rows


def to_row(messages: list[Message]) -> tuple[bytes, int, int, str, bytes]:
    """The values of a run of messages: their addresses, and the bytes from one to the next; the bytes of the bodies;
    the places where headers and bodies begin in its content, and where that ends; and the content.

    An address tells its own size, so that addresses that differ are filled up to the size of the longest. One that all
    have is there once, and 0 bytes from itself."""
    parts: list[bytes] = []
    for message in messages:
        parts += (message.header, message.body)
    cuts = ",".join(map(str, accumulate(map(len, parts))))
    address, step = messages[0].address, 0
    if len({message.address for message in messages}) > 1:
        step = max([len(message.address) for message in messages])
        address = b"".join([message.address.ljust(step, b"\0") for message in messages])
    return address, step, sum(map(len, parts[1::2])), f"[0,{cuts}]", b"".join(parts)


class Damaged(ValueError):
    """A run does not have what it should."""


def cuts_of(text: str, count: int, size: int) -> list[int]:
    """The places where headers and bodies of so many messages begin. Raises Damaged."""
    try:
        cuts: list[int] = json.loads(text)
        if len(cuts) == 2 * count + 1 and cuts[0] == 0 and cuts[-1] == size and sorted(cuts) == cuts:
            return cuts
    except (ValueError, TypeError, LookupError):
        pass
    raise Damaged


def _address_at(addresses: bytes, start: int) -> bytes:
    """The address that begins there: two short strings. Raises Damaged."""
    try:
        middle = start + 1 + addresses[start]
        return addresses[start : middle + 1 + addresses[middle]]
    except IndexError:
        raise Damaged from None


def cut(run: Run, addresses: bytes, step: int, cuts: list[int], content: bytes, begin: int, end: int) -> Iterator[Row]:
    """Yields the messages that are left of a run, with keys from `begin` to `end`. Raises Damaged."""
    address = addresses
    for at in range(max(begin - run.first, 0), min(end, run.last) - run.first + 1):
        if run.left >> at & 1:
            if step:
                address = _address_at(addresses, at * step)
            header, body, stop = cuts[2 * at : 2 * at + 3]
            yield run.first + at, None, None, address, content[header:body], content[body:stop]


def size_left(left: int, cuts: list[int]) -> int:
    """The bytes of the bodies of the messages that are left."""
    return sum(cuts[2 * at + 2] - cuts[2 * at + 1] for at in range(len(cuts) // 2) if left >> at & 1)
