"""Events: changes in the broker, published to the exchange `amq.rabbitmq.event`.

The exchange is in the default virtual host. An event's name is its routing key, its properties are the headers. While
nothing is bound, an event costs one look at the exchange: properties are only built if there is a binding, by the
functions of `event_properties`.

Source: `rabbit_event`, `rabbit_exchange_type_event` (the plugin rabbitmq_event_exchange).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, ParamSpec, TypeAlias

from amqpy.core.events.internal_publisher import InternalPublisher
from amqpy.wire.values import Field, Table, array_field, table_field

if TYPE_CHECKING:
    from amqpy.core.exchanges import Exchange
    from amqpy.core.statistics import Counts

EVENT_EXCHANGE: Final = "amq.rabbitmq.event"

INTERNAL_USER: Final = "rmq-internal"
"""The acting user of changes that no user asked for."""
COMMAND_LINE: Final = "rmq-cli"
"""The acting user of administration without a name."""

SHORTSTR_MAX = 255
_FLOAT_MAX = 3.4e38
_LONGS = 1 << 64

EventProperties: TypeAlias = Mapping[str, object]
P = ParamSpec("P")


class Events:
    """Publishes events."""

    def __init__(self, publisher: InternalPublisher, unix_time_ms: Callable[[], int], node: str) -> None:
        self.exchange: Exchange | None = None
        """The exchange of events, once its virtual host exists."""
        self.node = node
        self.administrator = COMMAND_LINE
        """The acting user of administration now."""
        self.observers: list[Callable[[str, EventProperties], object]] = []
        """Are told of each event, by its name, and what it is about."""
        self.counts: Counts = {}
        """Events by name, whether they are published or not."""
        self._publisher = publisher
        self._unix_time_ms = unix_time_ms

    @property
    def wanted(self) -> bool:
        """True if anything is bound to the exchange, or somebody observes events."""
        return bool(self.observers) or (self.exchange is not None and bool(self.exchange.bindings))

    def tell(self, name: str, describe: Callable[P, EventProperties], *about: P.args, **more: P.kwargs) -> None:
        """Publishes an event at the next `settle`. Its properties are built now, and only if anything is bound, or
        somebody observes events."""
        self.counts[name] = self.counts.get(name, 0) + 1
        if not self.wanted:
            return
        properties = describe(*about, **more)
        for observer in self.observers:
            observer(name, properties)
        if self.exchange is None or not self.exchange.bindings:
            return
        now_ms = self._unix_time_ms()
        headers = fields({**properties, "timestamp_in_ms": now_ms})
        self._publisher.publish(self.exchange, name, headers, unix_time_ms=now_ms)

    @contextmanager
    def on_behalf_of(self, administrator: str) -> Iterator[None]:
        """Names the acting user of administration inside the context."""
        before, self.administrator = self.administrator, administrator
        try:
            yield
        finally:
            self.administrator = before


def fields(properties: EventProperties) -> Table:
    """The properties as a table, with the types that RabbitMQ gives them."""
    return {_short(name): field(value) for name, value in properties.items()}


def field(value: object) -> Field:
    """Converts a value of Python or JSON as in RabbitMQ's events, however deep it is."""
    done: list[Field] = []
    """Finished values of the containers that are being built, those of the innermost last."""
    work: list[object] = [value]
    while work:
        match work.pop():
            case _Gathering() as gathering:
                items = [done.pop() for _ in range(gathering.size)][::-1]
                done.append(gathering.gather(items))
            case dict() as pairs if pairs:
                names = [_short(name) for name in pairs]
                work.append(_Gathering(len(pairs), partial(_named, names)))
                work.extend(reversed(pairs.values()))
            case dict() | list() | tuple() as each:
                # To Erlang, an object without any pair is an empty list.
                work.append(_Gathering(len(each), array_field))
                work.extend(reversed(list(each)))
            case each:
                done.append(_scalar(each))
    return done.pop()


class _Gathering(NamedTuple):
    """Builds a list or an object once its items are fields."""

    size: int
    gather: Callable[[list[Field]], Field]


def _named(names: list[str], values: list[Field]) -> Field:
    return table_field(dict(zip(names, values, strict=True)))


def _scalar(value: object) -> Field:
    match value:
        case None:
            return Field("longstr", "null")
        case bool():
            return Field("bool", value)
        case int():
            return Field("long", (value + _LONGS // 2) % _LONGS - _LONGS // 2)
        case float():
            return Field("float" if abs(value) < _FLOAT_MAX else "double", value)
    return Field("longstr", str(value))


def _short(name: str) -> str:
    """Cuts a name to what fits into the name of a field. JSON has no such limit."""
    if len(name) * 4 <= SHORTSTR_MAX:
        return name
    return name.encode("utf-8", "surrogateescape")[:SHORTSTR_MAX].decode("utf-8", "surrogateescape")
