"""Users, their passwords and permissions, and the mechanisms by which a client says who it is.

A mechanism is a class in `MECHANISMS`; it gets the client's responses one by one and answers with a challenge or
with a user.

Source: `rabbit_auth_backend_internal`, `rabbit_password_hashing_sha256`, `rabbit_auth_mechanism_*`.
"""

import hashlib
import hmac
import re
from typing import NamedTuple

from amqpy.config import Config
from amqpy.core.effects import Verb
from amqpy.errors import SyntaxFault
from amqpy.wire.values import Field, MalformedValue, decode_table


class LoginFailed(Exception):
    """Who it is could not be shown. The reason is for our log: the client is not told."""


class Permission(NamedTuple):
    """Three regular expressions, searched in the names of resources; an empty one matches only the empty name."""

    configure: str
    write: str
    read: str


EVERYTHING = Permission(".*", ".*", ".*")


class User:
    """A user and what it may do, vhost by vhost."""

    def __init__(self, name: str, password_hash: bytes, permissions: dict[str, Permission]) -> None:
        self.name = name
        self.password_hash = password_hash
        self.permissions = permissions

    def may_enter(self, vhost: str) -> bool:
        return vhost in self.permissions

    def may(self, verb: Verb, vhost: str, resource: str) -> bool:
        permission = self.permissions.get(vhost)
        if permission is None:
            return False
        pattern: str = getattr(permission, verb)
        return re.search(pattern or "^$", resource) is not None


class Users:
    """Everybody the broker knows."""

    def __init__(self, loopback_only: tuple[str, ...]) -> None:
        self._by_name: dict[str, User] = {}
        self.loopback_only = frozenset(loopback_only)

    @classmethod
    def from_config(cls, config: Config, salt: bytes) -> "Users":
        """The default user, with every permission on the default vhost. `salt` are four random bytes."""
        users = cls(config.loopback_users)
        hashed = hash_password(config.default_pass.encode(), salt)
        users.add(User(config.default_user, hashed, {config.default_vhost: EVERYTHING}))
        return users

    def add(self, user: User) -> None:
        self._by_name[user.name] = user

    def log_in(self, name: str, password: bytes, *, from_loopback: bool) -> User:
        """The user with this name and password. Raises LoginFailed."""
        user = self._by_name.get(name)
        if not password:
            raise LoginFailed(
                f"user '{name}' attempted to log in with a blank password, which is prohibited by the internal "
                "authN backend. To use TLS/x509 certificate-based authentication, see the rabbitmq_auth_mechanism_ssl "
                "plugin and configure the client to use the EXTERNAL authentication mechanism. "
                "Alternatively change the password for the user to be non-blank."
            )
        # An unknown user costs the same hash, so that the time taken does not tell who exists.
        known = user.password_hash if user else bytes(36)
        if not hmac.compare_digest(hash_password(password, known[:4]), known) or user is None:
            raise LoginFailed(f"user '{name}' - invalid credentials")
        if name in self.loopback_only and not from_loopback:
            raise LoginFailed(f"user '{name}' can only connect via localhost")
        return user


def hash_password(password: bytes, salt: bytes) -> bytes:
    """The salt and the SHA-256 of salt and password, as RabbitMQ stores it."""
    return salt + hashlib.sha256(salt + password).digest()


class Mechanism:
    """One login. `respond` is called with each response of the client, the first one included."""

    name: str

    def __init__(self, users: Users, *, from_loopback: bool) -> None:
        self._users = users
        self._from_loopback = from_loopback

    def respond(self, response: bytes) -> User | bytes:
        """The user, or the next challenge. Raises LoginFailed, or SyntaxFault for a response that is none."""
        raise NotImplementedError

    def _log_in(self, name: bytes, password: bytes) -> User:
        return self._users.log_in(name.decode(errors="replace"), password, from_loopback=self._from_loopback)


class Plain(Mechanism):
    """RFC 4616 without an authorization identity: NUL, user, NUL, password."""

    name = "PLAIN"

    def respond(self, response: bytes) -> User:
        parts = response.split(b"\0")
        if len(parts) != 3 or parts[0]:
            # RabbitMQ's text shows the response; ours goes to the log, where no password may.
            raise SyntaxFault("PLAIN response invalid")
        return self._log_in(parts[1], parts[2])


class AmqPlain(Mechanism):
    """A field table, without its length, with LOGIN and PASSWORD."""

    name = "AMQPLAIN"

    def respond(self, response: bytes) -> User:
        try:
            table = decode_table(response)
        except (MalformedValue, IndexError):
            raise SyntaxFault("AMQPLAIN auth info is no field table") from None
        login, password = table.get("LOGIN"), table.get("PASSWORD")
        if login is None or password is None:
            raise SyntaxFault("AMQPLAIN auth info is missing LOGIN or PASSWORD field")
        if login.kind != "longstr" and password.kind != "longstr":
            raise SyntaxFault("AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field")
        return self._log_in(_raw(login), _raw(password))


def _raw(field: Field) -> bytes:
    """A text's bytes; another value is nobody's name and nobody's password."""
    return field.value.encode(errors="surrogateescape") if field.kind == "longstr" else b"\xff"


class CrDemo(Mechanism):
    """RabbitMQ's demonstration of a challenge: no safer than PLAIN, off by default, and the one user of `secure`."""

    name = "RABBIT-CR-DEMO"

    def __init__(self, users: Users, *, from_loopback: bool) -> None:
        super().__init__(users, from_loopback=from_loopback)
        self._login: bytes | None = None

    def respond(self, response: bytes) -> User | bytes:
        if self._login is None:
            self._login = response
            return b"Please tell me your password"
        prefix = b"My password is "
        if not response.startswith(prefix):
            raise SyntaxFault("Invalid response")
        return self._log_in(self._login, response.removeprefix(prefix))


MECHANISMS: dict[str, type[Mechanism]] = {mechanism.name: mechanism for mechanism in (Plain, AmqPlain, CrDemo)}
