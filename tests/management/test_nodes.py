"""The node: its settings, what it uses, and its memory."""

import os
from pathlib import Path

import pytest

from amqpy.config import Config

from .clients import connect
from .harness import Site
from .test_overview import CHURN, of_profile

NODE = "/api/nodes/rabbit%40test"

KEYS = {
    *("applications", "auth_mechanisms", "exchange_types", "enabled_plugins", "contexts", "partitions"),
    *("cluster_links", "config_files", "log_files", "db_dir", "name", "type", "running", "os_pid", "uptime"),
    *("processors", "run_queue", "rates_mode", "net_ticktime", "mem_limit", "mem_used", "mem_alarm"),
    *("mem_calculation_strategy", "disk_free", "disk_free_limit", "disk_free_alarm", "fd_total", "fd_used"),
    *("sockets_total", "sockets_used", "proc_total", "proc_used", "gc_num", "gc_bytes_reclaimed"),
    *("context_switches", "io_read_count", "io_read_bytes", "io_write_count", "io_write_bytes", "io_sync_count"),
    *("io_seek_count", "io_reopen_count", "io_read_avg_time", "io_write_avg_time", "io_sync_avg_time"),
    *("io_seek_avg_time", "mnesia_ram_tx_count", "mnesia_disk_tx_count", "msg_store_read_count"),
    *("msg_store_write_count", "queue_index_read_count", "queue_index_write_count", "metrics_gc_queue_length"),
    *("ra_open_file_metrics", *CHURN),
}


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


async def test_it_has_all_keys(site: Site) -> None:
    (listed,) = (await site.get("/api/nodes")).json
    assert set(listed) == KEYS
    assert set((await site.get(NODE)).json) == KEYS
    assert (listed["name"], listed["type"], listed["running"]) == ("rabbit@test", "disc", True)


async def test_what_the_ui_needs_is_there(site: Site) -> None:
    node = (await site.get(NODE)).json
    for key in ("applications", "enabled_plugins", "config_files", "log_files", "cluster_links", "auth_mechanisms"):
        assert isinstance(node[key], list)
    assert node["os_pid"] == str(os.getpid())


async def test_measurements_are_of_this_process(site: Site, tmp_path: Path) -> None:
    before = (await site.get(NODE)).json
    with (tmp_path / "open").open("w"):
        now = (await site.get(NODE)).json
    assert now["fd_used"] == before["fd_used"] + 1
    assert 0 < now["fd_used"] < now["fd_total"]
    assert 0 < now["mem_used"] < now["mem_limit"]
    assert now["disk_free"] > 0
    assert now["processors"] == os.cpu_count()
    assert now["context_switches"] > 0


async def test_numbers_have_their_types(site: Site) -> None:
    node = (await site.get(NODE)).json
    for key, value in node.items():
        if key.endswith("avg_time"):
            assert type(value) is float
        elif key.endswith(("_count", "_used", "_total", "_limit", "_free", "_bytes", "_num")) or key in CHURN:
            assert type(value) is int, key


async def test_samples_have_the_types_of_their_numbers(site: Site) -> None:
    node = (await site.get(f"{NODE}?node_stats_age=60&node_stats_incr=5")).whole
    for key, kind in (("io_read_avg_time", float), ("io_read_count", int), ("fd_used", int)):
        samples = node[f"{key}_details"]["samples"]
        assert {type(each["sample"]) for each in samples} == {kind}


async def test_noted_measurements_come_first(site: Site) -> None:
    def note() -> None:
        site.broker.resources.note_memory(500, 1000)
        site.broker.resources.note_disk(70_000_000)

    site.reactor.administer(note)
    node = (await site.get(NODE)).json
    assert (node["mem_used"], node["mem_limit"], node["mem_alarm"]) == (500, 400, True)
    assert (node["disk_free"], node["disk_free_limit"], node["disk_free_alarm"]) == (70_000_000, 50_000_000, False)


async def test_sockets_are_connections(site: Site) -> None:
    await connect(site)
    node = (await site.get(NODE)).json
    assert node["sockets_used"] == 1
    assert node["connection_created"] == 1


async def test_only_monitors_may_ask(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    for path in ("/api/nodes", NODE, f"{NODE}/memory", f"{NODE}/memory/relative"):
        assert (await site.get(path, user="bob")).refusal == (401, "not_authorised", "Not monitor user")
        assert (await site.get(path, user="eve")).status == 200


async def test_other_nodes_are_not_found(site: Site) -> None:
    for path in ("/api/nodes/nope", "/api/nodes/nope/memory", "/api/nodes/nope/memory/relative"):
        assert (await site.get(path)).status == 404


async def test_memory(site: Site) -> None:
    site.reactor.administer(lambda: site.broker.resources.note_memory(500, 10_000))
    memory = (await site.get(f"{NODE}/memory")).json["memory"]
    assert memory.pop("total") == {"allocated": 500, "erlang": 500, "rss": 500}
    assert memory.pop("strategy") == "rss"
    assert len(memory) == 25
    assert sum(memory.values()) == 500
    assert "queue_slave_procs" in memory


async def test_relative_memory(site: Site) -> None:
    memory = (await site.get(f"{NODE}/memory/relative")).json["memory"]
    assert memory.pop("total") == 100
    assert memory["other_system"] == 100


async def test_there_are_no_tables_of_erlang(site: Site) -> None:
    path = f"{NODE}/memory/ets"
    assert (await site.get(path)).json == {"ets_tables_memory": {"total": 0}}
    assert (await site.get(f"{path}/relative")).json == {"ets_tables_memory": {"total": 100}}
    assert (await site.get(f"{path}/management")).json == {"ets_tables_memory": "no_tables"}
    assert (await site.get("/api/nodes/nope/memory/ets")).status == 404


async def test_memory_and_binaries_of_one_node(site: Site) -> None:
    node = (await site.get(f"{NODE}?memory=true&binary=true")).json
    assert set(node) == KEYS | {"memory", "binary"}
    assert "strategy" in node["memory"]


async def test_without_statistics(site: Site) -> None:
    expected = {"name": "rabbit@test", "running": True, "type": "disc"}
    assert (await site.get("/api/nodes?disable_stats=true")).json == [expected]
    assert (await site.get(f"{NODE}?disable_stats=true")).json == expected


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_4_0(site: Site) -> None:
    node = (await site.get(NODE)).json
    assert set(node) - KEYS == {"being_drained"}
    assert set(node) > KEYS
    assert (await site.get("/api/nodes?disable_stats=true")).json[0]["being_drained"] is False
    memory = (await site.get(f"{NODE}/memory")).json["memory"]
    assert {"metadata_store", "metadata_store_ets"} <= set(memory)
    assert "queue_slave_procs" not in memory
