"""`python -m interop.bench.standin`: times `amqpy.testing` in this process, and writes the numbers as JSON.

Each time is the median of several, but for what happens once in a process.
"""

import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpy.testing import TestBroker

BROKERS = 50
CALLS = 500
MESSAGES = 5_000


def median_ms(act: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1000


def import_cpu() -> float:
    """CPU seconds of the import in a new process, less those of Trio and of what it needs."""

    def cpu_of(module: str) -> float:
        code = f"import time, {module}; print(time.process_time())"
        runs = [
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)
        ]
        return min(float(run.stdout) for run in runs)

    return cpu_of("amqpy.testing.broker") - cpu_of("trio, ssl, json, logging, asyncio")


def plugin_ms() -> float:
    """Milliseconds of the import of the plugin in a new process, where pytest is there already."""
    code = (
        "import time, pytest; begun = time.perf_counter(); import amqpy.pytest_plugin;"
        "print((time.perf_counter() - begun) * 1000)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def main() -> None:
    import pika

    from amqpy.testing import TestBroker

    numbers: dict[str, float] = {}
    TestBroker  # noqa: B018 (which imports it)
    begun = time.perf_counter()
    with TestBroker() as broker:
        connection = pika.BlockingConnection(pika.URLParameters(broker.url))
        channel = connection.channel()
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"x")
        assert channel.basic_get("q", auto_ack=True)[2] == b"x"
        numbers["first"] = (time.perf_counter() - begun) * 1000
        numbers["call"] = median_ms(lambda: broker.queue("q"), CALLS)
        numbers["advance"] = median_ms(lambda: broker.clock.advance(1), CALLS)
        connection.close()

    def fresh() -> None:
        with TestBroker():
            pass

    numbers["fresh"] = median_ms(fresh, BROKERS)
    with TestBroker() as broker:
        numbers["restart"] = median_ms(broker.restart, BROKERS)
    numbers["recording"] = recording_us()
    numbers["idle"] = idle_kib()
    numbers["plugin"] = plugin_ms()
    numbers["import_cpu"] = import_cpu()
    print(json.dumps(numbers))


def recording_us() -> float:
    """Microseconds of CPU that a published message costs more where it is recorded."""
    return max(0.0, per_message_us(watched=True) - per_message_us(watched=False))


def per_message_us(*, watched: bool) -> float:
    from amqpy.testing import TestBroker
    from interop.kit.address import Address
    from interop.kit.client import Client, publication

    batch = b"".join([publication("", "q", b"%d" % number, bytes(2)) for number in range(MESSAGES)])
    with TestBroker() as broker:
        client = Client(Address(broker.host, broker.port))
        client.call("queue.declare", queue="q")
        if not watched:
            unwatch(broker)
        best = float("inf")
        for _ in range(5):
            begun = time.process_time()
            client.send(batch)
            client.call("basic.qos")
            best = min(best, (time.process_time() - begun) / MESSAGES)
        client.drop()
    return best * 1e6


def unwatch(broker: "TestBroker") -> None:
    """Has nobody look at the messages."""

    def act() -> None:
        for vhost in broker.server.running.broker.vhosts.values():
            for watcher in vhost.watchers:
                vhost.unwatch(watcher)

    broker.server.host.call(act)


def idle_kib() -> float:
    from amqpy.testing import TestBroker

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    brokers = [TestBroker().start() for _ in range(BROKERS)]
    each = (tracemalloc.get_traced_memory()[0] - before) / BROKERS / 1024
    tracemalloc.stop()
    for broker in brokers:
        broker.stop()
    return each


if __name__ == "__main__":
    main()
