"""Queries: what is none, columns, pages, order, and ranges that nobody looks at."""

from urllib.parse import quote

import pytest

from amqpy.config import Config

from .clients import connect
from .harness import Site
from .test_conventions import WHOAMI
from .test_overview import of_profile


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


# --- queries


@pytest.mark.parametrize("query", ["=", "=x", "a&=x", "&&&==", "a=%", "a=%z", "%zz=1", "a=%4"])
async def test_queries_that_are_none(site: Site, query: str) -> None:
    reply = await site.get(f"/api/whoami?{query}")
    assert (reply.status, reply.body) == (400, b"")
    # Who does not look does not notice.
    assert (await site.put(f"/api/queues/%2F/q?{query}", {})).status == 201


@pytest.mark.parametrize("query", ["", "&", "a==b", "a=b=c", "&&a", "a;b", "%FF=%FF", "a"])
async def test_queries_that_are_some(site: Site, query: str) -> None:
    assert (await site.get(f"/api/whoami?{query}")).json == WHOAMI


INVALID = (400, "bad_request", "Pagination parameters are invalid")


@pytest.mark.parametrize("parameter", ["columns", "page", "page_size", "name", "use_regex", "sort", "sort_reverse"])
async def test_parameters_without_a_value(site: Site, parameter: str) -> None:
    assert (await site.get(f"/api/exchanges?{parameter}")).refusal == INVALID
    assert (await site.put(f"/api/queues/%2F/q?{parameter}", {})).status == 201
    reply = await site.get(f"/api/whoami?{parameter}")
    assert reply.json == WHOAMI if parameter.startswith("sort") else reply.refusal == INVALID
    assert (await site.get("/api/whoami?disable_stats")).json == WHOAMI


# --- columns and pages


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("queues/%2F/q", "arguments"),
        ("exchanges/%2F/x", "arguments"),
        ("overview", "object_totals"),
        ("overview", "queue_totals"),
        ("overview", "churn_rates"),
        ("vhosts/%2F", "metadata"),
        ("users/guest", "limits"),
    ],
)
async def test_some_objects_are_whole(site: Site, path: str, key: str) -> None:
    await site.put("/api/queues/%2F/q", {"arguments": {"x-max-length": 5}})
    await site.put("/api/exchanges/%2F/x", {"arguments": {"a": 1}})
    site.users.set_limits("guest", {"max-channels": 5})
    whole = (await site.get(f"/api/{path}")).json[key]
    assert whole
    assert (await site.get(f"/api/{path}?columns={key}.nope")).json == {key: whole}


async def test_others_are_narrowed(site: Site) -> None:
    await site.put("/api/policies/%2F/p", {"pattern": "x", "definition": {"max-length": 5, "expires": 7}})
    assert (await site.get("/api/policies?columns=definition.expires")).json == [{"definition": {"expires": 7}}]
    assert (await site.get("/api/policies?columns=definition..expires.")).json == [{"definition": {"expires": 7}}]
    assert (await site.get("/api/policies?columns=definition.nope")).json == [{"definition": []}]
    reply = await site.get("/api/overview?disable_stats=true&columns=object_totals.queues")
    assert reply.json == {"object_totals": {"queues": 0}}


async def test_one_connection_has_all_columns(site: Site) -> None:
    await connect(site)
    (row,) = (await site.get("/api/connections?columns=name")).json
    path = f"/api/connections/{quote(row['name'], safe='')}"
    assert set((await site.get(f"{path}?columns=name")).json) > {"user", "vhost"}
    assert (await site.get(f"{path}?disable_stats=true&columns=nope")).json == []


@pytest.mark.parametrize("path", ["whoami", "queues/%2F/q", "health/checks/alarms", "definitions/%2F", "cluster-name"])
async def test_who_asks_for_a_page_gets_all_of_what_has_none(site: Site, path: str) -> None:
    site.declare("q")
    whole = (await site.get(f"/api/{path}")).json
    assert (await site.get(f"/api/{path}?page=1&columns=nope")).json == whole
    assert (await site.get(f"/api/{path}?columns=nope")).json == []
    assert (await site.get(f"/api/{path}?page=0")).refusal[:2] == (400, "invalid_pagination_parameters")
    assert (await site.get(f"/api/{path}?page=x")).refusal == INVALID


async def test_columns_of_refusing_checks(site: Site) -> None:
    reply = await site.get("/api/health/checks/port-listener/1?columns=reason")
    assert (reply.status, reply.json) == (503, {"reason": "No active listener"})


@pytest.mark.parametrize("columns", [".", "..", "nope,."])
async def test_columns_without_names(site: Site, columns: str) -> None:
    assert (await site.get(f"/api/whoami?columns={columns}")).refusal == (400, "bad_request", "a column needs a name")
    assert (await site.get(f"/api/queues?columns={columns}")).json == []


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name.", ["a", "b"]),
        (".name", ["a", "b"]),
        ("arguments.x", ["a", "b"]),
        ("nope.x.y", ["a", "b"]),
        ("durable", ["b", "a"]),
    ],
)
async def test_sorting_by_paths(site: Site, sort: str, names: list[str]) -> None:
    site.declare("a")
    site.declare("b", durable=False)
    rows = (await site.get(f"/api/queues?sort={sort}&columns=name")).json
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize("sort", [".", "..", "name.x", "arguments.x.y"])
async def test_paths_that_nothing_is_sorted_by(site: Site, sort: str) -> None:
    assert (await site.get(f"/api/queues?sort={sort}")).json == []
    for name in "ab":
        await site.put(f"/api/queues/%2F/{name}", {"arguments": {"x": 5}})
    assert (await site.get(f"/api/queues?sort={sort}")).refusal[:2] == (400, "bad_request")


