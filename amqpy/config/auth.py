"""The settings of the back ends that authenticate and authorize users (docs/auth-backends.md, docs/oauth2.md).

Source: RabbitMQ's `auth_backends`, `auth_http.*`, `auth_cache.*` and `auth_oauth2.*`, and their defaults.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.values import ConfigError, SettingInfo, setting

BACKENDS: Final = ("internal", "oauth2", "http", "cache")
ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA",
    "HS256", "HS384", "HS512",
)  # fmt: skip
"""Signatures of tokens that can be verified. `none` is not one, and cannot be made one."""

TIMEOUT_MAX_MS = 600_000


class BackendChoice(NamedTuple):
    """A back end that authenticates users, and those that authorize them, which must all agree."""

    authenticates: str
    authorize: tuple[str, ...]


def parse_backend(text: str) -> BackendChoice:
    """Parses `NAME`, or `NAME/NAME` for one that authenticates and another that authorizes. Raises ValueError."""
    authenticates, separator, others = text.partition("/")
    choice = BackendChoice(authenticates, tuple(others.split("+")) if separator else (authenticates,))
    names = {choice.authenticates, *choice.authorize}
    if not names <= set(BACKENDS):
        raise ValueError("no such back end")
    if "cache" in names and separator:
        raise ValueError("the back end behind the cache may be two, not the cache one of two")
    return choice


def parse_cached(text: str) -> BackendChoice:
    """Like `parse_backend`, for the back end behind the cache."""
    choice = parse_backend(text)
    if "cache" in {choice.authenticates, *choice.authorize}:
        raise ValueError("a cache of itself")
    return choice


def parse_pair(text: str) -> tuple[str, str]:
    """Parses `NAME=VALUE`. Raises ValueError."""
    name, separator, value = text.partition("=")
    if not (name.strip() and separator and value.strip()):
        raise ValueError("no NAME=VALUE")
    return name.strip(), value.strip()


def parse_web_address(text: str) -> str:
    """Checks an address of HTTP. Raises ValueError."""
    from urllib.parse import urlsplit  # most starts need none

    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("no address of HTTP")
    return text


def parse_key_address(text: str) -> str:
    """Checks an address that keys may be fetched from. Raises ValueError."""
    from urllib.parse import urlsplit

    parts = urlsplit(parse_web_address(text))
    if parts.scheme != "https" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("whoever is on the way could give other keys")
    return text


KEY_ADDRESS = ("an address of HTTPS, or of HTTP on this machine", parse_key_address)
WEB_ADDRESS = ("an address of HTTP", parse_web_address)


@dataclass(frozen=True)  # without slots, or they could not be joined
class AuthSettings:
    """The part of `Config` about authentication and authorization by back ends."""

    auth_backends: tuple[str, ...] = setting(
        ("internal",),
        SettingInfo(
            "The back ends that are asked about a login, in this order; the first that accepts decides. `A/B`: A "
            "authenticates, and B (or `B+C`, which must agree) authorizes.",
            low=1,
            form=("internal, oauth2, http, cache or two of them (`http/internal`)", parse_backend),
            rabbitmq_keys=("auth_backends.*", "auth_backends.*.authn", "auth_backends.*.authz"),
            rabbitmq_form=forms.AUTH_BACKENDS,
        ),
    )
    auth_http_http_method: str = setting(
        "get",
        SettingInfo(
            "The method of requests to the HTTP back end.",
            choices=("get", "post"),
            rabbitmq_keys=("auth_http.http_method",),
        ),
    )
    auth_http_user_path: str = setting(
        "http://localhost:8000/auth/user",
        SettingInfo("The address that logs users in.", form=WEB_ADDRESS, rabbitmq_keys=("auth_http.user_path",)),
    )
    auth_http_vhost_path: str = setting(
        "http://localhost:8000/auth/vhost",
        SettingInfo(
            "The address that says who may connect to a virtual host.",
            form=WEB_ADDRESS,
            rabbitmq_keys=("auth_http.vhost_path",),
        ),
    )
    auth_http_resource_path: str = setting(
        "http://localhost:8000/auth/resource",
        SettingInfo(
            "The address that says who may configure, write and read what.",
            form=WEB_ADDRESS,
            rabbitmq_keys=("auth_http.resource_path",),
        ),
    )
    auth_http_topic_path: str = setting(
        "http://localhost:8000/auth/topic",
        SettingInfo(
            "The address that says who may use which routing key with topic exchanges.",
            form=WEB_ADDRESS,
            rabbitmq_keys=("auth_http.topic_path",),
        ),
    )
    auth_http_request_timeout_ms: int = setting(
        15_000,
        SettingInfo(
            "How long the HTTP back end may take to answer a request.",
            low=1,
            high=TIMEOUT_MAX_MS,
            rabbitmq_keys=("auth_http.request_timeout",),
        ),
    )
    auth_http_connection_timeout_ms: int = setting(
        15_000,
        SettingInfo(
            "How long connecting to the HTTP back end may take.",
            low=1,
            high=TIMEOUT_MAX_MS,
            rabbitmq_keys=("auth_http.connection_timeout",),
        ),
    )
    auth_http_ssl_options_cacertfile: str | None = setting(
        None,
        SettingInfo(
            "The authorities that sign certificates of the HTTP back end; by default the system's.",
            rabbitmq_keys=("auth_http.ssl_options.cacertfile",),
        ),
    )

    auth_cache_cached_backend: str = setting(
        "internal",
        SettingInfo(
            "The back end behind `cache`.",
            form=("a back end as in `auth_backends`", parse_cached),
            rabbitmq_keys=("auth_cache.cached_backend",),
            rabbitmq_form=forms.BACKEND,
        ),
    )
    auth_cache_cache_ttl_ms: int = setting(
        15_000,
        SettingInfo(
            "How long an answer is remembered.", low=1, high=86_400_000, rabbitmq_keys=("auth_cache.cache_ttl",)
        ),
    )
    auth_cache_cache_refusals: bool = setting(
        False, SettingInfo("Remembers refusals, too.", rabbitmq_keys=("auth_cache.cache_refusals",))
    )

    auth_oauth2_resource_server_id: str | None = setting(
        None,
        SettingInfo(
            "The audience of tokens for this broker. `oauth2` needs it.",
            rabbitmq_keys=("auth_oauth2.resource_server_id",),
        ),
    )
    auth_oauth2_verify_aud: bool = setting(
        True, SettingInfo("Refuses tokens for another audience.", rabbitmq_keys=("auth_oauth2.verify_aud",))
    )
    auth_oauth2_issuer: str | None = setting(
        None,
        SettingInfo(
            "The issuer of tokens: others' are refused. Without `auth_oauth2_jwks_uri` its keys are found by its "
            "`.well-known/openid-configuration`.",
            form=KEY_ADDRESS,
            rabbitmq_keys=("auth_oauth2.issuer",),
        ),
    )
    auth_oauth2_jwks_uri: str | None = setting(
        None,
        SettingInfo(
            "The address of the issuer's keys.",
            form=KEY_ADDRESS,
            rabbitmq_keys=("auth_oauth2.jwks_uri", "auth_oauth2.jwks_url"),
        ),
    )
    auth_oauth2_https_cacertfile: str | None = setting(
        None,
        SettingInfo(
            "The authorities that sign certificates of the issuer; by default the system's.",
            rabbitmq_keys=("auth_oauth2.https.cacertfile",),
        ),
    )
    auth_oauth2_signing_keys: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Keys of the issuer in files, by their ids: a public key or certificate (PEM), or a JWK.",
            form=("ID=FILE", parse_pair),
            rabbitmq_keys=("auth_oauth2.signing_keys.*",),
            rabbitmq_form=forms.PAIRS,
        ),
    )
    auth_oauth2_default_key: str | None = setting(
        None,
        SettingInfo(
            "The id of the key for tokens that name none. Without it they are refused.",
            low=1,
            rabbitmq_keys=("auth_oauth2.default_key",),
        ),
    )
    auth_oauth2_algorithms: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "The signatures that are accepted, by default all these.",
            choices=ALGORITHMS,
            rabbitmq_keys=("auth_oauth2.algorithms.*",),
        ),
    )
    auth_oauth2_scope_prefix: str | None = setting(
        None,
        SettingInfo(
            "The beginning of scopes that count; by default `auth_oauth2_resource_server_id` and a dot.",
            rabbitmq_keys=("auth_oauth2.scope_prefix",),
        ),
    )
    auth_oauth2_scope_aliases: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Scopes that stand for others.",
            form=("ALIAS=SCOPE SCOPE…", parse_pair),
            rabbitmq_keys=("auth_oauth2.scope_aliases.*",),
            rabbitmq_form=forms.PAIRS,
        ),
    )
    auth_oauth2_additional_scopes_key: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "More claims that have scopes, as paths (`realm_access.roles`).",
            rabbitmq_keys=("auth_oauth2.additional_scopes_key",),
            rabbitmq_form=forms.WORDS,
        ),
    )
    auth_oauth2_preferred_username_claims: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Claims that have the user's name, before `sub` and `client_id`.",
            rabbitmq_keys=("auth_oauth2.preferred_username_claims.*",),
        ),
    )
    auth_oauth2_leeway_s: int = setting(0, SettingInfo("Seconds that the issuer's clock may be off.", low=0, high=300))
    auth_oauth2_require_exp: bool | None = setting(
        None, SettingInfo("Refuses tokens that never expire; by default as the profile does.")
    )

    @property
    def backend_choices(self) -> tuple[BackendChoice, ...]:
        """The back ends to be asked, in order. Those of the cache are its own."""
        return tuple(map(parse_backend, self.auth_backends))

    @property
    def backends_used(self) -> set[str]:
        """The names of the back ends that are needed, the cache apart."""
        choices = self.backend_choices
        if any(choice.authenticates == "cache" for choice in choices):
            choices = (*choices, parse_cached(self.auth_cache_cached_backend))
        return {name for choice in choices for name in (choice.authenticates, *choice.authorize)} - {"cache"}

    def check_backends(self) -> None:
        """Checks settings that need each other. Raises ConfigError."""
        if "oauth2" not in self.backends_used:
            return
        if not self.auth_oauth2_resource_server_id:
            raise ConfigError("auth_backends has oauth2, which needs auth_oauth2_resource_server_id")
        if not (self.auth_oauth2_signing_keys or self.auth_oauth2_jwks_uri or self.auth_oauth2_issuer):
            raise ConfigError(
                "auth_backends has oauth2, which needs keys: auth_oauth2_issuer, auth_oauth2_jwks_uri or "
                "auth_oauth2_signing_keys"
            )
