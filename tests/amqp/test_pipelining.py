"""How bytes are cut into chunks is nobody's business: not a client's, not the outcome's.

The few things that may differ are written here: confirms are coalesced at the end of a turn, and an ack, which comes
once a message, is settled at the end of its turn (all other methods at once).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx

from .client import HEADER, OPENING, Client, Received, method_frame, names, publish_frames, remains

HANDSHAKE = HEADER + b"".join(method_frame(method, 0) for method in OPENING)
BYE = method_frame(Connection.Close(200, "bye", 0, 0), 0)
QUEUES = ("a", "b", "")
CHANNELS = (1, 2)
EXAMPLES = settings(deadline=None, derandomize=True, max_examples=60)

Operation: TypeAlias = "st.SearchStrategy[bytes]"


def method(make: Callable[..., object], **fields: "st.SearchStrategy[object]") -> Operation:
    built = st.builds(make, **fields)
    return st.builds(method_frame, built, st.sampled_from(CHANNELS))


flag = st.booleans()
queue = st.sampled_from(QUEUES)
tag = st.integers(1, 6)

topology = st.one_of(
    method(Channel.Open),
    method(lambda: Channel.Close(200, "bye", 0, 0)),
    method(Channel.CloseOk),
    method(Queue.Declare, queue=queue, exclusive=flag, auto_delete=flag, passive=flag, nowait=flag),
    method(Queue.Delete, queue=queue, if_unused=flag, if_empty=flag),
    method(Queue.Purge, queue=queue),
    method(Queue.Bind, queue=queue, exchange=st.sampled_from(["amq.fanout", "x"])),
    method(Exchange.Declare, exchange=st.just("x"), exchange_type=st.just("direct"), auto_delete=flag),
)
publishing = st.builds(
    publish_frames,
    queue,
    st.sampled_from([b"", b"hello", b"x" * 200]),
    channel=st.sampled_from(CHANNELS),
    exchange=st.sampled_from(["", "amq.fanout", "x"]),
    mandatory=flag,
    part_max=st.sampled_from([100, 131_064]),
)
consuming = st.one_of(
    method(Basic.Consume, queue=queue, no_ack=flag, consumer_tag=st.sampled_from(["", "c", "d"])),
    method(Basic.Cancel, consumer_tag=st.sampled_from(["c", "d"])),
    method(Basic.Get, queue=queue, no_ack=flag),
    method(Basic.Qos, prefetch_count=st.integers(0, 2), global_=flag),
    method(Basic.Nack, delivery_tag=tag, multiple=flag, requeue=flag),
    method(Basic.Reject, delivery_tag=tag, requeue=flag),
    method(Basic.Recover, requeue=st.just(True)),
    method(Tx.Select),
    method(Tx.Rollback),
    method(Tx.Commit),
)
answering = st.one_of(method(Basic.Ack, delivery_tag=tag, multiple=flag), method(Confirm.Select))


def play(stream: bytes, cuts: list[int]) -> Client:
    """A client that has sent the stream in chunks; its answers are still to be read."""
    client = Client()
    for start, stop in pairwise(sorted({0, *cuts, len(stream)})):
        client.session.receive(stream[start:stop], 0)
        client.broker.settle()
    return client


def cuts_of(stream: bytes) -> "st.SearchStrategy[list[int]]":
    every = list(range(len(stream)))
    return st.one_of(st.just(every), st.lists(st.sampled_from(every), max_size=20))


def opened_with(operations: list[bytes]) -> bytes:
    return HANDSHAKE + b"".join(method_frame(Channel.Open(), number) for number in CHANNELS) + b"".join(operations)


def test_a_whole_session_in_one_chunk() -> None:
    operations = [
        method_frame(Queue.Declare(queue="q"), 1),
        method_frame(Basic.Consume(queue="q"), 2),
        publish_frames("q", b"hello"),
        method_frame(Basic.Ack(1), 2),
    ]
    client = play(opened_with(operations) + BYE, [])
    assert names(client.received()) == [
        "Connection.Start",
        "Connection.Tune",
        "Connection.OpenOk",
        "Channel.OpenOk",
        "Channel.OpenOk",
        "Queue.DeclareOk",
        "Basic.ConsumeOk",
        "Basic.Deliver",
        "Connection.CloseOk",
    ]
    assert remains(client.broker) == {}
    assert not client.broker.vhosts["/"].queues["q"].ready_count


@EXAMPLES
@given(st.lists(st.one_of(topology, publishing, consuming), max_size=25), flag, st.data())
def test_the_same_bytes_get_the_same_answers(operations: list[bytes], polite: bool, data: st.DataObject) -> None:
    stream = opened_with(operations) + BYE * polite
    whole = play(stream, [])
    cut = play(stream, data.draw(cuts_of(stream)))
    assert cut.take_output() == whole.take_output()
    assert cut.session.state is whole.session.state
    for client in whole, cut:
        client.session.lost()
        assert remains(client.broker) == {}


def confirmed(received: list[Received]) -> list[tuple[int, int]]:
    """Which messages of which channel were confirmed, in order."""
    told: dict[int, int] = {}
    found = []
    for each in received:
        if each.name == "Basic.Ack":
            last = told.get(each.channel, 0) if each.method.multiple else each.method.delivery_tag - 1
            found += [(each.channel, number) for number in range(last + 1, each.method.delivery_tag + 1)]
            told[each.channel] = each.method.delivery_tag
    return sorted(found)


def said(received: list[Received], *, deliveries: bool) -> list[tuple[str, bytes]]:
    wanted = [each for each in received if deliveries == (each.name == "Basic.Deliver")]
    return [(repr(each), each.body) for each in wanted if each.name != "Basic.Ack"]


one_queue = st.one_of(
    st.builds(publish_frames, st.sampled_from("aa?"), st.sampled_from([b"", b"hello"]), mandatory=flag),
    st.builds(method_frame, st.builds(Basic.Ack, tag, flag), st.just(1)),
    st.builds(method_frame, st.builds(Basic.Nack, tag, flag, flag), st.just(1)),
    st.builds(method_frame, st.builds(Basic.Get, queue=st.just("a")), st.just(2)),
    st.builds(method_frame, st.just(Channel.Close(200, "bye", 0, 0)), st.just(2)),
)


@EXAMPLES
@given(st.integers(0, 2), st.lists(one_queue, max_size=25), st.data())
def test_acks_and_confirms_are_the_same_in_sum(prefetch: int, operations: list[bytes], data: st.DataObject) -> None:
    first = [Queue.Declare(queue="a"), Basic.Qos(prefetch_count=prefetch), Basic.Consume(queue="a"), Confirm.Select()]
    stream = opened_with([*(method_frame(each, 1) for each in first), *operations])
    whole = play(stream, []).received()
    cut = play(stream, data.draw(cuts_of(stream))).received()
    assert confirmed(cut) == confirmed(whole)
    for deliveries in True, False:
        assert said(cut, deliveries=deliveries) == said(whole, deliveries=deliveries)
