"""Bugs in requests: each is logged and counted once, costs its request, and with `strict` the broker."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.management import responses
from amqpy.management.access import anyone
from amqpy.management.answers import Answer
from amqpy.management.call import Call
from amqpy.management.lists import Listing
from amqpy.management.router import Endpoint, Handler
from tests.server.peer import Server

from .harness import Site


class Broken(Exception):
    """Something that nobody has foreseen."""


def in_a_turn(call: object) -> dict[str, Any]:
    raise Broken


def in_what_is_answered(call: Call) -> object:
    return Answer(200, {"x": object()})


def in_a_list(call: Call) -> object:
    return Listing([1], in_a_turn)


BUGS = [(in_a_turn, Broken), (in_what_is_answered, TypeError), (in_a_list, Broken)]


def handle_with(site: Site, handle: Handler) -> None:
    """Handles `GET /api/whoami` in another way."""
    found = site.application._router.match(["whoami"])  # noqa: SLF001
    assert found is not None
    found[0].endpoints["GET"] = Endpoint(handle, anyone)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
async def tolerant(autojump_clock: MockClock, nursery: trio.Nursery) -> Site:
    """A site that goes on after a bug."""
    site = Site(Server(Config(strict=False)))
    await nursery.start(site.reactor.run)
    return site


@pytest.mark.parametrize(("handle", "kind"), BUGS)
async def test_a_bug_costs_its_request(
    tolerant: Site, caplog: pytest.LogCaptureFixture, handle: Handler, kind: type[Exception]
) -> None:
    handle_with(tolerant, handle)
    assert (await tolerant.get("/api/whoami")).status == 500
    (record,) = errors(caplog)
    assert record.getMessage() == "internal error"
    assert record.exc_info is not None
    assert record.exc_info[0] is kind
    assert tolerant.reactor.internal_errors == 1
    assert (await tolerant.get("/api/overview")).status == 200


async def test_a_long_list_ends_where_the_bug_is(
    tolerant: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view(item: int) -> dict[str, Any]:
        if item == 60:
            raise Broken
        return {"item": item}

    monkeypatch.setattr(responses, "WHOLE_MAX", 1)
    handle_with(tolerant, lambda call: Listing(range(100), view))
    with pytest.raises(AssertionError):  # the answer has no end
        await tolerant.get("/api/whoami")
    assert len(errors(caplog)) == tolerant.reactor.internal_errors == 1


@pytest.mark.parametrize(("handle", "kind"), BUGS)
async def test_a_strict_broker_stops(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, handle: Handler, kind: type[Exception]
) -> None:
    site = Site(Server(Config(strict=True)))
    handle_with(site, handle)

    async def ask() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(site.reactor.run)
            await site.get("/api/whoami")
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as stopped:
        await ask()
    assert stopped.value.subgroup(kind) is not None
    assert len(errors(caplog)) == site.reactor.internal_errors == 1


async def test_a_bug_beside_the_requests_comes_to_light_and_costs_no_more(
    autojump_clock: MockClock, tolerant: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Samples are taken in turns of their own."""
    calls: list[float] = []

    async def run(in_turn: Callable[[Callable[[], object]], object]) -> None:
        calls.append(trio.current_time())
        if len(calls) == 1:
            in_turn(partial(in_a_turn, None))

    tolerant.api.statistics.run = run  # type: ignore[method-assign]
    await tolerant.application.run()
    assert calls[1] - calls[0] == 5
    assert len(errors(caplog)) == tolerant.reactor.internal_errors == 1
