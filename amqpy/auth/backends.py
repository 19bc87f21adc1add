"""The chain of back ends: who is asked about a login, in which order, and what comes of it.

The first that accepts decides; where one authenticates and others authorize, all of them must accept. If nobody does,
the reason of the last one is in the log. A user whom only the broker's own database has authorized is the broker's own;
any other is a `BackendUser`.

Source: `rabbit_access_control:check_user_login`.
"""

import logging
import secrets
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Final, Protocol

import trio

from amqpy.config import Config
from amqpy.config.auth import BackendChoice, parse_cached
from amqpy.core.principals import BackendUser, Principal, Rights
from amqpy.core.users import Credentials, LoginFailed, User, Users

if TYPE_CHECKING:
    from amqpy.auth.jwks import KeySource

CACHED: Final = "cached "
"""The beginning of the name of a back end that is behind the cache."""


class MissingExtra(OSError):
    """A back end whose libraries are not installed."""

    def __init__(self, backend: str) -> None:
        super().__init__(f"the back end {backend} needs more than is installed: pip install 'amqpy-broker[{backend}]'")


class Backend(Protocol):
    """A back end that can authenticate users, and authorize them."""

    async def log_in(self, credentials: Credentials) -> tuple[str, tuple[str, ...], Rights]:
        """Returns the name, the tags and the rights of the user with these credentials. Raises LoginFailed."""

    async def authorize(self, name: str, credentials: Credentials) -> tuple[tuple[str, ...], Rights]:
        """Returns the tags and the rights of a user whom another back end has authenticated by these credentials.
        Raises LoginFailed."""


class InternalBackend:
    """The broker's own users."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def log_in(self, credentials: Credentials) -> tuple[str, tuple[str, ...], Rights]:
        # From where they may connect is checked for all users alike, when the login is concluded.
        user = self._users.log_in(*credentials, from_loopback=True)
        return user.name, user.tags, user

    async def authorize(self, name: str, credentials: Credentials) -> tuple[tuple[str, ...], Rights]:
        user = self._users.admit(name, from_loopback=True)
        return user.tags, user


class Backends:
    """The chain. An `Authenticator`, while it runs."""

    def __init__(self, config: Config, users: Users, log: logging.Logger) -> None:
        """Raises OSError if a back end cannot be made, for want of a library or a file."""
        self._users = users
        self._log = log
        self._services: list[AbstractAsyncContextManager[object]] = []
        self._keys: KeySource | None = None
        self._backends: dict[str, Backend] = {"internal": InternalBackend(users)}
        self._chain = [_without_cache(config, choice) for choice in config.backend_choices]
        if "oauth2" in config.backends_used:
            self._make_oauth2(config)
        if "http" in config.backends_used:
            self._make_http(config)

    def _make_oauth2(self, config: Config) -> None:
        try:
            from amqpy.auth.token_backend import TokenBackend, open_keys
        except ImportError:
            raise MissingExtra("oauth2") from None
        self._keys, web = open_keys(config, self._log)
        self._services.append(web)
        self._backends["oauth2"] = self._backends[f"{CACHED}oauth2"] = TokenBackend(config, self._keys, time.time)

    def _make_http(self, config: Config) -> None:
        try:
            from amqpy.auth.http import CachedService, HttpBackend, WebService
            from amqpy.auth.web import Limits, Web
        except ImportError:
            raise MissingExtra("http") from None
        limits = Limits(config.auth_http_connection_timeout_ms / 1000, config.auth_http_request_timeout_ms / 1000)
        web = Web(limits, config.auth_http_ssl_options_cacertfile)
        self._services.append(web)
        service = WebService(config, web)
        cached = CachedService(
            service,
            trio.current_time,
            secrets.token_bytes(32),
            ttl_s=config.auth_cache_cache_ttl_ms / 1000,
            keeps_refusals=config.auth_cache_cache_refusals,
        )
        self._backends["http"] = HttpBackend(service, self._log)
        self._backends[f"{CACHED}http"] = HttpBackend(cached, self._log)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps what the back ends need open, until it is cancelled."""
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            for service in self._services:
                await stack.enter_async_context(service)
            if self._keys is not None:
                self._keys.fetches = nursery
            task_status.started()
            await trio.sleep_forever()

    async def __call__(self, credentials: Credentials) -> str | Principal:
        """Asks one after the other. Raises LoginFailed."""
        name = credentials.user_name
        failure = LoginFailed(name, f"No modules checked '{name}'")
        for choice in self._chain:
            try:
                return await self._log_in(choice, credentials)
            except LoginFailed as refusal:
                failure = refusal
            except Exception as error:
                self._log.exception("back end failed")
                failure = LoginFailed(name, f"{choice.authenticates} failed authenticating {name}: {error!r}")
        raise failure

    async def _log_in(self, choice: BackendChoice, credentials: Credentials) -> str | Principal:
        name, tags, own = await self._backends[choice.authenticates].log_in(credentials)
        rights = [own]
        if choice.authorize != (choice.authenticates,):
            rights.clear()
            for each in choice.authorize:
                more_tags, given = await self._backends[each].authorize(name, credentials)
                tags += more_tags
                rights.append(given)
        tags = tuple(dict.fromkeys(tags))
        if len(rights) == 1 and isinstance(rights[0], User) and tags == rights[0].tags:
            return rights[0].name
        return BackendUser(name, tags, rights, self._users.find(name))


def _without_cache(config: Config, choice: BackendChoice) -> BackendChoice:
    """The choice with the back ends behind the cache in its place. What needs no asking is not remembered."""
    if choice.authenticates != "cache":
        return choice
    authenticates, authorize = parse_cached(config.auth_cache_cached_backend)
    return BackendChoice(_cached(authenticates), tuple(map(_cached, authorize)))


def _cached(backend: str) -> str:
    return backend if backend == "internal" else f"{CACHED}{backend}"
