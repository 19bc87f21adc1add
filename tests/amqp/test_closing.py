"""How connections and channels end, whoever begins it, and what is left of them in the broker: nothing."""

import struct

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx

from amqpy.amqp.state import State
from amqpy.core.broker import Broker
from amqpy.errors import ConnectionForced, InternalFault

from .client import (
    HEADER,
    Client,
    content_frames,
    make_broker,
    method_frame,
    names,
    publish_frames,
    raw_frame,
    remains,
    start_ok,
)

BYE = Connection.Close(200, "bye", 0, 0)
LEAVE = Channel.Close(200, "bye", 0, 0)
REFUSED = Queue.Declare(queue="missing", passive=True)
"""A channel is closed for this."""
FORBIDDEN = Basic.Qos(prefetch_size=1)
"""A connection is closed for this."""


def busy(broker: Broker | None = None) -> Client:
    """A client with something of everything that must not outlive it."""
    client = Client.opened(broker, channels=(1, 2, 3))
    client.send(
        Queue.Declare(queue="own", exclusive=True),
        Queue.Declare(queue="shared"),
        Queue.Bind(queue="own", exchange="amq.fanout"),
        Exchange.Declare(exchange="x", auto_delete=True),
        Queue.Bind(queue="own", exchange="x"),
    )
    client.send(Queue.Declare(queue="auto", auto_delete=True), channel=2)
    client.send(Basic.Consume(queue="shared"), Basic.Consume(queue="own", no_ack=True))
    client.send(Basic.Consume(queue="auto"), channel=2)
    client.send(Tx.Select(), channel=3)
    for number, queue in enumerate(("shared", "own", "auto")):
        client.publish(queue, b"message", channel=number + 1)
    client.send(Basic.Publish(routing_key="shared"), channel=2)  # never finished
    return client


def assert_gone(client: Client) -> None:
    """Nothing of the client is left in the core."""
    assert remains(client.broker) == {}
    assert not client.session.channels
    assert not client.session.channels.fast
    assert not client.session.channels.confirming


# --- connection.close


def test_everything_goes_with_the_connection_before_close_ok() -> None:
    client = busy()
    other = Client.opened(client.broker)
    assert names(client.send(BYE, channel=0)) == ["Connection.CloseOk"]
    assert_gone(client)
    assert list(client.broker.vhosts["/"].queues) == ["shared"]
    assert "x" not in client.broker.vhosts["/"].exchanges
    (got,) = other.send(Basic.Get(queue="shared"))
    assert (got.method.redelivered, got.body) == (True, b"message")


def test_who_closed_a_connection_may_hang_up_first() -> None:
    """Else some clients take the end of the stream behind close-ok for an error."""
    client = Client.opened()
    assert names(client.send(BYE, BYE, channel=0)) == ["Connection.CloseOk", "Connection.CloseOk"]
    assert client.session.state is State.CLOSING
    client.session.lost()
    assert client.session.is_closed


@pytest.mark.parametrize("how", ["lost", "refused", "forced", "bad frame", "handed in half"])
def test_however_a_connection_ends_nothing_is_left(how: str) -> None:
    client = busy()
    match how:
        case "lost":
            client.session.lost()
        case "refused":
            client.send(FORBIDDEN)
        case "forced":
            client.session.fail(ConnectionForced("maintenance"))
        case "bad frame":
            client.feed(struct.pack(">BHI", 1, 1, 4) + bytes(4) + b"\0")
        case _:
            client.feed(b"\xce" + publish_frames("own", b"x", channel=3)[:20])
            client.session.lost()
    assert_gone(client)
    # What ends may be told so again.
    client.session.lost()
    assert client.session.is_closed
    assert client.session.next_at_ms is None


def test_a_lost_connection_is_not_written_to() -> None:
    client = busy()
    client.received()
    client.session.lost()
    assert client.received() == []


def test_a_forced_close_says_why() -> None:
    client = Client.opened()
    client.session.fail(ConnectionForced("broker forced connection closure with reason 'shutdown'"))
    (close,) = client.received()
    assert dict(close.method) == {
        "reply_code": 320,
        "reply_text": "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
        "class_id": 0,
        "method_id": 0,
    }
    assert client.send(Connection.CloseOk(), channel=0) == []
    assert client.session.is_closed


def test_a_bug_of_ours_is_told_as_541() -> None:
    client = Client.opened()
    client.session.fail(InternalFault("details that nobody should read"))
    (close,) = client.received()
    assert (close.method.reply_code, close.method.reply_text) == (541, "INTERNAL_ERROR")


@pytest.mark.parametrize("who", ["broker", "client"])
def test_the_end_is_waited_for_with_a_deadline(who: str) -> None:
    client = Client.opened()
    timeout_ms = client.broker.config.close_timeout_ms
    client.send(FORBIDDEN) if who == "broker" else client.send(BYE, channel=0)
    client.wait(timeout_ms - 1)
    assert client.session.state is State.CLOSING
    client.feed(method_frame(Channel.Open(), 2))
    assert client.wait(1) == []
    assert client.session.is_closed
    assert client.session.next_at_ms is None


