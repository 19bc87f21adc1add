"""Alarms in the conversation: whoever publishes is not heard until they are over."""

import pytest
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue

from amqpy.amqp.state import InputState, State
from amqpy.core.broker import Broker

from .client import (
    Client,
    Received,
    content_frames,
    is_heartbeat,
    make_broker,
    method_frame,
    names,
    publish_frames,
    raw_frame,
    remains,
)

AWARE = {"connection.blocked": True}
BODY = 3


class Publisher(Client):
    """A client whose transport feeds it again when it is let through."""

    @classmethod
    def on(cls, broker: Broker, *, channels: tuple[int, ...] = (1,), aware: bool = True) -> "Publisher":
        publisher = cls.opened(broker, channels=channels, **(AWARE if aware else {}))
        assert isinstance(publisher, cls)
        publisher.session.block.read_on = publisher.note_read_on
        publisher.is_read = True
        return publisher

    def note_read_on(self) -> None:
        self.is_read = True

    def heard(self) -> list[Received]:
        """What comes of all that waited, once it may be heard."""
        assert self.is_read, "nobody said that there is something to be heard"
        return self.feed(b"")


def with_queue() -> Broker:
    broker = make_broker()
    Client.opened(broker).send(Queue.Declare(queue="q"))
    return broker


def ready(broker: Broker) -> int:
    return broker.vhosts["/"].queues["q"].ready_count


def test_an_alarm_says_nothing_to_those_who_do_not_publish() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    assert names(client.send(Queue.Declare(queue="q"), Basic.Get(queue="q"))) == ["Queue.DeclareOk", "Basic.GetEmpty"]
    broker.alarms.clear("memory")
    assert client.received() == []
    client.publish("q")
    assert ready(broker) == 1


def test_a_message_with_a_body_waits_for_it() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    (told,) = client.publish("q")
    assert (told.channel, told.name, told.method.reason) == (0, "Connection.Blocked", "low on memory")
    assert client.publish("q") == []
    assert ready(broker) == 0
    broker.alarms.clear("memory")
    assert names(client.received()) == ["Connection.Unblocked"]
    assert ready(broker) == 0
    client.heard()
    assert ready(broker) == 2
    assert not client.session.block.has_backlog


def test_its_transport_is_told_what_to_do_with_its_input() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    assert client.input_state() == InputState.READ
    broker.alarms.set("memory")
    assert client.input_state() == InputState.READ
    client.publish("q")
    assert client.input_state() == InputState.BLOCKED
    assert client.session.held_size == 0
    client.feed(b"12345")
    assert client.session.held_size == 5
    broker.alarms.clear("memory")
    assert client.input_state() == InputState.BLOCKED, "what waits is not heard yet"
    client.heard()
    client.session.abandon()
    assert client.input_state() == InputState.CLOSED


def test_a_message_without_one_is_published() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    assert names(client.publish("q", b"")) == ["Connection.Blocked"]
    assert ready(broker) == 1


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("count", [1, 3, 50])
def test_the_rest_of_a_chunk_waits_in_order(count: int, warm: bool) -> None:
    """Also of a publisher that was recognised by its repeats, and with acks and other methods in between."""
    broker = with_queue()
    client = Publisher.on(broker)
    if warm:
        client.feed(publish_frames("q", b"before") * 3)
        client.send(Queue.Purge(queue="q"))
    client.send(Confirm.Select())
    broker.alarms.set("memory")
    bodies = [b"%06d" % number for number in range(count)]
    chunk = b"".join(publish_frames("q", body) for body in bodies) + method_frame(Channel.Open(), 2)
    assert names(client.feed(chunk)) == ["Connection.Blocked"]
    client.feed(method_frame(Channel.Open(), 3))
    broker.alarms.clear("memory")
    assert names(client.received()) == ["Connection.Unblocked"]
    heard = client.heard()
    assert [each.channel for each in heard if each.name == "Channel.OpenOk"] == [2, 3]
    assert [each.method.delivery_tag for each in heard if each.name == "Basic.Ack"] == [count]
    got = [client.send(Basic.Get(queue="q", no_ack=True))[0].body for _ in range(count)]
    assert got == bodies


@pytest.mark.parametrize("size", range(1, 60))
def test_what_waits_may_be_cut_anywhere(size: int) -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    stream = publish_frames("q", b"first", message_id="1") + publish_frames("q", b"") + publish_frames("q", b"last")
    told = [each for at in range(0, len(stream), size) for each in client.feed(stream[at : at + size])]
    assert names(told) == ["Connection.Blocked"]
    broker.alarms.clear("memory")
    client.heard()
    assert [client.send(Basic.Get(queue="q"))[-1].body for _ in range(3)] == [b"first", b"", b"last"]


def test_the_next_alarm_blocks_at_the_next_content() -> None:
    """What waited is heard frame by frame, if an alarm is back each time."""
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    client.feed(publish_frames("q", b"a") + publish_frames("q", b"b") + method_frame(Queue.Purge(queue="q"), 1))
    steps = []
    for _ in range(4):
        client.is_read = False
        broker.alarms.clear("memory")
        broker.alarms.set("memory")
        steps.append((ready(broker), names(client.received()), names(client.heard())))
    assert steps == [
        (0, ["Connection.Unblocked"], ["Connection.Blocked"]),
        (1, ["Connection.Unblocked"], ["Connection.Blocked"]),
        (1, ["Connection.Unblocked"], ["Connection.Blocked"]),
        (2, ["Connection.Unblocked"], ["Queue.PurgeOk"]),
    ]
    assert ready(broker) == 0


