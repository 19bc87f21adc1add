"""Applications to be tested: a publisher and a worker, with pika."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import pika
from pika.exceptions import AMQPError

TIMEOUT_S = 10


class Publisher:
    """Publishes with confirms, on one connection."""

    def __init__(self, url: str, name: str | None = None) -> None:
        self._parameters = pika.URLParameters(url)
        if name is not None:
            self._parameters.client_properties = {"connection_name": name}
        self.connect()

    def connect(self) -> None:
        self.connection = pika.BlockingConnection(self._parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def send(self, body: bytes, routing_key: str, exchange: str = "", **properties: Any) -> None:  # noqa: ANN401
        self.channel.basic_publish(exchange, routing_key, body, pika.BasicProperties(**properties))

    def send_surely(self, body: bytes, routing_key: str) -> None:
        """Connects again, and repeats, until it is confirmed."""
        while True:
            try:
                self.send(body, routing_key)
            except AMQPError:
                self.connect()
            else:
                return

    def send_nowait(self, body: bytes, routing_key: str) -> None:
        """Publishes on a channel without confirms, so without waiting."""
        self.send_nowait_on(self.connection.channel(), body, routing_key)

    def send_nowait_on(self, channel: Any, body: bytes, routing_key: str) -> None:  # noqa: ANN401
        """Publishes, and does not wait for the confirm."""
        channel._impl.basic_publish("", routing_key, body)  # noqa: SLF001 (the public one would wait)
        self.connection._flush_output()  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(AMQPError):
            self.connection.close()


class Worker:
    """Consumes a queue in a thread of its own; connects again when its connection is lost. A message whose handling
    fails is rejected."""

    def __init__(self, url: str, queue: str, handle: Callable[[bytes], object] = lambda body: None) -> None:
        self._url = url
        self._queue = queue
        self._handle = handle
        self._failures = 0
        self._is_over = False
        self._ready = threading.Event()
        self._connection: pika.BlockingConnection
        self._thread = threading.Thread(target=self._run, daemon=True)

    def fail_next(self) -> None:
        self._failures += 1

    def _run(self) -> None:
        while not self._is_over:
            with suppress(AMQPError):
                self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
                channel = self._connection.channel()
                with suppress(AMQPError):
                    channel.queue_declare(self._queue)
                if not channel.is_open:
                    channel = self._connection.channel()
                channel.basic_consume(self._queue, self._on_message)
                self._ready.set()
                channel.start_consuming()

    def _on_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        try:
            if self._failures:
                self._failures -= 1
                raise ValueError("as the test wants it")
            self._handle(body)
        except ValueError:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        with suppress(AMQPError):
            self._connection.add_callback_threadsafe(self._connection.close)
        self._thread.join(TIMEOUT_S)
