"""Certificates for brokers and their clients, of an authority that exists for one run, and sockets in TLS."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from interop.rabbitmq import free_ports

HOSTS = ("localhost", "127.0.0.1")
RECORD_SIZE = 16 * 1024


@dataclass(frozen=True)
class Tls:
    """The files of a broker's TLS listener, and its port on loopback."""

    authority: Path
    server: Path
    """Certificate and key."""
    client: Path
    port: int
    asks_for_certificates: bool = False

    def amqpy_options(self) -> list[str]:
        options = ["--listen", f"amqps://127.0.0.1:{self.port}", "--tls-cert", str(self.server)]
        if self.asks_for_certificates:
            options += ["--tls-ca", str(self.authority), "--tls-verify", "verify_peer"]
        return options

    def rabbitmq_conf(self) -> Iterator[str]:
        yield f"listeners.ssl.local = 127.0.0.1:{self.port}"
        yield f"ssl_options.cacertfile = {self.authority}"
        yield f"ssl_options.certfile = {self.server}"
        yield f"ssl_options.keyfile = {self.server}"
        yield "ssl_options.versions.1 = tlsv1.3"
        yield "ssl_options.versions.2 = tlsv1.2"
        yield f"ssl_options.verify = {'verify_peer' if self.asks_for_certificates else 'verify_none'}"
        yield "ssl_options.fail_if_no_peer_cert = false"


def make_tls(folder: Path, *, asks_for_certificates: bool = False) -> Tls:
    """Writes an authority, and what it issues for a broker on loopback and for a client, into a folder."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    files = {name: folder / f"{name}.pem" for name in ("authority", "server", "client")}
    authority.cert_pem.write_to_path(files["authority"])
    for name, identities, common_name in (("server", HOSTS, None), ("client", ("client.example",), "client")):
        issued = authority.issue_cert(*identities, common_name=common_name, key_type=trustme.KeyType.ECDSA)
        issued.private_key_and_cert_chain_pem.write_to_path(files[name])
    return Tls(**files, port=free_ports(1)[0], asks_for_certificates=asks_for_certificates)


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
