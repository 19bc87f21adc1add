"""Checks of the values of arguments and policy keys.

A check of an argument returns RabbitMQ's error term, one of a policy's value True or False.

Source: `rabbit_amqqueue:check_*_arg`, `rabbit_policies:validate_policy0`.
"""

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from amqpy.core.streams.places import check_offset
from amqpy.errors import PreconditionFailed, escaped
from amqpy.wire.values import INTEGER_KINDS, Field, Table

EXPIRY_MAX_MS = 315_360_000_000
"""Ten years, RabbitMQ's limit for every TTL."""

MAX_PRIORITY = 255

Check: TypeAlias = Callable[[Field, Table], str | None]
"""Checks an argument's value, given all arguments; returns the Erlang term that says what is wrong, or None."""


# --- arguments


def integer(field: Field, arguments: Table) -> str | None:
    return None if field.kind in INTEGER_KINDS else f'"expected integer, got {field.kind}"'


def natural(field: Field, arguments: Table) -> str | None:
    """Checks for an integer of 0 or more."""
    return integer(field, arguments) or (f"{{value_negative,{field.value}}}" if field.value < 0 else None)


def positive(field: Field, arguments: Table) -> str | None:
    return natural(field, arguments) or ("{value_zero,0}" if field.value == 0 else None)


def time_to_live(field: Field, arguments: Table) -> str | None:
    too_large = f"{{value_too_large,{field.value}}}"
    return natural(field, arguments) or (too_large if field.value > EXPIRY_MAX_MS else None)


def queue_expiry(field: Field, arguments: Table) -> str | None:
    """Checks a TTL that must not be 0."""
    return positive(field, arguments) if field.value == 0 else time_to_live(field, arguments)


def priority(field: Field, arguments: Table) -> str | None:
    too_large = f"{{max_value_exceeded,{field.value}}}"
    return natural(field, arguments) or (too_large if field.value > MAX_PRIORITY else None)


def boolean(field: Field, arguments: Table) -> str | None:
    return None if field.kind == "bool" else _unacceptable(field)


def longstr(field: Field, arguments: Table) -> str | None:
    return None if field.kind == "longstr" else _unacceptable(field)


def dead_letter_key(field: Field, arguments: Table) -> str | None:
    if field.kind == "longstr" and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    return longstr(field, arguments)


def one_of(values: Iterable[str], otherwise: str) -> Check:
    """Makes a check for one of the values. `otherwise` is the error term; a `~` in it stands for the value."""
    known = frozenset(values)

    def check(field: Field, arguments: Table) -> str | None:
        if field.kind == "longstr" and field.value not in known:
            return otherwise.replace("~", escaped(field.value))
        return longstr(field, arguments)

    return check


def version_among(versions: Iterable[int]) -> Check:
    def check(field: Field, arguments: Table) -> str | None:
        unsupported = f"\"unsupported queue version '{field.value}'\""
        return natural(field, arguments) or (None if field.value in versions else unsupported)

    return check


def max_age(field: Field, arguments: Table) -> str | None:
    return longstr(field, arguments) or (None if is_max_age(field.value) else "invalid_max_age")


def is_max_age(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"0*[1-9][0-9]*[YMDhms]", value) is not None


def stream_offset(field: Field, arguments: Table) -> str | None:
    """Checks for a place in a stream."""
    return check_offset(field)


def _unacceptable(field: Field) -> str:
    return f"{{unacceptable_type,{field.kind}}}"


# --- policies

PolicyCheck: TypeAlias = Callable[[object], bool]


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def at_least(low: int, high: int | None = None) -> PolicyCheck:
    def check(value: object) -> bool:
        return is_integer(value) and value >= low and (high is None or value <= high)  # type: ignore[operator]

    return check


def is_text(value: object) -> bool:
    return isinstance(value, str)


def among(*values: object) -> PolicyCheck:
    return lambda value: any(value is each or (value == each and type(value) is type(each)) for each in values)


# --- a message's own TTL


def check_expiration(value: str) -> int:
    """Parses an `expiration` property into milliseconds. Raises PreconditionFailed.

    Source: `rabbit_basic:parse_expiration`, also for the texts.
    """
    number = re.match(r"[+-]?[0-9]+", value)
    if number is None:
        raise _invalid_expiration(value, "no_integer")
    if number.end() < len(value):
        raise _invalid_expiration(value, f'{{leftover_string,"{escaped(value[number.end() :])}"}}')
    milliseconds = int(value)
    if milliseconds < 0:
        raise _invalid_expiration(value, f"{{value_negative,{milliseconds}}}")
    if milliseconds > EXPIRY_MAX_MS:
        raise _invalid_expiration(value, f"{{value_too_large,{milliseconds}}}")
    return milliseconds


def _invalid_expiration(value: str, term: str) -> PreconditionFailed:
    return PreconditionFailed(f"invalid expiration '{value}': {term}")
