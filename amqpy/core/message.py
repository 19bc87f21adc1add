"""Messages, and the views that queues and exchanges have of them."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

from amqpy.core.statistics import QueueCounts
from amqpy.wire.content import split_address
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Table, text

Keys: TypeAlias = tuple[str, ...]
"""A message's routing key, and those that its headers CC and BCC add."""


def address_of(exchange: str, routing_key: str) -> bytes:
    """The address of a message. Of a name that is longer than a short string can be, as much as fits."""
    raw_exchange = exchange.encode("utf-8", "surrogateescape")[:255]
    raw_key = routing_key.encode("utf-8", "surrogateescape")[:255]
    return b"%c%b%c%b" % (len(raw_exchange), raw_exchange, len(raw_key), raw_key)


class Message:
    """A published message, shared by every queue it was routed to and never changed.

    Its parts stay the bytes the publisher sent: `address` is exchange and routing key as two short strings,
    `header` the payload of the content header frame (sizes, flags, properties), `body` the whole body.
    """

    __slots__ = ("address", "body", "expires_at_ms", "header")

    persistent = False
    """True if it is to survive a restart, in a durable queue (delivery mode 2)."""
    more_keys: tuple[str, ...] = ()
    """Routing keys beside the one of its address (CC, BCC)."""
    is_dead_letter = False
    """True if the x-death in its headers was written by this broker, not by the publisher."""
    delivery_count = 0
    """The number of failed deliveries, in a quorum queue."""
    acquired_count = 0
    """The number of deliveries that were returned for any reason, in a quorum queue."""
    waits_first = False
    """True if it is delivered before all messages that were never delivered, in a quorum queue."""

    def __init__(self, address: bytes, header: bytes, body: bytes, expires_at_ms: int | None = None) -> None:
        self.address = address
        self.header = header
        self.body = body
        self.expires_at_ms = expires_at_ms
        """The time at which it expires in the queue that has this very object; kept when it is requeued."""

    @property
    def exchange(self) -> str:
        return text(split_address(self.address)[0])

    @property
    def routing_key(self) -> str:
        return text(split_address(self.address)[1])

    def until(self, expires_at_ms: int | None) -> Self:
        """The same message with another expiry time."""
        return type(self)(self.address, self.header, self.body, expires_at_ms)

    def with_header(self, header: bytes) -> Self:
        """The same message with another content header."""
        return type(self)(self.address, header, self.body, self.expires_at_ms)

    def __repr__(self) -> str:
        return f"<Message {self.exchange!r}/{self.routing_key!r} {len(self.body)} bytes>"


class PersistentMessage(Message):
    """A message with delivery mode 2."""

    __slots__ = ()
    persistent = True


class AnnotatedMessage(Message):
    """A message with the broker's own notes. Few have any, so the others do not have these attributes."""

    __slots__ = ("acquired_count", "delivery_count", "is_dead_letter", "more_keys", "persistent", "waits_first")

    def __init__(
        self,
        address: bytes,
        header: bytes,
        body: bytes,
        expires_at_ms: int | None = None,
        *,
        persistent: bool = False,
        more_keys: tuple[str, ...] = (),
        is_dead_letter: bool = False,
        delivery_count: int = 0,
        acquired_count: int = 0,
        waits_first: bool = False,
    ) -> None:
        super().__init__(address, header, body, expires_at_ms)
        self.persistent = persistent
        self.more_keys = more_keys
        self.is_dead_letter = is_dead_letter
        self.delivery_count = delivery_count
        self.acquired_count = acquired_count
        self.waits_first = waits_first

    def until(self, expires_at_ms: int | None) -> "AnnotatedMessage":
        return AnnotatedMessage(
            self.address,
            self.header,
            self.body,
            expires_at_ms,
            persistent=self.persistent,
            more_keys=self.more_keys,
            is_dead_letter=self.is_dead_letter,
        )

    def with_header(self, header: bytes) -> "AnnotatedMessage":
        return AnnotatedMessage(
            self.address,
            header,
            self.body,
            self.expires_at_ms,
            persistent=self.persistent,
            more_keys=self.more_keys,
            is_dead_letter=self.is_dead_letter,
        )


def after_return(message: Message, *, failed: bool, waits_first: bool) -> AnnotatedMessage:
    """The message after a delivery that was returned to its queue; `failed` counts towards the delivery limit."""
    return AnnotatedMessage(
        message.address,
        message.header,
        message.body,
        message.expires_at_ms,
        persistent=message.persistent,
        more_keys=message.more_keys,
        is_dead_letter=message.is_dead_letter,
        delivery_count=message.delivery_count + failed,
        acquired_count=message.acquired_count + 1,
        waits_first=waits_first,
    )


def body_size(message: Message) -> int:
    return len(message.body)


class Target(Protocol):
    """The end of a route: takes messages, and is compared by identity."""

    @property
    def deleted(self) -> bool:
        """True if it was deleted since the route was found, and takes no more messages."""

    @property
    def name(self) -> str:
        """The name of a queue; empty for any other target."""

    @property
    def counts(self) -> QueueCounts | None:
        """The counters of a queue; None for any other target."""

    @property
    def refusal_fails_commit(self) -> bool:
        """True if tx.commit fails when a message is refused here."""

    @property
    def is_reply_queue(self) -> bool:
        """True for direct reply-to, which a mandatory message does not count as a queue."""

    def publish(self, message: Message) -> bool:
        """Takes the message. True if it was refused."""

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        """Takes messages in a row, none of which has a TTL of its own. Returns the indices of those refused."""


def deliver(targets: Iterable[Target], message: Message) -> list[Target]:
    """Gives a message to each target; returns those that refused it."""
    refused = []
    for target in targets:
        if target.publish(message):
            refused.append(target)  # noqa: PERF401 (a comprehension is one call more, before Python 3.12)
    return refused


def deliver_all(targets: Iterable[Target], messages: list[Message]) -> Collection[int]:
    """Gives messages to each target in turn; returns the indices of those that one of them refused, in order.

    Nobody is promised an order of what comes out of different queues, so each may take all before the next one.
    """
    refused: set[int] = set()
    for target in targets:
        refused.update(target.publish_all(messages))
    return sorted(refused)


def deliver_own(targets: Iterable[Target], message: Message) -> list[Target]:
    """`deliver` for a message that the broker itself publishes: RabbitMQ does not count it as published."""
    refused = []
    for target in targets:
        if target.counts is not None:
            target.counts.of_broker += 1
        if target.publish(message):
            refused.append(target)
    return refused


class MessageView:
    """A message as exchanges see it. Its properties are decoded when they are first read."""

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


class DeferredMessage(NamedTuple):
    """A message that is kept outside of any queue, to be routed later. Its TTL begins only then."""

    message: Message
    ttl_ms: int | None

    @classmethod
    def since(cls, now_ms: int, message: Message) -> "DeferredMessage":
        return cls(message, None if message.expires_at_ms is None else message.expires_at_ms - now_ms)

    def again(self, now_ms: int) -> Message:
        """The message, with its TTL beginning now."""
        return self.message if self.ttl_ms is None else self.message.until(now_ms + self.ttl_ms)
