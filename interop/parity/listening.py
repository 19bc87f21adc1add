"""Brokers that listen for TLS, and the certificates that clients show them.

Both sides of a comparison have the same authority and the same certificate, so that what they tell of them is the same.
"""

import contextlib
import json
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from interop.kit.brokers import private_folder
from interop.kit.tls import Tls, make_authority, make_tls
from interop.rabbitmq import free_ports

MECHANISMS = ("PLAIN", "AMQPLAIN", "EXTERNAL")

Subject = Sequence[Sequence[tuple[x509.ObjectIdentifier | str, str]]]
"""The parts of a name, each with the attributes that stand together in it."""


RABBITMQ_CONF = "".join(f"auth_mechanisms.{number} = {name}\n" for number, name in enumerate(MECHANISMS, 1))


@dataclass(frozen=True)
class Listening:
    """How a scenario wants its brokers to listen."""

    asks: bool = True
    """For certificates of clients."""
    insists: bool = False
    login_from: str = "distinguished_name"
    san_type: str = "dns"
    san_index: int = 0

    @property
    def settings(self) -> Mapping[str, str | int]:
        """Of names, as both brokers call them."""
        return {
            "ssl_cert_login_from": self.login_from,
            "ssl_cert_login_san_type": self.san_type,
            "ssl_cert_login_san_index": self.san_index,
        }

    def erlang(self, tls: Tls) -> str:
        """What to have a running RabbitMQ evaluate, so that it listens like this as well.

        Its listeners keep the options that they were started with, and it looks at its settings at each login.
        """
        files = f'{{cacertfile, "{tls.authority}"}}, {{certfile, "{tls.server}"}}, {{keyfile, "{tls.server}"}}'
        verify = f"verify_{'peer' if self.asks else 'none'}"
        options = (
            f"[{files}, {{versions, ['tlsv1.3', 'tlsv1.2']}}, {{verify, {verify}}}, "
            f"{{fail_if_no_peer_cert, {str(self.insists).lower()}}}]"
        )
        settings = {"ssl_options": options, **self.settings}
        told = [f"application:set_env(rabbit, {name}, {value})" for name, value in settings.items()]
        address = f'{{"127.0.0.1", {tls.port}}}'
        told += [f"ok = rabbit_networking:start_ssl_listener({address}, rabbit_networking:ensure_ssl(), 10)"]
        return ", ".join(told) + "."

    def amqpy_toml(self) -> str:
        settings = {"auth_mechanisms": MECHANISMS, **self.settings}
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


@dataclass(frozen=True)
class Secured:
    """The TLS listener of a broker."""

    tls: Tls
    authority: trustme.CA

    @cached_property
    def stranger(self) -> trustme.CA:
        """An authority that the broker does not know."""
        return make_authority()

    def context(self, certificate: bytes | None = None) -> ssl.SSLContext:
        """That of a client who trusts the broker, and may have a certificate (and its key, in PEM)."""
        context = ssl.create_default_context(cafile=str(self.tls.authority))
        if certificate is not None:
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate)
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def issue(
        self,
        subject: Subject,
        alternative: Sequence[x509.GeneralName] = (),
        *,
        days: tuple[int, int] = (-1, 1),
        by: trustme.CA | None = None,
    ) -> bytes:
        """A client's certificate and its key in PEM, valid from one day to the other, counted from today."""
        authority = by or self.authority
        signing = load_pem_private_key(authority.private_key_pem.bytes(), None)
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
        key = ec.generate_private_key(ec.SECP256R1())
        first, last = (today() + timedelta(days=number) for number in days)
        name = name_of(subject)
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number(), first, last)
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        certificate = builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def name_of(subject: Subject) -> x509.Name:
    return x509.Name([x509.RelativeDistinguishedName([attribute(*each) for each in part]) for part in subject])


def attribute(oid: x509.ObjectIdentifier | str, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(x509.ObjectIdentifier(oid) if isinstance(oid, str) else oid, value)


@contextlib.contextmanager
def two_listeners(listening: Listening) -> Iterator[tuple[Secured, Secured]]:
    """Where two brokers may listen, with the same certificate."""
    with private_folder() as folder:
        authority = make_authority()
        made = make_tls(folder, asks_for_certificates=listening.asks, authority=authority)
        one = Secured(replace(made, needs_certificates=listening.insists), authority)
        yield one, replace(one, tls=replace(one.tls, port=free_ports(1)[0]))
