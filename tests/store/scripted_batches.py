"""A story that a store is told, batch by batch, and what must be there after each: the same every time.

As a program it writes the story to a database, tells on stdout what was synced, and puts up with an unreliable disk
(`tests/faults`, which it steers through a file):

    python -m tests.store.scripted_batches DATABASE FAULTS-FILE SEED
"""

import contextlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from amqpy.core.durability.journal import Batch
from amqpy.core.durability.records import Drop, LaneRecord, Put, QueueRecord, Record
from amqpy.store.runs import RUN_MIN
from amqpy.store.sqlite import SqliteStore
from amqpy.store.store import StoreError, StoreFull
from tests.store.material import key_of, lane_record, look, message_of, traced

LANES = 3
FAULTS = ("write short", "write enospc", "write eio", "sync eio", "sync enospc")


class State(NamedTuple):
    """All that is durable at some time."""

    records: list[Record]
    messages: dict[int, tuple[object, ...]]


def state_of(store: SqliteStore) -> State:
    """As a broker would find it."""
    records = store.load().records
    found = store.read(0, key_of(LANES + 1, 0), count_max=10**6, size_max=10**9, unix_offset_ms=0)
    return State(records, {key: look(message) for key, message in found})


def batches(seed: int, *, size_max: int = 3000) -> Iterator[Batch]:
    """Without end: messages come and go in three lanes, some of them in two at once, and queues too."""
    chance = random.Random(seed)
    ends = dict.fromkeys(range(1, LANES + 1), 0)
    there: set[int] = set()
    number = 0
    while True:
        number += 1
        batch = Batch(number)
        if number == 1:
            batch.changes = [Put(lane_record(lane, f"q{lane}")) for lane in ends]
        for _ in range(chance.randrange(4)):
            queue = QueueRecord("/", f"q{chance.randrange(9)}", "classic", chance.random() < 0.5, chance.randbytes(9))
            kinds: list[type[Put] | type[Drop]] = [Put, Put, Drop]
            batch.changes.append(chance.choice(kinds)(queue))
        if chance.random() < 0.1:
            lane = chance.randrange(1, LANES + 1)
            batch.cleared = [(key_of(lane, 0), key_of(lane, ends[lane]))]
            there -= {key for key in there if batch.cleared[0][0] <= key <= batch.cleared[0][1]}
        batch.removed = sorted(chance.sample(sorted(there), chance.randrange(len(there) // 2 + 1)))
        there -= set(batch.removed)
        for _ in range(chance.randrange(1, 9)):
            body = chance.randbytes(chance.choice([3, 100, size_max]))
            message = message_of(body) if chance.random() < 0.8 else traced(body, delivery_count=number)
            for lane in chance.sample(sorted(ends), chance.choice([1, 1, 2, 3])):
                batch.added[key_of(lane, ends[lane])] = message
                ends[lane] += 1
        if chance.random() < 0.3:
            # So many in a row that they are a run.
            lane = chance.choice(sorted(ends))
            for _ in range(chance.randrange(RUN_MIN, 5 * RUN_MIN)):
                batch.added[key_of(lane, ends[lane])] = message_of(chance.randbytes(60))
                ends[lane] += 1
        there |= batch.added.keys()
        yield batch


def states(seed: int, count: int, *, size_max: int = 3000) -> list[State]:
    """What must be there before the story, and after each of the first batches."""
    records: dict[str, QueueRecord] = {}
    lanes: list[LaneRecord] = []
    messages: dict[int, tuple[object, ...]] = {}
    found = [State([], {})]
    for batch in batches(seed, size_max=size_max):
        for fact in batch.changes:
            if isinstance(fact.record, LaneRecord):
                lanes.append(fact.record)
                continue
            assert isinstance(fact.record, QueueRecord)
            if isinstance(fact, Put):
                records[fact.record.name] = fact.record
            else:
                records.pop(fact.record.name, None)
        for first, last in batch.cleared:
            messages = {key: known for key, known in messages.items() if not first <= key <= last}
        for key in batch.removed:
            del messages[key]
        messages |= {key: look(message) for key, message in batch.added.items()}
        found.append(State([*records.values(), *lanes], dict(sorted(messages.items()))))
        if batch.number == count:
            break
    return found


BATCHES = 60


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(database: str, faults_file: str, seed: str) -> None:
    chance = random.Random(int(seed))
    store = SqliteStore(Path(database), page_bytes=4096)
    store.load()
    faults = Path(faults_file)
    fault_at = chance.randrange(2, BATCHES // 2)
    for batch in batches(int(seed)):
        if batch.number == fault_at:
            first = chance.randrange(1, 12)
            faults.write_text(f"{FAULTS[int(seed) % len(FAULTS)]} {first} {first + chance.randrange(3)}")
        tell("trying", batch.number)
        while True:
            try:
                store.append(batch)
                store.sync()
                break
            except StoreFull:
                tell("full", batch.number)
                if chance.random() < 0.5:
                    faults.unlink(missing_ok=True)
        tell("synced", batch.number)
        with contextlib.suppress(StoreError):
            store.tidy()
        if batch.number == BATCHES:
            return


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except StoreError as error:
        tell("error", error)
