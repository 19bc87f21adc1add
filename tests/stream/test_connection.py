"""A connection beside its commands: logins and rights that are asked for, time, and what its transport is told."""

from typing import Any

from amqpy.amqp.state import InputState, State
from amqpy.amqp.timers import RECHECK_MS
from amqpy.config import Config
from amqpy.core.principals import BackendUser
from amqpy.core.users import LoginFailed
from amqpy.wire.outbox import HIGH
from amqpy.wire.stream_frames import Code, Key, long, octet, octets, properties, short, string
from tests.amqp.asking import ENTRY, Oracle, permission
from tests.amqp.client import make_broker
from tests.amqp.test_handshake import never
from tests.stream.client import Client, Told, confirmed, deliveries, with_stream


class Asking(Client):
    """A client whose user has rights that are asked for; the answers are what a test says."""

    def __init__(self, expires_at_s: float | None = None, profile: str = "rabbitmq-3.13") -> None:
        super().__init__(make_broker(Config(profile=profile)), authenticator=never)
        self.oracle = Oracle(expires_at_s)
        self.user = BackendUser("bob", (), [self.oracle])

    def answer(self, answer: object) -> list[Told]:
        assert self.session.input_state is InputState.AWAITING_ANSWER
        self.session.on_answer(answer, self.now_ms)
        return self.feed(b"")

    def decide(self, *matters: Any, verdict: bool = True) -> list[Told]:  # noqa: ANN401
        told = []
        for matter in matters:
            assert self.session.question is not None
            assert self.session.question.about == matter
            self.oracle.decisions[matter] = verdict
            told += self.answer(None)
        return told

    def work(self) -> "Asking":
        assert self.log_in("bob", "secret") == []
        login, tune = self.answer(self.user)
        assert (login.code, tune.key) == (Code.OK, Key.TUNE)
        self.notify(Key.TUNE, long(1 << 20) + long(0))
        assert self.call(Key.OPEN, string("/")) == []
        (opened,) = self.decide(ENTRY)
        assert opened.code is Code.OK
        return self


# --- questions


def test_a_login_that_takes_its_time() -> None:
    client = Asking()
    client.log_in("bob", "secret")
    assert client.session.state is State.AUTHENTICATING
    (refused,) = client.answer(LoginFailed("bob", "no such user"))
    assert refused.code is Code.AUTHENTICATION_FAILURE
    assert client.session.is_closed
    assert client.entries == [False]


def test_permissions_that_are_asked_for() -> None:
    client = Asking().work()
    assert client.entries == [True]
    assert client.call(Key.CREATE, string("s") + properties({})) == []
    (created,) = client.decide(permission("configure", "s"))
    assert created.code is Code.OK
    assert client.call(Key.DECLARE_PUBLISHER, octet(0) + string("") + string("s")) == []
    (refused,) = client.decide(permission("write", "s"), verdict=False)
    assert refused.code is Code.ACCESS_REFUSED


def test_what_comes_meanwhile_waits() -> None:
    client = Asking().work()
    client.call(Key.CREATE, string("s") + properties({}))
    assert client.call(Key.METADATA, long(1) + string("s")) == []
    assert client.session.held_size > 0
    created, metadata = client.decide(permission("configure", "s"))
    assert (created.key, metadata.key) == (Key.CREATE, Key.METADATA)
    assert client.session.held_size == 0


def test_a_question_that_nobody_can_answer_closes_the_connection() -> None:
    client = Asking().work()
    client.call(Key.CREATE, string("s") + properties({}))
    (close,) = client.answer(OSError("the service is down"))
    assert (close.key, close.is_response) == (Key.CLOSE, False)


def test_an_answer_after_the_end_is_nothing() -> None:
    client = Asking().work()
    client.call(Key.CREATE, string("s") + properties({}))
    client.session.lost()
    client.session.on_answer(None, client.now_ms)
    assert client.session.is_closed


def test_credentials_that_expire_end_the_connection() -> None:
    client = Asking(60.0)
    client.broker.unix_time_ms = lambda: 0
    client.work()
    assert client.wait(59_999) == []
    (close,) = client.wait(1)
    assert close.key == Key.CLOSE
    assert b"credential expired" in close.body


def test_a_secret_is_renewed_by_whoever_knows_the_user() -> None:
    client = Asking(60.0, "rabbitmq-4.0")
    client.broker.unix_time_ms = lambda: 0
    client.work()
    renewal = string("PLAIN") + octets(b"\0bob\0new")
    assert client.call(Key.SASL_AUTHENTICATE, renewal) == []
    (refused,) = client.answer(LoginFailed("bob", "too late"))
    assert refused.code is Code.AUTHENTICATION_FAILURE
    client.oracle.expires_at_s = 130.0
    assert client.call(Key.SASL_AUTHENTICATE, renewal) == []
    (renewed,) = client.answer(BackendUser("bob", (), [client.oracle]))
    assert renewed.code is Code.OK
    assert client.wait(129_999) == []
    assert client.wait(1)[0].key == Key.CLOSE


