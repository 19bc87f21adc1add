"""Login mechanisms (SASL).

A mechanism is a class in `MECHANISMS`; it gets the client's responses one by one and returns a challenge or the
credentials in them. Whether these are good is not for it to say.

Source: `rabbit_auth_mechanism_plain`, `_amqplain`, `_cr_demo`, `_anonymous`, `_ssl`.
"""

from typing import NamedTuple

from amqpy.amqp.terms import Peer
from amqpy.config import Config
from amqpy.core.users import Credentials, LoginFailed
from amqpy.errors import SyntaxFault
from amqpy.profile import Profile
from amqpy.wire.values import Field, MalformedValue, decode_table


class LoginContext(NamedTuple):
    """The circumstances of a login, beside what the client says."""

    peer: Peer
    from_loopback: bool
    """True if the peer's address is one of this machine's own."""
    config: Config


def offered(config: Config, profile: Profile, *, in_tls: bool) -> tuple[str, ...]:
    """The names of the mechanisms that are offered, in order: EXTERNAL in TLS only."""
    names = config.auth_mechanisms or profile.mechanisms
    return names if in_tls else tuple(name for name in names if name != External.name)


class Mechanism:
    """One login by a mechanism. `respond` is called with each response of the client, from the first one on."""

    name: str

    def __init__(self, context: LoginContext) -> None:
        self._context = context

    def respond(self, response: bytes) -> Credentials | bytes:
        """Returns the credentials, or the next challenge. Raises SyntaxFault for a malformed response, and LoginFailed
        if there can be no credentials."""
        raise NotImplementedError


class Plain(Mechanism):
    """PLAIN (RFC 4616) without an authorization identity: NUL, user, NUL, password."""

    name = "PLAIN"

    def respond(self, response: bytes) -> Credentials:
        parts = response.split(b"\0")
        if len(parts) != 3 or parts[0]:
            # RabbitMQ's text shows the response; ours goes to the log, where no password may.
            raise SyntaxFault("PLAIN response invalid")
        return _credentials(parts[1], parts[2])


class AmqPlain(Mechanism):
    """AMQPLAIN: a field table, without its length, with LOGIN and PASSWORD."""

    name = "AMQPLAIN"

    def respond(self, response: bytes) -> Credentials:
        try:
            table = decode_table(response)
        except (MalformedValue, IndexError):
            raise SyntaxFault("AMQPLAIN auth info is no field table") from None
        login, password = table.get("LOGIN"), table.get("PASSWORD")
        if login is None or password is None:
            raise SyntaxFault("AMQPLAIN auth info is missing LOGIN or PASSWORD field")
        if login.kind != "longstr" and password.kind != "longstr":
            raise SyntaxFault("AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field")
        return _credentials(_raw(login), _raw(password))


def _credentials(name: bytes, password: bytes) -> Credentials:
    return Credentials(name.decode(errors="replace"), password)


def _raw(field: Field) -> bytes:
    """The bytes of a long string; for any other type bytes that are no user's name or password."""
    return field.value.encode(errors="surrogateescape") if field.kind == "longstr" else b"\xff"


class Anonymous(Mechanism):
    """ANONYMOUS (RFC 4505): any client is the default user, if that still has the password of the configuration. The
    content of its response is ignored."""

    name = "ANONYMOUS"

    def respond(self, response: bytes) -> Credentials:
        config = self._context.config
        return Credentials(config.default_user, config.default_pass.encode())


class External(Mechanism):
    """EXTERNAL: the client's certificate says who it is. The content of its response is ignored."""

    name = "EXTERNAL"

    def respond(self, response: bytes) -> Credentials:
        config, tls = self._context.config, self._context.peer.tls
        if tls is None or tls.certificate is None:
            raise LoginFailed("", "connection peer presented no TLS (x.509) certificate")
        name = tls.certificate.login_name(
            config.ssl_cert_login_from, config.ssl_cert_login_san_type, config.ssl_cert_login_san_index
        )
        if name is None:
            raise LoginFailed("", "no name found")
        return Credentials(name, None)


class CrDemo(Mechanism):
    """RABBIT-CR-DEMO, a demonstration of a challenge: no safer than PLAIN, off by default; only it uses `secure`."""

    name = "RABBIT-CR-DEMO"

    def __init__(self, context: LoginContext) -> None:
        super().__init__(context)
        self._login: bytes | None = None

    def respond(self, response: bytes) -> Credentials | bytes:
        if self._login is None:
            self._login = response
            return b"Please tell me your password"
        prefix = b"My password is "
        if not response.startswith(prefix):
            raise SyntaxFault("Invalid response")
        return _credentials(self._login, response.removeprefix(prefix))


MECHANISMS: dict[str, type[Mechanism]] = {
    mechanism.name: mechanism for mechanism in (Plain, AmqPlain, Anonymous, External, CrDemo)
}
