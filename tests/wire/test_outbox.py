"""The outbox: every byte once, in order, and counted."""

from hypothesis import given
from hypothesis import strategies as st

from amqpy.wire.outbox import HIGH, SEND_MAX, Outbox


class Wakes:
    """Counts the calls of `wake`."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


SIZES = st.integers(0, 40) | st.sampled_from([SEND_MAX // 3, SEND_MAX - 1, SEND_MAX, SEND_MAX + 1])


@given(st.lists(SIZES.map(lambda size: ("write", size)) | st.sampled_from([("take", 0), ("sent", 0)]), max_size=30))
def test_bytes_leave_as_they_came_and_are_counted(steps: list[tuple[str, int]]) -> None:
    """One `take` is under way at a time; what was written meanwhile comes with the next."""
    wakes = Wakes()
    outbox = Outbox(wakes)
    written, received = bytearray(), bytearray()
    under_way: bytes | None = None
    for number, (action, size) in enumerate(steps):
        if action == "write":
            idle, before = len(written) == len(received) + len(under_way or b"") and not outbox.chunks, wakes.count
            data = bytes((number,)) * size
            outbox.write(memoryview(data) if number % 2 else data)
            written += data
            assert wakes.count == before + idle, "woken only when there was nothing to send"
        elif action == "take" and under_way is None:
            under_way = b"".join(outbox.take())
            assert len(under_way) <= 2 * SEND_MAX, "one chunk over the mark at most"
        elif action == "sent" and under_way is not None:
            outbox.sent(len(under_way))
            received += under_way
            under_way = None
        assert outbox.size == len(written) - len(received), "a take under way counts as waiting"
        assert outbox.total == len(received)
        assert outbox.full == (outbox.size >= HIGH)
    received += under_way or b""
    while outbox.chunks:
        received += b"".join(outbox.take())
    assert received == written


def test_an_empty_outbox_has_nothing_to_take() -> None:
    assert b"".join(Outbox(Wakes()).take()) == b""


def test_a_single_chunk_is_handed_on_without_a_copy() -> None:
    outbox = Outbox(Wakes())
    data = bytes(100)
    outbox.write(data)
    assert outbox.take()[0] is data


def test_much_is_sent_in_parts() -> None:
    outbox = Outbox(Wakes())
    for _ in range(10):
        outbox.write(bytes(SEND_MAX // 4))
    sizes = []
    while outbox.chunks:
        size = sum(map(len, outbox.take()))
        sizes.append(size)
        outbox.sent(size)
    assert sizes == [SEND_MAX, SEND_MAX, SEND_MAX // 2]
    assert outbox.size == 0


def test_small_chunks_are_joined_and_large_ones_are_not() -> None:
    outbox = Outbox(Wakes())
    for _ in range(100):
        outbox.write(b"small")
    assert outbox.take() == [b"small" * 100]
    body = bytes(100_000)
    for chunk in (b"head", memoryview(body), b"end", b"head", memoryview(body), b"end"):
        outbox.write(chunk)
    buffers = outbox.take()
    assert [len(buffer) for buffer in buffers] == [4, 100_000, 3, 4, 100_000, 3]
    assert all(buffer.obj is body for buffer in buffers if isinstance(buffer, memoryview))


# --- what is held


def taken(outbox: Outbox) -> bytes:
    """All that may leave."""
    data = b""
    while outbox.has_sendable:
        part = b"".join(outbox.take())
        outbox.sent(len(part))
        data += part
    return data


STEPS = st.sampled_from(["write", "overtake", "hold", "release", "take", "discard"])


@given(st.lists(STEPS, max_size=40), SIZES)
def test_what_is_held_waits_with_all_behind_it_and_is_overtaken(steps: list[str], size: int) -> None:
    wakes = Wakes()
    outbox = Outbox(wakes)
    leaving, held = b"", b""
    for number, step in enumerate(steps):
        data = bytes((number,)) * (size if number % 3 else 1)
        before = wakes.count
        if step == "write":
            outbox.write(data)
        elif step == "overtake":
            outbox.write_ahead(data)
            assert wakes.count > before or outbox.held_for is None
        elif step == "hold":
            outbox.hold(number, len(outbox.chunks))
        elif step == "release":
            outbox.release()
            assert wakes.count > before
            leaving, held = leaving + held, b""
        elif step == "discard":
            outbox.discard_held()
            held = b""
        else:
            assert taken(outbox) == leaving
            leaving = b""
        if step == "overtake" or (step == "write" and outbox.held_for is None):
            leaving += data
        elif step == "write":
            held += data
        assert outbox.sendable_size == len(leaving)
        assert outbox.size == len(leaving) + len(held)
    outbox.release()
    assert taken(outbox) == leaving + held


def test_a_chunk_from_which_on_all_is_held_may_have_come_before() -> None:
    """A reply is written, and then it is found that it must wait."""
    outbox = Outbox(Wakes())
    outbox.write(b"free")
    outbox.write(b"reply")
    outbox.hold(1, 1)
    outbox.hold(2, 2)
    outbox.write_ahead(b"heartbeat")
    assert outbox.held_for == 2
    assert taken(outbox) == b"freeheartbeat"
    outbox.write(b"more")
    outbox.write_ahead(b"heartbeat")
    assert taken(outbox) == b"heartbeat"
    outbox.release()
    assert taken(outbox) == b"replymore"
