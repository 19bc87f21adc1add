"""Connections of HTTP with peers that are slow, hostile or just odd, on streams in memory and in virtual time."""

import math
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair

from amqpy.management import http_connection as http

LONG_S = 1000
OK = b"HTTP/1.1 200 \r\n"


class FakeSocket:
    """The part of a socket that HTTP looks at."""

    family = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 1234

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.2", 15672


class Served:
    """A stream for a server, with what a socket has."""

    socket = FakeSocket()

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self.stream = stream

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def receive_some(self, most: int) -> bytes:
        return bytes(await self.stream.receive_some(most))

    async def aclose(self) -> None:
        await self.stream.aclose()


class Site:
    """An application that notes what it hears. It reads bodies if it `reads`, and answers with `size` octets."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        """The method, the path and the size of the body of each."""
        self.reads = True
        self.size = 2
        self.pause_s = 0.0
        self.sent = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        size, more = 0, self.reads
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.requests.append((scope["method"], scope["raw_path"].decode(), size))
        await trio.sleep(self.pause_s)
        headers = [(b"content-length", b"%d" % self.size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for begin in range(0, self.size, 50_000):
            part = b"x" * min(50_000, self.size - begin)
            await send({"type": "http.response.body", "body": part, "more_body": begin + 50_000 < self.size})
            self.sent += len(part)


class Line:
    """A connection: the client's end of it."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self.stream = stream
        self._ended = trio.Event()
        self._ended_at = math.inf

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def rest(self) -> bytes:
        heard = bytearray()
        with trio.fail_after(LONG_S):
            while data := await self.stream.receive_some():
                heard += data
        return bytes(heard)

    async def ends(self) -> float:
        """The time at which the server is through with it."""
        with trio.fail_after(LONG_S):
            await self._ended.wait()
        return self._ended_at

    def end(self) -> None:
        self._ended.set()
        self._ended_at = trio.current_time()

    @property
    def is_served(self) -> bool:
        return not self._ended.is_set()

    async def trickle(self, part: bytes, pause_s: float = 0) -> int:
        """Says the same again and again, until nobody listens. The octets that somebody listened to."""
        size = 0
        with trio.fail_after(LONG_S):
            while self.is_served:
                try:
                    await self.say(part)
                except trio.BrokenResourceError:
                    break
                size += len(part)
                await trio.sleep(pause_s)
        return size


@pytest.fixture
def site() -> Site:
    return Site()


@asynccontextmanager
async def connected(
    site: Site, make_pair: Callable[[], Any] = memory_stream_pair, server: http.HttpServer | None = None
) -> AsyncIterator[Line]:
    ours, theirs = make_pair()
    line = Line(ours)

    async def serve() -> None:
        await (server or http.HttpServer(site)).serve(Served(theirs))
        line.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield line
        with trio.fail_after(LONG_S):
            await ours.aclose()


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "host: h", *headers, "", "")).encode()


def post(size: int, *headers: str) -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "host: h", f"content-length: {size}", *headers, "", "")).encode()


CLOSE = "connection: close"

# --- good peers