def test_a_connection_is_closed_once() -> None:
    client = Client.opened()
    assert names(client.send(FORBIDDEN, FORBIDDEN)) == ["Connection.Close"]
    client.session.fail(ConnectionForced("again"))
    assert client.received() == []
    assert client.session.state is State.CLOSING


def test_closes_that_cross_are_both_answered() -> None:
    client = Client.opened()
    assert names(client.send(FORBIDDEN)) == ["Connection.Close"]
    assert names(client.send(BYE, channel=0)) == ["Connection.CloseOk"]
    assert client.session.state is State.CLOSING
    assert client.send(Connection.CloseOk(), channel=0) == []
    assert client.session.is_closed


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_what_follows_a_fault_in_the_same_bytes_is_looked_at(cut: int) -> None:
    """A client that says good-bye right after its mistake gets its answer, wherever the chunks were cut."""
    client = Client.opened()
    mistake, rest = method_frame(FORBIDDEN, 1), publish_frames("q", b"dropped") + method_frame(BYE, 0)
    received = client.feed(mistake + rest[:cut]) + client.feed(rest[cut:])
    assert names(received) == ["Connection.Close", "Connection.CloseOk"]
    assert client.feed(method_frame(Connection.CloseOk(), 0)) == []
    assert client.session.is_closed


def test_after_a_bad_frame_nothing_is_waited_for() -> None:
    """Where the next frame begins is unknown, and so a close-ok could not be read."""
    client = Client.opened()
    (close,) = client.feed(struct.pack(">BHI", 1, 1, 4) + b"abcd" + b"\x00")
    assert close.method.reply_code == 501
    assert close.method.reply_text == 'FRAME_ERROR - type 1, all octets = <<"abcd">>: {invalid_frame_end_marker,0}'
    assert client.session.is_closed


def test_a_frame_that_is_too_large_is_refused_from_its_size() -> None:
    client = Client.opened()
    assert client.feed(struct.pack(">BHI", 3, 1, 131_072)) == []
    client = Client.opened()
    (close,) = client.feed(struct.pack(">BHI", 3, 1, 131_073))
    assert close.method.reply_code == 501
    assert close.method.reply_text.endswith("{frame_too_large,131073,131064}")


def test_the_negotiated_frame_max_holds() -> None:
    client = Client()
    client.feed(HEADER)
    client.send(start_ok(), Connection.TuneOk(1, 4096, 0), Connection.Open("/"), channel=0)
    (close,) = client.feed(struct.pack(">BHI", 3, 1, 4097))
    assert close.method.reply_text.endswith("{frame_too_large,4097,4088}")


# --- channels


def test_a_closed_channel_gives_back_what_it_owed_and_its_number() -> None:
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"))
    client.publish("q", b"first")
    client.publish("q", b"second")
    assert names(client.send(Basic.Get(queue="q"), Basic.Consume(queue="q", consumer_tag="c"))) == [
        "Basic.GetOk",
        "Basic.ConsumeOk",
        "Basic.Deliver",
    ]
    assert names(client.send(LEAVE)) == ["Channel.CloseOk"]
    got = client.send(Basic.Get(queue="q"), Basic.Get(queue="q"), channel=2)
    assert [(each.body, each.method.redelivered) for each in got] == [(b"first", True), (b"second", True)]

    assert names(client.send(Channel.Open())) == ["Channel.OpenOk"]
    # The number is the only thing the new channel has of the old one.
    (deliver,) = client.send(Basic.Consume(queue="q", consumer_tag="c"), Basic.Recover(requeue=True))[:1]
    assert deliver.name == "Basic.ConsumeOk"
    assert names(client.send(Basic.Ack(1))) == ["Channel.Close"]


def test_a_channel_that_we_closed_keeps_its_number_until_close_ok() -> None:
    client = Client.opened(channels=(1, 2))
    assert names(client.send(REFUSED)) == ["Channel.Close"]
    assert client.send(Queue.Declare(queue="ignored")) == []
    assert client.publish("ignored") == []
    assert client.send(Channel.CloseOk()) == []
    assert names(client.send(Channel.Open())) == ["Channel.OpenOk"]
    assert "ignored" not in client.broker.vhosts["/"].queues


def test_channel_closes_that_cross() -> None:
    client = Client.opened()
    assert names(client.send(REFUSED, LEAVE)) == ["Channel.Close", "Channel.CloseOk"]
    assert client.send(Channel.CloseOk()) == []
    assert names(client.send(Channel.Open())) == ["Channel.OpenOk"]


def test_a_refusal_on_one_channel_leaves_the_others_as_they_are() -> None:
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q"), channel=2)
    received = client.feed(
        method_frame(Basic.Publish(routing_key="q"), 2)
        + method_frame(REFUSED, 1)
        + content_frames(b"whole", 2)
        + publish_frames("q", b"dropped", channel=1)
        + publish_frames("q", b"next", channel=2)
    )
    assert [(each.channel, each.name, each.body) for each in received] == [
        (1, "Channel.Close", b""),
        (2, "Basic.Deliver", b"whole"),
        (2, "Basic.Deliver", b"next"),
    ]


