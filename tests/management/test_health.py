"""Health checks, each when all is well and when it is not."""

from datetime import UTC, datetime, timedelta

import pytest
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.config.values import TcpAddress, TlsAddress, UnixAddress

from .clients import connect, consume
from .harness import REFUSED, UNIX_TIME_MS, Reply, Site
from .test_overview import of_profile

OK = {"status": "ok"}

LISTENERS: list[tuple[str, TcpAddress | UnixAddress]] = [
    ("amqp", TcpAddress("127.0.0.1", 5672)),
    ("amqp", UnixAddress("/run/broker")),
    ("amqp/ssl", TlsAddress("127.0.0.1", 5671)),
    ("http", TcpAddress("127.0.0.1", 15_672)),
]


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


async def check(site: Site, path: str, user: str = "guest") -> Reply:
    return await site.get(f"/api/health/checks/{path}", user=user)


def is_ok(reply: Reply, **more: object) -> bool:
    return reply.status == 200 and reply.json == {**OK, **more}


def failed(reason: str, **more: object) -> tuple[int, object]:
    return 503, {"status": "failed", "reason": reason, **more}


@pytest.mark.parametrize(
    "path", ["alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical", "node-is-mirror-sync-critical"]
)
async def test_a_management_user_may_ask(site: Site, path: str) -> None:
    site.add_user("bob", "management", permissions=None)
    reply = await check(site, path, user="bob")
    assert (reply.status, reply.json["status"]) == (200, "ok")


async def test_alarms(site: Site) -> None:
    assert is_ok(await check(site, "alarms"))
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    site.reactor.administer(lambda: site.broker.alarms.set("disk"))
    alarms = [{"node": "rabbit@test", "resource": resource} for resource in ("disk space", "memory")]
    reply = await check(site, "alarms")
    assert (reply.status, reply.json) == failed("There are alarms in effect in the cluster", alarms=alarms)
    reply = await check(site, "local-alarms")
    assert (reply.status, reply.json) == failed("There are alarms in effect on the node", alarms=alarms)


async def test_critical_nodes(site: Site) -> None:
    for path in ("node-is-quorum-critical", "node-is-mirror-sync-critical"):
        assert is_ok(await check(site, path), reason="single node cluster")


async def test_ports(site: Site) -> None:
    site.api.listeners[:] = LISTENERS
    assert is_ok(await check(site, "port-listener/5672"), port=5672)
    reply = await check(site, "port-listener/1")
    assert (reply.status, reply.json) == failed("No active listener", missing=1, ports=[5671, 5672, 15_672])


@pytest.mark.parametrize("port", ["x", "5672x", "1_0", "%D9%A1", "9" * 5000, "5.0", "-"])
async def test_what_is_no_port(site: Site, port: str) -> None:
    assert (await check(site, f"port-listener/{port}")).refusal == (400, "bad_request", "Invalid port")


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        *((name, "amqp") for name in ("amqp", "AMQP", "amqp091", "amqp0.9.1", "amqp0-9-1", "AMQP1.0", "amqp10")),
        *((name, "amqp/ssl") for name in ("amqps", "amqp%2Fssl")),
        *((name, "http") for name in ("http", "UI", "http_api", "management", "management_ui")),
    ],
)
async def test_protocols(site: Site, name: str, protocol: str) -> None:
    site.api.listeners[:] = LISTENERS
    assert is_ok(await check(site, f"protocol-listener/{name}"), protocol=protocol)


MISSING = {
    "MQTT3.1.1": "mqtt",
    "mqtt3_1_1": "mqtt",
    "mqtt+tls": "mqtt/ssl",
    "stomp12": "stomp",
    "stomp1_0": "stomp",
    "Web-STOMP": "http/web-stomp",
    "webmqtt+ssl": "https/web-mqtt",
    "web-stomp%2Ftls": "https/web-stomp",
    "cli": "clustering",
    "nope": "nope",
    "%20amqp": " amqp",
    "É": "\ufffd",
    "%FF": "\ufffd",
}


async def test_a_missing_protocol(site: Site) -> None:
    site.api.listeners[:] = LISTENERS
    there = ["http", "amqp/ssl", "amqp"]
    for name, missing in MISSING.items():
        reply = await check(site, f"protocol-listener/{name}")
        assert (reply.status, reply.json) == failed("No active listener", missing=missing, protocols=there)


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_one_of_several_protocols(site: Site) -> None:
    site.api.listeners[:] = LISTENERS
    assert is_ok(await check(site, "protocol-listener/mqtt,amqp"), protocols=["http", "amqp/ssl", "amqp"])
    reply = await check(site, "protocol-listener/mqtt,stomp")
    assert (reply.status, reply.json["missing"]) == (503, ["mqtt", "stomp"])


async def test_certificates(autojump_clock: MockClock, site: Site) -> None:
    site.api.listeners[:] = LISTENERS
    site.api.expiries = lambda: {"/tls/cert.pem": datetime.fromtimestamp(UNIX_TIME_MS / 1000, UTC) + timedelta(days=10)}
    assert is_ok(await check(site, "certificate-expiration/9/days"))
    assert is_ok(await check(site, "certificate-expiration/1/weeks"))
    for path in ("11/days", "2/weeks", "1/MONTHS", "1/years", "9" * 4000 + "/years"):
        assert (await check(site, f"certificate-expiration/{path}")).status == 503
    reply = await check(site, "certificate-expiration/11/days")
    assert reply.json["reason"] == "Certificates expiring"
    (expired,) = reply.json["expired"]
    assert (expired["node"], expired["protocol"], expired["port"]) == ("rabbit@test", "amqp/ssl", 5671)
    assert (expired["interface"], expired["certfile"]) == ("127.0.0.1", "/tls/cert.pem")
    assert expired["certfile_expires_on"] == ["2023-11-24 22:13:20"]


