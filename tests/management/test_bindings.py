"""Bindings: lists by their ends, and each by its address."""

from urllib.parse import quote

import pytest
from pamqp.commands import Queue

from .harness import NOT_FOUND, REFUSED, Site

TO_Q = "/api/bindings/%2F/e/amq.topic/q/q"


def keys(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["source"], row["destination"], row["properties_key"]) for row in rows]


@pytest.mark.parametrize(
    ("routing_key", "properties_key", "location"),
    [
        ("a.b", "a.b", "q/a.b"),
        ("", "~", "q/~"),
        ("a b", "a+b", "q/a%2Bb"),
        ("#", "%23", "q/%2523"),
        ("a~b", "a%7Eb", "q/a%257Eb"),
        ("ü", "%C3%BC", "q/%25C3%25BC"),
        ("a+b/c", "a%2Bb%2Fc", "q/a%252Bb%252Fc"),
        ("null", "null", "q/null"),
    ],
)
async def test_a_binding_is_made_shown_and_removed(
    site: Site, routing_key: str, properties_key: str, location: str
) -> None:
    site.declare("q")
    reply = await site.post(TO_Q, {"routing_key": routing_key})
    assert (reply.status, reply.body, reply.headers["location"]) == (201, b"", location)
    assert (await site.post(TO_Q, {"routing_key": routing_key})).status == 201
    address = f"{TO_Q}/{quote(properties_key, safe='')}"
    assert address == TO_Q.removesuffix("q") + location
    shown = (await site.get(address)).json
    assert shown == {
        "source": "amq.topic",
        "vhost": "/",
        "destination": "q",
        "destination_type": "queue",
        "routing_key": routing_key,
        "arguments": {},
        "properties_key": properties_key,
    }
    assert (await site.get(TO_Q)).json == [shown]
    assert (await site.delete(address)).status == 204
    assert (await site.delete(address)).refusal == NOT_FOUND
    assert (await site.get(address)).refusal == NOT_FOUND


async def test_an_address_may_be_quoted_once(site: Site) -> None:
    site.declare("q")
    await site.post(TO_Q, {"routing_key": "a #"})
    assert (await site.get(f"{TO_Q}/a%20%23")).status == 200


async def test_arguments_are_part_of_the_address(site: Site) -> None:
    site.declare("q")
    path = "/api/bindings/%2F/e/amq.headers/q/q"
    addresses = []
    for arguments in ({"x-match": "any", "a": 1}, {"x-match": "any", "a": 2}, {}):
        reply = await site.post(path, {"routing_key": "k", "arguments": arguments})
        addresses.append(f"{path.removesuffix('q')}{reply.headers['location']}")
    assert len(set(addresses)) == 3
    rows = (await site.get(path)).json
    assert [row["properties_key"].partition("~")[0] for row in rows] == ["k", "k", "k"]
    for address, value in zip(addresses, (1, 2, None), strict=True):
        assert (await site.get(address)).json["arguments"].get("a") == value
    assert (await site.delete(addresses[1])).status == 204
    assert [row["arguments"].get("a") for row in (await site.get(path)).json] == [None, 1]
    assert (await site.get(f"{path}/k~other")).refusal == NOT_FOUND
    assert (await site.get(f"{path}/k~a~b")).refusal == NOT_FOUND


async def test_exchanges_are_bound_too(site: Site) -> None:
    path = "/api/bindings/%2F/e/amq.topic/e/amq.fanout"
    assert (await site.post(path, {"routing_key": "k"})).headers["location"] == "amq.fanout/k"
    (row,) = (await site.get(path)).json
    assert (row["destination"], row["destination_type"]) == ("amq.fanout", "exchange")
    assert (await site.get("/api/exchanges/%2F/amq.topic/bindings/source")).json == [row]
    assert (await site.get("/api/exchanges/%2F/amq.fanout/bindings/destination")).json == [row]
    assert (await site.get("/api/exchanges/%2F/amq.fanout/bindings/source")).json == []
    assert (await site.delete(f"{path}/k")).status == 204
    assert (await site.get(path)).json == []


async def test_every_queue_is_bound_to_the_default_exchange(site: Site) -> None:
    site.declare("q")
    site.declare("a")
    await site.post(TO_Q, {"routing_key": "k"})
    assert keys((await site.get("/api/bindings")).json) == [("", "a", "a"), ("", "q", "q"), ("amq.topic", "q", "k")]
    assert keys((await site.get("/api/bindings/%2F")).json)[0] == ("", "a", "a")
    assert keys((await site.get("/api/queues/%2F/q/bindings")).json) == [("", "q", "q"), ("amq.topic", "q", "k")]
    assert keys((await site.get("/api/queues/%2F/none/bindings")).json) == [("", "none", "none")]
    from_default = (await site.get("/api/exchanges/%2F/amq.default/bindings/source")).json
    assert keys(from_default) == [("", "a", "a"), ("", "q", "q")]
    assert keys((await site.get("/api/bindings/%2F/e/amq.default/q/q")).json) == [("", "q", "q")]
    address = "/api/bindings/%2F/e/amq.default/q/q/q"
    assert (await site.get(address)).json["routing_key"] == "q"
    assert (await site.delete(address)).refusal == REFUSED
    assert (await site.get("/api/bindings/%2F/e/amq.default/q/none/none")).refusal == NOT_FOUND
    assert (await site.post("/api/bindings/%2F/e/amq.default/q/q", {})).refusal == REFUSED


