"""Metrics for Prometheus, scraped as Prometheus does."""

import gzip
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import trio
from pamqp.commands import Basic, Confirm
from prometheus_client.parser import text_string_to_metric_families

from amqpy.config import Config
from amqpy.core.queues.queue import Queue
from amqpy.management.application import Application
from amqpy.management.login import Logins
from amqpy.management.prometheus import scrape
from amqpy.management.prometheus.application import PrometheusApplication
from amqpy.management.prometheus.exposition import Histogram, escaped, in_pieces, labels, series
from amqpy.management.prometheus.families import DETAILED, GROUPS
from amqpy.management.resources import make_router
from tests.core.core_harness import arguments, longstr

from .harness import DEADLINE_S, Reply, Site

LINE = re.compile(r"([a-z_0-9]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

DASHBOARD = (
    *("rabbitmq_build_info", "rabbitmq_identity_info"),
    *(
        "rabbitmq_connections",
        "rabbitmq_channels",
        "rabbitmq_consumers",
        "rabbitmq_queues",
        "rabbitmq_channel_consumers",
    ),
    *("rabbitmq_global_publishers", "rabbitmq_global_consumers"),
    *("rabbitmq_queue_messages_ready", "rabbitmq_queue_messages_unacked"),
    *(f"rabbitmq_{what}_{how}_total" for what in ("connections", "channels") for how in ("opened", "closed")),
    *(f"rabbitmq_queues_{how}_total" for how in ("declared", "created", "deleted")),
    *(
        f"rabbitmq_global_messages_{what}_total"
        for what in (
            *("received", "received_confirm", "confirmed", "routed", "unroutable_dropped", "unroutable_returned"),
            *("delivered", "redelivered", "acknowledged", "get_empty"),
            *(f"delivered_{way}_{mode}_ack" for way in ("consume", "get") for mode in ("auto", "manual")),
        )
    ),
    *("rabbitmq_process_open_fds", "rabbitmq_process_max_fds"),
    *("rabbitmq_process_open_tcp_sockets", "rabbitmq_process_max_tcp_sockets"),
    *("rabbitmq_process_resident_memory_bytes", "rabbitmq_resident_memory_limit_bytes"),
    *("rabbitmq_disk_space_available_bytes", "rabbitmq_disk_space_available_limit_bytes"),
    "rabbitmq_erlang_uptime_seconds",
)
"""The metrics in the expressions of Grafana's dashboard RabbitMQ-Overview (10991)."""


class Scraped(NamedTuple):
    """The text of a scrape, read strictly."""

    types: Mapping[str, str]
    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **of: str) -> float:
        """The value of the only series that has these labels."""
        (found,) = self.all(name, **of)
        return found

    def all(self, name: str, **of: str) -> list[float]:
        return [value for (each, those), value in self.values.items() if each == name and of.items() <= set(those)]

    def names_of(self, name: str, label: str) -> set[str]:
        return {value for (each, of), _ in self.values.items() if each == name for key, value in of if key == label}


def read(text: str) -> Scraped:
    """Each family has its type, then its help, then its series, all together, and occurs once."""
    types: dict[str, str] = {}
    values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    family = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in types
            types[family] = kind
        elif line.startswith("# HELP "):
            assert line.split(" ")[2] == family
        else:
            match = LINE.fullmatch(line)
            assert match is not None, line
            name, inside, value = match.groups()
            ending = r"(_bucket|_count|_sum)" if types[family] == "histogram" else ""
            assert re.fullmatch(family + ending, name), line
            found = LABEL.findall(inside or "")
            assert ",".join(f'{key}="{each}"' for key, each in found) == (inside or "")
            key = name, frozenset(found)
            assert key not in values, line
            values[key] = float(value)
    return Scraped(types, values)


class Metrics:
    """Asks for the metrics of a site."""

    def __init__(self, site: Site, path: str = "/metrics") -> None:
        self.site = site
        self.application = PrometheusApplication(site.api, path)
        self.pieces: list[bytes] = []

    async def ask(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Reply:
        heard: list[Any] = []
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401
            await trio.lowlevel.checkpoint()
            heard.append(message)

        with trio.fail_after(DEADLINE_S):
            await self.application(scope, receive, send)
        start, *parts = heard
        assert not parts[-1].get("more_body")
        self.pieces = [part["body"] for part in parts]
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], found, b"".join(self.pieces))

    async def scrape(self, path: str = "/metrics") -> Scraped:
        reply = await self.ask(path)
        assert reply.status == 200
        return read(reply.body.decode())


@pytest.fixture
def metrics(site: Site) -> Metrics:
    return Metrics(site)


# --- the format


