"""Users, their passwords, tags and limits. Their permissions are those of the virtual hosts (`Vhost.permissions`).

Source: `rabbit_auth_backend_internal`, `rabbit_password_hashing_sha256`.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from amqpy.core.administration.limits import MAX_CHANNELS, MAX_CONNECTIONS, USER_LIMITS, errors_in_limits, reached
from amqpy.core.administration.validation import check_depth, compile_pattern
from amqpy.core.broker import Broker
from amqpy.core.durability.encoding import as_json
from amqpy.core.durability.records import Record, UserRecord
from amqpy.core.durability.recovery import is_new
from amqpy.core.events import event_properties
from amqpy.core.permissions import Permission
from amqpy.core.principals import Principal, Question
from amqpy.errors import AdministrationError, NotAllowed

if TYPE_CHECKING:
    from amqpy.core.ports import Client, Kind, Verb
    from amqpy.core.vhost import Vhost


class Credentials(NamedTuple):
    """The proof of a client that it is a user."""

    user_name: str
    password: bytes

    def __repr__(self) -> str:
        # It may get into a log, where no password may.
        return f"<credentials of {self.user_name!r}>"


class LoginFailed(Exception):
    """A failed login. The reason is for our log: the client is not told."""

    def __init__(self, user_name: str, reason: str) -> None:
        super().__init__(reason)
        self.user_name = user_name


class Authenticator(Protocol):
    """Checks credentials in place of the passwords of `Users`, and may take its time: it asks a directory, say."""

    async def __call__(self, credentials: Credentials) -> str | Principal:
        """Returns the name of the broker's user whose credentials they are, or a user whose rights are not the
        broker's to say. Raises LoginFailed."""


ADMINISTRATOR = "administrator"
"""The tag of a user who may change anything."""
IMPERSONATOR = "impersonator"
"""The tag of a user who may put any user's name on messages."""


class User:
    """A user of the broker's own, that can log in. A `Principal`."""

    def __init__(self, name: str, password_hash: bytes) -> None:
        self.name = name
        self.password_hash = password_hash
        self.tags: tuple[str, ...] = ()
        self.limits: dict[str, int] = {}
        self.clients: dict[Client, None] = {}
        """The open connections of this user."""

    def record(self) -> UserRecord:
        return UserRecord(self.name, self.password_hash, as_json(self.tags), as_json(self.limits))

    # --- core.principals.Principal

    @property
    def key(self) -> Hashable:
        return self.name

    def may_enter(self, vhost: "Vhost", peer_host: str) -> bool:
        return self.name in vhost.permissions

    def may(self, vhost: "Vhost", verb: "Verb", kind: "Kind", name: str) -> bool:
        return vhost.may(self.name, verb, name)

    def may_use_topic(self, vhost: "Vhost", verb: "Verb", exchange: str, routing_key: str) -> bool:
        return True

    @property
    def expires_at_s(self) -> None:
        return None

    def renewal(self, secret: bytes) -> Question | None:
        return None

    def note_tags(self, tags: tuple[str, ...]) -> None:
        pass

    def forget(self) -> None:
        pass

    def check_connection(self) -> None:
        """Raises NotAllowed if the user has as many connections as allowed."""
        if reached(self.limits, MAX_CONNECTIONS, len(self.clients)):
            raise NotAllowed(
                f"connection refused for user '{self.name}': "
                f"user connection limit ({self.limits[MAX_CONNECTIONS]}) is reached"
            )

    def check_channel(self) -> None:
        """Raises NotAllowed if the user has as many channels as allowed, on all connections together."""
        # Counted only if there is a limit, so that no counter has to be maintained.
        if MAX_CHANNELS not in self.limits:
            return
        if reached(self.limits, MAX_CHANNELS, sum(client.channel_count for client in self.clients)):
            raise NotAllowed(
                f"number of channels opened for user '{self.name}' has reached the maximum allowed user limit of "
                f"({self.limits[MAX_CHANNELS]})"
            )


