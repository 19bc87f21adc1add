"""Users of live pages: their logins and rights are judged again and again."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.core.principals import BackendUser, Principal
from amqpy.core.users import Credentials, LoginFailed
from amqpy.management.login import Logins

from .harness import Site
from .live_page import looking

pytestmark = pytest.mark.usefixtures("nothing_costs_time")

ASKING_S = 0.1


async def test_a_login_that_is_not_good_any_more(site: Site, autojump_clock: MockClock) -> None:
    site.add_user("app", "administrator")
    site.declare("q")
    async with looking(
        site, user="app", get=["/whoami", "/queues/%2F/q?columns=name"], events="#", tap="/queues/%2F/q"
    ) as page:
        before = await page.after(1)
        assert [data["status"] for _, data in before if "status" in data] == [200] * 4
        site.users.delete_user("app")
        told = [each for each in await page.after(2) if each[0] != "event"]
        body = {"error": "not_authorized", "reason": "Login failed"}
        assert sorted(told, key=str) == [
            ("answer", {"of": 0, "status": 401, "body": body}),
            ("answer", {"of": 1, "status": 401, "body": body}),
            ("state", {"events": True, "status": 401, "body": body}),
            ("state", {"tap": 0, "status": 401, "body": body}),
        ]
        assert page.is_over.is_set()
    assert site.vhost.watchers == ()


@pytest.mark.parametrize("config", [Config(strict=True, login_failure_max_per_address=2)])
async def test_a_page_with_an_old_password_does_not_lock_its_address_out(site: Site, autojump_clock: MockClock) -> None:
    """It tries it once, however much it shows."""
    site.add_user("app", "administrator")
    async with looking(site, user="app", host="192.0.2.7", get=["/whoami", "/vhosts", "/users", "/nodes"]) as page:
        await page.after(1)
        site.users.change_password("app", "new")
        await page.is_over.wait()
    assert (await site.get("/api/whoami", user="app", password="new", host="192.0.2.7")).status == 200


async def test_tags_are_judged_anew(site: Site, autojump_clock: MockClock) -> None:
    site.add_user("app", "administrator")
    async with looking(site, user="app", get="/nodes?columns=name") as page:
        assert (await page.next("answer"))["status"] == 200
        site.users.set_tags("app", ["management"])
        assert (await page.next("answer"))["status"] == 401
        site.users.set_tags("app", ["monitoring"])
        assert (await page.next("answer"))["status"] == 200
        site.users.set_tags("app", [])
        told = await page.next("answer")
        assert (told["status"], told["body"]["reason"]) == (401, "Not management user")
        await page.is_over.wait()


async def test_permissions_are_judged_anew(site: Site, autojump_clock: MockClock) -> None:
    site.add_user("app", "management")
    async with looking(site, user="app", get="/queues/%2F") as page:
        assert (await page.next("answer"))["status"] == 200
        site.users.clear_permissions("app", "/")
        assert (await page.next("answer"))["status"] == 401
        assert not page.is_over.is_set()


class FromHere:
    """Rights in virtual hosts that depend on the address."""

    def may_enter(self, vhost: object, peer_host: str) -> bool:
        return peer_host == "127.0.0.1"

    def note_tags(self, tags: object) -> None:
        pass


async def test_rights_that_depend_on_the_address(site: Site, autojump_clock: MockClock) -> None:
    class Outside(Logins):
        async def log_in(self, credentials: Credentials, **about: Any) -> BackendUser:  # noqa: ANN401
            rights: Any = FromHere()
            return BackendUser("app", ("management",), [rights])

    site.application._logins = Outside(site.users, None)  # noqa: SLF001
    async with (
        looking(site, get="/queues/%2F") as here,
        looking(site, get="/queues/%2F", tap="/exchanges/%2F/amq.topic", host="192.0.2.7") as there,
    ):
        assert (await here.next("answer"))["status"] == 200
        assert [data["status"] for _, data in await there.after(1)] == [401, 401]


async def test_what_is_due_at_about_the_same_time_shares_a_login(site: Site, autojump_clock: MockClock) -> None:
    logins: list[str] = []

    class Counting(Logins):
        async def log_in(self, credentials: Credentials, **about: Any) -> Principal:  # noqa: ANN401
            logins.append(credentials.user_name)
            return await super().log_in(credentials, **about)

    site.application._logins = Counting(site.users, None)  # noqa: SLF001
    async with AsyncExitStack() as pages:
        for path in ("/whoami", "/vhosts", "/users", "/nodes", "/overview"):
            await pages.enter_async_context(looking(site, get=path))
            await trio.sleep(0.015)
        await trio.sleep(1)
        logins.clear()
        await trio.sleep(10)
        assert 10 <= len(logins) <= 25


async def test_a_login_is_asked_for_once_in_a_round(site: Site, autojump_clock: MockClock) -> None:
    """Outside, too, where it may take a while."""
    asked: list[str] = []

    async def authenticate(credentials: Credentials) -> str:
        asked.append(credentials.user_name)
        await trio.sleep(ASKING_S)
        if credentials.password != b"guest":
            raise LoginFailed(credentials.user_name, "no")
        return credentials.user_name

    site.application._logins = Logins(site.users, authenticate)  # noqa: SLF001
    async with (
        looking(site, get=["/whoami", "/vhosts", "/users"]) as page,
        looking(site, get=["/whoami", "/vhosts"], tap="/exchanges/%2F/amq.topic"),
    ):
        await page.after(0.5)
        asked.clear()
        await page.after(10)
        assert 9 <= len(asked) <= 20  # what the first asks for and what the second does may be due at other times
