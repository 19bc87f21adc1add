"""The arguments of queues and exchanges that the broker knows.

Unknown arguments are kept and shown, never compared: that is what lets an application declare a queue with an
argument of its own on one side only.

Source: `rabbit_amqqueue:declare_args`, `rabbit_classic_queue:capabilities`, `rabbit_misc:assert_args_equivalence`.
"""

import re
from collections.abc import Iterable

from amqpy.errors import PreconditionFailed
from amqpy.wire.values import INTEGER_KINDS, Field, Table, as_erlang, comparable

QUEUE_ARGUMENTS = (
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
)
"""Those of a classic queue that a redeclaration must repeat."""

EXCHANGE_ARGUMENTS = ("alternate-exchange",)


def assert_same_arguments(what: str, names: Iterable[str], current: Table, received: Table) -> None:
    """Raises PreconditionFailed at the first argument that differs. `what` is `queue 'q' in vhost '/'` or so."""
    for name in names:
        old, new = current.get(name), received.get(name)
        if old is not None and new is not None:
            if _class(old) == _class(new) and comparable(old) == comparable(new):
                continue
            # Both given: RabbitMQ compares and shows the bare values, and so lets equal values of two types pass.
            if comparable(old) != comparable(new) or isinstance(old.value, float) != isinstance(new.value, float):
                raise inequivalent(what, name, _bare(new), _bare(old))
        elif old != new and not _is_default(name, old or new):
            raise inequivalent(what, name, _typed(new), _typed(old))


def inequivalent(what: str, name: str, received: str, current: str) -> PreconditionFailed:
    return PreconditionFailed(f"inequivalent arg '{name}' for {what}: received {received} but current is {current}")


def assert_same_property(what: str, name: str, current: bool | str, received: bool | str) -> None:
    """The same for a plain property such as `durable`."""
    if current != received:
        raise inequivalent(what, name, f"'{str(received).lower()}'", f"'{str(current).lower()}'")


def _is_default(name: str, field: Field | None) -> bool:
    return name == "x-queue-type" and field == Field("longstr", "classic")


def _class(field: Field) -> str:
    return "int" if field.kind in INTEGER_KINDS else field.kind


def _typed(field: Field | None) -> str:
    return "none" if field is None else f"the value '{_shown(field)}' of type '{field.kind}'"


def _bare(field: Field) -> str:
    return "none" if field.kind == "void" else f"'{_shown(field)}'"


def _shown(field: Field) -> str:
    """Text as it is, everything else as an Erlang term."""
    return str(field.value) if field.kind == "longstr" else as_erlang(field)


EXPIRY_MAX_MS = 315_360_000_000
"""Ten years, RabbitMQ's limit for every time to live."""


def check_expiration(value: str) -> int:
    """The milliseconds of an `expiration` property. Raises PreconditionFailed, in `rabbit_basic:parse_expiration`'s
    words."""
    number = re.match(r"[+-]?[0-9]+", value)
    if number is None:
        raise _invalid_expiration(value, "no_integer")
    if number.end() < len(value):
        raise _invalid_expiration(value, f'{{leftover_string,"{value[number.end() :]}"}}')
    milliseconds = int(value)
    if milliseconds < 0:
        raise _invalid_expiration(value, f"{{value_negative,{milliseconds}}}")
    if milliseconds > EXPIRY_MAX_MS:
        raise _invalid_expiration(value, f"{{value_too_large,{milliseconds}}}")
    return milliseconds


def _invalid_expiration(value: str, term: str) -> PreconditionFailed:
    return PreconditionFailed(f"invalid expiration '{value}': {term}")
