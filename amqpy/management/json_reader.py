"""JSON as RabbitMQ reads it: what is strict JSON, and in older versions what a person may write who types by hand.

That is: comments (`/* */`, and `//` to the end of the line), a comma behind the last item, texts in single quotes, and
a backslash before what needs none, which stays then. It is more strict than Python where something could not be told
or kept again: numbers that are none, and halves of characters.

Source: `jsx_decoder`, which `rabbit_json` of 3.10 calls without its option `strict`; since then, `thoas_decode`.
"""

import json
import math
import re
from typing import Any, Final

TOKENS: Final = re.compile(
    r"""
    (?P<text>"(?:[^"\\]|\\.)*")
    | '(?P<quoted>(?:[^'\\]|\\.)*)'
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | (?P<other>[^"'/]+)
    """,
    re.DOTALL | re.VERBOSE,
)
"""All that a body is made of. What is none of them (a text or a comment without an end) makes it no JSON."""

TYPED_MAX: Final = 256 * 1024
"""Octets of a body that a person may have typed. A larger one must be strict."""

ESCAPES: Final = re.compile(r'\\u[0-9A-Fa-f]{4}|\\["\\/bfnrt]|\\\'|\\|"', re.DOTALL)

COMMAS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{,:]\s*,|,(?=\s*[}\]])', re.DOTALL)
"""Commas behind the last item; but for those in texts, and those before which there is no item."""


def read_json(octets: bytes, *, lenient: bool = True) -> Any:  # noqa: ANN401 (any JSON)
    """The value of JSON, which may be `lenient`. Raises ValueError."""
    return _read_lenient(octets) if lenient else _read_strict(octets)


def _read_strict(octets: bytes) -> Any:  # noqa: ANN401
    """Of a key that is there twice, the first value counts."""
    text = octets.decode()
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_first_values)
        if rb"\ud" in octets.lower():
            json.dumps(value, ensure_ascii=False).encode()  # the half of a pair of surrogates is no character
    except RecursionError:
        raise ValueError("too deep") from None
    return value


def _first_values(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


def _read_lenient(octets: bytes) -> Any:  # noqa: ANN401
    # As RabbitMQ takes it: with a mark of the byte order, control characters and octets that are no characters.
    text = octets.decode("utf-8-sig", "replace")
    try:
        try:
            value = _read(text)
        except ValueError:
            if len(octets) > TYPED_MAX:
                raise
            value = _read(strict(text))
        if rb"\ud" in octets.lower():
            # Perhaps the half of a pair of surrogates, which is no character and could not be encoded again.
            text = json.dumps(value, ensure_ascii=False)
            value = json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    except RecursionError:
        raise ValueError("too deep") from None
    return value


def _read(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, strict=False, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def strict(text: str) -> str:
    """The same in strict JSON. Raises ValueError if it cannot be."""
    made: list[str] = []
    end = 0
    while (found := TOKENS.match(text, end)) is not None:
        end = found.end()
        if found["comment"] is not None:
            made.append(" ")
        elif found["other"] is not None:
            made.append(found["other"])
        else:
            inside = found["quoted"] if found["text"] is None else found["text"][1:-1]
            made.append(f'"{ESCAPES.sub(_escaped, inside)}"')
    if end < len(text):
        raise ValueError(f"no JSON at {end}")
    return COMMAS.sub(lambda comma: "" if comma[0] == "," else comma[0], "".join(made))


def _escaped(found: re.Match[str]) -> str:
    match found[0]:
        case "\\'":
            return "'"
        case "\\" | '"':
            return f"\\{found[0]}"
    return found[0]
