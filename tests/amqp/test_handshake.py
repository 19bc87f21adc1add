"""From the protocol header to connection.open-ok: who gets in, who is told why not, who is not told."""

import struct
from dataclasses import replace

import pytest
from pamqp import commands
from pamqp.commands import Connection

from amqpy.amqp.state import State
from amqpy.config import Config
from amqpy.core.users import Credentials
from amqpy.wire.values import Field, encode_table

from .client import HEADER, OPENING, PLAIN_GUEST, Client, make_broker, method_frame, names, raw_frame, start_ok

CONFIG = Config(cluster_name="rabbit@test", auth_mechanisms=("PLAIN", "AMQPLAIN", "RABBIT-CR-DEMO"))

CAPABILITIES = {
    "authentication_failure_close",
    "basic.nack",
    "connection.blocked",
    "consumer_cancel_notify",
    "consumer_priorities",
    "direct_reply_to",
    "exchange_exchange_bindings",
    "per_consumer_qos",
    "publisher_confirms",
}


def started(config: Config = CONFIG, *, from_loopback: bool = True) -> Client:
    """A client that has read connection.start."""
    client = Client(make_broker(config), from_loopback=from_loopback)
    assert names(client.feed(HEADER)) == ["Connection.Start"]
    return client


async def never(credentials: Credentials) -> str:
    """An authenticator: what asks it is a server, and here is none."""
    raise AssertionError(credentials)


def at(state: State, config: Config = CONFIG) -> Client:
    """A client whose session is in this state of the handshake."""
    client = Client(make_broker(config), authenticator=never if state is State.AUTHENTICATING else None)
    steps = [HEADER, *(method_frame(method, 0) for method in OPENING)]
    challenge = method_frame(start_ok("guest", "RABBIT-CR-DEMO"), 0)
    taken = {State.HEADER: 0, State.STARTING: 1, State.SECURING: 1, State.AUTHENTICATING: 2}
    taken |= {State.TUNING: 2, State.OPENING: 3, State.RUNNING: 4}
    for step in steps[: taken[state]]:
        client.feed(step)
    if state is State.SECURING:
        client.feed(challenge)
    assert client.session.state is state
    return client


def amqplain(login: bytes = b"guest", password: bytes = b"guest") -> str:
    def entry(name: bytes, value: bytes) -> bytes:
        return bytes((len(name),)) + name + b"S" + struct.pack(">I", len(value)) + value

    return (entry(b"LOGIN", login) + entry(b"PASSWORD", password)).decode()


def raw_start_ok(client_properties: bytes, mechanism: bytes, response: bytes) -> bytes:
    """A start-ok as pamqp would not write it."""
    fields = [struct.pack(">I", len(client_properties)), client_properties, bytes((len(mechanism),)), mechanism]
    fields += [struct.pack(">I", len(response)), response, b"\x05en_US"]
    return raw_frame(1, 0, struct.pack(">HH", 10, 11) + b"".join(fields))


# --- the protocol header


@pytest.mark.parametrize("header", [HEADER, b"AMQP\x01\x01\x00\x09"], ids=["0-9-1", "0-9"])
def test_accepted_headers_are_answered_with_start(header: bytes) -> None:
    (start,) = Client(make_broker(CONFIG)).feed(header)
    assert (start.channel, start.name) == (0, "Connection.Start")
    assert (start.method.version_major, start.method.version_minor) == (0, 9)
    assert start.method.mechanisms == "PLAIN AMQPLAIN RABBIT-CR-DEMO"
    assert start.method.locales == "en_US"


def test_start_tells_what_clients_look_for() -> None:
    (start,) = Client(make_broker(replace(CONFIG, product="Rabbit", version="4.0.1"))).feed(HEADER)
    properties = start.method.server_properties
    assert properties["capabilities"] == dict.fromkeys(CAPABILITIES, True)
    assert (properties["product"], properties["version"]) == ("Rabbit", "4.0.1")
    assert properties["cluster_name"] == "rabbit@test"
    assert {"copyright", "information", "platform"} <= properties.keys()


@pytest.mark.parametrize(
    "header",
    [
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x00\x00\x09\x02",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        bytes(8),
    ],
    ids=["1-0", "1-0 sasl", "0-9-2", "http", "tls", "zeros"],
)
def test_other_headers_are_answered_with_ours_and_the_end(header: bytes) -> None:
    client = Client()
    client.session.receive(header, 0)
    assert client.take_output() == HEADER
    assert client.session.is_closed
    assert client.feed(HEADER) == []


def test_a_header_may_come_in_pieces_with_what_follows() -> None:
    client = Client(make_broker(CONFIG))
    pieces = [HEADER[:1], HEADER[1:7], HEADER[7:] + method_frame(start_ok(), 0)]
    assert [names(client.feed(piece)) for piece in pieces] == [[], [], ["Connection.Start", "Connection.Tune"]]


