"""Credentials that expire and are renewed; and users of back ends beside the broker's own."""

import pytest
from pamqp.commands import Basic, Channel, Connection, Queue

from amqpy.amqp.state import State
from amqpy.core.principals import BackendUser, Question
from amqpy.core.users import Credentials, LoginFailed, Users
from tests.amqp.asking import ENTRY, WRITE, Asking, Oracle, permission, said
from tests.amqp.client import HEADER, make_broker, names, start_ok

# --- credentials that expire


def running(expires_at_s: float | None, *, unix_time_ms: int = 0) -> Asking:
    broker = make_broker()
    broker.unix_time_ms = lambda: unix_time_ms
    return Asking(broker, Oracle(expires_at_s)).work()


@pytest.mark.parametrize(
    ("expires_at_s", "unix_time_ms", "span_ms"), [(60.0, 0, 60_000), (60.0, 59_999, 1), (60.0, 61_000, 0)]
)
def test_expired_credentials_end_the_connection(expires_at_s: float, unix_time_ms: int, span_ms: int) -> None:
    client = running(expires_at_s, unix_time_ms=unix_time_ms)
    if span_ms:
        assert client.wait(span_ms - 1) == []
    assert said(client.wait(1 if span_ms else 0)) == (320, "CONNECTION_FORCED - credential expired")
    client.send(Connection.CloseOk(), channel=0)
    assert client.session.is_closed


def test_expired_while_a_question_is_asked() -> None:
    client = running(60.0)
    client.send(Queue.Declare(queue="q"))
    assert said(client.wait(60_000)) == (320, "CONNECTION_FORCED - credential expired")
    assert client.answer(None) == []


def test_credentials_that_do_not_expire() -> None:
    client = running(None)
    assert client.wait(1_000_000_000) == []
    assert names(client.send(Connection.UpdateSecret("whatever", "why"), channel=0)) == ["Connection.UpdateSecretOk"]


def test_a_renewal_sets_the_timer_anew() -> None:
    client = running(60.0)
    client.wait(30_000)
    assert client.send(Connection.UpdateSecret("n-e-w", "old one expires"), channel=0) == []
    assert client.matter == [Question(client.oracle.ask, Credentials("bob", b"n-e-w"))]
    assert "n-e-w" not in repr(client.session.question)
    client.oracle.expires_at_s = 130.0
    client.answer(None)
    assert names(client.decide(ENTRY)) == ["Connection.UpdateSecretOk"]
    client.wait(129_999)
    assert client.session.state is State.RUNNING
    assert said(client.wait(1)) == (320, "CONNECTION_FORCED - credential expired")


def test_a_secret_that_is_refused() -> None:
    client = running(60.0)
    client.send(Connection.UpdateSecret("garbage", "why"), channel=0)
    (close,) = client.answer(LoginFailed("bob", "it is no token"))
    assert (close.method.reply_code, close.method.reply_text) == (
        530,
        "NOT_ALLOWED - New secret was refused by one of the backends",
    )
    assert (close.method.class_id, close.method.method_id) == (10, 70)


def test_new_rights_count_at_once() -> None:
    client = running(60.0)
    for name in "q", "p":
        client.send(Queue.Declare(queue=name))
        client.decide_all()
        client.send(Channel.Open(), channel=2 if name == "q" else 3)
        client.send(Basic.Consume(queue=name), channel=2 if name == "q" else 3)
        client.decide_all()
    client.publish("q", b"0")
    client.decide(WRITE)
    client.received()
    client.send(Connection.UpdateSecret("new", "why"), channel=0)
    client.answer(None)
    assert client.oracle.decisions == {}
    client.oracle.decisions[permission("read", "q")] = True
    client.oracle.decisions[permission("read", "p")] = False
    client.oracle.denied[WRITE] = False
    received = client.decide(ENTRY)
    assert [(each.channel, each.name) for each in received] == [(3, "Channel.Close"), (0, "Connection.UpdateSecretOk")]
    assert received[0].method.reply_text == (
        "ACCESS_REFUSED - read access to queue 'p' in vhost '/' refused for user 'bob'"
    )
    client.publish("q", b"1")
    assert said(client.decide(WRITE))[0] == 403


def test_a_new_secret_without_access_to_the_virtual_host() -> None:
    client = running(60.0)
    client.send(Connection.UpdateSecret("new", "why"), channel=0)
    client.answer(None)
    client.oracle.denied[ENTRY] = False
    assert said(client.decide(ENTRY)) == (530, "NOT_ALLOWED - access to vhost '/' refused for user 'bob'")


def test_tags_of_a_new_secret() -> None:
    client = running(60.0)
    client.send(Queue.Declare(queue="q"))
    client.decide_all()
    client.user.tags = ("impersonator",)
    client.send(Connection.UpdateSecret("new", "why"), channel=0)
    client.answer(None)
    client.decide(ENTRY)
    client.publish("q", user_id="anybody")
    assert client.decide(WRITE) == []
    client.user.tags = ()
    client.send(Connection.UpdateSecret("new", "why"), channel=0)
    client.answer(None)
    client.decide(ENTRY)
    client.publish("q", user_id="anybody")
    assert said(client.decide(WRITE))[0] == 406


# --- who they are beside the broker's own users


def test_loopback_users_are_meant_by_name() -> None:
    client = Asking(name="guest", from_loopback=False)
    client.feed(HEADER)
    client.send(start_ok(authentication_failure_close=True), channel=0)
    assert said(client.answer(client.user))[0] == 403


def test_limits_and_deletion_are_those_of_the_users_name() -> None:
    broker = make_broker()
    users = Users(broker, lambda: b"salt")
    users.add_user("bob")
    users.set_limits("bob", {"max-connections": 1, "max-channels": 1})
    clients = [Asking(broker, users=users) for _ in range(2)]
    for client in clients:
        client.user = BackendUser("bob", (), [client.oracle], users.find("bob"))
    first, second = clients
    first.work()
    assert said(first.send(Channel.Open(), channel=2))[0] == 530
    first.send(Connection.CloseOk(), channel=0)
    first.session.lost()
    second.work()
    users.delete_user("bob")
    assert said(second.received()) == (320, "CONNECTION_FORCED - user 'bob' is deleted")
