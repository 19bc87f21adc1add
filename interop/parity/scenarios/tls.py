"""TLS: who is let in and how others are refused, EXTERNAL, and what is told of a connection.

A client's certificate has a subject that ends with the run's own number, and so has the user of that name.
"""

import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from interop.parity import codec
from interop.parity.connection import ROOM_FOR_ANYTHING, WAIT_TIMEOUT_S, dialled
from interop.parity.listening import Listening, Subject
from interop.parity.scenario import Differs, scenario
from interop.parity.scenarios.events import Watched
from interop.parity.scenarios.handshake import AUTHENTICATION_FAILURE_CLOSE, REFUSED_END_S, start_ok
from interop.parity.script import Connection, Stage

ASKS, INSISTS, DOES_NOT_ASK = Listening(), Listening(insists=True), Listening(asks=False)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
TOLD = {"capabilities": AUTHENTICATION_FAILURE_CLOSE}


# --- before AMQP


def last_words(connected: socket.socket) -> bytes:
    """What comes until the end, which may be a reset."""
    received = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connected.recv(4096):
            received += data
    return received


@scenario(listening=ASKS, each={"AMQP": codec.PROTOCOL_HEADER, "HTTP": b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n"})
def plain_on_the_tls_port(stage: Stage, words: bytes) -> None:
    """Who does not speak TLS gets an alert, and the end."""
    with socket.create_connection((stage.broker.host, stage.broker.secured_port), WAIT_TIMEOUT_S) as connected:
        connected.sendall(words)
        stage.note(last_words(connected).hex(" "))


@scenario(listening=ASKS)
def tls_on_the_plain_port(stage: Stage) -> None:
    """A hello of TLS is a bad protocol header."""
    connection = stage.dial()
    connection.send_bytes(hello(stage))
    connection.wait_end()


def hello(stage: Stage) -> bytes:
    """The first words of a client."""
    outgoing = ssl.MemoryBIO()
    client = stage.secured.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@scenario(listening=ASKS)
def http_in_tls(stage: Stage) -> None:
    """In TLS as without: the broker says what it speaks, and ends."""
    connection = stage.dial(tls=stage.secured.context())
    connection.send_bytes(b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n")
    connection.wait_end()


@scenario(listening=ASKS, each={"nothing": 0, "half of the hello": 100})
def silence(stage: Stage, size: int) -> None:
    """Who does not go on with the handshake is dropped without a word."""
    with socket.create_connection((stage.broker.host, stage.broker.secured_port), WAIT_TIMEOUT_S) as connected:
        connected.sendall(hello(stage)[:size])
        stage.note(last_words(connected).hex(" "))


@scenario(listening=ASKS)
def silence_in_tls(stage: Stage) -> None:
    """Who says nothing after the handshake is dropped as one without TLS is."""
    stage.dial(tls=stage.secured.context()).wait_end()


# --- certificates of clients

CERTIFICATES: Mapping[str, Callable[[Stage], bytes | None]] = {
    "none": lambda stage: None,
    "good": lambda stage: stage.secured.issue(subject_of(stage)),
    "expired": lambda stage: stage.secured.issue(subject_of(stage), days=(-3, -2)),
    "not yet valid": lambda stage: stage.secured.issue(subject_of(stage), days=(2, 3)),
    "of another authority": lambda stage: stage.secured.issue(subject_of(stage), by=stage.secured.stranger),
}


def subject_of(stage: Stage, common_name: str = "app") -> Subject:
    return [[(NameOID.ORGANIZATION_NAME, stage.name("shop"))], [(NameOID.COMMON_NAME, common_name)]]


def shake_hands(stage: Stage, context: ssl.SSLContext) -> str:
    """How it ends for a client: the version and the cipher, or the alert."""
    try:
        with dialled(stage.broker, context) as connected:
            assert isinstance(connected, ssl.SSLSocket)
            connected.sendall(codec.PROTOCOL_HEADER)
            if not connected.recv(1):
                return "the connection ends"
            return f"{connected.version()} {(connected.cipher() or ('',))[0]}"
    except (ssl.SSLEOFError, ConnectionError):
        return "the connection ends"
    except ssl.SSLError as error:
        return str(error.reason or error)


CASES = {f"{name}, {version}": (name, version) for version in VERSIONS for name in CERTIFICATES}
TOO_EARLY = {
    "not yet valid, 1.2": Differs(
        "OpenSSL has another alert for a certificate that is not valid yet",
        ["SSLV3_ALERT_CERTIFICATE_EXPIRED"],
        ["SSLV3_ALERT_BAD_CERTIFICATE"],
    )
}


@scenario(listening=ASKS, each=CASES, differs=TOO_EARLY)
def certificates_that_are_asked_for(stage: Stage, case: tuple[str, str]) -> None:
    """A bad one is refused, none is not."""
    try_certificate(stage, *case)


@scenario(listening=INSISTS, each=CASES, differs=TOO_EARLY)
def certificates_that_are_needed(stage: Stage, case: tuple[str, str]) -> None:
    """A bad one is refused, and so is none."""
    try_certificate(stage, *case)


@scenario(listening=DOES_NOT_ASK, each=CERTIFICATES)
def certificates_that_nobody_asks_for(stage: Stage, made: Callable[[Stage], bytes | None]) -> None:
    """Nobody sees them."""
    stage.note(shake_hands(stage, stage.secured.context(made(stage))))


@scenario(
    listening=ASKS,
    each=["AES256", "AES128"],
    differs=Differs(
        "Python's choice of suites has none with SHA-1; `tls_ciphers` may",
        ["TLSv1.2 …"],
        ["SSLV3_ALERT_HANDSHAKE_FAILURE"],
    ),
    before="4.0",
)
def old_suites(stage: Stage, cipher: str) -> None:
    """Of TLS 1.2, those that TLS 1.0 had already."""
    context = stage.secured.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"ECDHE-ECDSA-{cipher}-SHA")
    stage.note(shake_hands(stage, context))


def try_certificate(stage: Stage, name: str, version: str) -> None:
    context = stage.secured.context(CERTIFICATES[name](stage))
    context.minimum_version = context.maximum_version = VERSIONS[version]
    ended = shake_hands(stage, context)
    # The client's handshake is over by then, so its first words may cross the alert, which a reset takes with it.
    stage.note("refused" if version == "1.3" and not ended.startswith("TLSv1.3 ") else ended)


# --- EXTERNAL


def greeted(stage: Stage, certificate: bytes | None) -> Connection:
    """A connection in TLS that may send start-ok."""
    connection = stage.dial(tls=stage.secured.context(certificate))
    connection.recording = False
    connection.send_bytes(codec.PROTOCOL_HEADER)
    connection.wait("connection.start")
    connection.recording = True
    return connection


def log_in(stage: Stage, certificate: bytes | None, response: bytes = b"", mechanism: str = "EXTERNAL") -> Connection:
    """A connection whose login is over, in one way or the other."""
    connection = greeted(stage, certificate)
    start_ok(connection, mechanism, response, TOLD)
    connection.wait("connection.tune")
    return connection


def come_in(stage: Stage, certificate: bytes | None, user: str) -> None:
    """Log in as a user that is there by then, and show that it is this one."""
    stage.admin.set_permissions(user, "/")
    connection = log_in(stage, certificate)
    connection.send("connection.tune-ok", **ROOM_FOR_ANYTHING)
    connection.call("connection.open", virtual_host="/")
    channel = connection.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, properties=codec.properties(user_id=user))
    channel.get(queue, no_ack=True)


@scenario(listening=ASKS, each={"without a certificate": False, "with one": True})
def offered(stage: Stage, certified: bool) -> None:
    """EXTERNAL is offered in TLS, whether there is a certificate or not."""
    note_mechanisms(stage, stage.secured.context(stage.secured.issue(subject_of(stage)) if certified else None))


@scenario(listening=ASKS)
def offered_without_tls(stage: Stage) -> None:
    """But not there."""
    note_mechanisms(stage, None)


def note_mechanisms(stage: Stage, tls: ssl.SSLContext | None) -> None:
    """In alphabetical order: in RabbitMQ, that of the setting means nothing."""
    connection = stage.dial(tls=tls)
    connection.recording = False
    connection.send_bytes(codec.PROTOCOL_HEADER)
    (start,) = connection.wait("connection.start")
    stage.note(" ".join(sorted(start["mechanisms"].decode().split())) if start else "none")


@scenario(listening=ASKS, each={"empty": b"", "a name": b"someone", "NULs": b"\0guest\0guest"})
def distinguished_name(stage: Stage, response: bytes) -> None:
    """The subject is the name; what the client says does not matter."""
    user = stage.admin.add_user("CN=app,O=shop")
    come_in(stage, stage.secured.issue(subject_of(stage)), user)
    log_in(stage, stage.secured.issue(subject_of(stage)), response)


REFUSED: Mapping[str, Callable[[Stage], bytes | None]] = {
    "no certificate": lambda stage: None,
    "no such user": lambda stage: stage.secured.issue(subject_of(stage)),
    "no subject": lambda stage: stage.secured.issue([]),
}


@scenario(listening=ASKS, each=REFUSED)
def refused(stage: Stage, made: Callable[[Stage], bytes | None]) -> None:
    """403, to a client that can take that."""
    log_in(stage, made(stage)).wait_end(REFUSED_END_S)


@scenario(listening=ASKS, each=REFUSED)
def refused_without_a_word(stage: Stage, made: Callable[[Stage], bytes | None]) -> None:
    """The end, to others."""
    connection = greeted(stage, made(stage))
    start_ok(connection, "EXTERNAL", b"")
    connection.wait_end(REFUSED_END_S)


@scenario(listening=DOES_NOT_ASK)
def refused_where_nobody_asks_for_certificates(stage: Stage) -> None:
    """What a client would show is not seen."""
    stage.admin.add_user("CN=app,O=shop")
    log_in(stage, stage.secured.issue(subject_of(stage))).wait_end(REFUSED_END_S)


@scenario(listening=ASKS)
def a_vhost_that_the_user_may_not_enter(stage: Stage) -> None:
    """The login is good, the virtual host is refused."""
    stage.admin.add_user("CN=app,O=shop")
    connection = log_in(stage, stage.secured.issue(subject_of(stage)))
    connection.send("connection.tune-ok", **ROOM_FOR_ANYTHING)
    connection.call("connection.open", virtual_host="/")


@scenario(listening=ASKS, each={"PLAIN": b"\0guest\0guest", "PLAIN, wrong password": b"\0guest\0wrong"})
def a_password_beside_a_certificate(stage: Stage, response: bytes) -> None:
    """The password decides, the certificate means nothing."""
    stage.admin.add_user("CN=app,O=shop")
    log_in(stage, stage.secured.issue(subject_of(stage)), response, "PLAIN")


@scenario(listening=Listening(login_from="common_name"), each={"one": 1, "two": 2, "none": 0})
def common_name(stage: Stage, count: int) -> None:
    """Several are one name."""
    user = stage.admin.add_user("app,app" if count == 2 else "app")
    names = [[(NameOID.COMMON_NAME, "app")], [(NameOID.COMMON_NAME, stage.name("app"))]][2 - count :]
    come_in(stage, stage.secured.issue([[(NameOID.COUNTRY_NAME, "DE")], *names]), user)


@scenario(
    listening=Listening(login_from="common_name"),
    each={"who may enter": "web", "who may not": "web-no", "unknown": "nobody"},
    before="4.0",
)
def users_of_a_web_service(stage: Stage, name: str) -> None:
    """It is asked without a password."""
    connection = log_in(stage, stage.secured.issue([[(NameOID.COMMON_NAME, name)]]))
    connection.send("connection.tune-ok", **ROOM_FOR_ANYTHING)
    connection.call("connection.open", virtual_host="/")


ALTERNATIVES = ("dns", "ip", "email", "uri", "other_name")


def alternatives(stage: Stage) -> list[x509.GeneralName]:
    text = stage.name("app").encode()
    return [
        x509.DNSName("first.example"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.RFC822Name(stage.name("app@example")),
        x509.DNSName(stage.name("app")),
        x509.UniformResourceIdentifier(stage.name("urn:app")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), bytes((0x0C, len(text))) + text),
    ]


@scenario(listening=Listening(login_from="subject_alternative_name", san_index=1), each=["there", "not there"])
def alternative_dns_name(stage: Stage, case: str) -> None:
    """The second of its type; refused if there is none."""
    names = alternatives(stage) if case == "there" else alternatives(stage)[:3]
    come_in(stage, stage.secured.issue(subject_of(stage), names), stage.admin.add_user("app"))


@scenario(listening=Listening(login_from="subject_alternative_name", san_type="email"))
def alternative_email(stage: Stage) -> None:
    """The address is the name."""
    user = stage.admin.add_user("app@example")
    come_in(stage, stage.secured.issue(subject_of(stage), alternatives(stage)), user)


@scenario(listening=Listening(login_from="subject_alternative_name", san_type="uri"))
def alternative_uri(stage: Stage) -> None:
    """The URI is the name."""
    user = stage.admin.add_user("urn:app")
    come_in(stage, stage.secured.issue(subject_of(stage), alternatives(stage)), user)


@scenario(listening=Listening(login_from="subject_alternative_name", san_type="other_name"), before="4.3")
def alternative_other_name(stage: Stage) -> None:
    """The text in it is the name."""
    user = stage.admin.add_user("app")
    come_in(stage, stage.secured.issue(subject_of(stage), alternatives(stage)), user)


OCTETS = "octet"
"""With a dot and a run's number, these are 16 octets."""


@scenario(
    listening=Listening(login_from="subject_alternative_name", san_type="ip"),
    each=["as its octets", "as its text"],
    differs={
        case: Differs("RabbitMQ takes the octets for the name", [theirs], [ours])
        for case, theirs, ours in (
            ("as its octets", "connection.tune", "connection.close"),
            ("as its text", "connection.close", "connection.tune"),
        )
    },
)
def alternative_ip_address(stage: Stage, case: str) -> None:
    """The address is the name, but in which form?"""
    if case == "as its octets":
        address = ipaddress.ip_address(stage.admin.add_user(OCTETS).encode())
    else:
        address = ipaddress.ip_address("2001:db8::7")
        stage.admin.perform("add_user", name=str(address), password="hunter2", tags=())
    connection = greeted(stage, stage.secured.issue(subject_of(stage), [x509.IPAddress(address)]))
    connection.recording = False
    start_ok(connection, "EXTERNAL", b"", TOLD)
    (reply,) = connection.wait("connection.tune")
    stage.note(reply.method if reply else "nothing")


# --- what is told

TLS_FACTS = ("ssl", "ssl_protocol", "ssl_key_exchange", "ssl_cipher", "ssl_hash")
PEER_FACTS = ("peer_cert_subject", "peer_cert_issuer", "peer_cert_validity")


@scenario(listening=ASKS, each={"with a certificate": True, "without": False})
def events(stage: Stage, certified: bool) -> None:
    """Of logins and connections."""
    watched = Watched(stage, "user.authentication.*", "connection.*")
    user = stage.admin.add_user("CN=app,O=shop")
    stage.admin.set_permissions(user, "/")
    certificate = stage.secured.issue(subject_of(stage)) if certified else None
    stage.connect(tls=stage.secured.context(certificate), user=user, password="hunter2")
    watched.note("connection.created")


@scenario(listening=ASKS)
def event_of_a_refused_login(stage: Stage) -> None:
    """With the facts of TLS, and the name in the certificate."""
    watched = Watched(stage, "user.authentication.*")
    log_in(stage, stage.secured.issue(subject_of(stage))).wait_end(REFUSED_END_S)
    watched.note("user.authentication.failure")


OLD_SUITES = ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256")
"""Newer versions of Erlang do not offer them."""
SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    *OLD_SUITES,
)