# --- mechanisms


@pytest.mark.parametrize(
    ("mechanism", "response"), [("PLAIN", PLAIN_GUEST), ("AMQPLAIN", amqplain())], ids=["PLAIN", "AMQPLAIN"]
)
def test_a_good_login_is_answered_with_tune(mechanism: str, response: str) -> None:
    (tune,) = started().send(start_ok(response, mechanism), channel=0)
    assert tune.name == "Connection.Tune"
    assert dict(tune.method) == {"channel_max": 2047, "frame_max": 131_072, "heartbeat": 60}


def test_the_proposal_is_the_configured_one() -> None:
    config = replace(CONFIG, channel_max=7, frame_max=8192, heartbeat=3)
    (tune,) = started(config).send(start_ok(), channel=0)
    assert dict(tune.method) == {"channel_max": 7, "frame_max": 8192, "heartbeat": 3}


def test_a_challenge_is_sent_with_secure() -> None:
    client = started()
    (secure,) = client.send(start_ok("guest", "RABBIT-CR-DEMO"), channel=0)
    assert (secure.name, secure.method.challenge) == ("Connection.Secure", "Please tell me your password")
    assert names(client.send(Connection.SecureOk("My password is guest"), channel=0)) == ["Connection.Tune"]
    assert client.session.user_name == "guest"


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", "\0guest\0wrong"),
        ("PLAIN", "\0nobody\0guest"),
        ("PLAIN", "\0guest\0"),
        ("AMQPLAIN", amqplain(password=b"wrong")),
    ],
    ids=["password", "user", "blank", "amqplain"],
)
def test_a_refused_login_is_told_only_to_clients_that_expect_it(mechanism: str, response: str) -> None:
    client = started()
    (close,) = client.send(start_ok(response, mechanism, authentication_failure_close=True), channel=0)
    assert dict(close.method) == {
        "reply_code": 403,
        "reply_text": f"ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. "
        "For details see the broker logfile.",
        "class_id": 0,
        "method_id": 0,
    }
    assert client.session.state is State.CLOSING

    for capabilities in {}, {"authentication_failure_close": False}:
        client = started()
        assert client.send(start_ok(response, mechanism, **capabilities), channel=0) == []
        assert client.session.is_closed


def test_a_refused_answer_to_a_challenge_is_told_as_well() -> None:
    client = started()
    client.send(start_ok("guest", "RABBIT-CR-DEMO", authentication_failure_close=True), channel=0)
    (close,) = client.send(Connection.SecureOk("My password is wrong"), channel=0)
    assert close.method.reply_code == 403
    assert client.session.state is State.CLOSING


def test_who_is_told_of_a_refused_login_may_hang_up_first() -> None:
    """Else some clients see the end of the stream before its reason."""
    client = started()
    client.send(start_ok("\0guest\0wrong", authentication_failure_close=True), channel=0)
    assert client.send(*OPENING, channel=0) == []
    client.wait(2_999)
    assert client.session.state is State.CLOSING
    client.wait(1)
    assert client.session.is_closed

    client = started()
    client.send(start_ok("\0guest\0wrong", authentication_failure_close=True), channel=0)
    assert client.send(Connection.CloseOk(), channel=0) == []
    assert client.session.is_closed


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("PLAIN", ""),
        ("PLAIN", "guest"),
        ("PLAIN", "admin\0guest\0guest"),
        ("PLAIN", "\0guest\0guest\0"),
        ("AMQPLAIN", ""),
        ("AMQPLAIN", amqplain()[:-1]),
        ("AMQPLAIN", "\x05LOGINt\x01\x08PASSWORDt\x01"),
        ("RABBIT-CR-DEMO-2", "guest"),
        ("EXTERNAL", ""),
    ],
)
def test_what_is_no_login_ends_without_a_word(mechanism: str, response: str) -> None:
    client = started()
    assert client.send(start_ok(response, mechanism, authentication_failure_close=True), channel=0) == []
    assert client.session.is_closed


def test_a_mechanism_that_is_not_configured_is_unknown() -> None:
    client = started(replace(CONFIG, auth_mechanisms=("AMQPLAIN",)))
    assert client.send(start_ok(), channel=0) == []
    assert client.session.is_closed


def test_guest_may_not_come_from_elsewhere() -> None:
    client = started(from_loopback=False)
    (close,) = client.send(start_ok(authentication_failure_close=True), channel=0)
    assert close.method.reply_code == 403

    client = started(replace(CONFIG, loopback_users=()), from_loopback=False)
    assert names(client.send(start_ok(), channel=0)) == ["Connection.Tune"]
    client = started(from_loopback=False)
    assert names(client.send(start_ok("\0reader\0hunter2"), channel=0)) == ["Connection.Tune"]


