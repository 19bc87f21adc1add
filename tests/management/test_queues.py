"""Queues: lists, views, declaring and deleting."""

from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Queue
from trio.testing import MockClock

from amqpy.management import queue_views
from amqpy.management.idleness import TO_FORGET, Idleness
from amqpy.management.resources import queues
from amqpy.wire.values import Field

from .harness import NOT_FOUND, REFUSED, Site

Q = "/api/queues/%2F/q"
QUORUM = {"x-queue-type": Field("longstr", "quorum")}

OF_BOTH = {
    "arguments",
    "auto_delete",
    "consumer_capacity",
    "consumer_utilisation",
    "consumers",
    "durable",
    "effective_policy_definition",
    "exclusive",
    "garbage_collection",
    "memory",
    "message_bytes",
    "message_bytes_persistent",
    "message_bytes_ram",
    "message_bytes_ready",
    "message_bytes_unacknowledged",
    "messages",
    "messages_persistent",
    "messages_ram",
    "messages_ready",
    "messages_unacknowledged",
    "name",
    "node",
    "operator_policy",
    "policy",
    "reductions",
    "state",
    "type",
    "vhost",
}
CLASSIC = OF_BOTH | {
    "backing_queue_status",
    "exclusive_consumer_tag",
    "head_message_timestamp",
    "idle_since",
    "message_bytes_paged_out",
    "messages_paged_out",
    "messages_ready_ram",
    "messages_unacknowledged_ram",
    "recoverable_slaves",
    "single_active_consumer_tag",
}
OF_QUORUM = OF_BOTH | {
    "leader",
    "members",
    "message_bytes_dlx",
    "messages_dlx",
    "online",
    "open_files",
    "single_active_consumer_ctag",
}
SINGLE = {"consumer_details", "deliveries", "incoming"}


async def test_the_keys_of_a_classic_queue(site: Site) -> None:
    site.declare("q")
    (row,) = (await site.get("/api/queues")).json
    assert row.keys() == CLASSIC
    assert (await site.get(Q)).json.keys() == CLASSIC | SINGLE
    assert (row["type"], row["state"], row["node"], row["policy"]) == ("classic", "running", "rabbit@test", None)


async def test_the_keys_of_a_quorum_queue(site: Site) -> None:
    site.declare("q", QUORUM)
    (row,) = (await site.get("/api/queues/%2F")).json
    assert row.keys() == OF_QUORUM
    assert (await site.get(Q)).json.keys() == OF_QUORUM | SINGLE
    assert (row["leader"], row["members"], row["open_files"]) == ("rabbit@test", ["rabbit@test"], {"rabbit@test": 0})


async def test_messages_are_counted_and_weighed(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"transient")
    site.publish("q", b"kept", b"kept too", delivery_mode=2, timestamp=datetime.fromtimestamp(1, UTC))
    peer = await site.connect()
    await peer.ask(Basic.Get(queue="q"))
    shown = (await site.get(Q)).json
    expected = {
        "messages": 3,
        "messages_ready": 2,
        "messages_unacknowledged": 1,
        "messages_persistent": 2,
        "message_bytes": 21,
        "message_bytes_ready": 12,
        "message_bytes_unacknowledged": 9,
        "message_bytes_persistent": 12,
        "message_bytes_ram": 21,
        "message_bytes_paged_out": 0,
        "messages_ready_ram": 2,
        "messages_unacknowledged_ram": 1,
    }
    assert {key: shown[key] for key in expected} == expected
    assert shown["head_message_timestamp"] == 1
    assert shown["message_stats"] == {
        "publish": 3,
        "ack": 0,
        "deliver": 0,
        "deliver_get": 1,
        "deliver_no_ack": 0,
        "get": 1,
        "get_empty": 0,
        "get_no_ack": 0,
        "redeliver": 0,
    }
    assert shown["backing_queue_status"]["len"] == 2


async def test_what_is_on_disk_only_is_paged_out(stored_site: Site) -> None:
    site = stored_site
    site.declare("q")
    site.publish("q", *[b"x" * 3_000_000] * 3, delivery_mode=2)
    shown = (await site.get(Q)).json
    assert (shown["messages"], shown["messages_ready_ram"]) == (3, 1)
    assert (shown["message_bytes"], shown["message_bytes_ram"]) == (9_000_000, 3_000_000)


async def test_the_lengths_of_priorities(site: Site) -> None:
    site.declare("q", {"x-max-priority": Field("long", 2)})
    site.publish("q", b"1", b"2", priority=1)
    site.publish("q", b"3", priority=9)
    status = (await site.get(Q)).json["backing_queue_status"]
    assert status["delta"] == ["delta", "undefined", "undefined", "undefined", "undefined"]
    assert (status["priority_lengths"], status["len"]) == ({"0": 0, "1": 2, "2": 1}, 3)


