"""Certificates: which one a client gets, when files are read anew, and what is said of those that cannot be used."""

import logging
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from amqpy.config import Config
from amqpy.server.certificates import Certificates, names_of
from tests.certificates import HOST, client_context, days, issued, revocation_list, write, write_authority

LOG = logging.getLogger("amqpy.tests")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def certificates(now: datetime | None = None, **settings: Any) -> Certificates:  # noqa: ANN401
    return Certificates(Config(**settings).tls, LOG, lambda: now or datetime.now(UTC))


def meet(server: ssl.SSLContext, client: ssl.SSLContext, name: str = HOST) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a connection after its handshake. Raises SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends


def shown(server: ssl.SSLContext, name: str) -> set[str]:
    """The names in the certificate that a client gets who asks for this one."""
    context = client_context()
    context.check_hostname = False
    shown = meet(server, context, name)[0].getpeercert(binary_form=True)
    assert shown is not None
    return set(names_of(x509.load_der_x509_certificate(shown)))


# --- files that cannot be used


@pytest.fixture
def good(tmp_path: Path) -> str:
    return write(tmp_path, "good.pem", issued())


def refusal(**settings: Any) -> str:  # noqa: ANN401
    with pytest.raises(OSError, match=r"tls_|cannot use") as refused:
        certificates(**settings)
    return str(refused.value)


def test_an_address_for_tls_needs_a_certificate() -> None:
    assert refusal() == "an address with TLS needs a certificate: tls_cert is not set"


def test_files_that_are_not_there_or_no_certificates(tmp_path: Path, good: str) -> None:
    gone = str(tmp_path / "gone.pem")
    other = tmp_path / "other.pem"
    other.write_text("no certificate")
    at = "cannot use the certificate in"
    assert refusal(tls_cert=(gone,)) == f"{at} {gone}: No such file or directory"
    assert refusal(tls_cert=(str(other),)) == f"{at} {other}: there is no certificate in PEM"
    assert refusal(tls_cert=(good,), tls_key=(gone,)) == f"{at} {good} and {gone}: No such file or directory"
    needs = {"tls_cert": (good,), "tls_verify": "verify_peer"}
    assert refusal(**needs, tls_ca=gone) == f"cannot use the certificates in {gone}: No such file or directory"
    assert "cannot use the certificates in" in refusal(**needs, tls_ca=str(other))
    assert refusal(**needs) == "tls_verify = verify_peer needs the authorities in tls_ca"


def test_keys_that_do_not_fit(tmp_path: Path, good: str) -> None:
    other = write(tmp_path, "other.pem", issued("other.example"))
    assert refusal(tls_cert=(good,), tls_key=(other,)).endswith(": the key is not the certificate's")
    assert refusal(tls_cert=(good,), tls_key=(other, other)) == "tls_key must have one file for each of tls_cert"


