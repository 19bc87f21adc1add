"""Peers that spoil what they say, in the handshake of TLS, in the login, and after it.

A story is drawn from its seed: which version of TLS, a certificate or none, a mechanism and a response, which of its
records are spoilt and how, and how it ends. Whatever it was: the connection ends, nothing is left of it, the log has a
line, and others are served.
"""

import contextlib
import logging
import ssl
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
import trio
from pamqp.commands import Basic, Channel, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.amqp import terms
from amqpy.config import Config
from amqpy.server.certificates import Certificates, utc_now
from amqpy.server.tls import TlsHandshakes
from amqpy.server.transport import SocketTransport
from tests.amqp.client import HEADER, OPENING, PLAIN_GUEST, method_frame, publish_frames, start_ok
from tests.certificates import HOST, client_context, issued, write, write_authority

from .peer import DEADLINE_S, LOG, Server, by_socket

SEEDS = range(4)
STORIES = 100
"""Of each seed."""

SORTS = (
    "TLS handshake failed: the client does not speak TLS",
    "TLS handshake failed",
    "TLS failed",
    "closing connection in state starting",
    "closing connection in state securing: SYNTAX_ERROR",
    "closing connection in state securing: ACCESS_REFUSED",
    "user 'guest' authenticated",
)
"""How lines of the log begin, of which there must be some."""

RECORD = struct.Struct(">BHH")
ALERT, HANDSHAKE, DATA = 21, 22, 23
SILENCE_S = 20
"""More than any handshake may take."""

RESPONSES: dict[str, list[str]] = {
    "PLAIN": [
        PLAIN_GUEST,
        "\0guest\0wrong",
        "",
        "\0" * 9,
        "guest\0guest",
        "\0nobody\0",
        "\0guest\0guest\0" + "x" * 3000,
    ],
    "AMQPLAIN": ["", "\x05LOGINS\0\0\0\x05guest", "\x05LOGINF\xff\xff\xff\xff", "\xff" * 200],
    "EXTERNAL": ["", "guest", "\0" * 300],
    "RABBIT-CR-DEMO": ["guest", "", "\xff" * 300],
    "NONE": ["", PLAIN_GUEST],
}


class Left(Exception):
    """The peer goes, in the middle of what it says."""


# --- what is done to records


def flipped(random: Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 9])):
        spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
    return bytes(spoilt)


def cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def noise(random: Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.choice([1, 5, 300])) + data[at:]


def doubled(random: Random, data: bytes) -> bytes:
    return data + data


def lied_about(random: Random, data: bytes) -> bytes:
    """Another length, or another kind, in the head of the first record."""
    head, rest = data[: RECORD.size], data[RECORD.size :]
    kind, version, size = RECORD.unpack(head) if len(head) == RECORD.size else (DATA, 0x0303, 0)
    kind, size = random.choice([(kind, 0), (kind, 0xFFFF), (kind, size ^ 1), (random.randrange(256), size)])
    return RECORD.pack(kind, random.choice([version, 0x0300, 0xFFFF]), size) + rest


def preceded(random: Random, data: bytes) -> bytes:
    """Records in the clear come first: alerts, empty ones, data, changes of the cipher."""
    bodies = [(ALERT, b"\x01\x00"), (ALERT, b"\x02\x28"), (DATA, b""), (DATA, HEADER), (20, b"\x01"), (HANDSHAKE, b"")]
    kind, body = random.choice(bodies)
    return (RECORD.pack(kind, 0x0303, len(body)) + body) * random.choice([1, 2, 100]) + data


def replaced(random: Random, data: bytes) -> bytes:
    return random.choice(
        [HEADER, b"GET / HTTP/1.0\r\n\r\n", random.randbytes(len(data)), b"\x80\x2e\x01\x03\x01" + data]
    )


SPOILINGS: list[Callable[[Random, bytes], bytes]] = [flipped, cut, noise, doubled, lied_about, preceded, replaced]


# --- a story


