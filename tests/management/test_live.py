"""Live pages: what is asked for, slow clients, limits and faults."""

from contextlib import AsyncExitStack
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.management.live import live
from amqpy.management.live.stream import LiveStream

from .harness import Site
from .live_page import lengths, looking, query_of, refusal

pytestmark = pytest.mark.usefixtures("nothing_costs_time")

PATH = "/api/live"


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


# --- limits


async def test_streams_have_a_limit(site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 4)
    for name in ("a", "b", "c"):
        site.add_user(name, "management")
    one = partial(looking, site, get="/whoami")
    async with one(user="a"), one(user="a"):
        await trio.sleep(1)
        assert await refusal(site, user="a", get="/whoami") == (
            503,
            "too_many",
            "there may be 2 live streams of one user at a time",
        )
        async with one(user="b"), one(user="b") as last:
            await last.next("answer")
            assert await refusal(site, user="c", get="/whoami") == (
                503,
                "too_many",
                "there may be 4 live streams at a time",
            )
            last.leave()
            await last.is_over.wait()
            async with one(user="c") as page:
                assert (await page.next("answer"))["status"] == 200


async def test_taps_have_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TAPS_MAX", 4)
    tap = "/exchanges/%2F/amq.topic"
    site.add_user("a", "management")
    async with looking(site, tap=[tap, tap]) as page:
        await page.next("state")
        assert (await refusal(site, tap=tap))[2] == "there may be 2 taps of one user at a time"
        async with looking(site, get="/whoami") as other:
            assert (await other.next("answer"))["status"] == 200
        async with looking(site, user="a", tap=[tap, tap]) as other:
            await other.next("state")
            assert (await refusal(site, tap=tap))[2] == "there may be 4 taps at a time"
    async with looking(site, tap=[tap, tap]) as page:
        await page.next("state")


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
