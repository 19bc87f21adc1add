"""tx: nothing happens before the commit, all of it at the commit, nothing of it after a rollback."""

import pytest
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue, Tx

from amqpy.amqp.transaction import undelivered
from amqpy.config import Config

from .client import Client, make_broker, method_frame, names, publish_frames, remains


def transactional(profile: str = "rabbitmq-3.13", *, channels: tuple[int, ...] = (1, 2)) -> Client:
    """Channel 1 is in a transaction, channel 2 looks on."""
    client = Client.opened(make_broker(Config(profile=profile)), channels=channels)
    client.send(Queue.Declare(queue="q"), Tx.Select())
    return client


def ready(client: Client) -> int:
    (ok,) = client.send(Queue.Declare(queue="q", passive=True), channel=2)
    count: int = ok.method.message_count
    return count


def test_messages_are_there_after_the_commit() -> None:
    client = transactional()
    assert client.publish("q", b"1") == client.publish("q", b"2") == []
    assert ready(client) == 0
    assert names(client.send(Tx.Commit())) == ["Tx.CommitOk"]
    assert [got.body for got in client.send(Basic.Get(queue="q"), Basic.Get(queue="q"), channel=2)] == [b"1", b"2"]


def test_messages_are_gone_after_the_rollback() -> None:
    client = transactional()
    client.publish("q")
    assert names(client.send(Tx.Rollback())) == ["Tx.RollbackOk"]
    assert names(client.send(Tx.Commit())) == ["Tx.CommitOk"]
    assert ready(client) == 0


def test_a_commit_empties_the_transaction() -> None:
    client = transactional()
    client.publish("q")
    client.send(Tx.Commit(), Tx.Commit(), Tx.Rollback())
    assert ready(client) == 1


def test_what_cannot_be_routed_comes_back_at_the_commit_before_its_answer() -> None:
    client = transactional()
    assert client.publish("nowhere", b"lost", mandatory=True) == []
    assert names(client.send(Tx.Commit())) == ["Basic.Return", "Tx.CommitOk"]


def test_a_refused_publish_is_refused_at_once_and_ends_the_transaction() -> None:
    client = transactional()
    client.publish("q")
    assert names(client.publish("q", exchange="missing")) == ["Channel.Close"]
    client.send(Channel.CloseOk(), Channel.Open())
    assert ready(client) == 0
    (close,) = client.send(Tx.Commit())
    assert close.method.reply_text == "PRECONDITION_FAILED - channel is not transactional"


@pytest.mark.parametrize(("profile", "reply"), [("rabbitmq-3.10", "Tx.CommitOk"), ("rabbitmq-3.13", "Channel.Close")])
def test_a_queue_that_is_gone_by_the_commit(profile: str, reply: str) -> None:
    client = transactional(profile)
    client.publish("q")
    client.send(Queue.Delete(queue="q"), channel=2)
    assert names(client.send(Tx.Commit())) == [reply]
    assert remains(client.broker) == {}


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (Basic.Ack(1), 0),
        (Basic.Ack(0, True), 0),
        (Basic.Nack(1, False, True), 1),
        (Basic.Nack(1, False, False), 0),
        (Basic.Reject(1, True), 1),
        (Basic.Reject(1, False), 0),
    ],
)
def test_answers_count_from_the_commit_on(answer: Method, left: int) -> None:
    client = transactional()
    client.publish("q", channel=2)
    assert names(client.send(Basic.Get(queue="q"))) == ["Basic.GetOk"]
    assert client.send(answer) == []
    assert (ready(client), client.broker.vhosts["/"].queues["q"].unacked_count) == (0, 1)
    client.send(Tx.Commit())
    assert (ready(client), client.broker.vhosts["/"].queues["q"].unacked_count) == (left, 0)


def test_after_a_rollback_the_messages_are_still_to_be_answered() -> None:
    client = transactional()
    for body in b"1", b"2":
        client.publish("q", body, channel=2)
    client.send(Basic.Get(queue="q"), Basic.Get(queue="q"))
    assert client.send(Basic.Ack(1)) == []
    (close,) = Client.opened(client.broker).send(Basic.Ack(1))
    assert close.method.reply_text == "PRECONDITION_FAILED - unknown delivery tag 1"
    client.send(Tx.Rollback())
    assert client.send(Basic.Ack(2, True), Tx.Commit())[0].name == "Tx.CommitOk"
    assert client.broker.vhosts["/"].queues["q"].unacked_count == 0


