"""Chains of back ends: who is asked, whose answer counts, and what a user of several may do."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from amqpy.auth.backends import Backends, MissingExtra
from amqpy.auth.http import Allowed, Fields, HttpBackend, Reply
from amqpy.config import Config
from amqpy.config.auth import BackendChoice, parse_backend
from amqpy.config.values import ConfigError
from amqpy.core.principals import BackendUser, Principal, Undecided
from amqpy.core.users import Credentials, LoginFailed, Users
from tests.amqp.client import make_broker
from tests.auth.issuer import pem, rsa_key, token

LOG = logging.getLogger("amqpy.tests")


class House:
    """A broker with some users of its own, and a chain."""

    def __init__(self, tmp_path: Path, *backends: str, **settings: Any) -> None:  # noqa: ANN401
        (tmp_path / "key").write_bytes(pem(rsa_key()))
        self.broker = make_broker()
        self.users = Users(self.broker, lambda: b"salt")
        self.users.add_user("bob", "hunter2", tags=["management"])
        self.users.add_user("carol", "http", tags=["management"])
        self.users.set_permissions("bob", "/", "", "", "bobs")
        config = Config(
            auth_backends=backends,
            auth_oauth2_resource_server_id="rmq",
            auth_oauth2_signing_keys=(f"k={tmp_path / 'key'}",),
            **settings,
        )
        self.backends = Backends(config, self.users, LOG)
        self.service = FakeService()
        for name in self.backends._backends:  # noqa: SLF001 (in place of a server)
            if name.endswith("http"):
                self.backends._backends[name] = HttpBackend(self.service, LOG)  # noqa: SLF001
        self.vhost = self.broker.vhosts["/"]

    async def log_in(self, name: str, password: bytes | None) -> str | Principal:
        return await self.backends(Credentials(name, password))

    async def refusal(self, name: str, password: bytes | None) -> str:
        with pytest.raises(LoginFailed) as failure:
            await self.log_in(name, password)
        return str(failure.value)


class FakeService:
    """The web service: knows one user, and what it may do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str | bytes]]] = []
        self.allows: set[str] = {"user", "vhost", "resource", "topic"}
        self.name = "bob"
        self.tags: tuple[str, ...] = ("monitoring",)

    async def ask(self, path: str, fields: Fields) -> Reply:
        await trio.lowlevel.checkpoint()
        told = dict(fields)
        self.asked.append((path, told))
        is_known = told["username"] == self.name and told.get("password", b"http") == b"http"
        return Allowed(self.tags if path == "user" else ()) if is_known and path in self.allows else False


def fresh_token(**changes: Any) -> bytes:  # noqa: ANN401
    return token(exp=int(time.time()) + 600, **changes)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("internal", BackendChoice("internal", ("internal",))),
        ("http/internal", BackendChoice("http", ("internal",))),
        ("internal/http+oauth2", BackendChoice("internal", ("http", "oauth2"))),
        ("cache", BackendChoice("cache", ("cache",))),
    ],
)
def test_a_choice(text: str, choice: BackendChoice) -> None:
    assert parse_backend(text) == choice


