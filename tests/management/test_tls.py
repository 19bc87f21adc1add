"""The management API and metrics over real sockets: in TLS, on several addresses, over IPv6, below a prefix."""

import json
import logging
import signal
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from amqpy.app import RunningBroker, serve
from amqpy.config import Config
from amqpy.config.sources import has_ipv6
from amqpy.config.values import HttpsAddress, TcpAddress
from amqpy.management import server as web
from tests.certificates import HOST, client_context, issued, write, write_authority
from tests.server.peer import LOG
from tests.serving import serving

LOGIN = b64encode(b"guest:guest").decode()
API, METRICS, OTHER = "api.example", "metrics.example", "other.example"
ANYWHERE = "127.0.0.1"


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[RunningBroker]:  # noqa: ANN401
    """A broker with free ports where nothing else is said."""
    chosen: dict[str, Any] = {"port": 0, "management": True, "strict": True, "control_socket": ""}
    stop = trio.Event()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            broker = await nursery.start(serve, Config(**chosen, **settings), LOG, stop)
            yield broker
            stop.set()


async def ask(
    address: TcpAddress, path: str, context: ssl.SSLContext | None = None, name: str = HOST
) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of the answer to GET. Raises BrokenResourceError if there is none."""
    stream: trio.abc.Stream
    if context is None:
        stream = await trio.open_tcp_stream(address.host, address.port)
    else:
        stream = trio.SSLStream(
            await trio.open_tcp_stream(address.host, address.port), context, server_hostname=name, https_compatible=True
        )
    async with stream:
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic {LOGIN}\r\nconnection: close\r\n\r\n"
        await stream.send_all(head.encode())
        answer = bytearray()
        while data := await stream.receive_some():
            answer += data
    if not answer.startswith(b"HTTP/"):
        raise trio.BrokenResourceError("no answer")
    first, _, body = bytes(answer).partition(b"\r\n\r\n")
    status, *lines = first.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


def certificate_shown(address: TcpAddress) -> bytes:
    return ssl.get_server_certificate((address.host, address.port)).encode()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The files with the certificate of each of these names."""
    return {name: write(tmp_path, f"{name}.pem", issued(name)) for name in (HOST, API, METRICS)}


async def test_each_port_shows_its_own_certificate(files: dict[str, str]) -> None:
    async with running(
        tls_cert=(files[HOST],),
        management_port=0,
        management_tls_port=0,
        management_tls_cert=(files[API],),
        prometheus_port=0,
        prometheus_tls_port=0,
        prometheus_tls_cert=(files[METRICS],),
    ) as broker:
        plain, secure = broker.management
        assert (type(plain), type(secure)) == (TcpAddress, HttpsAddress)
        assert (await ask(plain, "/api/whoami"))[0] == 200
        status, _, body = await ask(secure, "/api/overview", client_context(), API)
        assert status == 200
        told = {each["protocol"]: each["port"] for each in json.loads(body)["listeners"]}
        assert (told["http"], told["https"]) == (plain.port, secure.port)
        plain_metrics, secure_metrics = broker.metrics
        assert told["https/prometheus"] == secure_metrics.port
        assert (await ask(plain_metrics, "/metrics"))[0] == 200
        assert (await ask(secure_metrics, "/metrics", client_context(), METRICS))[0] == 200


async def test_without_one_they_show_that_of_the_broker(files: dict[str, str]) -> None:
    async with running(
        tls_cert=(files[HOST],), management_tls_port=0, prometheus_listen=("https://127.0.0.1:0",)
    ) as broker:
        assert len(broker.certificates) == 1
        for address in (*broker.management, *broker.metrics):
            assert isinstance(address, HttpsAddress)
            assert (await ask(address, "/metrics", client_context()))[0] == 200


async def test_files_that_have_changed_are_read_anew(tmp_path: Path, files: dict[str, str]) -> None:
    async with running(management_tls_port=0, management_tls_cert=(files[API],), prometheus=False) as broker:
        (address,) = broker.management
        before = await trio.to_thread.run_sync(certificate_shown, address)
        write(tmp_path, f"{API}.pem", issued(OTHER))
        for certificates in broker.certificates.values():
            assert certificates.reload()
        assert await trio.to_thread.run_sync(certificate_shown, address) != before
        assert (await ask(address, "/api/whoami", client_context(), OTHER))[0] == 200


