"""What all addresses have in common: what RabbitMQ's server does not read, paths, conditions, types, credentials."""

from typing import Any

import pytest

from amqpy.config import Config
from amqpy.management.heads import refused, request_of
from amqpy.management.request import Request

from .harness import NOT_FOUND, Reply, Site
from .test_overview import of_profile

WHOAMI = {"name": "guest", "tags": ["administrator"]}
BASIC = "Basic Z3Vlc3Q6Z3Vlc3Q="


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


# --- heads


def scope_of(
    method: str = "GET", path: str = "/api/x", query: str = "", *headers: tuple[str, str], version: str = "1.1"
) -> dict[str, Any]:
    given = headers or (("host", "localhost"),)
    return {
        "http_version": version,
        "method": method,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given],
    }


def status_of(*what: Any, **how: Any) -> tuple[int, bool] | None:  # noqa: ANN401
    """The status of the answer to a head, and True if it has a date; None if the head is good."""
    scope = scope_of(*what, **how)
    answer = refused(request_of(scope), scope["http_version"])
    return None if answer is None else (answer.status, answer.dated)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "A" * 32])
def test_methods_that_nobody_reads(method: str) -> None:
    assert status_of(method) == (501, False)


def test_limits_of_heads() -> None:
    assert status_of("GET", "/api/x", "a" * 7900) is None
    assert status_of("GET", "/api/x", "a" * 8000) == (414, False)
    assert status_of("GET", "/api/x", "", ("a", "b" * 4096)) is None
    assert status_of("GET", "/api/x", "", ("a", "b" * 4097)) == (431, False)
    many = [(f"a{number}", "b") for number in range(101)]
    assert status_of("GET", "/api/x", "", *many[:100]) is None
    assert status_of("GET", "/api/x", "", *many) == (431, False)


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0"])
def test_versions_of_http(version: str) -> None:
    assert status_of(version=version) == (505, False)
    assert status_of(version="1.0") is None


@pytest.mark.parametrize("host", ["a b", "a/b", "a:x", "[::1", "é"])
def test_hosts_that_are_none(host: str) -> None:
    assert status_of("GET", "/api/x", "", ("host", host)) == (400, False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:15672", "[::1]:80", ""])
def test_hosts(host: str) -> None:
    assert status_of("GET", "/api/x", "", ("host", host)) is None


def test_whole_addresses() -> None:
    request = request_of(scope_of("GET", "HTTP://localhost/api/whoami"))
    assert refused(request, "1.1") is None
    assert request.segments == ("api", "whoami")
    assert status_of("GET", "http://other/api/whoami") == (400, False)
    assert status_of("GET", "api/whoami") == (400, False)


def test_all_of_a_server() -> None:
    assert status_of("OPTIONS", "*") == (404, True)
    assert status_of("GET", "*") == (400, False)


@pytest.mark.parametrize("character", [*'"<>[]\\^`{|}', "%", "%zz", "é"])
def test_characters_that_no_path_has(character: str) -> None:
    assert status_of("GET", f"/api/x{character}") == (400, True)


def test_fragments_are_left_out() -> None:
    request = request_of(scope_of("GET", "/api/whoami#x", "name=y"))
    assert (request.path, request.query) == ("/api/whoami", {})
    assert request_of(scope_of("GET", "/", "a=b#c")).query == {"a": "b"}


def test_headers_of_one_name_are_a_list() -> None:
    request = request_of(scope_of("GET", "/", "", ("A", "b"), ("a", "c"), ("cookie", "d"), ("cookie", "e")))
    assert request.headers == {"a": "b, c", "cookie": "d; e"}


async def test_what_is_not_understood_is_answered_with_nothing(site: Site) -> None:
    for reply in (
        await site.request("TRACE", "/api/whoami"),
        await site.get("/api/whoami", headers={"authorization": "Basic zzz"}),
        await site.get("/api/whoami?=x"),
    ):
        assert (reply.headers, reply.body) == ({"content-length": "0"}, b"")


# --- paths


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ()),
        ("//", ("",)),
        ("/a/", ("a",)),
        ("/a//", ("a", "")),
        ("/a//b", ("a", "", "b")),
        ("/a/./b/.", ("a", "b")),
        ("/a/../../b", ("b",)),
        ("/a/%2E%2E/b/%2e", ("b",)),
        ("/a%2Fb", ("a/b",)),
    ],
)
def test_parts_of_paths(path: str, segments: tuple[str, ...]) -> None:
    assert Request("GET", path).segments == segments


