"""The scanner's functions keep nothing, get by without memory that is not there, and refuse what they are not for."""

import struct
import sys
from collections.abc import Callable
from functools import partial

import pytest

from tests.wire.keeping import kept_by
from tests.wire.test_deliveries import OPENING, Message
from tests.wire.test_runs import FRAME_MAX, METHOD_FRAME, ack, both_twins, header_of, message
from tests.wire.twins import TWINS, Twin

CALLS: dict[str, Callable[[Twin], Callable[[], object]]] = {
    "cut_run": lambda twin: partial(
        twin.cut_run, message(b"a" * 700) * 3 + message(b"b" * 600) + METHOD_FRAME, 0, FRAME_MAX
    ),
    "cut_run, nested": lambda twin: partial(
        twin.cut_run,
        message(b"a", b"\x20\x00\x00\x00\x00\x11\x01kA\x00\x00\x00\x0aA\x00\x00\x00\x00I\x00\x00\x00\x01"),
        0,
        FRAME_MAX,
    ),
    "cut_run, waiting": lambda twin: partial(twin.cut_run, message(b"a" * 700)[:-1], 0, FRAME_MAX),
    "cut_acks": lambda twin: partial(twin.cut_acks, ack(2**63) * 3, 0),
    "deliveries": lambda twin: partial(
        twin.deliveries,
        OPENING,
        1,
        2**63,
        [Message(b"\x00\x01q", header_of(b"m"), b"m" * size) for size in (700, 0, 700, 900)],
        0,
        800,
    ),
}
"""The functions with their arguments: nothing but them runs when they are called."""


@both_twins
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nothing_is_kept(twin: Twin, call: Callable[[Twin], Callable[[], object]]) -> None:
    run = call(twin)
    run()
    assert kept_by(run) < 10_000  # a thousand times the smallest thing would be more


@pytest.mark.parametrize("twin", list(TWINS.values())[1:], ids=list(TWINS)[1:])
@pytest.mark.parametrize("name", [name for name in CALLS if name != "cut_run, waiting"])  # empty lists: Python has some
def test_memory_that_is_not_there(twin: Twin, name: str) -> None:
    """Each allocation fails once. Meanwhile nobody traces, who would need memory, too."""
    testcapi = pytest.importorskip("_testcapi", reason="this Python came without what its own tests use")
    run, trace = CALLS[name](twin), sys.gettrace()
    expected, failures = run(), 0

    def with_failure_at(number: int) -> object:
        sys.settrace(None)
        testcapi.set_nomemory(number, number + 1)
        try:
            return run()
        except MemoryError:
            return None
        finally:
            testcapi.remove_mem_hooks()
            sys.settrace(trace)

    for _ in range(20):
        before = sys.getallocatedblocks()
        failures = sum(with_failure_at(number) is None for number in range(1, 60))
        kept = sys.getallocatedblocks() - before
    assert failures > 1
    assert kept < 5
    assert all(with_failure_at(number) in (None, expected) for number in range(1, 60))


@both_twins
@pytest.mark.parametrize("body_max", [0, 10_000])
def test_what_was_read_is_let_go(twin: Twin, body_max: int) -> None:
    """Of what exists anyway, no allocation tells that it was kept."""
    opening, stream = bytes(bytearray(OPENING)), message(b"m" * 700)
    it = Message(bytes(300), header_of(b"m" * 700), bytes(700))
    held = [opening, stream, it, *it, *(sys.intern(name) for name in it._fields)]
    before = [sys.getrefcount(each) for each in held]
    for _ in range(100):
        twin.cut_run(stream, 0, FRAME_MAX)
        twin.cut_acks(stream, 0)
        twin.deliveries(opening, 1, 1, [it, it], 0, body_max)
        with pytest.raises(AttributeError):
            twin.deliveries(opening, 1, 1, [it, None], 0, 10_000)  # type: ignore[list-item]
    more = [sys.getrefcount(each) - references for each, references in zip(held, before, strict=True)]
    assert max(more) < 10  # Python's caches, and the exception, have some


@both_twins
def test_other_arguments_are_refused(twin: Twin) -> None:
    whole = message(b"m")
    for position in (len(whole) - 6, len(whole), len(whole) + 1, 2**62):
        with pytest.raises((ValueError, struct.error)):
            twin.cut_run(whole, position, FRAME_MAX)
    with pytest.raises((TypeError, AttributeError)):
        twin.cut_run(None, 0, FRAME_MAX)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        twin.cut_acks(None, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        twin.deliveries(OPENING, 1, 1, None, 0, 1)  # type: ignore[arg-type]
    for function in (twin.cut_run, twin.cut_acks, twin.deliveries):
        with pytest.raises(TypeError):
            function(whole)  # type: ignore[call-arg]
