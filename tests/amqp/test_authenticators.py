"""A login that an authenticator decides: the session has a question, its input waits, the answer goes on from there.

Nobody asks the question here. The answer is what the server says it is.
"""

from dataclasses import replace

import pytest
from pamqp.commands import Channel, Connection, Queue

from amqpy.amqp.state import InputState, State
from amqpy.core.users import Credentials, LoginFailed
from amqpy.errors import ConnectionForced

from .client import HEADER, OPENING, Client, make_broker, make_users, method_frame, names, start_ok
from .test_events import Watcher
from .test_handshake import CONFIG, never

REFUSED = LoginFailed("guest", "the directory does not like it")
ALL = HEADER + b"".join(
    [
        *(method_frame(method, 0) for method in OPENING),
        *(method_frame(method, 1) for method in (Channel.Open(), Queue.Declare(queue="q"))),
    ]
)
TOLD = {"authentication_failure_close": True}


def asking(
    response: str = "\0guest\0guest", mechanism: str = "PLAIN", *, from_loopback: bool = True, told: bool = True
) -> Client:
    """A client whose login is a question."""
    client = Client(make_broker(CONFIG), authenticator=never, from_loopback=from_loopback)
    client.feed(HEADER)
    assert client.send(start_ok(response, mechanism, **(TOLD if told else {})), channel=0) == []
    assert client.session.state is State.AUTHENTICATING
    return client


def test_a_login_waits_for_its_answer_and_goes_on() -> None:
    client = asking("\0somebody\0hunter2")
    assert client.session.question == (never, Credentials("somebody", b"hunter2"))
    assert "hunter2" not in repr(client.session.question)
    assert client.input_state() is InputState.AWAITING_ANSWER
    assert names(client.answer("reader")) == ["Connection.Tune"]
    assert client.session.question is None
    assert client.input_state() is InputState.READ
    assert names(client.send(*OPENING[1:], channel=0)) == ["Connection.OpenOk"]
    assert client.session.user_name == "reader"


@pytest.mark.parametrize("size", [1, 7, 100, len(ALL)])
def test_what_comes_behind_a_login_waits_for_it(size: int) -> None:
    client = Client(make_broker(CONFIG), authenticator=never)
    heard = [each for at in range(0, len(ALL), size) for each in client.feed(ALL[at : at + size])]
    assert names(heard) == ["Connection.Start"]
    assert client.broker.vhosts["/"].queues == {}
    expected = ["Connection.Tune", "Connection.OpenOk", "Channel.OpenOk", "Queue.DeclareOk"]
    assert names(client.answer("guest")) == expected
    assert client.session.held_size == 0


def test_after_a_challenge() -> None:
    client = Client(make_broker(CONFIG), authenticator=never)
    client.feed(HEADER)
    assert names(client.send(start_ok("guest", "RABBIT-CR-DEMO"), channel=0)) == ["Connection.Secure"]
    assert client.session.state is State.SECURING
    assert client.send(Connection.SecureOk("My password is hunter2"), channel=0) == []
    assert client.session.question == (never, Credentials("guest", b"hunter2"))
    assert names(client.answer("guest")) == ["Connection.Tune"]


def test_of_an_anonymous_client_the_default_user_is_asked() -> None:
    client = Client(
        make_broker(replace(CONFIG, auth_mechanisms=("ANONYMOUS",), default_user="d", default_pass="p")),
        authenticator=never,
    )
    client.feed(HEADER)
    client.send(start_ok("", "ANONYMOUS"), channel=0)
    assert client.session.question == (never, Credentials("d", b"p"))


@pytest.mark.parametrize(
    ("answer", "from_loopback"),
    [(REFUSED, True), ("stranger", True), ("guest", False)],
    ids=["refused", "of no user here", "from elsewhere"],
)
def test_a_refused_login_is_told_as_any_other(answer: str | LoginFailed, from_loopback: bool) -> None:
    client = asking(from_loopback=from_loopback)
    client.send(*OPENING[1:], channel=0)
    (close,) = client.answer(answer)
    assert dict(close.method) == {
        "reply_code": 403,
        "reply_text": "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
        "For details see the broker logfile.",
        "class_id": 0,
        "method_id": 0,
    }
    client.wait(2_999)
    assert client.session.state is State.CLOSING
    client.wait(1)
    assert client.session.is_closed

    client = asking(from_loopback=from_loopback, told=False)
    assert client.answer(answer) == []
    assert client.session.is_closed


def test_a_close_ok_that_came_too_early_ends_a_refused_login() -> None:
    client = asking()
    client.send(Connection.CloseOk(), channel=0)
    assert names(client.answer(REFUSED)) == ["Connection.Close"]
    assert client.session.is_closed


def test_the_handshake_timeout_runs_on() -> None:
    client = asking()
    client.wait(9_999)
    assert client.session.state is State.AUTHENTICATING
    assert client.wait(1) == []
    assert client.session.is_closed
    assert client.answer("guest") == []
    assert client.session.is_closed


def test_a_late_answer_does_not_prolong_the_handshake() -> None:
    client = asking()
    client.wait(9_000)
    assert names(client.answer("guest")) == ["Connection.Tune"]
    client.wait(999)
    assert client.session.state is State.TUNING
    client.wait(1)
    assert client.session.is_closed


@pytest.mark.parametrize("end", ["lost", "forced"])
@pytest.mark.parametrize("answer", ["guest", REFUSED], ids=["admitted", "refused"])
def test_an_answer_to_nobody(end: str, answer: str | LoginFailed) -> None:
    client = asking()
    if end == "lost":
        client.session.lost()
    else:
        client.session.fail(ConnectionForced("shutdown"))
    assert client.session.is_closed
    assert client.answer(answer) == client.received() == []
    assert client.session.is_closed
    assert client.session.next_at_ms is None


def test_a_user_who_is_deleted_while_the_authenticator_is_asked() -> None:
    broker = make_broker(CONFIG)
    users = make_users(broker)
    client = Client(broker, users=users, authenticator=never)
    client.feed(HEADER)
    client.send(start_ok("\0reader\0hunter2", **TOLD), channel=0)
    users.delete_user("reader")
    (close,) = client.answer("reader")
    assert close.method.reply_code == 403


def test_events_say_what_came_of_it() -> None:
    watcher = Watcher("amq.rabbitmq.event", "user.authentication.*")
    for answer in "reader", REFUSED:
        client = Client(watcher.broker, users=make_users(make_broker(CONFIG)), authenticator=never)
        client.feed(HEADER)
        client.send(start_ok("\0somebody\0hunter2"), channel=0)
        assert watcher.told() == []
        client.answer(answer)
        ((event, properties),) = watcher.told()
        if answer == "reader":
            assert (event, properties["name"]) == ("user.authentication.success", "reader")
        else:
            assert (event, properties["name"]) == ("user.authentication.failure", "guest")
            assert properties["error"] == [ord(letter) for letter in str(REFUSED)]
        assert properties["auth_mechanism"] == "PLAIN"
