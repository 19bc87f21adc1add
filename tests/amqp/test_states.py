"""Every state and every input: a reply, a close with the right code, or silence; and the right state after it.

What is expected is written down once more here, as tables from input to outcome, with a default for all else.
"""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel, Connection, Queue

from amqpy.amqp.connection_methods import AUTHENTICATED, TRANSITIONS
from amqpy.amqp.state import InputState, State
from amqpy.config import Config
from amqpy.core.users import LoginFailed
from amqpy.errors import ChannelFault
from amqpy.wire.methods import AMQP_0_9_1, Method, method_name

from .client import HEADER, OPENING, Client, content_frames, make_broker, method_frame, names, raw_frame, start_ok
from .test_handshake import at, never

METHODS = {method_name(method): method for method in AMQP_0_9_1}
ZEROS: dict[str, Any] = {"bit": False, "shortstr": "", "longstr": b"", "table": {}}

CHANNEL_CODES = {fault.code for fault in ChannelFault.__subclasses__()}
HEADER_PAYLOAD = struct.pack(">HHQH", 60, 0, 5, 0)
FRAMES = {
    "header": (2, HEADER_PAYLOAD),
    "body": (3, b"hello"),
    "heartbeat": (8, b""),
    **{f"type {kind}": (kind, b"hello") for kind in (0, 4, 5, 6, 7, 9, 255)},
    "type 1 without ids": (1, b""),
    "type 1 with half of the ids": (1, b"\x00\x32"),
    "type 2 too short": (2, HEADER_PAYLOAD[:11]),
    "type 8 with a payload": (8, b"beat"),
}
"""Everything that is no method; what begins with "type" is no frame at all."""

UNKNOWN_METHODS = {
    "no such method": struct.pack(">HH", 50, 99),
    "no such class": struct.pack(">HH", 99, 10),
}

Outcome = str | int
"""The name of the one reply, the code of the close, "silence", or "the end" for a close without a word."""


def zero_frame(method: type[Method], channel: int) -> bytes:
    """The method with every field empty, zero or false."""
    return AMQP_0_9_1.encode(channel, method, *(ZEROS.get(kind, 0) for _, kind in AMQP_0_9_1.fields_of(method)))


def inputs(channel: int) -> dict[str, bytes]:
    return (
        {name: zero_frame(method, channel) for name, method in METHODS.items()}
        | {name: raw_frame(1, channel, payload) for name, payload in UNKNOWN_METHODS.items()}
        | {name: raw_frame(kind, channel, payload) for name, (kind, payload) in FRAMES.items()}
    )


def outcome(client: Client, data: bytes) -> Outcome:
    received = client.feed(data)
    assert len(received) <= 1, received
    if received and received[0].name in {"Connection.Close", "Channel.Close"}:
        code: int = received[0].method.reply_code
        assert (received[0].name == "Channel.Close") == (code in CHANNEL_CODES)
        return code
    if received:
        return received[0].name
    return "the end" if client.session.is_closed else "silence"


