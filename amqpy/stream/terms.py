"""The publishers and subscriptions of a connection, and what refuses a command."""

from typing import NamedTuple, Protocol

from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams.groups import Group
from amqpy.core.streams.subscription import ChunkTarget, Subscription
from amqpy.wire.stream_frames import Code, OffsetSpec, Properties

NAME_BYTES_MAX = 255
"""The most bytes of a name and of a reference."""


class Refused(Exception):
    """A command that is answered with a code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Publisher(NamedTuple):
    """A publisher of a connection."""

    id: int
    reference: str
    """Its name, by which what it publishes is deduplicated; empty without one."""
    stream: StreamQueue


class StreamSubscription(Subscription):
    """A subscription of a connection."""

    __slots__ = ("group", "properties", "spec", "stream")
    stream: StreamQueue
    properties: Properties
    spec: OffsetSpec
    group: Group | None
    """The group of consumers of which a single one is active, if it is in one."""
    target: "UpdateTarget"

    def update(self, *, is_active: bool) -> None:
        if not is_active:
            self.is_active = False
        self.target.update_consumer(self, is_active=is_active)

    def leave(self) -> None:
        """Gives up its place."""
        self.stream.native.remove(self)
        if self.group is not None:
            self.group.leave(self)
            if not self.group:
                self.stream.native.groups.pop(self.properties["name"], None)


class UpdateTarget(ChunkTarget, Protocol):
    """The client that is told which of its consumers are active."""

    def update_consumer(self, subscription: "StreamSubscription", *, is_active: bool) -> None:
        """Tells the client that a consumer becomes active or inactive."""


def size_of(name: str) -> int:
    """The bytes of a name."""
    return len(name.encode("utf-8", "surrogateescape"))
