"""Permissions that must be asked for: the operation waits, and what is behind it, and is done once."""

from collections.abc import Hashable
from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx

from amqpy.amqp.state import InputState, State
from amqpy.amqp.timers import RECHECK_MS
from amqpy.core import broker
from amqpy.core.ports import BackendError, Verdict
from amqpy.core.queues import fifo_queue
from amqpy.errors import ConnectionForced
from tests.amqp.asking import ENTRY, WRITE, Asking, Oracle, permission, said
from tests.amqp.client import OPENING, method_frame, names, publish_frames, remains


def bodies(client: Asking, queue: str) -> list[bytes]:
    """The messages in a queue, which are taken."""
    found = []
    while (got := client.session.broker.vhosts["/"].queues[queue].take(no_ack=True)) is not None:
        found.append(bytes(got[1].body))
    return found


def declared(*queues: str) -> Asking:
    client = Asking().work()
    for queue in queues:
        client.send(Queue.Declare(queue=queue))
        client.decide_all()
    client.oracle.forget()
    return client


# --- the virtual host


def test_entry_waits_for_its_answer() -> None:
    client = Asking()
    client.log_in()
    more = method_frame(Channel.Open(), 1)
    assert client.feed(b"".join(method_frame(method, 0) for method in OPENING[1:]) + more) == []
    assert client.session.state is State.OPENING
    assert client.broker.vhosts["/"].clients == {}
    assert names(client.decide(ENTRY)) == ["Connection.OpenOk", "Channel.OpenOk"]


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(False, ""), (BackendError("b", "{500,x}"), ", backend b returned an error: {500,x}")],
    ids=["denied", "error"],
)
def test_entry_is_refused(verdict: Verdict, reason: str) -> None:
    client = Asking()
    client.oracle.denied[ENTRY] = verdict
    client.log_in()
    client.send(*OPENING[1:], channel=0)
    assert said(client.decide(ENTRY)) == (530, f"NOT_ALLOWED - access to vhost '/' refused for user 'bob'{reason}")


def test_a_virtual_host_that_is_not_there_is_not_asked_about() -> None:
    client = Asking()
    client.log_in()
    client.send(OPENING[1], channel=0)
    assert said(client.send(Connection.Open("/none"), channel=0)) == (530, "NOT_ALLOWED - vhost /none not found")


def test_the_handshake_timeout_runs_on_while_entry_is_asked_for() -> None:
    client = Asking()
    client.log_in()
    client.send(*OPENING[1:], channel=0)
    client.wait(10_000)
    assert client.session.is_closed
    assert client.answer(None) == []


# --- operations


def test_an_operation_waits_and_what_is_behind_it() -> None:
    client = Asking().work(1, 2)
    client.send(Queue.Declare(queue="q"))
    assert client.send(Queue.Declare(queue="p", passive=True), channel=2) == []
    assert client.publish("q") == []
    assert client.broker.vhosts["/"].queues == {}
    heard = client.decide(permission("configure", "q"), WRITE)
    assert names(heard) == ["Queue.DeclareOk", "Channel.Close"]
    assert bodies(client, "q") == [b"hello"]


@pytest.mark.parametrize("verdict", [False, BackendError("b", '{500,"oh"}')], ids=["denied", "error"])
def test_an_operation_that_is_refused(verdict: Verdict) -> None:
    client = Asking().work()
    client.oracle.denied[permission("configure", "q")] = verdict
    client.send(Queue.Declare(queue="q"))
    (close,) = client.decide(permission("configure", "q"))
    reason = "" if verdict is False else ', backend b returned an error: {500,"oh"}'
    text = f"ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'bob'{reason}"
    assert (close.name, close.method.reply_text, close.method.class_id, close.method.method_id) == (
        "Channel.Close",
        text,
        50,
        10,
    )


def test_what_is_decided_is_not_asked_again() -> None:
    client = Asking().work()
    client.send(Queue.Declare(queue="q"))
    client.decide_all()
    assert names(client.send(Queue.Declare(queue="q"))) == ["Queue.DeclareOk"]


def test_an_operation_with_several_permissions() -> None:
    client = Asking().work()
    client.send(Queue.Declare(queue="q", arguments={"x-dead-letter-exchange": "dlx"}))
    wanted = [permission("configure", "q"), permission("read", "q"), permission("write", "dlx", "exchange")]
    assert names(client.decide(*wanted)) == ["Queue.DeclareOk"]


def test_a_made_name_is_asked_for_once() -> None:
    client = Asking().work()
    declare = Queue.Declare(arguments={"x-dead-letter-exchange": "dlx"})
    client.send(declare, declare)
    first = client.matter
    assert isinstance(first, tuple)
    assert first[2].startswith("amq.gen-")
    (ok,) = client.decide(first, permission("read", first[2]), permission("write", "dlx", "exchange"))
    assert ok.method.queue == first[2]
    second = client.matter
    assert isinstance(second, tuple)
    (ok,) = client.decide(second, permission("read", second[2]))
    assert ok.method.queue == second[2] != first[2]


