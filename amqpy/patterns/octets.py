"""Sets of octets: the classes of PCRE where an octet is a character of Latin-1, as in Erlang."""

from collections.abc import Callable
from typing import Final, TypeAlias

Octets: TypeAlias = frozenset[int]

ALL: Final[Octets] = frozenset(range(256))
SINGLE: Final = [frozenset((octet,)) for octet in ALL]
"""The sets of one octet each."""
NEWLINE: Final = 10


def _those(fits: Callable[[str], bool]) -> Octets:
    return frozenset(octet for octet in ALL if fits(chr(octet)))


_LETTERS: Final = _those(str.isalpha)
_DIGITS: Final = frozenset(b"0123456789")
_SPACE: Final = frozenset(b"\t\n\v\f\r ")
_CONTROLS: Final = frozenset((*range(32), *range(127, 160)))
_GRAPH: Final = ALL - _CONTROLS - frozenset(b" ")
WORD: Final[Octets] = _LETTERS | _DIGITS | frozenset(b"_")

POSIX: Final[dict[str, Octets]] = {
    "alpha": _LETTERS,
    "lower": _those(str.islower),
    "upper": _those(str.isupper),
    "alnum": _LETTERS | _DIGITS,
    "ascii": ALL,  # so it is in Erlang
    "blank": frozenset(b"\t "),
    "cntrl": _CONTROLS,
    "digit": _DIGITS,
    "graph": _GRAPH,
    "print": _GRAPH | frozenset(b" "),
    "punct": _GRAPH - _LETTERS - _DIGITS,
    "space": _SPACE,
    "word": WORD,
    "xdigit": frozenset(b"0123456789abcdefABCDEF"),
}
"""The classes that stand in brackets: `[[:alpha:]]`."""

SHORTHANDS: Final[dict[str, Octets]] = {
    "d": _DIGITS,
    "s": _SPACE,
    "w": WORD,
    "h": frozenset(b"\t \xa0"),
    "v": frozenset(b"\n\v\f\r\x85"),
}
"""The classes that have a letter. Its capital stands for all other octets."""
SHORTHANDS.update({letter.upper(): ALL - octets for letter, octets in list(SHORTHANDS.items())})


def _folded(octet: int) -> Octets:
    cases = (chr(octet), chr(octet).lower(), chr(octet).upper())
    return frozenset(ord(case) for case in cases if len(case) == 1 and ord(case) < 256)


FOLDED: Final = [_folded(octet) for octet in range(256)]
"""Each octet with the other case of its letter."""


def folded(octets: Octets) -> Octets:
    """The octets with the other cases of their letters."""
    return frozenset().union(*(FOLDED[octet] for octet in octets))
