"""Taps of live pages: messages as they pass, for those who may see them."""

import base64
from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Queue, Tx
from trio.testing import MockClock

from amqpy.core import tap
from amqpy.core.exchanges import Binding
from amqpy.core.principals import BackendUser, Question, Undecided
from amqpy.core.users import Credentials
from amqpy.management.login import Logins

from .clients import NAME, connect, consume
from .harness import UNIX_TIME_MS, Site
from .live_page import Page, looking

pytestmark = pytest.mark.usefixtures("nothing_costs_time")

TOPIC = "/exchanges/%2F/amq.topic"
DEFAULT = "/exchanges/%2F/amq.default"
QUEUE = "/queues/%2F/q"
ASKING_S = 0.01
OPEN = {"tap": 0, "status": 200, "body": None}


async def opened(page: Page, count: int = 1) -> None:
    assert await page.after(0.5) == [("state", {**OPEN, "tap": index}) for index in range(count)]


async def payloads(page: Page) -> list[str]:
    """The payloads of what passes in half a second."""
    found = []
    for name, data in await page.after(0.5):
        assert name == "message"
        found.append(data["payload"])
    return found


async def state(page: Page) -> tuple[int, Any]:
    """The next state, and the reason for it."""
    told = await page.next("state")
    return told["status"], told["body"] and told["body"]["reason"]


# --- what is shown


