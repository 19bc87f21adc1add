"""Alarms at the transport: who is not read, and for how long; and who measures."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio
from pamqp.commands import Basic, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.server.connection_tasks import HELD_MAX
from amqpy.server.resource_monitor import MachineGauge, cgroup_limits, monitor_resources
from amqpy.wire.outbox import HIGH
from tests.amqp.client import method_frame, publish_frames

from .peer import Peer, Server, on_sockets_too

GB = 10**9
AWARE = {"connection.blocked": True}


async def publisher(server: Server, *, queue: str = "q", lockstep: bool = False, heartbeat_s: int = 0) -> Peer:
    """A peer with a queue to publish to."""
    peer = server.connect(lockstep=lockstep)
    await peer.open(1, heartbeat_s=heartbeat_s, **AWARE)
    await peer.ask(Queue.Declare(queue=queue))
    return peer


def alarm(server: Server, *, on: bool) -> None:
    alarms = server.broker.alarms
    server.reactor.administer(lambda: (alarms.set if on else alarms.clear)("memory"))


@on_sockets_too
async def test_a_publisher_is_not_read_until_the_alarm_is_over(autojump_clock: MockClock, server: Server) -> None:
    peer = await publisher(server)
    alarm(server, on=True)
    await peer.publish("q")
    await peer.expect("Connection.Blocked")
    for _ in range(3):
        await peer.publish("q")
    await trio.sleep(1000)
    assert server.ready("q") == 0
    alarm(server, on=False)
    await peer.expect("Connection.Unblocked")
    assert (await peer.ask(Queue.Declare(queue="q"))).method.message_count == 4


async def test_no_more_is_taken_than_tells_of_the_end(autojump_clock: MockClock, server: Server) -> None:
    """What the peer sends stays with the peer. Behind all that, its end shows when the alarm is over."""
    peer = await publisher(server, lockstep=True)
    alarm(server, on=True)
    await peer.publish("q")
    await peer.expect("Connection.Blocked")
    taken = 0
    with trio.move_on_after(1000):
        while True:
            await peer.send(bytes(1000))
            taken += 1000
    assert HELD_MAX - 1000 <= taken <= HELD_MAX + 1000
    alarm(server, on=False)


@on_sockets_too
async def test_a_blocked_publisher_that_vanishes_is_noticed(autojump_clock: MockClock, server: Server) -> None:
    peer = await publisher(server)
    await peer.ask(Queue.Declare(queue="mine", exclusive=True))
    alarm(server, on=True)
    await peer.publish("q")
    await peer.publish("q")
    await peer.vanish()
    await server.until_gone()
    assert list(server.broker.vhosts["/"].queues) == ["q"]
    assert server.ready("q") == 0
    alarm(server, on=False)


async def test_an_alarm_ends_while_the_peer_does_not_read(autojump_clock: MockClock, server: Server) -> None:
    """Its reader is busy with waiting for that; when it is done, it does not wait for more before it goes on."""
    other = await publisher(server, queue="large")
    for _ in range(2):
        await other.publish("large", bytes(HIGH))
    peer = await publisher(server, lockstep=True)
    gets = b"".join(method_frame(Basic.Get(queue="large", no_ack=True), 1) for _ in range(2))
    alarm(server, on=True)
    await peer.send(gets + publish_frames("q", b"hello"))
    await wait_all_tasks_blocked()
    alarm(server, on=False)
    for expected in ("Basic.GetOk", "Basic.GetOk", "Connection.Blocked", "Connection.Unblocked"):
        await peer.expect(expected)
    await wait_all_tasks_blocked()
    assert server.ready("q") == 1


@on_sockets_too
async def test_others_go_on(autojump_clock: MockClock, server: Server) -> None:
    peer, other = await publisher(server), await publisher(server)
    await other.ask(Basic.Consume(queue="q"))
    alarm(server, on=True)
    await peer.publish("q", b"")
    await peer.expect("Connection.Blocked")
    tag = (await other.expect("Basic.Deliver")).method.delivery_tag
    await other.say(Basic.Ack(tag))
    assert (await other.ask(Queue.Declare(queue="q"))).method.message_count == 0
    alarm(server, on=False)


@on_sockets_too
async def test_a_blocked_connection_may_be_silent_for_long(autojump_clock: MockClock, server: Server) -> None:
    peer = await publisher(server, heartbeat_s=10)
    alarm(server, on=True)
    await peer.publish("q")
    await peer.expect("Connection.Blocked")
    await trio.sleep(1000)
    alarm(server, on=False)
    await peer.expect("Connection.Unblocked")
    began_at = trio.current_time()
    assert await peer.rest() == []
    assert 20 <= trio.current_time() - began_at <= 30


async def test_a_stop_closes_blocked_connections(autojump_clock: MockClock, server: Server) -> None:
    """In good order: they say close-ok, behind all that waits."""
    peer = await publisher(server)
    alarm(server, on=True)
    await peer.publish("q")
    await peer.expect("Connection.Blocked")
    await peer.publish("q")
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.reactor.drain, "stop")
        await peer.expect("Connection.Close")
        await peer.say(Connection.CloseOk(), channel=0)
    assert trio.current_time() == began_at
    assert not server.reactor.connections
    assert server.ready("q") == 0


# --- the monitor


class FakeGauge:
    """What it measures is what a test says."""

    def __init__(self) -> None:
        self.used = GB
        self.free: int | OSError = 100 * GB
        self.looked_at: list[float] = []
        self.kept = 0
        """Memory that was freed and not given back."""
        self.given_back_at: list[float] = []

    def memory_used(self) -> int:
        return self.used + self.kept

    def give_back(self) -> None:
        self.given_back_at.append(trio.current_time())
        self.kept = 0

    def memory_total(self) -> int:
        return 10 * GB

    async def disk_free(self, directory: str) -> int:
        assert directory == "data"
        self.looked_at.append(trio.current_time())
        if isinstance(self.free, OSError):
            raise self.free
        return self.free


async def test_the_memory_is_measured_every_second(autojump_clock: MockClock, server: Server) -> None:
    gauge = FakeGauge()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_resources, server.reactor, None, gauge)
        await trio.sleep(10.5)
        peer = await publisher(server)
        await peer.publish("q")
        gauge.used = 5 * GB
        await trio.sleep(0.4)
        assert not server.broker.alarms
        await trio.sleep(0.2)
        assert server.broker.alarms.resources == ["memory"]
        await peer.publish("q")
        await peer.expect("Connection.Blocked")
        gauge.used = GB
        await peer.expect("Connection.Unblocked")
        assert gauge.looked_at == []
        nursery.cancel_scope.cancel()


async def test_a_setting_says_how_much_memory_there_is(autojump_clock: MockClock, server: Server) -> None:
    """Two of these are more than the share of three, and less than that of the gauge's ten."""
    server.broker.config = replace(server.broker.config, total_memory_available_override_value="3GB")
    gauge = FakeGauge()
    async with trio.open_nursery() as nursery:
        await nursery.start(monitor_resources, server.reactor, None, gauge)
        assert not server.broker.alarms
        gauge.used = 2 * GB
        await trio.sleep(1.5)
        assert server.broker.alarms.resources == ["memory"]
        nursery.cancel_scope.cancel()


