"""Sessions of the stream protocol: connections, streams, publishers."""

import struct

import pytest

from amqpy.amqp.terms import Peer
from amqpy.config import Config
from amqpy.core.durability.journal import Journal
from amqpy.core.queues.stream import StreamQueue
from amqpy.store.memory import MemoryStore
from amqpy.wire.stream_frames import (
    ENTRIES_MAX,
    Code,
    Key,
    array,
    long,
    longlong,
    octet,
    octets,
    properties,
    short,
    string,
)
from tests.amqp.client import Client as AmqpClient
from tests.amqp.client import make_broker, publish_frames
from tests.stream.client import Client, Delivery, Told, confirmed, deliveries, delivery, entry, with_stream


def stream_of(client: Client, name: str = "s") -> StreamQueue:
    queue = client.broker.vhosts["/"].queues[name]
    assert isinstance(queue, StreamQueue)
    return queue


# --- the connection


def test_a_secret_is_renewed_by_the_same_user() -> None:
    client = Client.opened(make_broker(Config(profile="rabbitmq-4.0")))

    def again(response: bytes, mechanism: str = "PLAIN") -> Code:
        return client.code(Key.SASL_AUTHENTICATE, string(mechanism) + octets(response))

    assert again(b"\0guest\0guest") is Code.OK
    assert again(b"\0guest\0wrong") is Code.AUTHENTICATION_FAILURE
    assert again(b"\0reader\0hunter2") is Code.SASL_CANNOT_CHANGE_USERNAME
    assert again(b"x") is Code.SASL_ERROR
    assert again(b"", "AMQPLAIN") is Code.SASL_CANNOT_CHANGE_MECHANISM
    assert client.session.user_name == "guest"
    assert Client.opened().call(Key.SASL_AUTHENTICATE, string("PLAIN") + octets(b""))[0].key == Key.CLOSE


def test_a_connection_is_opened_and_closed() -> None:
    client = Client(peer=Peer("a -> b", "10.0.0.1", 1, "10.0.0.2", 5552))
    answer, tune = client.log_in()
    assert answer.code is Code.OK
    assert (tune.key, tune.is_response, tune.body) == (Key.TUNE, False, long(1 << 20) + long(60))
    client.notify(Key.TUNE, tune.body)
    opened = client.ask(Key.OPEN, string("/"))
    assert opened.rest == properties({"advertised_host": "10.0.0.2", "advertised_port": "5552"})
    assert client.entries == [True]
    assert client.code(Key.CLOSE, short(1) + string("bye")) is Code.OK
    assert client.session.is_closed
    assert not client.broker.vhosts["/"].clients


@pytest.mark.parametrize(
    ("user", "password", "from_loopback", "code"),
    [
        ("guest", "wrong", True, Code.AUTHENTICATION_FAILURE),
        ("guest", "guest", False, Code.SASL_AUTHENTICATION_FAILURE_LOOPBACK),
    ],
)
def test_a_login_that_fails(user: str, password: str, from_loopback: bool, code: Code) -> None:
    client = Client(from_loopback=from_loopback)
    (answer,) = client.log_in(user, password)
    assert answer.code is code
    assert client.session.is_closed
    assert client.entries == [False]


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (string("NONE") + octets(b""), Code.SASL_MECHANISM_NOT_SUPPORTED),
        (string("PLAIN") + octets(b"x"), Code.SASL_ERROR),
        (string("PLAIN") + b"\xff\xff\xff\xff", Code.SASL_ERROR),
    ],
)
def test_a_login_that_is_none(response: bytes, code: Code) -> None:
    client = Client()
    client.ask(Key.PEER_PROPERTIES, properties({}))
    client.ask(Key.SASL_HANDSHAKE)
    assert client.code(Key.SASL_AUTHENTICATE, response) is code
    assert client.session.is_closed


@pytest.mark.parametrize("vhost", ["/nothing", "/"])
def test_a_virtual_host_that_may_not_be_entered(vhost: str) -> None:
    client = Client()
    client.log_in("outsider", "hunter2")
    client.notify(Key.TUNE, long(0) + long(0))
    assert client.code(Key.OPEN, string(vhost)) is Code.VIRTUAL_HOST_ACCESS_FAILURE
    assert client.session.is_closed