def test_an_answer_cannot_be_given_twice_within_a_transaction() -> None:
    client = transactional()
    client.publish("q", channel=2)
    client.send(Basic.Get(queue="q"), Basic.Ack(1))
    (close,) = client.send(Basic.Ack(1))
    assert close.method.reply_text == "PRECONDITION_FAILED - unknown delivery tag 1"


@pytest.mark.parametrize("ending", ["channel", "connection", "lost"])
def test_an_open_transaction_is_undone_by_the_end(ending: str) -> None:
    client = transactional()
    witness = Client.opened(client.broker)
    client.publish("q", b"old", channel=2)
    client.send(Basic.Get(queue="q"), Basic.Ack(1))
    client.publish("q", b"new")
    match ending:
        case "channel":
            client.send(Channel.Close(200, "", 0, 0))
        case "connection":
            client.send(Connection.Close(200, "", 0, 0), channel=0)
        case _:
            client.session.lost()
            client.finish()
    got, empty = witness.send(Basic.Get(queue="q"), Basic.Get(queue="q"))
    assert (got.body, got.method.redelivered) == (b"old", True)
    assert empty.name == "Basic.GetEmpty"


def test_the_modes_exclude_each_other() -> None:
    (close,) = transactional().send(Confirm.Select())
    assert close.method.reply_text == "PRECONDITION_FAILED - cannot switch from tx to confirm mode"
    _, close = Client.opened().send(Confirm.Select(), Tx.Select())
    assert close.method.reply_text == "PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    assert names(transactional().send(Tx.Select())) == ["Tx.SelectOk"]


def test_a_transaction_in_one_chunk() -> None:
    client = transactional()
    received = client.feed(publish_frames("q", b"1") + method_frame(Tx.Commit(), 1) + publish_frames("q", b"2"))
    assert names(received) == ["Tx.CommitOk"]
    assert ready(client) == 1


def test_answers_of_one_kind_are_carried_out_together_in_the_order_of_their_tags() -> None:
    client = transactional()
    for body in (b"a", b"b", b"c"):
        client.publish("q", body)
    client.send(Tx.Commit(), Basic.Consume(queue="q", consumer_tag="c"))
    client.send(Basic.Reject(3, True), Basic.Nack(1, False, True))
    redelivered = [frame.body for frame in client.send(Tx.Commit()) if frame.body]
    assert redelivered == [b"a", b"c"]


@pytest.mark.parametrize(("profile", "bodies"), [("rabbitmq-3.10", [b"kept"]), ("rabbitmq-3.13", [])])
def test_a_commit_finds_its_queues_by_name_or_the_same_queue(profile: str, bodies: list[bytes]) -> None:
    client = transactional(profile)
    client.publish("q", b"kept")
    client.publish("gone", b"lost")
    client.send(Queue.Delete(queue="q"), Queue.Declare(queue="q"), channel=2)
    client.send(Tx.Commit())
    delivered = client.send(Basic.Consume(queue="q", no_ack=True), channel=2)
    assert [frame.body for frame in delivered if frame.body] == bodies


TERM, PART = f"{{not_found,\n{' ' * 31}{{resource,", f"\n{' ' * 35}"


@pytest.mark.parametrize(
    ("vhost", "queue", "term"),
    [
        ("v", "q" * 8, '{not_found,{resource,<<"v">>,queue,<<"qqqqqqqq">>}}'),
        ("v", "q" * 9, TERM + '<<"v">>,queue,<<"qqqqqqqqq">>}}'),
        ("v", "q" * 16, TERM + f'<<"v">>,queue,{PART}<<"qqqqqqqqqqqqqqqq">>}}}}'),
        ("v" * 30, "q", TERM + f'{PART}<<"{"v" * 30}">>,queue,{PART}<<"q">>}}}}'),
        ("v" * 40, "qqqqq", TERM + f'{PART}<<"{"v" * 40}">>,{PART}queue,<<"qqqqq">>}}}}'),
    ],
)
def test_a_queue_that_is_gone_is_told_in_lines_as_erlang_breaks_them(vhost: str, queue: str, term: str) -> None:
    assert undelivered(vhost, queue) == f"failed to deliver message: {term}"
