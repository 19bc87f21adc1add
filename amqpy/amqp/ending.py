"""How a connection ends: it leaves the core, which may take a while, and only then its client is told.

A client that has much (channels, consumers, deliveries not answered, queues of its own) leaves bit by bit, as a job. A
connection that is lost while something else that it began goes on leaves after that: order is kept.

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
"""What it costs to close a channel that has nothing, as `jobs` counts it."""


def leave(session: "ConnectionSession", then: Callable[[], object]) -> None:
    """Gives back all that the connection has in the broker, then does something. Done again, there is nothing left."""
    session.fast_channels.clear()
    if session.state is not State.CLOSED:
        session.state = State.CLOSING
    session.next_at_ms = None
    session.broker.scheduler.jobs.do_for(session, _leave(session), then)


def _leave(session: "ConnectionSession") -> Steps:
    broker = session.broker
    for channel in each(session.channels.values()):
        channel.confirm(session.durable_replies.batch())
        yield from channel.close()
        yield CHANNEL_UNITS
    session.channels.clear()
    if session.vhost is not None:
        assert session.user is not None
        session.user.clients.pop(session)
        yield from broker.connection_lost(session, session.vhost)
        session.vhost = None
        broker.settle()


def is_told(session: "ConnectionSession", state: State, fault: ConnectionFault) -> bool:
    """Whether RabbitMQ tells a client, in this state of the connection, why it ends."""
    return (
        state in {State.OPENING, State.RUNNING}
        or (state is State.TUNING and isinstance(fault, NotAllowed))
        or (isinstance(fault, LoginRefused) and session.client_can("authentication_failure_close"))
    )
