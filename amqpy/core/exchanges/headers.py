"""The headers exchange: routes to the queues whose binding arguments match the headers of the message.

Source: AMQP 0-9-1 section 3.1.3.4; `rabbit_exchange_type_headers`.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

from amqpy.core.exchanges.exchange import Binding, Exchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.names import shortened
from amqpy.errors import PreconditionFailed
from amqpy.wire.values import INTEGER_KINDS, Field, Table, as_erlang, comparable, exactly, last_values, repeated


class HeadersExchange(Exchange):
    """Matches the message's headers with the bindings' arguments.

    Where a name occurs more than once, the first value is compared with the first, the second with the second; or, by
    profile, each value of the binding with the last one of the message.

    Bindings are found through one of their conditions: all those of an `any` binding, the first of an `all` binding.
    So a message is compared with the bindings that share a header with it, not with every binding.
    """

    type = "headers"
    per_message = True

    def prepare(self) -> None:
        profile = self.vhost.profile
        self._value: Callable[[Field], Hashable] = exactly if profile.headers_by_type else comparable
        """Makes the form of a value in which two values are compared."""
        self._is_mapped = profile.headers_as_map
        self._needs: dict[Binding, frozenset[Hashable]] = {}
        self._by_condition: dict[Hashable, dict[Binding, None]] = {}

    def check_binding(self, binding: Binding) -> None:
        match binding.arguments.get("x-match"):
            case None | Field("longstr", "all" | "any" | "all-with-x" | "any-with-x"):
                return
            case Field("longstr", _) as other:
                expected = "expected all, any, all-with-x, or any-with-x"
                raise PreconditionFailed(f"Invalid x-match field value {as_erlang(other)}; {expected}")
            case other:
                raise PreconditionFailed(
                    f"Invalid x-match field type {other.kind} (value {as_erlang(other)}); expected longstr"
                )

    def index(self, binding: Binding) -> None:
        if _wants_all(binding.arguments):
            self._needs[binding] = frozenset(self._forms(binding.arguments))
        for condition in self._found_by(binding.arguments):
            self._by_condition.setdefault(condition, {})[binding] = None

    def unindex(self, binding: Binding) -> None:
        self._needs.pop(binding, None)
        for condition in self._found_by(binding.arguments):
            bindings = self._by_condition[condition]
            del bindings[binding]
            if not bindings:
                del self._by_condition[condition]

    def matching(self, keys: Keys, view: MessageView) -> Iterator[Binding]:
        met = self._met_by(view.headers)
        for condition in met:
            for binding in self._by_condition.get(condition, ()):
                needs = self._needs.get(binding)
                if needs is None or needs <= met:
                    yield binding

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        met = self._met_by(view.headers)
        mode = binding.arguments.get("x-match", Field("longstr", "all")).value
        conditions = self._conditions(binding.arguments)
        if not conditions:
            return "no header is asked for" if matched else f"x-match {mode}, and no header is asked for"
        if matched:
            there = [each.text for each in conditions if each.form in met]
            return f"x-match {mode}: {', '.join(there)}"
        lacking = [f"{each.text} ({_found(each.name, view.headers)})" for each in conditions if each.form not in met]
        return f"x-match {mode}: {'; '.join(lacking)}"

    def nearness(self, binding: Binding, keys: Keys, view: MessageView) -> float:
        conditions = self._conditions(binding.arguments)
        names = [each.name in view.headers for each in conditions]
        return sum(names) / len(names) if names else 0.0

    def _met_by(self, headers: Table) -> set[Hashable]:
        """The conditions that a message with these headers meets."""
        met: set[Hashable] = {ALWAYS, *headers}
        if self._is_mapped:
            met.update((key, self._value(in_milliseconds(field))) for key, field in last_values(headers).items())
            return met
        met.update((key, self._value(field)) for key, field in headers.items())
        for number, key, field in repeated(headers):
            met.update(((number, key), (number, key, self._value(field))))
        return met

    def _found_by(self, arguments: Table) -> set[Hashable]:
        forms = self._forms(arguments)
        if _wants_all(arguments):
            return set(forms[:1]) or {ALWAYS}
        return set(forms)

    def _forms(self, arguments: Table) -> list[Hashable]:
        return [condition.form for condition in self._conditions(arguments)]

    def _conditions(self, arguments: Table) -> list["Condition"]:
        """The conditions of a binding. A name that occurs again is for a header that occurs again."""
        mode = arguments.get("x-match")
        with_x = mode is not None and mode.value in {"all-with-x", "any-with-x"}
        first = [
            Condition(key if field.kind == "void" else (key, self._value(field)), key, field)
            for key, field in arguments.items()
            if key != "x-match" and (with_x or not key.startswith("x-"))
        ]
        further = [
            Condition(self._further(number, key, field), key, field)
            for number, key, field in repeated(arguments)
            if key != "x-match" and (with_x or not key.startswith("x-"))
        ]
        return first + further

    def _further(self, number: int, key: str, field: Field) -> Hashable:
        where = (key,) if self._is_mapped else (number, key)
        if field.kind == "void":
            return key if self._is_mapped else where
        return (*where, self._value(field))


class Condition(NamedTuple):
    """A condition of a binding."""

    form: Hashable
    """A key for "this header is there", a pair for "it has this value"; where a name occurs again, with its number."""
    name: str
    field: Field

    @property
    def text(self) -> str:
        return f"{self.name} is there" if self.field.kind == "void" else f"{self.name} = {_shown(self.field)}"


def _found(name: str, headers: Table) -> str:
    """Says what a message has instead of a header that it should have."""
    field = headers.get(name)
    return "is not there" if field is None else f"is {_shown(field)}"


def _shown(field: Field) -> str:
    """A value as a person reads it, with its type where the text alone does not tell it."""
    if field.kind == "longstr":
        return repr(shortened(field.value))
    value = shortened(as_erlang(field))
    return value if field.kind in INTEGER_KINDS or field.kind == "bool" else f"{field.kind} {value}"


def in_milliseconds(field: Field) -> Field:
    """A timestamp in milliseconds, as in AMQP 1.0, into which RabbitMQ 4 converts messages."""
    return field._replace(value=field.value * 1000) if field.kind == "timestamp" else field


ALWAYS = ("",)
"""A condition that every message meets: an `all` binding without conditions is found by it."""


def _wants_all(arguments: Table) -> bool:
    mode = arguments.get("x-match")
    return mode is None or mode.value in {"all", "all-with-x"}