def cases(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", names or inputs(0))


# --- before the connection is open

NEXT_STEP: dict[State, dict[str, Outcome]] = {
    State.STARTING: {"connection.start-ok": "the end"},
    State.SECURING: {"connection.secure-ok": "the end"},
    # Zeros are no limit, which is more than we propose.
    State.TUNING: {"connection.tune-ok": 530},
    State.OPENING: {"connection.open": 530},
}
AFTER_HANDSHAKE_FAULT = {State.STARTING: "the end", State.SECURING: "the end", State.TUNING: "the end"}


def fault_code(name: str, *, on_channel_0: bool) -> int:
    """What is wrong with an input that no state of the handshake expects."""
    if not on_channel_0:
        return 505
    if name in METHODS:
        return 504
    if name in UNKNOWN_METHODS:
        return 503
    return 501 if name.startswith("type") else 505


@cases()
@pytest.mark.parametrize("state", list(NEXT_STEP), ids=lambda state: state.name)
def test_handshake_states_take_their_method_and_no_other(state: State, name: str) -> None:
    expected: Outcome
    if name == "heartbeat":
        expected = "silence"
    elif name in NEXT_STEP[state]:
        expected = NEXT_STEP[state][name]
    else:
        expected = AFTER_HANDSHAKE_FAULT.get(state, fault_code(name, on_channel_0=True))
    client = at(state)
    assert outcome(client, inputs(0)[name]) == expected
    after = {"silence": state, "the end": State.CLOSED}.get(str(expected), State.CLOSING)
    assert client.session.state is after


@cases()
@pytest.mark.parametrize("state", list(NEXT_STEP), ids=lambda state: state.name)
def test_no_channel_before_the_connection_is_open(state: State, name: str) -> None:
    expected = AFTER_HANDSHAKE_FAULT.get(state, 505)
    assert outcome(at(state), inputs(1)[name]) == expected


@cases()
@pytest.mark.parametrize("channel", [0, 1])
def test_while_an_authenticator_is_asked_everything_waits(channel: int, name: str) -> None:
    client = at(State.AUTHENTICATING)
    assert outcome(client, inputs(channel)[name]) == "silence"
    assert client.session.state is State.AUTHENTICATING
    # Then it is heard as if it came only now.
    at_tuning = at(State.TUNING)
    expected = outcome(at_tuning, inputs(channel)[name])
    heard = client.answer("guest")
    assert [each.name for each in heard[:1]] == ["Connection.Tune"]
    assert client.session.state is at_tuning.session.state
    assert [each.method.reply_code for each in heard[1:]] == ([expected] if isinstance(expected, int) else [])


# --- channel 0 of an open connection

ON_CHANNEL_0: dict[str, Outcome] = {
    "connection.close": "Connection.CloseOk",
    "connection.update-secret": "Connection.UpdateSecretOk",
    "heartbeat": "silence",
}


@cases()
def test_channel_0_of_an_open_connection(name: str) -> None:
    client = Client.opened()
    expected = ON_CHANNEL_0.get(name, fault_code(name, on_channel_0=True))
    assert outcome(client, inputs(0)[name]) == expected
    if isinstance(expected, int):
        assert client.session.state is State.CLOSING
    else:
        assert client.session.state is (State.CLOSING if name == "connection.close" else State.RUNNING)


# --- channels

ON_ANY_CHANNEL: dict[str, Outcome] = {"heartbeat": 505, **{name: 501 for name in FRAMES if name.startswith("type")}}
ON_OPEN_CHANNEL: dict[str, Outcome] = {
    **ON_ANY_CHANNEL,
    "header": 505,
    "body": 505,
    "access.request": "Access.RequestOk",
    "channel.open": 504,
    "channel.close": "Channel.CloseOk",
    "channel.flow": 540,
    "exchange.declare": 406,
    "exchange.delete": 403,
    "exchange.bind": 403,
    "exchange.unbind": 403,
    "queue.declare": "Queue.DeclareOk",
    "queue.bind": 404,
    "queue.unbind": 404,
    "queue.purge": 404,
    "queue.delete": 404,
    "basic.qos": "Basic.QosOk",
    "basic.consume": 404,
    "basic.cancel": "Basic.CancelOk",
    "basic.publish": "silence",
    "basic.return": "silence",
    "basic.deliver": "silence",
    "basic.get-ok": "silence",
    "basic.get": 404,
    "basic.ack": 406,
    "basic.reject": 406,
    "basic.nack": 406,
    "basic.recover": 540,
    "basic.recover-async": 540,
    "tx.select": "Tx.SelectOk",
    "tx.commit": 406,
    "tx.rollback": 406,
    "confirm.select": "Confirm.SelectOk",
}
"""With nothing declared and every field empty. All else is not for a broker to receive: 503, which waits for the
content if there is to be some."""

ON_CLOSING_CHANNEL: dict[str, Outcome] = {
    **ON_ANY_CHANNEL,
    "header": 505,
    "body": 505,
    "channel.open": 504,
    "channel.close": "Channel.CloseOk",
}


@cases()
def test_an_open_channel(name: str) -> None:
    client = Client.opened(channels=(1, 2))
    expected = ON_OPEN_CHANNEL.get(name, 503)
    assert outcome(client, inputs(1)[name]) == expected
    closes_connection = isinstance(expected, int) and expected not in CHANNEL_CODES
    assert client.session.state is (State.CLOSING if closes_connection else State.RUNNING)
    if not closes_connection:
        # Whatever became of channel 1, its neighbour does not care.
        assert names(client.send(Queue.Declare(queue="neighbour"), channel=2)) == ["Queue.DeclareOk"]


@cases(*METHODS)
def test_a_close_names_the_method_that_failed(name: str) -> None:
    client = Client.opened()
    for received in client.feed(inputs(1)[name]):
        if received.name.endswith(".Close"):
            assert (received.method.class_id, received.method.method_id) == AMQP_0_9_1.id_of(METHODS[name])


@cases()
def test_an_unopened_channel(name: str) -> None:
    client = Client.opened(channels=())
    expected = {**ON_ANY_CHANNEL, "channel.open": "Channel.OpenOk", "header": 505, "body": 505}.get(name, 504)
    assert outcome(client, inputs(1)[name]) == expected
    assert list(client.session.channels) == ([1] if name == "channel.open" else [])


@cases()
def test_a_channel_that_we_closed_waits_for_close_ok(name: str) -> None:
    client = Client.opened()
    assert names(client.send(Queue.Declare(queue="missing", passive=True))) == ["Channel.Close"]
    # Frames are still put together there; only what whole methods and messages ask for is ignored.
    expected = ON_CLOSING_CHANNEL.get(name, 503 if name in UNKNOWN_METHODS else "silence")
    assert outcome(client, inputs(1)[name]) == expected
    if not isinstance(expected, int):
        assert list(client.session.channels) == ([] if name == "channel.close-ok" else [1])


@cases()
@pytest.mark.parametrize("announced", ["publish", "header"])
def test_in_the_middle_of_a_message_only_the_message_goes_on(announced: str, name: str) -> None:
    client = Client.opened()
    client.send(Basic.Publish(routing_key="q"))
    if announced == "header":
        client.feed(raw_frame(2, 1, HEADER_PAYLOAD))
    expected = ON_ANY_CHANNEL.get(name, 505)
    if (announced, name) in {("publish", "header"), ("header", "body")}:
        expected = "silence"
    assert outcome(client, inputs(1)[name]) == expected


# --- the end

ANY_CHANNEL = (0, 1, 2)


@cases()
@pytest.mark.parametrize("channel", ANY_CHANNEL)
@pytest.mark.parametrize("who", ["broker", "client"])
def test_a_closed_connection_waits_for_close_ok_or_its_end(who: str, channel: int, name: str) -> None:
    client = Client.opened()
    if who == "broker":
        assert outcome(client, raw_frame(1, 1, b"\0\0\0\0")) == 503
    else:
        assert outcome(client, inputs(0)["connection.close"]) == "Connection.CloseOk"
    answers = {"connection.close": "Connection.CloseOk", "connection.close-ok": "the end"} if channel == 0 else {}
    expected = answers.get(name, "silence")
    assert outcome(client, inputs(channel)[name]) == expected
    assert client.session.state is (State.CLOSED if expected == "the end" else State.CLOSING)


@cases()
@pytest.mark.parametrize("channel", ANY_CHANNEL)
def test_after_the_end_there_is_silence(channel: int, name: str) -> None:
    client = Client.opened()
    client.send(Connection.Close(200, "bye", 0, 0), Connection.CloseOk(), channel=0)
    assert client.feed(inputs(channel)[name]) == []
    assert client.session.is_closed
    assert client.session.next_at_ms is None


# --- methods cut short


HANDLED = sorted(name for name, expected in ON_OPEN_CHANNEL.items() if name in METHODS and name != "basic.publish")


@pytest.mark.parametrize("name", HANDLED)
def test_a_method_that_ends_too_early_cannot_be_decoded(name: str) -> None:
    whole = zero_frame(METHODS[name], 1)[7:-1]
    for size in range(4, len(whole)):
        # What channel.open and channel.close say is of no interest to anybody.
        if name not in {"channel.open", "channel.close"}:
            assert outcome(Client.opened(), raw_frame(1, 1, whole[:size])) == 501


@pytest.mark.parametrize("size", range(4, 9))
def test_a_publish_that_ends_too_early_is_refused_when_its_content_is_there(size: int) -> None:
    whole = zero_frame(METHODS["basic.publish"], 1)[7:-1]
    assert outcome(Client.opened(), raw_frame(1, 1, whole[:size]) + content_frames(b"hello")) == 501


@pytest.mark.parametrize("name", sorted({"connection.close", "connection.update-secret"}))
def test_the_same_on_channel_0(name: str) -> None:
    whole = zero_frame(METHODS[name], 0)[7:-1]
    for size in range(4, len(whole)):
        assert outcome(Client.opened(), raw_frame(1, 0, whole[:size])) == 501


@pytest.mark.parametrize("state", list(NEXT_STEP), ids=lambda state: state.name)
def test_the_same_during_the_handshake(state: State) -> None:
    (name,) = NEXT_STEP[state]
    whole = zero_frame(METHODS[name], 0)[7:-1]
    for size in range(4, len(whole)):
        assert outcome(at(state), raw_frame(1, 0, whole[:size])) == (501 if state is State.OPENING else "the end")


def test_the_states_are_reached_as_a_client_reaches_them() -> None:
    client = Client()
    seen = [client.session.state]
    for step in HEADER, *(method_frame(method, 0) for method in OPENING):
        client.feed(step)
        seen.append(client.session.state)
    assert seen == [State.HEADER, State.STARTING, State.TUNING, State.OPENING, State.RUNNING]
    client = at(State.STARTING)
    client.send(start_ok("guest", "RABBIT-CR-DEMO"), channel=0)
    assert client.session.state is State.SECURING
    assert names(client.send(Channel.Open())) == []
    assert client.session.is_closed


# --- all states, one after the other

WORDS = {
    "start-ok": start_ok(),
    "start-ok, with a challenge": start_ok("guest", "RABBIT-CR-DEMO"),
    "secure-ok": Connection.SecureOk("My password is guest"),
    "tune-ok": Connection.TuneOk(2047, 131072, 0),
    "open": Connection.Open("/"),
    "update-secret": Connection.UpdateSecret("new", "why"),
    "close": Connection.Close(200, "", 0, 0),
    "close-ok": Connection.CloseOk(),
    "start": Connection.Start(),
    "blocked": Connection.Blocked("why"),
}


ANSWERS: dict[str, str | LoginFailed] = {"guest": "guest", "refused": LoginFailed("guest", "why")}
"""What an authenticator says."""


def after(states: set[State], word: str) -> set[State]:
    """The states that the table allows after this, from any of these."""
    found = {State.CLOSED} if states == {State.CLOSED} else {State.CLOSING, State.CLOSED}
    for state in states:
        transitions = {each.__name__: transition for each, transition in TRANSITIONS[state].items()}
        transition = transitions.get(type(WORDS[word]).__name__)
        found |= set() if transition is None else {*transition.leads_to}
    return found


@given(
    words=st.lists(st.sampled_from(sorted({*WORDS, *ANSWERS})), max_size=8),
    goes_on=st.booleans(),
    asks=st.booleans(),
)
def test_a_connection_follows_its_table(words: list[str], goes_on: bool, asks: bool) -> None:
    """Whatever the client says, in whatever order: the state after it is one that the table gives, or an end. While an
    authenticator is asked it stays as it is; after the answer all that has waited is heard."""
    config = Config(auth_mechanisms=("PLAIN", "RABBIT-CR-DEMO"))
    session = Client(make_broker(config), authenticator=never if asks else None).session
    session.receive(HEADER, 0)
    way = ["start-ok", *(["guest"] if asks else []), "tune-ok", "open"] if goes_on else []
    waiting: list[str] = []
    for word in [*way, *words]:
        before = session.state
        if word in ANSWERS:
            expected = {before}
            if before is State.AUTHENTICATING:
                expected = {*AUTHENTICATED.leads_to, State.CLOSING, State.CLOSED}
                while waiting:
                    expected = after(expected, waiting.pop(0))
            session.on_answer(ANSWERS[word], 0)
            session.receive(b"", 0)
        else:
            session.receive(method_frame(WORDS[word], 0), 0)
            expected = after({before}, word)
            if before is State.AUTHENTICATING:
                expected = {before}
                waiting.append(word)
        assert session.state in expected
        assert (session.input_state is InputState.AWAITING_ANSWER) == (session.state is State.AUTHENTICATING)


def test_the_table_leads_everywhere() -> None:
    reached = {to for transitions in TRANSITIONS.values() for each in transitions.values() for to in each.leads_to}
    assert reached | {*AUTHENTICATED.leads_to} == set(State) - {State.HEADER, State.STARTING}