@pytest.mark.parametrize("key", [Key.OPEN, Key.CREATE, Key.TUNE, Key.SASL_AUTHENTICATE])
def test_a_command_out_of_its_step_ends_the_connection_without_a_word(key: Key) -> None:
    client = Client()
    body = {Key.OPEN: string("/"), Key.TUNE: long(0) * 2, Key.CREATE: string("s") + array([])}
    assert client.notify(key, long(0) * (key is not Key.TUNE) + body.get(key, string("PLAIN") + octets(b""))) == []
    assert client.session.is_closed


def test_a_step_that_takes_too_long() -> None:
    client = Client()
    client.ask(Key.PEER_PROPERTIES, properties({}))
    client.wait(10_000)
    assert client.session.is_closed


@pytest.mark.parametrize("key", [0, 3, 8, 16, 17, 26, 31, 99, 0x8000 | Key.CREATE])
def test_an_unknown_frame_closes_the_connection(key: int) -> None:
    client = Client.opened()
    (told,) = client.notify(key, long(1) + array([]))
    assert (told.key, told.is_response) == (Key.CLOSE, False)
    assert told.body == long(1) + short(Code.UNKNOWN_FRAME) + string("unknown frame")
    assert client.call(Key.DELETE, string("s")) == []
    assert not client.session.is_closed
    client.notify(0x8000 | Key.CLOSE, long(1) + short(1))
    assert client.session.is_closed


def test_a_close_that_is_not_answered() -> None:
    client = Client.opened()
    client.notify(99)
    client.wait(10_000)
    assert client.session.is_closed


def test_a_frame_that_is_too_large() -> None:
    client = Client.opened()
    (told,) = client.feed(long(1 << 30))
    assert told.body == long(1) + short(Code.FRAME_TOO_LARGE) + string("frame too large")
    early = Client()
    assert early.feed(long(1 << 20)) == []
    assert early.session.is_closed


def test_heartbeats() -> None:
    client = Client()
    client.log_in()
    client.notify(Key.TUNE, long(0) + long(10))
    client.ask(Key.OPEN, string("/"))
    assert [each.key for each in client.wait(5_000)] == [Key.HEARTBEAT]
    client.notify(Key.HEARTBEAT)
    client.wait(30_000)
    assert client.session.is_closed


def test_an_administrator_closes_a_connection() -> None:
    client = Client.opened()
    client.session.close("why not")
    (told,) = client.received()
    assert told.body == long(1) + short(1) + string("why not")


# --- streams


def test_create_and_delete() -> None:
    client = Client.opened()
    client.create("s", max_age="1h", max_length_bytes="1000")
    given = {"max-age": "1h", "max-length-bytes": "1000"}
    assert client.code(Key.CREATE, string("s") + properties(given)) is Code.STREAM_ALREADY_EXISTS
    assert client.code(Key.CREATE, string("s") + properties({})) is Code.PRECONDITION_FAILED
    assert stream_of(client).log.bytes_max == 1000
    assert client.code(Key.DELETE, string("s")) is Code.OK
    assert client.code(Key.DELETE, string("s")) is Code.STREAM_DOES_NOT_EXIST


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("", {}),
        ("amq.s", {}),
        ("x" * 256, {}),
        ("s", {"max-age": "1x"}),
        ("s", {"max-length-bytes": "-1"}),
        ("s", {"max-length-bytes": "abc"}),
        ("s", {"stream-max-segment-size-bytes": "3000000001"}),
        ("s", {"stream-filter-size-bytes": "1"}),
    ],
)
def test_what_cannot_be_created(name: str, given: dict[str, str]) -> None:
    client = Client.opened()
    assert client.code(Key.CREATE, string(name) + properties(given)) is Code.PRECONDITION_FAILED
    assert not client.broker.vhosts["/"].queues