async def test_certificates_of_clients(tmp_path: Path, files: dict[str, str]) -> None:
    asking: dict[str, Any] = {
        "prometheus_tls_verify": "verify_peer",
        "prometheus_tls_fail_if_no_peer_cert": True,
        "prometheus_tls_ca": write_authority(tmp_path),
    }
    async with running(
        management_port=0, prometheus_tls_port=0, prometheus_tls_cert=(files[METRICS],), **asking
    ) as broker:
        (address,) = broker.metrics
        known = client_context(issued("prometheus.example"))
        assert (await ask(address, "/metrics", known, METRICS))[0] == 200
        for context in (client_context(), client_context(issued("evil.example", by="theirs"))):
            with pytest.raises(trio.BrokenResourceError):
                await ask(address, "/metrics", context, METRICS)
        assert (await ask(address, "/metrics", known, METRICS))[0] == 200


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"management_tls_port": 0}, "an address with TLS needs a certificate: tls_cert is not set"),
        ({"management_tls_port": 0, "management_tls_key": ("k",)}, "certificate: management_tls_cert is not set"),
        ({"prometheus_listen": ("https://127.0.0.1:0",)}, "an address with TLS needs a certificate"),
    ],
)
async def test_there_is_no_tls_without_a_certificate(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(OSError, match=error):
        await serve(Config(port=0, management=True, **settings), LOG)


async def test_a_handshake_that_fails_is_told_to_the_log(
    files: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with running(management_tls_port=0, management_tls_cert=(files[API],), prometheus=False) as broker:
            (address,) = broker.management
            with pytest.raises(trio.BrokenResourceError):
                await ask(address, "/api/whoami")
            with pytest.raises(trio.BrokenResourceError):
                await ask(address, "/api/whoami", client_context(trusts="theirs"), API)
            assert (await ask(address, "/api/whoami", client_context(), API))[0] == 200
    failures = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert failures == [
        "TLS handshake failed: the client does not speak TLS",
        "TLS handshake failed: the client ended the connection",
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_signal_has_certificates_read_anew(files: dict[str, str]) -> None:
    """Also where there is none for AMQP."""
    settings = {"MANAGEMENT": "true", "MANAGEMENT_TLS_PORT": "0", "MANAGEMENT_TLS_CERT": files[API]}
    with serving("--port", "0", "--memory", **{f"AMQPY_{name}": value for name, value in settings.items()}) as broker:
        broker.ready()
        broker.signal(signal.SIGHUP)
        broker.read_until("certificates were read anew")
        broker.stop()


@pytest.mark.skipif(not has_ipv6(), reason="this system has no IPv6")
async def test_ipv6() -> None:
    async with running(management_listen=("[::1]:0", "127.0.0.1:0"), prometheus=False) as broker:
        assert [address.host for address in broker.management] == ["::1", "127.0.0.1"]
        for address in broker.management:
            assert (await ask(address, "/api/whoami"))[2] == b'{"name":"guest","tags":["administrator"]}'


async def test_a_prefix_is_before_all_paths() -> None:
    async with running(management_port=0, management_path_prefix="/rabbit", prometheus=False) as broker:
        (address,) = broker.management
        assert (await ask(address, "/rabbit/api/whoami"))[0] == 200
        assert (await ask(address, "/rabbit/metrics"))[0] == 200
        for path in ("/api/whoami", "/rabbitx/api/whoami", "/api", "/metrics", "/rabbit/nope"):
            assert (await ask(address, path))[0] == 404, path
        for path, location in (
            ("/", "/rabbit/"),
            ("/rabbit/api", "/rabbit/api/index.html"),
            ("/rabbit/mgmt", "/rabbit/"),
        ):
            status, headers, _ = await ask(address, path)
            assert (status, headers["location"]) == (301, location)


async def test_connections_that_are_idle_take_no_place_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CONNECTIONS_MAX", 3)
    async with running(management_port=0, prometheus=False) as broker:
        (address,) = broker.management
        assert (await ask(address, "/api/whoami"))[0] == 200
        idle = [await trio.open_tcp_stream(address.host, address.port) for _ in range(6)]
        for each in idle[:3]:
            with suppress(trio.BrokenResourceError):
                assert await each.receive_some() == b""
        for _ in range(3):
            assert (await ask(address, "/api/whoami"))[0] == 200
        for each in idle:
            await each.aclose()