class Users:
    """All users of a broker, and the operations of an administrator on them. `new_salt` makes four random bytes.

    `recorded` are the records that the broker was made from. A new broker has the default user, with every permission
    on the default vhost.
    """

    def __init__(self, broker: Broker, new_salt: Callable[[], bytes], recorded: Sequence[Record] = ()) -> None:
        config = broker.config
        self._broker = broker
        self._events = broker.events
        self._scheduler = broker.scheduler
        self._new_salt = new_salt
        self._by_name: dict[str, User] = {}
        self.loopback_only = frozenset(config.loopback_users)
        self._restore(recorded)
        if is_new(recorded):
            self.add_user(config.default_user, config.default_pass, tags=config.default_user_tags)
            self.set_permissions(config.default_user, config.default_vhost, *config.default_permissions)

    def _restore(self, recorded: Iterable[Record]) -> None:
        """Restores users from records, without events and checks."""
        for record in recorded:
            if isinstance(record, UserRecord):
                user = self._by_name[record.name] = User(record.name, record.password_hash)
                user.tags = tuple(json.loads(record.tags))
                user.limits = json.loads(record.limits)

    def __iter__(self) -> Iterator[User]:
        return iter(self._by_name.values())

    def user(self, name: str) -> User:
        """Finds a user. Raises AdministrationError if it does not exist."""
        user = self._by_name.get(name)
        if user is None:
            raise AdministrationError(f'User "{name}" does not exist', missing=True)
        return user

    # --- administration

    def add_user(
        self, name: str, password: str = "", *, tags: Iterable[str] = (), password_hash: bytes | None = None
    ) -> None:
        """Adds a user without any permission. Without a password or the hash of one it cannot log in."""
        if name in self._by_name:
            raise AdministrationError(f'User "{name}" already exists')
        hashed = self._hash(password) if password_hash is None else password_hash
        user = self._by_name[name] = User(name, hashed)
        user.tags = tuple(tags)
        self._scheduler.put(user.record())
        self._events.tell("user.created", event_properties.named, name, self._events.administrator)
        if user.tags:
            self._events.tell("user.tags.set", event_properties.of_tags, name, user.tags, self._events.administrator)

    def delete_user(self, name: str) -> None:
        """Deletes a user and closes its connections."""
        user = self.user(name)
        for vhost in self._broker.vhosts.values():
            vhost.set_permission(name, None)
        del self._by_name[name]
        self._scheduler.drop(user.record())
        self._events.tell("user.deleted", event_properties.named, name, self._events.administrator)
        for client in list(user.clients):
            client.close(f"user '{name}' is deleted")

    def change_password(self, name: str, password: str) -> None:
        """Changes the password for future logins. With an empty one the user cannot log in."""
        user = self.user(name)
        before, user.password_hash = user.password_hash, self._hash(password)
        if user.password_hash != before:
            self._scheduler.put(user.record())
        event = "user.password.changed" if password else "user.password.cleared"
        self._events.tell(event, event_properties.named, name, self._events.administrator)

    def set_tags(self, name: str, tags: Iterable[str]) -> None:
        """Sets the tags for future logins."""
        user = self.user(name)
        before, user.tags = user.tags, tuple(tags)
        if user.tags != before:
            self._scheduler.put(user.record())
        self._events.tell("user.tags.set", event_properties.of_tags, name, user.tags, self._events.administrator)

    def set_permissions(self, name: str, vhost: str, configure: str, write: str, read: str) -> None:
        """Sets a user's permissions on a vhost. They apply at once, to open connections too."""
        self.user(name)
        where = self._broker.administration.vhost(vhost)
        for pattern in (configure, write, read):
            try:
                compile_pattern(pattern)
            except ValueError as error:
                raise AdministrationError(f"Invalid regular expression '{pattern}': {error}") from None
        permission = Permission(configure, write, read)
        where.set_permission(name, permission)
        administrator = self._events.administrator
        self._events.tell(
            "permission.created", event_properties.of_permission, name, vhost, administrator, permission._asdict()
        )

    def clear_permissions(self, name: str, vhost: str) -> None:
        self.user(name)
        self._broker.administration.vhost(vhost).set_permission(name, None)
        self._events.tell("permission.deleted", event_properties.of_permission, name, vhost, self._events.administrator)

    def set_limits(self, name: str, limits: dict[str, int]) -> None:
        """Sets limits, and keeps others as they are. Existing connections and channels stay."""
        user = self.user(name)
        check_depth(limits)
        for error in errors_in_limits("user-limits", USER_LIMITS, limits):
            raise AdministrationError(error)
        self._set_limits(user, user.limits | limits)
        self._events.tell(
            "user.limits.set", event_properties.of_limits, self._events.administrator, limits, username=name
        )

    def clear_limits(self, name: str, *limits: str) -> None:
        """Clears these limits, or all."""
        user = self.user(name)
        gone = limits or tuple(user.limits)
        self._set_limits(user, {limit: most for limit, most in user.limits.items() if limit not in gone})
        self._events.tell("user.limits.cleared", event_properties.of_limits, self._events.administrator, username=name)

    def _set_limits(self, user: User, limits: dict[str, int]) -> None:
        before, user.limits = user.limits, limits
        if limits != before:
            self._scheduler.put(user.record())

    def _hash(self, password: str) -> bytes:
        return hash_password(password.encode(), self._new_salt()) if password else b""

    # --- logging in

    def log_in(self, name: str, password: bytes, *, from_loopback: bool) -> User:
        """Finds the user with this name and password. Raises LoginFailed."""
        user = self._by_name.get(name)
        if not password:
            raise LoginFailed(
                name,
                f"user '{name}' attempted to log in with a blank password, which is prohibited by the internal "
                "authN backend. To use TLS/x509 certificate-based authentication, see the rabbitmq_auth_mechanism_ssl "
                "plugin and configure the client to use the EXTERNAL authentication mechanism. "
                "Alternatively change the password for the user to be non-blank.",
            )
        # An unknown user costs the same hash, so that the time taken does not tell which users exist.
        known = (user.password_hash if user else b"") or bytes(36)
        if not hmac.compare_digest(hash_password(password, known[:4]), known) or user is None:
            raise LoginFailed(name, f"user '{name}' - invalid credentials")
        return self.admit(name, from_loopback=from_loopback)

    def admit(self, name: str, *, from_loopback: bool) -> User:
        """Finds the user with this name, whose credentials are good. Raises LoginFailed."""
        user = self._by_name.get(name)
        if user is None:
            raise LoginFailed(name, f"user '{name}' - invalid credentials")
        self.check_loopback(name, from_loopback=from_loopback)
        return user

    def check_loopback(self, name: str, *, from_loopback: bool) -> None:
        """Checks that a user of this name, the broker's or not, may connect from there. Raises LoginFailed."""
        if name in self.loopback_only and not from_loopback:
            raise LoginFailed(name, f"user '{name}' can only connect via localhost")

    def find(self, name: str) -> User | None:
        return self._by_name.get(name)


def hash_password(password: bytes, salt: bytes) -> bytes:
    """Hashes a password as RabbitMQ stores it: the salt and the SHA-256 of salt and password."""
    return salt + hashlib.sha256(salt + password).digest()
