"""What a broker carries."""

from typing import Any, NamedTuple, Protocol, TypeAlias

from amqpy.wire.hot import split_address
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Table, text

Keys: TypeAlias = tuple[str, ...]
"""A message's routing key, and those that its headers CC and BCC add."""


class Message:
    """A published message, shared by every queue it was routed to and never changed.

    Its parts stay the bytes the publisher sent: `address` is exchange and routing key as two short strings,
    `header` the payload of the content header frame (sizes, flags, properties), `body` the whole body.
    """

    __slots__ = ("address", "body", "expires_at_ms", "header")

    def __init__(self, address: bytes, header: bytes, body: bytes, expires_at_ms: int | None = None) -> None:
        self.address = address
        self.header = header
        self.body = body
        self.expires_at_ms = expires_at_ms
        """The end of its `expiration`, counted from its publishing; requeued, it keeps it."""

    @property
    def exchange(self) -> str:
        return text(split_address(self.address)[0])

    @property
    def routing_key(self) -> str:
        return text(split_address(self.address)[1])

    def __repr__(self) -> str:
        return f"<Message {self.exchange!r}/{self.routing_key!r} {len(self.body)} bytes>"


class Target(Protocol):
    """Where a route ends: something that takes messages, compared by identity."""

    @property
    def deleted(self) -> bool:
        """Whether it is gone since the route was found, and takes nothing any more."""

    def publish(self, message: Message) -> None: ...


class MessageView:
    """A message as exchanges look at it. Its properties are decoded when the first of them asks, and only then."""

    __slots__ = ("_properties", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._properties: dict[str, Any] | None = None

    @property
    def properties(self) -> dict[str, Any]:
        if self._properties is None:
            self._properties = decode_properties(self.message.header)
        return self._properties

    @property
    def headers(self) -> Table:
        headers: Table = self.properties.get("headers", {})
        return headers


class Kept(NamedTuple):
    """A message that is kept outside of any queue, to be routed later. Its time to live begins only then."""

    keys: Keys
    message: Message
    ttl_ms: int | None

    @classmethod
    def since(cls, now_ms: int, keys: Keys, message: Message) -> "Kept":
        return cls(keys, message, None if message.expires_at_ms is None else message.expires_at_ms - now_ms)

    def again(self, now_ms: int) -> Message:
        """The message, as if it were published now."""
        if self.ttl_ms is None:
            return self.message
        message = self.message
        return Message(message.address, message.header, message.body, now_ms + self.ttl_ms)
