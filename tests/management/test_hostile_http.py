"""Connections of HTTP with hostile peers, on streams in memory and in virtual time."""

import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair

from amqpy.management import http_connection as http

from .http_line import CLOSE, LONG_S, OK, Site, connected, get, post


@pytest.fixture
def site() -> Site:
    return Site()


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
        (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n\tfolded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1, 1\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"\r\n" * 6 + b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(autojump_clock: MockClock, site: Site, sent: bytes, status: int) -> None:
    async with connected(site) as line:
        await line.say(sent)
        answer = await line.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer
        assert await line.ends() < 5
    assert site.requests == []


async def test_what_is_no_request_is_refused_behind_one_that_is_good(autojump_clock: MockClock, site: Site) -> None:
    async with connected(site) as line:
        await line.say(get("/") + b"GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n folded\r\n\r\n")
        answer = await line.rest()
        assert answer.count(OK) == 1
        assert answer.count(b"HTTP/1.1 400 ") == 1
    assert len(site.requests) == 1


@pytest.mark.parametrize("pause", [False, True])
async def test_some_blank_lines_before_a_request_do_no_harm(autojump_clock: MockClock, site: Site, pause: bool) -> None:
    async with connected(site) as line:
        for headers in ((), (CLOSE,)):
            for _ in range(5):
                await line.say(b"\r\n")
                if pause:
                    await trio.testing.wait_all_tasks_blocked()
            await line.say(get("/", *headers))
            await trio.testing.wait_all_tasks_blocked()
        assert (await line.rest()).count(OK) == 2


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
