"""EXTERNAL: the user whose name is in the client's certificate; and what events and views say of TLS."""

import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from pamqp.commands import Connection

from amqpy.amqp import views
from amqpy.amqp.peer_certificate import PeerCertificate
from amqpy.amqp.terms import CipherSuite, Peer, TlsFacts, suite_of
from amqpy.config import Config
from amqpy.core.users import Credentials
from tests.certificates import rewritten, with_name

from .client import HEADER, OPENING, Client, make_broker, make_users, names, start_ok
from .test_handshake import never

SUITE = CipherSuite("any", "aes_256_gcm", "aead")
TOLD = {"authentication_failure_close": True}


def attribute(oid: x509.ObjectIdentifier | str, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(x509.ObjectIdentifier(oid) if isinstance(oid, str) else oid, value)


def certificate(*parts: list[x509.NameAttribute[str]], san: list[x509.GeneralName] | None = None) -> PeerCertificate:
    return PeerCertificate(with_name(*parts, san=san))


def of_app() -> PeerCertificate:
    return certificate([attribute(NameOID.COMMON_NAME, "app")])


def in_tls(certificate: PeerCertificate | None) -> Peer:
    return Peer(
        "10.0.0.1:5000 -> 10.0.0.2:5671", "10.0.0.1", 5000, "10.0.0.2", 5671, TlsFacts("tlsv1.3", SUITE, certificate)
    )


def connecting(peer: Peer, **settings: object) -> Client:
    broker = make_broker(Config(auth_mechanisms=("PLAIN", "EXTERNAL"), **settings))  # type: ignore[arg-type]
    users = make_users(broker)
    for name in ("CN=app", "app"):
        users.add_user(name)
        users.set_permissions(name, "/", ".*", ".*", ".*")
    return Client(broker, users=users, peer=peer, from_loopback=False)


# --- logging in


def mechanisms_of(client: Client) -> str:
    (start,) = client.feed(HEADER)
    return str(start.method.mechanisms)


def test_it_is_offered_in_tls_with_a_certificate_or_without() -> None:
    for each in (None, of_app()):
        assert mechanisms_of(connecting(in_tls(each))) == "PLAIN EXTERNAL"
    assert mechanisms_of(connecting(Peer())) == "PLAIN"


def test_a_certificate_is_enough() -> None:
    client = connecting(in_tls(of_app()))
    client.feed(HEADER)
    assert names(client.send(start_ok("whatever it says", "EXTERNAL"), channel=0)) == ["Connection.Tune"]
    assert names(client.send(*OPENING[1:], channel=0)) == ["Connection.OpenOk"]
    assert client.session.user_name == "CN=app"


def test_the_common_name_by_the_setting() -> None:
    client = connecting(in_tls(of_app()), ssl_cert_login_from="common_name")
    client.feed(HEADER)
    assert names(client.send(start_ok("", "EXTERNAL"), channel=0)) == ["Connection.Tune"]
    assert client.session.user_name == "app"


@pytest.mark.parametrize(
    ("shown", "settings", "reason"),
    [
        (None, {}, "connection peer presented no TLS (x.509) certificate"),
        (of_app, {"ssl_cert_login_from": "subject_alternative_name"}, "no name found"),
        (lambda: certificate([attribute(NameOID.COMMON_NAME, "nobody")]), {}, "user 'CN=nobody' - invalid credentials"),
        (lambda: certificate(), {}, "user '' - invalid credentials"),
    ],
)
def test_refusals(shown, settings, reason, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    client = connecting(in_tls(shown and shown()), **settings)
    client.feed(HEADER)
    (close,) = client.send(start_ok("", "EXTERNAL", **TOLD), channel=0)
    assert (close.method.reply_code, close.method.class_id, close.method.method_id) == (403, 0, 0)
    assert close.method.reply_text == (
        "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. "
        "For details see the broker logfile."
    )
    assert f"EXTERNAL login refused: {reason}" in caplog.messages


def test_without_tls_it_is_no_mechanism(caplog: pytest.LogCaptureFixture) -> None:
    client = connecting(Peer())
    client.feed(HEADER)
    assert client.send(start_ok("", "EXTERNAL", **TOLD), channel=0) == []
    assert "unknown authentication mechanism 'EXTERNAL'" in caplog.text


def test_with_a_password_the_certificate_means_nothing() -> None:
    client = connecting(in_tls(of_app()), loopback_users=())
    client.feed(HEADER)
    assert names(client.send(start_ok("\0guest\0guest"), channel=0)) == ["Connection.Tune"]
    assert client.session.user_name == "guest"


# --- names


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([[(NameOID.COUNTRY_NAME, "DE")], [(NameOID.COMMON_NAME, "app")]], "CN=app,C=DE"),
        (
            [
                [(NameOID.COUNTRY_NAME, "DE")],
                [(NameOID.STATE_OR_PROVINCE_NAME, "Bayern")],
                [(NameOID.LOCALITY_NAME, "München")],
                [(NameOID.ORGANIZATION_NAME, "Acme, Inc.")],
                [(NameOID.ORGANIZATIONAL_UNIT_NAME, 'R&D "x" <y>; a+b\\c')],
                [(NameOID.COMMON_NAME, "app")],
            ],
            r"CN=app,OU=R&D \"x\" \<y\>\; a\+b\\c,O=Acme\, Inc.,L=M\C3\BCnchen,ST=Bayern,C=DE",
        ),
        (
            [
                [(NameOID.COMMON_NAME, "a"), (NameOID.USER_ID, "u1")],
                [(NameOID.DOMAIN_COMPONENT, "example")],
                [(NameOID.EMAIL_ADDRESS, "a@b.c")],
            ],
            "EMAILADDRESS=a@b.c,DC=example,CN=a+UID=u1",
        ),
        ([[(NameOID.COMMON_NAME, " #x ")], [(NameOID.COMMON_NAME, "#y~=")]], r"CN=\#y\7E=,CN=\ #x\ "),
        ([[("1.2.3.4.5", "odd")], [(NameOID.COMMON_NAME, "x\ty")]], r"CN=x\09y,1.2.3.4.5=odd"),
        ([[(NameOID.STREET_ADDRESS, "Str 1")], [(NameOID.DN_QUALIFIER, "dq")]], "2.5.4.46=dq,2.5.4.9=Str 1"),
        ([[(NameOID.SURNAME, "s"), (NameOID.GIVEN_NAME, "g"), (NameOID.SERIAL_NUMBER, "7")]], None),
        ([], ""),
    ],
)
def test_distinguished_names_are_as_rabbitmq_writes_them(parts: list[list[tuple[str, str]]], text: str | None) -> None:
    subject = certificate(*[[attribute(*each) for each in part] for part in parts]).subject
    if text is None:
        assert set(subject.split("+")) == {"SN=s", "GIVENNAME=g", "SERIALNUMBER=7"}
    else:
        assert subject == text


