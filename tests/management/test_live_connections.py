"""Live pages on real connections of HTTP: clients that go, that do not read, and the end of the broker."""

import gc
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, wait_all_tasks_blocked

from amqpy.management import http_connection as http
from amqpy.management.live.answers import AnswerPart, LiveAnswer
from amqpy.management.live.events import EventsPart
from amqpy.management.live.stream import QUIET_S, LiveStream
from amqpy.management.live.taps import TapPart
from amqpy.management.live.viewer import Viewer

from .harness import Site
from .http_line import OK, Line, connected, get
from .live_page import looking, query_of

PATH = "/api/live?" + query_of(get="/whoami", tap="/exchanges/%2F/amq.topic", events="#")
APP = f"authorization: Basic {b64encode(b'app:app').decode()}"


@asynccontextmanager
async def line_to(site: Site, make_pair: Any = None) -> AsyncIterator[Line]:  # noqa: ANN401
    """A connection, and a user who may log in from anywhere."""
    if site.users.find("app") is None:
        site.add_user("app", "administrator")
    application: Any = site.application
    async with connected(application, **({} if make_pair is None else {"make_pair": make_pair})) as line:
        yield line


def is_let_go(site: Site) -> bool:
    return site.vhost.watchers == () and site.broker.events.observers == []


async def heard(line: Line, until: bytes, count: int = 1) -> bytes:
    """All that comes until this has come so many times."""
    data = b""
    with trio.fail_after(1000):
        while data.count(until) < count:
            said = await line.stream.receive_some()
            assert said, data
            data += said
    return data


async def until_open(line: Line) -> bytes:
    """All that comes first: an answer, and two states."""
    return await heard(line, b"\n\n", 3)


async def test_a_stream_over_http(site: Site, autojump_clock: MockClock) -> None:
    async with line_to(site) as line:
        await line.say(get(PATH, APP))
        said = await until_open(line)
        assert said.startswith(OK)
        assert b"content-type: text/event-stream\r\n" in said
        assert b"transfer-encoding: chunked\r\n" in said.lower()
        assert b'event: answer\ndata: {"of":0,"status":200,"body":{"name":"app"' in said
        site.publish("k", b"hello", exchange="amq.topic")
        assert b'"payload":"hello"' in await heard(line, b"\n\n")


async def test_a_quiet_stream_goes_on(site: Site, autojump_clock: MockClock) -> None:
    async with line_to(site) as line:
        await line.say(get(PATH, APP))
        await until_open(line)
        began_at = trio.current_time()
        for number in range(1, 100):
            await heard(line, b":\n\n")
            assert trio.current_time() - began_at == pytest.approx(number * QUIET_S, abs=1)
        assert line.is_served


@pytest.mark.parametrize("end", ["aclose", "send_eof"])
async def test_a_client_that_goes_is_noticed(site: Site, autojump_clock: MockClock, end: str) -> None:
    """At once; and whoever says no more is gone, for an answer without an end has no other end."""
    async with line_to(site) as line:
        await line.say(get(PATH, APP))
        await until_open(line)
        assert not is_let_go(site)
        began_at = trio.current_time()
        await getattr(line.stream, end)()
        assert await line.ends() - began_at < 0.001
        assert is_let_go(site)


async def test_a_client_that_reads_nothing_is_let_go(site: Site, autojump_clock: MockClock) -> None:
    async with line_to(site, lockstep_stream_pair) as line:
        await line.say(get(PATH, APP))
        assert await line.stream.receive_some(100)
        assert await line.ends() == pytest.approx(http.PIECE_S, abs=3)
        assert is_let_go(site)


async def test_the_broker_can_stop(site: Site, autojump_clock: MockClock) -> None:
    """Also while a client reads nothing."""
    with trio.CancelScope() as scope:
        async with line_to(site) as line, line_to(site, lockstep_stream_pair) as stuck:
            for each in (line, stuck):
                await each.say(get(PATH, APP))
            await until_open(line)
            began_at = trio.current_time()
            scope.cancel()
            await trio.sleep_forever()
    assert trio.current_time() - began_at < http.LINGER_S + 0.1
    assert is_let_go(site)


async def test_what_follows_a_refused_stream(site: Site, autojump_clock: MockClock) -> None:
    async with line_to(site) as line:
        await line.say(get("/api/live", APP) + get("/api/whoami", APP, "connection: close"))
        said = await line.rest()
        assert said.startswith(b"HTTP/1.1 400 ")
        assert OK in said


# --- nothing is left

CLASSES = (AnswerPart, EventsPart, LiveAnswer, LiveStream, TapPart, Viewer)


def living() -> dict[str, int]:
    found = dict.fromkeys((each.__name__ for each in CLASSES), 0)
    for each in gc.get_objects():
        if type(each) in CLASSES:
            found[type(each).__name__] += 1
    return found


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("way", ["leave", "vanish", "fail to read", "user", "refused"])
async def test_nothing_is_left_of_a_stream(site: Site, autojump_clock: MockClock, no_collector: None, way: str) -> None:
    """Not even for the garbage collector."""
    site.add_user("app", "administrator")
    before = living()
    tasks = trio.lowlevel.current_statistics().tasks_living
    parameters: dict[str, Any] = {
        "get": ["/overview", "/queues", "/none"],
        "events": ["queue.*", "#"],
        "tap": ["/exchanges/%2F/amq.default", "/exchanges/%2F/none"],
    }
    for _ in range(2):
        if way == "vanish":
            async with line_to(site) as line:
                await line.say(get(f"/api/live?{query_of(**parameters)}", APP))
                await trio.sleep(3)
        else:
            async with looking(site, user="app", **parameters) as page:
                site.publish("q", b"x")
                await page.after(3)
                there = living()
                assert all(there[each.__name__] > before[each.__name__] for each in CLASSES)
                if way == "fail to read":
                    page.stop_reading()
                    site.publish("q", *[b"x"] * 100)
                    await trio.sleep(5)
                elif way == "user":
                    site.users.delete_user("app")
                    await page.is_over.wait()
                    site.add_user("app", "administrator")
                elif way == "refused":
                    site.users.set_tags("app", [])
                    await page.is_over.wait()
                    site.users.set_tags("app", ["administrator"])
            del page
        await wait_all_tasks_blocked()
        assert living() == before
        assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert is_let_go(site)
    live = site.application._live  # noqa: SLF001
    assert not live._viewers  # noqa: SLF001
    assert not +live._streams  # noqa: SLF001
    assert not +live._taps  # noqa: SLF001
    assert live._kept.size == 0  # noqa: SLF001
