"""The overview, by whoever asks, and by the profile."""

import pytest
from pamqp.commands import Queue

from amqpy.config import Config
from amqpy.config.values import HttpsAddress, TcpAddress, TlsAddress, UnixAddress
from amqpy.management.statistics import Statistics

from .clients import connect, consume
from .harness import Site

FOR_ALL = {
    *("churn_rates", "cluster_name", "disable_stats", "enable_queue_totals", "erlang_full_version", "erlang_version"),
    *("exchange_types", "management_version", "message_stats", "object_totals", "product_name", "product_version"),
    *("queue_totals", "rabbitmq_version", "rates_mode", "release_series_support_status", "sample_retention_policies"),
    *("statistics_db_event_queue",),
}
FOR_MONITORS = FOR_ALL | {"node", "listeners", "contexts"}

CHURN = {
    *("channel_closed", "channel_created", "connection_closed", "connection_created"),
    *("queue_created", "queue_declared", "queue_deleted"),
}


def of_profile(name: str) -> Config:
    return Config(cluster_name="rabbit@test", strict=True, profile=f"rabbitmq-{name}")


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


async def test_it_has_all_keys(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    assert set((await site.get("/api/overview")).json) == FOR_MONITORS
    assert set((await site.get("/api/overview", user="eve")).json) == FOR_MONITORS
    assert set((await site.get("/api/overview", user="bob")).json) == FOR_ALL


async def test_versions(site: Site) -> None:
    shown = (await site.get("/api/overview")).json
    assert shown["rabbitmq_version"] == shown["management_version"] == shown["product_version"] == "3.10.8"
    assert (shown["product_name"], shown["cluster_name"], shown["node"]) == ("RabbitMQ", "rabbit@test", "rabbit@test")


@pytest.mark.parametrize("config", [Config(cluster_name="rabbit@test", strict=True, version="9.8.7", product="Mine")])
async def test_a_version_of_its_own(site: Site) -> None:
    shown = (await site.get("/api/overview")).json
    assert (shown["rabbitmq_version"], shown["product_name"]) == ("9.8.7", "Mine")


async def test_an_empty_broker(site: Site) -> None:
    shown = (await site.get("/api/overview")).json
    assert shown["message_stats"] == {}
    assert shown["queue_totals"] == {}
    assert shown["churn_rates"] == dict.fromkeys(CHURN, 0)
    assert shown["object_totals"] == {"channels": 0, "connections": 0, "consumers": 0, "exchanges": 8, "queues": 0}


async def test_totals(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"", b"")
    peer = await connect(site, 1, 2)
    await consume(peer, "q", "tag")
    for _ in range(2):
        await peer.expect("Basic.Deliver")
    shown = (await site.get("/api/overview")).json
    assert shown["queue_totals"] == {"messages": 2, "messages_ready": 0, "messages_unacknowledged": 2}
    assert shown["object_totals"] == {"channels": 2, "connections": 1, "consumers": 1, "exchanges": 8, "queues": 1}
    assert shown["churn_rates"]["connection_created"] == 1
    stats = shown["message_stats"]
    assert (stats["deliver"], stats["publish"], stats["disk_reads"]) == (2, 0, 0)
    assert len(stats) == 14


async def test_many_queues_are_added_bit_by_bit(site: Site) -> None:
    def declare() -> None:
        for number in range(2500):
            site.broker.topology.declare_queue(
                site.client(),
                site.vhost,
                f"q{number}",
                durable=False,
                exclusive=False,
                auto_delete=False,
                arguments={},
            )

    site.reactor.administer(declare)
    site.publish("q7", b"", b"")
    shown = (await site.get("/api/overview")).json
    assert shown["object_totals"]["queues"] == 2500
    assert shown["queue_totals"]["messages"] == 2


async def test_totals_stay_when_the_last_queue_goes(site: Site) -> None:
    site.declare("q")
    queues = site.broker.topology
    site.reactor.administer(
        lambda: queues.delete_queue(site.client(), site.vhost, "q", if_unused=False, if_empty=False)
    )
    totals = (await site.get("/api/overview")).json["queue_totals"]
    assert totals == {"messages": 0, "messages_ready": 0, "messages_unacknowledged": 0}


async def test_a_user_sees_the_totals_of_its_virtual_hosts(site: Site) -> None:
    site.add_user("bob", "management", permissions=None)
    vhost = site.add_vhost("v", "bob", "guest")
    site.declare("q")
    site.declare("q", vhost=vhost)
    site.publish("q", b"in the other one")
    await connect(site, 1)
    await connect(site, 1, 2, user="bob", vhost="v", name="another")
    shown = (await site.get("/api/overview", user="bob")).json
    assert shown["object_totals"] == {"channels": 2, "connections": 1, "exchanges": 7, "queues": 1}
    assert shown["queue_totals"]["messages"] == 0
    assert shown["message_stats"] == {"disk_reads": 0, "disk_writes": 0}
    assert (await site.get("/api/overview", user="bob", headers={"x-vhost": "/"})).json == shown


async def test_without_statistics(site: Site) -> None:
    shown = (await site.get("/api/overview?disable_stats=true")).json
    assert shown["object_totals"] == {"connections": 0, "exchanges": 8, "queues": 0}
    assert shown["disable_stats"] is True
    assert not {"churn_rates", "message_stats", "queue_totals", "statistics_db_event_queue"} & set(shown)


async def test_listeners_in_order(site: Site) -> None:
    site.api.listeners[:] = [
        ("http", TcpAddress("127.0.0.1", 15_672)),
        ("https", HttpsAddress("127.0.0.1", 15_671)),
        ("amqp/ssl", TlsAddress("127.0.0.1", 5671)),
        ("amqp", UnixAddress("/run/broker")),
        ("amqp", TcpAddress("::", 5672)),
    ]
    shown = (await site.get("/api/overview")).json
    listeners = [(each["protocol"], each["ip_address"], each["port"]) for each in shown["listeners"]]
    assert listeners == [
        ("amqp", "::", 5672),
        ("amqp/ssl", "127.0.0.1", 5671),
        ("http", "127.0.0.1", 15_672),
        ("https", "127.0.0.1", 15_671),
    ]
    assert [(each["port"], each["node"]) for each in shown["contexts"]] == [
        ("15671", "rabbit@test"),
        ("15672", "rabbit@test"),
    ]


async def test_exchange_types_are_sorted(site: Site) -> None:
    types = (await site.get("/api/overview")).json["exchange_types"]
    names = [each["name"] for each in types]
    assert names == sorted(names)
    assert {"direct", "fanout", "headers", "topic"} <= set(names)
    assert all(each["enabled"] is True and each["description"] for each in types)


@pytest.mark.parametrize("config", [of_profile("3.13")])
async def test_3_13(site: Site) -> None:
    shown = (await site.get("/api/overview")).json
    assert set(shown) == FOR_MONITORS | {"is_op_policy_updating_enabled"}


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_4_3(site: Site) -> None:
    site.api.listeners[:] = [("amqp", TcpAddress("127.0.0.1", 5672)), ("amqp/ssl", TlsAddress("127.0.0.1", 5671))]
    shown = (await site.get("/api/overview")).json
    assert set(shown) - FOR_MONITORS == {
        *("cluster_tags", "crypto_lib_version", "default_queue_type", "is_op_policy_updating_enabled", "node_tags"),
        "require_definition_json_extension",
    }
    assert FOR_MONITORS - set(shown) == {"release_series_support_status"}
    assert [each["tls"] for each in shown["listeners"]] == [False, True]


async def test_columns(site: Site) -> None:
    shown = (await site.get("/api/overview?columns=rabbitmq_version,object_totals.queues")).json
    assert shown.keys() == {"rabbitmq_version", "object_totals"}
    assert shown["object_totals"]["exchanges"] == 8  # all of it: in Erlang it is a map


@pytest.mark.parametrize("config", [Config(strict=True, profile="rabbitmq-3.10", management_rates_mode="none")])
async def test_without_rates_there_are_only_those_of_the_disk(site: Site) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    assert (await site.get("/api/overview")).json["message_stats"] == {}
    site.declare("q")
    peer = await site.connect()
    await peer.publish("q")
    await peer.ask(Queue.Declare(queue="q", passive=True))
    overview = (await site.get("/api/overview")).whole
    assert set(overview["message_stats"]) == {"disk_reads", "disk_reads_details", "disk_writes", "disk_writes_details"}
    assert overview["rates_mode"] == "none"
