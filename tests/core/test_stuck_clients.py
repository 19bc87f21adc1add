"""Findings on alarms, connections and channels."""

from typing import Any

from amqpy.core.findings.of_clients import ConnectionState, size_text
from amqpy.core.ports import Origin
from amqpy.core.statistics import Counts
from amqpy.wire.outbox import HIGH
from tests.core.core_harness import (
    CoreHarness,
    FakeClient,
)
from tests.core.findings import MINUTE, Samples, look, only
from tests.core.test_queue_contents import Channel


def test_alarms() -> None:
    core = CoreHarness()
    resources = core.broker.resources
    resources.note_memory(10 << 30, 11 << 30)
    memory = only(look(core), "alarm")
    assert (memory.vhost, memory.name) == ("", "memory")
    assert memory.text == (
        f"The alarm for memory is set, and publishers must wait: 10.0 GiB are used, "
        f"of {size_text(resources.memory_allowed)} that may be."
    )
    assert memory.facts == {"memory_used": 10 << 30, "limit": resources.memory_allowed}
    core.broker.alarms.set("disk", "store")
    disk = look(core)[0]
    assert disk.text == "The alarm for disk is set, and publishers must wait: nothing can be written."
    resources.note_disk(1000)
    assert look(core)[0].text.endswith(
        f"must wait: 1,000 bytes are free, and {size_text(resources.disk_needed)} should be."
    )


def state(core: CoreHarness, client: FakeClient, **more: Any) -> ConnectionState:  # noqa: ANN401
    told = {"waits_for_alarm": False, "waits_to_be_read": False, "unread": 0, "sent": 0, **more}
    core.vhost.clients[client] = None
    return ConnectionState(client, f"name of {client.user_name}", client.user_name, "/", **told)


def test_connections_that_wait() -> None:
    core = CoreHarness()
    one, two, three = (FakeClient(name) for name in ("one", "two", "three"))
    states = {
        one: state(core, one, waits_for_alarm=True),
        two: state(core, two, waits_to_be_read=True, unread=3 << 20),
        three: state(core, three),
    }
    blocked, flow = look(core, states=states)
    assert (blocked.kind, flow.kind) == ("blocked_connection", "flow")
    assert blocked.text == (
        "Connection 'name of one' of user 'one' has published during an alarm, and must wait until that is over."
    )
    assert flow.text == (
        "Connection 'name of two' of user 'two' does not read fast enough: 3.0 MiB wait for it, "
        "and it is not heard meanwhile."
    )
    assert flow.facts == {"user": "two", "unread": 3 << 20}
    assert look(core, states={}) == [], "nobody may see them"


def test_a_connection_that_reads_nothing() -> None:
    core = CoreHarness()
    client = FakeClient("slow")
    states = {client: state(core, client, unread=HIGH, sent=5000)}
    sent = {client: {"send_oct": 5000}}
    assert only(look(core, Samples(MINUTE, sent), states), "flow").text.endswith("512.0 KiB wait for it.")
    assert look(core, Samples(MINUTE, {client: {"send_oct": 4999}}), states) == []
    assert look(core, Samples(9_000, sent), states) == []
    assert look(core, states=states) == []
    states = {client: state(core, client, unread=HIGH - 1, sent=5000)}
    assert look(core, Samples(MINUTE, sent), states) == []


def test_a_store_that_is_behind() -> None:
    core = CoreHarness()
    assert only(look(core, store_waiting=40 << 20), "flow").text == (
        "The store is behind, and publishers must wait: 40.0 MiB are to be written."
    )


class CountingChannel(Channel):
    def __init__(self, core: CoreHarness, connection: str, stats: Counts) -> None:
        self.stats = stats
        super().__init__(core)
        self.unacked.origin = Origin(connection, 1, "app", "<pid>")

    def message_stats(self) -> Counts:
        return self.stats


def test_very_many_channels() -> None:
    core = CoreHarness()
    client = FakeClient("app")
    states = {client: state(core, client)}
    name = states[client].name
    busy = [CountingChannel(core, name, {"publish": number, "get_empty": 0}) for number in range(1, 6)]
    for _ in range(3):
        CountingChannel(core, name, {"publish": 0, "get_empty": 7})
    CountingChannel(core, "another", {})
    assert look(core, states=states) == []
    finding = only(look(core, states=states, channels=8), "channels")
    assert finding.text == (
        f"Connection {name!r} of user 'app' has 8 channels, and on 3 of them nothing happens: "
        "perhaps they are opened and not closed."
    )
    assert finding.facts == {"user": "app", "channels": 8, "idle": 3}
    assert only(look(core, states=states, idle_channels=3), "channels").facts["idle"] == 3
    samples = Samples(5 * MINUTE, {busy[4]: {"publish": 5}})
    assert only(look(core, samples, states, channels=8), "channels").facts["idle"] == 4
    core.queue("q")
    core.consume("q", busy[4].unacked)
    assert only(look(core, samples, states, channels=8), "channels").facts["idle"] == 3