@pytest.mark.parametrize("path", ["/api/", "/api/.", "/api/vhosts/..", "/%61pi", "/stats/x/..", "/doc/./stats.html"])
async def test_old_addresses_lead_on(site: Site, path: str) -> None:
    for method in ("GET", "POST", "FOO"):
        reply = await site.request(method, path, user=None)
        assert (reply.status, reply.headers["location"]) == (301, "/api/index.html")
        assert "vary" not in reply.headers


async def test_the_api_may_be_encoded(site: Site) -> None:
    assert (await site.get("/%61pi/who%61mi")).json == WHOAMI


# --- nodes


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x00", "\\000@test"),
        ("a\tb", "a\\tb@test"),
        ("a'b\"", "a\\'b\"@test"),
        ("é\x7f", "é\\d@test"),
        ("N", "N@test"),
    ],
)
async def test_nodes_are_printed_as_atoms(site: Site, name: str, shown: str) -> None:
    reply = await site.put("/api/queues/%2F/q", {"node": name})
    assert reply.refusal == (400, "bad_request", f"Node '{shown}' could not be contacted")


# --- conditions


def seen(reply: Reply) -> tuple[int, bytes]:
    return reply.status, reply.body


@pytest.mark.parametrize(
    ("header", "tags", "status"),
    [
        ("if-match", "*", 200),
        ("if-match", '"x"', 412),
        ("if-match", 'W/"x", "y"', 412),
        ("if-match", "x", 400),
        ("if-none-match", "*", 304),
        ("if-none-match", '"x"', 412),
        ("if-none-match", "nope", 400),
        ("if-modified-since", "Mon, 30 Nov 2020 18:05:52 GMT", 200),
        ("if-unmodified-since", "Mon, 30 Nov 2020 18:05:52 GMT", 200),
    ],
)
async def test_conditions_of_reading(site: Site, header: str, tags: str, status: int) -> None:
    reply = await site.get("/api/whoami", headers={header: tags})
    assert seen(reply)[0] == status
    assert bool(reply.body) == (status == 200)


async def test_conditions_about_what_is_not_there(site: Site) -> None:
    path = "/api/queues/%2F/q"
    assert seen(await site.get(path, headers={"if-match": "*"})) == (412, b"")
    assert (await site.get(path, headers={"if-none-match": "*"})).refusal == NOT_FOUND
    assert (await site.put(path, {}, headers={"if-match": '"x"'})).status == 412
    assert (await site.get("/api/nope", headers={"if-match": "nonsense"})).status == 412
    assert (await site.get("/api/nope", headers={"if-none-match": "*"})).refusal == NOT_FOUND
    assert (await site.get(path)).refusal == NOT_FOUND


async def test_conditions_of_changes(site: Site) -> None:
    path, only_new = "/api/queues/%2F/q", {"if-none-match": "*"}
    assert (await site.put(path, {}, headers=only_new)).status == 201
    assert (await site.put(path, {}, headers=only_new)).status == 412
    assert (await site.put(path, {}, headers={"if-match": "*"})).status == 204
    assert (await site.delete(path, headers={"if-match": '"x"'})).status == 412
    assert (await site.delete(path, headers={"if-match": "*"})).status == 204


# --- logging in with a form


