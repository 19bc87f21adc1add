"""The HTTP back end: what it asks, how it reads the answers, and what it remembers."""

import logging
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio
from trio.testing import MockClock

from amqpy.auth import http
from amqpy.auth.http import DENIED, Allowed, CachedService, Fields, HttpBackend, HttpRights, Reply, WebService, read
from amqpy.auth.web import Answer, WebError
from amqpy.config import Config
from amqpy.core.ports import BackendError, Verdict
from amqpy.core.principals import Undecided
from amqpy.core.users import Credentials, LoginFailed
from tests.core.core_harness import CoreHarness

LOG = logging.getLogger("amqpy.tests")
VHOST = CoreHarness().vhost
CONFIG = Config(
    auth_http_user_path="http://a/user",
    auth_http_vhost_path="http://b/vhost?x=y",
    auth_http_resource_path="http://c/resource",
    auth_http_topic_path="http://d/topic",
)


class FakeWeb:
    """Answers as it is told, and notes what it is asked."""

    def __init__(self, status: int = 200, body: bytes = b"allow") -> None:
        self.answer: Answer | str = Answer(status, body)
        self.asked: list[tuple[str, bytes]] = []

    async def get(self, url: str) -> Answer:
        return await self.post(url, b"")

    async def post(self, url: str, form: bytes) -> Answer:
        await trio.lowlevel.checkpoint()
        self.asked.append((url, form))
        if isinstance(self.answer, str):
            raise WebError(self.answer)
        return self.answer


# --- requests


async def decided(rights: HttpRights, ask: str, *arguments: str) -> Verdict:
    """The verdict, asked for."""
    with pytest.raises(Undecided) as undecided:
        getattr(rights, ask)(VHOST, *arguments)
    question = undecided.value.question
    assert await question.ask(question.about) is None
    verdict: Verdict = getattr(rights, ask)(VHOST, *arguments)
    return verdict


async def all_questions(web: FakeWeb, config: Config = CONFIG) -> None:
    backend = HttpBackend(WebService(config, web), LOG)
    web.answer = Answer(200, b"allow administrator b")
    _, tags, rights = await backend.log_in(Credentials("bob & co", b"p+\xff %"))
    assert isinstance(rights, HttpRights)
    rights.note_tags(tags)
    web.answer = Answer(200, b"allow")
    assert await decided(rights, "may_enter", "::1")
    assert await decided(rights, "may", "write", "exchange", "amq.default")
    assert await decided(rights, "may_use_topic", "read", "logs", "a.#")


USER = "username=bob+%26+co"
QUERIES = [
    f"{USER}&password=p%2B%FF+%25",
    f"{USER}&vhost=%2F&ip=%3A%3A1&tags=administrator+b",
    f"{USER}&vhost=%2F&resource=exchange&name=amq.default&permission=write&tags=administrator+b",
    f"{USER}&vhost=%2F&resource=topic&name=logs&permission=read&tags=administrator+b&routing_key=a.%23"
    "&variable_map.username=bob+%26+co&variable_map.vhost=%2F",
]
"""In RabbitMQ's order."""


async def test_requests_by_get() -> None:
    web = FakeWeb()
    await all_questions(web)
    addresses = ["http://a/user?", "http://b/vhost?x=y&", "http://c/resource?", "http://d/topic?"]
    assert web.asked == [(address + query, b"") for address, query in zip(addresses, QUERIES, strict=True)]


async def test_requests_by_post() -> None:
    web = FakeWeb()
    await all_questions(web, replace(CONFIG, auth_http_http_method="post"))
    addresses = ["http://a/user", "http://b/vhost?x=y", "http://c/resource", "http://d/topic"]
    assert web.asked == [(address, query.encode()) for address, query in zip(addresses, QUERIES, strict=True)]


async def test_who_is_only_authorized_is_asked_about_like_anybody() -> None:
    web = FakeWeb(body=b"allow management")
    tags, rights = await HttpBackend(WebService(CONFIG, web), LOG).authorize("bob", Credentials("x", b"hunter2"))
    assert tags == ("management",)
    assert parse_qsl(urlsplit(web.asked[0][0]).query) == [("username", "bob"), ("password", "hunter2")]
    web.answer = Answer(200, b"allow")
    assert isinstance(rights, HttpRights)
    rights.note_tags(("of another", "management"))
    assert await decided(rights, "may_enter", "") is True
    assert ("tags", "of another management") in parse_qsl(urlsplit(web.asked[1][0]).query)


# --- answers


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"allow", Allowed(())),
        (201, b"allow", Allowed(())),
        (200, b"  ALLOW ", Allowed(())),
        (200, b"allow management  b", Allowed(("management", "b"))),
        (200, b"deny", DENIED),
        (200, b"Deny", DENIED),
        (200, b"deny because of the weather", DENIED),
    ],
)
def test_answers(status: int, body: bytes, expected: Reply) -> None:
    assert read(Answer(status, body), takes_tags=True) == expected


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"oh", '{500,"oh"}'),
        (403, b"allow", '{403,"allow"}'),
        (204, b"", '{204,""}'),
        (302, b"allow", '{302,"allow"}'),
        (202, b"allow", '{202,"allow"}'),
        (200, b"", '{bad_response,""}'),
        (200, b"allowed", '{bad_response,"allowed"}'),
        (200, b"yes", '{bad_response,"yes"}'),
        (200, b"deny!", '{bad_response,"deny!"}'),
        (200, b"<html>allow</html>", '{bad_response,"<html>allow</html>"}'),
        (200, b"x" * 1000, f'{{bad_response,"{"x" * 100}"}}'),
        (200, b"\xff", '{bad_response,"\ufffd"}'),
    ],
)
def test_answers_that_are_errors(status: int, body: bytes, error: str) -> None:
    found = read(Answer(status, body), takes_tags=True)
    assert isinstance(found, BackendError)
    assert not found
    assert str(found) == f", backend rabbit_auth_backend_http returned an error: {error}"