def test_the_text_is_as_rabbitmq_writes_it() -> None:
    assert series("a", "", 5) == "a 5\n"
    assert series("a", labels(vhost="/", queue="q"), 0.25) == 'a{vhost="/",queue="q"} 0.25\n'
    assert escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'
    histogram = Histogram(0.1, 1.0)
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert "".join(histogram.lines("h")) == (
        'h_bucket{le="0.1"} 2\nh_bucket{le="1.0"} 3\nh_bucket{le="+Inf"} 4\nh_count 4\nh_sum 7.65\n'
    )


def test_pieces_are_all_of_the_text() -> None:
    pieces = list(in_pieces(["abc\n"] * 10, 10))
    assert b"".join(pieces) == b"abc\n" * 10
    assert len(pieces) == 4


# --- requests


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/metrics", "GET", {}, 200),
        ("/metrics/", "GET", {}, 200),
        ("/metrics/per-object", "GET", {}, 200),
        ("/metrics/per-object/", "GET", {}, 200),
        ("/metrics/detailed", "GET", {}, 200),
        ("/metrics/memory-breakdown", "GET", {}, 200),
        ("/metrics", "GET", {"accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}, 200),
        ("/metrics", "GET", {"accept": "application/json"}, 406),
        ("/metrics", "HEAD", {}, 204),
        ("/metrics", "POST", {}, 405),
        ("/metrics", "OPTIONS", {}, 200),
        ("/metrics/nope", "GET", {}, 404),
        ("/metricsnope", "GET", {}, 404),
        ("/", "GET", {}, 404),
    ],
)
async def test_requests(metrics: Metrics, path: str, method: str, headers: dict[str, str], status: int) -> None:
    reply = await metrics.ask(path, method, **headers)
    assert reply.status == status
    if method == "GET" and status == 200:
        headers = {"content-type": "text/plain; version=0.0.4", "content-encoding": "identity"}
        assert reply.headers == {"date": reply.headers["date"], **headers}
        read(reply.body.decode())
    else:
        assert not reply.body or status == 404


async def test_an_unknown_registry_and_an_unknown_path_are_told_apart(metrics: Metrics) -> None:
    assert (await metrics.ask("/metrics/nope")).body == b"Unknown Registry"
    assert (await metrics.ask("/nope")).json == {"error": "Object Not Found", "reason": "Not Found"}


async def test_the_path_can_be_another(site: Site) -> None:
    metrics = Metrics(site, "/numbers/")
    assert (await metrics.ask("/numbers/detailed")).status == 200
    assert (await metrics.ask("/metrics")).status == 404


