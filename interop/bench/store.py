"""What the store costs by itself, without broker and clients:

    .venv/bin/python -m interop.bench.store [MESSAGES] [--realistic]

Batches are written as the broker writes them, alone and beside a thread that keeps the interpreter busy, as an event
loop does. Then the store is opened again as after a crash, read, and emptied. CPU is that of the thread that writes.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random

from amqpy.core.durability.journal import POSITION_BITS, Batch
from amqpy.core.durability.records import LaneRecord, Put
from amqpy.core.message import PersistentMessage
from amqpy.store.directory import open_store
from amqpy.store.store import Store
from amqpy.wire.properties import content_header
from interop.bench.messages import DISTINCT, persistent_event

LANE = 1 << POSITION_BITS
LANE_END = (2 << POSITION_BITS) - 1
BODY_BYTES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description="What the store costs by itself.")
    parser.add_argument("messages", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--realistic", action="store_true", help="messages as applications send them")
    options = parser.parse_args()
    total, make = options.messages, realistic() if options.realistic else alike()
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(Path(directory), sync="full")
        store.load()
        batch = Batch(0)
        batch.changes.append(Put(LaneRecord(1, "/", "queue", "q", 0, 0)))
        store.append(batch)
        store.sync()
        position = 0
        for size, count in (1, 1000), (100, 200), (1000, 100):
            position = write(store, make, position, size, count, label=f"batches of {size}")
            position = write(
                store, make, position, size, count, label=f"batches of {size}, removing the last", removing=True
            )
            with busy():
                position = write(store, make, position, size, count // 10, label=f"batches of {size}, busy")
        position = write(store, make, position, 10_000, max(0, total - position) // 10_000, label="batches of 10000")
        store.close(is_clean=False)
        store = open_store(Path(directory), sync="full")
        measured(f"load {position} messages", 1, store.load)
        measured("read, a message", position, lambda: read(store))
        batch = Batch(1)
        batch.cleared.append((LANE, LANE_END))
        store.append(batch)
        measured("clear them all", 1, store.sync)
        measured("tidy up after them", 1, lambda: tidy(store))
        store.close(is_clean=True)


def alike() -> Iterator[PersistentMessage]:
    header = content_header(BODY_BYTES, {"delivery_mode": b"\x02"})
    while True:
        # A body of its own, as if it came from a client.
        yield PersistentMessage(b"\x00\x01q", header, bytes(bytearray(BODY_BYTES)))


def realistic() -> Iterator[PersistentMessage]:
    random = Random(0)
    made = []
    for number in range(DISTINCT):
        properties, body = persistent_event(random, number)
        header = content_header(len(body), {})[:12] + properties.marshal()
        made.append(PersistentMessage(b"\x00\x01q", header, body))
    return cycle(made)


def write(
    store: Store,
    make: Iterator[PersistentMessage],
    position: int,
    size: int,
    count: int,
    *,
    label: str,
    removing: bool = False,
) -> int:
    """The position after the last one."""
    batches: list[Batch] = []
    for _ in range(count):
        batch = Batch(0)
        if removing and batches:
            batch.removed = list(batches[-1].added)
        for key in range(LANE + position, LANE + position + size):
            batch.added[key] = next(make)
        position += size
        batches.append(batch)

    def run() -> None:
        for batch in batches:
            store.append(batch)
            store.sync()

    if batches:
        measured(f"{label}, a message", size * count, run)
    return position


def read(store: Store) -> None:
    first = LANE
    while found := store.read(first, LANE_END, count_max=2048, size_max=2**20, unix_offset_ms=0):
        first = found[-1][0] + 1


def tidy(store: Store) -> None:
    while store.tidy():
        pass


def measured(label: str, count: int, run: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.thread_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
    print(f"{label:44} {wall / count * 1e6:12.1f} µs {cpu / count * 1e6:12.1f} µs CPU", flush=True)


@contextmanager
def busy() -> Iterator[None]:
    """A thread that always wants the interpreter lock."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


if __name__ == "__main__":
    main()
