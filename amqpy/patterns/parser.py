"""PCRE's syntax, read in one pass without recursion.

What is read becomes a *part*: instructions and the number of octets that they take. Parts are put one behind the other,
made alternatives, repeated by being copied. An open parenthesis is a group on a stack.

Not there is what makes matching a program of its own: recursion, conditions, callouts, verbs.

Source: pcrepattern(3) and `pcre_compile.c` of PCRE 8.44 for error texts and their places.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import amqpy.patterns.program as p
from amqpy.patterns.octets import ALL, FOLDED, NEWLINE, POSIX, SHORTHANDS, SINGLE, Octets, folded
from amqpy.patterns.program import Assertion, Instruction, Program, octets_of
from amqpy.patterns.properties import PROPERTIES

PATTERN_MAX: Final = 4096
"""The most octets of a pattern."""
CODE_MAX: Final = 20_000
"""The most instructions of a program: repetitions of repetitions grow fast."""
DEPTH_MAX: Final = 100
"""The most groups inside of each other."""
COUNT_MAX: Final = 65_535
NO_GROUP: Final = "reference to non-existent subpattern"
UNKNOWN_GROUP: Final = "unrecognized character after (? or (?-"
TOO_LARGE: Final = "regular expression is too large"

_COUNT: Final = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP: Final = re.compile(
    r"\((\?(P?<[A-Za-z_]\w*>|'[A-Za-z_]\w*'|[:>=!|]|<[=!]|[-imsxJUX]*[:)]|#|P=\w+\)))?", re.ASCII
)
_NAME_BEGUN: Final = re.compile(r"\(\?(?:P?<|')[A-Za-z_]\w*", re.ASCII)
_OPTIONS: Final = re.compile(r"\(\?[-imsxJUX]*")
_REFERENCE: Final = re.compile(
    r"g(-?[0-9]+)|g\{(-?[0-9]+|[A-Za-z_]\w*)\}|k[<'{]([A-Za-z_]\w*)[>'}]|([1-9][0-9]*)", re.ASCII
)
_PROPERTY: Final = re.compile(r"\{(\^?)([^}]{0,48})\}|([^{])", re.DOTALL)
_UNCLOSED: Final = re.compile(r"x\{[0-9A-Fa-f]*+(?!\})")
_OCTET: Final = re.compile(
    r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{0,2})|o\{([0-7]+)\}|(0[0-7]{0,2}|[0-3]?[0-7]{1,2})|c([ -~])"
)
_POSIX: Final = re.compile(r"\[:(\^?)([a-z]*):\]")
_POSIX_LIKE: Final = re.compile(r"\[([:.=])[^\]\\]*\1\]")

_CONTROLS: Final = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
_ASSERTIONS: Final[dict[str, Assertion]] = {
    "A": p.at_start,
    "G": p.at_start,
    "Z": p.at_end_or_last_newline,
    "z": p.at_end,
    "b": p.at_word_boundary,
    "B": p.within_or_outside_word,
}
_QUANTIFIERS: Final[dict[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
_SPACES: Final = frozenset(" \t\n\v\f\r")


class PatternError(ValueError):
    """A pattern that is none: PCRE's text, and the number of octets read before that was noticed."""

    def __init__(self, text: str, at: int) -> None:
        super().__init__(f"{text} at offset {at}")
        self.text = text
        self.at = at


class _Part(NamedTuple):
    """A part of a program."""

    code: list[Instruction]
    width: int | None
    """The octets that it always takes; None if that differs."""
    repeats: bool = True
    """False if no quantifier may follow."""
    is_optional: bool = False
    """True if it may take nothing, wherever it stands."""


class _Group:
    """A parenthesis that is open, or the whole pattern."""

    def __init__(self, kind: str, flags: frozenset[str], number: int = 0) -> None:
        self.kind = kind
        """The letters behind its question mark."""
        self.flags = flags
        """The flags before it, which hold again behind it."""
        self.number = number
        """That of its capture; 0 for none."""
        self.alternatives: list[_Part] = []
        self.parts: list[_Part] = []

    def end_alternative(self) -> None:
        self.alternatives.append(_in_a_row(self.parts))
        self.parts = []