ALTERNATIVES: list[x509.GeneralName] = [
    x509.DNSName("one.example"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
    x509.RFC822Name("app@example.com"),
    x509.DNSName("two.example"),
    x509.UniformResourceIdentifier("urn:app"),
    x509.IPAddress(ipaddress.ip_address("2001:db8::7")),
    x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x07app@upn"),
]


@pytest.mark.parametrize(
    ("kind", "index", "name"),
    [
        ("dns", 0, "one.example"),
        ("dns", 1, "two.example"),
        ("dns", 2, None),
        ("ip", 0, "192.0.2.7"),
        ("ip", 1, "2001:db8::7"),
        ("email", 0, "app@example.com"),
        ("uri", 0, "urn:app"),
        ("other_name", 0, "app@upn"),
        ("other_name", 1, None),
    ],
)
@pytest.mark.parametrize("source", ["subject_alternative_name", "subject_alt_name"])
def test_alternative_names(kind: str, index: int, name: str | None, source: str) -> None:
    assert certificate(san=ALTERNATIVES).login_name(source, kind, index) == name


@pytest.mark.parametrize("spoilt", [b"\x82\x0b\xff\xfep.example", b"\xa3\x0bapp.example", b"\x99\x0bapp.example"])
def test_alternative_names_that_cannot_be_read_are_none(spoilt: bytes) -> None:
    pem = rewritten(b"\x82\x0bapp.example", spoilt).cert_chain_pems[0].bytes().decode()
    assert PeerCertificate(ssl.PEM_cert_to_DER_cert(pem)).login_name("subject_alternative_name", "dns", 0) is None


def test_several_common_names_are_one_name() -> None:
    both = certificate([attribute(NameOID.COMMON_NAME, "a")], [attribute(NameOID.COMMON_NAME, "b")])
    assert both.login_name("common_name", "dns", 0) == "a,b"
    assert certificate().login_name("common_name", "dns", 0) is None


# --- what is said of it


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("TLS_AES_256_GCM_SHA384", ("any", "aes_256_gcm", "aead")),
        ("TLS_CHACHA20_POLY1305_SHA256", ("any", "chacha20_poly1305", "aead")),
        ("TLS_AES_128_CCM_SHA256", ("any", "aes_128_ccm", "aead")),
        ("ECDHE-RSA-AES128-GCM-SHA256", ("ecdhe_rsa", "aes_128_gcm", "aead")),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", ("ecdhe_ecdsa", "chacha20_poly1305", "aead")),
        ("ECDHE-ECDSA-AES256-SHA384", ("ecdhe_ecdsa", "aes_256_cbc", "sha384")),
        ("DHE-RSA-AES256-SHA", ("dhe_rsa", "aes_256_cbc", "sha")),
        ("AES128-SHA", ("rsa", "aes_128_cbc", "sha")),
    ],
)
def test_cipher_suites_have_erlangs_names(name: str, suite: tuple[str, str, str]) -> None:
    assert suite_of(name) == suite


def test_the_view_of_a_connection_has_the_facts() -> None:
    client = connecting(in_tls(of_app()))
    client.feed(HEADER)
    client.send(start_ok("", "EXTERNAL"), channel=0)
    client.send(Connection.TuneOk(2047, 131_072, 0), Connection.Open("/"), channel=0)
    view = views.connection(client.session)
    assert view["ssl"] is True
    facts = {name: view[name] for name in view if name.startswith(("ssl_", "peer_cert"))}
    validity = facts.pop("peer_cert_validity")
    assert isinstance(validity, str)
    assert len(validity) == len("2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z")
    assert facts == {
        "ssl_protocol": "tlsv1.3",
        "ssl_key_exchange": "any",
        "ssl_cipher": "aes_256_gcm",
        "ssl_hash": "aead",
        "peer_cert_subject": "CN=app",
        "peer_cert_issuer": "CN=app",
    }
    plain = views.connection(connecting(in_tls(None)).session)
    assert (plain["ssl"], plain["ssl_protocol"], plain["peer_cert_subject"]) == (True, "tlsv1.3", None)


def test_an_authenticator_is_asked_about_the_name() -> None:
    """Whoever decides who comes in decides that for certificates, too."""
    users_broker = make_broker(Config(auth_mechanisms=("EXTERNAL",)))
    client = Client(users_broker, authenticator=never, peer=in_tls(of_app()))
    client.feed(HEADER)
    assert client.send(start_ok("", "EXTERNAL", **TOLD), channel=0) == []
    assert client.session.question == (never, Credentials("CN=app", None))
    assert names(client.answer("guest")) == ["Connection.Tune"]