def test_encrypted_keys(tmp_path: Path) -> None:
    certificate = issued()
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    secret = "fish and chips"
    encryption = serialization.BestAvailableEncryption(secret.encode())
    encrypted = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (tmp_path / "key.pem").write_bytes(encrypted)
    (tmp_path / "cert.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    files: dict[str, Any] = {"tls_cert": (str(tmp_path / "cert.pem"),), "tls_key": (str(tmp_path / "key.pem"),)}
    assert certificates(**files, tls_key_password=secret).context
    for wrong in ("fish", None):
        said = refusal(**files, tls_key_password=wrong)
        assert said.endswith(": wrong password of the key")
        assert "fish" not in said


def test_ciphers_and_versions(good: str) -> None:
    assert refusal(tls_cert=(good,), tls_ciphers="NONSENSE") == "tls_ciphers: OpenSSL knows none of them"
    gap = ("tlsv1.3", "tlsv1.1")
    assert refusal(tls_cert=(good,), tls_versions=gap) == "tls_versions must not leave out a version between two others"
    old = certificates(tls_cert=(good,), tls_versions=("tlsv1.2",), tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    client, _ = meet(old.context, client_context())
    assert client.cipher() == ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128)
    newest = client_context()
    newest.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        meet(old.context, newest)
    assert meet(certificates(tls_cert=(good,)).context, newest)[0].version() == "TLSv1.3"


# --- names


def test_a_client_gets_the_certificate_for_the_name_it_asks_for(tmp_path: Path) -> None:
    files = [
        write(tmp_path, f"{number}.pem", issued(*names))
        for number, names in enumerate([("one.example",), ("two.example", "zwei.example"), ("*.wild.example",)])
    ]
    server = certificates(tls_cert=tuple(files)).context
    assert shown(server, "one.example") == {"one.example"}
    assert shown(server, "ZWEI.example") == {"two.example", "zwei.example"}
    assert shown(server, "some.wild.example") == {"*.wild.example"}
    assert shown(server, "a.b.wild.example") == {"one.example"}, "a star is for one part of a name"
    assert shown(server, "unknown.example") == {"one.example"}, "the first"


def test_each_certificate_asks_for_the_same_of_clients(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name}.pem", issued(name)) for name in ("one.example", "two.example")]
    server = certificates(
        tls_cert=tuple(files), tls_ca=write_authority(tmp_path), tls_verify="verify_peer", tls_fail_if_no_peer_cert=True
    )
    for name in ("one.example", "two.example"):
        with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
            meet(server.context, client_context(), name)
        assert meet(server.context, client_context(issued("client.example")), name)


# --- reading anew


def test_files_that_change_are_read_anew_and_bad_ones_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "amqpy.tests")
    path = write(tmp_path, "server.pem", issued("old.example"))
    server = certificates(tls_cert=(path,))
    before = server.context
    server.refresh()
    assert server.context is before
    assert not caplog.messages

    write(tmp_path, "server.pem", issued("new.example"))
    server.refresh()
    assert shown(server.context, "x") == {"new.example"}
    assert shown(before, "x") == {"old.example"}, "who has begun with it goes on with it"
    assert caplog.messages == ["certificates were read anew"]

    Path(path).write_text("half a file")
    server.refresh()
    assert shown(server.context, "x") == {"new.example"}
    assert caplog.messages[1:] == [
        f"cannot use the certificate in {path}: there is no certificate in PEM; "
        "the certificates read before stay in use"
    ]
    server.refresh()
    assert len(caplog.messages) == 2, "it is said once"

    os.unlink(path)
    server.refresh()
    write(tmp_path, "server.pem", issued("third.example"))
    server.refresh()
    assert shown(server.context, "x") == {"third.example"}


def test_read_anew_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path, "server.pem", issued())
    server = certificates(tls_cert=(path,))
    before = server.context
    assert server.reload()
    assert server.context is not before


# --- expiry


def test_a_certificate_that_expires_soon_is_warned_of_once_a_day(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "server.pem", issued(not_after=days(40)))
    now = [days(0)]
    server = Certificates(Config(tls_cert=(path,)).tls, LOG, lambda: now[0])
    server.warn_of_expiry()
    assert not caplog.messages
    now[0] = days(10) + timedelta(hours=1)
    server.warn_of_expiry()
    expiry = f"{days(40):%Y-%m-%d}"
    assert caplog.messages == [f"the certificate in {path} expires on {expiry} 00:00 UTC"]
    now[0] += timedelta(hours=23)
    server.warn_of_expiry()
    assert len(caplog.messages) == 1
    now[0] += timedelta(hours=1)
    server.warn_of_expiry()
    assert len(caplog.messages) == 2
    now[0] = days(41)
    server.warn_of_expiry()
    assert caplog.messages[2] == f"the certificate in {path} has expired on {expiry} 00:00 UTC"
    assert server.expiries == {path: days(40)}


# --- revocation


def test_a_certificate_that_was_revoked_is_refused(tmp_path: Path) -> None:
    good, bad = issued("good.example"), issued("bad.example")
    crl = tmp_path / "crl.pem"
    crl.write_bytes(revocation_list(bad))
    server = certificates(
        tls_cert=(write(tmp_path, "server.pem", issued()),),
        tls_ca=write_authority(tmp_path),
        tls_crl=str(crl),
        tls_verify="verify_peer",
    )
    assert meet(server.context, client_context(good))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        meet(server.context, client_context(bad))
