"""The keys of an issuer of tokens: from files, and from the set that the issuer publishes.

A token names its key. One that is not known is looked for in the issuer's set, which is fetched then: at most once in
some seconds, whoever asks, and once for all who wait. The fetch is nobody's in particular: if the client whose token
began it is gone, it goes on. What was fetched replaces what was fetched before, so a key that the issuer has withdrawn
is gone with the next fetch; an old set is fetched anew. Keys in files stay, and win.

If nothing can be fetched, the keys there are stay, and a token with another one is refused.

Source: `uaa_jwt:get_jwk`, `uaa_jwks`, `oauth2_client:get_openid_configuration`; OpenID Connect Discovery 1.0 section 4.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import trio

from amqpy.auth.oauth2 import Key, KeyUnusable, TokenRefused, key_of_jwk, key_of_pem
from amqpy.auth.web import Answer, WebError
from amqpy.config.auth import parse_key_address

FETCH_INTERVAL_S = 5
"""Seconds between two fetches. A token with an unknown key, which anybody can write, causes one."""

SET_AGE_MAX_S = 3600
"""Seconds after which the set is fetched anew, for keys that were withdrawn."""

KEYS_MAX = 1000
KEY_FILE_BYTES_MAX = 1 << 20

DISCOVERY_PATH = "/.well-known/openid-configuration"


class KeyFileError(OSError):
    """A file with a key that cannot be used."""


class Getter(Protocol):
    async def get(self, url: str) -> Answer:
        """Raises WebError."""


def keys_in_files(files: Mapping[str, str]) -> dict[str, Key]:
    """Reads keys, by their ids. A file is PEM, or JSON with one key or a set of one. Raises KeyFileError."""
    return {key_id: _read_key(key_id, Path(file)) for key_id, file in files.items()}


def _read_key(key_id: str, file: Path) -> Key:
    try:
        with file.open("rb") as opened:
            data = opened.read(KEY_FILE_BYTES_MAX)
        if not data.lstrip().startswith(b"{"):
            return key_of_pem(data)
        found = json.loads(data)
        keys = found.get("keys", [found])
        if not isinstance(keys, list) or len(keys) != 1 or not isinstance(keys[0], dict):
            raise KeyUnusable("not one key")
        return key_of_jwk(keys[0], takes_secrets=True)
    except OSError as error:
        raise KeyFileError(f"cannot read the key {key_id!r} in {file}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # which KeyUnusable is, too
        text = error if isinstance(error, KeyUnusable) else "it is not JSON"
        raise KeyFileError(f"cannot use the key {key_id!r} in {file}: {text}") from None


class KeySource:
    """The keys of an issuer. `fetches` is where fetches run."""

    def __init__(
        self,
        keys: Mapping[str, Key],
        web: Getter,
        log: logging.Logger,
        *,
        set_url: str | None = None,
        issuer: str | None = None,
    ) -> None:
        self._static = dict(keys)
        self._fetched: dict[str, Key] = {}
        self._web = web
        self._log = log
        self._set_url = set_url
        self._issuer = issuer
        self.fetches: trio.Nursery
        """The nursery that fetches run in."""
        self._fetched_at_s = -float("inf")
        """The time of the last fetch that brought a set."""
        self._began_at_s = -float("inf")
        self._fetching: trio.Event | None = None
        """The end of the fetch under way."""

    async def key(self, key_id: str) -> Key:
        """Finds a key, and fetches the issuer's set if it is not known. Raises TokenRefused."""
        found = self._find(key_id)
        if found is None:
            fetching = self._begin()
            if fetching is not None:
                await fetching.wait()
            found = self._find(key_id)
        elif key_id not in self._static and trio.current_time() - self._fetched_at_s > SET_AGE_MAX_S:
            self._begin()
        if found is None:
            raise TokenRefused("its key is not known")
        return found

    def _find(self, key_id: str) -> Key | None:
        return self._static.get(key_id) or self._fetched.get(key_id)

    def _begin(self) -> trio.Event | None:
        """Begins a fetch, if it is time; returns the end of the one under way, if there is one."""
        if self._set_url is self._issuer is None:
            return None
        if self._fetching is None and trio.current_time() - self._began_at_s >= FETCH_INTERVAL_S:
            self._began_at_s = trio.current_time()
            self._fetching = trio.Event()
            self.fetches.start_soon(self._fetch)
        return self._fetching

    async def _fetch(self) -> None:
        assert self._fetching is not None
        try:
            keys = self._keys_in(await self._get_json(await self._find_set()))
        except WebError as error:
            self._log.error("cannot fetch the keys of the issuer of tokens: %s", error)
        else:
            self._fetched, self._fetched_at_s = keys, trio.current_time()
            self._log.info("fetched %d keys of the issuer of tokens", len(keys))
        finally:
            self._fetching.set()
            self._fetching = None

    async def _find_set(self) -> str:
        """The address of the set: the one that was given, or the one that the issuer tells."""
        if self._set_url is not None:
            return self._set_url
        assert self._issuer is not None
        told = await self._get_json(self._issuer.rstrip("/") + DISCOVERY_PATH)
        url = told.get("jwks_uri")
        if told.get("issuer") != self._issuer:
            raise WebError("the configuration there is that of another issuer")
        try:
            return parse_key_address(str(url))
        except ValueError:
            raise WebError("the configuration there has no address of keys") from None

    async def _get_json(self, url: str) -> dict[str, Any]:
        answer = await self._web.get(url)
        if answer.status != 200:
            raise WebError(f"{url} answers with status {answer.status}")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise WebError(f"{url} is not JSON") from None
        if not isinstance(found, dict):
            raise WebError(f"{url} is not what it should be")
        return found

    def _keys_in(self, found: Mapping[str, Any]) -> dict[str, Key]:
        """The keys of a set that can be used. An issuer may have others, too."""
        told, keys = found.get("keys"), {}
        if not isinstance(told, list):
            raise WebError("the set has no keys")
        for jwk in told[:KEYS_MAX]:
            key_id = jwk.get("kid") if isinstance(jwk, dict) else None
            if not isinstance(key_id, str):
                continue
            try:
                keys[key_id] = key_of_jwk(jwk, takes_secrets=False)
            except KeyUnusable as error:
                self._log.warning("cannot use the key %r of the issuer of tokens: %s", key_id, error)
        return keys
