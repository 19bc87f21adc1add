"""The thread and the event loop in which all test brokers of a process live, until it ends.

The loop has a clock of its own that holds the clock's function itself: whoever replaces those of the module `time`
(freezegun, time-machine) does not stop it. A forked child has no such thread, and the sockets are not its own: they are
closed there, and whoever asks for the broker is told so.
"""

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class HostClock(trio.abc.Clock):
    """Real time, in seconds, that nobody can replace."""

    def __init__(self, seconds: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = seconds

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self._seconds()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - self._seconds()


class HasSockets(Protocol):
    def close_sockets(self) -> None:
        """Closes its sockets in a forked child, and does nothing else."""


class Host:
    """A daemon thread with an event loop. It runs as long as the process."""

    def __init__(self) -> None:
        self._clock = HostClock()
        self._started = threading.Event()
        self._token: trio.lowlevel.TrioToken
        self._nursery: trio.Nursery
        self.is_elsewhere = False
        """True in a forked child: the thread is the parent's."""
        self._servers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._run, name="amqpy.testing", daemon=True)
        self._thread.start()
        self._started.wait()

    def _run(self) -> None:
        trio.run(self._main, clock=self._clock, restrict_keyboard_interrupt_to_checkpoints=True)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            self._started.set()
            await trio.sleep_forever()

    def seconds(self) -> float:
        """Real time, that of the loop."""
        return self._clock.current_time()

    def add(self, server: HasSockets) -> None:
        """Has the sockets of a server closed in forked children."""
        self._servers.add(server)

    def left_in_child(self) -> None:
        self.is_elsewhere = True
        for server in list(self._servers):
            server.close_sockets()

    # --- from other threads

    def call(self, act: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T:
        """Calls something in the loop, and waits for what it returns or raises."""
        return self.begin(act, *arguments).result()

    def begin(self, act: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> "Future[T]":
        """`call` without the wait."""
        self._check_thread()
        future: Future[T] = Future()
        self._token.run_sync_soon(_fulfil, future, partial(act, *arguments))
        return future

    def call_async(self, act: Callable[[Unpack[Ts]], Awaitable[T]], *arguments: *Ts) -> T:
        """`call` for something that waits."""
        return self.begin_async(act, *arguments).result()

    def begin_async(self, act: Callable[[Unpack[Ts]], Awaitable[T]], *arguments: *Ts) -> "Future[T]":
        self._check_thread()
        future: Future[T] = Future()
        self._token.run_sync_soon(
            partial(self._nursery.start_soon, _fulfil_async, future, partial(act, *arguments), name=str(act))
        )
        return future

    def forget(self, act: Callable[..., Awaitable[object]]) -> None:
        """Has something done by anybody's thread, the garbage collector's included, and does not wait for it."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(partial(self._nursery.start_soon, act))

    def spawn(self, task: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Starts a task that must not raise. To be called in the loop."""
        self._nursery.start_soon(task, *arguments)

    def _check_thread(self) -> None:
        if self.is_elsewhere:
            raise RuntimeError("this process was forked from the one with the test broker: it may connect to its url")
        if threading.current_thread() is self._thread:
            raise RuntimeError("the thread of the test broker cannot wait for itself: this was called in a callback")


def _fulfil(future: "Future[T]", act: Callable[[], T]) -> None:
    try:
        result = act()
    except BaseException as error:  # for the other thread to raise
        future.set_exception(error)
    else:
        future.set_result(result)


async def _fulfil_async(future: "Future[T]", act: Callable[[], Awaitable[T]]) -> None:
    try:
        result = await act()
    except BaseException as error:  # for the other thread to raise
        future.set_exception(error)
    else:
        future.set_result(result)


_lock = threading.Lock()
_host: Host | None = None


def the_host() -> Host:
    """The host of this process, started when it is first asked for. Raises RuntimeError in a forked child of one that
    has it."""
    global _host
    with _lock:
        if _host is None:
            _host = Host()
        return _host


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    if _host is not None:
        _host.left_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