async def test_it_is_compressed_for_whoever_can_read_that(metrics: Metrics) -> None:
    reply = await metrics.ask(accept_encoding="deflate, gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert "rabbitmq_queues" in read(gzip.decompress(reply.body).decode()).types


async def test_many_scrapes_at_once_are_made_one_after_the_other(metrics: Metrics, nursery: trio.Nursery) -> None:
    replies = []

    async def ask() -> None:
        replies.append(await metrics.ask())

    async with trio.open_nursery() as several:
        for _ in range(5):
            several.start_soon(ask)
    assert [reply.status for reply in replies] == [200] * 5


async def test_an_error_is_logged_and_no_more(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(PrometheusApplication, "_numbers", fail)
    metrics.site.reactor.strict = False
    assert (await metrics.ask()).status == 500
    assert "a bug" in caplog.text
    metrics.site.reactor.internal_errors = 0


# --- under the port of the API


async def test_under_the_port_of_the_api_monitors_see_them(site: Site, metrics: Metrics) -> None:
    site.application = Application(
        site.api, make_router(), Logins(site.users, None), site.broker.config, metrics.application
    )
    site.add_user("mona", "monitoring")
    site.add_user("manu", "management")
    assert "rabbitmq_queues" in read((await site.get("/metrics", user="mona")).body.decode()).types
    assert (await site.get("/metrics/per-object")).status == 200
    assert (await site.get("/metrics", user=None)).status == 401
    assert (await site.get("/metrics", user="manu")).refusal == (401, "not_authorised", "Not monitor user")


# --- numbers


async def busy(site: Site) -> Queue:
    """Something of everything: a queue with ready and unacknowledged messages, of a connection with two channels."""
    queue = site.declare("q", durable=False)
    peer = await site.connect(1, 2)
    await peer.say(Confirm.Select())
    await peer.expect("Confirm.SelectOk")
    for body in (b"one", b"three"):
        await peer.publish("q", body)
        await peer.expect("Basic.Ack")
    await peer.publish("nowhere")
    await peer.expect("Basic.Ack")
    await peer.say(Basic.Get(queue="q"), channel=2)
    await peer.expect("Basic.GetOk")
    return queue


async def test_the_dashboard_has_data(site: Site, metrics: Metrics) -> None:
    await busy(site)
    scraped = await metrics.scrape()
    assert not [name for name in DASHBOARD if not scraped.all(name)]
    assert scraped.all("rabbitmq_identity_info") == [1]
    assert scraped.value("rabbitmq_disk_space_available_bytes") > 0
    assert scraped.value("rabbitmq_process_resident_memory_bytes") > 0


@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object"])
async def test_the_library_of_prometheus_reads_it(site: Site, metrics: Metrics, path: str) -> None:
    await busy(site)
    site.declare('odd "name"\\')
    text = (await metrics.ask(path)).body.decode()
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    ours = {key: value for key, value in read(text).values.items() if "odd" not in str(key)}
    theirs = {key: value for key, value in samples.items() if "odd" not in str(key)}
    assert theirs == pytest.approx(ours, nan_ok=True)
    queues = {dict(of).get("queue") for name, of in samples if name == "rabbitmq_queue_messages"}
    assert queues == ({None} if path == "/metrics" else {"q", 'odd "name"\\'})


async def test_sums(site: Site, metrics: Metrics) -> None:
    await busy(site)
    site.publish("", b"x")
    scraped = await metrics.scrape()
    expected = {
        "connections": 1,
        "channels": 2,
        "queues": 1,
        "consumers": 0,
        "connections_opened_total": 1,
        "channels_opened_total": 2,
        "queues_created_total": 1,
        "queue_messages_ready": 1,
        "queue_messages_unacked": 1,
        "queue_messages": 2,
        "queue_messages_bytes": 8,
        "queue_messages_ready_bytes": 5,
        "queue_messages_unacked_bytes": 3,
        "queue_messages_ram": 2,
        "queue_messages_published_total": 2,
        "channel_messages_unacked": 1,
        "channel_messages_published_total": 3,
        "channel_messages_confirmed_total": 3,
        "channel_messages_unroutable_dropped_total": 1,
        "channel_get_ack_total": 1,
        "connection_channels": 2,
        "global_publishers": 1,
        "auth_attempts_succeeded_total": 1,
        "alarms_memory_used_watermark": 0,
    }
    assert {name: scraped.value(f"rabbitmq_{name}") for name in expected} == expected
    expected = {
        "received": 3,
        "received_confirm": 3,
        "confirmed": 3,
        "routed": 2,
        "unroutable_dropped": 1,
        "unroutable_returned": 0,
    }
    found = {name: scraped.value(f"rabbitmq_global_messages_{name}_total", protocol="amqp091") for name in expected}
    assert found == expected
    of_type = {"protocol": "amqp091", "queue_type": "rabbit_classic_queue"}
    assert scraped.value("rabbitmq_global_messages_delivered_get_manual_ack_total", **of_type) == 1
    of_type["queue_type"] = "rabbit_quorum_queue"
    assert scraped.value("rabbitmq_global_messages_delivered_total", **of_type) == 0
    assert scraped.value("rabbitmq_connection_incoming_bytes_total") > 100


async def test_without_objects_their_families_have_no_series(metrics: Metrics) -> None:
    scraped = await metrics.scrape()
    for group in GROUPS:
        for family, *_ in group.metrics:
            assert f"rabbitmq_{family.name}" in scraped.types
            has_series = bool(scraped.all(f"rabbitmq_{family.name}"))
            assert has_series == (group.source in {"node", "protocols"}), family.name


async def test_global_counters_outlive_what_they_count(site: Site, metrics: Metrics) -> None:
    queue = await busy(site)
    before = await metrics.scrape()
    site.reactor.administer(lambda: site.vhost.remove_queue(queue))
    (peer,) = site.server.peers
    await peer.vanish()
    await site.server.until_gone()
    after = await metrics.scrape()
    counters = [key for key in before.values if key[0].startswith("rabbitmq_global_") and key[0].endswith("_total")]
    assert len(counters) > 20
    assert not [key for key in counters if after.values[key] < before.values[key]]
    assert after.all("rabbitmq_queue_messages_ready") == after.all("rabbitmq_channel_consumers") == []
    assert after.value("rabbitmq_queues_deleted_total") == 1


async def test_each_object(site: Site, metrics: Metrics) -> None:
    await busy(site)
    site.declare('odd "name"\\')
    scraped = await metrics.scrape("/metrics/per-object")
    assert scraped.value("rabbitmq_queue_messages_ready", vhost="/", queue="q") == 1
    assert scraped.names_of("rabbitmq_queue_messages_ready", "queue") == {"q", 'odd \\"name\\"\\\\'}
    assert scraped.value("rabbitmq_channel_messages_published_total") == 3, "only channels that published"
    assert len(scraped.all("rabbitmq_channel_consumers")) == 2
    (client,) = site.vhost.clients
    assert scraped.value("rabbitmq_connection_channels", channel=client.pid) == 2
    labels_of = {
        "channel_prefetch": {"channel"},
        "channel_messages_published_total": {"channel", "vhost"},
        "channel_get_ack_total": {"vhost", "queue"},
        "queue_messages_published_total": {"queue_vhost", "queue"},
        "connection_channels": {"channel"},
    }
    for name, of in labels_of.items():
        assert {key for (each, those) in scraped.values for key, _ in those if each == f"rabbitmq_{name}"} == of
    assert scraped.value("rabbitmq_queues") == 2, "there is one of these anyway"


@pytest.mark.parametrize("config", [Config(strict=True, prometheus_return_per_object_metrics=True)])
async def test_each_object_where_that_is_the_setting(site: Site, metrics: Metrics) -> None:
    site.declare("q")
    assert (await metrics.scrape()).value("rabbitmq_queue_messages_ready", queue="q") == 0


async def test_details_are_what_is_asked_for(site: Site, metrics: Metrics) -> None:
    await busy(site)
    site.add_vhost("other", "guest")
    site.declare("p", vhost=site.broker.vhosts["other"])
    info = {"rabbitmq_build_info", "rabbitmq_identity_info"}
    for nothing in ("", "?family=nope"):
        assert set((await metrics.scrape(f"/metrics/detailed{nothing}")).types) == info
    scraped = await metrics.scrape("/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count")
    assert scraped.names_of("rabbitmq_detailed_queue_messages_ready", "queue") == {"p", "q"}
    assert scraped.value("rabbitmq_detailed_queue_consumers", queue="q") == 0
    scraped = await metrics.scrape("/metrics/detailed?family=queue_coarse_metrics&vhost=other")
    assert scraped.names_of("rabbitmq_detailed_queue_messages_ready", "queue") == {"p"}
    scraped = await metrics.scrape(
        "/metrics/detailed?family=vhost_status&family=exchange_names&family=exchange_bindings"
    )
    assert scraped.value("rabbitmq_cluster_vhost_status", vhost="other") == 1
    of = {"vhost": "/", "exchange": "amq.topic", "type": "topic"}
    assert scraped.value("rabbitmq_cluster_exchange_name", **of) == 1
    assert scraped.value("rabbitmq_cluster_exchange_bindings", **of) == 0


@pytest.mark.parametrize("name", list(DETAILED))
async def test_every_group_can_be_asked_for(site: Site, metrics: Metrics, name: str) -> None:
    await busy(site)
    scraped = await metrics.scrape(f"/metrics/detailed?family={name}")
    families = [family.name for family, *_ in DETAILED[name].metrics]
    assert len(scraped.types) == 2 + len(families)
    has_series = bool(scraped.all(next(each for each in scraped.types if each.endswith(families[0]))))
    assert has_series == (DETAILED[name].source != "none")


async def test_dead_letters_by_their_way(site: Site, metrics: Metrics) -> None:
    site.declare("dead")
    to_dead = {"x-dead-letter-exchange": longstr(""), "x-dead-letter-routing-key": longstr("dead")}
    site.declare("short", {**arguments(max_length=1), **to_dead})
    site.declare("without", arguments(max_length=1))
    site.publish("short", b"1", b"2", b"3")
    site.publish("without", b"1", b"2")
    scraped = await metrics.scrape()
    name = "rabbitmq_global_messages_dead_lettered_maxlen_total"
    of_type = {"queue_type": "rabbit_classic_queue"}
    assert scraped.value(name, dead_letter_strategy="at_most_once", **of_type) == 2
    assert scraped.value(name, dead_letter_strategy="disabled", **of_type) == 1


async def test_alarms(site: Site, metrics: Metrics) -> None:
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    scraped = await metrics.scrape()
    assert scraped.value("rabbitmq_alarms_memory_used_watermark") == 1
    assert scraped.value("rabbitmq_alarms_free_disk_space_watermark") == 0
    site.reactor.administer(lambda: site.broker.alarms.clear("memory"))


async def test_the_store_is_measured(stored_site: Site) -> None:
    stored_site.declare("q")
    stored_site.publish("q", b"m", delivery_mode=2)
    scraped = await Metrics(stored_site).scrape()
    assert scraped.value("amqpy_store_messages_added_total") == 1
    assert scraped.value("rabbitmq_msg_store_write_total") == 1
    assert scraped.value("amqpy_store_behind") == 0


async def test_many_objects_are_read_and_written_bit_by_bit(site: Site, metrics: Metrics) -> None:
    for number in range(100 * scrape.SLICE):
        site.declare(str(number))
    scraped = await metrics.scrape("/metrics/per-object")
    assert len(scraped.all("rabbitmq_queue_messages_ready")) == 100 * scrape.SLICE
    assert len(metrics.pieces) > 10
    assert max(map(len, metrics.pieces)) < 100_000
    assert (await metrics.scrape()).value("amqpy_event_loop_lag_seconds_count") >= 20
