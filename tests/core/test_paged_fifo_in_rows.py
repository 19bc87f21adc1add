"""A FIFO that is told of many messages at once is as if it had been told of each."""

# ruff: noqa: SLF001 (all of it is compared)

from collections import deque
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from amqpy.core.durability.records import LaneRecord
from amqpy.core.message import Message
from amqpy.core.queues import paged_fifo
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.ready_fifo import ReadyFifo
from tests.core.test_paged_fifo import RECORD, TINY, message, new_store, write

STEP = st.one_of(
    st.tuples(st.just("extend"), st.lists(st.booleans(), max_size=5) | st.lists(st.just(True), max_size=5)),
    st.tuples(st.just("pop"), st.integers(1, 4)),
    st.tuples(st.just("settle"), st.lists(st.integers(0, 9), max_size=5)),
    st.tuples(st.just("put back"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["write", "skip"]), st.none()),
)


def look_at(lane: PagedFifo) -> dict[str, Any]:
    """All there is to know of a lane and its journal."""
    kept = {name: getattr(lane, name) for name in (*PagedFifo.__slots__, *ReadyFifo.__slots__) if name != "_journal"}
    batch = lane._journal.batch
    counts = lane._journal.size, lane._journal.added_count, lane._journal.overflow_count
    return {**kept, "added": batch.added, "removed": batch.removed, "transient": batch.transient, "counts": counts}


@settings(max_examples=300)
@example([("extend", [True]), ("skip", None), ("extend", [True])], False, RECORD, 0)
@given(st.lists(STEP, max_size=25), st.booleans(), st.sampled_from([RECORD, RECORD, None]), st.integers(0, 60))
def test_many_at_once_are_as_one_by_one(
    steps: list[tuple[str, Any]], keeps_all: bool, record: LaneRecord | None, size: int
) -> None:
    (store, journal), (other_store, other_journal) = new_store(), new_store()
    with patch.multiple(paged_fifo, **TINY):
        lane = PagedFifo(journal, record, keeps_all=keeps_all and record is not None)
        twin = PagedFifo(other_journal, record, keeps_all=keeps_all and record is not None)
        popped: list[tuple[int, Message]] = []
        for number, (action, what) in enumerate(steps):
            if action == "extend":
                items = [message(f"{number}-{at}".ljust(size, "."), persistent=kind) for at, kind in enumerate(what)]
                if number % 2 and not len(lane):
                    positions = lane.append_and_pop_all(items)
                    assert list(positions) == [twin.append_and_pop(item) for item in items]
                    popped += zip(positions, items, strict=True)
                    continue
                lane.extend(items)
                for item in items:
                    twin.append(item)
            elif action == "pop" and lane.never_delivered and not lane.requeued:
                count = min(what, len(lane.never_delivered))
                found = list(zip(*lane.pop_many(count), strict=True))
                alone = [twin.pop() for _ in range(count)]
                assert [(at, item.body) for at, item in found] == [(at, item.body) for at, item, _ in alone]
                popped += found
            elif action == "settle":
                held = [popped.pop(pick % len(popped)) for pick in what if popped]
                lane.settle_all([at for at, _ in held], [item for _, item in held])
                for at, item in held:
                    twin.settle(at, item)
            elif action == "put back" and popped:
                at, item = popped.pop(what % len(popped))
                lane.put_back(at, item)
                twin.put_back(at, item)
            elif action == "write":
                write(journal, store)
                write(other_journal, other_store)
            elif action == "skip":
                # As after a restart, when positions at the end were used by messages that are gone.
                lane._end = twin._end = lane._end + 1
            assert as_bytes(look_at(lane)) == as_bytes(look_at(twin))


def as_bytes(known: Any) -> Any:  # noqa: ANN401
    """With bodies in the place of messages: those that were read again are others."""
    if isinstance(known, Message):
        return known.body
    if isinstance(known, dict):
        return {key: as_bytes(value) for key, value in known.items()}
    return [as_bytes(each) for each in known] if isinstance(known, list | tuple | deque) else known
