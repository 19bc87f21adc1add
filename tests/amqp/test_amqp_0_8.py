"""Clients that speak AMQP 0-8, whose frames are written and read here by hand: pamqp knows 0-9-1 only."""

import struct
from random import Random

import pytest
from pamqp.commands import Basic, Queue

from amqpy.amqp.connection_events import of_connection, of_login
from amqpy.amqp.state import State
from amqpy.core.broker import Broker
from amqpy.wire.values import Field, encode_table, table_field

from .client import Client, Received, content_frames, make_broker, names, publish_frames, raw_frame

OLD_HEADERS = {"8-0": b"AMQP\x01\x01\x08\x00", "9-1": b"AMQP\x01\x01\x09\x01"}
EMPTY = b"\0\0\0\0"
BYE = struct.pack(">H", 200) + b"\x03bye" + EMPTY

Frame = tuple[int, tuple[int, int] | None, bytes]
"""Channel, class id and method id of a method, and what follows them."""


def short(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def method(class_id: int, number: int, arguments: bytes = b"", channel: int = 1) -> bytes:
    return raw_frame(1, channel, struct.pack(">HH", class_id, number) + arguments)


def frames_of(data: bytes) -> list[Frame]:
    found: list[Frame] = []
    while data:
        kind, channel, size = struct.unpack_from(">BHI", data)
        payload, end, data = data[7 : 7 + size], data[7 + size], data[8 + size :]
        assert end == 0xCE
        if kind == 1:
            class_id, number = struct.unpack_from(">HH", payload)
            found.append((channel, (class_id, number), payload[4:]))
        else:
            found.append((channel, None, payload))
    return found


def closed(code: int, text: str, ids: tuple[int, int] = (0, 0)) -> Frame:
    """connection.close as 0-8 has it."""
    return 0, (10, 60), struct.pack(">H", code) + short(text) + struct.pack(">HH", *ids)


class OldClient(Client):
    """Says and hears raw frames."""

    def say(self, *frames: bytes) -> list[Frame]:
        self.session.receive(b"".join(frames), self.now_ms)
        self.broker.settle()
        return self.heard()

    def heard(self) -> list[Frame]:
        return frames_of(self.take_output())

    def received(self) -> list[Received]:
        raise AssertionError("nobody understands this")

    @classmethod
    def login(cls, broker: Broker | None = None, *, claims: tuple[str, ...] = (), channel: bool = True) -> "OldClient":
        client = cls(broker)
        client.say(OLD_HEADERS["8-0"])
        client.say(start_ok("\0guest\0guest", claims=claims))
        client.say(method(10, 31, struct.pack(">HIH", 2047, 131072, 0), 0))
        assert client.say(method(10, 40, b"\x01/\0\0", 0)) == [(0, (10, 41), b"\0")]
        if channel:
            # The one reply that is shorter than in 0-9-1.
            assert client.say(method(20, 10, b"\0")) == [(1, (20, 11), b"")]
        return client

    def declare(self, queue: str, arguments: bytes = b"") -> list[Frame]:
        table = struct.pack(">I", len(arguments)) + arguments
        return self.say(method(50, 10, b"\0\0" + short(queue) + b"\0" + table))

    def consume(self, queue: str, tag: str = "c", bits: int = 2) -> list[Frame]:
        return self.say(method(60, 20, b"\0\0" + short(queue) + short(tag) + bytes((bits,))))


def start_ok(response: str, mechanism: str = "PLAIN", claims: tuple[str, ...] = ()) -> bytes:
    capabilities = {name: Field("bool", True) for name in claims}
    properties = encode_table({"capabilities": table_field(capabilities)})
    arguments = struct.pack(">I", len(properties)) + properties + short(mechanism)
    return method(10, 11, arguments + struct.pack(">I", len(response)) + response.encode() + short("en_US"), 0)


# --- the handshake


@pytest.mark.parametrize("header", OLD_HEADERS.values(), ids=OLD_HEADERS)
def test_start_announces_8_0_and_no_capabilities(header: bytes) -> None:
    ((channel, ids, arguments),) = OldClient().say(header)
    assert (channel, ids, arguments[:2]) == (0, (10, 10), b"\x08\x00")
    assert b"\x0ccapabilitiesF" + EMPTY in arguments
    assert arguments.endswith(b"\0\0\0\x0ePLAIN AMQPLAIN\0\0\0\x05en_US")


NEIGHBOURS = [
    (1, 1, 8, 1),
    (1, 1, 8, 9),
    (1, 1, 9, 0),
    (1, 1, 0, 8),
    (0, 0, 8, 0),
    (0, 1, 8, 0),
    (1, 0, 8, 0),
    (2, 1, 8, 0),
]


@pytest.mark.parametrize("numbers", NEIGHBOURS, ids=str)
def test_headers_that_are_nearly_those(numbers: tuple[int, ...]) -> None:
    client = OldClient()
    client.session.receive(b"AMQP" + bytes(numbers), 0)
    assert client.take_output() == b"AMQP\0\0\x09\x01"
    assert client.session.is_closed


def test_amqplain_and_a_refused_vhost() -> None:
    client = OldClient()
    client.say(OLD_HEADERS["9-1"])
    login = encode_table({"LOGIN": Field("longstr", "guest"), "PASSWORD": Field("longstr", "guest")}).decode()
    assert client.say(start_ok(login, "AMQPLAIN")) == [(0, (10, 30), struct.pack(">HIH", 2047, 131072, 60))]
    client.say(method(10, 31, struct.pack(">HIH", 2047, 131072, 0), 0))
    refused = client.say(method(10, 40, b"\x04nope\0\0", 0))
    assert refused == [closed(530, "NOT_ALLOWED - vhost nope not found", (10, 40))]
    client.say(method(10, 61, channel=0))
    assert client.session.is_closed


def test_a_refused_login_is_told_with_the_numbers_of_0_8() -> None:
    client = OldClient()
    client.say(OLD_HEADERS["8-0"])
    (close,) = client.say(start_ok("\0guest\0wrong", claims=("authentication_failure_close",)))
    assert close[:2] == (0, (10, 60))
    assert close[2].startswith(b"\x01\x93")


def test_everything_in_one_piece() -> None:
    client = OldClient()
    heard = client.say(
        OLD_HEADERS["8-0"],
        start_ok("\0guest\0guest"),
        method(10, 31, struct.pack(">HIH", 10, 4096, 0), 0),
        method(10, 40, b"\x01/\0\0", 0),
        method(20, 10, b"\0"),
        method(10, 60, BYE, 0),
    )
    assert [ids for _, ids, _ in heard] == [(10, 10), (10, 30), (10, 41), (20, 11), (10, 61)]


def test_events_name_the_version() -> None:
    for client, number in ((OldClient.login(), "{0,8,0}"), (Client.opened(), "{0,9,1}")):
        session, broker = client.session, client.broker
        created = of_connection(session.terms, "guest", "/", broker.node)
        assert created["protocol"] == number
        assert of_login(session.terms, "guest")["protocol"] == number


# --- messages


def test_what_others_publish_is_delivered() -> None:
    broker = make_broker()
    old, new = OldClient.login(broker), Client.opened(broker)
    old.declare("q")
    assert old.consume("q") == [(1, (60, 21), b"\x01c")]
    frames = publish_frames("q", b"1.5 1700000000", content_type="text/plain")
    new.feed(frames)
    deliver, head, body = old.heard()
    assert deliver == (1, (60, 60), b"\x01c" + struct.pack(">QB", 1, 0) + b"\0\x01q")
    assert head == (1, None, struct.pack(">HHQH", 60, 0, 14, 0x8000) + b"\x0atext/plain")
    assert body == (1, None, b"1.5 1700000000")


@pytest.mark.parametrize("pieces", ["whole", "frame by frame"])
def test_what_it_publishes_is_delivered_to_others(pieces: str) -> None:
    broker = make_broker()
    old, new = OldClient.login(broker), Client.opened(broker)
    new.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", no_ack=True))
    head = struct.pack(">HHQH", 60, 0, 2, 0x1000) + b"\x02"
    frames = [method(60, 40, b"\0\0\0\x01q\0"), raw_frame(2, 1, head), raw_frame(3, 1, b"hi")]
    for each in [b"".join(frames)] if pieces == "whole" else frames:
        assert old.say(each) == []
    (message,) = new.received()
    assert (message.body, message.properties.delivery_mode) == (b"hi", 2)


def test_get_ack_reject_recover_qos_and_tx() -> None:
    client = OldClient.login()
    client.declare("q")
    client.say(publish_frames("q", b"a"), publish_frames("q", b"b"))
    get = method(60, 70, b"\0\0\x01q\0")
    assert client.say(get)[0] == (1, (60, 71), struct.pack(">QB", 1, 0) + b"\0\x01q\0\0\0\x01")
    assert client.say(method(60, 90, struct.pack(">QB", 1, 1))) == []
    assert client.say(get)[0][2][8] == 1  # redelivered
    assert client.say(method(60, 100, b"\x01")) == []
    assert client.say(method(60, 110, b"\x01")) == [(1, (60, 111), b"")]
    assert client.say(method(60, 10, b"\0\0\0\0\0\x05\0")) == [(1, (60, 11), b"")]
    assert client.say(method(90, 10)) == [(1, (90, 11), b"")]
    client.say(get, method(60, 80, struct.pack(">QB", 3, 0)))
    assert client.say(method(90, 20)) == [(1, (90, 21), b"")]
    assert client.declare("q") == [(1, (50, 11), b"\x01q" + struct.pack(">II", 1, 0))]
    client.say(get, method(60, 80, struct.pack(">QB", 4, 0)), method(90, 20))
    assert client.say(get) == [(1, (60, 72), b"\0")]


def test_a_mandatory_message_comes_back() -> None:
    client = OldClient.login()
    returned, *_ = client.say(method(60, 40, b"\0\0\0\x01x\x01"), content_frames(b"hi"))
    assert returned == (1, (60, 50), struct.pack(">H", 312) + b"\x08NO_ROUTE\0\x01x")


def test_tickets_are_given_and_not_looked_at() -> None:
    client = OldClient.login()
    assert client.say(method(30, 10, b"\x05/data\x1f")) == [(1, (30, 11), b"\0\x01")]
    declared = client.say(method(50, 10, b"\x12\x34\x01q\0" + EMPTY))
    assert declared == [(1, (50, 11), b"\x01q" + EMPTY + EMPTY)]


def test_a_cancelled_consumer_is_told_if_it_claims_to_know() -> None:
    broker = make_broker()
    aware, unaware = OldClient.login(broker, claims=("consumer_cancel_notify",)), OldClient.login(broker)
    for client in (aware, unaware):
        client.declare("q")
        client.consume("q")
    Client.opened(broker).send(Queue.Delete(queue="q"))
    assert aware.heard() == [(1, (60, 30), b"\x01c\x01")]
    assert unaware.heard() == []


# --- refusals


def test_a_channel_is_closed_and_can_be_opened_again() -> None:
    client = OldClient.login()
    (close,) = client.consume("missing")
    assert close[:2] == (1, (20, 40))
    assert (close[2][:2], close[2][-4:]) == (b"\x01\x94", b"\0\x3c\0\x14")
    assert client.say(method(20, 41), method(20, 10, b"\0")) == [(1, (20, 11), b"")]


def test_connection_close_and_close_ok() -> None:
    client = OldClient.login()
    assert client.say(method(10, 60, BYE, 0)) == [(0, (10, 61), b"")]
    assert client.session.state is State.CLOSING
    assert client.say(method(10, 61, channel=0)) == []
    assert client.session.is_closed


def test_the_broker_closes_with_the_numbers_of_0_8() -> None:
    client = OldClient.login()
    client.session.close("broker forced connection closure")
    assert client.heard() == [closed(320, "CONNECTION_FORCED - broker forced connection closure")]
    client.say(method(10, 61, channel=0))
    assert client.session.is_closed


REFUSED_CHANNEL_0: dict[str, tuple[bytes, Frame]] = {
    "connection.redirect": (
        method(10, 50, b"\x01h\0", 0),
        closed(504, "CHANNEL_ERROR - unexpected method in connection state running", (10, 50)),
    ),
    "close-ok": (
        method(10, 61, channel=0),
        closed(504, "CHANNEL_ERROR - unexpected method in connection state running", (10, 61)),
    ),
    "connection.close of 0-9-1": (
        method(10, 50, BYE, 0),
        closed(501, "FRAME_ERROR - cannot decode <<0,200,3,98,121,101,0,0,0,0>>", (10, 50)),
    ),
    "close-ok of 0-9-1": (method(10, 51, channel=0), closed(503, "COMMAND_INVALID - unimplemented method")),
    "update-secret of 0-9-1": (
        method(10, 70, EMPTY + b"\0", 0),
        closed(503, "COMMAND_INVALID - unimplemented method"),
    ),
}


@pytest.mark.parametrize("name", REFUSED_CHANNEL_0)
def test_methods_that_are_none_for_channel_0(name: str) -> None:
    said, expected = REFUSED_CHANNEL_0[name]
    assert OldClient.login().say(said) == [expected]


NO_METHOD = {
    "exchange.bind": method(40, 30, b"\0\0\0\0\0\0" + EMPTY),
    "exchange.unbind": method(40, 40, b"\0\0\0\0\0\0" + EMPTY),
    "basic.nack": method(60, 120, struct.pack(">QB", 1, 0)),
    "confirm.select": method(85, 10, b"\0"),
    "file 99": method(70, 99),
}


@pytest.mark.parametrize("name", NO_METHOD)
def test_what_0_8_does_not_have(name: str) -> None:
    assert OldClient.login().say(NO_METHOD[name]) == [closed(503, "COMMAND_INVALID - unimplemented method")]


UNSERVED = {
    "channel.alert": (20, 30, struct.pack(">H", 200) + b"\x01x" + EMPTY),
    "file.qos": (70, 10, b"\0" * 7),
    "file.consume": (70, 20, b"\0" * 5),
    "file.publish": (70, 60, b"\0" * 6),
    "stream.qos": (80, 10, b"\0" * 11),
    "stream.consume": (80, 20, b"\0" * 5),
    "dtx.select": (100, 10, b""),
    "dtx.start": (100, 20, b"\0"),
    "test.integer": (120, 10, b"\0" * 16),
    "test.string": (120, 20, b"\0" * 6),
    "test.table": (120, 30, b"\0" * 6),
}


@pytest.mark.parametrize("name", UNSERVED)
def test_classes_that_nobody_serves(name: str) -> None:
    class_id, number, arguments = UNSERVED[name]
    said = method(class_id, number, arguments)
    refused = [closed(503, "COMMAND_INVALID - unimplemented method", (class_id, number))]
    assert OldClient.login().say(said) == refused
    cut = OldClient.login().say(method(class_id, number, arguments[:-1] if arguments else b"\0"))
    assert [(ids, text[:2]) for _, ids, text in cut] == [((10, 60), struct.pack(">H", 501))]
    on_no_channel = OldClient.login(channel=False).say(said)
    assert on_no_channel == [closed(504, "CHANNEL_ERROR - expected 'channel.open'", (class_id, number))]


UNSERVED_CONTENT = {
    "file.stage": (70, 50, b""),
    "stream.publish": (80, 40, b"\0" * 5),
    "tunnel.request": (110, 10, EMPTY),
    "test.content": (120, 40, b""),
    "basic.deliver": (60, 60, b"\0" * 12),
}


@pytest.mark.parametrize("name", UNSERVED_CONTENT)
def test_content_that_nobody_takes_is_refused_when_it_is_whole(name: str) -> None:
    class_id, number, arguments = UNSERVED_CONTENT[name]
    client = OldClient.login()
    assert client.say(method(class_id, number, arguments)) == []
    assert client.say(raw_frame(2, 1, struct.pack(">HHQH", class_id, 0, 2, 0))) == []
    refused = client.say(raw_frame(3, 1, b"hi"))
    assert refused == [closed(503, "COMMAND_INVALID - unimplemented method", (class_id, number))]


def test_content_of_another_class() -> None:
    client = OldClient.login()
    wrong = client.say(method(60, 40, b"\0\0\0\x01q\0"), raw_frame(2, 1, struct.pack(">HHQH", 70, 0, 0, 0)))
    text = "UNEXPECTED_FRAME - expected content header for class 60, got one for class 70 instead"
    assert wrong == [closed(505, text, (60, 40))]
    client = OldClient.login()
    wrong = client.say(method(70, 50), raw_frame(2, 1, struct.pack(">HHQH", 60, 0, 0, 0)))
    text = "UNEXPECTED_FRAME - expected content header for class 70, got one for class 60 instead"
    assert wrong == [closed(505, text, (70, 50))]


def test_consume_with_the_arguments_of_0_9_1() -> None:
    client = OldClient.login()
    said = method(60, 20, b"\0\0\x01q\0\0" + EMPTY)
    text = "FRAME_ERROR - cannot decode <<0,0,1,113,0,0,0,0,0,0>>"
    assert client.say(said) == [closed(501, text, (60, 20))]


# --- beside others


def test_an_alarm_is_not_told_in_a_method_it_does_not_have() -> None:
    broker = make_broker()
    client = OldClient.login(broker, claims=("connection.blocked",))
    client.declare("q")
    broker.alarms.set("memory")
    assert client.say(publish_frames("q", b"hi")) == []
    assert client.session.block.is_blocked
    broker.alarms.clear("memory")
    assert client.heard() == []


def test_versions_do_not_mix() -> None:
    broker = make_broker()
    old, new = OldClient.login(broker), Client.opened(broker)
    assert names(new.send(Queue.Declare(queue="q"))) == ["Queue.DeclareOk"]
    (refused,) = new.feed(method(60, 20, b"\0\0\x01q\0\0"))
    assert (refused.name, refused.method.reply_code) == ("Connection.Close", 501)
    assert old.consume("q") == [(1, (60, 21), b"\x01c")]


def scrambled(random: Random, frames: list[bytes]) -> bytes:
    data = bytearray(b"".join(random.choices(frames, k=random.randrange(1, 6))))
    for _ in range(random.randrange(3)):
        data[random.randrange(len(data))] = random.choice((0, 1, 127, 206, 255))
    return bytes(data[: random.randrange(len(data) + 1)] if random.random() < 0.3 else data)


@pytest.mark.parametrize("seed", range(40))
def test_nonsense_ends_in_a_close_at_most(seed: int) -> None:
    random = Random(seed)
    frames: list[bytes] = [
        *(method(*each) for each in (UNSERVED | UNSERVED_CONTENT).values()),
        *(said for said, _ in REFUSED_CHANNEL_0.values()),
        *NO_METHOD.values(),
        publish_frames("q", b"hi"),
        method(20, 10, b"\0"),
        method(20, 41),
        method(60, 20, b"\0\0\x01q\0\x02"),
    ]
    broker = make_broker()
    client = OldClient.login(broker)
    client.declare("q")
    while not client.session.is_closed and random.random() < 0.95:
        client.say(scrambled(random, frames))
    client.session.lost()
    assert client.session.is_closed
    assert names(Client.opened(broker).send(Queue.Declare(queue="q", passive=True))) == ["Queue.DeclareOk"]
