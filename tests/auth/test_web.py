"""Requests to a real server on loopback: what is sent, and what becomes of servers that are slow, large or gone."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from amqpy.auth import web
from amqpy.auth.web import ANSWER_BYTES_MAX, Answer, Limits, Web, WebError
from tests.auth.service import Service, serving

LIMITS = Limits(connect_s=60, request_s=60)


def url(service: Service, path: str = "/x?y=z") -> str:
    return f"http://127.0.0.1:{service.port}{path}"


async def test_get_and_post() -> None:
    async with serving() as service, Web(LIMITS, None) as client:
        assert await client.get(url(service)) == Answer(200, b"allow")
        service.answer = lambda method, target, body: (403, body)
        assert await client.post(url(service), b"a=b") == Answer(403, b"a=b")
        assert service.asked == [("GET", "/x?y=z", b""), ("POST", "/x?y=z", b"a=b")]
        assert service.headers[1][b"content-type"] == b"application/x-www-form-urlencoded"


async def test_no_redirect_is_followed() -> None:
    async with serving() as service, Web(LIMITS, None) as client:
        service.answer = lambda method, target, body: (302, b"")
        service.more_headers = [("Location", url(service, "/elsewhere"))]
        assert (await client.get(url(service))).status == 302
        assert len(service.asked) == 1


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving() as service, Web(LIMITS, None) as client:
        assert (await client.get(url(service))).status == 200


@pytest.mark.parametrize(("size", "is_good"), [(ANSWER_BYTES_MAX, True), (ANSWER_BYTES_MAX + 1, False)])
async def test_an_answer_may_not_be_of_any_size(size: int, is_good: bool) -> None:
    async with serving() as service, Web(LIMITS, None) as client:
        service.answer = lambda method, target, body: (200, bytes(size))
        if is_good:
            assert len((await client.get(url(service))).body) == size
        else:
            with pytest.raises(WebError, match="the answer is too large"):
                await client.get(url(service))


async def test_what_is_packed_stays_packed() -> None:
    async with serving() as service, Web(LIMITS, None) as client:
        service.answer = lambda method, target, body: (200, b"\x1f\x8b rubbish")
        service.more_headers = [("Content-Encoding", "gzip")]
        assert (await client.get(url(service))).body == b"\x1f\x8b rubbish"
        assert service.headers[0][b"accept-encoding"] == b"identity"


async def test_a_slow_server_is_given_up() -> None:
    async with serving() as service, Web(Limits(connect_s=60, request_s=0.05), None) as client:
        service.delay_s = 600
        with pytest.raises(WebError, match="timeout"):
            await client.get(url(service))
        service.delay_s = 0
        service.answer = lambda method, target, body: (200, b"again")
        quick = Web(LIMITS, None)
        async with quick:
            assert (await quick.get(url(service))).body == b"again"


async def test_nobody_is_there() -> None:
    async with serving() as service:
        pass
    async with Web(LIMITS, None) as client:
        with pytest.raises(WebError, match="ConnectError"):
            await client.get(url(service))


async def test_a_server_that_speaks_no_http() -> None:
    async def babble(stream: trio.SocketStream) -> None:
        await stream.send_all(b"AMQP\x00\x00\x09\x01")

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, babble, listeners)
        async with Web(LIMITS, None) as client:
            with pytest.raises(WebError):
                await client.get(f"http://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()


async def test_so_many_requests_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "REQUESTS_MAX", 2)
    at_once, most = 0, 0

    class Nothing(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal at_once
            await trio.lowlevel.checkpoint()
            at_once -= 1
            yield b""

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await trio.lowlevel.checkpoint()
            return httpx.Response(200, stream=Nothing())

    async with Web(LIMITS, None) as client:
        monkeypatch.setattr(client, "_transport", Transport())
        async with trio.open_nursery() as nursery:
            for _ in range(7):
                nursery.start_soon(client.get, "http://localhost/")
    assert most == 2


async def test_certificates_are_verified(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    for name, ca in ("ours", authority), ("theirs", stranger):
        ca.cert_pem.write_to_path(tmp_path / name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with serving(tls) as service:
        address = f"https://127.0.0.1:{service.port}/"
        async with Web(LIMITS, str(tmp_path / "ours")) as client:
            assert (await client.get(address)).body == b"allow"
        for file in str(tmp_path / "theirs"), None:
            async with Web(LIMITS, file) as client:
                with pytest.raises(WebError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.get(address)


def test_authorities_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Web(LIMITS, str(tmp_path / "none"))
