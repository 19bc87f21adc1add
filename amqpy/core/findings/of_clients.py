"""Clients that keep messages from getting on, or are kept from it: publishers that wait for the end of an alarm,
readers that do not read, connections with more channels than they use."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from amqpy.core.explaining.text import counted
from amqpy.core.findings.finding import Findings, History, Thresholds
from amqpy.core.resources import Resources
from amqpy.core.vhost import OpenChannel
from amqpy.wire.outbox import HIGH

UNREAD_MS: Final = 10_000
"""Milliseconds in which a client should read something of what waits for it."""

UNITS: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class ConnectionState(NamedTuple):
    """A connection, as findings see it."""

    connection: object
    name: str
    user: str
    vhost: str
    waits_for_alarm: bool
    """True if it has published during an alarm, and is not heard until that is over."""
    waits_to_be_read: bool
    """True if it is not heard before its client has read more of what waits for it."""
    unread: int
    """Bytes that wait for its client."""
    sent: int
    """Bytes that its client, or the kernel for it, has ever taken."""


def look_at_alarms(resources: Iterable[str], measured: Resources, findings: Findings) -> None:
    """Tells the alarms that are set, with the numbers that they come of."""
    for resource in resources:
        if resource == "memory":
            used, limit = measured.memory_used, measured.memory_allowed
            numbers = f"{size_text(used)} are used, of {size_text(limit)} that may be"
        else:
            used, limit = measured.disk_free, measured.disk_needed
            numbers = f"{size_text(used)} are free, and {size_text(limit)} should be"
            if limit is None or not 0 <= used < limit:
                numbers = "nothing can be written"
        findings.add(
            "alarm",
            "",
            resource,
            f"The alarm for {resource} is set, and publishers must wait: {numbers}.",
            1,
            **{"memory_used" if resource == "memory" else "disk_free": used, "limit": limit},
        )


def look_at_connection(state: ConnectionState, findings: Findings, history: History) -> None:
    """Tells a connection that waits, or that does not read."""
    whose = f"Connection {state.name!r} of user {state.user!r}"
    if state.waits_for_alarm:
        text = f"{whose} has published during an alarm, and must wait until that is over."
        findings.add("blocked_connection", state.vhost, state.name, text, 1, user=state.user)
    if not (state.waits_to_be_read or is_unread(state, history)):
        return
    text = f"{whose} does not read fast enough: {size_text(state.unread)} wait for it"
    text += ", and it is not heard meanwhile." if state.waits_to_be_read else "."
    findings.add("flow", state.vhost, state.name, text, state.unread, user=state.user, unread=state.unread)


def is_unread(state: ConnectionState, history: History) -> bool:
    """True if much waits for a client, and it has read nothing for a while."""
    if state.unread < HIGH:
        return False
    then = history.then(state.connection, UNREAD_MS)
    return then is not None and then.span_ms >= UNREAD_MS and then.counts["send_oct"] == state.sent


class ChannelCount:
    """The channels of one connection."""

    def __init__(self) -> None:
        self.all = self.idle = 0
        self.user = ""

    def add(self, channel: OpenChannel, span_ms: int, history: History) -> None:
        """Counts a channel: as idle if nobody consumes on it, nothing is unacknowledged, and no message has come or
        gone for so long, or ever if that is not known."""
        self.all += 1
        unacked = channel.unacked
        self.user = unacked.origin.user
        if unacked.consumers or unacked.by_tag:
            return
        then = history.then(channel, span_ms)
        before = {} if then is None or then.span_ms < span_ms else then.counts
        self.idle += all(
            count == before.get(name, 0) for name, count in channel.message_stats().items() if name in COUNTED
        )

    def tell(self, connection: str, vhost: str, findings: Findings, thresholds: Thresholds) -> None:
        """Tells a connection with very many channels, or with many that it does not use."""
        if self.all < thresholds.channels and self.idle < thresholds.idle_channels:
            return
        text = f"Connection {connection!r} of user {self.user!r} has {counted(self.all, 'channel')}"
        if self.idle:
            text += f", and on {self.idle:,} of them nothing happens: perhaps they are opened and not closed"
        findings.add(
            "channels", vhost, connection, f"{text}.", self.all, user=self.user, channels=self.all, idle=self.idle
        )


COUNTED: Final = frozenset({"publish", "confirm", "deliver", "deliver_no_ack", "get", "get_no_ack", "ack"})
"""The counters that say if a channel is used."""


def size_text(size: int | None) -> str:
    """A number of bytes in the largest unit that it has one of: `1.5 GiB`."""
    if size is None or size < 0:
        return "an unknown number of bytes"
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return counted(size, "byte")
