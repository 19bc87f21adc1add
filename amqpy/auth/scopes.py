"""The scopes of a token: what they permit.

    read:VHOST/NAME, write:VHOST/NAME/ROUTING-KEY, configure:…, tag:NAME

The parts are patterns: `*` is any run of characters, `%2F` is a slash, `{vhost}` is the virtual host, `{claim}` what
the token says of that. A pattern that cannot be read matches nothing.

Source: `rabbit_oauth2_scope`, `wildcard`, `rabbit_auth_backend_oauth2:get_expanded_scopes`, `normalize_token_scope`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from amqpy.core.ports import Verb

SCOPES_MAX: Final = 2048
"""Scopes of one token, as in RabbitMQ; with more it is refused."""

KEYCLOAK_PATH: Final = ("authorization", "permissions", "scopes")
"""The place of scopes in a requesting party token."""

_BRACES = re.compile(r"([{}])")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VERBS: Final[tuple[Verb, ...]] = ("configure", "write", "read")


class TooManyScopes(ValueError):
    """A token with more than SCOPES_MAX scopes."""


# --- which scopes a token has


def scopes_of(
    claims: Mapping[str, object],
    *,
    resource_server_id: str,
    prefix: str,
    more_paths: Iterable[str] = (),
    aliases: Mapping[str, Sequence[str]] | None = None,
) -> tuple[str, ...]:
    """The scopes in the claims of a token that begin with the prefix, without it. `more_paths` are claims, or paths
    with dots, that have scopes, too; an alias stands for other scopes. Raises TooManyScopes."""
    found = _texts(claims.get("scope"))
    for path in (KEYCLOAK_PATH, *(tuple(filter(None, each.split("."))) for each in more_paths)):
        for value in _values_at(claims, path):
            found += _in_map(value, resource_server_id) if isinstance(value, dict) else _texts(value)
    for scope in tuple(found):
        found += (aliases or {}).get(scope, ())
    scopes = tuple(dict.fromkeys(scope.removeprefix(prefix) for scope in found if scope.startswith(prefix)))
    if len(scopes) > SCOPES_MAX:
        raise TooManyScopes(f"too many scopes: {len(scopes)}")
    return scopes


def _texts(value: object) -> list[str]:
    """The scopes in a claim: a list, or a text with blanks between them."""
    if isinstance(value, str):
        return [each for each in value.split(" ") if each]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _in_map(value: Mapping[str, object], resource_server_id: str) -> list[str]:
    """The scopes in a claim that has them by resource server. There they have no prefix."""
    return [f"{resource_server_id}.{scope}" for scope in _texts(value.get(resource_server_id))]


def _values_at(claims: Mapping[str, object], path: Sequence[str]) -> list[object]:
    """The values at a path of names through maps, and through all maps of a list."""
    found: list[object] = [claims]
    for name in path:
        holders = (holder for each in found for holder in (each if isinstance(each, list) else [each]))
        found = [holder[name] for holder in holders if isinstance(holder, dict) and name in holder]
    return found if path else []


# --- what they permit


class Grant(NamedTuple):
    """A permission scope. Its parts are patterns."""

    verb: Verb
    vhost: str
    name: str
    routing_key: str | None


class LocalGrant(NamedTuple):
    """A permission in one virtual host, with its patterns in pieces."""

    name: "Pieces | None"
    routing_key: "Pieces | None"


class Scopes:
    """The permissions and tags that the scopes of a token give."""

    def __init__(self, scopes: Iterable[str], claims: Mapping[str, object]) -> None:
        self._scopes = tuple(scopes)
        self._claims = claims
        self._vhost: str | None = None
        self._grants: dict[Verb, list[LocalGrant]] = {}

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({each.removeprefix("tag:") for each in self._scopes if each.startswith("tag:")}))

    def count(self, vhost: str) -> int:
        """The number of permissions in a virtual host: each may have to be looked at to answer a question."""
        return sum(map(len, self._grants_in(vhost).values()))

    def permit_entry(self, vhost: str) -> bool:
        """True if any of them is about the virtual host."""
        return any(self._grants_in(vhost).values())

    def permit(self, vhost: str, verb: Verb, name: str) -> bool:
        raw = octets(name)
        return any(is_match(raw, grant.name) for grant in self._grants_in(vhost)[verb])

    def permit_topic(self, vhost: str, verb: Verb, exchange: str, routing_key: str) -> bool:
        """True if one with a third part permits it: those without permit no routing key of a topic exchange."""
        raw_name, raw_key = octets(exchange), octets(routing_key)
        return any(
            is_match(raw_key, grant.routing_key) and is_match(raw_name, grant.name)
            for grant in self._grants_in(vhost)[verb]
        )

    def _grants_in(self, vhost: str) -> dict[Verb, list[LocalGrant]]:
        """The permissions in a virtual host, with the variables replaced. A connection asks about one only."""
        if self._vhost != vhost:
            self._vhost, self._grants = vhost, {verb: [] for verb in _VERBS}
            for scope in self._scopes:
                grant = grant_of(expanded(scope, vhost, self._claims))
                if grant is not None and matches(vhost, grant.vhost):
                    key = None if grant.routing_key is None else pieces_of(grant.routing_key)
                    self._grants[grant.verb].append(LocalGrant(pieces_of(grant.name), key))
        return self._grants


def grant_of(scope: str) -> Grant | None:
    """The permission that a scope is; None if it is none."""
    kind, _, pattern = scope.partition(":")
    parts = pattern.split("/")
    for verb in _VERBS:
        if verb == kind and len(parts) in {2, 3}:
            return Grant(verb, parts[0], parts[1], parts[2] if len(parts) == 3 else None)
    return None


def expanded(scope: str, vhost: str, claims: Mapping[str, object]) -> str:
    """The scope with the values of its variables. A variable that is no text of the token is its own name.

    The values are escaped, which RabbitMQ does not do: there a user who calls itself `*` may have everything that is
    for `{user_name}`, and `{vhost}` never is the virtual host `/`.
    """
    if "{" not in scope:
        return scope
    parts = _BRACES.split(scope)
    found, index = [], 0
    while index < len(parts):
        if parts[index] != "{":
            found.append(parts[index])
            index += 1
            continue
        if index + 2 >= len(parts) or parts[index + 2] != "}":
            return ""
        name = parts[index + 1]
        value = vhost if name == "vhost" else claims.get(name, name)
        found.append(quote(value if isinstance(value, str) else name, safe="", errors="surrogateescape"))
        index += 3
    return "".join(found)


# --- patterns

Pieces: TypeAlias = tuple[bytes, ...]
"""A pattern: the octets between its wildcards."""


def octets(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def pieces_of(pattern: str) -> Pieces | None:
    """Reads a pattern; None for one that cannot be read."""
    if _PERCENT.search(pattern):
        return None
    return tuple(unquote_to_bytes(piece.replace("+", " ")) for piece in pattern.split("*"))


def matches(subject: str, pattern: str) -> bool:
    """True if the pattern matches all of the subject."""
    return is_match(octets(subject), pieces_of(pattern))


def is_match(raw: bytes, pieces: Pieces | None) -> bool:
    """True if a pattern matches all of these octets; one that could not be read does not.

    Each piece between wildcards is looked for where it comes first, and not again further on: `*.log` does not match
    `a.log.log`. That is RabbitMQ's rule, and permits less than the usual one.
    """
    if pieces is None:
        return False
    first, *rest = pieces
    if not rest:
        return raw == first
    if not raw.startswith(first):
        return False
    at = len(first)
    for index, piece in enumerate(rest):
        if not piece and index == len(rest) - 1:
            return True
        if at == len(raw):
            return False
        found = raw.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at == len(raw)
