"""One epoll for many sockets: who is heard, in what order, and who is not heard any more."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import pairwise, permutations

import pytest
import trio
from pamqp.commands import Basic, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.amqp.channel import HANDLERS
from amqpy.config import Config
from amqpy.server.busy_poll import BusyPoll
from amqpy.server.readiness import HAS_EPOLL, SOCKETS_MAX, Readiness, open_readiness

from .peer import Server, by_socket

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="this system has no epoll")


class Line:
    """A socket that is watched, and the peer's end of it."""

    def __init__(self, *, hears: int = 1_000_000) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.scope: trio.CancelScope
        self.has_ended = False
        self.heard: list[bytes] = []
        self.on_hear: Callable[[], object] = bool
        self._hears = hears
        """After so many times it is over."""

    async def watch(self, readiness: Readiness) -> None:
        with trio.CancelScope() as self.scope:
            await readiness.watch(self.ours.fileno(), self.hear)
        self.has_ended = True

    def hear(self) -> bool:
        self.heard.append(self.ours.recv(1))
        self.on_hear()
        return len(self.heard) < self._hears

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    lines: list[Line] = []
    yield lines
    for line in lines:
        line.close()


@pytest.fixture
async def readiness() -> AsyncIterator[Readiness]:
    with open_readiness() as readiness:
        assert readiness is not None
        yield readiness


async def test_a_socket_is_watched_until_its_ear_has_enough(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery
) -> None:
    line = Line(hears=2)
    lines.append(line)
    nursery.start_soon(line.watch, readiness)
    await wait_all_tasks_blocked()
    readiness.look()
    assert line.heard == []
    line.theirs.send(b"abc")
    readiness.look()
    assert not line.has_ended
    for _ in range(3):
        readiness.look()
    await wait_all_tasks_blocked()
    assert line.heard == [b"a", b"b"]
    assert line.has_ended
    # It can be watched again, by whoever has the descriptor then.
    nursery.start_soon(line.watch, readiness)
    await wait_all_tasks_blocked()
    readiness.look()
    assert line.heard == [b"a", b"b", b"c"]


async def test_who_is_cancelled_is_not_heard_any_more(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery
) -> None:
    """Not even if the kernel has named it already, and though its task has not run yet."""
    lines += [Line(), Line()]
    for line in lines:
        nursery.start_soon(line.watch, readiness)
        line.theirs.send(b"ab")
    await wait_all_tasks_blocked()
    for line, other in permutations(lines):
        line.on_hear = other.scope.cancel
    for _ in range(2):
        readiness.look()
    assert sorted(len(line.heard) for line in lines) == [0, 2]
    await wait_all_tasks_blocked()
    assert sorted(line.has_ended for line in lines) == [False, True]


@pytest.mark.parametrize("goes_on", [True, False])
async def test_who_ends_itself_is_not_heard_any_more(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery, goes_on: bool
) -> None:
    line = Line(hears=2 if goes_on else 1)
    lines.append(line)
    nursery.start_soon(line.watch, readiness)
    line.theirs.send(b"ab")
    await wait_all_tasks_blocked()
    line.on_hear = line.scope.cancel
    for _ in range(2):
        readiness.look()
    await wait_all_tasks_blocked()
    assert line.heard == [b"a"]
    assert line.has_ended


async def test_a_descriptor_that_is_used_again_is_another(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery
) -> None:
    first = Line()
    nursery.start_soon(first.watch, readiness)
    await wait_all_tasks_blocked()
    first.theirs.send(b"a")
    first.scope.cancel()
    await wait_all_tasks_blocked()
    number = first.ours.fileno()
    first.close()
    second = Line()
    lines.append(second)
    assert number in {second.ours.fileno(), second.theirs.fileno()}
    nursery.start_soon(second.watch, readiness)
    await wait_all_tasks_blocked()
    second.theirs.send(b"b")
    readiness.look()
    assert (first.heard, second.heard) == ([], [b"b"])


async def test_all_who_speak_have_their_turn(readiness: Readiness, lines: list[Line], nursery: trio.Nursery) -> None:
    """However much they say, and however many they are."""
    lines += [Line() for _ in range(3 * SOCKETS_MAX)]
    for line in lines:
        line.theirs.send(bytes(100))
        nursery.start_soon(line.watch, readiness)
    await wait_all_tasks_blocked()
    for turns in range(1, 4):
        readiness.look()
        assert sum(len(line.heard) for line in lines) == turns * SOCKETS_MAX
    assert {len(line.heard) for line in lines} == {1}


async def test_who_has_just_begun_is_heard_before_who_never_stops(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery
) -> None:
    order: list[str] = []
    for name in ("flood", "other"):
        line = Line()
        line.on_hear = partial(order.append, name)
        lines.append(line)
        nursery.start_soon(line.watch, readiness)
    await wait_all_tasks_blocked()
    flood, other = lines
    flood.theirs.send(bytes(100))
    readiness.look()
    for _ in range(3):
        other.theirs.send(b"a")
        readiness.look()
        readiness.look()
    assert order == ["flood", *["other", "flood", "flood"] * 3]


async def test_everything_else_has_its_turn_as_well(
    readiness: Readiness, lines: list[Line], nursery: trio.Nursery
) -> None:
    lines += [Line() for _ in range(4 * SOCKETS_MAX)]
    for line in lines:
        line.theirs.send(bytes(5))
        nursery.start_soon(line.watch, readiness)
    await wait_all_tasks_blocked()
    nursery.start_soon(readiness.run, BusyPoll())
    counts = [0]
    while counts[-1] < 5 * len(lines):
        await trio.lowlevel.checkpoint()
        counts.append(sum(len(line.heard) for line in lines))
    # Trio runs tasks in any order, so one that ran last may run first the next time.
    assert max(after - before for before, after in pairwise(counts)) <= 2 * SOCKETS_MAX
    nursery.cancel_scope.cancel()


class Steps(trio.abc.Instrument):
    """Counts how often the tasks of connections run."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name.startswith("peer ")


async def test_a_message_wakes_no_task(autojump_clock: MockClock, server: Server) -> None:
    server.joint = by_socket
    peers = [await server.opened() for _ in range(20)]
    for number, peer in enumerate(peers):
        await peer.ask(Queue.Declare(queue=f"q{number}"))
        await peer.ask(Basic.Consume(queue=f"q{number}"))
    await wait_all_tasks_blocked()
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    for tag in range(1, 6):
        for number, peer in enumerate(peers):
            await peer.publish(f"q{number}")
            await peer.expect("Basic.Deliver")
            await peer.say(Basic.Ack(tag))
    await wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(steps)
    assert steps.count == 0


async def test_a_bug_that_nobody_may_miss_ends_the_broker(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(Config(strict=True))
    server.joint = by_socket

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(HANDLERS, Basic.Qos, broken)

    async def meet_it() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.reactor.run)
            peer, witness = await server.opened(), await server.opened()
            await peer.say(Basic.Qos())
            assert await witness.rest() == await peer.rest() == []

    with pytest.raises(BaseExceptionGroup) as caught:
        await meet_it()
    assert caught.group_contains(ZeroDivisionError)
    assert not server.reactor.connections
    for each in server.peers:
        await each.vanish()
