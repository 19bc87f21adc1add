"""Connections and channels, as the recorder and its faults see them."""

from typing import Protocol

from amqpy.core.confirms import Confirm, Confirms
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault
from amqpy.testing.events import Event


class WatchedConnection(Protocol):
    """A connection (`sessions.WatchedSession`)."""

    is_cut: bool
    """True once it was cut: nothing is heard any more, and nothing leaves."""
    fault: AmqpFault | None
    """The reason why we closed it."""

    @property
    def name(self) -> str:
        """The name that the client gave it, else `ip:port -> ip:port`."""


class WatchedPublisher(Protocol):
    """A channel (`sessions.WatchedChannel`)."""

    number: int
    vhost: Vhost
    confirms: Confirms | None

    @property
    def connection(self) -> WatchedConnection: ...
    @property
    def is_open(self) -> bool: ...

    def send_confirm(self, confirm: Confirm) -> None: ...

    def note_confirmed(self, event: Event, tag: int, *, nack: bool) -> None:
        """Records a confirm that leaves."""
