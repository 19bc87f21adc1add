"""Validation of the values that an administrator sets, with RabbitMQ's error texts.

Values are JSON as Python has it; RabbitMQ shows them as Erlang terms. All errors are reported at once, a line each.

Source: `rabbit_parameter_validation`, `rabbit_runtime_parameters:format_error`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from amqpy.errors import AdministrationError, erlang_text, escaped
from amqpy.patterns import PatternError, Program
from amqpy.patterns import compile_pattern as compile_any
from amqpy.wire.values import erlang_float

ErrorFinder: TypeAlias = Callable[[str, Any], str | None]
"""Checks a key's value; returns the error text, or None."""


class Term(NamedTuple):
    """A key that an object may have, and the check of its value."""

    key: str
    error_in: ErrorFinder
    mandatory: bool = False


def check(errors: Iterable[str]) -> None:
    """Raises AdministrationError if there are any errors."""
    lines = [f"{error}\n" for error in errors]
    if lines:
        raise AdministrationError(f"Validation failed\n\n{''.join(lines)}")


VALUE_DEPTH_MAX = 100
"""The deepest nesting of lists and objects in a value that an administrator sets. RabbitMQ has no limit; Python's JSON
encoder and decoder have one, and so has the conversion to an Erlang term for error texts."""


def check_depth(value: object) -> None:
    """Raises AdministrationError for a value that is deeper than VALUE_DEPTH_MAX."""
    level = [value]
    for _ in range(VALUE_DEPTH_MAX + 1):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
        if not inner:
            return
        level = inner
    raise AdministrationError(f"a value may not be nested more than {VALUE_DEPTH_MAX} deep")


def errors_in_object(name: str, terms: Iterable[Term], value: object) -> list[str]:
    """Checks an object; returns the errors in RabbitMQ's order: the last key first. `name` is in the texts."""
    if isinstance(value, list):
        if value:
            return [f"Unrecognised terms {as_erlang_term(value)} in {name}"]
        value = {}  # which Erlang cannot tell from it
    if not isinstance(value, dict):
        return [f"{name} not a list {as_erlang_term(value)}"]
    errors: list[str] = []
    unknown = dict(value)
    for key, judge, mandatory in terms:
        if key in unknown:
            error = judge(key, unknown.pop(key))
        else:
            error = f'Key "{key}" not found in {name}' if mandatory else None
        if error is not None:
            errors.insert(0, error)
    if unknown:
        errors.insert(0, f"Unrecognised terms {as_erlang_pairs(unknown)} in {name}")
    return errors


def number(key: str, value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else f"{key} should be a number, actually was {as_erlang_term(value)}"


def integer(key: str, value: object) -> str | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return None if is_integer else f"{key} should be a number, actually was {as_erlang_term(value)}"


def text(key: str, value: object) -> str | None:
    return None if isinstance(value, str) else f"{key} should be binary, actually was {as_erlang_term(value)}"


# --- regular expressions


def compile_pattern(pattern: str) -> Program:
    """Compiles a regular expression. Raises ValueError with the Erlang term of the error and its place."""
    try:
        return compile_any(pattern)
    except PatternError as error:
        raise ValueError(as_erlang_error(error)) from None


def as_erlang_error(error: PatternError) -> str:
    return f'{{"{escaped(error.text)}",{error.at}}}'


# --- JSON values as Erlang terms


def as_erlang_term(value: object) -> str:
    """A JSON value as Erlang's `~p` prints it, but on one line however long."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return erlang_float(value)
        case str():
            return erlang_text(value.encode("utf-8", "surrogateescape"))
        case dict():
            pairs = (f"{as_erlang_term(key)} => {as_erlang_term(value[key])}" for key in sorted(value))
            return f"#{{{','.join(pairs)}}}"
        case list() | tuple():
            return _list(list(value))
    return str(value)


def as_erlang_pairs(values: dict[str, Any]) -> str:
    """An object as a list of pairs."""
    return f"[{','.join(f'{{{as_erlang_term(key)},{as_erlang_term(values[key])}}}' for key in sorted(values))}]"


def _list(items: list[object]) -> str:
    """A list as Erlang prints it. It cannot tell a list of small integers from a string."""
    if items and all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 256 for item in items):
        shown = erlang_text(bytes(item for item in items if isinstance(item, int)))
        if shown.startswith('<<"'):
            return shown[2:-2]
    return f"[{','.join(map(as_erlang_term, items))}]"