def test_metadata() -> None:
    client = Client.opened()
    client.create("s")
    told = client.call(Key.METADATA, array([string("s"), string("t")]))
    brokers = array([short(0) + string("localhost") + long(0)])
    streams = [string("s") + short(1) + short(0) + array([]), string("t") + short(2) + short(0xFFFF) + array([])]
    assert told[0].body[4:] == brokers + array(streams)
    (told_none,) = client.call(Key.METADATA, array([string("t")]))
    assert told_none.body[4:] == array([]) + array(streams[1:])


def test_all_who_use_a_stream_are_told_that_it_is_gone() -> None:
    client = with_stream()
    other = Client.opened(client.broker)
    other.subscribe("s")
    answer, update = client.call(Key.DELETE, string("s"))
    assert (answer.key, answer.code) == (Key.DELETE, Code.OK)
    for told in (update, *other.received()):
        assert (told.key, told.body) == (Key.METADATA_UPDATE, short(6) + string("s"))
    assert client.publish(b"x")[0].key == Key.PUBLISH_ERROR
    assert other.code(Key.UNSUBSCRIBE, octet(0)) is Code.SUBSCRIPTION_ID_DOES_NOT_EXIST


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (Key.CREATE, string("t") + array([])),
        (Key.DELETE, string("s")),
        (Key.DECLARE_PUBLISHER, octet(0) + string("") + string("s")),
        (Key.CREATE_SUPER_STREAM, string("x") + array([string("a")]) + array([string("a")]) + array([])),
    ],
)
def test_permissions(key: Key, body: bytes) -> None:
    client = with_stream()
    reader = Client.opened(client.broker, "reader", "hunter2")
    assert reader.code(key, body) is Code.ACCESS_REFUSED
    assert reader.subscribe("s")[0].code is Code.OK


def test_stats() -> None:
    client = with_stream()

    def stats() -> bytes:
        return client.ask(Key.STREAM_STATS, string("s")).rest

    names = ("first_chunk_id", "last_chunk_id", "committed_chunk_id")
    assert stats() == array([string(name) + struct.pack(">q", -1) for name in names])
    client.publish(b"a", b"b")
    client.publish(b"c")
    values = zip(names, (0, 2, 2), strict=True)
    assert stats() == array([string(name) + struct.pack(">q", value) for name, value in values])


def test_versions_of_commands() -> None:
    client = Client.opened()
    rest = client.ask(Key.EXCHANGE_COMMAND_VERSIONS, array([short(8) + short(1) + short(2)])).rest
    keys = (1, 2, 5, 6, 7, *range(9, 16), 22, 23, 24, 25, 28, 29, 30)
    assert rest == array([short(key) + short(1) + short(2 if key == 2 else 1) for key in keys])


# --- publishing


def test_messages_are_confirmed_and_delivered_in_chunks() -> None:
    client = with_stream()
    assert confirmed(client.publish(b"a", b"b", first=5)) == [(0, [5, 6])]
    answer, chunk = client.subscribe("s")
    assert answer.code is Code.OK
    assert delivery(chunk) == Delivery(0, 0, 2, 2, entry(b"a") + entry(b"b"))
    told = client.publish(b"c")
    assert deliveries(told) == [Delivery(0, 2, 1, 1, entry(b"c"))]


def test_a_confirm_waits_until_the_message_is_durable() -> None:
    store = MemoryStore()
    journal = Journal(store, lambda: 0)
    broker = make_broker(journal=journal)
    client = Client(broker)
    client.log_in()
    client.notify(Key.TUNE, long(0) + long(0))
    client.ask(Key.OPEN, string("/"))

    def write() -> list[Told]:
        batch = journal.take()
        assert batch is not None
        store.append(batch)
        store.sync()
        journal.written()
        broker.settle()
        return client.received()

    assert client.call(Key.CREATE, string("s") + array([])) == []
    assert write()[0].code is Code.OK
    assert client.declare("s", reference="p") is Code.OK
    assert client.subscribe("s")[0].code is Code.OK
    assert client.publish(b"a") == []
    assert client.publish(b"a") == []  # again, which is no confirm of the first one
    told = write()
    assert confirmed(each for each in told if each.key == Key.PUBLISH_CONFIRM) == [(0, [0, 0])]
    assert deliveries(told) == [Delivery(0, 0, 1, 1, entry(b"a"))]


