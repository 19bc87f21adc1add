"""Makes durable what the broker wants durable: one batch after the other, in a thread, because a sync waits.

There is no timer. While one batch is being written the next one gathers, so batches are as large as the disk is slow,
and on an idle broker a message is on its way to the disk as soon as its turn is over: the thread is started then and
there, because to wake the task that sees to it would take longer than many a sync. When the disk does not keep up,
those who publish what is stored are not read (`ConnectionTasks`) until it has caught up.

A full disk is waited for: nothing is confirmed meanwhile, and the same batch is tried again; an alarm keeps publishers
waiting. After any other error nobody knows what the disk has, so nothing more is written or promised: the broker stops.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import trio

from amqpy.core.durability.journal import Batch, Journal
from amqpy.store.store import Store, StoreError, StoreFull

BEHIND_BYTES = 32 * 1024 * 1024
"""Bytes that may gather before publishers must wait."""

IDLE_S = 0.1
"""Seconds without anything to write before the store tidies up, so that it does not delay the next message."""

FULL_RETRY_S = 1.0
"""Seconds between attempts while the disk is full."""


class Flusher:
    """Writes a journal's batches into a store. `act` does something as a turn of the broker; `on_full` is told when the
    disk is full, and when no longer; `on_failure` when the store is lost."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        act: Callable[[Callable[[], None]], None],
        *,
        log: logging.Logger,
        on_full: Callable[[bool], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.journal = journal
        self._store = store
        self._act = act
        self._log = log
        self._on_full = on_full
        self._on_failure = on_failure
        self.failure: StoreError | None = None
        """The error after which the store is lost, or None."""
        self._is_full = False
        self._is_idle = False
        """`run` waits for work, and may be given the result instead."""
        self._begun: Batch | None = None
        """The batch whose writing began without `run`, until `run` knows of it."""
        self._error: BaseException | None = None
        """The error of writing it, or None, once `_work` is set."""
        self._work = trio.Event()
        self._wanted = trio.Event()
        self._waiting: set[trio.CancelScope] = set()
        """Of those who wait until the disk keeps up."""
        self._limiter = trio.CapacityLimiter(1)

    def note(self) -> None:
        """A turn is over: there may be a batch to be written, or something to be looked for on disk."""
        if self.journal.has_work:
            if self._is_idle and self.failure is None:
                self._begin()
            else:
                self._work.set()
        if self.journal.wanted is not None or self.journal.cold:
            self._wanted.set()

    def _begin(self) -> None:
        """Writes the next batch without `run`, which is woken when it is done."""
        batch = self._begun = self.journal.take()
        assert batch is not None
        self._is_idle = False
        self._let_on()
        if batch.is_empty:
            self._land(None)
        else:
            self._start(batch)

    def _start(self, batch: Batch) -> None:
        token = trio.lowlevel.current_trio_token()

        def write() -> None:
            error = None
            try:
                self._append_and_sync(batch)
            except BaseException as caught:  # for `run` to raise
                error = caught
            token.run_sync_soon(self._land, error)

        trio.lowlevel.start_thread_soon(write, lambda _: None)

    def _land(self, error: BaseException | None) -> None:
        self._error = error
        self._work.set()

    @property
    def has_work(self) -> bool:
        """True if a batch is being written, or is about to be."""
        return self.journal.writing is not None or self.journal.has_work

    @property
    def is_stuck(self) -> bool:
        """True if nothing can be written: the disk is full, or the store is lost."""
        return self._is_full or self.failure is not None

    @property
    def is_behind(self) -> bool:
        """True if publishers must wait for the disk. While nothing can be written, the alarm blocks them instead."""
        return self.journal.size > BEHIND_BYTES and not self.is_stuck

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Cancels the code in this context when the disk has caught up."""
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def _let_on(self) -> None:
        if not self.is_behind:
            for scope in self._waiting:
                scope.cancel()

    async def run(self) -> None:
        """Writes until cancelled, or until the store is lost."""
        try:
            while True:
                await self._wait_for_work()
                if self._begun is not None:
                    await self._write(self._begun)
                    self._act(self.journal.written)
                while self.failure is None and (batch := self.journal.take()) is not None:
                    self._let_on()
                    if not batch.is_empty:
                        await self._write(batch)
                    self._act(self.journal.written)
        except StoreError as error:
            self.fail(error)
        finally:
            await self._wait_for_begun()

    async def _wait_for_work(self) -> None:
        self._is_idle = not self._work.is_set()
        with trio.move_on_after(IDLE_S) as pause:
            await self._work.wait()
        if pause.cancelled_caught and self._is_idle:
            self._is_idle = False
            await self._tidy()
            self._is_idle = not self._work.is_set()
        await self._work.wait()
        self._is_idle = False
        self._work = trio.Event()

    async def _wait_for_begun(self) -> None:
        """A thread that goes on writing must not meet the next one. What it wrote is not tried again by `finish`."""
        self._is_idle = False
        if self._begun is not None:
            with trio.CancelScope(shield=True):
                await self._work.wait()
            self._begun = None
            if self._error is None:
                self.journal.written()

    async def run_ahead(self) -> None:
        """Has the store look for what will be read soon, so that the event loop need not wait for the disk."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            wanted, self.journal.wanted = self.journal.wanted, None
            cold, self.journal.cold = self.journal.cold, {}
            try:
                if wanted is not None:
                    await trio.to_thread.run_sync(self._store.read_ahead, *wanted)
                if cold:
                    await trio.to_thread.run_sync(
                        self._store.fetch, [each for ranges in cold.values() for each in ranges]
                    )
                    self._act(partial(self.journal.fetched, tuple(cold)))
            except StoreError as error:
                self.fail(error)

    def fail(self, error: StoreError) -> None:
        """The store is lost."""
        if self.failure is None:
            self.failure = error
            self._log.critical("the store is lost: %s", error)
            self._let_on()
            self._on_failure()

    async def finish(self) -> None:
        """Writes all there is. To be called when `run` is cancelled. Raises StoreError."""
        try:
            with trio.CancelScope(shield=True):
                if self.journal.writing is not None:
                    # `run` was cancelled between two tries.
                    await self._in_thread(self._append_and_sync, self.journal.writing)
                    self.journal.written()
                while (batch := self.journal.take()) is not None:
                    if not batch.is_empty:
                        await self._in_thread(self._append_and_sync, batch)
                    self.journal.written()
        except StoreFull as error:
            raise StoreFull(f"stopped without space for what was not confirmed yet: {error}") from error

    async def _write(self, batch: Batch) -> None:
        while True:
            try:
                if batch is self._begun:
                    self._begun = None
                    if self._error is not None:
                        raise self._error
                else:
                    await self._in_thread(self._append_and_sync, batch)
            except StoreFull as error:
                if not self._is_full:
                    self._log.error("the store is full, nothing is confirmed until there is space: %s", error)
                    self._is_full = True
                    self._act(lambda: self._on_full(True))
                    self._let_on()
                await trio.sleep(FULL_RETRY_S)
            else:
                break
        if self._is_full:
            self._log.warning("the store has space again")
            self._is_full = False
            self._act(lambda: self._on_full(False))

    def _append_and_sync(self, batch: Batch) -> None:
        self._store.append(batch)
        self._store.sync()

    async def _tidy(self) -> None:
        """Nothing was to be written for a while: time to clear up, as long as that is so."""
        while not self._work.is_set() and await self._in_thread(self._store.tidy):
            pass

    async def _in_thread(self, call: Callable[..., object], *arguments: object) -> object:
        # Never abandoned: a thread that goes on writing must not meet the next one.
        return await trio.to_thread.run_sync(call, *arguments, limiter=self._limiter)