async def test_a_message_that_is_published(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    site.vhost.add_binding(Binding(site.vhost.exchanges["amq.topic"], site.vhost.queues["q"], "a.*", {}))
    peer = await connect(site, 1)
    async with looking(site, tap=[TOPIC, QUEUE]) as page:
        await opened(page, 2)
        await peer.publish("a.b", b"hello", exchange="amq.topic", message_id="7", headers={"n": 1})
        about = {
            "kind": "published",
            "at": UNIX_TIME_MS + 500,
            "exchange": "amq.topic",
            "routing_key": "a.b",
            "properties": {"message_id": "7", "headers": {"n": 1}},
            "payload": "hello",
            "payload_encoding": "string",
            "payload_bytes": 5,
            "queues": ["q"],
            "connection": NAME,
            "channel": 1,
        }
        assert await page.after(0.5) == [
            ("message", {"tap": 0, **about}),
            ("message", {"tap": 1, **about, "queue": "q"}),
        ]


async def test_a_message_on_its_way_through_a_queue(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    peer = await connect(site, 1, 2)
    async with looking(site, tap=QUEUE) as page:
        await opened(page)
        await peer.publish("q", b"1")
        await peer.ask(Basic.Qos(prefetch_count=1))
        await consume(peer, "q", "c")
        await peer.expect("Basic.Deliver")
        await peer.say(Basic.Nack(1, requeue=True))
        await peer.expect("Basic.Deliver")
        await peer.say(Basic.Cancel("c"))
        await peer.expect("Basic.CancelOk")
        await peer.say(Basic.Nack(2, requeue=True))
        await peer.ask(Basic.Get(queue="q"), channel=2)
        await peer.say(Basic.Reject(1, requeue=False), channel=2)
        told = [data for _, data in await page.after(0.5)]
    facts = ("kind", "redelivered", "consumer_tag", "reason", "channel")
    assert [tuple(data.get(each) for each in facts) for data in told] == [
        ("published", None, None, None, 1),
        ("delivered", False, "c", None, 1),
        ("delivered", True, "c", None, 1),
        ("got", True, None, None, 2),
        ("dropped", None, None, "rejected", None),
    ]
    assert all(data["queue"] == "q" and data["payload"] == "1" for data in told)


async def test_a_transaction(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    peer = await connect(site, 1)
    async with looking(site, tap=[DEFAULT, QUEUE]) as page:
        await opened(page, 2)
        await peer.ask(Tx.Select())
        await peer.publish("q", b"1")
        await peer.ask(Tx.Rollback())
        await peer.publish("q", b"2")
        assert await payloads(page) == []
        await peer.ask(Tx.Commit())
        assert await payloads(page) == ["2", "2"]


@pytest.mark.parametrize(
    ("truncate", "body", "payload"),
    [
        (0, b"hello", ""),
        (3, b"hello", "hel"),
        (5, b"hello", "hello"),
        (3, "hé€".encode(), "hé"),
        (4, "hé€".encode(), "hé"),
        (1024, "hé€".encode(), "hé€"),
        (1024, b"h\xc3", None),
        (2, b"h\xc3", None),
        (2, b"\xff\xfe\xfd", None),
    ],
)
async def test_payloads(site: Site, autojump_clock: MockClock, truncate: int, body: bytes, payload: str | None) -> None:
    async with looking(site, tap=DEFAULT, truncate=truncate) as page:
        await opened(page)
        site.publish("q", body)
        told = await page.next("message")
        assert told["payload_bytes"] == len(body)
        if payload is None:
            assert base64.b64decode(told["payload"]) == body[:truncate]
            assert told["payload_encoding"] == "base64"
        else:
            assert (told["payload"], told["payload_encoding"]) == (payload, "string")


async def test_too_many_are_counted(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, tap=[TOPIC, DEFAULT]) as page:
        await opened(page, 2)
        site.publish("q", *[b"x"] * (tap.RATE_MAX + 7))
        told = await page.after(2)
        assert told[-1] == ("skipped", {"tap": 1, "count": 7})
        assert len(told) == tap.RATE_MAX + 1
        site.publish("q", b"y")
        assert await payloads(page) == ["y"]


async def test_a_slow_client_loses_messages(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, tap=DEFAULT) as page:
        await opened(page)
        page.stop_reading()
        for _ in range(20):
            await trio.sleep(1)
            site.publish("q", *[b"x"] * 100)
        page.read_on()
        told = await page.after(1)
        shown = [data for name, data in told if name == "message"]
        skipped = [data["count"] for name, data in told if name == "skipped"]
        # One that was on its way, and those that were kept.
        assert len(shown) <= 50 + tap.WAITING_MAX
        assert len(shown) + sum(skipped) == 2000


async def test_two_taps_take_turns(site: Site, autojump_clock: MockClock) -> None:
    """So that one where much passes does not hold back the other."""
    site.declare("q")
    async with looking(site, tap=[DEFAULT, TOPIC]) as page:
        await opened(page, 2)
        page.stop_reading()
        site.publish("q", *[b"x"] * 200)
        site.publish("q", b"y", exchange="amq.topic")
        page.read_on()
        told = [data["tap"] for _, data in await page.after(1)]
        assert told.index(1) <= 51


# --- who may see them


@pytest.mark.parametrize(
    ("permissions", "tap_of", "status"),
    [
        ((".*", ".*", ".*"), TOPIC, 200),
        (("", "", "^amq\\.topic$"), TOPIC, 200),
        ((".*", ".*", "^q$"), TOPIC, 401),
        (("", "", "^q$"), QUEUE, 200),
        ((".*", ".*", "^amq"), QUEUE, 401),
        ((".*", ".*", "^amq\\.default$"), DEFAULT, 200),
        ((".*", ".*", "^q$"), DEFAULT, 401),
        (None, TOPIC, 401),
        (None, QUEUE, 401),
    ],
)
@pytest.mark.parametrize("tag", ["management", "administrator"])
async def test_the_permission_to_read(
    site: Site,
    autojump_clock: MockClock,
    permissions: tuple[str, str, str] | None,
    tap_of: str,
    status: int,
    tag: str,
) -> None:
    site.declare("q")
    site.add_user("app", tag, permissions=permissions)
    async with looking(site, user="app", tap=tap_of) as page:
        assert await state(page) == (status, None if status == 200 else "Access refused.")
        site.publish("q", b"1")
        site.publish("q", b"1", exchange="amq.topic")
        assert (await page.after(1) != []) == (status == 200 and tap_of != DEFAULT)
        assert (site.vhost.watchers == ()) == (status != 200)


async def test_the_default_exchange_shows_what_may_be_read_from_queues(site: Site, autojump_clock: MockClock) -> None:
    for name in ("mine", "secret"):
        site.declare(name)
    site.add_user("app", "management", permissions=("", "", "^(amq\\.default|mine)$"))
    async with looking(site, user="app", tap=DEFAULT) as page:
        await opened(page)
        site.publish("mine", b"1")
        site.publish("secret", b"2")
        assert await payloads(page) == ["1"]
        site.users.set_permissions("app", "/", "", "", ".*")
        await page.after(1)
        site.publish("secret", b"3")
        assert await payloads(page) == ["3"]


async def test_topic_permissions(site: Site, autojump_clock: MockClock) -> None:
    """A tap is as much as a binding with `#`."""
    site.add_user("app", "management")
    site.users.set_topic_permissions("app", "/", "amq.topic", ".*", "^public\\.")
    async with looking(site, user="app", tap=[TOPIC, "/exchanges/%2F/amq.direct"]) as page:
        assert await state(page) == (401, "Access refused.")
        assert (await page.next("state"))["status"] == 200
        site.users.set_topic_permissions("app", "/", "amq.topic", ".*", ".*")
        assert await state(page) == (200, None)


async def test_what_is_not_there(site: Site, autojump_clock: MockClock) -> None:
    taps = ["/queues/%2F/none", "/exchanges/%2F/none", "/queues/none/q"]
    async with looking(site, tap=taps) as page:
        assert await state(page) == (404, "no queue 'none' in vhost '/'")
        assert await state(page) == (404, "no exchange 'none' in vhost '/'")
        assert await state(page) == (404, "Not Found")
        assert await page.after(10) == []


async def test_an_exclusive_queue_is_its_connections_own(site: Site, autojump_clock: MockClock) -> None:
    peer = await connect(site, 1)
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    async with looking(site, tap="/queues/%2F/own") as page:
        status, reason = await state(page)
        assert status == 400
        assert "exclusive access" in reason


class AskedOutside:
    """Rights that must be asked for, once for each name."""

    expires_at_s = None

    def __init__(self) -> None:
        self.known: set[str] = set()

    def may_enter(self, *about: object) -> bool:
        return True

    def may(self, vhost: object, verb: object, kind: object, name: str) -> bool:
        if name not in self.known:
            raise Undecided(Question(self._ask, name))
        return True

    def may_use_topic(self, *about: object) -> bool:
        return True

    async def _ask(self, name: Any) -> None:  # noqa: ANN401
        await trio.sleep(ASKING_S)
        self.known.add(name)

    def note_tags(self, tags: object) -> None:
        pass


async def test_permissions_that_must_be_asked_for(site: Site, autojump_clock: MockClock) -> None:
    """Each time, and not for each message of the default exchange."""

    class Outside(Logins):
        async def log_in(self, credentials: Credentials, **about: Any) -> BackendUser:  # noqa: ANN401
            rights: Any = AskedOutside()
            return BackendUser("app", ("management",), [rights])

    site.application._logins = Outside(site.users, None)  # noqa: SLF001
    site.declare("q")
    async with looking(site, tap=[QUEUE, DEFAULT]) as page:
        assert await state(page) == (200, None)
        status, reason = await state(page)
        assert status == 401
        assert "must be asked for" in reason
        site.publish("q", b"1")
        assert await payloads(page) == ["1"]


# --- what changes meanwhile


async def test_a_permission_that_is_withdrawn(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    site.add_user("app", "management")
    async with looking(site, user="app", tap=QUEUE) as page:
        await opened(page)
        site.users.set_permissions("app", "/", ".*", ".*", "")
        assert await state(page) == (401, "Access refused.")
        site.publish("q", b"1")
        assert await page.after(3) == []
        assert site.vhost.watchers == ()
        site.users.set_permissions("app", "/", "", "", "q")
        assert await state(page) == (200, None)
        site.publish("q", b"2")
        assert await payloads(page) == ["2"]


async def test_what_waits_is_not_shown_without_the_permission(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    site.add_user("app", "management")
    async with looking(site, user="app", tap=QUEUE) as page:
        await opened(page)
        page.stop_reading()
        site.publish("q", *[b"x"] * 150)
        await trio.sleep(0.1)
        site.users.clear_permissions("app", "/")
        await trio.sleep(3)
        page.read_on()
        told = await page.after(1)
        assert len([name for name, _ in told if name == "message"]) <= 50
        assert told[-1][0] == "state"


@pytest.mark.parametrize("path", [QUEUE, "/exchanges/%2F/x"])
async def test_what_is_deleted_and_made_again(site: Site, autojump_clock: MockClock, path: str) -> None:
    api = f"/api{path}"
    await site.put(api, {})
    async with looking(site, tap=path) as page:
        await opened(page)
        await site.delete(api)
        assert (await state(page))[0] == 404
        await site.put(api, {})
        assert await state(page) == (200, None)
        is_queue = path == QUEUE
        site.publish("q", b"1", exchange="" if is_queue else "x")
        assert await payloads(page) == ["1"]


async def test_a_virtual_host_that_is_deleted_and_made_again(site: Site, autojump_clock: MockClock) -> None:
    before = site.add_vhost("shop", "guest")
    async with looking(site, tap="/exchanges/shop/amq.topic") as page:
        await opened(page)
        site.broker.administration.delete_vhost("shop")
        again = site.add_vhost("shop", "guest")
        await page.after(1.5)
        assert before.watchers == ()
        assert again.watchers != ()
        site.broker.administration.delete_vhost("shop")
        assert await state(page) == (404, "Not Found")
    assert again.watchers == ()


async def test_consumers_that_are_there_before_and_after(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    peer = await connect(site, 1, 2)
    await consume(peer, "q", "first")
    async with looking(site, tap=QUEUE) as page:
        await opened(page)
        await peer.publish("q", b"1")
        assert (await page.next("message"))["kind"] == "published"
        assert (await page.next("message"))["consumer_tag"] == "first"
        await peer.expect("Basic.Deliver")
        await consume(peer, "q", "second", channel=2)
        await peer.publish("q", b"2")
        await peer.publish("q", b"3")
        tags = {data.get("consumer_tag") for _, data in await page.after(0.5)}
        assert tags == {None, "first", "second"}
    for consumer in site.vhost.queues["q"].consumers:
        assert type(consumer.target).__name__ == "ConsumerTarget"


async def test_a_tap_that_is_closed_while_it_is_judged(site: Site, autojump_clock: MockClock) -> None:
    """By a stream that goes on to look after those that are left."""
    site.declare("q")
    going_on = trio.Event()
    decide = site.application._turns.decide  # noqa: SLF001

    async def slowly(call: Any, user_name: str = "") -> Any:  # noqa: ANN401
        if "_open_again" in str(call):
            await going_on.wait()
        return await decide(call, user_name)

    async with looking(site, get="/whoami") as first:
        await first.next("answer")
        site.application._turns.decide = slowly  # type: ignore[method-assign]  # noqa: SLF001
        async with looking(site, tap=QUEUE, events="#") as second:
            await second.after(0.5)
        going_on.set()
        await first.after(5)
        assert site.vhost.watchers == ()
        assert site.broker.events.observers == []