def test_a_get_from_a_queue_that_may_expire() -> None:
    client = Asking().work()
    client.send(Queue.Declare(queue="q", arguments={"x-message-ttl": 1000}))
    client.publish("q")
    client.decide_all()
    assert client.broker.vhosts["/"].queues["q"].may_expire
    client.send(Basic.Get(queue="q"))
    assert names(client.decide(permission("read", "q"))) == ["Basic.GetOk"]


def test_a_get_that_has_much_to_do_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What expired is dropped by a job, which could not be done again."""
    monkeypatch.setattr(fifo_queue, "EXPIRED_MAX", 1)
    monkeypatch.setattr(broker, "WORK_MAX", 1)
    client = Asking().work()
    client.send(Queue.Declare(queue="q"))
    for _ in range(5):
        client.publish("q", expiration="1000")
        client.decide_all()
    client.broker.scheduler.jobs.units_at_once = 1
    client.now_ms = 1000
    client.send(Basic.Get(queue="q"))
    client.oracle.denied[permission("read", "q")] = False
    assert said(client.decide(permission("read", "q")))[0] == 403


BINDING = [permission("write", "q"), permission("read", "amq.direct", "exchange")]


@pytest.mark.parametrize(
    ("method", "wanted", "answer"),
    [
        (Queue.Bind(queue="q", exchange="amq.direct"), BINDING, "Queue.BindOk"),
        (Queue.Unbind(queue="q", exchange="amq.direct"), BINDING, "Queue.UnbindOk"),
        (Queue.Purge(queue="q"), [permission("read", "q")], "Queue.PurgeOk"),
        (Queue.Delete(queue="q"), [permission("configure", "q")], "Queue.DeleteOk"),
        (Basic.Consume(queue="q"), [permission("read", "q")], "Basic.ConsumeOk"),
        (Exchange.Declare(exchange="e"), [permission("configure", "e", "exchange")], "Exchange.DeclareOk"),
        (Exchange.Delete(exchange="e"), [permission("configure", "e", "exchange")], "Exchange.DeleteOk"),
        (
            Exchange.Bind(destination="amq.fanout", source="amq.topic", routing_key="k"),
            [
                permission("write", "amq.fanout", "exchange"),
                permission("read", "amq.topic", "exchange"),
                ("read", "topic", "amq.topic", "k"),
            ],
            "Exchange.BindOk",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_operations(method: Any, wanted: list[Hashable], answer: str) -> None:  # noqa: ANN401
    client = declared("q")
    client.send(method)
    assert names(client.decide(*wanted)) == [answer]


# --- publishing


@pytest.mark.parametrize("size", [1, 9, 100, 10_000])
@pytest.mark.parametrize("more", [{}, {"expiration": "60000"}, {"mandatory": True}], ids=str)
def test_messages_wait_and_are_published_once_in_order(size: int, more: dict[str, Any]) -> None:
    client = declared("q", "p")
    client.send(Confirm.Select())
    keys = ["q", "q", "p", "q", "p", "p", "q", "nowhere", "q"]
    data = b"".join(publish_frames(key, b"%d" % index, **more) for index, key in enumerate(keys))
    received = [each for at in range(0, len(data), size) for each in client.feed(data[at : at + size])]
    assert received == []
    received = client.decide(WRITE)
    acks = [each.method for each in received if each.name == "Basic.Ack"]
    assert acks[-1].delivery_tag == len(keys)
    assert names(received).count("Basic.Return") == (1 if "mandatory" in more else 0)
    assert bodies(client, "q") == [b"0", b"1", b"3", b"6", b"8"]
    assert bodies(client, "p") == [b"2", b"4", b"5"]


@pytest.mark.parametrize("more", [{}, {"expiration": "60000"}], ids=str)
@pytest.mark.parametrize("in_transaction", [False, True])
def test_messages_to_several_exchanges(more: dict[str, Any], in_transaction: bool) -> None:
    client = declared("q")
    for exchange in "amq.direct", "amq.fanout", "amq.headers":
        client.send(Queue.Bind(queue="q", exchange=exchange, routing_key="k"))
        client.decide_all()
    if in_transaction:
        client.send(Tx.Select())
    exchanges = ["", "", "amq.direct", "", "amq.fanout", "amq.direct", "amq.headers", "amq.fanout"]
    data = b"".join(
        publish_frames("k" if exchange else "q", b"%d" % index, exchange=exchange, **more)
        for index, exchange in enumerate(exchanges)
    )
    client.feed(data)
    wanted = [permission("write", name or "amq.default", "exchange") for name in dict.fromkeys(exchanges)]
    client.decide(*wanted)
    if in_transaction:
        assert bodies(client, "q") == []
        assert names(client.send(Tx.Commit())) == ["Tx.CommitOk"]
    assert bodies(client, "q") == [b"%d" % index for index in range(len(exchanges))]


def test_a_message_that_is_refused_closes_the_channel_and_the_rest_is_ignored() -> None:
    client = declared("q")
    client.oracle.denied[WRITE] = False
    client.feed(publish_frames("q", b"0") + publish_frames("q", b"1"))
    text = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'bob'"
    assert said(client.decide(WRITE)) == (403, text)
    assert bodies(client, "q") == []


def test_topics_are_asked_for_by_routing_key() -> None:
    client = declared("q")
    client.publish("a.b", exchange="amq.topic")
    topic = ("write", "topic", "amq.topic", "a.b")
    client.oracle.denied["write", "topic", "amq.topic", "c"] = False
    assert client.decide(permission("write", "amq.topic", "exchange"), topic) == []
    assert client.publish("a.b", exchange="amq.topic") == []
    client.publish("c", exchange="amq.topic")
    text = "ACCESS_REFUSED - write access to topic 'c' in exchange 'amq.topic' in vhost '/' refused for user 'bob'"
    assert said(client.decide(("write", "topic", "amq.topic", "c"))) == (403, text)


def test_an_alarm_that_is_set_meanwhile() -> None:
    client = declared("q")
    client.publish("q", b"0")
    client.broker.alarms.set("memory")
    assert client.decide(WRITE) == []
    assert bodies(client, "q") == [], "content that is heard during an alarm waits for its end"
    client.broker.alarms.clear("memory")
    client.feed(b"")
    assert bodies(client, "q") == [b"0"]


def test_an_alarm_that_is_cleared_meanwhile_does_not_end_the_wait() -> None:
    client = declared("q")
    client.broker.alarms.set("memory")
    client.send(Queue.Declare(queue="p"), Queue.Declare(queue="r"))
    question = client.session.question
    client.broker.alarms.clear("memory")
    client.feed(b"")
    assert client.session.question is question is not None
    assert set(client.broker.vhosts["/"].queues) == {"q"}
    assert names(client.decide(permission("configure", "p"), permission("configure", "r"))) == ["Queue.DeclareOk"] * 2


# --- the end of a question


@pytest.mark.parametrize("end", ["lost", "forced"])
def test_an_end_meanwhile(end: str) -> None:
    client = Asking().work()
    client.send(Queue.Declare(queue="q"), Queue.Declare(queue="p"))
    if end == "lost":
        client.session.lost()
        assert client.session.is_closed
    else:
        client.session.fail(ConnectionForced("shutdown"))
        assert said(client.received()) == (320, "CONNECTION_FORCED - shutdown")
        assert client.input_state() is not InputState.AWAITING_ANSWER
        client.feed(b"")
        client.send(Connection.CloseOk(), channel=0)
        assert client.session.is_closed
    assert client.answer(None) == []
    assert client.broker.vhosts["/"].queues == {}
    assert remains(client.broker) == {}


def test_a_question_that_fails_ends_the_connection() -> None:
    client = Asking().work()
    client.send(Queue.Declare(queue="q"))
    assert said(client.answer(RuntimeError("bug"))) == (541, "INTERNAL_ERROR")


def test_nothing_of_it_is_left() -> None:
    client = declared("q")
    client.publish("q")
    client.decide(WRITE)
    router = client.broker.vhosts["/"].router
    assert router.remembered(client.user)
    client.session.lost()
    assert client.user not in router._by_user  # noqa: SLF001 (`remembered` would make it)


# --- rights are of a connection


def test_two_of_one_name_do_not_share_what_they_may() -> None:
    client = declared("q")
    client.publish("q", b"0")
    client.decide(WRITE)
    other = Asking(client.broker).work()
    other.oracle.denied[WRITE] = False
    other.publish("q", b"1")
    assert said(other.decide(WRITE))[0] == 403
    assert bodies(client, "q") == [b"0"]


def test_decisions_hold_for_a_time() -> None:
    client = declared("q")
    client.publish("q", b"0")
    client.decide(WRITE)
    client.wait(RECHECK_MS - 1)
    assert client.publish("q", b"1") == []
    assert client.matter is None
    client.wait(1)
    client.oracle.denied[WRITE] = False
    client.publish("q", b"2")
    assert said(client.decide(WRITE))[0] == 403
    assert bodies(client, "q") == [b"0", b"1"]


def test_heartbeats_go_on_beside_other_timers() -> None:
    client = Asking(oracle=Oracle(expires_at_s=50.0))
    client.log_in()
    client.send(Connection.TuneOk(2047, 131_072, 10), OPENING[2], channel=0)
    client.decide(ENTRY)
    client.send(Channel.Open())
    client.send(Queue.Declare(queue="q"))
    beats = client.wait(20_000)
    assert len(beats) >= 3
    assert client.matter == permission("configure", "q"), "it is not dead: it was not heard"
    client.decide_all()
    for _ in range(4):
        client.feed(b"\x08\x00\x00\x00\x00\x00\x00\xce")
        client.wait(5_000)
    assert client.session.state is State.RUNNING
