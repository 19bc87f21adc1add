"""Conversions that are learned by example.

The messages of a publisher are alike: the same properties and headers, of the same types, with texts of the same
lengths. Only texts, times and small numbers in them differ, and those are copied as they are, or nearly so. A `Shape`
is what such messages have in common, with the places from which and to which the rest is copied. It is learned by
converting a message in which one place after the other was changed, and looking at what that changes in the result. So
nobody has to describe a conversion twice, and what one does anything else with is no place, but a part of the shape.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from struct import Struct
from typing import Any, Final, NamedTuple

TEXT, SMALL, BIT, TIME = range(4)
"""Kinds of places: ASCII without NUL, an octet below 128, one that is 0 or 1, and a time of 8 octets."""

SIZE_MAX: Final = 2048
"""Bytes of a message from which is learned."""
SHAPES_MAX: Final = 128
ALIKE_MAX: Final = 16
"""Shapes that are remembered, and those of them for messages of one length."""
EVERY: Final = 50
"""Messages from one that is learned to the next: it takes as long as converting some forty."""
FREE: Final = 16
PAID_BY: Final = 20
"""Shapes that are learned in any case, and the messages that must have been converted by one for each one more."""

_FILLS: Final = {
    TEXT: (b"a", b"z"),
    SMALL: (b"\x05", b"\x46"),
    BIT: (b"\x00", b"\x01"),
    TIME: (b"\x01\x02\x03\x04\x05\x06\x07\x08", b"\x00\x00\x01\x9a\x00\x11\x22\x33"),
}
_SUSPICIOUS: Final = b"%/:09AZ az\x01\x7f"
"""Characters that conversions may treat in ways of their own."""


class Place(NamedTuple):
    """A part of a message that may be another in one of the same shape."""

    start: int
    end: int
    kind: int

    def filled(self, fill: bytes) -> bytes:
        return (fill * (self.end - self.start))[: self.end - self.start]


Convert = Callable[[bytes], list[bytes] | None]
"""Converts a message to so many parts. None if nothing can be learned from it."""
Places = Callable[[bytes], Iterator[Place]]
"""Finds the places that may be some, in their order. Raises MalformedValue."""
Time = Callable[[bytes], bytes]
"""Converts a time."""


class Shape:
    """A conversion of messages that are equal but for some places."""

    __slots__ = ("_checks", "_copies", "_cuts", "_fixed", "_pieces", "_texts", "_time", "_times", "_unpack")

    def __init__(self, data: bytes, targets: dict[Place, int], result: Sequence[bytes], time: Time) -> None:
        """`targets` are the places, in their order, and where they come to in the whole result."""
        places = list(targets)
        edges = [0, *(edge for place in places for edge in place[:2]), len(data)]
        self._unpack: Callable[[bytes], tuple[bytes, ...]] = Struct(
            "".join(f"{end - start}s" for start, end in pairwise(edges))
        ).unpack
        self._fixed = self._unpack(data)[0::2]
        numbers = {place: number for number, place in enumerate(places)}
        texts = [numbers[place] for place in places if place.kind == TEXT]
        self._texts: Callable[[Sequence[bytes]], Any] | None = itemgetter(*texts, texts[0]) if texts else None
        self._checks = [
            (numbers[place], 2 if place.kind == BIT else 128) for place in places if place.kind in {SMALL, BIT}
        ]
        whole, at = b"".join(result), 0
        self._pieces: list[bytes] = []
        self._copies: list[tuple[int, int]] = []
        self._times: list[tuple[int, int]] = []
        self._time = time
        for place, target in sorted(targets.items(), key=itemgetter(1)):
            self._pieces.append(whole[at:target])
            (self._times if place.kind == TIME else self._copies).append((len(self._pieces), numbers[place]))
            self._pieces.append(b"")
            at = target + place.end - place.start
        self._pieces.append(whole[at:])
        ends = [sum(map(len, result[:number])) for number in range(len(result) + 1)]
        self._cuts = [slice(start, end) for start, end in pairwise(ends)]

    def convert(self, data: bytes) -> list[bytes] | None:
        """Converts a message of the same length; None if it has another shape."""
        parts = self._unpack(data)
        if parts[0::2] != self._fixed:
            return None
        values = parts[1::2]
        if self._texts is not None:
            texts = b"".join(self._texts(values))
            if not texts.isascii() or 0 in texts:
                return None
        for number, bound in self._checks:
            if values[number][0] >= bound:
                return None
        pieces = self._pieces.copy()
        for at, number in self._copies:
            pieces[at] = values[number]
        for at, number in self._times:
            pieces[at] = self._time(values[number])
        whole = b"".join(pieces)
        return [whole[cut] for cut in self._cuts]


def learn(data: bytes, places: Places, convert: Convert, time: Time) -> Shape | None:
    """Learns the shape of a message. None if nothing in it can be another. Raises MalformedValue."""
    result = convert(data)
    if result is None:
        return None
    targets: dict[Place, int] = {}
    taken: list[tuple[int, int]] = []
    for place in places(data):
        target = _target_of(place, data, convert, time)
        if target is not None and all(
            target + place.end - place.start <= start or end <= target for start, end in taken
        ):
            targets[place] = target
            taken.append((target, target + place.end - place.start))
    if not targets:
        return None
    shape = Shape(data, targets, result, time)
    # Once more for all places together, with what conversions may care for.
    for number in range(len(_SUSPICIOUS)):
        changed = data
        for place in targets:
            if place.kind == TEXT:
                changed = _with(changed, place, _SUSPICIOUS[number:] + _SUSPICIOUS)
        if convert(changed) != (expected := shape.convert(changed)) or expected is None:
            return None
    return shape


def _target_of(place: Place, data: bytes, convert: Convert, time: Time) -> int | None:
    """The position in the whole result to which a place is copied, if that is all that is done with it."""
    outcomes = []
    for fill in _FILLS[place.kind]:
        filled = place.filled(fill)
        result = convert(_with(data, place, filled))
        if result is None:
            return None
        outcomes.append((list(map(len, result)), b"".join(result), time(filled) if place.kind == TIME else filled))
    (sizes, one, first), (other_sizes, other, second) = outcomes
    if sizes != other_sizes:
        return None
    size = len(first)
    differing = next((at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
    if differing is None:
        return None
    for at in range(max(differing - size + 1, 0), differing + 1):
        ends_alike = one[at + size :] == other[at + size :]
        if one[at : at + size] == first and other[at : at + size] == second and ends_alike:
            return at
    return None


def _with(data: bytes, place: Place, content: bytes) -> bytes:
    return data[: place.start] + place.filled(content) + data[place.end :]


class Shapes:
    """The shapes of a conversion that are known."""

    __slots__ = ("_by_size", "_convert", "_count", "_learned", "_places", "_since", "_time", "hits")

    def __init__(self, convert: Convert, places: Places, time: Time) -> None:
        self._convert, self._places, self._time = convert, places, time
        self._by_size: dict[int, list[Shape]] = {}
        self._count = self._learned = 0
        self._since = EVERY
        """Messages since something was learned."""
        self.hits = 0
        """Messages that were converted by a shape."""

    def convert(self, data: bytes) -> list[bytes] | None:
        """Converts a message whose shape is known; None if it is not."""
        self._since += 1
        for shape in self._by_size.get(len(data), ()):
            found = shape.convert(data)
            if found is not None:
                self.hits += 1
                return found
        return None

    def note(self, data: bytes) -> None:
        """Learns from a message whose shape is not known, unless those that were learned do not serve. Raises
        MalformedValue."""
        if len(data) > SIZE_MAX or self._since < EVERY or self.hits < PAID_BY * (self._learned + 1 - FREE):
            return
        self._learned += 1
        self._since = 0
        shape = learn(data, self._places, self._convert, self._time)
        if shape is None:
            return
        if self._count == SHAPES_MAX:
            self._by_size.clear()
            self._count = 0
        alike = self._by_size.setdefault(len(data), [])
        if len(alike) == ALIKE_MAX:
            alike.pop()
            self._count -= 1
        alike.insert(0, shape)
        self._count += 1
