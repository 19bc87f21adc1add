"""Redeclaring a queue or an exchange: the arguments and properties must be the same.

Source: `rabbit_misc:assert_args_equivalence`, `rabbit_amqqueue:assert_equivalence`.
"""

from collections.abc import Iterable

from amqpy.errors import PreconditionFailed
from amqpy.wire.values import INTEGER_KINDS, Field, Table, as_erlang, comparable, text


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
    """Raises PreconditionFailed if a property such as `durable` differs."""
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
    """The value as RabbitMQ shows it: text and bytes as they are, everything else as an Erlang term."""
    if field.kind == "binary":
        return text(field.value)
    return str(field.value) if field.kind == "longstr" else as_erlang(field)
