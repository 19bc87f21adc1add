"""What keeps the management API from being a way around limits, or a way to end the broker."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.config.values import TcpAddress
from amqpy.management import server as web
from amqpy.server import entrance
from amqpy.server.admission import Visit
from amqpy.server.entrance import origin_of

from .harness import Site

STRANGER, OTHER = "192.0.2.7", "192.0.2.8"


def settings(**more: Any) -> Config:  # noqa: ANN401
    return Config(cluster_name="rabbit@test", strict=True, profile="rabbitmq-3.10", **more)


# --- logins


@pytest.mark.parametrize("config", [settings(login_failure_max_per_address=3)])
async def test_passwords_cannot_be_guessed_without_end(site: Site, autojump_clock: MockClock) -> None:
    site.add_user("app", "administrator")
    visit = Visit(site.reactor.entrance.admission)
    visit.enter()
    visit.locate(STRANGER, 0)
    for _ in range(3):
        assert (await site.get("/api/whoami", user="app", password="guessed", host=STRANGER)).status == 401
    for path in ("/api/whoami", "/api/vhosts"):
        reply = await site.get(path, user="app", host=STRANGER)
        assert reply.refusal == (429, "too_many_requests", "too many failed logins from there (3 a minute)")
    assert (await site.get("/api/whoami", user="app", host=OTHER)).status == 200
    await trio.sleep(30)
    assert (await site.get("/api/whoami", user="app", host=STRANGER)).status == 200


@pytest.mark.parametrize("config", [settings(login_failure_max_per_address=1)])
async def test_this_machine_has_no_such_limit(site: Site) -> None:
    for _ in range(3):
        assert (await site.get("/api/whoami", password="guessed")).status == 401
    assert (await site.get("/api/whoami")).status == 200


@pytest.mark.parametrize("config", [settings(login_failure_max_per_address=1)])
async def test_who_is_not_entitled_has_not_failed(site: Site) -> None:
    site.add_user("plain", "management")
    visit = Visit(site.reactor.entrance.admission)
    visit.enter()
    visit.locate(STRANGER, 0)
    for _ in range(3):
        assert (await site.get("/api/users", user="plain", host=STRANGER)).status == 401
    assert (await site.get("/api/whoami", user="plain", host=STRANGER)).status == 200


# --- pages of others


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (settings(), 401),
        (settings(management_cors_allow_origins=("https://other.example",)), 401),
        (settings(management_cors_allow_origins=("https://a.example",)), 201),
        (settings(management_cors_allow_origins=("*",)), 201),
    ],
)
async def test_changes_for_pages_of_another_site(site: Site, status: int) -> None:
    headers = {"origin": "https://a.example", "sec-fetch-site": "cross-site"}
    assert (await site.get("/api/whoami", headers=headers)).status == 200
    assert (await site.put("/api/vhosts/v", {}, headers=headers)).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("localhost", 200), ("LOCALHOST:15672", 200), ("127.0.0.1:15672", 200), ("[::1]:15672", 200), ("", 200)),
        *(("192.0.2.1", 200), ("evil.example", 401), ("evil.example:15672", 401), ("localhost.evil.example", 401)),
        *(
            ("127.0.0.1.evil.example", 401),
            ("[", 400),  # no host at all
            ("[::1", 400),
            ("a[b]", 400),
            ("localhost:x", 400),
            (":80", 200),
        ),
    ],
)
async def test_a_name_that_has_come_to_mean_this_machine_is_not_good_enough_for_guest(
    site: Site, host: str, status: int
) -> None:
    site.add_user("app", "management")
    reply = await site.get("/api/whoami", headers={"host": host})
    assert reply.status == status
    if status == 401:
        assert reply.refusal[2] == "User can only log in via localhost"
    assert (await site.get("/api/whoami", user="app", headers={"host": host})).status == (
        status if status == 400 else 200
    )


# --- connections


class Speaking:
    """In place of HTTP: says when it begins, and ends as it is told."""

    def __init__(self) -> None:
        self.began: list[trio.Event] = []
        self.fault: Exception | None = None

    async def __call__(self, stream: trio.SocketStream) -> None:
        if self.fault is not None:
            raise self.fault
        await stream.send_all(b"hello")
        await stream.receive_some()


@asynccontextmanager
async def serving(site: Site, speaking: Speaking) -> AsyncIterator[TcpAddress]:
    listeners = await web.open_listeners((TcpAddress("127.0.0.1", 0),))
    server = web.Server(listeners, lambda: pytest.fail("nobody asks"), None, site.reactor)
    server._serve_stream = speaking  # noqa: SLF001
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        yield listeners[0].address
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def visitor(address: TcpAddress) -> AsyncIterator[bytes]:
    """A connection, and the first that it hears."""
    async with await trio.open_tcp_stream(address.host, address.port) as stream:
        try:
            said = bytes(await stream.receive_some())
        except trio.BrokenResourceError:
            said = b""
        yield said


async def hears(address: TcpAddress) -> bytes:
    async with visitor(address) as said:
        return said


@pytest.mark.parametrize("config", [Config(strict=False)])
async def test_a_bug_in_one_connection_is_the_end_of_that_one(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    speaking = Speaking()
    async with serving(site, speaking) as address:
        speaking.fault = RuntimeError("a bug")
        assert await hears(address) == b""
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
            "internal error"
        ]
        speaking.fault = None
        assert await hears(address) == b"hello"
    assert site.reactor.internal_errors == 1
    site.reactor.internal_errors = 0


async def test_more_connections_than_there_is_room_for_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "CONNECTIONS_MAX", 1)
    async with serving(site, Speaking()) as address:
        async with visitor(address) as said:
            assert said == b"hello"
            assert await hears(address) == b""
        with trio.fail_after(10):
            while await hears(address) != b"hello":
                pass


@pytest.mark.parametrize("config", [settings(connection_max_per_address=1)])
async def test_connections_of_http_count_for_an_address(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of loopback do not: the one that asks is told to be from elsewhere."""
    monkeypatch.setattr(entrance, "origin_of", lambda sock: origin_of(sock)._replace(from_loopback=False))
    async with serving(site, Speaking()) as address, visitor(address) as said:
        assert said == b"hello"
        assert await hears(address) == b""
