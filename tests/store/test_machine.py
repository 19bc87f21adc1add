"""Any sequence of batches, restarts and crashes, judged by a model that is a few dictionaries."""

import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from amqpy.core.durability.journal import POSITION_BITS, Batch
from amqpy.core.durability.records import KEYS, BindingRecord, LaneRecord, QueueRecord, Record
from amqpy.core.message import Message
from amqpy.store import reading, runs, sqlite, statements
from tests.store.material import MemoryOpener, Opener, Run, SqliteOpener, key_of, lane_record, look, message_of, traced

LANES = (1, 2, 3)
POSITIONS = 12

lanes = st.sampled_from(LANES)
keys = st.builds(key_of, lanes, st.integers(0, POSITIONS))
names = st.sampled_from(["a", "b", "\udcff"])
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(QueueRecord, st.just("/"), names, names, st.booleans(), st.binary(max_size=1)),
    st.builds(BindingRecord, st.just("/"), names, st.just("queue"), names, st.just("k"), st.just(b"")),
    st.builds(lane_record, lanes, names),
)
FANOUT = b"f" * 600
messages = st.one_of(
    st.builds(
        message_of, st.binary(max_size=3), persistent=st.booleans(), expires_at_ms=st.none() | st.integers(0, 99)
    ),
    st.builds(message_of, st.just(FANOUT)),
    st.builds(traced, st.binary(max_size=3), delivery_count=st.integers(0, 2), more_keys=st.lists(names).map(tuple)),
)
rows = st.builds(
    lambda first, message, count: {first + at: message_of(b"%d" % at, persistent=message) for at in range(count)},
    keys,
    st.booleans(),
    st.integers(2, 9),
)


class Model:
    """What should be there. Lanes and positions mean nothing to it."""

    def __init__(self) -> None:
        self.records: dict[type[Record], dict[tuple[object, ...], Record]] = {kind: {} for kind in KEYS}
        self.messages: dict[int, tuple[object, ...]] = {}
        self.sizes: dict[int, int] = {}
        self.transient: set[int] = set()

    def apply(self, batch: Batch, puts: list[Record], drops: list[Record]) -> None:
        for record in drops:
            self.records[type(record)].pop(record[: KEYS[type(record)]], None)
        for record in puts:
            self.records[type(record)][record[: KEYS[type(record)]]] = record
        for first, last in batch.cleared:
            for key in [key for key in self.messages if first <= key <= last]:
                del self.messages[key]
        for key in batch.removed:
            self.messages.pop(key, None)
        for key, message in batch.added.items():
            self.messages[key] = look(message)
            self.sizes[key] = len(message.body)
        self.transient = (self.transient & self.messages.keys()) - batch.added.keys() | batch.transient

    def restart(self) -> None:
        known = {record.number for record in self.records[LaneRecord].values() if isinstance(record, LaneRecord)}
        for key in [key for key in self.messages if key in self.transient or key >> POSITION_BITS not in known]:
            del self.messages[key]
        self.transient = set()


class StoreMachine(RuleBasedStateMachine):
    opener: Opener

    def __init__(self) -> None:
        super().__init__()
        # So small that each path is taken with a dozen messages.
        self.patches = [
            mock.patch.object(sqlite, name, 2) for name in ("CLEARED_AT_ONCE", "TIDIED_AT_ONCE", "READ_AT_ONCE")
        ]
        small = {"RUN_MAX": 4, "RUN_MIN": 2, "BLOCK_BITS": 2}
        self.patches += [
            mock.patch.object(module, name, value)
            for module in (runs, reading, statements)
            for name, value in small.items()
            if hasattr(module, name)
        ]
        for patch in self.patches:
            patch.start()
        self.run = Run(self.make_opener())
        self.model = Model()

    def make_opener(self) -> Opener:
        raise NotImplementedError

    @rule(
        added=st.dictionaries(keys, messages, max_size=8) | rows,
        transient=st.sets(keys, max_size=4),
        removed=st.lists(keys, max_size=6),
        cleared=st.lists(st.tuples(keys, keys).map(sorted).map(tuple), max_size=2),
        puts=st.lists(records, max_size=4),
        drops=st.lists(records, max_size=2),
        fate=st.sampled_from(["write", "write", "write", "lose"]),
    )
    def batch(
        self,
        added: dict[int, Message],
        transient: set[int],
        removed: list[int],
        cleared: list[tuple[int, int]],
        puts: list[Record],
        drops: list[Record],
        fate: str,
    ) -> None:
        # A key is new, or its message goes with the same batch.
        removed = removed + [key for key in added if key in self.model.messages or self._may_be_taken(key)]
        batch = self.run.batch(
            added, puts=puts, drops=drops, removed=removed, cleared=cleared, transient=sorted(transient & added.keys())
        )
        if fate == "lose":
            self.run.store.append(batch)
            self.run.crash()
            self.model.restart()
        else:
            self.run.write(batch)
            self.model.apply(batch, puts, drops)

    def _may_be_taken(self, key: int) -> bool:
        """Transient messages of an earlier run may still be there; `end` says beyond which position they are not."""
        state = self.run.loaded.lanes.get(key >> POSITION_BITS)
        return state is not None and key < key_of(key >> POSITION_BITS, state.end)

    @rule()
    def tidy(self) -> None:
        self.run.store.tidy()

    @rule(is_clean=st.booleans())
    def restart(self, is_clean: bool) -> None:
        loaded = self.run.restart() if is_clean else self.run.crash()
        self.model.restart()
        assert loaded.is_clean == is_clean
        assert loaded.records == [record for kind in self.model.records.values() for record in kind.values()]
        for lane in LANES:
            inside = {key: body for key, body in self.model.messages.items() if key >> POSITION_BITS == lane}
            state = loaded.lanes.get(lane)
            if state is None:
                assert not inside
                continue
            assert state.messages == len(inside)
            assert state.first == (min(inside) - key_of(lane, 0) if inside else state.end)
            assert not inside or state.end > max(inside) - key_of(lane, 0)
            assert state.size == sum(self.model.sizes[key] for key in inside)

    @invariant()
    def all_is_there_in_order(self) -> None:
        everything = self.run.read(0, key_of(max(LANES) + 1, 0))
        assert [(key, look(message)) for key, message in everything] == sorted(self.model.messages.items())

    @invariant()
    def parts_are_read_as_parts(self) -> None:
        some = self.run.read(key_of(1, 3), key_of(2, 7), count_max=3)
        inside = [key for key in sorted(self.model.messages) if key_of(1, 3) <= key <= key_of(2, 7)]
        assert [key for key, _ in some] == inside[:3]

    def teardown(self) -> None:
        self.run.close()
        for patch in self.patches:
            patch.stop()


class MemoryMachine(StoreMachine):
    def make_opener(self) -> Opener:
        return MemoryOpener()


class SqliteMachine(StoreMachine):
    def make_opener(self) -> Opener:
        self.directory = tempfile.TemporaryDirectory()
        return SqliteOpener(Path(self.directory.name))

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(max_examples=100, stateful_step_count=20)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=40, stateful_step_count=20)
pytestmark = pytest.mark.timeout(300)
