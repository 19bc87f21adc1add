"""Filters of messages: conditions on what a client would get, all of which must hold.

body            a text that is somewhere in the octets of the body
routing_key     the routing key, and `exchange` the exchange, that it was published with; of a dead letter the last
headers         names and values as JSON has them, at the first level; null is any value
properties      the same of other properties: {"message_id": "7"}
death_reason    one of its deaths had this reason, and was in the queue `death_queue`, if both are given
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final

from amqpy.core import views
from amqpy.core.dead_letter import deaths_in
from amqpy.core.message import Message
from amqpy.errors import AdministrationError
from amqpy.wire.properties import NAMES, decode_property, split_properties
from amqpy.wire.values import decode_table, find_entries

PROPERTIES: Final = frozenset(NAMES) - {"headers"}
NO_HEADERS: Final = bytes(4)

LOOK_UNITS: Final = 2
PROPERTIES_UNITS: Final = 10
DEATHS_UNITS: Final = 25
"""The costs of looking at a message, its properties and its deaths."""

Values = Mapping[str, object]


@dataclass(frozen=True)
class MessageFilter:
    """Conditions that a message meets, or not. One without any is met by all."""

    body: bytes = b""
    routing_key: str | None = None
    exchange: str | None = None
    headers: Values = field(default_factory=dict)
    properties: Values = field(default_factory=dict)
    death_reason: str | None = None
    death_queue: str | None = None

    @classmethod
    def of(cls, asked: Mapping[str, object]) -> "MessageFilter":
        """The filter that is asked for, in JSON. Raises AdministrationError."""
        names = [each.name for each in fields(cls)]
        if unknown := [name for name in asked if name not in names]:
            raise AdministrationError(f"filter has no condition {unknown[0]}, only {', '.join(names)}")
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        for name, value in given.items():
            kind, said = (dict, "an object") if name in {"headers", "properties"} else (str, "a text")
            if not isinstance(value, kind):
                raise AdministrationError(f"filter: {name} should be {said}")
        if unknown := [name for name in given.get("properties", ()) if name not in PROPERTIES]:
            raise AdministrationError(f"filter: there is no property {unknown[0]}")
        if "body" in given:
            given["body"] = octets_of(given["body"])
        return cls(**given)

    def matches(self, message: Message) -> bool:
        """True if the message meets all conditions."""
        if self.routing_key is not None and message.routing_key != self.routing_key:
            return False
        if self.exchange is not None and message.exchange != self.exchange:
            return False
        if self.body not in message.body:
            return False
        if not (self.headers or self.properties or self.has_death):
            return True
        if any(octets not in message.header for octets in self._octets):
            return False
        parts = split_properties(message.header)
        headers = parts.get("headers", NO_HEADERS)[4:]
        return (
            all(
                name in parts and _is_like(value, decode_property(name, parts[name]))
                for name, value in self.properties.items()
            )
            and self._has_headers(headers)
            and (not self.has_death or self._has_died(headers))
        )

    @property
    def has_death(self) -> bool:
        """True if it asks for a death."""
        return self.death_reason is not None or self.death_queue is not None

    @property
    def units(self) -> int:
        """The cost of looking at a message, in the units of `jobs`, but for its size."""
        return LOOK_UNITS + PROPERTIES_UNITS * bool(self.headers or self.properties) + DEATHS_UNITS * self.has_death

    @cached_property
    def _names(self) -> frozenset[bytes]:
        """The names of headers."""
        return frozenset(map(octets_of, self.headers))

    @cached_property
    def _octets(self) -> list[bytes]:
        """Octets that must be in the content header: without them it need not be decoded."""
        texts = (*self.headers, *self.properties.values(), self.death_reason, self.death_queue)
        return [octets_of(text) for text in texts if isinstance(text, str)]

    def _has_headers(self, headers: bytes) -> bool:
        if not self.headers:
            return True
        found = decode_table(b"".join([entry for _, entry in find_entries(headers, self._names)]))
        if len(found) < len(self.headers):
            return False
        shown = views.json_of(found)
        return all(_is_like(value, shown[name]) for name, value in self.headers.items())

    def _has_died(self, headers: bytes) -> bool:
        reason, queue = self.death_reason, self.death_queue
        return any(reason in {None, death.reason} and queue in {None, death.queue} for death in deaths_in(headers))


def octets_of(text: str) -> bytes:
    """The octets of a text. Those that are no UTF-8 are lone surrogates in it; others are in no text of AMQP."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _is_like(wanted: object, found: object) -> bool:
    """True if both are the same in JSON, where true is not 1; or if anything will do."""
    if wanted is None:
        return True
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return wanted.keys() == found.keys() and all(_is_like(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_is_like, wanted, found))
    return wanted == found
