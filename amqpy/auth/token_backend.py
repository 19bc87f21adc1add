"""The OAuth 2 back end: a user is a token, and may do what its scopes say.

Source: `rabbit_auth_backend_oauth2`.
"""

import logging
from collections.abc import Callable

from amqpy.auth.jwks import KeySource, keys_in_files
from amqpy.auth.oauth2 import DEFAULT_CLAIMS, Token, TokenRefused, TokenRules, key_id_of, verify
from amqpy.auth.web import Limits, Web
from amqpy.config import Config
from amqpy.config.auth import ALGORITHMS, parse_pair
from amqpy.core.ports import Kind, Verb
from amqpy.core.principals import Question, Rights
from amqpy.core.users import Credentials, LoginFailed
from amqpy.core.vhost import Vhost

FETCH_LIMITS = Limits(connect_s=5, request_s=10)
"""Less than a handshake may take, and as long as nobody's login waits for it in vain."""

GRANTS_PER_UNIT = 2
"""Permissions looked at in a unit of work (`core.jobs`)."""

REFUSED = "Authentication using an OAuth 2/JWT token failed: "


def rules_of(config: Config) -> TokenRules:
    """The rules for tokens in the settings."""
    resource_server_id = config.auth_oauth2_resource_server_id or ""
    prefix = config.auth_oauth2_scope_prefix
    profile = config.switches
    names = DEFAULT_CLAIMS[::-1] if profile.client_id_first else DEFAULT_CLAIMS
    requires_expiry = config.auth_oauth2_require_exp
    return TokenRules(
        resource_server_id,
        f"{resource_server_id}." if prefix is None else prefix,
        frozenset(config.auth_oauth2_algorithms or ALGORITHMS),
        verify_aud=config.auth_oauth2_verify_aud,
        issuer=config.auth_oauth2_issuer,
        default_key=config.auth_oauth2_default_key,
        more_scope_paths=tuple(path for paths in config.auth_oauth2_additional_scopes_key for path in paths.split()),
        scope_aliases={alias: scopes.split() for alias, scopes in map(parse_pair, config.auth_oauth2_scope_aliases)},
        name_claims=(*config.auth_oauth2_preferred_username_claims, *names),
        leeway_s=config.auth_oauth2_leeway_s,
        requires_expiry=profile.token_needs_expiry if requires_expiry is None else requires_expiry,
    )


def open_keys(config: Config, log: logging.Logger) -> tuple[KeySource, Web]:
    """The keys in the settings, and the client that fetches others. Raises OSError if a file cannot be used."""
    web = Web(FETCH_LIMITS, config.auth_oauth2_https_cacertfile)
    keys = keys_in_files(dict(map(parse_pair, config.auth_oauth2_signing_keys)))
    return KeySource(keys, web, log, set_url=config.auth_oauth2_jwks_uri, issuer=config.auth_oauth2_issuer), web


class TokenBackend:
    """Makes users of tokens. `unix_time_s` tells the time."""

    def __init__(self, config: Config, keys: KeySource, unix_time_s: Callable[[], float]) -> None:
        self._rules = rules_of(config)
        self._keys = keys
        self._unix_time_s = unix_time_s

    async def verified(self, credentials: Credentials) -> Token:
        """Accepts the token that is the password, whatever the user's name beside it. Raises LoginFailed."""
        token = credentials.password
        if token is None:
            raise LoginFailed(credentials.user_name, f"{REFUSED}there is none")
        try:
            key = await self._keys.key(key_id_of(token, self._rules))
            return verify(token, key, self._rules, self._unix_time_s())
        except TokenRefused as refusal:
            raise LoginFailed(credentials.user_name, f"{REFUSED}{refusal}") from None

    async def log_in(self, credentials: Credentials) -> tuple[str, tuple[str, ...], Rights]:
        token = await self.verified(credentials)
        return token.user_name, token.scopes.tags, TokenRights(self, token)

    async def authorize(self, name: str, credentials: Credentials) -> tuple[tuple[str, ...], Rights]:
        token = await self.verified(credentials)
        return token.scopes.tags, TokenRights(self, token)


class TokenRights:
    """The rights that a token gives. A `core.principals.Rights`."""

    def __init__(self, backend: TokenBackend, token: Token) -> None:
        self._backend = backend
        self._token = token

    def may_enter(self, vhost: Vhost, peer_host: str) -> bool:
        return self._token.scopes.permit_entry(vhost.name)

    def may(self, vhost: Vhost, verb: Verb, kind: Kind, name: str) -> bool:
        self._spend(vhost)
        return self._token.scopes.permit(vhost.name, verb, name)

    def may_use_topic(self, vhost: Vhost, verb: Verb, exchange: str, routing_key: str) -> bool:
        self._spend(vhost)
        return self._token.scopes.permit_topic(vhost.name, verb, exchange, routing_key)

    def _spend(self, vhost: Vhost) -> None:
        """Counts the work of a question: a token may have very many scopes, and its client as many questions."""
        vhost.scheduler.jobs.spend(self._token.scopes.count(vhost.name) // GRANTS_PER_UNIT)

    @property
    def expires_at_s(self) -> float | None:
        return self._token.expires_at_s

    def renewal(self, secret: bytes) -> Question:
        return Question(self._renew, Credentials(self._token.user_name, secret))

    async def _renew(self, credentials: Credentials) -> tuple[str, ...]:
        """Takes a new token in place of the old one; returns its tags. Raises LoginFailed."""
        token = await self._backend.verified(credentials)
        if token.user_name != self._token.user_name:
            raise LoginFailed(credentials.user_name, "Not allowed to change username on refreshed token")
        self._token = token
        return token.scopes.tags

    def note_tags(self, tags: tuple[str, ...]) -> None:
        """Does not care."""

    def forget(self) -> None:
        """Has nothing to forget: a token says everything itself."""
