"""Sequences and offsets in a log, and after restarts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.streams import log as log_module
from amqpy.core.streams import tracking as tracking_module
from amqpy.core.streams.segments import FIRST_AT, SegmentName
from amqpy.core.streams.tracking import Tracking, encode
from amqpy.store.segments import SegmentFiles
from amqpy.wire.chunk import SNAPSHOT, TRACKING, USER, entry_of

from .logs import AnySegments, ScriptedLog


def publish(log: ScriptedLog, name: str, *ids: int, write: bool = True) -> None:
    for each in ids:
        log.log.append_entry(entry_of(b"%d" % each), 1, None, log.now_ms)
    log.log.note_sequences(name, list(ids))
    if write:
        log.write()


def known(log: ScriptedLog) -> tuple[dict[str, int], dict[str, int]]:
    return log.log.tracking.sequences, log.log.tracking.offsets


@given(st.binary(max_size=60))
def test_any_bytes_are_tracking_or_malformed(raw: bytes) -> None:
    tracking = Tracking()
    if not tracking.apply(raw):
        assert not tracking.sequences
        assert not tracking.offsets


@given(st.dictionaries(st.text(max_size=20), st.integers(0, 2**64 - 1)))
def test_what_is_encoded_comes_back(values: dict[str, int]) -> None:
    tracking = Tracking()
    assert tracking.apply(encode(values, values))
    assert tracking.sequences == tracking.offsets == values
    assert not Tracking().apply(encode(values, {}) + b"\0")


def test_the_oldest_names_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_module, "NAMES_MAX", 2)
    tracking = Tracking()
    for name in ("a", "b", "a", "c"):
        tracking.note_sequence(name, 1)
    assert list(tracking.sequences) == ["a", "c"]


@pytest.fixture(params=("memory", "files"))
def segments(request: pytest.FixtureRequest, tmp_path: Path) -> AnySegments | None:
    return None if request.param == "memory" else SegmentFiles(tmp_path, syncs=False)


@pytest.mark.parametrize("is_clean", [True, False])
def test_sequences_and_offsets_survive_a_restart(segments: AnySegments | None, is_clean: bool) -> None:
    log = ScriptedLog(segments)
    publish(log, "p", 1, 2, 5)
    log.log.store_offset("c", 1)
    publish(log, "q", 9)
    assert known(log.restarted(is_clean=is_clean)) == ({"p": 5, "q": 9}, {"c": 1})


def test_offsets_come_alone(segments: AnySegments | None) -> None:
    log = ScriptedLog(segments)
    log.log.store_offset("c", 7)
    log.write()
    log.write(b"one")
    log.log.store_offset("c", 8)
    (chunk,) = log.write().chunks
    assert chunk.head.kind == TRACKING
    log = log.restarted()
    assert known(log) == ({}, {"c": 8})
    assert log.log.length == 1
    assert log.read() == [(0, b"one")]
    log.write(b"two")
    assert log.read() == [(0, b"one"), (1, b"two")]
    assert log.restarted().read() == [(0, b"one"), (1, b"two")]


def test_a_segment_begins_with_a_snapshot(segments: AnySegments | None) -> None:
    log = ScriptedLog(segments, segment_bytes=1)
    publish(log, "p", 1)
    publish(log, "q", 2)
    log.log.bytes_max = 1
    publish(log, "q", 3)
    assert len(log.log.segments) == 1
    assert log.log.first == 2
    log = log.restarted()
    assert known(log) == ({"p": 1, "q": 3}, {})
    assert log.read() == [(2, b"3")]


def test_a_segment_that_has_grown_has_another_snapshot(
    segments: AnySegments | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start walks from the last chunk of the index on."""
    monkeypatch.setattr(log_module, "MARK_BYTES", 300)
    log = ScriptedLog(segments)
    publish(log, "p", 1)
    kinds = []
    for number in range(20):
        log.append(b"x" * 50)
        changes = log.write()
        kinds += [chunk.head.kind for chunk in changes.chunks]
        if changes.marked:
            assert changes.chunks[-1].head.kind == SNAPSHOT, number
    assert kinds.count(SNAPSHOT) > 3
    assert known(log.restarted()) == ({"p": 1}, {})


def test_a_sequence_is_never_ahead_of_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a frame is divided among chunks, each has the id of its own last message; and so has a snapshot."""
    monkeypatch.setattr(log_module, "CHUNK_BYTES_MAX", 10)
    log = ScriptedLog(segment_bytes=1)
    publish(log, "p", 1, 2, 3, 4, write=False)
    changes = log.freeze()
    seen = Tracking()
    messages = 0
    for chunk in changes.chunks:
        if chunk.head.kind == USER:
            messages += chunk.head.records
            assert seen.apply(chunk.trailer)
            assert seen.sequences == {"p": messages}
        else:
            snapshot = Tracking()
            assert snapshot.apply(b"".join(chunk.entries))
            assert snapshot.sequences == {"p": messages}
    assert messages == 4


def test_tracking_that_was_not_written_whole_is_cut_off(tmp_path: Path) -> None:
    segments = SegmentFiles(tmp_path, syncs=False)
    log = ScriptedLog(segments)
    publish(log, "p", 1)
    publish(log, "p", 2)
    path = next(tmp_path.rglob("*.segment"))
    raw = path.read_bytes().rstrip(b"\0")
    segments.close()
    path.write_bytes(raw.replace(encode({"p": 2}, {}), bytes(len(encode({"p": 2}, {})))))
    log = log.restarted(SegmentFiles(tmp_path, syncs=False))
    assert known(log) == ({"p": 1}, {})
    assert log.read() == [(0, b"1")]


def test_the_tracking_of_a_segment_that_has_ended_if_the_next_one_was_not_written(tmp_path: Path) -> None:
    segments = SegmentFiles(tmp_path, syncs=False)
    log = ScriptedLog(segments, segment_bytes=1)
    publish(log, "p", 1)
    publish(log, "p", 2)
    segments.close()
    last = max(tmp_path.rglob("*.segment"))
    assert int(last.stem) == SegmentName(1, 1).first
    last.write_bytes(last.read_bytes()[:FIRST_AT])
    log = log.restarted(SegmentFiles(tmp_path, syncs=False))
    assert known(log) == ({"p": 1}, {})
    publish(log, "p", 2)
    assert log.restarted().read() == [(0, b"1"), (1, b"2")]
