"""Play a script on pika's SelectConnection.

The asynchronous API answers through callbacks. A script is a generator that yields one step at a time:
a function that is given the callback. What the callback receives comes back out of the `yield`, so that a
test reads from top to bottom although every step runs on the connection's own loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol

import pika

from .blocking import DEADLINE_S, Delivery

if TYPE_CHECKING:
    from pika.channel import Channel


class Step(Protocol):
    """Something to begin now, which calls back when it is done; most of pika's methods are one."""

    def __call__(self, *, callback: Callable[..., None]) -> object: ...


Script = Generator[Step, Any, None]


def play(parameters: pika.ConnectionParameters, script: Callable[[pika.SelectConnection], Script]) -> None:
    """Connect, run the script to its end and close; raise what went wrong on the way."""
    _Play(script).run(parameters)


class _Play:
    def __init__(self, script: Callable[[pika.SelectConnection], Script]) -> None:
        self._script = script
        self._ended = False
        self._failure: BaseException | None = None

    def run(self, parameters: pika.ConnectionParameters) -> None:
        connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._begin,
            on_open_error_callback=self._on_closed,
            on_close_callback=self._on_closed,
        )
        self._connection = connection
        connection.ioloop.call_later(DEADLINE_S, self._out_of_time)
        connection.ioloop.start()
        connection.ioloop.close()
        if self._failure is not None:
            raise self._failure

    def _begin(self, connection: pika.SelectConnection) -> None:
        self._steps = self._script(connection)
        self._advance(None)

    def _advance(self, *reply: object) -> None:
        try:
            step = self._steps.send(reply[0] if len(reply) == 1 else reply)
            step(callback=self._advance)
        except StopIteration:
            self._end(None)
        except BaseException as error:
            self._end(error)

    def _end(self, failure: BaseException | None) -> None:
        self._ended = True
        self._failure = failure
        if self._connection.is_open:
            self._connection.close()

    def _out_of_time(self) -> None:
        self._end(AssertionError("the broker did not answer a step in time"))

    def _on_closed(self, _: pika.SelectConnection, reason: BaseException) -> None:
        if not self._ended:
            self._failure = reason
        self._connection.ioloop.stop()


def open_channel(connection: pika.SelectConnection) -> Step:
    return lambda *, callback: connection.channel(on_open_callback=callback)


class Event:
    """Something that happens once; waiting for it is a step."""

    def __init__(self) -> None:
        self._is_set = False
        self._callback: Callable[..., None] | None = None

    def set(self) -> None:
        self._is_set = True
        if self._callback is not None:
            self._callback(self)

    def wait(self, *, callback: Callable[..., None]) -> None:
        self._callback = callback
        if self._is_set:
            callback(self)


class Inbox:
    """Collects what a consumer is sent, and is a step that waits for so many messages."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._waiting: tuple[int, Callable[..., None]] | None = None

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]

    def __call__(
        self, _: Channel, method: pika.spec.Basic.Deliver, properties: pika.BasicProperties, body: bytes
    ) -> None:
        self.deliveries.append(Delivery(method, properties, body))
        self._wake()

    def holds(self, count: int) -> Step:
        def wait(*, callback: Callable[..., None]) -> None:
            self._waiting = (count, callback)
            self._wake()

        return wait

    def _wake(self) -> None:
        if self._waiting is not None and len(self.deliveries) >= self._waiting[0]:
            callback = self._waiting[1]
            self._waiting = None
            callback(self)
