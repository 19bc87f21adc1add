"""Connections of a test broker: they are watched, and can be cut in the middle of what they say."""

from typing import TYPE_CHECKING, Any

from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.content import PUBLISH_METHOD
from amqpy.core.jobs import Steps
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault, ChannelFault, ConnectionFault
from amqpy.testing.confirms import WatchedConfirms

if TYPE_CHECKING:
    from amqpy.core.portions import Taken
    from amqpy.testing.events import Event
    from amqpy.testing.recorder import Recorder
    from amqpy.testing.transport import FaultyTransport


class WatchedSession(ConnectionSession):
    """A client's connection."""

    def __init__(self, *arguments: Any, recorder: "Recorder", transport: "FaultyTransport", **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.recorder = recorder
        self.transport = transport
        self.is_cut = False
        """True once it was cut: nothing is heard any more, and nothing leaves."""
        self.fault: AmqpFault | None = None
        """The reason why we closed it."""
        recorder.sessions[self.pid] = self

    @property
    def name(self) -> str:
        """The name that the client gave it, else `ip:port -> ip:port`."""
        return self.terms.given_name or self.terms.peer.name

    def receive(self, data: bytes, now_ms: int) -> None:
        if not self.is_cut:
            super().receive(data, now_ms)

    def stop_hearing(self) -> None:
        """Leaves the rest of what it has said unheard."""
        self.is_cut = True
        self.channels.fast.clear()
        self.block.wait_for_answer()

    def confirm_earlier(self) -> None:
        """Confirms what was published before, in the middle of a turn."""
        batch = self.durable_replies.batch()
        for channel in self.channels.confirming:
            channel.confirm(batch)
        self.channels.confirming.clear()

    def watched_channels(self) -> "list[WatchedChannel]":
        return [channel for channel in self.channels.values() if isinstance(channel, WatchedChannel)]

    def new_channel(self, number: int, vhost: Vhost) -> ChannelSession:
        return WatchedChannel(self, number, vhost)

    def close_channel(self, number: int, fault: ChannelFault) -> None:
        channel = self.channels[number]
        self.recorder.channel_faults[channel.origin.pid] = fault
        if fault.method_id == PUBLISH_METHOD:
            self.recorder.note_refusal(channel.origin, channel.vhost.name, fault)
        super().close_channel(number, fault)

    def fail(self, fault: ConnectionFault) -> None:
        if self.fault is None:
            self.fault = fault
        super().fail(fault)

    def detach(self) -> None:
        super().detach()
        self.recorder.sessions.pop(self.pid, None)


class WatchedChannel(ChannelSession):
    """A channel of it."""

    connection: WatchedSession

    def __init__(self, connection: WatchedSession, number: int, vhost: Vhost) -> None:
        super().__init__(connection, number, vhost)
        connection.recorder.channels[self.origin.pid] = self

    @property
    def is_open(self) -> bool:
        return not self.closing and self.connection.channels.get(self.number) is self

    def new_confirms(self) -> WatchedConfirms:
        return WatchedConfirms(self)

    @property
    def unconfirmed_count(self) -> int:
        """The number of messages whose confirms have not left."""
        confirms = self.confirms
        if not isinstance(confirms, WatchedConfirms):
            return 0
        return confirms.unconfirmed_count + confirms.withheld_count

    def note_confirmed(self, event: "Event", tag: int, *, nack: bool) -> None:
        if not self.connection.is_cut and self.is_open:
            self.connection.recorder.confirmed(event, tag, nack=nack)

    def roll_back(self) -> "Taken":
        self.connection.recorder.roll_back(self.origin)
        return super().roll_back()

    def close(self) -> Steps:
        self.connection.recorder.channels.pop(self.origin.pid, None)
        return super().close()
