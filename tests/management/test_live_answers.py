"""Answers on live pages: sent again when they have changed, and made once for all who ask for the same."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.core.principals import Principal
from amqpy.management.files import Files
from amqpy.management.live import answers, budget
from amqpy.management.responses import Stream

from .harness import Site
from .live_page import count_requests, lengths, looking

pytestmark = pytest.mark.usefixtures("nothing_costs_time")

ASKING_S = 0.1


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


async def test_files_are_not_looked_at(site: Site, tmp_path: Path) -> None:
    """What is no resource may be one, below the same path."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "news").write_text("a file")
    site.application._files = Files(str(tmp_path))  # noqa: SLF001
    assert (await site.get("/api/news")).body == b"a file"
    async with looking(site, get="/news") as page:
        assert (await page.next("answer"))["status"] == 404


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