def compile_pattern(pattern: str) -> Program:
    """Compiles a regular expression. Raises PatternError."""
    octets = octets_of(pattern)
    if len(octets) > PATTERN_MAX:
        raise PatternError(TOO_LARGE, len(octets))
    return _Parser(octets.decode("latin-1")).parse()


def restored_pattern(pattern: str) -> Program:
    """Compiles a regular expression that was good enough for an older amqpy. One that is not any more matches
    nothing."""
    try:
        return compile_pattern(pattern)
    except PatternError:
        return p.NOTHING


def quoted(text: str) -> str:
    """A regular expression for this text and no other."""
    return re.sub(r"[^\w\x80-\U0010ffff]", r"\\\g<0>", text, flags=re.ASCII)


class _Parser:
    """Reads one pattern, whose octets are the characters of `source`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._flags: frozenset[str] = frozenset()
        self._groups = [_Group("", self._flags)]
        self._captures = 0
        self._names: dict[str, int] = {}
        self._references: list[int] = []
        """The groups that are referred to."""
        self._size = 0
        """Instructions that repetitions have copied so far."""
        # Captures make a search longer, so only a pattern that may look at them has them.
        self._saves = re.search(r"\\[1-9gk]|\(\?P=", source) is not None

    def parse(self) -> Program:
        while self._at < len(self._source):
            self._read()
        if len(self._groups) > 1:
            raise PatternError("missing )", self._at)
        if not all(0 < group <= self._captures for group in self._references):
            raise PatternError(NO_GROUP, self._at)
        (whole,) = self._groups
        if not self._saves and not whole.alternatives:
            whole.parts = _without_optional_ends(whole.parts)
        whole.end_alternative()
        return Program(_one_of(whole.alternatives).code, 2 * self._captures if self._saves else 0)

    def _read(self) -> None:
        char = self._source[self._at]
        group = self._groups[-1]
        if char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "\\":
            self._add(*self._escape())
        elif char in "*+?" or _COUNT.match(self._source, self._at):
            self._repeat(char)
        elif char == "[":
            self._check_posix_like()
            self._add(_octets(self._bracketed()))
        elif "x" in self._flags and (char in _SPACES or char == "#"):
            end = self._source.find("\n", self._at) if char == "#" else self._at
            self._at = end + 1 if end >= 0 else len(self._source)
        else:
            self._at += 1
            match char:
                case "|":
                    group.end_alternative()
                case "^":
                    self._add(_assertion(p.at_line_start if "m" in self._flags else p.at_start))
                case "$":
                    self._add(_assertion(p.at_line_end if "m" in self._flags else p.at_end_or_last_newline))
                case ".":
                    self._add(_octets(ALL if "s" in self._flags else ALL - SINGLE[NEWLINE]))
                case _:
                    self._add(self._literal(ord(char)))

    def _add(self, *parts: _Part) -> None:
        self._groups[-1].parts += parts

    def _literal(self, octet: int) -> _Part:
        return _octets((FOLDED if "i" in self._flags else SINGLE)[octet])

    # --- groups

    def _open(self) -> None:
        begin = self._at
        found = _GROUP.match(self._source, begin)
        assert found is not None
        kind = found[2] or ""
        if self._source.startswith("(*", begin):
            raise PatternError("(*VERB) not recognized or malformed", begin + 2)
        if not kind and self._source.startswith("(?", begin):
            is_foreign = self._source.startswith((*"(R+&C0123456789", "-1", "P>"), begin + 2)
            if is_foreign:
                raise PatternError("recursion, conditions and callouts are not supported", begin + 2)
            if named := _NAME_BEGUN.match(self._source, begin):
                raise PatternError("syntax error in subpattern name (missing terminator)", named.end())
            raise PatternError(UNKNOWN_GROUP, begin + len(_OPTIONS.match(self._source, begin)[0]))  # type: ignore[index]
        self._at = found.end()
        if kind == "#":
            end = self._source.find(")", self._at)
            if end < 0:
                raise PatternError("missing ) after comment", len(self._source))
            self._at = end + 1
        elif kind.startswith("P="):
            self._add(self._reference(kind[2:-1]))
        elif kind.endswith(")"):
            self._flags = _changed(self._flags, kind[:-1])
        else:
            self._begin_group(kind)

    def _begin_group(self, kind: str) -> None:
        if len(self._groups) > DEPTH_MAX:
            raise PatternError("parentheses are too deeply nested", self._at)
        if kind == "|":
            raise PatternError("branch reset is not supported", self._at)
        before, number = self._flags, 0
        if kind.endswith(":"):
            self._flags = _changed(before, kind[:-1])
        elif not kind or (kind[-1] in ">'" and kind != ">"):
            number = self._captures = self._captures + 1
            if kind and self._names.setdefault(kind.lstrip("P")[1:-1], number) != number:
                raise PatternError("two named subpatterns have the same name", self._at - 1)
        self._groups.append(_Group(kind, before, number))

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise PatternError("unmatched parentheses", self._at)
        self._at += 1
        group = self._groups.pop()
        group.end_alternative()
        self._flags = group.flags
        self._add(self._grouped(group))

    def _grouped(self, group: _Group) -> _Part:
        alternatives = group.alternatives
        if group.kind in {"<=", "<!"}:
            if any(each.width is None for each in alternatives):
                raise PatternError("lookbehind assertion is not fixed length", self._at - 1)
            alternatives = [_in_a_row([_Part([(p.BACK, each.width, None)], 0), each]) for each in alternatives]
        part = _one_of(alternatives)
        if group.kind[-1:] in {"=", "!"}:
            is_negative = group.kind.endswith("!")
            return _Part([(p.LOOK, len(part.code) + 1, is_negative), *part.code, (p.END, None, None)], 0)
        if group.kind == ">":
            return _atomic(part)
        if group.number and self._saves:
            first = 2 * group.number - 2
            return _Part([(p.SAVE, first, None), *part.code, (p.SAVE, first + 1, None)], part.width)
        return part

    # --- quantifiers

    def _repeat(self, char: str) -> None:
        least, most = _QUANTIFIERS.get(char, (0, 0))
        end = self._at + 1
        if counted := _COUNT.match(self._source, self._at):
            end = counted.end()
            least = int(counted[1])
            most = least if counted[2] is None else int(counted[3]) if counted[3] else None
            if max(least, most or 0) > COUNT_MAX:
                raise PatternError("number too big in {} quantifier", end - 1)
            if most is not None and most < least:
                raise PatternError("numbers out of order in {} quantifier", end - 1)
        parts = self._groups[-1].parts
        if not parts or not parts[-1].repeats:
            raise PatternError("nothing to repeat", end - 1)
        self._at = end
        suffix = self._source[end : end + 1]
        if suffix in {"?", "+"}:
            self._at += 1
        part = parts.pop()
        self._size += (max(least, most or 0, 1) - 1) * (len(part.code) + 1)
        if self._size > CODE_MAX:
            raise PatternError(TOO_LARGE, self._at)
        repeated = _repeated(part, least, most, is_lazy=suffix == "?")
        if suffix == "+":
            repeated = _atomic(repeated)
        self._add(repeated._replace(repeats=False, is_optional=least == 0 and suffix != "+"))

    # --- escapes

    def _escape(self) -> Iterable[_Part]:
        """The parts of what begins with a backslash; a quotation has many."""
        source, begin = self._source, self._at
        char = source[begin + 1 : begin + 2]
        self._at += 2
        if not char:
            raise PatternError("\\ at end of pattern", begin + 1)
        if char == "Q":
            self._at = begin
            return [self._literal(ord(each)) for each in self._quotation()]
        if char in "EK":
            return ()
        if char in _ASSERTIONS:
            return (_assertion(_ASSERTIONS[char]),)
        if char == "N" or char == "C":
            return (_octets(ALL if char == "C" else ALL - SINGLE[NEWLINE]),)
        if char == "R":
            newlines = [_octets(each) for each in (SINGLE[13], SINGLE[10])]
            return (_atomic(_one_of([_in_a_row(newlines), _octets(SHORTHANDS["v"])])),)
        reference = _REFERENCE.match(source, begin + 1)
        if reference is not None and not (reference[4] and 9 < int(reference[4]) > self._captures):
            self._at = reference.end()
            return (self._reference(next(filter(None, reference.groups()))),)
        if char == "X":
            end_of_line = _in_a_row([_octets(SINGLE[13]), _octets(SINGLE[10])])
            return (_atomic(_one_of([end_of_line, _octets(ALL)])),)
        if char in "pP":
            return (_octets(self._property(char)),)
        if char in SHORTHANDS:
            return (_octets(SHORTHANDS[char]),)
        return (self._literal(self._escaped_octet(char, begin)),)

    def _property(self, char: str) -> Octets:
        """Reads the name of a property, behind its letter."""
        named = _PROPERTY.match(self._source, self._at)
        if named is None:
            raise PatternError("malformed \\P or \\p sequence", len(self._source))
        self._at = named.end()
        octets = PROPERTIES.get(named[3] or named[2])
        if octets is None:
            raise PatternError("unknown property name after \\P or \\p", self._at - 1)
        return ALL - octets if (char == "P") != bool(named[1]) else octets

    def _quotation(self) -> str:
        """Reads from a `\\Q` to its `\\E`, or else to the end: all of that stands for itself."""
        end = self._source.find("\\E", self._at)
        quoted_to = end if end >= 0 else len(self._source)
        found = self._source[self._at + 2 : quoted_to]
        self._at = quoted_to + 2
        return found

    def _escaped_octet(self, char: str, begin: int) -> int:
        """The octet that is meant by a backslash at `begin` and the character behind it."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if (unclosed := _UNCLOSED.match(self._source, begin + 1)) is not None:
            raise PatternError("non-hex character in \\x{} (closing brace missing?)", unclosed.end())
        number = _OCTET.match(self._source, begin + 1)
        if number is not None:
            self._at = number.end()
            braced, hexadecimal, octal, digits, control = number.groups("")
            if control:
                return ord(control.upper()) ^ 64
            value = int(octal or digits, 8) if octal or digits else int(braced or hexadecimal or "0", 16)
            if value > 255:
                raise PatternError("character value in \\x{} or \\o{} is too large", self._at)
            return value
        if char in "LlNUu":
            raise PatternError("PCRE does not support \\L, \\l, \\N{name}, \\U, or \\u", self._at - 1)
        if char == "o":
            raise PatternError("missing opening brace after \\o", self._at - 1)
        if char == "c":
            raise PatternError("\\c at end of pattern", self._at)
        if char in "gk":
            raise PatternError(f"\\{char} is not followed by a braced name or number", self._at)
        return ord(char)

    def _reference(self, name: str) -> _Part:
        group = int(name) if name.lstrip("-").isdecimal() else self._names.get(name, 0)
        if name.startswith("-"):
            group += self._captures + 1
        self._references.append(group)
        return _Part([(p.REPEAT, group, "i" in self._flags)], None)

    # --- classes

    def _check_posix_like(self) -> None:
        like = _POSIX_LIKE.match(self._source, self._at)
        if like is not None:
            raise PatternError("POSIX named classes are supported only within a class", self._at)

    def _bracketed(self) -> Octets:
        """Reads a class in brackets."""
        source = self._source
        self._at += 1
        is_negative = source.startswith("^", self._at)
        self._at += is_negative
        found: set[int] = set()
        begin = self._at
        while True:
            if self._at >= len(source):
                raise PatternError("missing terminating ] for character class", len(source))
            if source[self._at] == "]" and self._at > begin:
                self._at += 1
                break
            if source.startswith("\\Q", self._at):
                found.update(map(ord, self._quotation()))
                continue
            low = self._class_item()
            rest = source[self._at : self._at + 2]
            if isinstance(low, int) and len(rest) == 2 and rest[0] == "-" and rest[1] != "]":
                self._at += 1
                high = self._class_item()
                if isinstance(high, int):
                    if high < low:
                        raise PatternError("range out of order in character class", self._at - 1)
                    found.update(range(low, high + 1))
                    continue
                found.update((low, ord("-")), high)
            else:
                found.update((low,) if isinstance(low, int) else low)
        octets = folded(frozenset(found)) if "i" in self._flags else frozenset(found)
        return ALL - octets if is_negative else octets

    def _class_item(self) -> int | Octets:
        """Reads an octet or a class within brackets."""
        source, begin = self._source, self._at
        posix = _POSIX.match(source, begin)
        if posix is not None:
            if posix[2] not in POSIX:
                raise PatternError("unknown POSIX class name", begin + 2)
            self._at = posix.end()
            octets = POSIX[posix[2]]
            return ALL - octets if posix[1] else octets
        if _POSIX_LIKE.match(source, begin):
            raise PatternError("POSIX collating elements are not supported", begin)
        char = source[begin]
        self._at += 1
        if char != "\\":
            return ord(char)
        char = source[self._at : self._at + 1]
        self._at += 1
        if not char:
            raise PatternError("\\ at end of pattern", begin + 1)
        if char == "b":
            return 8
        if char in SHORTHANDS:
            return SHORTHANDS[char]
        if char in "pP":
            return self._property(char)
        return self._escaped_octet(char, begin)