async def test_memory_that_was_freed_does_not_count(autojump_clock: MockClock, server: Server) -> None:
    """It is given back first, but only if it matters."""
    gauge = FakeGauge()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_resources, server.reactor, None, gauge)
        await trio.sleep(10.5)
        gauge.kept = 2 * GB
        await trio.sleep(10)
        assert gauge.given_back_at == []
        gauge.kept = 4 * GB
        await trio.sleep(1)
        assert len(gauge.given_back_at) == 1
        assert not server.broker.alarms
        assert server.broker.resources.memory_used == GB
        nursery.cancel_scope.cancel()


async def test_giving_back_takes_no_more_than_a_share_of_the_time(
    autojump_clock: MockClock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauge = FakeGauge()
    gauge.used = 9 * GB

    def measure_slowly() -> int:
        autojump_clock.jump(0.2)
        return gauge.used

    monkeypatch.setattr(gauge, "memory_used", measure_slowly)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_resources, server.reactor, None, gauge)
        await trio.sleep(100)
        assert server.broker.alarms
        nursery.cancel_scope.cancel()
    assert 9 <= len(gauge.given_back_at) <= 11


async def test_the_disk_is_measured_the_more_often_the_fuller_it_is(autojump_clock: MockClock, server: Server) -> None:
    gauge = FakeGauge()
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_resources, server.reactor, "data", gauge)
        await trio.sleep(9)
        gauge.free = 175_000_000
        await trio.sleep(1.5)
        gauge.free = 50_000_000
        await trio.sleep(1)
        assert not server.broker.alarms
        gauge.free = 49_999_999
        await trio.sleep(0.2)
        assert server.broker.alarms.resources == ["disk"]
        gauge.free = GB
        await trio.sleep(20)
        assert not server.broker.alarms
        nursery.cancel_scope.cancel()
    times = [round(at - began_at, 1) for at in gauge.looked_at]
    assert times[:6] == [0, 10, 11, 11.1, 11.2, 11.3]
    assert times[-2:] == [21.6, 29.2]


async def test_a_disk_that_cannot_be_measured_changes_nothing(
    autojump_clock: MockClock, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = FakeGauge()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor_resources, server.reactor, "data", gauge)
        await wait_all_tasks_blocked()
        gauge.free = OSError(5, "Input/output error")
        await trio.sleep(60)
        assert not server.broker.alarms
        gauge.free = 0
        await trio.sleep(60)
        assert server.broker.alarms
        nursery.cancel_scope.cancel()
    alarm_told = [each for each in caplog.messages if "cannot tell" in each]
    assert alarm_told == ["cannot tell how much space is free for data: Input/output error"]


async def test_the_machine_can_be_measured(tmp_path: Path) -> None:
    gauge = MachineGauge()
    assert 1 << 20 < gauge.memory_used() < gauge.memory_total()
    gauge.give_back()
    assert await gauge.disk_free(str(tmp_path)) > 0
    with pytest.raises(OSError, match="No such file"):
        await gauge.disk_free(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("ours", "files", "limits"),
    [
        ("", {}, []),
        ("0::/\n", {"memory.max": "max\n"}, []),
        ("0::/\n", {"memory.max": "1000\n"}, [1000]),
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/memory.max": "2000"}, [1000, 2000]),
        ("0::/outside\n", {"memory.max": "1000"}, [1000]),
        ("4:cpu:/x\n3:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "3000"}, [3000]),
        ("3:blkio,memory:/a\n", {"memory/memory.limit_in_bytes": "4000", "memory.max": "no"}, [4000]),
        ("3:memory:/../..\n", {}, []),
    ],
)
def test_limits_of_control_groups(tmp_path: Path, ours: str, files: dict[str, str], limits: list[int]) -> None:
    root = tmp_path / "root"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "cgroup").write_text(ours)
    assert sorted(cgroup_limits(tmp_path / "cgroup", root)) == limits


def test_a_machine_without_control_groups(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path / "none", tmp_path) == []
