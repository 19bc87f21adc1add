"""Connections of HTTP with good peers, and with peers that are slow or odd, in virtual time."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair

from amqpy.management import http_connection as http

from .http_line import CLOSE, OK, Site, connected, get, post


@pytest.fixture
def site() -> Site:
    return Site()


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


# --- names of statuses


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, "OK"),
        (204, "No Content"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        (599, ""),
    ],
)
async def test_the_first_line_names_the_status(autojump_clock: MockClock, status: int, phrase: str) -> None:
    body = b"HTTP/1.1 200 \r\n"  # looks like the beginning of an answer, but is none

    async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        headers = [(b"x-empty", b""), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    answers: Any = application
    async with connected(answers) as line:
        await line.say(get("/") + get("/", CLOSE))
        answer = await line.rest()
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == f"HTTP/1.1 {status} {phrase}".encode()
    assert b"x-empty: " in headers
    assert rest.startswith(body if status != 204 else b"HTTP/1.1 204 No Content")
    assert answer.count(first + b"\r\n") == (3 if status == 200 and not phrase else 2)
