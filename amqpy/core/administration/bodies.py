"""Objects as JSON describes them, in the body of a request or among definitions: what is in them, and what must be.

Each function raises AdministrationError, before anything is changed.

Source: `rabbit_auth_backend_internal:put_user`, `rabbit_vhost:put_vhost`, `rabbit_definitions:add_*`.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.core.administration.erlang_terms import as_erlang_term, as_text
from amqpy.core.arguments import QUEUE_TYPES_KNOWN
from amqpy.core.broker import Broker
from amqpy.core.permissions import EVERYTHING
from amqpy.core.users import ADMINISTRATOR, Users, check_limits, check_patterns, check_topic_patterns
from amqpy.errors import AdministrationError

Body: TypeAlias = Mapping[str, Any]

UNDEFINED: Final = "undefined"
"""Erlang's value of what is not there."""

OLD_VHOSTS: Final = "old-vhosts"
"""The feature of profiles that take each octet of a virtual host's tags for a character, and its default type of queues
only by one name and in its short form."""

TAG_MAX: Final = 255
"""Bytes of a tag."""

TYPE_PREFIX: Final = "rabbit_"
TYPE_SUFFIX: Final = "_queue"
"""RabbitMQ's long name of a queue type has these around it."""


# --- values


def text(body: Body, key: str) -> str:
    """The text that must be there."""
    value = body.get(key)
    if not isinstance(value, str):
        shown = as_erlang_term(value) if key in body else "undefined"
        raise AdministrationError(f"{key} should be a string, actually was {shown}", term=["not_string", key])
    return value


def boolean(value: object, default: bool | None = None) -> bool | None:
    """A boolean, which may be a text; or the default, if there is none."""
    match value:
        case None:
            return default
        case bool():
            return value
        case "true" | "false":
            return value == "true"
    raise AdministrationError("not_boolean", term=["not_boolean", value])


def _optional_text(body: Body, key: str) -> str | None:
    return text(body, key) if key in body else None


def _tags_of(value: object) -> list[str]:
    """The tags in a list, or in a text with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or any(isinstance(each, list | dict) for each in parts):
        raise AdministrationError("tags should be a list or a string", term=["not_tags", "tags"])
    tags = list(map(as_text, parts))
    if any(len(by_octets(tag)) > TAG_MAX for tag in tags):
        raise AdministrationError(f"a tag has more than {TAG_MAX} bytes")
    return tags


def by_octets(text: str) -> str:
    """A text of which RabbitMQ takes each octet for a character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


# --- users


class UserBody(NamedTuple):
    """A user: the arguments of `Users.put_user`, and the permissions of one that is new."""

    password: str | None
    tags: list[str]
    password_hash: str | None
    hashing_algorithm: str | None
    limits: dict[str, int] | None
    permissions: Mapping[str, tuple[str, str, str]]


def user(body: Body, version: str | None = None) -> UserBody:
    """A user; `version` is the one of the RabbitMQ that has hashed the password, if it does not say how."""
    if "tags" in body:
        given = _tags_of(body["tags"])
        given = [tag for tag in given if tag] if isinstance(body["tags"], str) else given
        tags = [by_octets(tag).strip(" ") for tag in given]
    elif "administrator" in body:  # what was before tags
        tags = [ADMINISTRATOR] if boolean(body["administrator"]) else []
    else:
        raise AdministrationError("tags_not_present")
    password = _optional_text(body, "password")
    password_hash = body.get("password_hash")
    if "password_hash" in body and not isinstance(password_hash, str):
        raise AdministrationError("not_base64", term=["not_base64", password_hash])
    algorithm = _optional_text(body, "hashing_algorithm") if "password_hash" in body else None
    if algorithm is None and version is not None and re.match(r"3\.[0-5]\.", version):
        algorithm = "md5"
    if not isinstance(body.get("limits", {}), dict):
        raise AdministrationError("limits should be an object", term=["not_object", "limits"])
    permissions = body.get("permissions") or {}
    if not isinstance(permissions, dict) or not all(isinstance(each, dict) for each in permissions.values()):
        raise AdministrationError("permissions should be an object", term=["not_object", "permissions"])
    patterns = {vhost: permission(each) for vhost, each in permissions.items()}
    return UserBody(password, tags, password_hash, algorithm, body.get("limits"), patterns)