def test_what_a_renewed_secret_does_not_permit_any_more_ends() -> None:
    client = Asking(60.0, "rabbitmq-4.0").work()
    for number, name in enumerate(("kept", "lost", "unread")):
        client.call(Key.CREATE, string(name) + properties({}))
        client.decide(permission("configure", name))
        client.call(Key.DECLARE_PUBLISHER, octet(number) + string("") + string(name))
        client.decide(permission("write", name))
        client.subscribe(name, number)
        client.decide(permission("read", name))
    client.call(Key.SASL_AUTHENTICATE, string("PLAIN") + octets(b"\0bob\0new"))
    rights = Oracle(130.0)
    rights.decisions = {
        permission(verb, name): (verb, name) not in {("write", "lost"), ("read", "unread")}
        for verb in ("read", "write")
        for name in ("kept", "lost", "unread")
    }
    renewed, *updates = client.answer(BackendUser("bob", (), [rights]))
    assert renewed.code is Code.OK
    assert [told.body for told in updates] == [
        short(Code.STREAM_NOT_AVAILABLE) + string(name) for name in ("lost", "unread")
    ]
    assert [each.stream.name for each in client.session.publishers.values()] == ["kept"]
    assert [each.stream.name for each in client.session.subscriptions.values()] == ["kept"]
    for name, count in (("kept", 1), ("lost", 0), ("unread", 0)):
        stream: Any = client.broker.vhosts["/"].queues[name]
        assert len(stream.native.subscriptions) == len(stream.native.followers) == count
    assert {told.key for told in client.publish(b"1")} == {Key.PUBLISH_CONFIRM, Key.DELIVER}
    assert client.publish(b"1", number=1)[0].key == Key.PUBLISH_ERROR


def test_rights_are_asked_for_again() -> None:
    client = Asking().work()
    client.call(Key.CREATE, string("s") + properties({}))
    client.decide(permission("configure", "s"))
    client.wait(RECHECK_MS)
    assert client.oracle.decisions == {}


# --- time and the transport


def test_a_client_that_says_nothing_is_gone() -> None:
    client = Client()
    client.log_in()
    client.notify(Key.TUNE, long(1 << 20) + long(10))
    client.ask(Key.OPEN, string("/"))
    beats = [told for told in client.wait(60_000) if told.key == Key.HEARTBEAT]
    assert beats
    assert client.session.is_closed


def test_a_client_that_is_not_read_is_not_silent() -> None:
    client = Client()
    client.log_in()
    client.notify(Key.TUNE, long(1 << 20) + long(10))
    client.ask(Key.OPEN, string("/"))
    client.session.paused = True
    client.wait(60_000)
    assert not client.session.is_closed


def test_a_connection_that_is_lost_leaves_nothing() -> None:
    client = with_stream(b"1")
    client.subscribe("s", credit=1)
    stream = client.broker.vhosts["/"].queues["s"]
    client.session.lost()
    client.broker.finish()
    assert client.session.is_closed
    assert client.session.input_state is InputState.CLOSED
    assert not client.broker.vhosts["/"].clients
    assert not stream.native.subscriptions  # type: ignore[attr-defined]
    client.session.on_timer(client.now_ms)
    client.session.detach()
    assert client.session.next_at_ms is None


def test_what_went_over_it_is_counted() -> None:
    client = with_stream()
    before = client.session.traffic()
    client.publish(b"1")
    after = client.session.traffic()
    assert after["recv_oct"] > before["recv_oct"]
    assert after["send_oct"] > before["send_oct"]
    assert after["recv_cnt"] == before["recv_cnt"] + 1


def test_a_frame_that_comes_in_parts() -> None:
    client = with_stream()
    body = octet(0) + long(1) + bytes(8) + long(200_000) + bytes(200_000)
    frame = short(Key.PUBLISH) + short(1) + body
    frame = long(len(frame)) + frame
    assert client.feed(frame[:1000]) == []
    assert client.session.is_amid_large_frame
    assert client.feed(frame[1000:150_000]) == []
    assert confirmed(client.feed(frame[150_000:])) == [(0, [0])]
    assert not client.session.is_amid_large_frame


def test_whoever_reads_again_gets_more() -> None:
    client = with_stream(b"1", b"2")
    session, outbox = client.session, client.session.outbox
    assert len(deliveries(client.subscribe("s", credit=1))) == 1
    outbox.write(bytes(HIGH))
    session.subscriptions[0].add_credit(1)
    client.broker.settle()
    assert outbox.size == HIGH, "as much as a client may have before it that it has not read"
    list(outbox.take())
    outbox.sent(HIGH)
    session.resume_consumers()
    client.broker.finish()
    client.broker.settle()
    assert len(deliveries(client.received())) == 1


def test_a_disk_alarm_holds_publishers() -> None:
    client, other = with_stream(), Client.opened()
    client.broker.alarms.set("disk")
    assert client.session.input_state is InputState.BLOCKED
    assert client.publish(b"1") == []
    client.broker.alarms.clear("disk")
    assert confirmed(client.feed(b"")) == [(0, [0])]
    assert other.session.input_state is InputState.READ