async def test_who_has_logged_in_has_the_cookie(site: Site) -> None:
    body = b"username=guest&password=guest"
    reply = await site.post("/api/login", body=body, headers={"content-type": "text/plain"}, user=None)
    assert (reply.status, reply.headers["set-cookie"]) == (415, "auth=Z3Vlc3Q6Z3Vlc3Q=; Version=1")


# --- types of bodies


@pytest.mark.parametrize(
    ("given", "of_queue", "of_limit"),
    [
        ("application/json", 201, 204),
        ("APPLICATION/JSON", 201, 204),
        ("application/json; charset=", 201, 204),
        ('application/json; charset="utf-8"', 201, 204),
        ("application/json ; charset=utf-8;x=y", 201, 204),
        ("a/*", 201, 415),
        ("multipart/form-data; boundary=x", 201, 415),
        ("application/json;", 415, 415),
        ("application/json;charset", 415, 415),
        ("application/json,text/plain", 415, 415),
        ("application/json; charset =utf-8", 415, 415),
        ('application/json; a="b', 415, 415),
        ("application/json x", 415, 415),
        ("application/json\xe9", 415, 415),
        ("application", 415, 415),
        ("", 415, 415),
    ],
)
async def test_types_of_bodies(site: Site, given: str, of_queue: int, of_limit: int) -> None:
    headers = {"content-type": given}
    assert (await site.put("/api/queues/%2F/q", {}, headers=headers)).status == of_queue
    assert (await site.put("/api/vhost-limits/%2F/max-queues", {"value": 5}, headers=headers)).status == of_limit
    assert (await site.delete("/api/queues/%2F/nope", headers=headers)).refusal == NOT_FOUND


@pytest.mark.parametrize(
    ("accepted", "status"),
    [
        *[(each, 200) for each in ("*/*;q=0", "application/*;q=0.5;x=y", "application/json ;q=1")],
        *[(each, 200) for each in ('a/b;x="y;z", application/JSON', "text/html;level=1,,*/*", "application/bert")],
        *[(each, 406) for each in ("", ", ,", "*/json", "text/html", "application/json;x=y", "application/json;Q=1")],
        *[(each, 400) for each in ("*", "a", "a/b/c", "*/*;q=2", "*/*;q=x", "a/b;q=0.0001", "application/json;", ";")],
        *[(each, 400) for each in ("application/json;charset", "application/ json", "application/json a/b", "*/*, x")],
    ],
)
async def test_types_that_clients_accept(site: Site, accepted: str, status: int) -> None:
    assert (await site.get("/api/whoami", headers={"accept": accepted})).status == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Basic Z3Vlc3Q6Z3 Vlc3Q=", 200),
        ("bAsIc  Z3Vlc3Q6Z3Vlc3Q= ", 200),
        ("Basic Z3Vlc3Q6", 401),
        ("Basic\tZ3Vlc3Q6Z3Vlc3Q=", 400),
        ("Basic Z3Vlc3Q6Z3Vlc3Q", 400),
        (f"{BASIC}, {BASIC}", 400),
        ("Bearer abc", 401),
        ("Bearer =", 401),
        ("Bearer a b", 400),
        ("Bearer é", 400),
        ("Digest a=b", 401),
        ('Digest ,a="b\\"c", d=e,', 401),
        ("Digest", 400),
        ("Digest a", 400),
        ("Digest a=", 400),
        ("nope a=b", 400),
    ],
)
async def test_credentials(site: Site, given: str, status: int) -> None:
    reply = await site.get("/api/whoami", headers={"authorization": given})
    assert reply.status == status
    assert ("date" in reply.headers) == (status != 400)


@pytest.mark.parametrize("given", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_forms_that_are_none(site: Site, given: str) -> None:
    for body in (b"", b"{}", b"--x\r\n\r\n{}"):
        reply = await site.post("/api/definitions", body=body, headers={"content-type": given})
        assert (reply.status, reply.headers) == (400, {"content-length": "0"})