@pytest.mark.parametrize(
    "text", ["", "ldap", "internal/", "/internal", "internal/ldap", "cache/internal", "http/cache"]
)
def test_what_is_no_choice(text: str) -> None:
    with pytest.raises(ValueError, match=r"no such back end|the back end behind the cache"):
        parse_backend(text)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"auth_backends": ("oauth2",)}, "auth_backends has oauth2, which needs auth_oauth2_resource_server_id"),
        (
            {"auth_backends": ("internal/oauth2",), "auth_oauth2_resource_server_id": "x"},
            "auth_backends has oauth2, which needs keys: auth_oauth2_issuer, auth_oauth2_jwks_uri or "
            "auth_oauth2_signing_keys",
        ),
        (
            {"auth_backends": ("cache",), "auth_cache_cached_backend": "oauth2"},
            "auth_backends has oauth2, which needs auth_oauth2_resource_server_id",
        ),
        ({"auth_cache_cached_backend": "cache"}, "auth_cache_cached_backend must be a back end as in `auth_backends`"),
        ({"auth_backends": ()}, "auth_backends must be a list of internal, oauth2, http, cache or two of them "),
    ],
)
def test_settings_that_need_each_other(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(**settings)
    assert str(refused.value).startswith(text)


async def test_the_first_that_accepts_decides(tmp_path: Path) -> None:
    house = House(tmp_path, "internal", "oauth2", "http")
    assert await house.log_in("bob", b"hunter2") == "bob"
    assert house.service.asked == []
    user = await house.log_in("whoever", fresh_token())
    assert isinstance(user, BackendUser)
    assert user.name == "alice"
    assert house.service.asked == []
    user = await house.log_in("bob", b"http")
    assert isinstance(user, BackendUser)
    assert (user.name, user.tags) == ("bob", ("monitoring",))


async def test_the_last_reason_is_told(tmp_path: Path) -> None:
    assert await House(tmp_path, "http", "internal").refusal("bob", b"x") == "user 'bob' - invalid credentials"
    assert await House(tmp_path, "internal", "http").refusal("bob", b"x") == "Denied by the backing HTTP service"
    assert await House(tmp_path, "internal", "oauth2").refusal("bob", b"x") == (
        "Authentication using an OAuth 2/JWT token failed: it is no token"
    )


async def test_one_that_breaks_does_not_keep_the_others_from_being_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path, "http", "internal")

    class Broken(FakeService):
        async def ask(self, path: str, fields: Fields) -> Reply:
            raise RuntimeError("broken")

    house.backends._backends["http"] = HttpBackend(Broken(), LOG)  # noqa: SLF001
    assert await house.log_in("bob", b"hunter2") == "bob"
    assert "back end failed" in caplog.text
    house.backends._chain.pop()  # noqa: SLF001
    assert await house.refusal("bob", b"hunter2") == "http failed authenticating bob: RuntimeError('broken')"


async def test_authentication_by_one_and_authorization_by_the_broker(tmp_path: Path) -> None:
    house = House(tmp_path, "http/internal")
    user = await house.log_in("bob", b"http")
    assert isinstance(user, BackendUser)
    assert user.tags == ("monitoring", "management")
    assert user.may_enter(house.vhost, "")
    assert user.may(house.vhost, "read", "queue", "bobs")
    assert not user.may(house.vhost, "read", "queue", "q")
    assert [path for path, _ in house.service.asked] == ["user"]
    house.service.tags = ()
    assert await house.log_in("bob", b"http") == "bob", "nothing is different from the broker's own user"
    house.service.name = "stranger"
    assert await house.refusal("stranger", b"http") == "user 'stranger' - invalid credentials"


async def test_authentication_by_the_broker_and_authorization_by_another(tmp_path: Path) -> None:
    house = House(tmp_path, "internal/http")
    house.service.name = "carol"
    user = await house.log_in("carol", b"http")
    assert isinstance(user, BackendUser)
    assert user.tags == ("management", "monitoring")
    assert house.service.asked == [("user", {"username": "carol", "password": b"http"})]
    with pytest.raises(Undecided) as undecided:
        user.may_enter(house.vhost, "")
    question = undecided.value.question
    await question.ask(question.about)
    assert house.service.asked[1][1]["tags"] == "management monitoring"
    house.service.allows.clear()
    assert await house.refusal("carol", b"http") == "Denied by the backing HTTP service"
    assert await house.refusal("carol", b"x") == "user 'carol' - invalid credentials"


async def test_all_who_authorize_must_agree(tmp_path: Path) -> None:
    house = House(tmp_path, "internal/internal+http")
    house.service.name = "carol"
    house.users.set_permissions("carol", "/", "", "", "bobs")
    user = await house.log_in("carol", b"http")
    assert isinstance(user, BackendUser)
    assert not user.may(house.vhost, "read", "queue", "q"), "the first refuses, and the second is not asked"
    with pytest.raises(Undecided) as undecided:
        user.may(house.vhost, "read", "queue", "bobs")
    house.service.allows.discard("resource")
    question = undecided.value.question
    await question.ask(question.about)
    assert not user.may(house.vhost, "read", "queue", "bobs")


async def test_the_cache_stands_for_what_is_behind_it(tmp_path: Path) -> None:
    house = House(tmp_path, "cache", auth_cache_cached_backend="http/internal")
    assert house.backends._chain == [BackendChoice("cached http", ("internal",))]  # noqa: SLF001
    user = await house.log_in("bob", b"http")
    assert isinstance(user, BackendUser)
    assert user.name == "bob"


async def test_limits_are_those_of_the_brokers_user_of_that_name(tmp_path: Path) -> None:
    house = House(tmp_path, "oauth2")
    user = await house.log_in("", fresh_token(sub="bob"))
    assert isinstance(user, BackendUser)
    assert user.clients is house.users.user("bob").clients
    stranger = await house.log_in("", fresh_token())
    assert isinstance(stranger, BackendUser)
    assert stranger.clients == {}
    stranger.check_connection()
    stranger.check_channel()