async def test_the_default_order(site: Site) -> None:
    for name in ("b", "a"):
        site.declare(name)
        for source in ("amq.topic", "amq.direct"):
            for routing_key in ("2", "10"):
                await site.post(f"/api/bindings/%2F/e/{source}/q/{name}", {"routing_key": routing_key})
    assert keys((await site.get("/api/bindings/%2F")).json)[2:] == [
        (source, name, routing_key)
        for source in ("amq.direct", "amq.topic")
        for name in ("a", "b")
        for routing_key in ("10", "2")
    ]


async def test_what_is_unknown(site: Site) -> None:
    site.declare("q")
    for path in ("exchanges/%2F/nope/bindings/source", "bindings/%2F/e/nope/q/q", "bindings/%2F/e/nope/e/amq.topic"):
        assert (await site.get(f"/api/{path}")).json == []
    assert (await site.get("/api/bindings/nope")).refusal == NOT_FOUND
    assert (await site.get("/api/bindings/nope/e/x/q/q")).json == []
    assert (await site.get("/api/queues/nope/q/bindings")).json == []
    assert (await site.get("/api/exchanges/nope/x/bindings/source")).json == []
    assert (await site.get("/api/exchanges/nope/x/bindings/destination")).json == []
    assert (await site.post("/api/bindings/%2F/e/nope/q/q", {})).refusal == (
        404,
        "not_found",
        "no exchange 'nope' in vhost '/'",
    )
    assert (await site.post("/api/bindings/%2F/e/amq.topic/q/no", {})).refusal[2] == "no queue 'no' in vhost '/'"
    assert (await site.post("/api/bindings/nope/e/x/q/q", {})).refusal == (404, "not_found", "vhost_not_found")
    assert (await site.get("/api/bindings/%2F/e/x/z/q")).status == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"routing_key": 5}, ["not_string", "routing_key"]),
        ({"routing_key": "é" * 128}, "routing_key should be less than 255 bytes, actually was 256\n"),
        ({"arguments": 1}, "not_json"),
        ({"arguments": {"a": None}}, "null_not_allowed"),
    ],
)
async def test_bad_bindings_are_refused(site: Site, body: object, reason: object) -> None:
    site.declare("q")
    assert (await site.post(TO_Q, body)).refusal == (400, "bad_request", reason)
    assert (await site.get(TO_Q)).json == []


@pytest.mark.parametrize(
    ("body", "location"), [({"routing_key": None}, "q/null"), ({"routing_key": "k", "arguments": [1]}, "q/k")]
)
async def test_some_bad_bindings_are_made(site: Site, body: object, location: str) -> None:
    site.declare("q")
    reply = await site.post(TO_Q, body)
    assert (reply.status, reply.headers["location"]) == (201, location)


async def test_no_queue_has_the_name_of_the_default_exchange(site: Site) -> None:
    (row,) = (await site.get("/api/queues/%2F/amq.default/bindings")).json
    assert (row["destination"], row["routing_key"], row["properties_key"]) == ("", "", "~")


async def test_an_exclusive_queue_is_not_bound_by_others(site: Site) -> None:
    await declare_exclusive(site)
    assert (await site.post(TO_Q, {})).refusal[2].startswith("cannot obtain exclusive access to locked queue 'q' in")


async def declare_exclusive(site: Site) -> None:
    peer = await site.connect()
    await peer.ask(Queue.Declare(queue="q", exclusive=True))


async def test_permissions_count(site: Site) -> None:
    site.declare("q")
    site.add_user("looker", "management", permissions=("", "", ".*"))
    assert (await site.post(TO_Q, {}, user="looker")).refusal == REFUSED
    await site.post(TO_Q, {})
    assert (await site.delete(f"{TO_Q}/~", user="looker")).refusal == REFUSED
    assert (await site.get(f"{TO_Q}/~", user="looker")).status == 200


async def test_a_location_goes_back_where_names_were_quoted_otherwise(site: Site) -> None:
    site.declare("q q")
    reply = await site.post("/api/bindings/%2f/e/amq.topic/q/q%20q/", {"routing_key": "k"})
    assert reply.headers["location"] == "../../../../%2F/e/amq.topic/q/q+q/k"