class Story:
    """A peer that spoils one of its flights, or none."""

    def __init__(self, random: Random, stream: trio.SocketStream) -> None:
        self._random = random
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._flight = 0
        self._spoilt_flight = random.choice([None, 0, 0, 1, 1, 2, 3, 4, 5, 6])
        self._spoil = random.choice(SPOILINGS)
        self._leaves = random.random() < 0.3
        context = client_context(issued("guest.example", common_name="guest") if random.random() < 0.5 else None)
        if random.random() < 0.4:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)

    async def play(self) -> None:
        """Say it all, as far as the broker listens, and end in one way or another."""
        try:
            await self._shake_hands()
            for words in self._words():
                self._tls.write(words)
                await self._send()
                await self._hear()
        except (Left, ssl.SSLError, trio.BrokenResourceError):
            pass
        if self._random.random() < 0.3:
            await self._wait_for_the_end()
        await self._stream.aclose()

    def _words(self) -> Iterator[bytes]:
        mechanism = self._random.choice(["PLAIN", *RESPONSES])
        response = self._random.choice(RESPONSES[mechanism])
        told = {"authentication_failure_close": True} if self._random.random() < 0.5 else {}
        yield HEADER
        yield self._spoilt_amqp(method_frame(start_ok(response, mechanism, **told), 0))
        if mechanism == "RABBIT-CR-DEMO":
            answer = self._random.choice(["My password is guest", "", "guest"])
            yield method_frame(Connection.SecureOk(answer), 0)
        yield from (method_frame(each, 0) for each in OPENING[1:])
        yield method_frame(Channel.Open(), 1) + method_frame(Queue.Declare(queue="q", exclusive=True), 1)
        yield publish_frames("q", bytes(self._random.choice([1, 20_000, 100_000])))

    def _spoilt_amqp(self, frame: bytes) -> bytes:
        return flipped(self._random, frame) if self._random.random() < 0.3 else frame

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send()
                await self._receive()
            else:
                await self._send()
                return

    async def _send(self) -> None:
        if data := self._outgoing.read():
            is_spoilt = self._flight == self._spoilt_flight
            self._flight += 1
            await self._stream.send_all(self._spoil(self._random, data) if is_spoilt else data)
            if is_spoilt and self._leaves:
                raise Left

    async def _receive(self) -> None:
        data = b""
        with trio.move_on_after(1):
            data = await self._stream.receive_some()
        if not data:
            raise Left
        self._incoming.write(data)

    async def _hear(self) -> None:
        """What the broker answers, if it does; OpenSSL must hear it, and may answer of itself."""
        with trio.move_on_after(0.1):
            self._incoming.write(await self._stream.receive_some())
        while True:
            try:
                if not self._tls.read(16384):
                    return
            except ssl.SSLWantReadError:
                return

    async def _wait_for_the_end(self) -> None:
        """Silent. The broker must not wait for ever; who is logged in may stay."""
        with trio.move_on_after(SILENCE_S):
            try:
                while await self._stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass


# --- the broker


class Doors:
    """Lets stories come in by TLS."""

    def __init__(self, server: Server, handshakes: TlsHandshakes) -> None:
        self._server = server
        self._handshakes = handshakes
        self._gone = trio.Event()

    def connect(self, name: str) -> trio.SocketStream:
        transport, stream = by_socket()
        assert isinstance(stream, trio.SocketStream)
        assert isinstance(transport, SocketTransport)
        self._server.reactor.nursery.start_soon(self._serve, transport, name)
        return stream

    async def _serve(self, transport: SocketTransport, name: str) -> None:
        secured = await self._handshakes.secure(transport, name)
        if secured is not None:
            peer = terms.Peer(name, tls=secured[1])
            await self._server.reactor.serve(secured[0], self._server.make_session, peer, from_loopback=True)
        self._gone.set()

    async def until_gone(self) -> None:
        """Until the one who came has left nothing behind."""
        with trio.fail_after(DEADLINE_S):
            await self._gone.wait()
        self._gone = trio.Event()
        await wait_all_tasks_blocked()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """With every mechanism, and the client's certificate as a login of the default user."""
    return Config(
        cluster_name="rabbit@test",
        strict=True,
        auth_mechanisms=("PLAIN", "AMQPLAIN", "EXTERNAL", "RABBIT-CR-DEMO"),
        tls_cert=(write(tmp_path, "server.pem", issued()),),
        tls_ca=write_authority(tmp_path),
        tls_verify="verify_peer",
        ssl_cert_login_from="common_name",
    )


@pytest.fixture
def doors(server: Server, config: Config) -> Doors:
    return Doors(server, TlsHandshakes(Certificates(config.tls, LOG, utc_now), 5, LOG))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def play_stories(seed: int, server: Server, doors: Doors, caplog: pytest.LogCaptureFixture) -> Counter[str]:
    """Plays the stories of a seed one after the other; counts which sorts of lines the log has of how many of them."""
    sorts = Counter[str]()
    for number in range(STORIES):
        caplog.clear()
        name = f"story {seed}.{number}"
        await Story(Random(name), doors.connect(name)).play()
        await doors.until_gone()
        assert len(server.reactor.connections) == 1, "the witness"
        assert not [each for each in caplog.records if each.exc_info or each.levelno > logging.ERROR]
        assert caplog.messages, "nobody would know that there was somebody"
        sorts.update({sort for sort in SORTS for message in caplog.messages if message.startswith(sort)})
    return sorts


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_is_spoilt(
    autojump_clock: MockClock, server: Server, doors: Doors, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    witness = await server.opened()
    open_before = descriptors()
    sorts = await play_stories(seed, server, doors, caplog)
    assert descriptors() == open_before
    assert min(sorts[sort] for sort in SORTS) > 0, sorts
    await witness.ask(Queue.Declare(queue="witness", exclusive=True))


@pytest.mark.parametrize("joint", ["tls"], indirect=True)
@pytest.mark.parametrize("last_words", [b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_who_breaks_off_while_much_waits_and_then_reads(server: Server, last_words: bytes) -> None:
    """What waits for room in the socket cannot be encrypted any more once there is some."""
    peer, witness = await server.opened(), await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    await peer.ask(Basic.Consume(queue="q", no_ack=True))
    for _ in range(20):
        await witness.publish("q", bytes(500_000))
    await witness.ask(Basic.Qos(prefetch_count=1))
    assert isinstance(peer.stream, trio.SSLStream)
    raw = peer.stream.transport_stream
    await (raw.send_all(last_words) if last_words else raw.send_eof())
    await wait_all_tasks_blocked()
    with contextlib.suppress(trio.BrokenResourceError):
        while await raw.receive_some():
            pass
    await server.until_gone(1)
    await witness.ask(Queue.Delete(queue="q"))