def test_what_is_published_while_another_batch_is_written_is_not_confirmed_with_it() -> None:
    store = MemoryStore()
    journal = Journal(store, lambda: 0)
    broker = make_broker(journal=journal)
    client = Client.opened(broker)

    def begin() -> None:
        batch = journal.take()
        assert batch is not None
        store.append(batch)
        store.sync()

    def end() -> list[Told]:
        journal.written()
        broker.settle()
        return client.received()

    client.call(Key.CREATE, string("s") + array([]))
    begin()
    end()
    client.declare("s")
    client.publish(b"a")
    begin()
    client.publish(b"b", first=1)
    assert confirmed(end()) == [(0, [0])]
    begin()
    assert confirmed(end()) == [(0, [1])]


def test_what_refuses_a_publisher() -> None:
    client = with_stream()
    client.create("t")
    assert client.declare("s") is Code.PRECONDITION_FAILED
    assert client.declare("s", 1, "p") is Code.OK
    assert client.declare("s", 2, "p") is Code.PRECONDITION_FAILED
    assert client.declare("t", 2, "p") is Code.OK
    assert client.declare("nothing", 3) is Code.STREAM_DOES_NOT_EXIST
    assert client.code(Key.DELETE_PUBLISHER, octet(1)) is Code.OK
    assert client.code(Key.DELETE_PUBLISHER, octet(1)) is Code.PUBLISHER_DOES_NOT_EXIST
    (told,) = client.publish(b"x", number=1, first=7)
    assert told.body == octet(1) + array([longlong(7) + short(Code.PUBLISHER_DOES_NOT_EXIST)])


def test_a_permission_that_is_taken_away_counts_for_the_next_publish() -> None:
    client = with_stream(b"1")
    client.users.set_permissions("guest", "/", configure=".*", write="", read=".*")
    (error,) = client.publish(b"2", b"3", first=1)
    assert error.key == Key.PUBLISH_ERROR
    refused = b"".join(longlong(number) + short(Code.ACCESS_REFUSED) for number in (1, 2))
    assert error.body == octet(0) + long(2) + refused
    client.users.set_permissions("guest", "/", configure=".*", write=".*", read=".*")
    assert confirmed(client.publish(b"4", first=3)) == [(0, [3])]


def test_what_a_named_publisher_sends_again_is_not_stored() -> None:
    client = with_stream()
    client.declare("s", 1, "p")
    assert confirmed(client.publish(b"a", b"b", number=1, first=1)) == [(1, [1, 2])]
    assert confirmed(client.publish(b"a", b"b", b"c", number=1, first=1)) == [(1, [1, 2, 3])]
    assert stream_of(client).log.length == 3
    other = Client.opened(client.broker)
    assert other.ask(Key.QUERY_PUBLISHER_SEQUENCE, string("p") + string("s")).rest == longlong(3)
    assert other.ask(Key.QUERY_PUBLISHER_SEQUENCE, string("q") + string("s")).rest == longlong(0)
    assert client.publish(b"a")
    assert client.publish(b"a")
    assert stream_of(client).log.length == 5


def test_whoever_asks_for_a_sequence_is_told_that_the_stream_is_gone() -> None:
    client = Client.opened()
    client.create("s")
    told = client.ask(Key.QUERY_PUBLISHER_SEQUENCE, string("p") + string("t"))
    assert (told.code, told.rest) == (Code.STREAM_DOES_NOT_EXIST, longlong(0))
    client.ask(Key.QUERY_PUBLISHER_SEQUENCE, string("p") + string("s"))
    stream = stream_of(client)
    _, update = client.call(Key.DELETE, string("s"))
    assert update.key == Key.METADATA_UPDATE
    client.create("s")
    client.ask(Key.QUERY_PUBLISHER_SEQUENCE, string("p") + string("s"))
    assert stream_of(client) is not stream
    client.session.lost()
    assert not stream_of(client).native.followers


