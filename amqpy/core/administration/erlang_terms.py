"""Values as RabbitMQ's error texts show them: Erlang terms, broken into lines where they are too long for one.

A term is JSON as Python has it, or an `Atom`, or a tuple of terms. A list or an object that does not fit begins a line
for each item that is not a single thing; a tuple whose first item is an atom sets its other items off, by the longest
indentation that keeps them in the left half of the page.

Source: Erlang's `io_lib_pretty:print`, for `~p` with a line of 80 characters.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.errors import erlang_atom, erlang_text
from amqpy.wire.values import erlang_float

LINE: Final = 80
HALF: Final = LINE // 2
DEPTH_MAX: Final = 100
"""The nesting beyond which a value is cut off. RabbitMQ has no limit; Python has."""

BINARY_ROW_MIN: Final = 8
"""Characters of a line of octets, however far to the right they stand."""


class Atom(str):
    """A text that is an atom."""

    __slots__ = ()


class _Part(NamedTuple):
    """A term, or a part of one."""

    text: str
    """On one line."""
    size: int
    kind: str = "leaf"
    """`leaf`, `binary` (one as numbers), `list`, `map`, `pair` (of a map), `tuple`, or `tagged`: one that begins with
    an atom."""
    parts: "tuple[_Part, ...]" = ()


class _TooFar(Exception):
    """A tuple would be set off in the right half of the page."""


Indentation: TypeAlias = int | None
"""The spaces before items of a tuple whose tag is longer than that; None sets them off by the length of the tag."""


def as_erlang_term(value: object, before: str = "") -> str:
    """A value as `~p` prints it after the text that is `before` it."""
    part, column = _part(value, 0), _size(before.rpartition("\n")[2]) + 1
    if part.size < LINE - column:
        return part.text
    for indentation in (None, 4):
        try:
            return _broken(part, column, indentation, 0)
        except _TooFar:
            continue
    return _broken(part, column, 1, 0)


def with_term(before: str, value: object, after: str = "") -> str:
    """A text with a value in it."""
    return f"{before}{as_erlang_term(value, before)}{after}"


def as_text(value: object) -> str:
    """A value as `~s` prints it: a list is the text of its items; what has no text is a term."""
    if isinstance(value, list):
        return "".join(chr(each) if type(each) is int and 0 <= each < 256 else as_text(each) for each in value)
    return value if isinstance(value, str) else as_erlang_term(value)


def pairs(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """An object as a list of pairs, in which form RabbitMQ keeps some."""
    return [(key, values[key]) for key in sorted(values)]


# --- terms


def _size(text: str) -> int:
    """Erlang counts the octets of a text."""
    return len(text.encode("utf-8", "surrogatepass"))


def _leaf(text: str) -> _Part:
    return _Part(text, _size(text))


def _part(value: object, depth: int) -> _Part:
    if depth > DEPTH_MAX:
        return _leaf("...")
    match value:
        case None:
            return _leaf("null")
        case bool():
            return _leaf(str(value).lower())
        case float():
            return _leaf(erlang_float(value))
        case Atom():
            return _leaf(erlang_atom(value))
        case str():
            text = erlang_text(value.encode("utf-8", "surrogateescape"))
            return _Part(text, _size(text), "binary") if text[2].isdecimal() else _leaf(text)
        case dict():
            items = [_pair(key, value[key], depth + 1) for key in sorted(value)]
            return _group("map", "#{", items, "}")
        case tuple():
            kind = "tagged" if len(value) > 1 and isinstance(value[0], Atom | bool | None) else "tuple"
            return _group(kind, "{", [_part(each, depth + 1) for each in value], "}")
        case list():
            string = _string(value)
            return _group("list", "[", [_part(each, depth + 1) for each in value], "]") if string is None else string
    return _leaf(str(value))


def _group(kind: str, opening: str, parts: Sequence[_Part], closing: str) -> _Part:
    text = f"{opening}{','.join(part.text for part in parts)}{closing}"
    size = len(opening) + len(closing) + sum(part.size for part in parts) + max(len(parts) - 1, 0)
    return _Part(text, size, kind if parts else "leaf", tuple(parts))


def _pair(key: object, value: object, depth: int) -> _Part:
    both = _part(key, depth), _part(value, depth)
    return _Part(f"{both[0].text} => {both[1].text}", both[0].size + both[1].size + 4, "pair", both)


def _string(items: list[object]) -> _Part | None:
    """A list of the octets of a printable text, which Erlang cannot tell from that text."""
    if not items or not all(type(item) is int and 0 <= item < 256 for item in items):
        return None
    shown = erlang_text(bytes(item for item in items if isinstance(item, int)))
    return _leaf(shown[2:-2]) if shown.startswith('<<"') else None


# --- lines


def _broken(part: _Part, column: int, indentation: Indentation, closing: int) -> str:
    """A part that stands at a column, and is followed by so many characters that close what it is in."""
    if part.size < LINE - column - closing:
        return part.text
    match part.kind:
        case "binary":
            return _rows_of_octets(part.text[2:-2].split(","), column + 2, closing)
        case "list" | "tuple":
            inside = _items(part.parts, column + 1, indentation, closing)
            return f"{part.text[0]}{inside}{part.text[-1]}"
        case "tagged":
            return _tagged(part.parts, column, indentation, closing)
        case "map":
            return f"#{{{_items(part.parts, column + 2, indentation, closing)}}}"
        case "pair":
            key, value = part.parts
            shift = indentation or 4
            shown = _broken(key, column, indentation, closing)
            below = _broken(value, column + shift, indentation, closing)
            return f"{shown} =>\n{' ' * (column + shift - 1)}{below}"
    return part.text


def _tagged(parts: Sequence[_Part], column: int, indentation: Indentation, closing: int) -> str:
    tag, rest = parts[0], parts[1:]
    width = tag.size + 2
    after_tag = column + width
    if indentation is not None and width > indentation:
        if indentation > 1 and column + indentation > HALF:
            raise _TooFar
        tail = _tail(rest, column + indentation, after_tag, indentation, closing)
        return f"{{{tag.text}{tail}}}"
    if indentation != 1 and after_tag >= HALF:
        raise _TooFar
    return f"{{{tag.text},{_items(rest, after_tag, indentation, closing)}}}"


def _items(parts: Sequence[_Part], column: int, indentation: Indentation, closing: int) -> str:
    """The items between brackets."""
    first, rest = parts[0], parts[1:]
    shown, width = _item(first, column, indentation, 0 if rest else closing + 1)
    return shown + _tail(rest, column, column + width, indentation, closing)


def _tail(parts: Iterable[_Part], start: int, column: int, indentation: Indentation, closing: int) -> str:
    """Items after the first one, each with its comma. Lines begin at `start`; the one so far ends at `column`."""
    parts, shown = list(parts), ""
    for number, part in enumerate(parts, 1):
        behind = closing + 1 if number == len(parts) else 0
        size = 1 + part.size
        if _is_single(part) and size < LINE - column - (behind or 1):
            shown += f",{part.text}"
            column += size
        else:
            text, width = _item(part, start, indentation, behind)
            shown += f",\n{' ' * (start - 1)}{text}"
            column = start + width
    return shown


def _item(part: _Part, column: int, indentation: Indentation, closing: int) -> tuple[str, int]:
    """An item, and the width after which another one may follow on its line; a whole line if none may."""
    if _is_single(part) and part.size < LINE - column - closing:
        return part.text, part.size
    return _broken(part, column, indentation, closing), LINE


def _is_single(part: _Part) -> bool:
    return all(each.kind == "leaf" for each in part.parts) if part.kind == "pair" else part.kind == "leaf"


def _rows_of_octets(octets: Sequence[str], column: int, closing: int) -> str:
    room = max(BINARY_ROW_MIN, LINE - column - closing)
    shown, left = "", room
    for number, octet in enumerate(octets, 1):
        text = octet if number == len(octets) else f"{octet},"
        if len(text) > left:
            shown += f"\n{' ' * (column - 1)}"
            left = room
        shown += text
        left -= len(text)
    return f"<<{shown}>>"