async def test_tokens(tmp_path: Path) -> None:
    house = House(tmp_path, "oauth2", auth_oauth2_scope_aliases=("dev=rmq.read:%2F/dev.*/x rmq.tag:b",))
    user = await house.log_in("", fresh_token(scope="dev rmq.tag:a"))
    assert isinstance(user, BackendUser)
    assert (user.tags, user.key) == (("a", "b"), user)
    assert user.may_enter(house.vhost, "")
    assert user.may(house.vhost, "read", "queue", "dev.q")
    assert not user.may(house.vhost, "write", "queue", "dev.q")
    assert user.may_use_topic(house.vhost, "read", "dev.t", "x")
    assert not user.may_use_topic(house.vhost, "read", "dev.t", "y")
    assert user.expires_at_s is not None


async def test_a_token_with_very_many_scopes_makes_its_own_client_wait(tmp_path: Path) -> None:
    house = House(tmp_path, "oauth2")
    user = await house.log_in("", fresh_token(scope=[f"rmq.read:*/{number}*" for number in range(2000)]))
    assert isinstance(user, BackendUser)
    jobs = house.broker.scheduler.jobs
    jobs.begin_turn()
    assert not user.may(house.vhost, "read", "queue", "x")
    assert jobs.spent == 1000
    user = await house.log_in("", fresh_token(scope="rmq.read:*/x"))
    assert isinstance(user, BackendUser)
    jobs.begin_turn()
    assert user.may(house.vhost, "read", "queue", "x")
    assert jobs.spent == 0


@pytest.mark.parametrize(
    ("profile", "name", "takes_eternal"),
    [("rabbitmq-3.10", "c", True), ("rabbitmq-4.0", "s", True), ("rabbitmq-4.3", "s", False)],
)
async def test_tokens_by_profile(tmp_path: Path, profile: str, name: str, takes_eternal: bool) -> None:
    house = House(tmp_path, "oauth2", profile=profile)
    user = await house.log_in("", fresh_token(sub="s", client_id="c"))
    assert isinstance(user, BackendUser)
    assert user.name == name
    if takes_eternal:
        assert isinstance(await house.log_in("", token(exp=None)), BackendUser)
    else:
        assert "no exp claim" in await house.refusal("", token(exp=None))
    for required in True, False:
        house = House(tmp_path, "oauth2", profile=profile, auth_oauth2_require_exp=required)
        if required:
            assert "no exp claim" in await house.refusal("", token(exp=None))
        else:
            assert isinstance(await house.log_in("", token(exp=None)), BackendUser)


@pytest.mark.parametrize(("backend", "module"), [("oauth2", "jwt"), ("oauth2", "httpx"), ("http", "httpx")])
def test_libraries_that_are_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, module: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("amqpy.auth.") and "backends" not in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra) as missing:
        House(tmp_path, backend)
    expected = f"the back end {backend} needs more than is installed: pip install 'amqpy-broker[{backend}]'"
    assert str(missing.value) == expected


async def test_a_question_for_the_keys_runs_while_the_back_ends_do(tmp_path: Path) -> None:
    house = House(tmp_path, "oauth2", "http", auth_oauth2_jwks_uri="http://127.0.0.1:9/keys")
    async with trio.open_nursery() as nursery:
        await nursery.start(house.backends.run)
        house.backends._chain.pop()  # noqa: SLF001
        assert "its key is not known" in await house.refusal("", token(key_id="other"))
        nursery.cancel_scope.cancel()


# --- certificates


async def test_a_name_that_was_proved_needs_no_password_where_it_is_known(tmp_path: Path) -> None:
    assert await House(tmp_path, "internal").log_in("bob", None) == "bob"
    by_service = House(tmp_path, "internal", "http")
    by_service.service.name = "dave"
    assert isinstance(await by_service.log_in("dave", None), BackendUser)
    assert by_service.service.asked == [("user", {"username": "dave"})]


async def test_a_name_that_was_proved_is_refused_where_it_is_not_known(tmp_path: Path) -> None:
    """Also if the broker itself knows it, and nobody has said that it is to be asked."""
    house = House(tmp_path, "http", "oauth2")
    house.service.allows = set()
    assert "there is none" in await house.refusal("bob", None)
    assert house.service.asked == [("user", {"username": "bob"})]
    assert "invalid credentials" in await House(tmp_path, "internal").refusal("nobody", None)