def test_an_alarm_amid_a_body_blocks_after_its_next_frame() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    start = method_frame(Basic.Publish(routing_key="q"), 1) + content_frames(b"abc", part_max=1)
    ends = [raw_frame(BODY, 1, part) for part in (b"a", b"b", b"c")]
    client.feed(start[: -len(b"".join(ends))] + ends[0])
    broker.alarms.set("disk")
    (told,) = client.feed(ends[1] + ends[2])
    assert told.method.reason == "low on disk"
    assert ready(broker) == 0
    broker.alarms.clear("disk")
    client.heard()
    assert ready(broker) == 1


def test_without_the_capability_it_is_blocked_in_silence() -> None:
    broker = with_queue()
    client = Publisher.on(broker, aware=False)
    broker.alarms.set("memory")
    client.publish("q")
    broker.alarms.clear("memory")
    assert client.received() == []
    client.heard()
    assert ready(broker) == 1


def test_the_first_reason_is_told_and_the_last_one_unblocks() -> None:
    broker = with_queue()
    client, late = Publisher.on(broker), Publisher.on(broker)
    broker.alarms.set("disk")
    client.publish("q", b"")
    client.is_read = False
    broker.alarms.set("memory")
    (told,) = late.publish("q", b"")
    assert told.method.reason == "low on disk & memory"
    broker.alarms.clear("disk")
    assert client.received() == late.received() == []
    assert not client.is_read
    broker.alarms.clear("memory")
    assert names(client.received()) == names(late.received()) == ["Connection.Unblocked"]
    assert client.is_read


def test_who_opens_during_an_alarm_is_blocked_when_it_publishes() -> None:
    broker = with_queue()
    broker.alarms.set("memory")
    client = Publisher.on(broker)
    client.send(Channel.Open(), channel=2)
    assert client.session.channels.fast == {}
    assert names(client.feed(publish_frames("q", b"", channel=2))) == ["Connection.Blocked"]
    broker.alarms.clear("memory")
    assert sorted(client.session.channels.fast) == [1, 2]


@pytest.mark.parametrize("body", [b"", b"body"])
def test_who_is_refused_is_blocked_all_the_same(body: bytes) -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    frames = publish_frames("q", body, exchange="none") + method_frame(Channel.Open(), 2)
    told = names(client.feed(frames))
    assert told == (["Connection.Blocked"] if body else ["Connection.Blocked", "Channel.Close"])
    broker.alarms.clear("memory")
    told += names([*client.received(), *client.heard()])
    assert sorted(told) == ["Channel.Close", "Channel.OpenOk", "Connection.Blocked", "Connection.Unblocked"]
    assert sorted(client.session.channels.fast) == [2]


def test_a_blocked_connection_goes_on_being_told() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    client.send(Basic.Qos(prefetch_count=1), Basic.Consume(queue="q"))
    broker.alarms.set("memory")
    assert names(client.publish("q", b"")) == ["Connection.Blocked", "Basic.Deliver"]
    Publisher.on(broker).publish("q", b"")
    assert client.send(Basic.Ack(1)) == []
    broker.alarms.clear("memory")
    client.received()
    assert names(client.heard()) == ["Basic.Deliver"]


def test_a_blocked_connection_is_not_expected_to_say_that_it_lives() -> None:
    broker = with_queue()
    client = Publisher(broker)
    client.feed(b"AMQP\0\0\x09\1")
    start_ok = Connection.StartOk({"capabilities": {**AWARE}}, "PLAIN", "\0guest\0guest", "en_US")
    client.send(start_ok, Connection.TuneOk(2047, 131_072, 10), Connection.Open("/"), channel=0)
    client.send(Channel.Open())
    broker.alarms.set("memory")
    client.publish("q")
    beats = client.wait(100_000)
    assert len(beats) == 20
    assert all(map(is_heartbeat, beats))
    broker.alarms.clear("memory")
    client.wait(40_000)
    assert client.session.is_closed


@pytest.mark.parametrize("ending", ["closed", "lost"])
def test_a_blocked_connection_can_end(ending: str) -> None:
    """If it is closed it must be heard again, for its close-ok; what else it said does not count any more."""
    broker = with_queue()
    client = Publisher.on(broker)
    client.send(Queue.Declare(queue="mine", exclusive=True))
    broker.alarms.set("memory")
    client.publish("q")
    client.publish("q", b"")
    client.is_read = False
    if ending == "closed":
        client.session.close("enough")
        assert names(client.received()) == ["Connection.Close"]
        assert client.session.state is State.CLOSING
        assert names(client.heard()) == []
        client.send(Connection.CloseOk(), channel=0)
    else:
        client.session.lost()
        client.finish()
    assert client.session.is_closed
    assert ready(broker) == 0
    assert remains(broker) == {}
    broker.alarms.clear("memory")
    assert client.received() == []


def test_bad_frames_that_wait_are_found_when_they_are_heard() -> None:
    broker = with_queue()
    client = Publisher.on(broker)
    broker.alarms.set("memory")
    assert names(client.feed(publish_frames("q", b"1") + raw_frame(BODY, 1, b"x")[:-1] + b"x")) == [
        "Connection.Blocked"
    ]
    broker.alarms.clear("memory")
    client.received()
    (close,) = client.heard()
    assert close.method.reply_code == 501
    assert client.session.is_closed
    assert ready(broker) == 1
