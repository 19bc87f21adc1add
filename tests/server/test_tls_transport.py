"""The transport in TLS, byte by byte: what it receives, what it sends, and what it says is sent."""

import logging
import ssl
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from amqpy.server.tls import ANSWERS_MAX, HandshakeFailed, TlsTransport
from tests.certificates import HOST, client_context, server_context

LOG = logging.getLogger("amqpy.tests")


class Line:
    """A transport that a test fills and empties, with so much room for what is sent."""

    descriptor = 7

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.room = 1 << 30
        self.sent = bytearray()

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        data = b"".join(buffers)[: self.room]
        self.room -= len(data)
        self.sent += data
        return len(data)

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        await trio.lowlevel.checkpoint()
        return self.send_nowait(buffers)

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        return self.arrived.pop(0) if self.arrived else None

    def receive_within(self, seconds: float) -> bytes | None:
        return self.receive_nowait(1)

    async def receive_some(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self.arrived:
            await trio.lowlevel.checkpoint()
        return self.arrived.pop(0)

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class Joined:
    """A transport, the line under it, and a client at the line's other end."""

    def __init__(self) -> None:
        self.line = Line()
        self.transport = TlsTransport(self.line, server_context(), LOG)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client_context().wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)

    def from_client(self) -> bytes:
        """What the client wants to be sent."""
        return self._outgoing.read()

    def said(self, data: bytes) -> bytes:
        """The client's words, encrypted."""
        for start in range(0, len(data), 16384):
            self.client.write(data[start : start + 16384])
        return self.from_client()

    def read(self) -> bytes:
        """All that the client has been sent, decrypted."""
        self._incoming.write(self.line.sent)
        self.line.sent.clear()
        data = bytearray()
        try:
            while part := self.client.read(16384):
                data += part
        except ssl.SSLWantReadError:
            pass
        return bytes(data)

    def begin(self) -> None:
        """The client's first words."""
        with pytest.raises(ssl.SSLWantReadError):
            self.client.do_handshake()
        self.line.arrived.append(self.from_client())

    async def shake_hands(self, early: bytes = b"") -> None:
        """The handshake, with some words in one piece with the end of it."""
        self.begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.transport.do_handshake, trio.Lock())
            while not self.line.sent:
                await trio.lowlevel.checkpoint()
            self._incoming.write(self.line.sent)
            self.line.sent.clear()
            self.client.do_handshake()
            self.line.arrived.append(self.from_client() + (self.said(early) if early else b""))


async def joined(early: bytes = b"") -> Joined:
    joined = Joined()
    await joined.shake_hands(early)
    return joined


async def test_what_came_with_the_end_of_the_handshake_is_received_without_another_byte() -> None:
    pair = await joined(b"AMQP")
    assert pair.transport.descriptor is None, "the socket would not tell"
    assert await pair.transport.receive_some(1000) == b"AMQP"
    assert pair.transport.descriptor == pair.line.descriptor


async def test_all_records_that_arrived_are_received_at_once() -> None:
    pair = await joined()
    words = bytes(range(256)) * 300
    pair.line.arrived.append(pair.said(words))
    assert pair.transport.receive_nowait(1 << 20) == words
    assert pair.transport.receive_nowait(1 << 20) is None


async def test_a_piece_of_a_record_is_nothing_yet() -> None:
    pair = await joined()
    record = pair.said(b"whole")
    for at in range(len(record) - 1):
        pair.line.arrived.append(record[at : at + 1])
        assert pair.transport.receive_nowait(100) is None
    pair.line.arrived.append(record[-1:])
    assert pair.transport.receive_within(1) == b"whole"