def test_a_refused_method_is_named() -> None:
    (close,) = Client.opened().send(REFUSED)
    assert dict(close.method) == {
        "reply_code": 404,
        "reply_text": "NOT_FOUND - no queue 'missing' in vhost '/'",
        "class_id": 50,
        "method_id": 10,
    }


def test_a_long_reply_text_is_cut() -> None:
    (close,) = Client.opened().send(Queue.Declare(queue="q" * 127, passive=True), Queue.Declare(queue="x"))
    assert len(close.method.reply_text) < 255
    client = Client.opened()
    payload = struct.pack(">HHH", 50, 10, 0) + b"\xff" + b"q" * 255 + b"\x01" + bytes(4)
    (close,) = client.feed(raw_frame(1, 1, payload))
    assert len(close.method.reply_text) == 255
    assert close.method.reply_text.endswith("...")


def test_all_2047_channels_and_not_one_more() -> None:
    client = Client.opened(channels=range(1, 2048))
    assert len(client.session.channels) == 2047
    (close,) = client.send(Channel.Open(), channel=2048)
    assert close.method.reply_code == 530
    assert close.method.reply_text == (
        "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)"
    )


def test_the_number_of_a_channel_is_free_within_the_limit() -> None:
    client = Client.opened(channels=(65_535,))
    assert names(client.send(Queue.Declare(queue="q"), channel=65_535)) == ["Queue.DeclareOk"]


def test_confirms_come_before_the_close_that_ends_them() -> None:
    for method, channel in (LEAVE, 1), (REFUSED, 1), (BYE, 0), (FORBIDDEN, 1):
        client = Client.opened()
        client.send(Queue.Declare(queue="q"), Confirm.Select())
        received = client.feed(publish_frames("q", b"1") + publish_frames("q", b"2") + method_frame(method, channel))
        assert names(received)[0] == "Basic.Ack"
        assert (received[0].method.delivery_tag, received[0].method.multiple) == (2, True)
        assert len(received) == 2


def test_sessions_share_a_broker_and_nothing_else() -> None:
    broker = make_broker()
    one, other = busy(broker), Client.opened(broker)
    (close,) = other.send(Queue.Declare(queue="own", passive=True))
    assert close.method.reply_code == 405
    one.session.lost()
    other.send(Channel.CloseOk(), Channel.Open())
    (ok,) = other.send(Queue.Declare(queue="own", exclusive=True))
    assert ok.method.message_count == 0


# --- what is on its way when the end comes


@pytest.mark.parametrize("goodbye", [b"", method_frame(LEAVE, 1), method_frame(BYE, 0), method_frame(LEAVE, 2)])
def test_what_was_sent_right_before_the_end_is_not_lost(goodbye: bytes) -> None:
    """A script that publishes and exits waits for nothing. RabbitMQ may lose its last messages."""
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"))
    client.feed(b"".join(publish_frames("q", b"%d" % number) for number in range(1000)) + goodbye)
    client.session.lost()
    assert client.broker.vhosts["/"].queues["q"].ready_count == 1000


def test_nothing_comes_on_a_channel_after_its_close() -> None:
    """Neither what was waiting, nor what comes later, nor a confirm; RabbitMQ sends deliveries even then."""
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"), Confirm.Select())
    client.publish("q", b"waiting")
    got = client.feed(
        method_frame(Basic.Consume(queue="q", no_ack=True, consumer_tag="c"), 1)
        + publish_frames("q", b"with it")
        + method_frame(REFUSED, 1)
        + publish_frames("q", b"too late")
    )
    assert names(got)[-1] == "Channel.Close"
    assert [each.body for each in got if each.name == "Basic.Deliver"] == [b"waiting", b"with it"]
    assert client.publish("q", b"from another one", channel=2) == []
    assert names(client.send(Basic.Ack(delivery_tag=99), Queue.Declare(queue="q"))) == []
    assert names(client.send(Channel.CloseOk())) == []
    assert client.broker.vhosts["/"].queues["q"].ready_count == 1


@pytest.mark.parametrize("no_ack", [False, True])
def test_a_consumer_may_be_cancelled_before_its_consume_ok_is_read(no_ack: bool) -> None:
    """RabbitMQ's channel crashes (541)."""
    client = Client.opened()
    client.send(Queue.Declare(queue="q"))
    client.publish("q", b"waiting")
    got = client.send(Basic.Consume(queue="q", no_ack=no_ack, consumer_tag="c"), Basic.Cancel("c"))
    assert names(got) == ["Basic.ConsumeOk", "Basic.Deliver", "Basic.CancelOk"]
    client.publish("q", b"nobody's")
    assert client.broker.vhosts["/"].queues["q"].ready_count == 1