@scenario(listening=ASKS, each=SUITES, before=dict.fromkeys(OLD_SUITES, "4.0"))
def suites_as_the_api_shows_them(stage: Stage, suite: str) -> None:
    """Names of ciphers and the like are Erlang's."""
    context = stage.secured.context(stage.secured.issue(subject_of(stage)))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    show_connection(stage, context)


@scenario(listening=ASKS, each=["with a certificate", "without"])
def connection_as_the_api_shows_it(stage: Stage, case: str) -> None:
    """As the scenario says, in TLS 1.3."""
    certificate = stage.secured.issue(subject_of(stage)) if case == "with a certificate" else None
    show_connection(stage, stage.secured.context(certificate))


def show_connection(stage: Stage, context: ssl.SSLContext) -> None:
    connection = stage.connect(tls=context)
    facts = json.loads(stage.admin.look_at_connection(connection.socket.getsockname()[1]))
    for name in (*TLS_FACTS, *PEER_FACTS):
        stage.note(f"{name} {facts.get(name)}")


OF_OTHER_TYPES = {"COUNTRY_NAME", "JURISDICTION_COUNTRY_NAME", "X500_UNIQUE_IDENTIFIER"}
"""Names of attributes whose values are no texts of any length."""


def attribute_oids() -> Iterator[tuple[str, x509.ObjectIdentifier]]:
    """All that have a name."""
    for name, oid in vars(NameOID).items():
        if isinstance(oid, x509.ObjectIdentifier) and name not in OF_OTHER_TYPES:
            yield name, oid


