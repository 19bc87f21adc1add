"""The other end of a session: a client that writes frames of its own, and reads those of the broker.

There is no I/O: the transport of these clients takes everything at once, and time is what `now_ms` says.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from amqpy.amqp.terms import NO_PEER, Peer
from amqpy.core.broker import Broker
from amqpy.core.users import Authenticator
from amqpy.stream.connection import StreamSession
from amqpy.wire.stream_frames import Code, Key, long, longlong, octet, octets, properties, short, string
from tests.amqp.client import LOG, make_broker, make_users

FIRST = short(1)
NEXT = short(3)


class Told(NamedTuple):
    """A frame of the broker."""

    key: int
    is_response: bool
    version: int
    body: bytes
    """Behind the version."""

    @property
    def code(self) -> Code:
        """That of a response."""
        return Code(struct.unpack_from(">H", self.body, 4)[0])

    @property
    def rest(self) -> bytes:
        """The fields of a response."""
        return self.body[6:]


class Delivery(NamedTuple):
    """A chunk that was delivered."""

    subscription: int
    offset: int
    entries: int
    records: int
    data: bytes
    committed: int | None = None


def delivery(told: Told) -> Delivery:
    assert told.key == Key.DELIVER
    at = 1 if told.version == 1 else 9
    committed = None if told.version == 1 else struct.unpack_from(">Q", told.body, 1)[0]
    _, kind, entries, records, _, _, offset, _, size = struct.unpack_from(">BBHIqQQII", told.body, at)
    assert kind == 0
    data = told.body[at + 48 :]
    assert len(data) == size
    return Delivery(told.body[0], offset, entries, records, data, committed)


def entry(message: bytes) -> bytes:
    return long(len(message)) + message


class Client:
    """A session and what a client says to it."""

    def __init__(
        self,
        broker: Broker | None = None,
        *,
        from_loopback: bool = True,
        authenticator: Authenticator | None = None,
        peer: Peer = NO_PEER,
    ) -> None:
        self.broker = broker or make_broker()
        self.now_ms = self.broker.scheduler.now_ms
        self.entries: list[bool] = []
        """Whether it has entered, or its login has failed."""
        self.users = make_users(self.broker)
        self.session = StreamSession(
            self.broker,
            self.users,
            from_loopback=from_loopback,
            log=LOG,
            wake=lambda: None,
            on_entry=self.entries.append,
            now_ms=self.now_ms,
            authenticator=authenticator,
            peer=peer,
        )
        self._correlation = 0
        self._tail = b""

    @classmethod
    def opened(cls, broker: Broker | None = None, user: str = "guest", password: str = "guest") -> "Client":
        """A client with an open connection."""
        client = cls(broker)
        client.log_in(user, password)
        client.notify(Key.TUNE, long(1 << 20) + long(0))
        assert client.ask(Key.OPEN, string("/")).code is Code.OK
        return client

    def log_in(self, user: str = "guest", password: str = "guest") -> list[Told]:
        """The first steps, up to the answer of the login and what comes with it."""
        self.ask(Key.PEER_PROPERTIES, properties({"product": "test"}))
        self.ask(Key.SASL_HANDSHAKE)
        return self.call(Key.SASL_AUTHENTICATE, string("PLAIN") + octets(f"\0{user}\0{password}".encode()))

    # --- what it says

    def feed(self, data: bytes) -> list[Told]:
        """One turn: the bytes in, and whatever the broker then says to this client."""
        self.session.receive(data, self.now_ms)
        self.broker.settle()
        return self.received()

    def notify(self, key: int, body: bytes = b"", version: int = 1) -> list[Told]:
        """Says something without a correlation id."""
        data = short(key) + short(version) + body
        return self.feed(long(len(data)) + data)

    def call(self, key: Key, body: bytes = b"") -> list[Told]:
        """Says something with one."""
        self._correlation += 1
        return self.notify(key, long(self._correlation) + body)

    def ask(self, key: Key, body: bytes = b"") -> Told:
        """The response to something."""
        told, *more = self.call(key, body)
        assert (told.key, told.is_response, told.body[:4]) == (key, True, long(self._correlation))
        assert more == []
        return told

    def code(self, key: Key, body: bytes = b"") -> Code:
        return self.ask(key, body).code

    def create(self, *names: str, **arguments: str) -> None:
        for name in names:
            given = properties({key.replace("_", "-"): value for key, value in arguments.items()})
            assert self.code(Key.CREATE, string(name) + given) is Code.OK

    def declare(self, name: str, number: int = 0, reference: str = "") -> Code:
        return self.code(Key.DECLARE_PUBLISHER, octet(number) + string(reference) + string(name))

    def publish(self, *messages: bytes, number: int = 0, first: int = 0) -> list[Told]:
        some = b"".join(longlong(first + place) + entry(message) for place, message in enumerate(messages))
        return self.notify(Key.PUBLISH, octet(number) + long(len(messages)) + some)

    def subscribe(
        self, stream: str, number: int = 0, place: bytes = FIRST, credit: int = 10, **more: str
    ) -> list[Told]:
        given = properties({key.replace("_", "-"): value for key, value in more.items()})
        return self.call(Key.SUBSCRIBE, octet(number) + string(stream) + place + short(credit) + given)

    # --- what it is told

    def received(self) -> list[Told]:
        outbox, data = self.session.outbox, self._tail
        self.broker.finish()
        while outbox.has_sendable:
            part = b"".join(outbox.take())
            outbox.sent(len(part))
            data += part
        found = []
        while len(data) >= 4 and (size := struct.unpack_from(">I", data)[0] + 4) <= len(data):
            key, version = struct.unpack_from(">HH", data, 4)
            found.append(Told(key & 0x7FFF, bool(key & 0x8000), version, data[8:size]))
            data = data[size:]
        self._tail = data
        return found

    def wait(self, span_ms: int) -> list[Told]:
        """Time passes, and what is due in it is done at its time."""
        until_ms, told = self.now_ms + span_ms, list[Told]()
        while self.session.next_at_ms is not None and self.session.next_at_ms <= until_ms:
            self.now_ms = self.session.next_at_ms
            self.session.on_timer(self.now_ms)
            told += self.received()
        self.now_ms = until_ms
        return told


def confirmed(told: Iterable[Told]) -> list[tuple[int, list[int]]]:
    """The publishers and ids of confirms."""
    found = []
    for each in told:
        assert each.key == Key.PUBLISH_CONFIRM
        number, count = struct.unpack_from(">BI", each.body)
        found.append((number, list(struct.unpack_from(f">{count}Q", each.body, 5))))
    return found


def deliveries(told: list[Told]) -> list[Delivery]:
    return [delivery(each) for each in told if each.key == Key.DELIVER]


def with_stream(*messages: bytes) -> Client:
    """A client with a publisher of the stream `s`, in which these are, a chunk each."""
    client = Client.opened()
    client.create("s")
    assert client.declare("s") is Code.OK
    for number, message in enumerate(messages):
        assert confirmed(client.publish(message, first=number)) == [(0, [number])]
    return client