async def test_many_messages_are_estimated(site: Site) -> None:
    site.declare("q")
    site.publish("q", *[b"1234"] * 100)
    queue = site.vhost.queues["q"]
    messages = queue.ready.never_delivered  # type: ignore[attr-defined]
    for _ in range(8):
        messages.extend(list(messages))
    assert (await site.get(Q)).json["message_bytes"] == 4 * 25_600


async def test_many_unacknowledged_messages_are_estimated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_views, "SIZED_MAX", 5)
    site.declare("q")
    site.publish("q", *[b"1234"] * 20)
    peer = await site.connect()
    await peer.say(Basic.Consume(queue="q"))
    while site.vhost.queues["q"].unacked_count < 20:
        await trio.lowlevel.checkpoint()
    shown = (await site.get(Q)).json
    assert (shown["message_bytes_unacknowledged"], shown["message_bytes"]) == (80, 80)


async def test_not_all_of_many_consumers_are_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "CONSUMERS_MAX", 2)
    site.declare("q")
    peer = await site.connect()
    for _ in range(3):
        await peer.ask(Basic.Consume(queue="q"))
    shown = (await site.get(Q)).json
    assert (shown["consumers"], len(shown["consumer_details"])) == (3, 2)


async def test_a_consumer_is_shown(site: Site) -> None:
    site.declare("q")
    peer = await site.connect()
    await peer.ask(Basic.Consume(queue="q", consumer_tag="me", exclusive=True))
    shown = (await site.get(Q)).json
    assert (shown["consumers"], shown["exclusive_consumer_tag"]) == (1, "me")
    assert (shown["consumer_capacity"], shown["consumer_utilisation"]) == (1.0, 1.0)
    (consumer,) = shown["consumer_details"]
    assert consumer.keys() == {
        "ack_required",
        "active",
        "activity_status",
        "arguments",
        "channel_details",
        "consumer_tag",
        "exclusive",
        "prefetch_count",
        "queue",
    }
    assert consumer["channel_details"] == {
        "connection_name": "peer 1",
        "name": "peer 1 (1)",
        "node": "rabbit@test",
        "number": 1,
        "peer_host": "",
        "peer_port": 0,
        "user": "guest",
    }
    assert "consumer_details" not in (await site.get("/api/queues")).json[0]


async def test_consumers_that_wait_are_counted(site: Site) -> None:
    site.declare("q", {**QUORUM, "x-single-active-consumer": Field("bool", True)})
    peer = await site.connect()
    for tag in ("one", "two"):
        await peer.ask(Basic.Consume(queue="q", consumer_tag=tag))
    shown = (await site.get(Q)).json
    assert (shown["consumers"], shown["single_active_consumer_ctag"]) == (2, "one")
    assert [consumer["activity_status"] for consumer in shown["consumer_details"]] == ["single_active", "waiting"]


async def test_an_exclusive_queue_has_an_owner(site: Site) -> None:
    peer = await site.connect()
    await peer.ask(Queue.Declare(queue="q", exclusive=True))
    shown = (await site.get(Q)).json
    assert shown["exclusive"] is True
    assert shown["owner_pid_details"] == {"name": "peer 1", "peer_host": "", "peer_port": 0}
    assert (await site.delete(Q)).refusal[2].startswith("cannot obtain exclusive access to locked queue 'q'")


async def test_even_what_stands_still_has_samples(site: Site) -> None:
    site.declare("q")
    shown = (await site.get(f"{Q}?data_rates_age=10&data_rates_incr=5&columns=reductions_details")).whole
    details = shown["reductions_details"]
    assert ([each["sample"] for each in details["samples"]], details["avg"], details["rate"]) == ([0, 0, 0], 0, 0)


