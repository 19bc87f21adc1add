"""What the broker tells about itself, as whoever is bound to its exchanges reads it."""

from typing import Any, NamedTuple

from amqpy.core.message import Message
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, decode_array, decode_table
from tests.core.core_harness import CoreHarness


class Told(NamedTuple):
    key: str
    facts: dict[str, Any]
    """Without types, and without the time."""
    headers: Table
    properties: dict[str, Any]
    body: bytes


def read(message: Message) -> Told:
    properties = decode_properties(message.header)
    headers = properties.pop("headers")
    facts = {name: plain(field) for name, field in headers.items() if name != "timestamp_in_ms"}
    return Told(message.routing_key, facts, headers, properties, message.body)


def plain(field: Field) -> Any:  # noqa: ANN401
    if field.kind == "table":
        return {name: plain(each) for name, each in decode_table(field.value).items()}
    if field.kind == "array":
        return [plain(each) for each in decode_array(field.value)]
    return field.value


class Listener:
    """A queue of its own that is bound to such an exchange."""

    def __init__(self, core: CoreHarness, exchange: str, *keys: str) -> None:
        self._core = core
        core.queue("listener")
        for key in keys or ("#",):
            core.bind("listener", exchange, key)
        self.take()

    def take(self) -> list[Told]:
        """Everything told since the last time, in order."""
        self._core.broker.settle()
        taken = []
        while (message := self._core.fetch("listener")) is not None:
            taken.append(read(message))
        return taken

    def keys(self) -> list[str]:
        return [told.key for told in self.take()]

    def facts(self) -> list[tuple[str, dict[str, Any]]]:
        return [(told.key, told.facts) for told in self.take()]
