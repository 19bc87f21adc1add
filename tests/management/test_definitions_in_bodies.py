"""The bodies that definitions come in: JSON, and forms with files."""

import json

import pytest

from .harness import Reply, Site

QUEUE = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}


def form(*parts: tuple[str, str], boundary: str = "X") -> bytes:
    lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in parts]
    return f"{''.join(lines)}--{boundary}--\r\n".encode()


async def posted(site: Site, body: bytes, content_type: str = "multipart/form-data; boundary=X") -> Reply:
    return await site.request("POST", "/api/definitions", body=body, headers={"content-type": content_type})


async def test_definitions_in_a_form(site: Site) -> None:
    file = json.dumps({"queues": [QUEUE]})
    assert (await posted(site, form(("file", file)))).status == 204
    assert "q" in site.vhost.queues
    reply = await posted(site, form(("redirect", "../#/imported"), ("file", file)))
    assert (reply.status, reply.headers["location"]) == (303, "../#/imported")
    quoted = 'multipart/form-data; charset=utf-8; boundary="a b"'
    assert (await posted(site, form(("file", file), boundary="a b"), quoted)).status == 204


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=X"),
        (b"--X\r\n", "multipart/form-data; boundary=X"),
        (form(("file", "{}"), boundary="Y"), "multipart/form-data; boundary=X"),
    ],
)
async def test_what_is_no_form(site: Site, body: bytes, content_type: str) -> None:
    reply = await posted(site, body, content_type)
    assert (reply.status, reply.body, set(reply.headers)) == (400, b"", {"content-length"})


@pytest.mark.parametrize("body", [b"[]", b"5", b"{", b'"x"', b"null"])
async def test_what_are_no_definitions(site: Site, body: bytes) -> None:
    reply = await site.request("POST", "/api/definitions", body=body)
    assert reply.refusal == (400, "bad_request", "failed_to_parse_json")
    assert (await posted(site, form(("file", body.decode())))).status == 400


async def test_a_form_without_a_file(site: Site) -> None:
    reply = await posted(site, form(("other", "{}")))
    assert reply.refusal == (400, "bad_request", "failed_to_parse_json")


async def test_nothing_to_import(site: Site) -> None:
    assert (await site.post("/api/definitions")).status == 204
    assert (await site.post("/api/definitions", {}, headers={"content-type": "text/plain"})).status == 415
    reply = await site.post("/api/definitions/nope", {})
    assert reply.refusal == (404, "not_found", "vhost_not_found")


async def test_definitions_are_for_administrators(site: Site) -> None:
    site.add_user("maker", "policymaker", "monitoring")
    for method in ("GET", "POST"):
        reply = await site.request(method, "/api/definitions/%2F", user="maker")
        assert reply.refusal == (401, "not_authorised", "Not administrator user")
