"""All sockets whose peers may speak, in one epoll of our own, which to Trio is a single thing to wait for.

A task that waits for its socket costs more than what a small message asks for: Trio registers the socket for this one
time, wakes the task in its next round, and the task asks the kernel. Here the sockets stay registered, and those that
have something are heard one after the other, without a task in between (decision 21).

    reader         sleeps in `watch` until its peer has to wait, or is gone
    run            the epoll is readable → `look`: sockets that have something are heard → …
    BusyPoll.run   `look` → `look` → …, while the event loop stays awake

A descriptor is registered while a task is in `watch`, and no longer: however that ends, it is unregistered at once. So
nobody is heard after the end, and no descriptor is closed that is registered.

Systems without epoll have none of this; there every reader waits for its own socket.
"""

import contextlib
import select
from collections.abc import Callable, Iterator

import trio

from amqpy.server.busy_poll import BusyPoll

HAS_EPOLL = hasattr(select, "epoll")

SOCKETS_MAX = 32
"""Sockets heard in a row. Then it is everybody else's turn: writers, timers, the store."""


class Readiness:
    """Watches the sockets of one event loop."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[Callable[[], bool], trio.lowlevel.Task]] = {}

    async def watch(self, descriptor: int, hear: Callable[[], bool]) -> None:
        """Has `hear` called whenever there is something to receive, until it returns False."""

        def abort(_: object) -> trio.lowlevel.Abort:
            self._forget(descriptor)
            return trio.lowlevel.Abort.SUCCEEDED

        self._epoll.register(descriptor, select.EPOLLIN)
        self._watched[descriptor] = hear, trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)

    def _forget(self, descriptor: int) -> None:
        del self._watched[descriptor]
        self._epoll.unregister(descriptor)

    async def run(self, busy_poll: BusyPoll) -> None:
        """Has those heard who speak, until cancelled; while the event loop stays awake, that is left to `busy_poll`."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            self.look()
            await busy_poll.until_asleep()

    def look(self) -> None:
        """Has some of those heard who have spoken, and the rest the next time.

        The kernel names them by turns, and last who has just begun. Those come first, before who never stops.
        """
        watched = self._watched
        for descriptor, _ in reversed(self._epoll.poll(0, SOCKETS_MAX)):
            # What one says can be the end of another, or its own.
            if (entry := watched.get(descriptor)) is not None:
                hear, task = entry
                if not hear() and descriptor in watched:
                    self._forget(descriptor)
                    trio.lowlevel.reschedule(task)

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._epoll.fileno())
        self._epoll.close()


@contextlib.contextmanager
def open_readiness() -> Iterator[Readiness | None]:
    """None on systems without epoll."""
    if HAS_EPOLL:
        with contextlib.closing(Readiness()) as readiness:
            yield readiness
    else:
        yield None
