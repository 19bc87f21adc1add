"""Views of connections and channels, in the form of the management API's JSON (see `core.views`).

Source: `rabbit_reader`: `CREATION_EVENT_KEYS`, `STATISTICS_KEYS`; `rabbit_channel`: the same.
"""

from typing import Final, Protocol

from amqpy.amqp import connection_events
from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.state import State
from amqpy.amqp.terms import Terms
from amqpy.core.broker import Broker
from amqpy.core.findings.of_clients import ConnectionState
from amqpy.core.statistics import Counts
from amqpy.core.vhost import Vhost
from amqpy.core.views import View, json_of, message_stats
from amqpy.wire.outbox import Outbox

STATES: Final[dict[State, str]] = {
    State.HEADER: "starting",
    State.STARTING: "starting",
    State.SECURING: "securing",
    State.AUTHENTICATING: "securing",
    State.TUNING: "tuning",
    State.OPENING: "opening",
    State.RUNNING: "running",
    State.CLOSING: "closing",
    State.CLOSED: "closed",
}


class Shown(Protocol):
    """A connection by any protocol."""

    broker: Broker
    outbox: Outbox

    @property
    def terms(self) -> Terms: ...
    @property
    def vhost(self) -> Vhost | None: ...
    @property
    def user_name(self) -> str: ...
    def traffic(self) -> Counts: ...


def connection(connection: ConnectionSession) -> View:
    state = "blocked" if connection.block.is_blocked else STATES[connection.state]
    protocol = _protocol(connection.terms.version.number)
    return described(connection, protocol=protocol, state=state, channels=len(connection.channels))


def described(connection: Shown, *, protocol: str, state: str, channels: int) -> View:
    """The view of a connection by a protocol, in a state, with so many channels."""
    terms, peer = connection.terms, connection.terms.peer
    vhost = connection.vhost
    given_name = {} if terms.given_name is None else {"user_provided_name": terms.given_name}
    return {
        "name": peer.name,
        **given_name,
        "node": connection.broker.node,
        "type": "network",
        "protocol": protocol,
        "host": peer.host,
        "port": peer.port,
        "peer_host": peer.peer_host,
        "peer_port": peer.peer_port,
        "ssl": peer.tls is not None,
        # What is not there is null in the API, where events have an empty text.
        **{name: fact or None for name, fact in connection_events.of_tls(terms).items()},
        "auth_mechanism": terms.mechanism_name,
        "user": connection.user_name,
        "user_who_performed_action": connection.user_name,
        "vhost": "" if vhost is None else vhost.name,
        "client_properties": json_of(terms.client_properties),
        "connected_at": terms.connected_at_ms,
        "timeout": terms.heartbeat_s,
        "frame_max": terms.frame_max,
        "channel_max": terms.channel_max,
        "channels": channels,
        "state": state,
        **connection.traffic(),
        "send_pend": connection.outbox.size,
    }


def _protocol(number: str) -> str:
    """The name of a version of AMQP, of its number as Erlang prints it: `{0,9,1}` is `AMQP 0-9-1`."""
    parts = number.strip("{}").split(",")
    return f"AMQP {'-'.join(parts[:2] if parts[2] == '0' else parts)}"


def state_of(connection: ConnectionSession) -> ConnectionState:
    """A connection, as findings see it (`core.stuck`)."""
    block, outbox, vhost = connection.block, connection.outbox, connection.vhost
    return ConnectionState(
        connection,
        connection.terms.peer.name,
        connection.user_name,
        "" if vhost is None else vhost.name,
        block.waits_for_alarm,
        block.waits_to_be_read,
        outbox.size,
        outbox.total,
    )


def channel(channel: ChannelSession) -> View:
    connection, confirms, transaction = channel.connection, channel.confirms, channel.transaction
    peer = connection.terms.peer
    return {
        "name": f"{peer.name} ({channel.number})",
        "number": channel.number,
        "connection_details": {"name": peer.name, "peer_host": peer.peer_host, "peer_port": peer.peer_port},
        "node": channel.broker.node,
        "user": connection.user_name,
        "user_who_performed_action": connection.user_name,
        "vhost": channel.vhost.name,
        "state": "closing" if channel.closing else "running",
        "confirm": confirms is not None,
        "transactional": transaction is not None,
        "consumer_count": len(channel.consumers),
        "prefetch_count": channel.prefetch,
        "global_prefetch_count": channel.unacked.limit,
        "messages_unacknowledged": len(channel.unacked.by_tag),
        "messages_unconfirmed": 0 if confirms is None else confirms.unconfirmed_count,
        "messages_uncommitted": 0 if transaction is None else transaction.uncommitted_publishes,
        "acks_uncommitted": 0 if transaction is None else transaction.uncommitted_answers,
        **message_stats(channel.message_stats()),
    }