# --- parts


def _octets(octets: Octets) -> _Part:
    return _Part([(p.OCTETS, octets, None)], 1)


def _assertion(function: Assertion) -> _Part:
    return _Part([(p.ASSERT, function, None)], 0, repeats=False)


def _in_a_row(parts: list[_Part]) -> _Part:
    widths = [part.width for part in parts]
    width = None if None in widths else sum(width or 0 for width in widths)
    return _Part([instruction for part in parts for instruction in part.code], width)


def _one_of(alternatives: list[_Part]) -> _Part:
    *others, last = alternatives
    left = sum(len(each.code) + 2 for each in others) + len(last.code)
    code: list[Instruction] = []
    for each in others:
        left -= len(each.code) + 2
        code += [(p.SPLIT, 0, len(each.code) + 1), *each.code, (p.JUMP, left, None)]
    width = last.width if len({each.width for each in alternatives}) == 1 else None
    return _Part(code + last.code, width)


def _atomic(part: _Part) -> _Part:
    return _Part([(p.ATOMIC, len(part.code) + 1, None), *part.code, (p.END, None, None)], part.width)


def _repeated(part: _Part, least: int, most: int | None, *, is_lazy: bool) -> _Part:
    code, size = part.code * least, len(part.code)
    if most is not None:
        for left in range(most - least, 0, -1):
            code += [_split(0, left * (size + 1) - 1, is_lazy), *part.code]
    elif least:
        code.append(_split(-size - 1, 0, is_lazy))
    else:
        code = [_split(0, size + 1, is_lazy), *part.code, (p.JUMP, -size - 2, None)]
    return _Part(code, part.width * least if part.width is not None and (most == least or not part.width) else None)


def _split(again: int, end: int, is_lazy: bool) -> Instruction:
    return (p.SPLIT, end, again) if is_lazy else (p.SPLIT, again, end)


def _without_optional_ends(parts: list[_Part]) -> list[_Part]:
    """The parts without those at both ends that may as well take nothing: `.*a.*` is found where `a` is."""
    kept = [at for at, part in enumerate(parts) if not part.is_optional]
    return parts[kept[0] : kept[-1] + 1] if kept else []


def _changed(flags: frozenset[str], letters: str) -> frozenset[str]:
    """The flags after `i-s`, say: more before the hyphen, fewer behind it."""
    more, _, fewer = letters.partition("-")
    return (flags | frozenset(more)) - frozenset(fewer)
