"""Values of JSON with less in them: a mask hides what may differ between two brokers, and keeps what may not.

A value that is hidden leaves its type, as a text: `<integer>`. So a key that is missing, or has a value of another
type, is still a difference.
"""

import json
import re
import time
from collections.abc import Callable
from itertools import groupby
from typing import Any, Final

Mask = Callable[[Any], Any]

RECENT_S: Final = 600

LETTERS_FROM, LETTERS_TO = 9, 0x110000


class Left:
    """Stands for a value that is left out."""


LEFT_OUT: Final = Left()


def type_of(value: object) -> str:
    match value:
        case str() if value.startswith("<") and value.endswith(">"):
            return value  # what is hidden already
        case None:
            return "<null>"
        case bool():
            return "<boolean>"
        case int():
            return "<integer>"
        case float():
            return "<float>"
        case str():
            return "<text>" if value else "<empty text>"
    return "<list>" if isinstance(value, list) else "<object>"


def typed(value: Any) -> Any:  # noqa: ANN401 - any JSON, here and below
    """The types of all that is in a value, and what the keys of its objects are."""
    match value:
        case dict():
            return {key: typed(inner) for key, inner in value.items()}
        case list():
            return [typed(each) for each in value]
    return type_of(value)


def shaped(value: Any) -> Any:  # noqa: ANN401
    """The same, but of lists just what their items are like: each kind of item once, however many there are."""
    match value:
        case dict():
            return {key: shaped(inner) for key, inner in value.items()}
        case list():
            kinds = {json.dumps(shaped(each), sort_keys=True): shaped(each) for each in value}
            return [kinds[key] for key in sorted(kinds)]
    return type_of(value)


def counted(value: Any) -> Any:  # noqa: ANN401
    """For a counter that is only there when it has counted something, which is not the same each time."""
    return LEFT_OUT if is_zero(value) else typed(value)


def number(value: Any) -> Any:  # noqa: ANN401
    """For what is a fraction at times, and an integer at others."""
    return "<number>" if isinstance(value, int | float) and not isinstance(value, bool) else value


def recent(value: Any) -> Any:  # noqa: ANN401
    """For a Unix time in seconds that the broker has set: those of two brokers may differ by the turn of a second."""
    is_recent = isinstance(value, int) and abs(value - time.time()) < RECENT_S
    return "<recent>" if is_recent else value


def anything(value: object) -> str:
    return "<anything>"


def left_out(value: object) -> Left:
    """For a key that is there at times."""
    return LEFT_OUT


def without_zero(value: Any) -> Any:  # noqa: ANN401
    """For a counter that is only there when it has counted something, or a bit longer."""
    return LEFT_OUT if is_zero(value) else value


def stepped(value: Any) -> Any:  # noqa: ANN401
    """For samples, of which one more or less may have been taken: how many there are, and their values one after the
    other, each as often as it came back."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and "sample" in each for each in value):
        return value
    values = [key for key, _ in groupby(value, key=lambda each: each["sample"])]
    others = [{key: inner for key, inner in each.items() if key != "sample"} for each in value]
    return {"length": len(value), "values": values, "others": shaped(others)}


def without_rate_alone(value: Any) -> Any:  # noqa: ANN401
    """For a rate that is there, and is not 0, at some moments only. With samples it is there in any case."""
    return LEFT_OUT if isinstance(value, dict) and value.keys() == {"rate"} else without_zero(value)


def is_zero(value: object) -> bool:
    if isinstance(value, dict):
        return all(is_zero(inner) for key, inner in value.items() if key != "timestamp")
    if isinstance(value, list):
        return all(map(is_zero, value))
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


def unordered(value: Any) -> Any:  # noqa: ANN401
    """For lists in no order."""
    return sorted(value, key=canonical) if isinstance(value, list) else value


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def readable(value: Any) -> Any:  # noqa: ANN401
    """For lists of the letters of a text, as numbers."""
    if not isinstance(value, list):
        return value
    if value and all(isinstance(each, int) and LETTERS_FROM <= each < LETTERS_TO for each in value):
        return "".join(map(chr, value))
    return [readable(each) for each in value]


def text(pattern: str, replacement: str) -> Mask:
    """For parts of a text."""
    compiled = re.compile(pattern)

    def masked(value: Any) -> Any:  # noqa: ANN401
        return compiled.sub(replacement, value) if isinstance(value, str) else value

    return masked


def only(*values: str, key: str = "name") -> Mask:
    """For lists of which both brokers must have these, in any order, and may have others: texts, or objects with a
    name."""

    def named(item: Any) -> Any:  # noqa: ANN401
        return item.get(key) if isinstance(item, dict) else item

    def masked(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            return value
        return sorted((each for each in value if named(each) in values), key=lambda each: values.index(named(each)))

    return masked


def without(*names: str) -> Mask:
    """For lists in which one broker has objects of these names, and the other has not."""

    def masked(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            return value
        return [each for each in value if not (isinstance(each, dict) and each.get("name") in names)]

    return masked
