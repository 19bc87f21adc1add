"""The browser, tabs in it, and clients at work."""

import json
import math
import os
import threading
from collections.abc import Callable, Iterator

import pika
import pytest
from playwright.sync_api import Browser, sync_playwright
from site_of_broker import ask, at

pytest.register_assert_rewrite("tab")

from tab import Tab  # noqa: E402

VHOST = "shop"
"""The virtual host in which clients are at work."""

KEPT = {"durable": True, "auto_delete": False}


def exchange(name: str, kind: str, arguments: dict[str, object] | None = None) -> dict[str, object]:
    return {"name": name, "type": kind, **KEPT, "internal": False, "arguments": arguments or {}}


def queue(name: str, arguments: dict[str, object] | None = None) -> dict[str, object]:
    return {"name": name, **KEPT, "arguments": arguments or {}}


def binding(source: str, destination: str, kind: str, key: str, **arguments: object) -> dict[str, object]:
    ends = {"source": source, "destination": destination, "destination_type": kind}
    return {**ends, "routing_key": key, "arguments": {name.replace("_", "-"): each for name, each in arguments.items()}}


def policy(name: str, pattern: str, priority: int, definition: dict[str, object]) -> dict[str, object]:
    return {"name": name, "pattern": pattern, "apply-to": "queues", "priority": priority, "definition": definition}


def dead_letters_to(queue: str) -> dict[str, object]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}


DEFINITIONS = {
    "exchanges": [
        exchange("orders", "topic", {"alternate-exchange": "unknown"}),
        exchange("unknown", "fanout"),
        exchange("archive", "headers"),
    ],
    "queues": [
        queue("billing", {**dead_letters_to("billing.retry"), "x-max-length": 10_000}),
        queue("billing.retry", {**dead_letters_to("billing"), "x-message-ttl": 600_000}),
        queue("shipping", {"x-queue-type": "quorum", "x-delivery-limit": 5}),
        queue("invoices", {"x-single-active-consumer": True}),
        queue("unrouted"),
        queue("events", {"x-queue-type": "stream", "x-max-length-bytes": 1_000_000_000}),
    ],
    "bindings": [
        binding("orders", "billing", "queue", "order.*.paid"),
        binding("orders", "shipping", "queue", "order.#"),
        binding("orders", "archive", "exchange", "#.paid"),
        binding("archive", "invoices", "queue", "", format="pdf", x_match="all"),
        binding("unknown", "unrouted", "queue", ""),
        binding("orders", "events", "queue", "order.#"),
    ],
    "policies": [
        policy("an hour", "^shipping$", 0, {"message-ttl": 3_600_000}),
        policy("limits", "^(billing|invoices)", 10, {"max-length": 5000}),
    ],
}


def connect(name: str) -> pika.BlockingConnection:
    parameters = pika.URLParameters(os.environ["AMQP_URL"])
    parameters.virtual_host = VHOST
    parameters.client_properties = {"connection_name": name}
    return pika.BlockingConnection(parameters)


def publish(stop: threading.Event) -> None:
    connection = connect("web frontend")
    channel = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(headers={"format": "pdf"}, delivery_mode=2)
    keys, number = ("order.eu.paid", "order.us.paid", "order.eu.new", "payment"), 0
    # More at times, and less at others.
    while not stop.wait(0.05 + 0.03 * math.sin(number / 400)):
        number += 1
        channel.basic_publish("orders", keys[number % 4], json.dumps({"order": number}).encode(), properties)
        connection.process_data_events(0)
    connection.close()


def consume(stop: threading.Event, name: str, queue: str, prefetch: int, answer: str) -> None:
    connection = connect(name)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=prefetch)

    def take(channel: object, method: object, properties: object, body: bytes) -> None:
        tag = method.delivery_tag
        if answer == "ack":
            channel.basic_ack(tag)
        elif answer == "nack":
            channel.basic_nack(tag, requeue=tag % 2 == 0)

    channel.basic_consume(queue, take)
    while not stop.is_set():
        connection.process_data_events(0.05)
    connection.close()


CONSUMERS = (
    ("billing 1", "billing", 20, "ack"),
    ("billing 2", "billing", 20, "nack"),
    ("shipping", "shipping", 50, "ack"),
    ("invoices, stuck", "invoices", 10, "none"),
    ("invoices, spare", "invoices", 10, "ack"),
)


@pytest.fixture(scope="session", autouse=True)
def clients() -> Iterator[None]:
    """Clients that publish and consume, until all tests are done."""
    ask("PUT", at("vhosts", VHOST), {"description": "The shop, in production", "tags": "production"})
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    ask("PUT", at("permissions", VHOST, "guest"), everything)
    ask("POST", at("definitions", VHOST), DEFINITIONS)
    ask("PUT", at("users", "worker"), {"password": "worker", "tags": ""})
    ask("PUT", at("permissions", VHOST, "worker"), {"configure": "", "write": "^orders$", "read": "^billing"})
    topics = {"exchange": "orders", "write": r"^order\.eu\.", "read": ".*"}
    ask("PUT", at("topic-permissions", VHOST, "worker"), topics)
    ask("PUT", at("users", "watcher"), {"password": "watcher", "tags": "monitoring"})
    ask("PUT", at("permissions", VHOST, "watcher"), everything)
    ask("PUT", at("vhost-limits", VHOST, "max-connections"), {"value": 200})
    ask("PUT", at("user-limits", "worker", "max-channels"), {"value": 50})
    ask("PUT", at("operator-policies", VHOST, "small"), policy("small", ".*", 0, {"max-length-bytes": 104_857_600}))
    stop = threading.Event()
    work = [threading.Thread(target=publish, args=(stop,))]
    work += [threading.Thread(target=consume, args=(stop, *each)) for each in CONSUMERS]
    for each in work:
        each.start()
    yield
    stop.set()
    for each in work:
        each.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox is not there for root, as who tests in containers run.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, in which nothing may go wrong until the end of the test."""
    tabs: list[Tab] = []

    def opened(**options: object) -> Tab:
        tabs.append(Tab(browser, **options))
        return tabs[-1]

    yield opened
    for each in tabs:
        each.close()


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    return open_tab()