async def test_a_queue_is_idle_since_nothing_happened_to_it(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    since = (await site.get(Q)).json["idle_since"]
    assert since.startswith("2023-11-14T22:13:20.1")
    assert since.endswith("+00:00")
    await trio.sleep(5)
    assert (await site.get(Q)).json["idle_since"] == since
    site.publish("q", b"1")
    assert "idle_since" not in (await site.get(Q)).json
    await trio.sleep(5)
    assert (await site.get(Q)).json["idle_since"].startswith("2023-11-14T22:13:25.1")


async def test_deleted_queues_are_not_remembered(site: Site) -> None:
    idleness = Idleness()
    for number in range(TO_FORGET + 1):
        queue = site.declare(f"q{number}")
        queue.deleted = number > 0
        idleness.look(queue, 0)
    queue.deleted = False
    assert len(idleness._looks) == 1  # noqa: SLF001


async def test_lists_come_in_pages_and_with_columns(site: Site) -> None:
    for name in ("b", "a", "Zed"):
        site.declare(name)
    assert [row["name"] for row in (await site.get("/api/queues")).json] == ["Zed", "a", "b"]
    page = (await site.get("/api/queues?page=1&page_size=1&name=%5Eb&use_regex=true&columns=name,messages")).json
    assert (page["items"], page["filtered_count"]) == ([{"name": "b", "messages": 0}], 1)
    site.publish("a", b"1", b"2")
    rows = (await site.get("/api/queues?sort=message_bytes&sort_reverse=true&columns=name")).json
    assert rows[0] == {"name": "a"}
    rows = (await site.get("/api/queues?columns=message_bytes,name")).json
    assert [row["message_bytes"] for row in rows] == [0, 2, 0]


async def test_lists_are_of_the_vhosts_that_one_may_enter(site: Site) -> None:
    site.add_vhost("other", "guest")
    site.declare("q")
    site.declare("r", vhost=site.broker.vhosts["other"])
    site.add_user("plain", "management")
    site.add_user("watcher", "monitoring", permissions=None)
    site.add_user("root", "administrator", permissions=None)
    for user, names in (("plain", ["q"]), ("watcher", []), ("root", ["q", "r"])):
        assert [row["name"] for row in (await site.get("/api/queues", user=user)).json] == names
    assert (await site.get(Q, user="watcher")).refusal == (
        401,
        "not_authorised",
        "User not authorised to access virtual host",
    )
    assert [row["name"] for row in (await site.get("/api/queues", headers={"x-vhost": "other"})).json] == ["r"]


async def test_statistics_can_be_left_out(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"1")
    basic = {"arguments", "auto_delete", "durable", "exclusive", "name", "node", "state", "type", "vhost"}
    (row,) = (await site.get("/api/queues?disable_stats=true")).json
    assert (row.keys(), row["state"]) == (basic, "live")
    assert (await site.get(f"{Q}?disable_stats=true")).json.keys() == basic
    (row,) = (await site.get("/api/queues?disable_stats=true&enable_queue_totals=true")).json
    assert row.keys() == basic | {"messages", "messages_ready", "messages_unacknowledged"}
    assert (row["state"], row["messages"]) == ("running", 1)


@pytest.mark.parametrize("settings", [{"management_disable_stats": True}])
async def test_statistics_can_be_left_out_by_a_setting(site: Site) -> None:
    site.declare("q")
    site.reactor.administer(lambda: site.broker.administration.set_policy("/", "p", "^q$", {"max-length": 1}))
    (row,) = (await site.get("/api/queues")).json
    assert (row["policy"], row["state"], "messages" in row) == ("p", "live", False)
    assert "policy" not in (await site.get(Q)).json


# --- changes


async def test_a_queue_is_declared(site: Site) -> None:
    body = {
        "durable": "true",
        "auto_delete": False,
        "arguments": {"x-max-length": 5, "x": [1, {"y": 1.5}]},
        "vhost": "z",
    }
    reply = await site.put(Q, body)
    assert (reply.status, reply.body) == (201, b"")
    assert (await site.put(Q, body)).status == 204
    shown = (await site.get(Q)).json
    assert (shown["durable"], shown["arguments"]) == (True, body["arguments"])


async def test_nothing_is_mandatory(site: Site) -> None:
    assert (await site.put(Q)).status == 201
    assert site.vhost.queues["q"].durable is False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"durable": "yes"}, ["not_boolean", "yes"]),
        ({"arguments": {"x": None}}, "null_not_allowed"),
        (
            {"arguments": {"x-max-length": -1}},
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}",
        ),
        ({"node": "a@b"}, "Node a@b could not be contacted"),
        ({"arguments": {"x-queue-type": "quorum"}}, "invalid property 'non-durable' for queue 'q' in vhost '/'"),
        ([], "not_json"),
    ],
)
async def test_bad_declarations_are_refused(site: Site, body: Any, reason: object) -> None:  # noqa: ANN401
    assert (await site.put(Q, body)).refusal == (400, "bad_request", reason)
    assert "q" not in site.vhost.queues


@pytest.mark.parametrize("key", ["passive", "exclusive"])
@pytest.mark.parametrize("value", ["true", None, 1])
async def test_some_booleans_may_be_no_text(site: Site, key: str, value: object) -> None:
    assert (await site.put(Q, {key: value})).refusal == (400, "bad_request", ["not_boolean", value])
    assert site.vhost.queues == {}


async def test_a_passive_declaration_looks(site: Site) -> None:
    body = {"passive": True, "durable": False, "arguments": {"x-max-length": 5}}
    assert (await site.put(Q, body)).refusal == (404, "not_found", "no queue 'q' in vhost '/'")
    site.declare("q")
    assert (await site.put(Q, body)).status == 204


