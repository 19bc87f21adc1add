"""Certificates for tests: an authority, and what it issues. Made once for all tests of a process."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "broker.example"
OURS = "ours"
"""The authority that everybody trusts."""

issue_options: dict[str, Any] = {"key_type": trustme.KeyType.ECDSA}


@cache
def authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name, **issue_options)


@cache
def issued(*names: str, common_name: str | None = None, by: str = OURS, **more: Any) -> trustme.LeafCert:  # noqa: ANN401
    return authority(by).issue_cert(*names or (HOST,), common_name=common_name, **more, **issue_options)


def days(number: int) -> datetime:
    """So many days from now."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=number)


@cache
def expired() -> trustme.LeafCert:
    return issued(not_before=days(-20), not_after=days(-10))


@cache
def not_yet_valid() -> trustme.LeafCert:
    return issued(not_before=days(10), not_after=days(20))


def write(folder: Path, name: str, certificate: trustme.LeafCert) -> str:
    """Writes a certificate and its key into one file; returns its path."""
    path = folder / name
    path.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    return str(path)


def write_authority(folder: Path, name: str = OURS) -> str:
    path = folder / f"{name}-ca.pem"
    authority(name).cert_pem.write_to_path(str(path))
    return str(path)


def revocation_list(*revoked: trustme.LeafCert) -> bytes:
    """A list of revoked certificates of our authority, in PEM."""
    key = serialization.load_pem_private_key(authority(OURS).private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority(OURS).cert_pem.bytes()).subject
    builder = x509.CertificateRevocationListBuilder(issuer, days(-1), days(10))
    for each in revoked:
        serial = x509.load_pem_x509_certificate(each.cert_chain_pems[0].bytes()).serial_number
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial, revocation_date=days(-1)).build()
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def client_context(certificate: trustme.LeafCert | None = None, *, trusts: str = OURS) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(trusts).configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


@cache
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued().configure_cert(context)
    return context


def with_name(*parts: list[x509.NameAttribute[str]], san: list[x509.GeneralName] | None = None) -> bytes:
    """A certificate in DER for a subject of these parts (attributes that stand together), signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(list(map(x509.RelativeDistinguishedName, parts)))
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0xA1B2, days(-1), days(1))
    if san is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
