"""The applications that the examples of docs/testing-your-app.md name. They find their broker in `place.url`."""

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio
from celery import Celery
from pika.exceptions import AMQPError

from tests.testing.apps import Publisher, Worker

HERE = Path(__file__).parent
LATER = object()
"""The answer of an application that could not publish now."""

JOBS = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs.dlq"}
HOUR_MS = 3_600_000


class Place:
    """Of the test that runs: its broker's url, and what must be closed at its end."""

    def __init__(self) -> None:
        self.url = ""
        self.closing: list[Callable[[], object]] = []

    def close(self) -> None:
        for close in reversed(self.closing):
            with suppress(AMQPError):
                close()
        self.closing.clear()


place = Place()


class App:
    """Publishes to the queue `jobs`. It connects when it must, and again when its connection is lost."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._publisher: Publisher | None = None
        self._blocked = threading.Event()

    def connect(self, url: str) -> None:
        self._url = url

    def publish(self, body: bytes) -> None:
        while True:
            try:
                self._connected().send(body, "jobs", delivery_mode=2)
            except AMQPError:
                self._publisher = None
            else:
                return

    def publish_unconfirmed(self, body: bytes) -> None:
        self._connected()
        self._unconfirmed.basic_publish("", "jobs", body)

    def try_publish(self, body: bytes) -> object:
        """`LATER` if the broker has blocked us."""
        connection = self._connected().connection
        connection.add_on_connection_blocked_callback(lambda *_: self._blocked.set())
        self.publish_unconfirmed(body)
        connection.process_data_events(1)
        return LATER if self._blocked.is_set() else None

    def _connected(self) -> Publisher:
        if self._publisher is None:
            self._publisher = Publisher(self._url or place.url)
            self._publisher.channel.queue_declare("jobs", durable=True)
            self._unconfirmed = self._publisher.connection.channel()
            place.closing += [self._disconnect, self._publisher.connection.close]
        return self._publisher

    def _disconnect(self) -> None:
        self._publisher = None
        self._blocked.clear()
        if self is app:
            self._url = None


app = App()


class Shop:
    """Announces orders to the exchange `orders`, with a mistake in its routing key."""

    def checkout(self, cart: dict[str, Any]) -> None:
        with Publisher(place.url, "shop") as publisher:
            publisher.channel.exchange_declare("orders", "topic")
            publisher.channel.queue_declare("billing")
            publisher.channel.queue_bind("billing", "orders", "order.created")
            publisher.send(json.dumps(cart).encode(), "order.create", "orders")


shop = Shop()
cart = {"id": 7}


class RepeatingPublisher:
    """Publishes with confirms; connects again and repeats what was not confirmed."""

    def send_all(self, numbers: Iterable[int]) -> None:
        with Publisher(place.url) as publisher:
            publisher.channel.queue_declare("jobs", durable=True)
            for number in numbers:
                publisher.send_surely(json.dumps(number).encode(), "jobs")


publisher = RepeatingPublisher()


class OrderService:
    """Takes orders from a queue of that name; one that fails goes to `orders.retry`, and after an hour back."""

    def __init__(self, url: str) -> None:
        self._publisher = Publisher(url)
        self._worker = Worker(url, "orders", self._handle)
        self._failing = 0
        channel = self._publisher.channel
        channel.queue_declare("orders")
        back = {"x-message-ttl": HOUR_MS, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
        channel.queue_declare("orders.retry", arguments=back)
        self._retries = Publisher(url)

    def fail_next(self) -> None:
        self._failing += 1

    def place(self, order: dict[str, Any]) -> None:
        self._publisher.send(json.dumps(order).encode(), "orders")

    def _handle(self, body: bytes) -> None:
        if self._failing:
            self._failing -= 1
            self._retries.send(body, "orders.retry")

    def __enter__(self) -> "OrderService":
        self._worker.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401
        self._worker.__exit__(*error)
        self._publisher.connection.close()
        self._retries.connection.close()


def send(what: object) -> None:
    """Sends a job, and has a worker that takes JSON, until the test ends."""
    with Publisher(place.url) as publisher:
        publisher.channel.queue_declare("jobs.dlq")
        publisher.channel.queue_declare("jobs", arguments=JOBS)
        worker = Worker(place.url, "jobs", json.loads)
        worker.__enter__()
        place.closing.append(lambda: worker.__exit__(None, None, None))
        publisher.send(what if isinstance(what, bytes) else json.dumps(what).encode(), "jobs")


async def produce(count: int) -> None:
    """Sends jobs, for which a worker is there."""

    def work() -> None:
        send(0)
        with Publisher(place.url) as publisher:
            for number in range(1, count):
                publisher.send(json.dumps(number).encode(), "jobs")

    await trio.to_thread.run_sync(work)


def fill(url: str) -> None:
    with Publisher(url) as publisher:
        for number in range(3):
            publisher.send(str(number).encode(), "jobs")


tasks = Celery("page", set_as_current=False)
tasks.conf.update(
    broker_heartbeat=2,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


@tasks.task(name="remind")  # type: ignore[untyped-decorator]  # it has no types
def remind() -> None:
    """Nothing: it is about when it comes."""
