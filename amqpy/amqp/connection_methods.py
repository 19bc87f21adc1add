"""The methods of class connection, by the state of the connection: the table that a connection follows.

A method that has no handler in a state is a fault, 504; but a connection that is closing ignores it. Each handler says
which states it leads to; a fault leads to CLOSING, or to CLOSED where the client is not told. In AUTHENTICATING no
method is handled: it waits.

Source: `rabbit_reader:handle_method0`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from amqpy.amqp import handshake
from amqpy.amqp.client import AmqpClient
from amqpy.amqp.connection_events import of_connection
from amqpy.amqp.heartbeat import Heartbeat
from amqpy.amqp.state import State
from amqpy.core.users import IMPERSONATOR, LoginFailed, User
from amqpy.wire.methods import Connection, Method, table_of

Handler = Callable[[AmqpClient, Any], None]


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


@handles(State.STARTING, Connection.StartOk, State.SECURING, State.AUTHENTICATING, State.TUNING)
def on_start_ok(client: AmqpClient, method: Connection.StartOk) -> None:
    terms = client.terms
    terms.client_properties = table_of(method.client_properties)
    terms.capabilities = handshake.capabilities_of(terms.client_properties) - terms.version.lacks
    client.login.choose(method.mechanism)
    client.state = State.SECURING
    _authenticate(client, method.response)


@handles(State.SECURING, Connection.SecureOk, State.SECURING, State.AUTHENTICATING, State.TUNING)
def on_secure_ok(client: AmqpClient, method: Connection.SecureOk) -> None:
    _authenticate(client, method.response)


def _authenticate(client: AmqpClient, response: object) -> None:
    assert isinstance(response, bytes), "a long string, whatever pamqp says"
    answer = client.login.respond(response)
    if isinstance(answer, User):
        _tune(client, answer)
    elif answer is None:
        client.state = State.AUTHENTICATING
        client.block.wait_for_work()
    else:
        client.send(Connection.Secure, answer)


def on_login(client: AmqpClient, answer: str | LoginFailed) -> None:
    """Takes the answer of the authenticator; the handshake goes on. Raises LoginRefused."""
    client.block.work_done()
    _tune(client, client.login.conclude(answer))


AUTHENTICATED: Final = Transition(on_login, (State.TUNING,))
"""The way out of AUTHENTICATING."""


def _tune(client: AmqpClient, user: User) -> None:
    client.user = user
    client.impersonates = IMPERSONATOR in user.tags
    config = client.config
    client.send(Connection.Tune, config.channel_max, config.frame_max, config.heartbeat)
    client.state = State.TUNING


@handles(State.TUNING, Connection.TuneOk, State.OPENING)
def on_tune_ok(client: AmqpClient, method: Connection.TuneOk) -> None:
    config, terms, floor = client.config, client.terms, client.broker.frame_max_floor
    handshake.check_tuned("frame_max", method.frame_max, floor=floor, ours=config.frame_max)
    handshake.check_tuned("channel_max", method.channel_max, floor=1, ours=config.channel_max)
    terms.frame_max = client.reader.frame_max = method.frame_max or config.frame_max
    terms.channel_max = method.channel_max
    terms.heartbeat_s = method.heartbeat
    client.state = State.OPENING


@handles(State.OPENING, Connection.Open, State.RUNNING)
def on_open(client: AmqpClient, method: Connection.Open) -> None:
    user, broker, terms = client.user, client.broker, client.terms
    assert user is not None
    vhost = client.vhost = handshake.enter(broker, user, method.virtual_host)
    vhost.clients[client] = user.clients[client] = None
    vhost.traffic.begin(client, client.traffic)
    client.send(Connection.OpenOk, "")
    client.state = State.RUNNING
    client.on_entry(True)
    client.heartbeat = Heartbeat(terms.heartbeat_s)
    client.next_at_ms = client.heartbeat.next_at_ms(broker.scheduler.now_ms)
    about = (terms, user.name, vhost.name, broker.node, broker.profile)
    broker.events.tell("connection.created", of_connection, *about)
    shown = f", connection name: {terms.given_name!r}" if terms.given_name else ""
    client.log.info("user '%s' authenticated and granted access to vhost '%s'%s", user.name, vhost.name, shown)


@handles(State.RUNNING, Connection.UpdateSecret, State.RUNNING)
def on_update_secret(client: AmqpClient, method: Connection.UpdateSecret) -> None:
    client.send(Connection.UpdateSecretOk)


@handles(State.RUNNING, Connection.Close, State.RUNNING, State.CLOSING)
def on_close(client: AmqpClient, method: Connection.Close) -> None:
    """Closes the connection for the client. Exclusive queues are deleted before close-ok, to be declared again: if that
    is large work, the state changes only then."""

    def close() -> None:
        client.send(Connection.CloseOk)
        client.await_end(client.config.close_timeout_ms)

    client.leave(close)


@handles(State.CLOSING, Connection.Close, State.CLOSING)
def on_close_again(client: AmqpClient, method: Connection.Close) -> None:
    client.send(Connection.CloseOk)


@handles(State.CLOSING, Connection.CloseOk, State.CLOSED)
def on_close_ok(client: AmqpClient, method: Connection.CloseOk) -> None:
    client.finish()
