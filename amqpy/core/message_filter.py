"""Filters of messages: conditions on what a client would get, all of which must hold.

body            a text that is somewhere in the octets of the body
routing_key     the routing key, and `exchange` the exchange, that it was published with; of a dead letter the last
headers         names and values as JSON has them, at the first level; null is any value
properties      the same of other properties: {"message_id": "7"}
death_reason    one of its deaths had this reason, and was in the queue `death_queue`, if both are given
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from amqpy.core import views
from amqpy.core.dead_letter import deaths_in
from amqpy.core.message import Message, MessageView
from amqpy.errors import AdministrationError
from amqpy.wire.properties import NAMES
from amqpy.wire.values import Table

PROPERTIES: Final = frozenset(NAMES) - {"headers"}

Values = Mapping[str, object]
NONE: Final[Values] = {}


class MessageFilter(NamedTuple):
    """Conditions that a message meets, or not. One without any is met by all."""

    body: bytes = b""
    routing_key: str | None = None
    exchange: str | None = None
    headers: Values = NONE
    properties: Values = NONE
    death_reason: str | None = None
    death_queue: str | None = None

    @classmethod
    def of(cls, asked: Mapping[str, object]) -> "MessageFilter":
        """The filter that is asked for, in JSON. Raises AdministrationError."""
        if unknown := [name for name in asked if name not in cls._fields]:
            known = ", ".join(cls._fields)
            raise AdministrationError(f"filter has no condition {unknown[0]}, only {known}")
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        for name, value in given.items():
            kind, said = (dict, "an object") if name in {"headers", "properties"} else (str, "a text")
            if not isinstance(value, kind):
                raise AdministrationError(f"filter: {name} should be {said}")
        if unknown := [name for name in given.get("properties", ()) if name not in PROPERTIES]:
            raise AdministrationError(f"filter: there is no property {unknown[0]}")
        if "body" in given:
            given["body"] = given["body"].encode("utf-8", "surrogatepass")
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
        view = MessageView(message)
        return (
            all(
                name in view.properties and _is_like(value, view.properties[name])
                for name, value in self.properties.items()
            )
            and (not self.headers or self._has_headers(view.headers))
            and (not self.has_death or self._has_died(view.headers))
        )

    @property
    def has_death(self) -> bool:
        """True if it asks for a death."""
        return self.death_reason is not None or self.death_queue is not None

    def _has_headers(self, headers: Table) -> bool:
        if any(name not in headers for name in self.headers):
            return False
        shown = views.json_of({name: headers[name] for name in self.headers})
        return all(_is_like(value, shown[name]) for name, value in self.headers.items())

    def _has_died(self, headers: Table) -> bool:
        return any(
            _is_said(death, "reason", self.death_reason) and _is_said(death, "queue", self.death_queue)
            for death in deaths_in(headers)
        )


def _is_said(death: Table, name: str, wanted: str | None) -> bool:
    field = death.get(name)
    return wanted is None or (field is not None and field.value == wanted)


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