def test_no_string_is_no_command() -> None:
    client = Client.opened()
    (told,) = client.call(Key.DELETE, b"\xff\xff")
    assert told.key == Key.CLOSE


def test_sub_batches_are_kept_as_they_are() -> None:
    client = with_stream()
    batch = bytes((0x80 | 1 << 4,)) + struct.pack(">HII", 3, 99, 4) + b"gzip"
    client.notify(Key.PUBLISH, octet(0) + long(1) + longlong(1) + batch)
    client.publish(b"after", first=2)
    assert deliveries(client.subscribe("s")) == [
        Delivery(0, 0, 1, 3, batch),
        Delivery(0, 3, 1, 1, entry(b"after")),
    ]


def test_an_empty_sub_batch_is_refused_with_all_behind_it() -> None:
    client = with_stream()
    empty = bytes((0x80,)) + struct.pack(">HII", 0, 0, 0)
    good = entry(b"good")
    body = longlong(1) + good + longlong(2) + empty + longlong(3) + good
    error, confirm = client.notify(Key.PUBLISH, octet(0) + long(3) + body)
    refused = [longlong(number) + short(Code.PRECONDITION_FAILED) for number in (2, 3)]
    assert error.body == octet(0) + array(refused)
    assert confirmed([confirm]) == [(0, [1])]


def test_amqp_messages_and_those_of_the_stream_protocol_are_in_one_stream() -> None:
    client = with_stream(b"\0Su\xa0\5first")
    amqp = AmqpClient.opened(client.broker)
    amqp.feed(publish_frames("s", b"second"))
    client.broker.settle()
    found = deliveries(client.subscribe("s"))
    assert [each.offset for each in found] == [0, 1]
    assert found[1].data.endswith(b"\0Su\xa0\6second")


# --- super streams


def test_super_streams() -> None:
    client = Client.opened()
    streams, keys = array([string("p1"), string("p0")]), array([string("b"), string("a")])
    assert client.code(Key.CREATE_SUPER_STREAM, string("x") + streams + keys + array([])) is Code.OK
    again = string("x") + streams + keys + array([])
    assert client.code(Key.CREATE_SUPER_STREAM, again) is Code.STREAM_ALREADY_EXISTS
    uneven = string("y") + array([string("q")]) + array([]) + array([])
    assert client.code(Key.CREATE_SUPER_STREAM, uneven) is Code.PRECONDITION_FAILED
    assert client.ask(Key.PARTITIONS, string("x")).rest == streams
    assert client.ask(Key.ROUTE, string("a") + string("x")).rest == array([string("p0")])
    assert client.ask(Key.ROUTE, string("c") + string("x")).rest == array([])
    gone = client.ask(Key.PARTITIONS, string("y"))
    assert (gone.code, gone.rest) == (Code.STREAM_DOES_NOT_EXIST, array([]))
    assert client.code(Key.DELETE_SUPER_STREAM, string("x")) is Code.OK
    assert not client.broker.vhosts["/"].queues
    assert client.code(Key.DELETE_SUPER_STREAM, string("x")) is Code.STREAM_DOES_NOT_EXIST


def test_a_publish_of_very_many_messages_is_taken_in_parts() -> None:
    """Others have their turns between them, and what comes behind it waits."""
    count = 2 * ENTRIES_MAX + 1
    client = with_stream()
    messages = [b"%d" % number for number in range(count)]
    told = client.publish(*messages)
    assert confirmed(told) == [(0, list(range(ENTRIES_MAX)))]
    told = client.call(Key.QUERY_OFFSET, string("me") + string("s"))
    assert confirmed(told) == [(0, list(range(ENTRIES_MAX, 2 * ENTRIES_MAX)))]
    answer, last = client.feed(b"")
    assert confirmed([last]) == [(0, [2 * ENTRIES_MAX])]
    assert answer.code is Code.NO_OFFSET
    found = client.subscribe("s", credit=100)
    assert sum(each.records for each in deliveries(found)) == count
