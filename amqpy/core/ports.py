"""The protocols that the core needs from a connection: the client itself, and the target of a consumer's deliveries.

An effect is a call, not an object: the connection that implements these protocols writes the bytes at once, into the
client's outbox. Nothing here blocks or fails, and only `Client.close` calls back into the core.
"""

from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from amqpy.core.message import Message
from amqpy.wire.outbox import Outbox

Verb: TypeAlias = Literal["configure", "write", "read"]
TopicVerb: TypeAlias = Literal["write", "read"]
Kind: TypeAlias = Literal["queue", "exchange"]


class BackendError:
    """A refusal by a back end that could not decide. False, like any refusal; its text is a part of the reply."""

    def __init__(self, backend: str, error: str) -> None:
        self.backend = backend
        """The name that RabbitMQ has for it."""
        self.error = error
        """The error as an Erlang term."""

    def __bool__(self) -> Literal[False]:
        return False

    def __str__(self) -> str:
        return f", backend {self.backend} returned an error: {self.error}"


Verdict: TypeAlias = bool | BackendError


class Origin(NamedTuple):
    """A channel, as events and traces name it."""

    connection: str
    """The name of its connection."""
    number: int
    user: str
    pid: str
    """A name that no other channel or connection ever had, in the form of RabbitMQ's process ids."""


NOBODY: Final = Origin("", 0, "", "")


class Actor(Protocol):
    """The one in whose name an operation is done: a connected client, or a user of the management API."""

    @property
    def user_name(self) -> str: ...

    def may(self, verb: Verb, kind: Kind, name: str) -> Verdict:
        """True if its user has this permission on an exchange or a queue of its vhost. Raises `principals.Undecided` if
        that must be asked for."""

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> Verdict:
        """True if its user may publish (write) or bind (read) with a routing key at a topic exchange of its vhost,
        where the user has the permission already. Raises Undecided."""


class Client(Actor, Protocol):
    """A connection, as the core sees it. Compared by identity: it owns exclusive queues."""

    made_name: str
    """The name made for a queue that it has not been able to declare yet, or nothing."""

    @property
    def pid(self) -> str:
        """A name that no other connection or channel ever had."""

    @property
    def channel_count(self) -> int:
        """The number of open channels."""

    def on_alarm(self) -> None:
        """Is called when an alarm is set or cleared: the broker's alarms say whether it may publish now."""

    def wait_for_work(self) -> None:
        """Stops processing its input until `work_done`: a job that it began goes on in later turns."""

    def work_done(self) -> None:
        """Resumes processing its input: all its jobs are done."""

    def close(self, text: str) -> None:
        """Closes the connection for an administrator: it leaves the core at once; the peer is sent the text."""


class DeliveryTarget(Protocol):
    """The target of one consumer's deliveries."""

    @property
    def outbox(self) -> Outbox:
        """The buffer that deliveries are written to; its size shows whether the client reads."""

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None: ...

    def deliver_all(self, tag: int, messages: list[Message]) -> None:
        """Delivers messages that were never delivered before, with tags from `tag` on."""
        for its_tag, message in enumerate(messages, tag):
            self.deliver(its_tag, False, message)

    def cancelled(self) -> None:
        """Is called when the broker cancels the consumer: its queue is gone, or its deliveries timed out."""
