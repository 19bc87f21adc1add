"""Handshakes of TLS that do not come about: who is refused, what the log says, and that nothing is left of them."""

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.server.certificates import Certificates, utc_now
from amqpy.server.tls import TlsHandshakes, TlsTransport
from amqpy.server.transport import SocketTransport
from tests.certificates import HOST, client_context, expired, issued, not_yet_valid, rewritten, write, write_authority

LOG = logging.getLogger("amqpy.tests")


class Door:
    """The server's side of handshakes: who came in, and what the log says of the others."""

    def __init__(self, handshakes: TlsHandshakes, nursery: trio.Nursery) -> None:
        self._handshakes = handshakes
        self._nursery = nursery
        self.came_in: list[TlsTransport] = []
        self.subjects: list[str | None] = []

    def connect(self) -> trio.SocketStream:
        ours, theirs = socket.socketpair()
        self._nursery.start_soon(self._secure, SocketTransport(ours))
        return trio.SocketStream(trio.socket.from_stdlib_socket(theirs))

    async def _secure(self, transport: SocketTransport) -> None:
        if (secured := await self._handshakes.secure(transport, "a peer")) is not None:
            self.came_in.append(secured[0])
            certificate = secured[1].certificate
            self.subjects.append(None if certificate is None else certificate.subject)


@pytest.fixture
async def door(nursery: trio.Nursery, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    settings = getattr(request, "param", {})
    if settings:
        settings = {"tls_ca": write_authority(tmp_path), "tls_verify": "verify_peer", **settings}
    config = Config(tls_cert=(write(tmp_path, "server.pem", issued()),), **settings)
    door = Door(TlsHandshakes(Certificates(config.tls, LOG, utc_now), 5, LOG), nursery)
    yield door
    for transport in door.came_in:
        transport.close()


asks_for_certificates = pytest.mark.parametrize("door", [{"tls_fail_if_no_peer_cert": False}], indirect=True)
needs_certificates = pytest.mark.parametrize("door", [{"tls_fail_if_no_peer_cert": True}], indirect=True)


async def shake_hands(door: Door, certificate: trustme.LeafCert | None = None, **options: Any) -> str:  # noqa: ANN401
    """How it ended for a client: the version of TLS, or the alert that it got."""
    context = client_context(certificate)
    for name, value in options.items():
        setattr(context, name, value)
    stream = trio.SSLStream(door.connect(), context, server_hostname=HOST, https_compatible=True)
    try:
        await stream.do_handshake()
        with trio.move_on_after(1):
            await stream.receive_some(1)
    except trio.BrokenResourceError as error:
        return str(error.__cause__)
    else:
        return str(stream.version())
    finally:
        await trio.aclose_forcefully(stream)


def log_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == LOG.name]


async def test_a_client_comes_in(door: Door) -> None:
    assert await shake_hands(door) == "TLSv1.3"
    assert await shake_hands(door, maximum_version=ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert door.subjects == [None, None]


@asks_for_certificates
async def test_a_certificate_that_is_asked_for_is_known_then(door: Door) -> None:
    assert await shake_hands(door, issued("client.example", common_name="app")) == "TLSv1.3"
    assert await shake_hands(door) == "TLSv1.3"
    assert [subject and subject.split(",")[0] for subject in door.subjects] == ["CN=app", None]


@asks_for_certificates
@pytest.mark.parametrize(
    ("certificate", "alert", "reason"),
    [
        (expired, "ALERT_CERTIFICATE_EXPIRED", "certificate has expired"),
        (not_yet_valid, "ALERT_BAD_CERTIFICATE", "certificate is not yet valid"),
        (partial(issued, by="others"), "ALERT_UNKNOWN_CA", "unable to get local issuer certificate"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bad_certificates(
    door: Door,
    certificate: Callable[[], trustme.LeafCert],
    alert: str,
    reason: str,
    version: ssl.TLSVersion,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = await shake_hands(door, certificate(), minimum_version=version, maximum_version=version)
    assert alert in ended
    assert log_of(caplog) == [f"TLS handshake failed: the client's certificate is refused: {reason}"]
    assert not door.came_in


@asks_for_certificates
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x0c\x03app", b"\x14\x03\xe9pp"),
        (b"\x0c\x03app", b"\x13\x03\xff\xfep"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"),
    ],
    ids=["Latin-1", "not printable", "an unknown version"],
)
async def test_certificates_that_cannot_be_read(
    door: Door, before: bytes, after: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenSSL takes them, who looks for no names in them."""
    await shake_hands(door, rewritten(before, after))
    (line,) = log_of(caplog)
    assert line.startswith("TLS handshake failed: the client's certificate is refused: it cannot be read: ")
    assert not door.came_in


@needs_certificates
async def test_no_certificate_where_one_is_needed(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    assert "ALERT_CERTIFICATE_REQUIRED" in await shake_hands(door)
    assert log_of(caplog) == ["TLS handshake failed: peer did not return a certificate"]


@pytest.mark.parametrize("door", [{"tls_versions": ("tlsv1.3",)}], indirect=True)
async def test_versions_that_are_not_spoken(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    ended = await shake_hands(door, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert "ALERT_PROTOCOL_VERSION" in ended
    assert log_of(caplog) == ["TLS handshake failed: unsupported protocol"]


async def test_plain_bytes(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    async with door.connect() as stream:
        await stream.send_all(b"AMQP\0\0\x09\x01")
        assert await stream.receive_some() == bytes.fromhex("1503030002020a")
        assert await stream.receive_some() == b"", "the connection is closed"
    assert log_of(caplog) == ["TLS handshake failed: the client does not speak TLS"]


def hello() -> bytes:
    """The first words of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("share", [0, 0.5, 1])
async def test_who_does_not_go_on_is_dropped(
    autojump_clock: MockClock, door: Door, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    began = trio.current_time()
    words = hello()
    async with door.connect() as stream:
        if share:
            await stream.send_all(words[: int(len(words) * share)])
        while await stream.receive_some():
            pass
    assert trio.current_time() - began == pytest.approx(5)
    assert log_of(caplog) == ["TLS handshake failed: it took more than 5 s"]


async def test_a_byte_at_a_time_is_not_enough_to_stay(autojump_clock: MockClock, door: Door) -> None:
    """Each byte is a sign of life, but the whole must be done in time."""
    began = trio.current_time()
    async with door.connect() as stream:
        try:
            for byte in hello():
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.5)
        except trio.BrokenResourceError:
            assert trio.current_time() - began < 6
        else:
            pytest.fail("it may go on for ever")


async def test_a_thousand_that_begin_and_leave_leave_nothing(
    autojump_clock: MockClock, door: Door, nursery: trio.Nursery
) -> None:
    words = hello()
    for _ in range(1000):
        stream = door.connect()
        await stream.send_all(words)
        await trio.aclose_forcefully(stream)
    await wait_all_tasks_blocked()
    assert not nursery.child_tasks
    assert await shake_hands(door) == "TLSv1.3"