async def test_bad_times_of_certificates(site: Site) -> None:
    reply = await check(site, "certificate-expiration/x/days")
    assert reply.refusal == (400, "bad_request", "Invalid expiration value.")
    reply = await check(site, "certificate-expiration/1/hours")
    reason = "Time unit not recognised. Supported units: days, weeks, months, years."
    assert reply.refusal == (400, "bad_request", reason)


async def test_the_old_check(site: Site) -> None:
    for path in ("/api/healthchecks/node", "/api/healthchecks/node/rabbit%40test"):
        assert is_ok(await site.get(path))
    assert (await site.get("/api/healthchecks/node/nope")).status == 404
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    reply = await site.get("/api/healthchecks/node")
    reason = "resource alarm(s) in effect:[{resource_limit,memory,rabbit@test}]"
    assert (reply.status, reply.json) == failed(reason)


LONG = "rabbit@a-name-that-is-too-long-for-a-line"


@pytest.mark.parametrize("config", [Config(cluster_name=LONG, strict=True)])
async def test_alarms_on_several_lines(site: Site) -> None:
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    one = f"{{resource_limit,memory,\n{' ' * 33}'{LONG}'}}"
    reply = await site.get("/api/healthchecks/node")
    assert reply.json["reason"] == f"resource alarm(s) in effect:[{one}]"
    site.reactor.administer(lambda: site.broker.alarms.set("disk"))
    reply = await site.get("/api/healthchecks/node")
    other = one.replace("memory", "disk")
    assert reply.json["reason"] == f"resource alarm(s) in effect:[{other},\n{' ' * 29}{one}]"


# --- the test of a virtual host


async def test_aliveness(site: Site) -> None:
    for _ in range(2):
        assert is_ok(await site.get("/api/aliveness-test/%2F"))
    queue = site.vhost.queues["aliveness-test"]
    assert (queue.durable, queue.auto_delete, queue.ready_count) == (False, False, 0)
    assert queue.message_stats()["get_no_ack"] == 2


async def test_aliveness_during_an_alarm(site: Site) -> None:
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    assert is_ok(await site.get("/api/aliveness-test/%2F"))


async def test_aliveness_beside_a_consumer(site: Site) -> None:
    site.declare("aliveness-test", durable=False)
    await consume(await connect(site, 1), "aliveness-test", "tag")
    reply = await site.get("/api/aliveness-test/%2F")
    assert (reply.status, reply.json) == failed("aliveness-test queue is empty")


async def test_aliveness_needs_permissions(site: Site) -> None:
    site.add_user("bob", "management", permissions=("", "", ""))
    site.add_user("eve", "management", permissions=None)
    reply = await site.get("/api/aliveness-test/%2F", user="bob")
    reason = "ACCESS_REFUSED - access to queue 'aliveness-test' in vhost '/' refused for user 'bob'"
    assert reply.refusal == (401, "not_authorised", reason)
    reply = await site.get("/api/aliveness-test/%2F", user="eve")
    assert reply.refusal == (401, "not_authorised", "User not authorised to access virtual host")
    assert (await site.get("/api/aliveness-test/nope")).refusal == (404, "Object Not Found", "Not Found")


async def test_aliveness_needs_a_connection(site: Site) -> None:
    site.broker.administration.set_vhost_limits("/", {"max-connections": 0})
    assert (await site.get("/api/aliveness-test/%2F")).refusal == REFUSED


async def test_aliveness_with_another_queue_of_that_name(site: Site) -> None:
    site.declare("aliveness-test")
    status, _, reason = (await site.get("/api/aliveness-test/%2F")).refusal
    assert (status, reason[:24]) == (400, "406 PRECONDITION_FAILED ")


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_aliveness_of_4_3_leaves_no_queue(site: Site) -> None:
    assert is_ok(await site.get("/api/aliveness-test/%2F"))
    assert not site.vhost.queues


# --- versions

PUBLIC = ["is-in-service", "ready-to-serve-clients", "reached-target-cluster-size"]
NEWER = [
    *("metadata-store/initialized", "metadata-store/initialized/with-data"),
    *("quorum-queues-without-elected-leaders/all-vhosts", "quorum-queues-without-elected-leaders/vhost/%2F/"),
    "quorum-queues-without-elected-leaders/vhost/%2F/pattern/.*",
]


async def test_checks_that_3_10_does_not_have(site: Site) -> None:
    for path in [*PUBLIC, *NEWER, "below-node-connection-limit"]:
        # No file has a slash in its name.
        assert (await check(site, path)).status == (400 if "%2F" in path else 404)


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_checks_of_4_3(site: Site) -> None:
    for path in [*PUBLIC, *NEWER]:
        assert is_ok(await check(site, path))
    for path in PUBLIC:
        assert is_ok(await site.get(f"/api/health/checks/{path}", user=None))
    assert (await site.get(f"/api/health/checks/{NEWER[0]}", user=None)).status == 401
    assert (await check(site, "node-is-mirror-sync-critical")).status == 404
    assert is_ok(await check(site, "below-node-connection-limit"))


@pytest.mark.parametrize(
    "config", [Config(cluster_name="rabbit@test", strict=True, profile="rabbitmq-4.3", connection_max=1)]
)
async def test_the_limit_of_connections(site: Site) -> None:
    assert is_ok(await check(site, "below-node-connection-limit"))
    await connect(site)
    reply = await check(site, "below-node-connection-limit")
    assert (reply.status, reply.json) == failed("node connection limit is reached")