async def test_the_name_that_replies_go_to(site: Site) -> None:
    assert (await site.put("/api/queues/%2F/amq.rabbitmq.reply-to", {})).status == 201
    reply = await site.put("/api/queues/%2F/amq.rabbitmq.reply-to.x", {})
    assert reply.refusal == (404, "not_found", "no queue 'amq.rabbitmq.reply-to.x' in vhost '/'")
    assert site.vhost.queues == {}


async def test_an_exclusive_queue_of_nobody_is_not_durable(site: Site) -> None:
    assert (await site.put(Q, {"durable": True, "exclusive": True})).status == 201
    shown = (await site.get(Q)).json
    assert (shown["durable"], shown["exclusive"]) == (False, False)
    body = {"durable": True, "exclusive": True, "arguments": {"x-queue-type": "quorum"}}
    reason = "invalid property 'non-durable' for queue 'x' in vhost '/'"
    assert (await site.put("/api/queues/%2F/x", body)).refusal == (400, "bad_request", reason)


async def test_another_declaration_is_compared(site: Site) -> None:
    site.declare("q")
    reply = await site.put(Q, {"durable": False})
    assert reply.refusal == (
        400,
        "bad_request",
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
    )


async def test_names(site: Site) -> None:
    assert (await site.put(f"/api/queues/%2F/{'x' * 255}", {})).status == 201
    reply = await site.put(f"/api/queues/nope/{'x' * 256}", body=b"{")
    assert reply.refusal == (400, "bad_request", "queue should be less than 255 bytes, actually was 256\n")
    assert (await site.put("/api/queues/%2F/amq.x", {})).refusal == REFUSED
    assert (await site.put("/api/queues/%2F/a%2Fb%20c", {})).status == 201
    assert "a/b c" in site.vhost.queues
    assert (await site.put("/api/queues/nope/q", {})).refusal == (404, "not_found", "vhost_not_found")
    assert (await site.put("/api/queues/%2F/%FF", {})).status == 201
    assert (await site.get("/api/queues/%2F/%FF")).status == 200


async def test_a_queue_is_deleted(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"1")
    assert (await site.delete(f"{Q}?if-empty=true")).refusal == (400, "bad_request", "queue 'q' in vhost '/' not empty")
    peer = await site.connect()
    await peer.ask(Basic.Consume(queue="q"))
    assert (await site.delete(f"{Q}?if-unused=true")).refusal[2] == "queue 'q' in vhost '/' in use"
    assert (await site.delete(Q, body=b"[1]")).refusal[2] == "not_json"
    assert (await site.delete(Q, {"mode": "delete"})).status == 204
    assert (await site.delete(Q)).refusal == NOT_FOUND


async def test_a_quorum_queue_is_deleted_without_conditions(site: Site) -> None:
    site.declare("q", QUORUM)
    assert (await site.delete(f"{Q}?if-empty=true")).refusal[2] == (
        "cannot delete queue 'q' in vhost '/'. queue.delete operations with if-empty flag set are not supported by "
        "quorum queues"
    )


async def test_a_large_queue_is_gone_when_it_is_told(site: Site) -> None:
    site.declare("q")
    for number in range(2000):
        await site.post("/api/bindings/%2F/e/amq.topic/q/q", {"routing_key": str(number)})
    assert (await site.delete(Q)).status == 204
    assert site.vhost.exchanges["amq.topic"].bindings == {}


async def test_a_change_is_told_when_it_is_durable(stored_site: Site, disk: Any) -> None:  # noqa: ANN401
    site = stored_site
    disk.slow_down()
    done: list[int] = []

    async def declare() -> None:
        done.append((await site.put(Q, {"durable": True})).status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(declare)
        await trio.testing.wait_all_tasks_blocked()
        assert "q" in site.vhost.queues
        assert done == []
        await disk.speed_up()
    assert done == [201]


async def test_permissions_count(site: Site) -> None:
    site.declare("q")
    site.add_user("looker", "management", permissions=("", "", ".*"))
    assert (await site.put(Q, {}, user="looker")).refusal == REFUSED
    assert (await site.delete(Q, user="looker")).refusal == REFUSED


async def test_actions_do_nothing(site: Site) -> None:
    site.declare("q")
    site.add_user("plain", "management")
    assert (await site.post(f"{Q}/actions", {"action": "sync"})).status == 204
    assert (await site.post(f"{Q}/actions", {"action": "x"})).refusal == (400, "bad_request", ["unknown", "x"])
    assert (await site.post(f"{Q}/actions", {})).refusal[2] == "[{key_missing,action}]"
    assert (await site.post(f"{Q}/actions", {"action": "sync"}, user="plain")).refusal[2] == "Not administrator user"
    assert (await site.post("/api/queues/%2F/none/actions", {"action": "sync"})).status == 404
