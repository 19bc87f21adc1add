"""Long lists: in their order, in pages, and never in one go."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.management import lists
from amqpy.management.lists import Listing, View, in_order, shown
from amqpy.management.turns import Turns

from .harness import Site

COUNT = 1300
NAMES = [f"q{number:04d}" for number in range(COUNT)]


@pytest.fixture
def names(site: Site) -> list[str]:
    """The names of many queues, which were declared in another order."""
    shuffled = random.Random(7).sample(NAMES, COUNT)
    for name in shuffled:
        site.declare(name, durable=False)
    return NAMES


async def named(site: Site, query: str) -> list[str]:
    found = (await site.get(f"/api/queues?{query}")).json
    return [each["name"] for each in (found["items"] if isinstance(found, dict) else found)]


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-4.3"])
async def test_a_list_is_in_order(site: Site, names: list[str], profile: str) -> None:
    assert await named(site, "columns=name") == names
    assert await named(site, "columns=name&sort_reverse=true") == names[::-1]
    assert await named(site, "columns=name&sort=name") == names
    assert await named(site, "columns=name&sort=name&sort_reverse=true") == names[::-1]
    assert await named(site, "columns=name&page=2&page_size=500") == names[500:1000]
    assert await named(site, "columns=name&page=3&page_size=500&sort=name&sort_reverse=true") == names[299::-1]
    assert await named(site, "columns=name&page=1&name=q11.9&use_regex=true") == names[1109:1200:10]


async def test_what_is_equal_stays_in_order(site: Site, names: list[str]) -> None:
    for name in names[::3]:
        site.publish(name, b"x")
    expected = [name for name in names if name not in names[::3]] + names[::3]
    assert await named(site, "columns=name&sort=messages") == expected
    assert await named(site, "columns=name&sort=messages&sort_reverse=true") == expected[::-1]


async def test_the_document_is_the_same_in_pieces(site: Site, names: list[str]) -> None:
    whole = (await site.get("/api/queues?page=1&page_size=500&columns=name")).json
    assert list(whole) == [
        *("filtered_count", "item_count", "page", "page_count", "page_size", "total_count"),
        "items",
    ]
    assert [whole[key] for key in list(whole)[:-1]] == [COUNT, 500, 1, 3, 500, COUNT]
    empty = (await site.get("/api/queues?page=1&name=nothing")).json
    assert (empty["items"], empty["page_count"]) == ([], 0)


async def test_bindings_are_in_order(site: Site, names: list[str]) -> None:
    rows = (await site.get("/api/bindings?columns=destination")).json
    assert [row["destination"] for row in rows] == names


@pytest.mark.parametrize("count", [0, 1, lists.SORTED, 3 * lists.SORTED + 1])
async def test_sorting_is_stable_and_fair(autojump_clock: MockClock, count: int) -> None:
    chance = random.Random(count)
    items = [(chance.randrange(10), number) for number in range(count)]
    with Others() as others:
        assert await in_order(items, lambda item: item[0], in_turn) == sorted(items, key=lambda item: item[0])
        assert others.turns >= 2 * (count // lists.SORTED) - 2


class Others:
    """The turns that others have had meanwhile."""

    def __enter__(self) -> "Others":
        self._scope = trio.CancelScope()
        self.turns = 0
        trio.lowlevel.spawn_system_task(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        self._scope.cancel()

    async def _run(self) -> None:
        with self._scope:
            while True:
                await trio.lowlevel.checkpoint()
                self.turns += 1


async def in_turn(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    await trio.lowlevel.checkpoint()
    return call()


@pytest.mark.parametrize(("seconds", "size"), [(0.0, lists.SLICE), (lists.TURN_S / 4, 4), (1.0, 1)])
async def test_a_turn_has_as_many_items_as_it_has_time_for(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, seconds: float, size: int
) -> None:
    now = 0.0

    def view(item: int) -> View:
        nonlocal now
        now += seconds * 1.001
        return {"item": item}

    monkeypatch.setattr(lists, "perf_counter", lambda: now)
    listing = Listing(range(200), view)
    pieces: list[Any] = [piece async for piece in shown(listing, {}, in_turn)]
    assert [row["item"] for piece in pieces for row in piece] == list(range(200))
    assert {len(piece) for piece in pieces} == {size}


async def test_names_are_compared_a_part_at_a_time(site: Site, names: list[str]) -> None:
    with Others() as others:
        await named(site, "columns=name&page=1&page_size=1&name=q1299&use_regex=true")
        assert others.turns >= COUNT // lists.MATCHED


async def test_many_requests_have_one_turn_in_a_round(autojump_clock: MockClock, site: Site) -> None:
    """However many there are, others wait for one of them."""
    turns = Turns(site.reactor)
    taken: list[int] = []
    rounds: list[int] = []

    async def ask(number: int) -> None:
        for _ in range(10):
            await turns.take(lambda: taken.append(number))

    async def other() -> None:
        while len(taken) < 200:
            before = len(taken)
            await trio.lowlevel.checkpoint()
            rounds.append(len(taken) - before)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for number in range(20):
            nursery.start_soon(ask, number)
    assert max(rounds) <= 2
    # And each has its turn.
    assert set(taken[:20]) == set(range(20))


async def test_the_order_that_is_remembered_is_that_of_now(site: Site) -> None:
    async def names() -> list[str]:
        return [each["name"] for each in (await site.get("/api/queues?columns=name")).json]

    assert await names() == []
    for name in "bac":
        site.declare(name)
    assert await names() == await names() == [*"abc"]
    await site.delete("/api/queues/%2F/b")
    assert await names() == [*"ac"]
    site.declare("b")
    await site.delete("/api/queues/%2F/a")
    assert await names() == [*"bc"]
    await site.delete("/api/queues/%2F/c")
    site.declare("aa")
    assert await names() == ["aa", "b"]
    site.add_vhost("v", "guest")
    site.declare("v1", vhost=site.broker.vhosts["v"])
    assert await names() == ["aa", "b", "v1"]
    await site.delete("/api/vhosts/v")
    site.declare("v2", vhost=site.add_vhost("v", "guest"))
    assert await names() == ["aa", "b", "v2"]