@pytest.mark.parametrize("response", [b"\0\xff\0\xfe", b"\0" + b"a" * 3_000 + b"\0a"], ids=["bytes", "long"])
def test_names_and_passwords_may_be_any_bytes(response: bytes) -> None:
    client = started()
    capabilities = encode_table({"authentication_failure_close": Field("bool", True)})
    client_properties = b"\x0ccapabilitiesF" + struct.pack(">I", len(capabilities)) + capabilities
    (close,) = client.feed(raw_start_ok(client_properties, b"PLAIN", response))
    assert close.method.reply_code == 403


@pytest.mark.parametrize(("profile", "frame_max"), [("rabbitmq-3.13", 4096), ("rabbitmq-4", 8192)])
def test_before_tune_ok_the_smallest_frame_max_holds(profile: str, frame_max: int) -> None:
    for size, state in ((frame_max, State.STARTING), (frame_max + 1, State.CLOSED)):
        client = started(replace(CONFIG, profile=profile))
        assert client.feed(struct.pack(">BHI", 1, 0, size)) == []
        assert client.session.state is state


def test_capabilities_that_are_no_table_are_none() -> None:
    client = started()
    properties = encode_table({"capabilities": Field("longstr", "authentication_failure_close")})
    assert client.feed(raw_start_ok(properties, b"PLAIN", b"\0guest\0wrong")) == []
    assert client.session.is_closed


# --- tune and open


def tuned(config: Config = CONFIG) -> Client:
    client = started(config)
    client.send(start_ok(), channel=0)
    return client


@pytest.mark.parametrize(
    ("channel_max", "frame_max"), [(2047, 131_072), (1, 4096), (100, 4097)], ids=["all", "floor", "between"]
)
def test_tune_ok_within_the_proposal(channel_max: int, frame_max: int) -> None:
    client = tuned()
    assert client.send(Connection.TuneOk(channel_max, frame_max, 0), channel=0) == []
    assert names(client.send(Connection.Open("/"), channel=0)) == ["Connection.OpenOk"]
    assert client.session.terms.frame_max == frame_max


@pytest.mark.parametrize(
    ("channel_max", "frame_max", "text"),
    [
        (2048, 131_072, "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)"),
        (0, 131_072, "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"),
        (2047, 131_073, "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)"),
        (2047, 0, "negotiated frame_max = 0 is higher than the maximum allowed value (131072)"),
        (2047, 4095, "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)"),
        (2047, 1, "negotiated frame_max = 1 is lower than the minimum allowed value (4096)"),
    ],
)
def test_tune_ok_outside_the_proposal(channel_max: int, frame_max: int, text: str) -> None:
    client = tuned()
    (close,) = client.send(Connection.TuneOk(channel_max, frame_max, 0), channel=0)
    assert (close.method.reply_code, close.method.reply_text) == (530, f"NOT_ALLOWED - {text}")
    assert (close.method.class_id, close.method.method_id) == (10, 30)
    assert client.session.state is State.CLOSING


def test_without_a_limit_of_ours_any_is_good() -> None:
    client = tuned(replace(CONFIG, channel_max=0))
    assert client.send(Connection.TuneOk(0, 4096, 0), Connection.Open("/"), channel=0)
    assert client.session.state is State.RUNNING


@pytest.mark.parametrize(
    ("vhost", "user", "text"),
    [
        ("nowhere", "guest\0guest", "vhost nowhere not found"),
        ("/", "outsider\0hunter2", "access to vhost '/' refused for user 'outsider'"),
    ],
)
def test_a_vhost_that_cannot_be_opened(vhost: str, user: str, text: str) -> None:
    client = started()
    client.send(start_ok(f"\0{user}"), OPENING[1], channel=0)
    (close,) = client.send(Connection.Open(vhost), channel=0)
    assert dict(close.method) == {
        "reply_code": 530,
        "reply_text": f"NOT_ALLOWED - {text}",
        "class_id": 10,
        "method_id": 40,
    }
    assert client.session.state is State.CLOSING


# --- time


@pytest.mark.parametrize("state", [state for state in State if state.value < State.RUNNING.value])
def test_a_handshake_has_its_time_from_the_start(state: State) -> None:
    config = replace(CONFIG, handshake_timeout_ms=10_000)
    client = at(state, config)
    client.wait(9_999)
    assert client.session.state is state
    assert client.wait(1) == []
    assert client.session.is_closed
    assert client.session.next_at_ms is None


def test_progress_does_not_prolong_the_handshake() -> None:
    client = started()
    client.wait(6_000)
    client.send(start_ok(), channel=0)
    client.wait(3_999)
    assert client.session.state is State.TUNING
    client.wait(1)
    assert client.session.is_closed


def test_an_open_connection_has_no_handshake_timeout() -> None:
    client = at(State.RUNNING)
    client.wait(100_000)
    assert names(client.send(commands.Channel.Open())) == ["Channel.OpenOk"]
