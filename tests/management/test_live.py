"""Live pages: what is asked for, and answers that are sent again when they have changed."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.core.principals import Principal
from amqpy.management.live import answers, budget
from amqpy.management.live.stream import LiveStream
from amqpy.management.responses import Stream

from .harness import Site
from .live_page import looking, query_of, refusal

PATH = "/api/live"
ASKING_S = 0.1


@pytest.fixture(autouse=True)
def nothing_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that intervals are those that are asked for."""
    monkeypatch.setattr(budget, "thread_time", lambda: 0.0)


def lengths(events: list[tuple[str, Any]]) -> list[int]:
    """The lengths of the queue that the answers show."""
    return [data["body"]["messages"] for name, data in events if name == "answer"]


# --- what is asked for


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "one of get, events and tap is needed"),
        ("interval=1000", "one of get, events and tap is needed"),
        (query_of(get="/overview", interval=249), "interval should be from 250 to 60000"),
        (query_of(get="/overview", interval=60_001), "interval should be from 250 to 60000"),
        (query_of(get="/overview", interval="x"), ["not_integer", "x"]),
        (query_of(get="/overview", truncate=-1), "truncate should be from 0 to 65536"),
        (query_of(get="/overview", truncate=65_537), "truncate should be from 0 to 65536"),
        (query_of(get="overview"), "get should be a path below /api, such as /overview, and not overview"),
        (query_of(get=""), "get should be a path below /api, such as /overview, and not "),
        (query_of(get="/queues/%/q"), "get should be a path below /api, such as /overview, and not /queues/%/q"),
        (query_of(get="/live?get=/overview"), "a stream cannot be in a stream"),
        (query_of(get="/x/../live"), "a stream cannot be in a stream"),
        (
            "get=/queues?page=1&page_size=10",
            "there is no parameter page_size: is a & in another one percent-encoded?",
        ),
        (query_of(get=["/overview"] * 17), "get, events and tap may be there 16 times together"),
        (query_of(get=["/overview"] * 8, events=["#"] * 9), "get, events and tap may be there 16 times together"),
        (query_of(events="x" * 256), "a pattern of events has at most 255 octets"),
        *(
            (query_of(tap=tap), f"tap should be /exchanges/VHOST/NAME or /queues/VHOST/NAME, and not {tap}")
            for tap in ("", "/", "/queues", "/queues/%2F", "/queues/%2F/q/peek", "/bindings/%2F/q", "queues/%2F/%")
        ),
    ],
)
async def test_what_cannot_be_asked_for(site: Site, query: str, reason: object) -> None:
    assert await refusal(site, query) == (400, "bad_request", reason)
    assert site.broker.events.observers == []


async def test_who_may_look(site: Site) -> None:
    site.add_user("nobody")
    site.add_user("looker", "management")
    assert (await site.get(f"{PATH}?get=/overview", user=None)).status == 401
    assert (await site.get(f"{PATH}?get=/overview", password="wrong")).status == 401
    assert (await refusal(site, user="nobody", get="/overview"))[2] == "Not management user"
    async with looking(site, user="looker", get=["/overview", "/nodes"]) as page:
        assert (await page.next("answer"))["status"] == 200
        assert await page.next("answer") == {
            "of": 1,
            "status": 401,
            "body": {"error": "not_authorised", "reason": "Not monitor user"},
        }


async def test_it_is_a_stream_of_events(site: Site) -> None:
    async with looking(site, get="/overview", headers={"accept": "text/event-stream"}) as page:
        await page.next("answer")
        assert page.status == 200
        assert page.headers["content-type"] == "text/event-stream"
        assert page.headers["cache-control"] == "no-cache"
        assert page.headers["x-accel-buffering"] == "no"
        assert "content-length" not in page.headers
    assert (await site.get(f"{PATH}?get=/overview", headers={"accept": "application/json"})).status == 406
    reply = await site.request("HEAD", f"{PATH}?get=/overview")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, OPTIONS")


@pytest.mark.parametrize("config", [Config(strict=True, management_path_prefix="/rabbit")])
async def test_a_prefix_is_not_a_part_of_what_is_asked_for(site: Site) -> None:
    async with looking(site, get="/overview", path="/rabbit/api/live") as page:
        assert (await page.next("answer"))["status"] == 200


# --- answers


