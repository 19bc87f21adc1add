"""The arguments of queues and exchanges that the broker knows.

Unknown arguments are kept and shown, never compared: that is what lets an application declare a queue with an
argument of its own on one side only.

Source: `rabbit_amqqueue:declare_args`, `rabbit_classic_queue:capabilities`, `rabbit_misc:assert_args_equivalence`.
"""

from collections.abc import Iterable

from amqpy.errors import PreconditionFailed, erlang_text
from amqpy.wire.values import INTEGER_KINDS, Field, Table, comparable

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
            if comparable(old) != comparable(new):
                raise inequivalent(what, name, _bare(new), _bare(old))
        elif old != new and not _is_default(name, old or new):
            raise inequivalent(what, name, _typed(new), _typed(old))


def inequivalent(what: str, name: str, received: str, current: str) -> PreconditionFailed:
    return PreconditionFailed(f"inequivalent arg '{name}' for {what}: received {received} but current is {current}")


def assert_same_property(what: str, name: str, current: bool | str, received: bool | str) -> None:
    """The same for a plain property such as `durable`."""
    if current != received:
        raise inequivalent(what, name, f"'{_shown(received)}'", f"'{_shown(current)}'")


def _is_default(name: str, field: Field | None) -> bool:
    return name == "x-queue-type" and field == Field("longstr", "classic")


def _class(field: Field) -> str:
    return "int" if field.kind in INTEGER_KINDS else field.kind


def _typed(field: Field | None) -> str:
    return "none" if field is None else f"the value '{_shown(field.value)}' of type '{field.kind}'"


def _bare(field: Field) -> str:
    return f"'{_shown(field.value)}'"


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case bytes():
            return erlang_text(value)
    return str(value)
