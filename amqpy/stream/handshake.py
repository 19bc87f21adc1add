"""The commands before a connection is open, by its state, and those that end it.

Source: `rabbit_stream_reader:handle_frame_pre_auth`.
"""

from collections.abc import Callable
from platform import python_version
from typing import Any, Final

from amqpy.amqp.handshake import enter
from amqpy.amqp.state import State
from amqpy.core.principals import Principal, Question
from amqpy.core.users import LoginFailed
from amqpy.errors import CommandInvalid, ConnectionFault, LoginRefused, SyntaxFault
from amqpy.stream.client import FRAMES_MAX, StreamClient, names
from amqpy.version import __version__
from amqpy.wire.stream_frames import Code, Key, Properties, long, notice, octets, properties
from amqpy.wire.values import Field

STEP_MS: Final = 10_000
"""Milliseconds that a client has for each step."""


def peer_properties(client: StreamClient, correlation: int, given: Properties) -> None:
    client.terms.client_properties = {name: Field("longstr", value) for name, value in given.items()}
    config, broker = client.config, client.broker
    client.answer(
        Key.PEER_PROPERTIES,
        correlation,
        fields=properties(
            {
                "cluster_name": broker.cluster_name,
                "copyright": "The amqpy authors",
                "information": f"amqpy {__version__}",
                "platform": f"Python {python_version()}",
                "product": config.product,
                "version": config.version or broker.profile.version,
            }
        ),
    )
    client.state = State.STARTING


def sasl_handshake(client: StreamClient, correlation: int) -> None:
    client.answer(Key.SASL_HANDSHAKE, correlation, fields=names(list(client.mechanisms)))
    if client.state is State.STARTING:
        client.state = State.SECURING


def sasl_authenticate(client: StreamClient, correlation: int, mechanism: str, response: bytes | None) -> None:
    login = client.login
    try:
        if not login.has_begun:
            login.choose(mechanism)
        if response is None:
            raise SyntaxFault("no response")
        answer = login.respond(response)
    except CommandInvalid:
        _end_login(client, correlation, Code.SASL_MECHANISM_NOT_SUPPORTED)
    except SyntaxFault:
        _end_login(client, correlation, Code.SASL_ERROR)
    except LoginRefused as fault:
        _refuse_login(client, correlation, fault)
    else:
        if isinstance(answer, Question):
            client.state = State.AUTHENTICATING
            client.ask(answer, lambda found: _conclude(client, correlation, found))
        elif isinstance(answer, bytes):
            client.answer(Key.SASL_AUTHENTICATE, correlation, Code.SASL_CHALLENGE, octets(answer))
        else:
            _tune(client, correlation, answer)


def _conclude(client: StreamClient, correlation: int, found: str | Principal | LoginFailed) -> None:
    try:
        user = client.login.conclude(found)
    except LoginRefused as fault:
        _refuse_login(client, correlation, fault)
    else:
        _tune(client, correlation, user)


def _refuse_login(client: StreamClient, correlation: int, fault: LoginRefused) -> None:
    code = Code.SASL_AUTHENTICATION_FAILURE_LOOPBACK if fault.is_remote else Code.AUTHENTICATION_FAILURE
    _end_login(client, correlation, code)


def _end_login(client: StreamClient, correlation: int, code: Code) -> None:
    client.answer(Key.SASL_AUTHENTICATE, correlation, code)
    client.on_entry(False)
    client.finish()


def _tune(client: StreamClient, correlation: int, user: Principal) -> None:
    client.user = user
    client.answer(Key.SASL_AUTHENTICATE, correlation)
    config = client.config
    client.outbox.write(notice(Key.TUNE, long(config.stream_frame_max) + long(config.stream_heartbeat)))
    client.state = State.TUNING


def tune(client: StreamClient, frame_max: int, heartbeat_s: int) -> None:
    terms = client.terms
    terms.frame_max, terms.heartbeat_s = frame_max, heartbeat_s
    client.state = State.OPENING


def open_(client: StreamClient, correlation: int, name: str) -> None:
    user, broker, terms = client.user, client.broker, client.terms
    assert user is not None
    try:
        vhost = enter(broker, user, name, terms.peer.peer_host)
    except ConnectionFault as fault:
        client.log.error("%s", fault.text)
        client.answer(Key.OPEN, correlation, Code.VIRTUAL_HOST_ACCESS_FAILURE)
        client.on_entry(False)
        client.finish()
        return
    host, port = advertised(client)
    client.answer(Key.OPEN, correlation, fields=properties({"advertised_host": host, "advertised_port": str(port)}))
    client.frames.size_max = FRAMES_MAX * client.config.stream_frame_max
    client.run(vhost)


def advertised(client: StreamClient) -> tuple[str, int]:
    """The host and port that clients are told to connect to: those of the settings, or else those by which this client
    came."""
    config, peer = client.config, client.terms.peer
    host, port = config.stream_advertised_host, config.stream_advertised_port
    if peer.tls is not None:
        host, port = config.stream_advertised_tls_host, config.stream_advertised_tls_port
    return host or peer.host or "localhost", port or peer.port


STEPS: Final[dict[State, dict[Key, Callable[..., Any]]]] = {
    State.HEADER: {Key.PEER_PROPERTIES: peer_properties, Key.SASL_HANDSHAKE: sasl_handshake},
    State.STARTING: {Key.SASL_HANDSHAKE: sasl_handshake},
    State.SECURING: {Key.SASL_AUTHENTICATE: sasl_authenticate},
    State.TUNING: {Key.TUNE: tune, Key.OPEN: open_},
    State.OPENING: {Key.OPEN: open_},
}
"""The commands that are taken in each state. Any other one ends the connection without a word."""