def check_user(users: Users, given: UserBody) -> None:
    """Raises what `put_user` would."""
    users.check_password(given.password, given.password_hash, given.hashing_algorithm)
    check_limits({} if given.limits is None else given.limits)
    for patterns in given.permissions.values():
        check_patterns(*patterns)


def put_user(users: Users, name: str, given: UserBody) -> None:
    is_new = users.find(name) is None
    users.put_user(name, **{key: value for key, value in given._asdict().items() if key != "permissions"})
    if is_new:
        for vhost, patterns in given.permissions.items():
            users.set_permissions(name, vhost, *patterns)


def permission(body: Body) -> tuple[str, str, str]:
    configure, write, read = (_checked(body, key, check_patterns) for key in ("configure", "write", "read"))
    return configure, write, read


def topic_permission(body: Body) -> tuple[str, str, str]:
    """An exchange, and the patterns for it."""
    write, read = (_checked(body, key, check_topic_patterns) for key in ("write", "read"))
    return text(body, "exchange"), write, read


def _checked(body: Body, key: str, check: Callable[[str], None]) -> str:
    """A pattern: RabbitMQ looks at one after the other."""
    pattern = text(body, key)
    check(pattern)
    return pattern


# --- virtual hosts


class VhostBody(NamedTuple):
    """The properties of a virtual host. None leaves one as it is."""

    description: str
    tags: list[str]
    default_queue_type: str | None
    protected_from_deletion: bool | None
    tracing: bool | None


def vhost(body: Body, features: Collection[str] = ()) -> VhostBody:
    """A virtual host, whose metadata are in the body itself, or in its `metadata`; by what the version has
    (`Profile.management`)."""
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict):
        raise AdministrationError("function_clause")
    if "tracing" in body and body["tracing"] is None:
        raise AdministrationError("not_boolean", term=["not_boolean", None])
    tracing = boolean(body.get("tracing"))
    merged = {**metadata, **{key: value for key, value in body.items() if value is not None}}
    given = merged.get("tags")
    tags = [] if given is None or given == "" else _tags_of(given)
    return VhostBody(
        text({"description": "", **merged}, "description"),
        [(by_octets(tag) if OLD_VHOSTS in features else tag).strip() for tag in tags],
        _old_queue_type(body, metadata) if OLD_VHOSTS in features else queue_type(_kind(merged)),
        boolean(merged.get("protected_from_deletion")),
        tracing,
    )


def _kind(merged: Body) -> object:
    # `default_queue_type` was first called thus.
    return merged.get("default_queue_type", merged.get("defaultqueuetype"))


def _old_queue_type(body: Body, metadata: Body) -> str | None:
    """The same in versions that take it from the metadata, or in a request from a key of its own."""
    kind = metadata.get("default_queue_type", body.get("defaultqueuetype", UNDEFINED))
    if kind != UNDEFINED and kind not in QUEUE_TYPES_KNOWN:
        raise AdministrationError("invalid_queue_type")
    return queue_type(kind)


def queue_type(value: object) -> str | None:
    """A type of queues, by its short name or its long one."""
    if value is None or value == UNDEFINED:
        return None
    if not isinstance(value, str):
        raise AdministrationError(f"{as_erlang_term(value)} is not a valid default_queue_type value")
    if not value:
        raise AdministrationError("default_queue_type must not be an empty string")
    name = value.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX) if value.endswith(TYPE_SUFFIX) else value
    if name not in QUEUE_TYPES_KNOWN:
        raise AdministrationError(f"{value} is not a valid queue type")
    return name


def put_vhost(broker: Broker, users: Users, name: str, given: VhostBody) -> None:
    """Adds a virtual host, or changes one. Whoever adds it, in whose name the broker acts, may do everything in it."""
    administration, administrator = broker.administration, broker.events.administrator
    is_new = name not in broker.vhosts
    keeps_type = not is_new and "fixed-queue-type" in broker.profile.management
    administration.add_vhost(
        name,
        description=given.description,
        tags=given.tags,
        default_queue_type=None if keeps_type else given.default_queue_type,
        protected_from_deletion=given.protected_from_deletion,
    )
    if given.tracing is not None:
        (administration.trace_on if given.tracing else administration.trace_off)(name)
    if is_new and users.find(administrator) is not None:
        users.set_permissions(administrator, name, *EVERYTHING)
