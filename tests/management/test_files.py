"""The files of a user interface, and what must not be got with them."""

import os
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from pathlib import Path

import pytest

from amqpy.config import Config
from amqpy.management.answers import Answer, Refusal
from amqpy.management.files import Files
from amqpy.management.request import Request
from amqpy.management.startup import open_management
from tests.server.peer import LOG

from .harness import Site
from .live_page import looking


@pytest.fixture
def ui(tmp_path: Path) -> Path:
    root = tmp_path / "ui"
    for name, content in {
        "index.html": b"<html>",
        "js/main.js": b"main",
        "css/main.css": b"css",
        "js/tmpl/x.ejs": b"<%= x %>",
        "a b.txt": b"text",
        "api/index.html": b"reference",
        ".hidden": b"secret",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "ui-secret").write_bytes(b"secret")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root / "loop")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def config(ui: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    async def at_once(files: Files, segments: Sequence[str], headers: Mapping[str, str]) -> Answer:
        return files.read(segments, headers)  # virtual time does not wait for threads

    monkeypatch.setattr(Files, "_in_thread", at_once)
    return Config(cluster_name="rabbit@test", strict=True, management_ui=str(ui))


@pytest.mark.parametrize(
    ("path", "content", "content_type"),
    [
        ("/", b"<html>", "text/html"),
        ("/index.html", b"<html>", "text/html"),
        ("/js/main.js", b"main", "application/javascript"),
        ("/css/main.css", b"css", "text/css"),
        ("/js/tmpl/x.ejs", b"<%= x %>", "application/octet-stream"),
        ("/a%20b.txt", b"text", "text/plain"),
        ("/api/index.html", b"reference", "text/html"),
    ],
)
async def test_files_are_served_to_anyone(site: Site, path: str, content: bytes, content_type: str) -> None:
    reply = await site.get(path, user=None)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, content, content_type)
    assert {"etag", "last-modified", "content-security-policy"} <= set(reply.headers)


@pytest.mark.parametrize(
    "path",
    [
        *("/nope", "//index.html", "/js//main.js", "/../secret", "/js/../../secret", "/%2e%2e/secret"),
        "/.hidden",
        *(
            "/out",
            "/loop",
            "/fifo",
            "/%ff",
            "/" + "x" * 5000,
            "/../ui-secret",
            "/C:index.html",
        ),
        *("/api/nope", "/index.html/x"),
    ],
)
async def test_nothing_else_is_served(site: Site, path: str) -> None:
    assert (await site.get(path, user=None)).refusal == (404, "Object Not Found", "Not Found")


@pytest.mark.parametrize(
    "path",
    ["/..%2Fsecret", "/js/..%2f..%2f..%2fsecret", "/..%5Csecret", "/index.html%00", "/%00", "/nope%2Fx", "/api/who%2F"],
)
async def test_names_that_no_file_has(site: Site, path: str) -> None:
    reply = await site.get(path, user=None)
    assert (reply.status, reply.body) == (400, b"")
    assert (await site.request("OPTIONS", path)).status == 400
    assert (await site.request("POST", path)).status == 405


async def test_directories_are_not_listed(site: Site) -> None:
    for path in ("/js", "/js/"):
        reply = await site.get(path, user=None)
        assert (reply.status, reply.body) == (403, b"")


async def test_single_sign_on_is_off(site: Site) -> None:
    reply = await site.get("/js/oidc-oauth/bootstrap.js", user=None)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/javascript")
    assert b"./helper.js" in reply.body


async def test_files_are_read_in_a_thread(ui: Path) -> None:
    answer = await Files(str(ui)).find(Request("GET", "/js/main.js"))
    assert (answer.status, answer.value) == (200, b"main")
    with pytest.raises(Refusal):
        await Files(str(ui)).find(Request("GET", "/nope"))


async def test_head_has_no_body(site: Site) -> None:
    reply = await site.request("HEAD", "/js/main.js", user=None)
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "4")


async def test_a_file_that_the_browser_has(site: Site) -> None:
    etag = (await site.get("/js/main.js")).headers["etag"]
    for tags in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        reply = await site.get("/js/main.js", headers={"if-none-match": tags})
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)
    assert (await site.get("/js/main.js", headers={"if-none-match": '"x"'})).status == 200


async def test_a_file_that_has_not_changed(site: Site, ui: Path) -> None:
    modified = (await site.get("/js/main.js")).headers["last-modified"]
    assert (await site.get("/js/main.js", headers={"if-modified-since": modified})).status == 304
    os.utime(ui / "js/main.js", (2_000_000_000, 2_000_000_000))
    assert (await site.get("/js/main.js", headers={"if-modified-since": modified})).status == 200
    later = formatdate(2_000_000_000, usegmt=True)
    assert (await site.get("/js/main.js", headers={"if-modified-since": later})).status == 304


@pytest.mark.parametrize("since", ["x", "", "Mon, 99 Nov 2026 99:99:99 GMT", "Mon, 01 Jan 99999999 00:00:00 GMT"])
async def test_a_bad_date_is_none(site: Site, since: str) -> None:
    assert (await site.get("/js/main.js", headers={"if-modified-since": since})).status == 200


async def test_files_are_only_read(site: Site) -> None:
    for method in ("PUT", "POST", "DELETE"):
        for path in ("/index.html", "/nope", "/api/nope"):
            reply = await site.request(method, path, user=None)
            assert (reply.status, reply.headers["allow"], reply.body) == (405, "HEAD, GET, OPTIONS", b"")


async def test_other_paths_are_resources(site: Site) -> None:
    assert (await site.get("/api/vhosts")).status == 200
    assert (await site.get("/api")).headers["location"] == "/api/index.html"


async def test_a_live_page_shows_no_files(site: Site) -> None:
    """What is no resource may be one, below the same path."""
    assert (await site.get("/api/index.html")).body == b"reference"
    async with looking(site, get="/index.html") as page:
        assert (await page.next("answer"))["status"] == 404


async def test_a_directory_that_is_not_there_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(management=True, management_port=0, prometheus=False, management_ui=str(tmp_path / "nowhere"))
    for listener in await open_management(config, LOG, by_default=False):
        listener.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"management_ui: there is no directory {tmp_path / 'nowhere'}"
    ]