async def test_requests_follow_each_other(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(get("/1"))
        await trio.sleep(1)
        await line.say(get("/2") + get("/3") + get("/4", CLOSE))
        assert (await line.rest()).count(OK) == 4
    assert [path for _, path, _ in site.requests] == ["/1", "/2", "/3", "/4"]


async def test_a_body_may_come_in_any_pieces(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(post(10))
        for _ in range(10):
            await trio.sleep(5)
            await line.say(b"x")
        await line.say(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
        await line.say(b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n")
        assert (await line.rest()).count(OK) == 2
    assert [size for _, _, size in site.requests] == [10, 19]


async def test_who_says_no_more_hears_the_answer(autojump_clock: MockClock, site: Site) -> None:
    site.pause_s = 100
    async with connected(site) as line:
        await line.say(get())
        await line.stream.send_eof()
        assert (await line.rest()).startswith(OK)


async def test_an_answer_may_take_its_time(autojump_clock: MockClock, site: Site) -> None:
    """Nobody hurries a peer that has said all."""
    site.pause_s = 500
    async with connected(site) as line:
        await line.say(get("/", CLOSE))
        assert (await line.rest()).startswith(OK)
        assert trio.current_time() >= 500


async def test_an_answer_is_not_lost_with_a_body_that_nobody_reads(autojump_clock: MockClock, site: Site) -> None:
    site.reads = False
    async with connected(site, lockstep_stream_pair) as line:
        heard: list[bytes] = []

        async def hear() -> None:
            heard.append(await line.rest())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            await line.say(post(500_000) + b"x" * 500_000)
        assert heard[0].startswith(OK)


# --- slow ones


async def test_who_asks_for_nothing_is_let_go(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        assert await line.rest() == b""
        assert await line.ends() == pytest.approx(http.KEEP_ALIVE_S, abs=1)


async def test_who_has_asked_is_let_go_as_late(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await trio.sleep(50)
        await line.say(get())
        assert (await line.rest()).startswith(OK)
        assert await line.ends() == pytest.approx(50 + http.KEEP_ALIVE_S, abs=1)


async def test_a_head_may_not_take_long(autojump_clock: MockClock, site: Site) -> None:
    """However often there is a little more of it."""
    async with connected(site) as line:
        await line.say(b"GET /")
        await line.trickle(b"x", 1)
        assert await line.ends() == pytest.approx(http.HEAD_S, abs=1)
    assert site.requests == []


async def test_a_body_may_not_be_slower_than_its_pace(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(post(1_000_000))
        for _ in range(10):
            await line.say(b"x" * 60_000)
            await trio.sleep(40)  # 90,000 in a minute will do
        assert line.is_served
        began_at = trio.current_time()
        await line.trickle(b"x", 1)
        assert await line.ends() - began_at <= 2 * http.PIECE_S


async def test_who_does_not_read_is_let_go(autojump_clock: MockClock, site: Site) -> None:
    """And the application does not go on for nobody."""
    site.size = 10_000_000
    async with connected(site, lockstep_stream_pair) as line:
        await line.say(get())
        await trio.sleep(1)
        assert await line.ends() == pytest.approx(http.PIECE_S, abs=1)
    assert site.sent < 1_000_000


async def test_who_reads_slowly_is_served(autojump_clock: MockClock, site: Site) -> None:
    site.size = 1_000_000
    async with connected(site, lockstep_stream_pair) as line:
        await line.say(get("/", CLOSE))
        size = 0
        while data := await line.stream.receive_some(20_000):
            size += len(data)
            await trio.sleep(10)
        assert size > 1_000_000
    assert site.sent == 1_000_000


async def test_who_does_not_read_does_not_hold_up_the_end(autojump_clock: MockClock, site: Site) -> None:
    site.size = 10_000_000
    with trio.CancelScope() as scope:
        async with connected(site, lockstep_stream_pair) as line:
            await line.say(get())
            await trio.sleep(1)
            scope.cancel()
            await trio.sleep_forever()
    assert trio.current_time() < 5


# --- many


async def test_room_is_made_by_the_end_of_what_is_idle_for_the_longest_time(
    autojump_clock: MockClock, site: Site
) -> None:
    server = http.HttpServer(site)
    site.pause_s = 20
    async with (
        connected(site, server=server) as busy,
        connected(site, server=server) as first,
        connected(site, server=server) as second,
    ):
        await busy.say(get("/", CLOSE))
        await first.say(get())
        await trio.sleep(1)  # second has not asked for anything, and first and busy are being answered
        assert server.make_room()
        assert await second.rest() == b""
        assert not server.make_room()
        await trio.sleep(20)
        assert server.make_room()
        assert (await first.rest()).startswith(OK)
        assert (await busy.rest()).startswith(OK)
    assert not server.make_room()


async def test_a_head_that_does_not_come_makes_room_too(autojump_clock: MockClock, site: Site) -> None:
    server = http.HttpServer(site)
    async with connected(site, server=server) as line:
        await line.say(b"GET / HT")
        await trio.sleep(1)
        assert server.make_room()
        assert await line.ends() == pytest.approx(1)


# --- hostile ones


async def test_a_body_without_end_that_nobody_reads(autojump_clock: MockClock, site: Site) -> None:
    site.reads = False
    async with connected(site) as line:
        await line.say(post(1 << 40))
        assert await line.trickle(b"x" * 10_000) < 4 * http.LINGER_MAX


async def test_a_body_is_taken_as_fast_as_it_is_read(autojump_clock: MockClock, site: Site) -> None:
    """What the application does not read is not read from the peer, either."""

    class Asleep(Site):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            await trio.sleep(self.pause_s)
            await super().__call__(scope, receive, send)

    asleep = Asleep()
    asleep.pause_s = 30
    async with connected(asleep, lockstep_stream_pair) as line:
        await line.say(post(1_000_000, CLOSE))
        sent = 0
        with trio.move_on_after(20):
            while True:
                await line.say(b"x" * 10_000)
                sent += 10_000
        assert sent <= 4 * http.INBOX_MAX


async def test_who_had_to_wait_has_not_been_slow(autojump_clock: MockClock) -> None:
    class Late(Site):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            await trio.sleep(self.pause_s)
            self.pause_s = 0
            await super().__call__(scope, receive, send)

    late = Late()
    late.pause_s = 5 * http.PIECE_S
    async with connected(late, lockstep_stream_pair) as line:
        await line.say(post(300_000, CLOSE))
        await line.say(b"x" * 200_000)
        await trio.sleep(1)
        await line.say(b"x" * 100_000)
        assert (await line.rest()).startswith(OK)
    assert late.requests == [("POST", "/", 300_000)]


@pytest.mark.parametrize("chunks", [1, 3000])
async def test_a_body_of_the_smallest_chunks_is_fair(autojump_clock: MockClock, site: Site, chunks: int) -> None:
    """Others have their turn between any two of them."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with connected(site) as line, trio.open_nursery() as nursery:
        await line.say(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
        await line.say(b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
        nursery.start_soon(other)
        assert OK in await line.rest()
        nursery.cancel_scope.cancel()
    assert site.requests == [("POST", "/", chunks)]
    assert turns >= chunks


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: h\r\n" + b"x-y: z\r\n" * 20_000, 431),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: h\r\nhost: i\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n folded: \0\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(autojump_clock: MockClock, site: Site, sent: bytes, status: int) -> None:
    async with connected(site) as line:
        await line.say(sent)
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        assert await line.ends() < 5
    assert site.requests == []


async def test_a_bad_chunk_ends_the_connection(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\n")
        assert OK not in await line.rest()
        assert await line.ends() < 5


async def test_a_request_that_is_smuggled_in_a_body_is_none(autojump_clock: MockClock, site: Site) -> None:
    inner = get("/inner")
    async with connected(site) as line:
        await line.say(
            b"POST /outer HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\ntransfer-encoding: chunked\r\n\r\n" % len(inner)
            + b"0\r\n\r\n"
            + get("/next", CLOSE)
        )
        await line.rest()
    assert "/inner" not in {path for _, path, _ in site.requests}


@pytest.mark.parametrize(
    "headers",
    [
        (
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: eHh4eHh4eHh4eHh4",
        ),
        ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"),
    ],
)
async def test_there_is_nothing_to_upgrade_to(autojump_clock: MockClock, site: Site, headers: tuple[str, ...]) -> None:
    async with connected(site) as line:
        await line.say(get("/", *headers))
        await line.say(get("/", CLOSE))
        assert (await line.rest()).count(OK) == 2


async def test_http_2_is_not_spoken(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert b"HTTP/1.1 400 " in await line.rest()
        assert await line.ends() < 5
    assert [method for method, _, _ in site.requests] == ["PRI"]  # which the API has not


SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_comes_the_connection_ends(autojump_clock: MockClock, site: Site, seed: int) -> None:
    """Requests that were cut, spoilt, doubled or shuffled, in pieces of any size: no bug, and none that stays."""
    chance = random.Random(seed)
    site.reads = chance.random() < 0.7
    chunked = b"POST /c HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    parts = [get("/a"), post(5) + b"hello", chunked, post(9, "expect: 100-continue") + b"123456789", get("/b", CLOSE)]
    data = bytearray(b"".join(chance.choices(parts, k=6)))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(20)]
            case 2:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(40)]
            case _:
                data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(8)))
    async with connected(site) as line:
        with trio.move_on_after(LONG_S):
            while data:
                size = chance.choice((1, 7, 100, 10_000))
                try:
                    await line.say(bytes(data[:size]))
                except trio.BrokenResourceError:
                    break
                del data[:size]
                if chance.random() < 0.2:
                    await trio.sleep(chance.choice((0, 1, 20)))
        if chance.random() < 0.5:
            await line.stream.send_eof()
        await line.rest()
        await line.ends()


# --- applications


async def test_what_an_application_raises_is_not_lost(autojump_clock: MockClock, site: Site) -> None:
    class Broken(Exception):
        pass

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        raise Broken

    async def serve() -> None:
        broken: Any = application
        async with connected(broken) as line:
            await line.say(get())
            assert (await line.rest()).startswith(b"HTTP/1.1 500 ")

    with pytest.raises(ExceptionGroup) as raised:
        await serve()
    assert raised.value.subgroup(Broken) is not None
