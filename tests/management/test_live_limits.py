"""Live pages: how many there may be."""

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from amqpy.management.live import live

from .harness import Site
from .live_page import looking, refusal


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
