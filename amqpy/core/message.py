"""What a broker carries."""

from amqpy.wire.hot import split_address
from amqpy.wire.values import text


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