def test_only_logins_have_tags() -> None:
    assert isinstance(read(Answer(200, b"allow management"), takes_tags=False), BackendError)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, b"deny"), "Denied by the backing HTTP service"),
        (Answer(500, b"oh"), 'rabbit_auth_backend_http failed authenticating bob: {500,"oh"}'),
        ("timeout", 'rabbit_auth_backend_http failed authenticating bob: "timeout"'),
    ],
)
async def test_a_login_that_fails(answer: Answer | str, reason: str) -> None:
    web = FakeWeb()
    web.answer = answer
    backend = HttpBackend(WebService(CONFIG, web), LOG)
    for attempt in backend.log_in(Credentials("bob", b"p")), backend.authorize("bob", Credentials("bob", b"p")):
        with pytest.raises(LoginFailed) as failure:
            await attempt
        assert str(failure.value) == reason


# --- decisions


async def test_a_decision_is_remembered_until_it_is_forgotten() -> None:
    web = FakeWeb()
    rights = HttpRights(WebService(CONFIG, web), "bob", LOG)
    assert await decided(rights, "may", "read", "queue", "q") is True
    web.answer = Answer(200, b"deny")
    assert rights.may(VHOST, "read", "queue", "q") is True
    assert await decided(rights, "may", "read", "exchange", "q") is False
    assert await decided(rights, "may", "write", "queue", "q") is False
    rights.forget()
    assert await decided(rights, "may", "read", "queue", "q") is False


async def test_an_error_refuses_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    web = FakeWeb(500, b"oh")
    verdict = await decided(HttpRights(WebService(CONFIG, web), "bob", LOG), "may_enter", "::1")
    assert isinstance(verdict, BackendError)
    assert verdict.error == '{500,"oh"}'
    assert "user 'bob', backend rabbit_auth_backend_http returned an error" in caplog.text


async def test_decisions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DECISIONS_MAX", 3)
    rights = HttpRights(WebService(CONFIG, FakeWeb()), "bob", LOG)
    for number in range(5):
        assert await decided(rights, "may", "read", "queue", f"q{number}")
    assert rights.may(VHOST, "read", "queue", "q4")
    with pytest.raises(Undecided):
        rights.may(VHOST, "read", "queue", "q0")


# --- the cache


ALLOWED = Allowed(())


class Counting:
    """A service that counts what it is asked."""

    def __init__(self, reply: Reply = ALLOWED) -> None:
        self.reply = reply
        self.asked_count = 0

    async def ask(self, path: str, fields: Fields) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked_count += 1
        return self.reply


def cached(service: Counting, *, keeps_refusals: bool = False) -> CachedService:
    return CachedService(service, trio.current_time, b"salt", ttl_s=10, keeps_refusals=keeps_refusals)


FIELDS = (("username", "bob"), ("password", b"p"))


async def test_an_answer_holds_for_a_time(autojump_clock: MockClock) -> None:
    service = Counting(Allowed(("a",)))
    cache = cached(service)
    assert await cache.ask("user", FIELDS) == Allowed(("a",))
    service.reply = DENIED
    await trio.sleep(9.9)
    assert await cache.ask("user", FIELDS) == Allowed(("a",))
    assert service.asked_count == 1
    await trio.sleep(0.1)
    assert await cache.ask("user", FIELDS) is DENIED
    assert service.asked_count == 2


@pytest.mark.parametrize("other", [("vhost", FIELDS), ("user", FIELDS[:1]), ("user", (FIELDS[0], ("password", b"q")))])
async def test_only_the_same_question_has_the_same_answer(other: tuple[str, Fields]) -> None:
    service = Counting()
    cache = cached(service)
    await cache.ask("user", FIELDS)
    service.reply = DENIED
    assert await cache.ask(*other) is DENIED


@pytest.mark.parametrize("keeps_refusals", [False, True])
@pytest.mark.parametrize("reply", [DENIED, BackendError("b", "e")], ids=["denied", "error"])
async def test_refusals(reply: Reply, keeps_refusals: bool) -> None:
    service = Counting(reply)
    cache = cached(service, keeps_refusals=keeps_refusals)
    for _ in range(2):
        assert await cache.ask("user", FIELDS) is reply
    assert service.asked_count == (1 if keeps_refusals and reply is DENIED else 2)


async def test_the_cache_is_bounded_and_knows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CACHED_MAX", 3)
    service = Counting()
    cache = cached(service)
    for number in range(5):
        await cache.ask("user", (("username", f"u{number}"), ("password", b"hunter2")))
    replies = cache._replies  # noqa: SLF001 (there is no other way to see how many)
    assert len(replies) == 3
    assert b"hunter2" not in b"".join(replies)
    await cache.ask("user", (("username", "u4"), ("password", b"hunter2")))
    assert service.asked_count == 5
    await cache.ask("user", (("username", "u0"), ("password", b"hunter2")))
    assert service.asked_count == 6
