"""The methods of class connection, by the state of the connection: the table that a connection follows.

A method that has no handler in a state is a fault, 504; but a connection that is closing ignores it. Each handler says
which states it leads to; a fault leads to CLOSING, or to CLOSED where the client is not told.

Source: `rabbit_reader:handle_method0`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amqpy.amqp import connection_events, handshake
from amqpy.amqp.ending import leave
from amqpy.amqp.heartbeat import Heartbeat
from amqpy.amqp.state import State
from amqpy.core.users import IMPERSONATOR
from amqpy.wire.methods import Connection, Method, table_of

if TYPE_CHECKING:
    from amqpy.amqp.connection import ConnectionSession

Handler = Callable[["ConnectionSession", Any], None]


class Transition(NamedTuple):
    """The handling of one method in one state."""

    handler: Handler
    leads_to: tuple[State, ...]
    """The states after it, unless it raises a fault."""


TRANSITIONS: Final[dict[State, dict[type[Method], Transition]]] = {state: {} for state in State}
"""By state and method."""


def handles(state: State, method: type[Method], *leads_to: State) -> Callable[[Handler], Handler]:
    """Registers the function that handles a method in a state."""

    def register(handler: Handler) -> Handler:
        TRANSITIONS[state][method] = Transition(handler, leads_to)
        return handler

    return register


@handles(State.STARTING, Connection.StartOk, State.SECURING, State.TUNING)
def on_start_ok(connection: "ConnectionSession", method: Connection.StartOk) -> None:
    connection.client_properties = table_of(method.client_properties)
    connection.capabilities = handshake.capabilities_of(connection.client_properties) - connection.version.lacks
    connection.login.choose(method.mechanism)
    connection.mechanism_name = method.mechanism
    connection.state = State.SECURING
    _authenticate(connection, method.response)


@handles(State.SECURING, Connection.SecureOk, State.SECURING, State.TUNING)
def on_secure_ok(connection: "ConnectionSession", method: Connection.SecureOk) -> None:
    _authenticate(connection, method.response)


def _authenticate(connection: "ConnectionSession", response: object) -> None:
    assert isinstance(response, bytes), "a long string, whatever pamqp says"
    answer = connection.login.respond(connection, response)
    if isinstance(answer, bytes):
        connection.send(Connection.Secure, answer)
        return
    connection.user = answer
    connection.impersonates = IMPERSONATOR in answer.tags
    config = connection.config
    connection.send(Connection.Tune, config.channel_max, config.frame_max, config.heartbeat)
    connection.state = State.TUNING


@handles(State.TUNING, Connection.TuneOk, State.OPENING)
def on_tune_ok(connection: "ConnectionSession", method: Connection.TuneOk) -> None:
    config, floor = connection.config, connection.broker.frame_max_floor
    handshake.check_tuned("frame_max", method.frame_max, floor=floor, ours=config.frame_max)
    handshake.check_tuned("channel_max", method.channel_max, floor=1, ours=config.channel_max)
    connection.frame_max = connection.reader.frame_max = method.frame_max or config.frame_max
    connection.channel_max = method.channel_max
    connection.heartbeat = Heartbeat(method.heartbeat)
    connection.state = State.OPENING


@handles(State.OPENING, Connection.Open, State.RUNNING)
def on_open(connection: "ConnectionSession", method: Connection.Open) -> None:
    user, broker = connection.user, connection.broker
    assert user is not None
    vhost = connection.vhost = handshake.enter(broker, user, method.virtual_host)
    vhost.clients[connection] = user.clients[connection] = None
    vhost.traffic.begin(connection, connection.traffic)
    connection.send(Connection.OpenOk, "")
    connection.state = State.RUNNING
    connection.next_at_ms = connection.heartbeat.next_at_ms(broker.scheduler.now_ms)
    broker.events.tell("connection.created", connection_events.of_connection, connection)
    name = handshake.connection_name(connection.client_properties)
    shown = f", connection name: {name!r}" if name else ""
    connection.log.info("user '%s' authenticated and granted access to vhost '%s'%s", user.name, vhost.name, shown)


@handles(State.RUNNING, Connection.UpdateSecret, State.RUNNING)
def on_update_secret(connection: "ConnectionSession", method: Connection.UpdateSecret) -> None:
    connection.send(Connection.UpdateSecretOk)


@handles(State.RUNNING, Connection.Close, State.RUNNING, State.CLOSING)
def on_close(connection: "ConnectionSession", method: Connection.Close) -> None:
    """Closes the connection for the client. Exclusive queues are deleted before close-ok, to be declared again: if that
    is large work, the state changes only then."""

    def close() -> None:
        connection.send(Connection.CloseOk)
        connection.await_end(connection.config.close_timeout_ms)

    leave(connection, close)


@handles(State.CLOSING, Connection.Close, State.CLOSING)
def on_close_again(connection: "ConnectionSession", method: Connection.Close) -> None:
    connection.send(Connection.CloseOk)


@handles(State.CLOSING, Connection.CloseOk, State.CLOSED)
def on_close_ok(connection: "ConnectionSession", method: Connection.CloseOk) -> None:
    connection.finish()
