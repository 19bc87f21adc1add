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
from amqpy.amqp.state import State
from amqpy.core.checks import check_entry, check_permission
from amqpy.core.jobs import Steps, each
from amqpy.core.principals import Principal, Question, Undecided
from amqpy.core.users import IMPERSONATOR, LoginFailed
from amqpy.core.vhost import Vhost
from amqpy.errors import AccessRefused, NotAllowed
from amqpy.wire.methods import AMQP_0_9_1, Connection, Method, table_of

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
    if isinstance(answer, Question):
        client.state = State.AUTHENTICATING
        client.ask(answer, lambda answer: AUTHENTICATED.handler(client, answer))
    elif isinstance(answer, bytes):
        client.send(Connection.Secure, answer)
    else:
        _tune(client, answer)


def on_login(client: AmqpClient, answer: str | Principal | LoginFailed) -> None:
    """Takes the answer of the authenticator; the handshake goes on. Raises LoginRefused."""
    _tune(client, client.login.conclude(answer))


AUTHENTICATED: Final = Transition(on_login, (State.TUNING,))
"""The way out of AUTHENTICATING."""


def _tune(client: AmqpClient, user: Principal) -> None:
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
    user = client.user
    assert user is not None
    vhost = handshake.enter(client.broker, user, method.virtual_host, client.terms.peer.peer_host)
    client.send(Connection.OpenOk, "")
    client.run(vhost)


@handles(State.RUNNING, Connection.UpdateSecret, State.RUNNING)
def on_update_secret(client: AmqpClient, method: Connection.UpdateSecret) -> None:
    """Renews credentials that can expire; any secret will do for others. Raises NotAllowed, perhaps in a later turn."""
    secret: object = method.new_secret
    assert client.user is not None
    assert isinstance(secret, bytes), "a long string, whatever pamqp says"
    question = client.user.renewal(secret)
    if question is None:
        client.send(Connection.UpdateSecretOk)
    else:
        client.ask(question, lambda answer: _on_renewal(client, method.reason, answer))


def _on_renewal(client: AmqpClient, reason: str | None, answer: object) -> None:
    user = client.user
    assert user is not None
    if isinstance(answer, Exception):
        client.log.error("secret update was refused for user '%s': %s", user.name, answer)
        raise NotAllowed("New secret was refused by one of the backends", AMQP_0_9_1.id_of(Connection.UpdateSecret))
    client.impersonates = IMPERSONATOR in user.tags
    for channel in client.channels.values():
        channel.note_tags()
    client.forget_rights()
    client.note_expiry()
    client.attempt(lambda: _on_renewed(client, reason))


def _on_renewed(client: AmqpClient, reason: str | None) -> None:
    """Accepts the new secret, unless its user may not be connected any more. Raises NotAllowed or Undecided."""
    user, vhost = client.user, client.vhost
    assert user is not None
    assert vhost is not None
    check_entry(user, vhost, client.terms.peer.peer_host)

    def accept() -> None:
        client.send(Connection.UpdateSecretOk)
        client.log.info("user '%s' updated secret, reason: %s", user.name, reason)

    client.broker.scheduler.jobs.do_for(client, _recheck_consumers(client, vhost), accept)


def _recheck_consumers(client: AmqpClient, vhost: Vhost) -> Steps:
    """Closes the channels with a consumer that may not read its queue any more: a job."""
    for number, channel in each(client.channels.items()):
        for consumer in each(channel.consumers.values()):
            yield 1
            if channel.closing:
                break
            try:
                check_permission(client, vhost, "read", "queue", consumer.queue.name)
            except AccessRefused as fault:
                fault.method_id = (0, 0)
                client.close_channel(number, fault)
            except Undecided:
                pass  # a back end that is asked for each permission notices by itself


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
