"""Validation of the values that an administrator sets, with RabbitMQ's error texts.

Values are JSON as Python has it; RabbitMQ shows them as Erlang terms. All errors are reported at once, a line each.

Source: `rabbit_parameter_validation`, `rabbit_runtime_parameters:format_error`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from amqpy.core.administration.erlang_terms import pairs, with_term
from amqpy.errors import AdministrationError, erlang_string
from amqpy.patterns import PatternError, Program
from amqpy.patterns import compile_pattern as compile_any

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
            return [with_term("Unrecognised terms ", value, f" in {name}")]
        value = {}  # which Erlang cannot tell from it
    if not isinstance(value, dict):
        return [with_term(f"{name} not a list ", value)]
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
        errors.insert(0, with_term("Unrecognised terms ", pairs(unknown), f" in {name}"))
    return errors


def number(key: str, value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else with_term(f"{key} should be a number, actually was ", value)


def integer(key: str, value: object) -> str | None:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return None if is_integer else with_term(f"{key} should be a number, actually was ", value)


def text(key: str, value: object) -> str | None:
    return None if isinstance(value, str) else with_term(f"{key} should be binary, actually was ", value)


# --- regular expressions


def compile_pattern(pattern: str) -> Program:
    """Compiles a regular expression. Raises ValueError with the Erlang term of the error and its place."""
    try:
        return compile_any(pattern)
    except PatternError as error:
        raise ValueError(error_term(error)) from None


def error_term(error: PatternError) -> tuple[list[int], int]:
    return erlang_string(error.text), error.at
