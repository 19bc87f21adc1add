"""Streams in a server: what must be read from the disk is fetched by a thread, and nobody waits for it."""

import pytest
import trio
from pamqp.commands import Basic, Confirm, Queue
from trio.testing import MockClock

from amqpy.core.streams.segments import SegmentName, SegmentRange
from tests.amqp.client import publish_frames

from .peer import Peer
from .stored_harness import StoredServer

STREAM = {"x-queue-type": "stream"}


async def publisher_of(stored: StoredServer, *bodies: bytes) -> Peer:
    peer = await stored.opened()
    await peer.ask(Queue.Declare(queue="s", durable=True, arguments=dict(STREAM)))
    await peer.ask(Confirm.Select())
    for number, body in enumerate(bodies, 1):
        await peer.send(publish_frames("s", body, delivery_mode=1))
        assert (await peer.expect("Basic.Ack")).method.delivery_tag == number
    return peer


async def follow(stored: StoredServer) -> Peer:
    peer = await stored.opened()
    await peer.ask(Basic.Qos(prefetch_count=10))
    await peer.ask(Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    return peer


async def test_a_confirm_and_a_delivery_wait_for_the_sync(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored, b"one")
    follower = await follow(stored)
    assert (await follower.expect("Basic.Deliver")).body == b"one"
    stored.disk.slow_down()
    await peer.send(publish_frames("s", b"two"))
    with trio.move_on_after(100) as waiting:
        await follower.expect("Basic.Deliver")
    assert waiting.cancelled_caught
    await stored.disk.let()
    await peer.expect("Basic.Ack")
    assert (await follower.expect("Basic.Deliver")).body == b"two"


async def test_what_is_cold_is_fetched(stored: StoredServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In real time, because a thread does it."""
    await publisher_of(stored, b"one", b"two")
    segments, warm, fetched = stored.disk.segments, set[SegmentName](), list[SegmentRange]()
    read = segments.read

    def read_if_warm(name: SegmentName, position: int, size: int, *, may_wait: bool = False) -> bytes | None:
        return read(name, position, size) if may_wait or name in warm else None

    def fetch(ranges: list[SegmentRange]) -> None:
        fetched.extend(ranges)
        warm.update(each.name for each in ranges)

    monkeypatch.setattr(segments, "read", read_if_warm)
    monkeypatch.setattr(stored.disk, "fetch", fetch)
    follower = await follow(stored)
    assert [(await follower.expect("Basic.Deliver")).body for _ in range(2)] == [b"one", b"two"]
    assert len(fetched) == 1