async def test_the_end_is_told_after_all_that_came_before_it() -> None:
    pair = await joined()
    last = pair.said(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        pair.client.unwrap()
    pair.line.arrived.append(last + pair.from_client())
    assert pair.transport.receive_nowait(100) == b"last words"
    assert pair.transport.descriptor is None, "the socket would not tell of the end"
    assert await pair.transport.receive_some(100) == b""
    assert await pair.transport.receive_some(100) == b""


async def test_a_connection_that_ends_without_a_word_has_ended() -> None:
    pair = await joined(b"x")
    assert await pair.transport.receive_some(100) == b"x"
    pair.line.arrived.append(b"")
    assert pair.transport.receive_nowait(100) == b""


@pytest.mark.parametrize("flaw", ["a record that was changed", "no record"])
async def test_what_cannot_be_decrypted_breaks_the_connection_and_the_client_is_told(flaw: str) -> None:
    pair = await joined()
    record = bytearray(pair.said(b"money: 1"))
    record[-1] ^= 1
    pair.line.arrived.append(bytes(record) if flaw.startswith("a") else b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(trio.BrokenResourceError, match=r"TLS: "):
        pair.transport.receive_nowait(100)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        pair.read()


@pytest.mark.parametrize("spoilt", [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("1603030000")])
async def test_who_waits_for_room_to_send_is_told_of_that(spoilt: bytes, caplog: pytest.LogCaptureFixture) -> None:
    pair = await joined()
    pair.line.room = 10
    assert pair.transport.send_nowait([b"no room"]) < len(b"no room")
    pair.line.arrived.append(spoilt)
    with pytest.raises(trio.BrokenResourceError):
        pair.transport.receive_nowait(100)
    pair.line.room = 1 << 30
    with pytest.raises(trio.BrokenResourceError):
        pair.transport.send_nowait([b"m", b"and more"])
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == ["TLS failed"]


async def test_nothing_can_be_sent_after_an_end_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    pair = await joined(b"x")
    assert await pair.transport.receive_some(100) == b"x"
    pair.line.arrived.append(b"")
    assert pair.transport.receive_nowait(100) == b""
    with pytest.raises(trio.BrokenResourceError):
        pair.transport.send_nowait([b"are you there?"])
    assert not caplog.messages


pieces = st.lists(st.binary(min_size=1, max_size=70_000) | st.binary(min_size=1, max_size=9), min_size=1, max_size=6)


@given(pieces, st.lists(st.integers(0, 40_000), max_size=30))
def test_what_counts_as_sent_is_sent_and_in_order(words: list[bytes], rooms: list[int]) -> None:
    pair = trio.run(joined)
    waiting, told, read = list(words), 0, bytearray()
    rooms = [*rooms, 1 << 30, 1 << 30]
    while waiting:
        pair.line.room = rooms.pop(0)
        size = pair.transport.send_nowait(waiting)
        told += size
        while waiting and size >= len(waiting[0]):
            size -= len(waiting.pop(0))
        if waiting:
            waiting[0] = waiting[0][size:]
        read += pair.read()
    assert bytes(read) == b"".join(words), "when all counts as sent, all has left"
    assert told == len(read)


async def test_nothing_counts_as_sent_as_a_whole_before_its_last_record_has_left() -> None:
    """Or nobody would come back for the rest."""
    pair = await joined()
    pair.line.room = 10
    assert pair.transport.send_nowait([b"a", b"bc"]) == 2
    assert pair.read() == b""
    assert pair.transport.send_nowait([b"c"]) == 0
    pair.line.room = 1 << 30
    assert await pair.transport.send_some([b"c"]) == 1
    assert pair.read() == b"abc"
    assert pair.transport.send_nowait([b"d"]) == 1
    assert pair.read() == b"d"


async def test_the_end_is_announced() -> None:
    pair = await joined()
    pair.transport.send_nowait([b"bye"])
    await pair.transport.finish()
    assert pair.read() == b"bye"
    assert pair.client.read(1) == b""


@pytest.mark.parametrize(
    "words", [b"AMQP\0\0\x09\x01", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"\xff" * 11]
)
async def test_a_client_that_does_not_speak_tls_is_told_so(words: bytes) -> None:
    pair = Joined()
    pair.line.arrived.append(words)
    with pytest.raises(HandshakeFailed, match="the client does not speak TLS"):
        await pair.transport.do_handshake(trio.Lock())
    assert pair.line.sent[:1] == b"\x15", "an alert"
    assert len(pair.line.sent) == 7


async def test_a_client_that_goes_during_the_handshake() -> None:
    pair = Joined()
    pair.begin()
    pair.line.arrived.append(b"")
    with pytest.raises(HandshakeFailed, match="the client ended the connection"):
        await pair.transport.do_handshake(trio.Lock())


async def test_a_client_that_does_not_trust_us_says_so() -> None:
    pair = Joined()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(trusts="others").wrap_bio(incoming, outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    pair.line.arrived.append(outgoing.read())

    async def shake_hands() -> None:
        with pytest.raises(HandshakeFailed, match="the client refuses: unknown ca"):
            await pair.transport.do_handshake(trio.Lock())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake_hands)
        while not pair.line.sent:
            await trio.lowlevel.checkpoint()
        incoming.write(pair.line.sent)
        with pytest.raises(ssl.SSLCertVerificationError):
            client.do_handshake()
        pair.line.arrived.append(outgoing.read())


async def test_handshakes_take_turns_step_by_step() -> None:
    """A step takes milliseconds: in each round of the event loop there is one, whoever else wants to begin."""
    pairs, turns, rounds = [Joined() for _ in range(5)], trio.Lock(), []
    for pair in pairs:
        pair.begin()

    def answered() -> int:
        return sum(bool(pair.line.sent) for pair in pairs)

    async with trio.open_nursery() as nursery:
        for pair in pairs:
            nursery.start_soon(pair.transport.do_handshake, turns)
        while answered() < len(pairs):
            before = answered()
            await trio.lowlevel.checkpoint()
            rounds.append(answered() - before)
        nursery.cancel_scope.cancel()
    # A round of the loop is not a round of this task, which may come before or behind the others in it.
    assert max(rounds) <= 2


async def test_a_client_that_has_much_said_without_reading_is_given_up() -> None:
    """Updates of keys, say, each of which is answered."""
    pair = await joined()
    pair.line.room = 0
    pair.transport._outgoing.write(bytes(ANSWERS_MAX))  # noqa: SLF001 (OpenSSL does)
    pair.line.arrived.append(pair.said(b"one more"))
    assert pair.transport.receive_nowait(100) == b"one more"
    pair.transport._outgoing.write(bytes(ANSWERS_MAX + 1))  # noqa: SLF001
    pair.line.arrived.append(pair.said(b"and more"))
    with pytest.raises(trio.BrokenResourceError, match="does not read"):
        pair.transport.receive_nowait(100)
