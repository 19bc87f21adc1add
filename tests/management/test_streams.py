"""Streams, as the management API shows them."""

import pytest
from pamqp.commands import Basic

from amqpy.wire.values import Field
from tests.core.core_harness import longstr

from .harness import Site

STREAM = {"x-queue-type": longstr("stream")}
S = "/api/queues/%2F/s"

SHOWN = {
    *("arguments", "auto_delete", "consumer_details", "consumers", "deliveries", "durable"),
    *("effective_policy_definition", "exclusive", "garbage_collection", "incoming", "members", "memory", "messages"),
    *("messages_ready", "messages_unacknowledged", "name", "node", "online", "operator_policy", "policy", "readers"),
    *("reductions", "state", "type", "vhost"),
}
"""The keys that RabbitMQ 3.10 shows, but for statistics."""
STATISTICS = {"message_stats"}


@pytest.mark.parametrize("profile", ["rabbitmq-3.10"])
async def test_a_stream(site: Site) -> None:
    site.declare("s", STREAM)
    site.publish("s", b"one", b"two")
    shown = (await site.get(S)).json
    assert {key for key in shown if not key.endswith("_details") or key == "consumer_details"} - STATISTICS == SHOWN
    assert (shown["type"], shown["messages"], shown["messages_ready"], shown["consumers"]) == ("stream", 2, 2, 0)
    assert shown["members"] == shown["online"] == [shown["node"]]
    assert shown["readers"] == {shown["node"]: 0}


@pytest.mark.parametrize("profile", ["rabbitmq-4.0"])
async def test_newer_versions_tell_the_leader_and_the_segments(site: Site) -> None:
    site.declare("s", STREAM | {"x-stream-max-segment-size-bytes": Field("signedint", 1)})
    site.publish("s", b"one", b"two")
    shown = (await site.get(S)).json
    assert (shown["leader"], shown["segments"]) == (shown["node"], 2)


async def test_a_consumer(site: Site) -> None:
    site.declare("s", STREAM)
    site.publish("s", b"one", b"two")
    peer = await site.connect()
    await peer.ask(Basic.Qos(prefetch_count=10))
    await peer.ask(Basic.Consume(queue="s", arguments={"x-stream-offset": "first"}))
    await peer.expect("Basic.Deliver")
    await peer.expect("Basic.Deliver")
    shown = (await site.get(S)).json
    assert (shown["messages"], shown["messages_unacknowledged"], shown["consumers"]) == (2, 0, 1)
    (details,) = shown["consumer_details"]
    assert (details["active"], details["activity_status"], details["ack_required"]) == (False, "up", True)
    assert (details["prefetch_count"], details["arguments"]) == (10, {"x-stream-offset": "first"})
    assert shown["message_stats"]["deliver"] == 2


@pytest.mark.parametrize(
    ("method", "path", "what"), [("POST", f"{S}/get", "basic.get"), ("DELETE", f"{S}/contents", "queue.purge")]
)
async def test_what_streams_do_not_have(site: Site, method: str, path: str, what: str) -> None:
    site.declare("s", STREAM)
    site.publish("s", b"one")
    asked = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    answer = await (site.post(path, asked) if method == "POST" else site.delete(path))
    assert answer.status == 400
    assert f"{what} not supported by stream queues queue 's' in vhost '/'" in answer.json["reason"]


async def test_a_policy(site: Site) -> None:
    site.declare("s", STREAM)
    await site.put(
        "/api/policies/%2F/p", {"pattern": ".*", "definition": {"max-age": "1h"}, "priority": 0, "apply-to": "queues"}
    )
    shown = (await site.get(S)).json
    assert (shown["policy"], shown["effective_policy_definition"]) == ("p", {"max-age": "1h"})


async def test_lists(site: Site) -> None:
    site.declare("s", STREAM)
    site.declare("q")
    rows = (await site.get("/api/queues")).json
    assert {row["name"]: row["type"] for row in rows} == {"q": "classic", "s": "stream"}
    assert (await site.get("/api/overview")).json["object_totals"]["queues"] == 2
