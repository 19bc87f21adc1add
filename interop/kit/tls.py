"""Certificates for brokers and their clients, of an authority that exists for one run, and sockets in TLS."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from interop.rabbitmq import free_ports

HOSTS = ("localhost", "127.0.0.1")
RECORD_SIZE = 16 * 1024
PKCS12_PASSWORD = "interop"


@dataclass(frozen=True)
class Tls:
    """The files of a broker's TLS listener, and its port on loopback."""

    authority: Path
    server: Path
    """Certificate and key."""
    client: Path
    """The same of a client."""
    port: int
    asks_for_certificates: bool = False
    needs_certificates: bool = False

    @property
    def client_pkcs12(self) -> Path:
        """The client's once more, in the form that Java reads."""
        return self.client.with_suffix(".p12")

    def amqpy_options(self) -> list[str]:
        options = ["--listen", f"amqps://127.0.0.1:{self.port}", "--tls-cert", str(self.server)]
        if self.asks_for_certificates:
            options += ["--tls-ca", str(self.authority), "--tls-verify", "verify_peer"]
        return [*options, "--tls-fail-if-no-peer-cert"] if self.needs_certificates else options

    def rabbitmq_conf(self) -> Iterator[str]:
        yield f"listeners.ssl.local = 127.0.0.1:{self.port}"
        yield f"ssl_options.cacertfile = {self.authority}"
        yield f"ssl_options.certfile = {self.server}"
        yield f"ssl_options.keyfile = {self.server}"
        yield "ssl_options.versions.1 = tlsv1.3"
        yield "ssl_options.versions.2 = tlsv1.2"
        yield f"ssl_options.verify = {'verify_peer' if self.asks_for_certificates else 'verify_none'}"
        yield f"ssl_options.fail_if_no_peer_cert = {str(self.needs_certificates).lower()}"


def make_authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def make_tls(
    folder: Path, *, asks_for_certificates: bool = False, client: str = "client", authority: trustme.CA | None = None
) -> Tls:
    """Writes an authority (a new one, if none is given), and what it issues for a broker on loopback and for a client
    of this name, into a folder."""
    authority = authority or make_authority()
    tls = Tls(
        authority=folder / "authority.pem",
        server=folder / "server.pem",
        client=folder / "client.pem",
        port=free_ports(1)[0],
        asks_for_certificates=asks_for_certificates,
    )
    servers = authority.issue_cert(*HOSTS, key_type=trustme.KeyType.ECDSA)
    clients = authority.issue_cert("client.example", common_name=client, key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(tls.authority)
    servers.private_key_and_cert_chain_pem.write_to_path(tls.server)
    clients.private_key_and_cert_chain_pem.write_to_path(tls.client)
    tls.client_pkcs12.write_bytes(as_pkcs12(clients))
    return tls


def as_pkcs12(issued: trustme.LeafCert) -> bytes:
    """The certificate and its key, under `PKCS12_PASSWORD`."""
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    password = BestAvailableEncryption(PKCS12_PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"client", key, certificate, None, password)


class TlsSocket(ssl.SSLSocket):
    """A TLS socket that behaves like a plain one in a loop with a selector: it raises BlockingIOError where it would
    block, and leaves nothing behind that a selector would not tell of."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:  # noqa: ANN401
        if self.gettimeout() != 0:
            return super().recv_into(buffer, nbytes, flags)
        view, size = memoryview(buffer), 0
        while not size or len(view) - size >= RECORD_SIZE:
            try:
                got = super().recv_into(view[size:])
            except ssl.SSLWantReadError:
                if not size:
                    raise BlockingIOError from None
                return size
            if not got:
                return size
            size += got
        return size

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401
        try:
            return super().send(data, flags)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None


def in_tls(connection: socket.socket) -> socket.socket:
    """The connection in TLS. The broker is not asked who it is: it is a child of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.sslsocket_class = TlsSocket
    return context.wrap_socket(connection)
