"""A compiled pattern, and the search for it: backtracking that never tries the same thing twice.

A program is a list of instructions. All jumps are relative, so that a part of a program can be moved and repeated. A
thread of the search is a place in the program, one in the text, and the captures. Where the program splits, a thread
that was there before is dropped: it failed, or it still waits to be tried. So the steps are bounded by the product of
pattern and text. Only back references make captures, and with them there may be very many threads; then, and for
patterns that look around very often, the bound on steps ends the search.

Source: Thompson, "Regular Expression Search Algorithm"; `pcre_exec`, whose limit on steps also means: no match.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from amqpy.patterns.octets import FOLDED, NEWLINE, WORD

STEPS_MAX: Final = 100_000
"""Instructions that one search may execute: some 15 milliseconds. RabbitMQ 4.3 allows 50,000 larger ones."""

UNIT: Final = 8
"""Instructions that take a microsecond or two."""
FREE_UNITS: Final = 10
"""The work of a usual search. It is part of the work of whoever searches, and not counted."""

Instruction: TypeAlias = tuple[int, Any, Any]
Captures: TypeAlias = tuple[int | None, ...]
"""Places where each capturing group began and ended last, if the program has back references."""

OCTETS: Final = 0
"""(set, -): the next octet is in the set."""
SPLIT: Final = 1
"""(distance, distance): goes on at the first of two places, and if that fails at the second."""
JUMP: Final = 2
"""(distance, -)"""
ASSERT: Final = 3
"""(function, -): something is so at this place of the text."""
LOOK: Final = 4
"""(length, is negative): the instructions that follow, up to an END, match here, or do not."""
ATOMIC: Final = 5
"""(length, -): the same, and goes on behind their first match without ever trying another one."""
BACK: Final = 6
"""(count, -): goes back in the text."""
SAVE: Final = 7
"""(index, -): notes this place of the text in the captures."""
REPEAT: Final = 8
"""(group, ignores case): what the group captured comes again."""
END: Final = 9


class _TooManySteps(Exception):
    pass


class Program:
    """A pattern, ready to be searched for."""

    def __init__(self, code: list[Instruction], captures: int) -> None:
        is_anchored = bool(code) and code[0] == (ASSERT, at_start, None)
        every_place: list[Instruction] = [] if is_anchored else [(SPLIT, 2, 0), (OCTETS, ANYTHING, None), (JUMP, -3, 0)]
        self._code = [*every_place, *code, (END, None, None)]
        self._captures: Captures = (None,) * captures

    def search(self, text: str, spend: Callable[[int], object] | None = None) -> bool:
        """True if the pattern matches somewhere in the text. False, too, if to find out takes too many steps.

        `spend` is told how much work it was, if it was much: in microseconds or two.
        """
        search = _Search(self._code, octets_of(text))
        try:
            return search.run(0, 0, self._captures) is not None
        except _TooManySteps:
            return False
        finally:
            units = (STEPS_MAX - search.steps) // UNIT
            if spend is not None and units > FREE_UNITS:
                spend(units)


class _Search:
    """One search."""

    def __init__(self, code: list[Instruction], text: bytes) -> None:
        self._code = code
        self._text = text
        self.steps = STEPS_MAX
        """Those that are left."""

    def run(self, place: int, at: int, captures: Captures) -> tuple[int, Captures] | None:
        """Runs from a place of the program to its next END: where in the text that is, or None."""
        code, text, size = self._code, self._text, len(self._text)
        been: set[tuple[int, int, Captures]] = set()
        waiting = [(place, at, captures)]
        while waiting:
            place, at, captures = waiting.pop()
            while True:
                self.steps -= 1
                if self.steps < 0:
                    raise _TooManySteps
                kind, first, second = code[place]
                place += 1
                if kind == OCTETS:
                    if at == size or text[at] not in first:
                        break
                    at += 1
                elif kind == SPLIT:
                    thread = (place, at, captures)
                    if thread in been:
                        break
                    been.add(thread)
                    waiting.append((place + second, at, captures))
                    place += first
                elif kind == JUMP:
                    place += first
                elif kind == ASSERT:
                    if not first(text, at):
                        break
                elif kind == END:
                    return at, captures
                elif kind in (LOOK, ATOMIC):
                    found = self.run(place, at, captures)
                    if (found is None) is not (kind == LOOK and second):
                        break
                    if found is not None:
                        at, captures = (at if kind == LOOK else found[0]), found[1]
                    place += first
                elif kind == BACK:
                    at -= first
                    if at < 0:
                        break
                elif kind == SAVE:
                    captures = (*captures[:first], at, *captures[first + 1 :])
                else:
                    begin, end = captures[2 * first - 2 : 2 * first]
                    if begin is None or end is None or not self._comes_again(text[begin:end], at, second):
                        break
                    at += end - begin
        return None

    def _comes_again(self, octets: bytes, at: int, ignores_case: bool) -> bool:
        again = self._text[at : at + len(octets)]
        self.steps -= len(octets)
        if not ignores_case:
            return again == octets
        return len(again) == len(octets) and all(a in FOLDED[b] for a, b in zip(again, octets, strict=True))


ANYTHING: Final = frozenset(range(256))

Assertion: TypeAlias = Callable[[bytes, int], bool]


def at_start(text: bytes, at: int) -> bool:
    return at == 0


def at_end(text: bytes, at: int) -> bool:
    return at == len(text)


def at_end_or_last_newline(text: bytes, at: int) -> bool:
    return at == len(text) or (at == len(text) - 1 and text[at] == NEWLINE)


def at_line_start(text: bytes, at: int) -> bool:
    """PCRE: not behind a newline that is the last octet."""
    return at == 0 or (text[at - 1] == NEWLINE and at < len(text))


def at_line_end(text: bytes, at: int) -> bool:
    return at == len(text) or text[at] == NEWLINE


def at_word_boundary(text: bytes, at: int) -> bool:
    return (at > 0 and text[at - 1] in WORD) is not (at < len(text) and text[at] in WORD)


def within_or_outside_word(text: bytes, at: int) -> bool:
    return not at_word_boundary(text, at)


def octets_of(text: str) -> bytes:
    """The octets of a client's text, or of one from JSON, which may have lone surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


NOTHING: Final = Program([(OCTETS, frozenset(), None)], 0)
"""Matches nothing."""
