"""What the core asks of the outside: the two sides of a client that broker operations are done for.

An effect is a call, not an object: the session that implements these protocols writes the bytes at once, into the
client's outbox. Nothing here blocks or fails, and only `Client.close` calls back into the core.
"""

from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from amqpy.core.message import Message
from amqpy.wire.outbox import Outbox

Verb: TypeAlias = Literal["configure", "write", "read"]


class Origin(NamedTuple):
    """A channel, as others are told of it."""

    connection: str
    """The name of its connection."""
    number: int
    user: str
    pid: str
    """What RabbitMQ would have: a name that no other channel or connection ever had."""


NOBODY: Final = Origin("", 0, "", "")


class Client(Protocol):
    """A connection, as far as the core needs to know it. Compared by identity: it owns exclusive queues."""

    @property
    def user_name(self) -> str: ...

    @property
    def pid(self) -> str:
        """A name that no other connection or channel ever had."""

    def may(self, verb: Verb, resource: str) -> bool:
        """Whether its user has this permission on an exchange or a queue of its vhost."""

    @property
    def channel_count(self) -> int:
        """How many channels it has open."""

    def on_alarm(self) -> None:
        """Something became short, or is not any more: whether it may publish now is for the broker's alarms to say."""

    def wait_for_work(self) -> None:
        """What it began is large, and goes on in later turns: nothing more is heard of it until `work_done`."""

    def work_done(self) -> None:
        """All that it began is done."""

    def close(self, text: str) -> None:
        """An administrator ends the connection: it leaves the core at once, and its peer is told why."""


class DeliveryTarget(Protocol):
    """The client's end of one consumer."""

    @property
    def outbox(self) -> Outbox:
        """Where deliveries go; how much it holds tells whether the client reads."""

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None: ...

    def cancelled(self) -> None:
        """The broker ended the consumer: its queue is gone, or it took too long to answer."""
