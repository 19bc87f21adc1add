"""Consumers by the stream protocol."""

from typing import Any

import pytest

from amqpy.config import Config
from amqpy.wire.stream_frames import Code, Key, array, long, longlong, octet, properties, short, string
from tests.amqp.client import make_broker
from tests.stream.client import FIRST, NEXT, Client, Told, deliveries, entry, with_stream


def test_credit_counts_chunks() -> None:
    client = with_stream(b"a", b"b", b"c", b"d", b"e")
    assert [each.offset for each in deliveries(client.subscribe("s", credit=2))] == [0, 1]
    assert client.notify(Key.CREDIT, octet(0) + short(1)) == []
    assert [each.offset for each in deliveries(client.notify(Key.CREDIT, octet(0) + short(1)))] == [2, 3]


def test_credit_in_3_10_is_used_at_once() -> None:
    client = Client.opened(make_broker(Config(profile="rabbitmq-3.10")))
    client.create("s")
    client.declare("s")
    for _ in range(4):
        client.publish(b"a")
    client.subscribe("s", credit=2)
    assert [each.offset for each in deliveries(client.notify(Key.CREDIT, octet(0) + short(1)))] == [2]


def test_credit_of_an_unknown_subscription() -> None:
    client = Client.opened()
    (told,) = client.notify(Key.CREDIT, octet(3) + short(1))
    assert (told.key, told.is_response, told.body) == (Key.CREDIT, True, short(4) + octet(3))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (FIRST, [0, 2, 3]),
        (short(2), [3]),
        (NEXT, []),
        (short(4) + longlong(1), [0, 2, 3]),
        (short(4) + longlong(2), [2, 3]),
        (short(4) + longlong(99), []),
        (short(5) + longlong(0), [0, 2, 3]),
        (short(5) + longlong(1 << 50), []),
    ],
)
def test_places(place: bytes, expected: list[int]) -> None:
    client = with_stream()
    client.publish(b"a", b"b")
    client.publish(b"c")
    client.publish(b"d")
    assert [each.offset for each in deliveries(client.subscribe("s", place=place))] == expected
    assert [each.offset for each in deliveries(client.publish(b"e"))] == [4]


def test_what_refuses_a_subscription() -> None:
    client = with_stream()
    assert client.subscribe("nothing")[0].code is Code.STREAM_DOES_NOT_EXIST
    assert client.subscribe("s")[0].code is Code.OK
    assert client.subscribe("s")[0].code is Code.SUBSCRIPTION_ID_ALREADY_EXISTS
    assert client.subscribe("s", 1, single_active_consumer="true")[0].code is Code.PRECONDITION_FAILED
    assert client.code(Key.UNSUBSCRIBE, octet(0)) is Code.OK
    assert client.code(Key.UNSUBSCRIBE, octet(0)) is Code.SUBSCRIPTION_ID_DOES_NOT_EXIST
    assert deliveries(client.publish(b"x")) == []


def test_the_second_version_of_deliver_has_the_committed_chunk() -> None:
    client = with_stream(b"a", b"b")
    client.ask(Key.EXCHANGE_COMMAND_VERSIONS, array([short(8) + short(1) + short(2)]))
    assert [each.committed for each in deliveries(client.subscribe("s"))] == [1, 1]


def test_filters() -> None:
    client = with_stream()
    for value in (b"red", b"blue", b""):
        body = octet(0) + long(1) + longlong(0) + short(len(value)) + value + entry(b"a")
        client.notify(Key.PUBLISH, body, 2)
    given = properties({"filter.0": "red"})
    told = client.call(Key.SUBSCRIBE, octet(0) + string("s") + FIRST + short(10) + given)
    assert [each.offset for each in deliveries(told)] == [0]
    given = properties({"filter.0": "red", "match-unfiltered": "true"})
    told = client.call(Key.SUBSCRIBE, octet(1) + string("s") + FIRST + short(10) + given)
    assert [each.offset for each in deliveries(told)] == [0, 2]


def test_a_client_that_does_not_read_gets_no_more_chunks() -> None:
    client = with_stream()
    for number in range(20):
        client.publish(bytes(100_000), first=number)
    reader = Client.opened(client.broker)
    data = octet(0) + string("s") + FIRST + short(100) + array([])
    command = short(Key.SUBSCRIBE) + short(1) + long(9) + data
    reader.session.receive(long(len(command)) + command, 0)
    reader.broker.settle()
    assert reader.session.outbox.size < 1_000_000
    found = len(deliveries(reader.received()))
    while found < 20:
        reader.session.resume_consumers()
        reader.broker.settle()
        found += (more := len(deliveries(reader.received())))
        assert more


def test_offsets_are_stored() -> None:
    client = with_stream(b"a")

    def query(reference: str, name: str = "s") -> tuple[Code, bytes]:
        told = client.ask(Key.QUERY_OFFSET, string(reference) + string(name))
        return told.code, told.rest

    assert query("c") == (Code.NO_OFFSET, longlong(0))
    assert query("c", "nothing") == (Code.STREAM_DOES_NOT_EXIST, longlong(0))
    for offset in (7, 3):
        assert client.notify(Key.STORE_OFFSET, string("c") + string("s") + longlong(offset)) == []
        assert query("c") == (Code.OK, longlong(offset))
    assert client.notify(Key.STORE_OFFSET, string("c") + string("nothing") + longlong(1)) == []


# --- single active consumers


def update(told: Told) -> tuple[int, bool]:
    """The subscription of an update, and whether it is active."""
    assert (told.key, told.is_response) == (Key.CONSUMER_UPDATE, False)
    return told.body[4], bool(told.body[5])


def answer(client: Client, told: Told, place: bytes = short(0)) -> list[Told]:
    return client.notify(0x8000 | Key.CONSUMER_UPDATE, told.body[:4] + short(1) + place)


def test_a_single_consumer_is_active() -> None:
    client = with_stream(b"a", b"b")
    more: dict[str, Any] = {"single_active_consumer": "true", "name": "g"}
    _, told = client.subscribe("s", 0, **more)
    assert update(told) == (0, True)
    assert len(client.subscribe("s", 1, **more)) == 1
    assert [each.offset for each in deliveries(answer(client, told))] == [0, 1]
    (error,) = client.notify(Key.CREDIT, octet(1) + short(1))
    assert error.body == short(17) + octet(1)
    unsubscribed, told = client.call(Key.UNSUBSCRIBE, octet(0))
    assert unsubscribed.code is Code.OK
    assert update(told) == (1, True)
    assert [each.offset for each in deliveries(answer(client, told, short(4) + longlong(1)))] == [1]


def test_the_next_one_is_active_when_a_connection_is_lost() -> None:
    client = with_stream(b"a")
    other = Client.opened(client.broker)
    more: dict[str, Any] = {"single_active_consumer": "true", "name": "g"}
    client.subscribe("s", **more)
    other.subscribe("s", **more)
    client.session.lost()
    (told,) = other.received()
    assert update(told) == (0, True)


def test_partitions_are_shared_out() -> None:
    client = Client.opened()
    two = array([string("p0"), string("p1")])
    assert client.code(Key.CREATE_SUPER_STREAM, string("x") + two + two + array([])) is Code.OK
    more: dict[str, Any] = {"single_active_consumer": "true", "name": "g", "super_stream": "x"}
    _, first = client.subscribe("p1", 0, **more)
    assert update(first) == (0, True)
    answer(client, first)
    _, told = client.subscribe("p1", 1, **more)
    assert update(told) == (0, False)
    (told,) = answer(client, told)
    assert update(told) == (1, True)