DISTINGUISHED_NAMES: Mapping[str, Any] = {
    "usual": [
        [(NameOID.COUNTRY_NAME, "DE")],
        [(NameOID.STATE_OR_PROVINCE_NAME, "Bayern")],
        [(NameOID.LOCALITY_NAME, "München")],
        [(NameOID.ORGANIZATION_NAME, "Acme, Inc.")],
        [(NameOID.ORGANIZATIONAL_UNIT_NAME, 'R&D "x" <y>; a+b\\c')],
    ],
    "several in one part": [
        [(NameOID.USER_ID, "u1"), (NameOID.DOMAIN_COMPONENT, "example")],
        [(NameOID.EMAIL_ADDRESS, "a@b.c")],
    ],
    "edges": [[(NameOID.COMMON_NAME, " #x ")], [(NameOID.COMMON_NAME, "#y~=")], [(NameOID.COMMON_NAME, "  ")]],
    "controls": [[(NameOID.COMMON_NAME, "x\ty\x7fz\x01")]],
    "far": [[(NameOID.COMMON_NAME, "日本 🐇")]],
    "unknown": [[("1.2.3.4.5", "odd")], [("2.5.4.46", "dq")]],
    **{name.lower(): [[(oid, "x y")]] for name, oid in attribute_oids()},
}


UNREADABLE = (
    *("business_category", "inn", "jurisdiction_locality_name", "jurisdiction_state_or_province_name", "ogrn"),
    *("organization_identifier", "postal_address", "postal_code", "several in one part", "snils", "street_address"),
    *("unknown", "unsigned", "unstructured_name", "user_id"),
)
"""Names with an attribute that Erlang 28, which RabbitMQ 4.3 runs on, leaves as it came: `{asn1_OPENTYPE,<<…>>}`."""


@scenario(listening=ASKS, each=DISTINGUISHED_NAMES, before=dict.fromkeys(UNREADABLE, "4.3"))
def distinguished_names(stage: Stage, subject: Subject) -> None:
    """Each part's short name, what is escaped, and in which order."""
    parts = [[(NameOID.COMMON_NAME, stage.name("app"))], *subject]
    show_connection(stage, stage.secured.context(stage.secured.issue(parts)))
