"""Users, their passwords, tags and limits. Their permissions are those of the virtual hosts (`Vhost.permissions`).

Source: `rabbit_auth_backend_internal`.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from amqpy.config.values import ConfigError
from amqpy.core.administration.erlang_terms import with_term
from amqpy.core.administration.limits import MAX_CHANNELS, MAX_CONNECTIONS, USER_LIMITS, errors_in_limits, reached
from amqpy.core.administration.validation import check_depth, error_term
from amqpy.core.broker import Broker
from amqpy.core.durability.encoding import as_json
from amqpy.core.durability.records import Record, UserRecord
from amqpy.core.durability.recovery import is_new
from amqpy.core.events import event_properties
from amqpy.core.passwords import NO_PASSWORD, Password, hash_password, imported, is_password, validator_of
from amqpy.core.permissions import Permission, TopicPermission
from amqpy.core.principals import Principal, Question
from amqpy.errors import AdministrationError, NotAllowed, erlang_string
from amqpy.patterns import PatternError, compile_pattern

if TYPE_CHECKING:
    from amqpy.core.ports import Client, Kind, TopicVerb, Verb
    from amqpy.core.vhost import Vhost


class Credentials(NamedTuple):
    """The proof of a client that it is a user."""

    user_name: str
    password: bytes | None
    """None if it needs no password: its certificate has proved its name."""

    def __repr__(self) -> str:
        # It may get into a log, where no password may.
        return f"<credentials of {self.user_name!r}>"


class LoginFailed(Exception):
    """A failed login. The reason is for our log: the client is not told."""

    def __init__(self, user_name: str, reason: str, *, is_remote: bool = False) -> None:
        super().__init__(reason)
        self.user_name = user_name
        self.is_remote = is_remote
        """True if all that is wrong is that the client is not on this machine."""


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

    def __init__(self, name: str, password: Password) -> None:
        self.name = name
        self.password = password
        self.tags: tuple[str, ...] = ()
        self.limits: dict[str, int] = {}
        self.clients: dict[Client, None] = {}
        """The open connections of this user."""

    def record(self) -> UserRecord:
        tags, limits = as_json(self.tags), as_json(self.limits)
        return UserRecord(self.name, self.password.hash, tags, limits, self.password.algorithm)

    # --- core.principals.Principal

    @property
    def key(self) -> Hashable:
        return self.name

    def may_enter(self, vhost: "Vhost", peer_host: str) -> bool:
        return self.name in vhost.permissions

    def may(self, vhost: "Vhost", verb: "Verb", kind: "Kind", name: str) -> bool:
        return vhost.may(self.name, verb, name)

    def may_use_topic(self, vhost: "Vhost", verb: "TopicVerb", exchange: str, routing_key: str) -> bool:
        return vhost.may_use_topic(self.name, verb, exchange, routing_key)

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

    `recorded` are the records that the broker was made from. A new broker `has_default`: the default user, with every
    permission on the default vhost. Raises ConfigError if that user's password is not valid.
    """

    def __init__(
        self,
        broker: Broker,
        new_salt: Callable[[], bytes],
        recorded: Sequence[Record] = (),
        *,
        has_default: bool = True,
    ) -> None:
        config = broker.config
        self._broker = broker
        self._events = broker.events
        self._scheduler = broker.scheduler
        self._new_salt = new_salt
        self._hashing = config.password_hashing
        self._error_in = validator_of(config)
        self._by_name: dict[str, User] = {}
        self.loopback_only = frozenset(config.loopback_users)
        self._restore(recorded)
        if has_default and is_new(recorded):
            try:
                self.add_user(config.default_user, config.default_pass, tags=config.default_user_tags)
            except AdministrationError as error:
                raise ConfigError(f"default_pass: {error.text}") from None
            self.set_permissions(config.default_user, config.default_vhost, *config.default_permissions)

    def _restore(self, recorded: Iterable[Record]) -> None:
        """Restores users from records, without events and checks."""
        for record in recorded:
            if isinstance(record, UserRecord):
                password = Password(record.password_hash, record.hashing_algorithm)
                user = self._by_name[record.name] = User(record.name, password)
                user.tags = tuple(json.loads(record.tags))
                user.limits = json.loads(record.limits)

    def __iter__(self) -> Iterator[User]:
        return iter(self._by_name.values())

    def user(self, name: str) -> User:
        """Finds a user. Raises AdministrationError if it does not exist."""
        user = self._by_name.get(name)
        if user is None:
            raise AdministrationError(f'User "{name}" does not exist', missing=True, term=["no_such_user", name])
        return user

    # --- administration

    def add_user(
        self,
        name: str,
        password: str | None = None,
        *,
        tags: Iterable[str] = (),
        password_hash: str | bytes | None = None,
        hashing_algorithm: str | None = None,
    ) -> None:
        """Adds a user without any permission. Without a password or the hash of one it cannot log in with any.

        A hash is that of `hashing_algorithm`, or else of the setting `password_hashing`; a text is in base64.
        """
        if name in self._by_name:
            raise AdministrationError(f'User "{name}" already exists')
        self._add_user(name, self._kept(password, password_hash, hashing_algorithm), tuple(tags), {})

    def put_user(
        self,
        name: str,
        password: str | None = None,
        *,
        tags: Iterable[str],
        password_hash: str | bytes | None = None,
        hashing_algorithm: str | None = None,
        limits: dict[str, int] | None = None,
    ) -> None:
        """Adds a user, or changes one: without a password or the hash of one it loses that which it has; limits that
        are not given stay. One that is new has an empty password then, with which nobody can log in either."""
        if name not in self._by_name and password_hash is None:
            password = password or ""
        kept = self._kept(password, password_hash, hashing_algorithm)
        check_limits({} if limits is None else limits)
        if name not in self._by_name:
            self._add_user(name, kept, tuple(tags), limits or {})
            return
        if password is not None:
            self._change_password(name, kept, "user.password.changed")
        elif password_hash is not None:
            self._keep_password(self.user(name), kept)
        else:
            self.clear_password(name)
        self.set_tags(name, tags)
        if limits:
            self.set_limits(name, limits)

    def check_password(self, password: str | None, password_hash: str | None, hashing_algorithm: str | None) -> None:
        """Raises AdministrationError if no user can have it."""
        self._kept(password, password_hash, hashing_algorithm)

    def _add_user(self, name: str, password: Password, tags: tuple[str, ...], limits: dict[str, int]) -> None:
        user = self._by_name[name] = User(name, password)
        user.tags, user.limits = tags, limits
        self._scheduler.put(user.record())
        administrator = self._events.administrator
        self._events.tell("user.created", event_properties.named, name, administrator)
        if tags:
            self._events.tell("user.tags.set", event_properties.of_tags, name, tags, administrator)
        if limits:
            self._events.tell("user.limits.set", event_properties.of_limits, administrator, limits, username=name)

    def delete_user(self, name: str) -> None:
        """Deletes a user and closes its connections."""
        user = self.user(name)
        for vhost in self._broker.vhosts.values():
            vhost.set_permission(name, None)
            for exchange in list(vhost.topic_permissions.get(name, ())):
                vhost.set_topic_permission(name, exchange, None)
        del self._by_name[name]
        self._scheduler.drop(user.record())
        self._events.tell("user.deleted", event_properties.named, name, self._events.administrator)
        for client in list(user.clients):
            client.close(f"user '{name}' is deleted")

    def change_password(self, name: str, password: str) -> None:
        """Changes the password for future logins. Nobody can log in with an empty one."""
        self.user(name)
        self._change_password(name, self.hashed(password), "user.password.changed")

    def change_password_hash(self, name: str, password_hash: str | bytes, hashing_algorithm: str | None = None) -> None:
        """Changes the password to one of which only the hash is known; see `add_user`. RabbitMQ tells no event."""
        user = self.user(name)
        self._keep_password(user, imported(password_hash, hashing_algorithm or self._hashing))

    def clear_password(self, name: str) -> None:
        """Takes the password away: the user cannot log in with any."""
        self._change_password(name, NO_PASSWORD, "user.password.cleared")

    def _change_password(self, name: str, password: Password, event: str) -> None:
        self._keep_password(self.user(name), password)
        self._events.tell(event, event_properties.named, name, self._events.administrator)

    def _keep_password(self, user: User, password: Password) -> None:
        before, user.password = user.password, password
        if password != before:
            self._scheduler.put(user.record())

    def _kept(self, password: str | None, password_hash: str | bytes | None, algorithm: str | None) -> Password:
        """The password that is given, or the hash of one; see `add_user`."""
        if password is not None and password_hash is not None:
            raise AdministrationError("both_password_and_password_hash_are_provided")
        if password_hash is not None:
            return imported(password_hash, algorithm or self._hashing)
        return NO_PASSWORD if password is None else self.hashed(password)

    def hashed(self, password: str) -> Password:
        """Hashes a password that an administrator chose. Raises AdministrationError if the validator refuses it."""
        if (error := self._error_in(password)) is not None:
            raise AdministrationError(error, term="credential_validation_failed")
        octets = password.encode("utf-8", "surrogatepass")
        return Password(hash_password(octets, self._new_salt(), self._hashing), self._hashing)

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
        check_patterns(configure, write, read)
        permission = Permission(configure, write, read)
        where.set_permission(name, permission)
        administrator = self._events.administrator
        self._events.tell(
            "permission.created", event_properties.of_permission, name, vhost, administrator, permission.patterns
        )

    def clear_permissions(self, name: str, vhost: str) -> None:
        self.user(name)
        self._broker.administration.vhost(vhost).set_permission(name, None)
        self._events.tell("permission.deleted", event_properties.of_permission, name, vhost, self._events.administrator)

    def set_topic_permissions(self, name: str, vhost: str, exchange: str, write: str, read: str) -> None:
        """Sets a user's permissions for routing keys at a topic exchange, which need not exist. They apply at once."""
        self.user(name)
        where = self._broker.administration.vhost(vhost)
        check_topic_patterns(write, read)
        permission = TopicPermission(write, read)
        where.set_topic_permission(name, exchange, permission)
        about = (name, vhost, self._events.administrator, exchange, permission.patterns)
        self._events.tell("topic.permission.created", event_properties.of_topic_permission, *about)

    def clear_topic_permissions(self, name: str, vhost: str, exchange: str | None = None) -> None:
        """Clears a user's permissions for routing keys at one exchange, or at all."""
        self.user(name)
        where = self._broker.administration.vhost(vhost)
        for each in list(where.topic_permissions.get(name, ())) if exchange is None else [exchange]:
            where.set_topic_permission(name, each, None)
        is_told_so = exchange is None or self._broker.profile.tells_of_topics
        event = "topic.permission.deleted" if is_told_so else "permission.deleted"
        self._events.tell(event, event_properties.of_permission, name, vhost, self._events.administrator)

    def set_limits(self, name: str, limits: dict[str, int]) -> None:
        """Sets limits, and keeps others as they are. Existing connections and channels stay."""
        check_limits(limits)
        user = self.user(name)
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

    # --- logging in

    def log_in(self, name: str, password: bytes | None, *, from_loopback: bool) -> User:
        """Finds the user with these credentials. Raises LoginFailed."""
        if password is None:
            return self.admit(name, from_loopback=from_loopback)
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
        if not is_password(password, user.password if user else NO_PASSWORD) or user is None:
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
            raise LoginFailed(name, f"user '{name}' can only connect via localhost", is_remote=True)

    def find(self, name: str) -> User | None:
        return self._by_name.get(name)


def check_limits(limits: object) -> None:
    """Raises AdministrationError for the first error in the limits of a user."""
    check_depth(limits)
    for error in errors_in_limits("user-limits", USER_LIMITS, limits):
        raise AdministrationError(error)


def check_patterns(*patterns: str) -> None:
    """Raises AdministrationError for the first that is no regular expression."""
    for pattern in patterns:
        _check_pattern(pattern, erlang_string(pattern))


def check_topic_patterns(*patterns: str) -> None:
    """The same for topic permissions: RabbitMQ tells it in another form."""
    for pattern in patterns:
        _check_pattern(pattern, pattern)


def _check_pattern(pattern: str, told: object) -> None:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise AdministrationError(
            with_term(f"Invalid regular expression '{pattern}': ", error_term(error)),
            term=["invalid_regexp", told, [erlang_string(error.text), error.at]],
        ) from None