@pytest.mark.parametrize("sort", [".", ".."])
async def test_a_single_row_is_not_sorted_by_nothing(site: Site, sort: str) -> None:
    assert (await site.get(f"/api/users?sort={sort}&columns=name")).refusal[:2] == (400, "bad_request")
    shown = (await site.get("/api/users?sort=.name.&columns=name")).json
    assert shown == sorted(shown, key=lambda row: row["name"])


@pytest.mark.parametrize("path", ["queues", "vhosts/%2F/connections", "policies"])
async def test_nobody_looks_at_the_order_of_nothing(site: Site, path: str) -> None:
    assert (await site.get(f"/api/{path}?sort_reverse=x")).json == []
    assert (await site.get(f"/api/{path}?sort_reverse=x&sort=name")).json == []
    site.declare("a")
    assert (await site.get("/api/queues?sort_reverse=x")).refusal[:2] == (400, "bad_request")
    assert len((await site.get("/api/queues?sort_reverse=x&sort=")).json) == 1


async def test_flags_are_a_list_as_others(site: Site) -> None:
    flags = [each["name"] for each in (await site.get("/api/feature-flags")).json]
    rows = (await site.get("/api/feature-flags?sort=name&sort_reverse=true&page=1&columns=name")).json
    assert rows == [{"name": name} for name in sorted(flags, reverse=True)]


async def test_channels_of_some_have_no_pages(site: Site) -> None:
    await connect(site, 1)
    (row,) = (await site.get("/api/connections")).json
    for path in ("vhosts/%2F/channels", f"connections/{quote(row['name'], safe='')}/channels"):
        assert (await site.get(f"/api/{path}?page=1&columns=number")).json == [{"number": 1}]
    assert (await site.get("/api/channels?page=1&columns=number")).json["items"] == [{"number": 1}]


async def test_objects_in_global_parameters_are_whole(site: Site) -> None:
    await site.put("/api/global-parameters/g", {"value": {"a": {"b": 1}, "c": 2}})
    assert (await site.get("/api/global-parameters/g?columns=value.a.x")).json == {"value": {"a": {"b": 1}}}
    assert (await site.get("/api/global-parameters?columns=value.a.x")).json[0] == {"value": {"a": {"b": 1}}}
    assert (await site.get("/api/global-parameters/g?columns=value.x")).json == {"value": []}


@pytest.mark.parametrize(
    ("path", "status", "without_stats"),
    [
        ("nodes", 400, 200),
        ("connections", 400, 200),
        ("vhosts/%2F/connections", 400, 400),
        ("exchanges/%2F/amq.direct", 400, 400),
        ("healthchecks/node", 400, 400),
        ("channels/nope", 400, 400),
        ("connections/nope", 400, 404),
    ],
)
async def test_ranges_that_cannot_be(site: Site, path: str, status: int, without_stats: int) -> None:
    assert (await site.get(f"/api/{path}?lengths_age=0&lengths_incr=1")).status == status
    assert (await site.get(f"/api/{path}?lengths_age=0&lengths_incr=1&disable_stats=true")).status == without_stats


async def test_the_page_behind_the_last_one(site: Site) -> None:
    for name in "ab":
        site.declare(name)
    reply = await site.get("/api/queues?page=3&page_size=1")
    assert (reply.json["items"], reply.json["page_count"]) == ([], 2)
    reply = await site.get("/api/queues?page=4&page_size=1")
    assert reply.refusal == (400, "page_out_of_range", "Page out of range, page: 4 page size: 1, len: 2")


async def test_names_are_looked_for_as_octets(site: Site) -> None:
    site.declare("Émile")

    async def count(name: str) -> int:
        count: int = (await site.get(f"/api/queues?page=1&name={quote(name)}")).json["filtered_count"]
        return count

    assert [await count(name) for name in ("Émile", "éMILE", "MILE")] == [1, 0, 1]


RANGE = "msg_rates_age=0&msg_rates_incr=1"


@pytest.mark.parametrize(("path", "columns"), [("queues", "name,state"), ("exchanges", "type"), ("vhosts", "tracing")])
async def test_nobody_looks_at_ranges_for_facts(site: Site, path: str, columns: str) -> None:
    site.declare("q")
    path = f"/api/{path}?{RANGE}"
    assert (await site.get(f"{path}&columns={columns}")).status == 200
    assert (await site.get(f"{path}&disable_stats=true")).status == 200
    for asked in (path, f"{path}&columns={columns}&sort=name", f"{path}&columns={columns},message_stats"):
        assert (await site.get(asked)).refusal[:2] == (400, "invalid_range_parameters")
