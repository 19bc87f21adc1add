"""The end of a connection: it leaves the core, which may take a while, and only then its client is notified.

A client that has much (channels, consumers, unacknowledged deliveries, exclusive queues) leaves bit by bit, as a job. A
connection that is lost while another of its jobs goes on leaves after that: order is kept.

Source: `rabbit_reader`: `terminate`, `handle_exception`, `handle_method0` of connection.close.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from amqpy.amqp.state import State
from amqpy.core.jobs import Steps, each
from amqpy.errors import ConnectionFault, LoginRefused, NotAllowed

if TYPE_CHECKING:
    from amqpy.amqp.connection import ConnectionSession

CHANNEL_UNITS = 20
"""The cost of closing a channel without consumers and deliveries, in the units of `jobs`."""


def leave(connection: "ConnectionSession", then: Callable[[], object]) -> None:
    """Removes everything that the connection has in the broker, then calls `then`. May be repeated."""
    connection.fast_channels.clear()
    if connection.state is not State.CLOSED:
        connection.state = State.CLOSING
    connection.next_at_ms = None
    connection.broker.scheduler.jobs.do_for(connection, _leave(connection), then)


def _leave(connection: "ConnectionSession") -> Steps:
    broker = connection.broker
    for channel in each(connection.channels.values()):
        channel.confirm(connection.durable_replies.batch())
        yield from channel.close()
        yield CHANNEL_UNITS
    connection.channels.clear()
    if connection.vhost is not None:
        assert connection.user is not None
        connection.user.clients.pop(connection)
        yield from broker.connection_lost(connection, connection.vhost)
        connection.vhost.traffic.end(connection)
        connection.vhost = None
        broker.settle()


def is_told(connection: "ConnectionSession", state: State, fault: ConnectionFault) -> bool:
    """True if RabbitMQ sends connection.close for this fault in this state of the connection."""
    return (
        state in {State.OPENING, State.RUNNING}
        or (state is State.TUNING and isinstance(fault, NotAllowed))
        or (isinstance(fault, LoginRefused) and connection.client_can("authentication_failure_close"))
    )