async def test_answers_are_those_of_the_api(site: Site) -> None:
    site.declare("q")
    site.add_vhost("shop")
    paths = [
        "/queues/%2F/q",
        "/queues?page=1&page_size=1&columns=name",
        "/nothing",
        "/vhosts/shop/start",
        "/queues/no/q",
    ]
    async with looking(site, get=paths) as page:
        for index, path in enumerate(paths):
            reply = await site.get(f"/api{path}")
            told = await page.next("answer")
            assert told == {"of": index, "status": reply.status, "body": reply.whole if reply.body else None}


async def test_an_answer_comes_again_when_it_has_changed(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    async with looking(site, get="/queues/%2F/q?columns=messages") as page:
        assert lengths(await page.after(10)) == [0]
        site.publish("q", b"1")
        assert lengths(await page.after(1)) == [1]
        site.publish("q", b"2", b"3")
        assert lengths(await page.after(10)) == [3]


@pytest.mark.parametrize("interval", [250, 1000, 5000])
async def test_not_more_often_than_the_interval(site: Site, autojump_clock: MockClock, interval: int) -> None:
    site.declare("q")
    async with looking(site, get="/queues/%2F/q?columns=messages", interval=interval) as page:
        await page.next("answer")
        for _ in range(100):
            site.publish("q", b"x")
            await trio.sleep(interval / 1000 / 10)
        assert 9 <= len(page.take()) <= 11


async def test_what_is_refused_may_come_to_be(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, get="/queues/%2F/q?columns=name") as page:
        gone = {"of": 0, "status": 404, "body": {"error": "Object Not Found", "reason": "Not Found"}}
        there = {"of": 0, "status": 200, "body": {"name": "q"}}
        assert await page.next("answer") == gone
        site.declare("q")
        assert await page.next("answer") == there
        await site.delete("/api/queues/%2F/q")
        assert await page.next("answer") == gone
        site.broker.administration.delete_vhost("/")
        assert await page.after(10) == []


async def test_equal_answers_are_made_once(site: Site, autojump_clock: MockClock) -> None:
    asked = count_requests(site)
    site.add_user("other", "administrator")
    path = "/queues?columns=name"
    async with (
        looking(site, get=[path, "/whoami"]) as first,
        looking(site, get=["/whoami", path]) as second,
        looking(site, user="other", get=path),
        looking(site, get=path, interval=2000),
    ):
        await trio.sleep(0.5)
        asked.clear()
        site.declare("q")
        await trio.sleep(2)
        assert asked.count((path, "guest")) == 2 + 1
        assert asked.count((path, "other")) == 2
        told = {"status": 200, "body": [{"name": "q"}]}
        assert ("answer", {"of": 0, **told}) in first.take()
        assert ("answer", {"of": 1, **told}) in second.take()


async def test_who_comes_later_sees_what_is_there_then(site: Site, autojump_clock: MockClock) -> None:
    """Such as what it has just changed itself."""
    site.declare("q")
    async with looking(site, get="/queues/%2F/q?columns=messages", interval=60_000) as first:
        await first.next("answer")
        await trio.sleep(10)
        async with looking(site, get="/queues/%2F/q?columns=messages", interval=60_000) as second:
            assert lengths(await second.after(0.001)) == [0]
        site.publish("q", b"1")
        await trio.sleep(1)
        async with looking(site, get="/queues/%2F/q?columns=messages", interval=60_000) as third:
            assert lengths(await third.after(0.001)) == [1]
        assert lengths(first.take()) == [1]


async def test_who_comes_at_about_the_same_time_gets_the_same(site: Site, autojump_clock: MockClock) -> None:
    asked = count_requests(site)
    async with AsyncExitStack() as pages:
        for _ in range(20):
            page = await pages.enter_async_context(looking(site, get="/whoami", interval=60_000))
            assert len(await page.after(0.004)) == 1
    assert len(asked) == 1


async def test_what_is_dear_is_not_made_for_each_who_comes(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "thread_time", iter(range(1_000_000)).__next__)  # a second for each step
    asked = count_requests(site)
    async with looking(site, get="/whoami", interval=250) as first:
        await first.next("answer")
        for _ in range(10):
            async with looking(site, get="/whoami", interval=250) as page:
                assert len(await page.after(1)) == 1
    assert len(asked) == 1


async def test_who_comes_while_it_is_made_sees_what_is_there_then(site: Site, autojump_clock: MockClock) -> None:
    asked = count_requests(site)
    pages = site.application._live  # noqa: SLF001
    ask = pages._ask  # noqa: SLF001
    site.declare("q")

    async def slowly(request: Any, user: Principal) -> Any:  # noqa: ANN401
        answer = await ask(request, user)
        await trio.sleep(ASKING_S)
        return answer

    pages._ask = slowly  # noqa: SLF001
    async with looking(site, get="/queues/%2F/q?columns=messages", interval=60_000) as first:
        await trio.sleep(ASKING_S / 2)
        site.publish("q", b"1")
        async with looking(site, get="/queues/%2F/q?columns=messages", interval=60_000) as second:
            assert lengths(await second.after(1))[-1] == 1
        assert lengths(await first.after(1)) == [0, 1]
    assert len(asked) == 2


async def test_when_the_first_leaves_the_next_goes_on(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    async with looking(site, get="/queues/%2F/q?columns=messages") as first:
        await first.next("answer")
        async with looking(site, get="/queues/%2F/q?columns=messages") as second:
            await second.next("answer")
            first.leave()
            await first.is_over.wait()
            for number in range(1, 4):
                site.publish("q", b"x")
                assert lengths(await second.after(1.1)) == [number]


def count_requests(site: Site) -> list[tuple[str, str]]:
    """The requests that are answered from now on for live pages: path and user."""
    asked: list[tuple[str, str]] = []
    page = site.application._live  # noqa: SLF001 (there is no other way to see what is not asked)
    ask = page._ask  # noqa: SLF001

    async def noting(request: Any, user: Principal) -> Any:  # noqa: ANN401
        asked.append((f"{request.path.removeprefix('/api')}?{request.query_string}".rstrip("?"), user.name))
        return await ask(request, user)

    page._ask = noting  # noqa: SLF001
    return asked


async def test_what_is_not_looked_at_any_more_is_not_asked_for(site: Site, autojump_clock: MockClock) -> None:
    """Nor kept, if it was being made."""
    asked = count_requests(site)
    pages = site.application._live  # noqa: SLF001
    ask, going_on = pages._ask, trio.Event()  # noqa: SLF001

    async def slowly(request: Any, user: Principal) -> Any:  # noqa: ANN401
        if request.path == "/api/vhosts":
            await going_on.wait()
        return await ask(request, user)

    async with looking(site, get="/whoami") as first:
        await first.next("answer")
        pages._ask = slowly  # noqa: SLF001
        async with looking(site, get=["/vhosts", "/users"]) as second:
            assert await second.after(1) == []
        asked.clear()
        going_on.set()
        await first.after(0.5)
        paths = {path for path, _ in asked}
        assert "/vhosts" in paths
        assert "/users" not in paths
        assert pages._kept.size == len((await site.get("/api/whoami")).body)  # noqa: SLF001


async def test_nothing_is_asked_while_nobody_looks(site: Site, autojump_clock: MockClock) -> None:
    asked = count_requests(site)
    async with looking(site, get="/whoami", events="#", tap="/exchanges/%2F/amq.topic") as page:
        await page.after(3.5)
    assert len(asked) == 4
    await trio.sleep(100)
    assert len(asked) == 4
    assert site.broker.events.observers == []
    assert site.vhost.watchers == ()


async def test_a_list_that_is_made_in_pieces(site: Site) -> None:
    for number in range(300):
        site.declare(f"q{number}-{'x' * 200}")
    assert "content-length" not in (await site.get("/api/queues")).headers
    async with looking(site, get="/queues") as page:
        answer = await page.next("answer")
        assert answer["status"] == 200
        assert len(answer["body"]) == 300


@pytest.mark.parametrize("profile", ["rabbitmq-4.0"])
async def test_what_is_no_json_is_a_text(site: Site) -> None:
    text = (await site.get("/api/config/effective")).body.decode()
    async with looking(site, get="/config/effective") as page:
        assert await page.next("answer") == {"of": 0, "status": 200, "body": text}


async def test_what_is_too_long_is_not_made_to_its_end() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x" * 1000

    _, body = await answers._whole(Stream(endless()))  # noqa: SLF001
    assert len(body) > answers.ANSWER_MAX


async def test_an_answer_that_is_too_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_MAX", 300_000)
    for number in range(600):
        site.declare(f"q{number}-{'x' * 200}")
    async with looking(site, get=["/queues", "/queues?columns=name,type", "/queues?page=1&page_size=2"]) as page:
        told = await page.next("answer")
        assert (told["status"], told["body"]["error"]) == (413, "too_large")
        assert (await page.next("answer"))["status"] == 200
        assert (await page.next("answer"))["status"] == 200


async def test_all_answers_together_have_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ALL_MAX", 100)
    async with looking(site, get=["/whoami", "/overview"]) as page:
        assert (await page.next("answer"))["status"] == 200
        assert await page.next("answer") == {"of": 1, "status": 503, "body": answers.TOO_MANY.value}
    async with looking(site, get="/whoami") as page:
        assert (await page.next("answer"))["status"] == 200


# --- clients


async def test_a_slow_client_gets_the_newest_answer_only(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    async with looking(site, get="/queues/%2F/q?columns=messages") as page:
        assert lengths([("answer", await page.next("answer"))]) == [0]
        page.stop_reading()
        for _ in range(20):
            site.publish("q", b"x")
            await trio.sleep(1)
        page.read_on()
        on_its_way, of_now = lengths(await page.after(1))
        assert on_its_way <= 2
        assert of_now == 20


class Rounds(trio.abc.Instrument):
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_one_stream_sends_in_a_round_of_the_event_loop(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many have the same to send: others have work to do, too."""
    rounds = Rounds()
    sent_in: list[int] = []
    make_piece = LiveStream._piece  # noqa: SLF001

    def noting(stream: LiveStream) -> bytes:
        if piece := make_piece(stream):
            sent_in.append(rounds.count)
        return piece

    monkeypatch.setattr(LiveStream, "_piece", noting)
    async with AsyncExitStack() as pages:
        for _ in range(10):
            await pages.enter_async_context(looking(site, get="/vhosts?columns=name"))
        await trio.sleep(1)
        sent_in.clear()
        trio.lowlevel.add_instrument(rounds)
        site.add_vhost("another")
        await trio.sleep(1)
        trio.lowlevel.remove_instrument(rounds)
    assert len(sent_in) == 10
    assert len(set(sent_in)) == 10


async def test_silence_is_not_the_end(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, get="/whoami") as page:
        await page.next("answer")
        await trio.sleep(151)
        assert page.comments == 10
        assert page.take() == []
        assert not page.is_over.is_set()


async def test_a_client_that_leaves_is_let_go(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, get="/whoami", tap="/exchanges/%2F/amq.topic") as page:
        await page.after(1)
        assert site.vhost.watchers != ()
        page.leave()
        with trio.fail_after(0.001):
            await page.is_over.wait()
        assert site.vhost.watchers == ()


async def test_a_client_that_cannot_be_reached_is_let_go(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, tap="/exchanges/%2F/amq.topic") as page:
        await page.after(1)
        page.is_lost = True
        site.publish("x", b"1", exchange="amq.topic")
        with trio.fail_after(1):
            await page.is_over.wait()
        assert site.vhost.watchers == ()


# --- faults


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("amqpy.management.resources.overview.view", fail)


@pytest.mark.parametrize("config", [Config(strict=False)])
async def test_a_bug_in_one_answer_is_the_end_of_that_one(site: Site, broken: None, autojump_clock: MockClock) -> None:
    site.declare("q")
    async with looking(site, get=["/overview", "/queues/%2F/q?columns=messages"]) as page:
        assert await page.next("answer") == {"of": 0, "status": 500, "body": None}
        assert lengths([("answer", await page.next("answer"))]) == [0]
        site.publish("q", b"x")
        assert lengths(await page.after(10)) == [1]
    assert site.reactor.internal_errors == 1
    site.reactor.internal_errors = 0


@pytest.mark.parametrize("config", [Config(strict=False)])
async def test_a_bug_where_a_right_is_judged(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("amqpy.management.live.taps.find_exchange", fail)
    async with looking(site, get="/whoami", tap="/exchanges/%2F/amq.topic") as page:
        assert (await page.next("answer"))["status"] == 200
        assert (await page.next("state"))["status"] == 500
    assert site.reactor.internal_errors == 1
    site.reactor.internal_errors = 0


@pytest.mark.parametrize("config", [Config(strict=False)])
async def test_a_bug_in_a_login_is_the_end(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: object, **options: object) -> None:
        raise ValueError("a bug")

    async with looking(site, get="/whoami") as page:
        assert (await page.next("answer"))["status"] == 200
        monkeypatch.setattr("amqpy.management.login.Logins.log_in", fail)
        assert (await page.next("answer"))["status"] == 500
        await page.is_over.wait()
    assert site.reactor.internal_errors == 1
    site.reactor.internal_errors = 0


async def test_the_end_of_the_broker_is_the_end_of_streams(site: Site, autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        async with looking(site, get="/whoami", tap="/exchanges/%2F/amq.topic") as reading:
            await reading.after(1)
            assert site.vhost.watchers != ()
            scope.cancel()
            await trio.sleep_forever()
    assert site.vhost.watchers == ()
