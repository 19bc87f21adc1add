"""The keys of an issuer: fetched when an unknown one is named, not too often, once for all, and by nobody's leave."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.auth.jwks import FETCH_INTERVAL_S, KEYS_MAX, SET_AGE_MAX_S, KeyFileError, KeySource, keys_in_files
from amqpy.auth.oauth2 import Key, TokenRefused
from amqpy.auth.web import Answer, WebError
from tests.auth.issuer import ISSUER, SECRET, ec_key, jwk, pem, rsa_key

LOG = logging.getLogger("amqpy.tests")
SET_URL = f"{ISSUER}/keys"
CONFIGURATION_URL = f"{ISSUER}/.well-known/openid-configuration"
FETCH_S = 1.0


class Issuer:
    """The web server of an issuer. It takes its time."""

    def __init__(self, *key_ids: str) -> None:
        self.asked: list[str] = []
        self.pages: dict[str, object] = {CONFIGURATION_URL: {"issuer": ISSUER, "jwks_uri": SET_URL}}
        self.publish(*key_ids)
        self.is_down = False

    def publish(self, *key_ids: str) -> None:
        self.pages[SET_URL] = {"keys": [jwk(rsa_key(), kid=key_id) for key_id in key_ids]}

    async def get(self, url: str) -> Answer:
        self.asked.append(url)
        await trio.sleep(FETCH_S)
        if self.is_down:
            raise WebError("it is down")
        if url not in self.pages:
            return Answer(404, b"")
        page = self.pages[url]
        return Answer(200, page if isinstance(page, bytes) else json.dumps(page).encode())


@asynccontextmanager
async def source(
    issuer: Issuer, keys: dict[str, Key] | None = None, *, set_url: str | None = SET_URL, name: str | None = None
) -> AsyncIterator[KeySource]:
    found = KeySource(keys or {}, issuer, LOG, set_url=set_url, issuer=name)
    async with trio.open_nursery() as found.fetches:
        yield found
        found.fetches.cancel_scope.cancel()


async def is_unknown(keys: KeySource, key_id: str) -> bool:
    try:
        await keys.key(key_id)
    except TokenRefused as refusal:
        return str(refusal) == "its key is not known"
    return False


async def test_an_unknown_key_is_fetched_and_then_known(autojump_clock: MockClock) -> None:
    issuer = Issuer("a", "b")
    async with source(issuer) as keys:
        assert "RS256" in (await keys.key("a")).algorithms
        assert trio.current_time() == FETCH_S
        await keys.key("b")
        assert trio.current_time() == FETCH_S
    assert issuer.asked == [SET_URL]


async def test_keys_are_found_by_the_issuers_configuration(autojump_clock: MockClock) -> None:
    issuer = Issuer("a")
    async with source(issuer, set_url=None, name=ISSUER) as keys:
        await keys.key("a")
    assert issuer.asked == [CONFIGURATION_URL, SET_URL]


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://attacker.example", "jwks_uri": SET_URL},
        {"jwks_uri": SET_URL},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "http://issuer.example/keys"},
        {"issuer": ISSUER, "jwks_uri": 5},
        [],
        b"not json",
    ],
)
async def test_configurations_that_are_none(autojump_clock: MockClock, configuration: object) -> None:
    issuer = Issuer("a")
    issuer.pages[CONFIGURATION_URL] = configuration
    async with source(issuer, set_url=None, name=ISSUER) as keys:
        assert await is_unknown(keys, "a")
    assert issuer.asked == [CONFIGURATION_URL]


async def test_all_who_wait_share_one_fetch(autojump_clock: MockClock) -> None:
    issuer = Issuer("a")
    found: list[Key] = []

    async def want(keys: KeySource) -> None:
        found.append(await keys.key("a"))

    async with source(issuer) as keys:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(want, keys)
        assert trio.current_time() == FETCH_S
    assert len(found) == 50
    assert issuer.asked == [SET_URL]


async def test_unknown_keys_do_not_make_more_fetches_than_one_in_a_while(autojump_clock: MockClock) -> None:
    issuer = Issuer("a")
    async with source(issuer) as keys:
        began_at = trio.current_time()
        for number in range(200):
            assert await is_unknown(keys, f"unknown {number}")
            await trio.sleep(0.1)
        spent = trio.current_time() - began_at
        assert len(issuer.asked) <= spent / FETCH_INTERVAL_S + 1
        assert len(issuer.asked) >= spent / FETCH_INTERVAL_S - 1
        await keys.key("a")


async def test_that_a_client_is_gone_does_not_end_the_fetch(autojump_clock: MockClock) -> None:
    """Or whoever comes and goes could keep a new key from being fetched, time and again."""
    issuer = Issuer("a")
    async with source(issuer) as keys:
        with trio.move_on_after(FETCH_S / 2):
            await keys.key("a")
        await keys.key("a")
        assert trio.current_time() == FETCH_S
    assert issuer.asked == [SET_URL]


async def test_keys_are_rotated(autojump_clock: MockClock) -> None:
    issuer = Issuer("old")
    async with source(issuer) as keys:
        await keys.key("old")
        issuer.publish("new")
        await trio.sleep(FETCH_INTERVAL_S)
        await keys.key("new")
        assert await is_unknown(keys, "old"), "all that was fetched is replaced"


async def test_a_key_that_was_withdrawn_is_not_kept_for_ever(autojump_clock: MockClock) -> None:
    issuer = Issuer("old")
    async with source(issuer) as keys:
        await keys.key("old")
        issuer.publish("new")
        await trio.sleep(SET_AGE_MAX_S + 1)
        asked_at = trio.current_time()
        await keys.key("old")
        assert trio.current_time() == asked_at, "nobody waits for that"
        await trio.sleep(2 * FETCH_S)
        assert await is_unknown(keys, "old")


async def test_what_fails_leaves_the_keys_there_are(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer("a")
    async with source(issuer) as keys:
        await keys.key("a")
        issuer.is_down = True
        await trio.sleep(FETCH_INTERVAL_S)
        assert await is_unknown(keys, "b")
        await keys.key("a")
        assert "cannot fetch the keys of the issuer of tokens: it is down" in caplog.text
        issuer.is_down = False
        issuer.publish("a", "b")
        await trio.sleep(FETCH_INTERVAL_S)
        await keys.key("b")


@pytest.mark.parametrize("page", [b"", b"[]", b"{}", {"keys": 5}, {"keys": {}}, b"[" * 50_000])
async def test_sets_that_are_none(autojump_clock: MockClock, page: object) -> None:
    issuer = Issuer()
    issuer.pages[SET_URL] = page
    async with source(issuer) as keys:
        assert await is_unknown(keys, "a")


async def test_what_is_in_a_set_beside_good_keys(autojump_clock: MockClock) -> None:
    issuer = Issuer()
    strange = [5, {}, {"kid": 5}, {"kid": "b"}, jwk(SECRET, kid="c"), jwk(ec_key(), kid="d", use="enc"), jwk(ec_key())]
    issuer.pages[SET_URL] = {"keys": [*strange, jwk(ec_key(), kid="a")]}
    async with source(issuer) as keys:
        await keys.key("a")
        for key_id in "b", "c", "d":
            assert await is_unknown(keys, key_id)


async def test_a_set_is_bounded(autojump_clock: MockClock) -> None:
    issuer = Issuer()
    issuer.pages[SET_URL] = {"keys": [*[{}] * KEYS_MAX, jwk(ec_key(), kid="a")]}
    async with source(issuer) as keys:
        assert await is_unknown(keys, "a")


async def test_keys_in_files_stay_and_win(autojump_clock: MockClock, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pem(ec_key()))
    static = keys_in_files({"a": str(tmp_path / "a")})
    issuer = Issuer("a", "b")
    async with source(issuer, static) as keys:
        assert (await keys.key("a")).algorithms == {"ES256"}
        assert issuer.asked == []
        await keys.key("b")
        assert (await keys.key("a")).algorithms == {"ES256"}
        await trio.sleep(SET_AGE_MAX_S + 1)
        await keys.key("a")
        await wait_all_tasks_blocked()
    assert issuer.asked == [SET_URL]


async def test_without_an_issuer_nothing_is_fetched(autojump_clock: MockClock) -> None:
    issuer = Issuer("a")
    async with source(issuer, set_url=None) as keys:
        assert await is_unknown(keys, "a")
    assert issuer.asked == []


# --- files


@pytest.mark.parametrize(
    "content",
    [
        pem(rsa_key()),
        json.dumps(jwk(rsa_key())).encode(),
        json.dumps({"keys": [jwk(rsa_key())]}).encode(),
        b"\n " + json.dumps(jwk(SECRET)).encode(),
    ],
)
def test_files_with_a_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert list(keys_in_files({"a": str(tmp_path / "key")})) == ["a"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "no public key or certificate"),
        (b"{", "it is not JSON"),
        (b"{}", "a key of unknown type"),
        (json.dumps({"keys": [jwk(SECRET)] * 2}).encode(), "not one key"),
        (b'{"keys": 5}', "not one key"),
        (b'{"keys": [5]}', "not one key"),
        (b'{"a":' * 50_000, "it is not JSON"),
        (b'{"kty": "oct"}', "malformed"),
    ],
)
def test_files_without_a_key(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(KeyFileError, match=f"cannot use the key 'a' in {file}: {text}"):
        keys_in_files({"a": str(file)})


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot read the key 'a' in .*/none: No such file or directory"):
        keys_in_files({"a": str(tmp_path / "none")})
