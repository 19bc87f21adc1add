"""Exchanges: where a message goes.

A type of exchange is a class here, registered under its wire name. It keeps whatever index makes the answer to
`match` independent of the number of bindings, and says with `reads_headers` whether the answer depends on more than
the routing key (only then is it asked for each message; else the route is remembered).

Source: AMQP 0-9-1 section 3.1.3; RabbitMQ's `rabbit_exchange_type_*`, `rabbit_binding`, `rabbit_exchange`.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from amqpy.core.arguments import Definition
from amqpy.core.policies import NO_RULING
from amqpy.core.structures import TopicTrie
from amqpy.errors import PreconditionFailed
from amqpy.wire.values import Field, Table, as_erlang, comparable, encode_table

if TYPE_CHECKING:
    from amqpy.core.queue import Queue

Destination: TypeAlias = "Queue | Exchange"

EXCHANGE_TYPES: dict[str, type["Exchange"]] = {}


class Binding:
    """A rule of an exchange: messages that match `routing_key` and `arguments` go to `destination`."""

    __slots__ = ("arguments", "destination", "identity", "routing_key", "source")

    def __init__(self, source: "Exchange", destination: Destination, routing_key: str, arguments: Table) -> None:
        self.source = source
        self.destination = destination
        self.routing_key = routing_key
        self.arguments = arguments
        self.identity = (destination, routing_key, encode_table(dict(sorted(arguments.items()))))
        """What makes two bindings of one exchange the same. Their arguments count, whatever their order."""


class Exchange:
    """An exchange of a vhost and the bindings it is the source of."""

    type: ClassVar[str]
    reads_headers: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        EXCHANGE_TYPES[cls.type] = cls

    def __init__(
        self, name: str, *, durable: bool, auto_delete: bool = False, internal: bool = False, arguments: Table
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.ruling = NO_RULING
        self.configure({})
        self.bindings: dict[Hashable, Binding] = {}
        self.incoming: dict[Binding, None] = {}
        """The bindings of other exchanges that lead here."""

    def configure(self, definition: Definition) -> None:
        """Takes on what policies say; an argument wins over them."""
        alternate = self.arguments.get("alternate-exchange")
        self.alternate: str | None = alternate.value if alternate else definition.get("alternate-exchange")

    def check_binding(self, arguments: Table) -> None:
        """Raises PreconditionFailed when this type cannot have a binding with these arguments."""

    def add(self, binding: Binding) -> None:
        self.bindings[binding.identity] = binding
        self.index(binding)

    def remove(self, binding: Binding) -> None:
        del self.bindings[binding.identity]
        self.unindex(binding)

    def index(self, binding: Binding) -> None:
        """Makes a new binding findable."""
        raise NotImplementedError

    def unindex(self, binding: Binding) -> None:
        raise NotImplementedError

    def match(self, routing_key: str, headers: Table) -> Iterable[Destination]:
        """Where a message goes from here. A destination may come more than once."""
        raise NotImplementedError


class DirectExchange(Exchange):
    type = "direct"

    def __init__(self, name: str, **properties: object) -> None:
        super().__init__(name, **properties)  # type: ignore[arg-type]
        self._by_key: dict[str, dict[Binding, None]] = {}

    def index(self, binding: Binding) -> None:
        self._by_key.setdefault(binding.routing_key, {})[binding] = None

    def unindex(self, binding: Binding) -> None:
        bindings = self._by_key[binding.routing_key]
        del bindings[binding]
        if not bindings:
            del self._by_key[binding.routing_key]

    def match(self, routing_key: str, headers: Table) -> Iterable[Destination]:
        return [binding.destination for binding in self._by_key.get(routing_key, ())]


class FanoutExchange(Exchange):
    type = "fanout"

    def index(self, binding: Binding) -> None:
        pass

    def unindex(self, binding: Binding) -> None:
        pass

    def match(self, routing_key: str, headers: Table) -> Iterable[Destination]:
        return [binding.destination for binding in self.bindings.values()]


class TopicExchange(Exchange):
    type = "topic"

    def __init__(self, name: str, **properties: object) -> None:
        super().__init__(name, **properties)  # type: ignore[arg-type]
        self._trie: TopicTrie[Binding] = TopicTrie()

    def index(self, binding: Binding) -> None:
        self._trie.add(_words(binding.routing_key), binding)

    def unindex(self, binding: Binding) -> None:
        self._trie.remove(_words(binding.routing_key), binding)

    def match(self, routing_key: str, headers: Table) -> Iterable[Destination]:
        return [binding.destination for binding in self._trie.match(_words(routing_key))]


def _words(key: str) -> list[str]:
    """An empty key has no words; `a..b` has an empty one."""
    return key.split(".") if key else []


class HeadersExchange(Exchange):
    """Matches the message's headers with the bindings' arguments.

    Bindings are found through one of their conditions: all those of an `any` binding, the first of an `all` binding.
    So a message is compared with the bindings that share a header with it, not with every binding.
    """

    type = "headers"
    reads_headers = True

    def __init__(self, name: str, **properties: object) -> None:
        super().__init__(name, **properties)  # type: ignore[arg-type]
        self._needs: dict[Binding, frozenset[Hashable]] = {}
        self._by_condition: dict[Hashable, dict[Binding, None]] = {}

    def check_binding(self, arguments: Table) -> None:
        match arguments.get("x-match"):
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
            self._needs[binding] = frozenset(_conditions(binding.arguments))
        for condition in _found_by(binding.arguments):
            self._by_condition.setdefault(condition, {})[binding] = None

    def unindex(self, binding: Binding) -> None:
        self._needs.pop(binding, None)
        for condition in _found_by(binding.arguments):
            bindings = self._by_condition[condition]
            del bindings[binding]
            if not bindings:
                del self._by_condition[condition]

    def match(self, routing_key: str, headers: Table) -> Iterator[Destination]:
        facts: set[Hashable] = {ALWAYS, *headers}
        facts.update((key, comparable(field)) for key, field in headers.items())
        for fact in facts:
            for binding in self._by_condition.get(fact, ()):
                needs = self._needs.get(binding)
                if needs is None or needs <= facts:
                    yield binding.destination


ALWAYS = ("",)
"""What every message has: the condition under which an `all` binding without conditions is found."""


def _found_by(arguments: Table) -> set[Hashable]:
    conditions = _conditions(arguments)
    if _wants_all(arguments):
        return set(conditions[:1]) or {ALWAYS}
    return set(conditions)


def _wants_all(arguments: Table) -> bool:
    mode = arguments.get("x-match")
    return mode is None or mode.value in {"all", "all-with-x"}


def _conditions(arguments: Table) -> list[Hashable]:
    """What a message must have: a key for "this header is there", a pair for "it has this value"."""
    mode = arguments.get("x-match")
    with_x = mode is not None and mode.value in {"all-with-x", "any-with-x"}
    return [
        key if field.kind == "void" else (key, comparable(field))
        for key, field in arguments.items()
        if key != "x-match" and (with_x or not key.startswith("x-"))
    ]
