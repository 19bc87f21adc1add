"""amqpy's own page: its files, the headers that keep hostile names from running, and what is there without it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.management import application
from amqpy.management.answers import Answer
from amqpy.management.files import Files
from amqpy.management.page import OwnPage
from amqpy.management.request import Request

from .harness import NOT_FOUND, Site

CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Where the page would be built."""
    return tmp_path / "ui"


@pytest.fixture
def config(built: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Config:
    async def at_once(files: Files, segments: Sequence[str], headers: Mapping[str, str]) -> Answer:
        return files.read(segments, headers)  # virtual time does not wait for threads

    monkeypatch.setattr(Files, "_in_thread", at_once)
    monkeypatch.setattr(application, "BUILT", built)
    return Config(cluster_name="rabbit@test", strict=True, **settings)


def build(folder: Path) -> None:
    for name, content in {
        "index.html": b"<html>",
        "assets/app-ABC.js": b"script",
        "assets/app-ABC.css": b"style",
        "icon.svg": b"<svg/>",
        "licenses.txt": b"MIT",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("path", "content", "content_type", "caching"),
    [
        ("/", b"<html>", "text/html", "no-cache"),
        ("/index.html", b"<html>", "text/html", "no-cache"),
        ("/icon.svg", b"<svg/>", "image/svg+xml", "no-cache"),
        ("/licenses.txt", b"MIT", "text/plain", "no-cache"),
        ("/assets/app-ABC.js", b"script", "application/javascript", "public, max-age=31536000, immutable"),
        ("/assets/app-ABC.css", b"style", "text/css", "public, max-age=31536000, immutable"),
    ],
)
async def test_the_page_is_served_to_anyone(
    site: Site, built: Path, path: str, content: bytes, content_type: str, caching: str
) -> None:
    build(built)
    reply = await site.get(path, user=None)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, content, content_type)
    assert reply.headers["cache-control"] == caching


@pytest.mark.parametrize("path", ["/", "/assets/app-ABC.js", "/icon.svg"])
async def test_nothing_foreign_runs_in_it(site: Site, built: Path, path: str) -> None:
    build(built)
    headers = (await site.get(path, user=None)).headers
    directives = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert directives == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_the_api_keeps_the_headers_of_rabbitmq(site: Site, built: Path) -> None:
    build(built)
    headers = (await site.get("/api/overview")).headers
    assert headers["content-security-policy"] == Config().management_csp
    assert "x-content-type-options" not in headers


async def test_a_page_that_the_browser_has(site: Site, built: Path) -> None:
    build(built)
    etag = (await site.get("/")).headers["etag"]
    reply = await site.get("/", headers={"if-none-match": etag})
    assert (reply.status, reply.body, reply.headers["cache-control"]) == (304, b"", "no-cache")
    (built / "index.html").write_bytes(b"<html>new")
    assert (await site.get("/", headers={"if-none-match": etag})).body == b"<html>new"


async def test_without_a_page_it_is_told_how_to_get_it(site: Site, built: Path) -> None:
    reply = await site.get("/", user=None)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    assert b"python3 ui/build.py" in reply.body
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    build(built)
    assert (await site.get("/", user=None)).body == b"<html>", "at once, without a restart"


@pytest.mark.parametrize("path", ["/nope", "/assets/nope.js", "/../x", "/js/oidc-oauth/bootstrap.js", "/api/nope"])
async def test_nothing_else_is_served(site: Site, built: Path, path: str) -> None:
    for _ in range(2):
        assert (await site.get(path, user=None)).refusal == NOT_FOUND
        build(built)


async def test_what_is_not_there_is_judged_as_rabbitmq_does(site: Site) -> None:
    assert (await site.get("/nope", headers={"accept": "text/html"})).status == 406
    assert (await site.get("/nope", headers={"if-match": "*"})).status == 412


@pytest.mark.parametrize("settings", [{"management_path_prefix": "/mq"}])
async def test_it_is_below_the_prefix_of_paths(site: Site, built: Path) -> None:
    build(built)
    assert (await site.get("/mq/", user=None)).body == b"<html>"
    assert (await site.get("/mq/assets/app-ABC.js", user=None)).body == b"script"
    assert (await site.get("/", user=None)).headers["location"] == "/mq/"


async def test_files_are_read_in_a_thread(built: Path) -> None:
    build(built)
    assert (await OwnPage(str(built)).find(Request("GET", "/icon.svg"))).value == b"<svg/>"
