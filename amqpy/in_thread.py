"""A broker in a thread of its own, for programs without Trio. It shares no event loop and sets no signal handlers."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from threading import Thread

import trio

from amqpy.app import RunningBroker, serve
from amqpy.config import Config
from amqpy.core.users import Authenticator


class _Start(Future[RunningBroker]):
    """The broker, once it serves. A `trio.TaskStatus`."""

    def started(self, value: RunningBroker | None = None) -> None:
        assert value is not None
        self.set_result(value)


@contextmanager
def run_in_thread(
    config: Config, log: logging.Logger | None = None, *, authenticator: Authenticator | None = None
) -> Iterator[RunningBroker]:
    """A broker that serves in this context, in a thread of its own, where an `authenticator` is called, too. At the end
    it closes what connections are left, and is waited for.

    Raises OSError or StoreError if it cannot start, and at the end what made it stop before, a lost store for example.
    """
    start, end = _Start(), Future[None]()

    def run() -> None:
        try:
            trio.run(partial(serve, config, log, authenticator=authenticator, task_status=start))
        except BaseException as error:  # for the other thread to raise
            if not start.done():
                start.set_exception(error)
            end.set_exception(error)
        else:
            end.set_result(None)

    # A daemon: a program that is interrupted while it waits for the start must be able to end.
    Thread(target=run, name="amqpy", daemon=True).start()
    broker = start.result()
    try:
        yield broker
    finally:
        broker.stop()
        end.result()
