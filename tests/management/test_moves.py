"""Moving messages over HTTP."""

from typing import Any

import pytest
import trio
from pamqp.commands import Basic

from amqpy.core import moving
from amqpy.core.principals import Question, Undecided
from amqpy.core.users import User
from amqpy.management import lists, turns
from amqpy.server.flusher import Flusher
from amqpy.wire.values import Field

from .harness import NOT_FOUND, REFUSED, Site

MOVE = "/api/queues/%2F/q/move"
TO = {"routing_key": "other"}
NOTHING = {"moved": 0, "unroutable": 0, "refused": 0, "without_origin": 0}


def longstr(value: str) -> Field:
    return Field("longstr", value)


async def move(site: Site, **asked: object) -> Any:  # noqa: ANN401
    reply = await site.post(MOVE, asked)
    assert reply.status == 200, reply.body
    return reply.json


def ready(site: Site, name: str) -> list[str]:
    return [ahead.message.body.decode() for ahead in site.vhost.queues[name].peek(10_000)]


async def test_messages_go_where_they_are_sent(site: Site) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", b"1 a", b"2", b"3 a", message_id="7")
    told = await move(site, to=TO, filter={"body": "a"})
    items = told.pop("items")
    assert told == {
        "scanned": 3,
        "matched": 2,
        **NOTHING,
        "moved": 2,
        "queues": {"other": 2},
        "reasons": {},
    }
    assert (ready(site, "q"), ready(site, "other")) == (["2"], ["1 a", "3 a"])
    properties = items[0].pop("properties")
    assert properties["message_id"] == "7"
    assert items[0] == {
        "payload": "1 a",
        "payload_encoding": "string",
        "payload_bytes": 3,
        "exchange": "",
        "routing_key": "q",
        "redelivered": False,
        "position": 1,
        "state": "ready",
        "to": {"exchange": "", "routing_key": "other", "queues": ["other"]},
        "outcome": "moved",
    }
    assert items[1]["position"] == 3
    (message,) = [ahead.message for ahead in site.vhost.queues["other"].peek(1)]
    assert b"7" in message.header


async def test_dead_letters_go_back(site: Site) -> None:
    site.declare("q")
    site.declare("work", {"x-dead-letter-exchange": longstr(""), "x-dead-letter-routing-key": longstr("q")})
    site.publish("work", b"1", b"2")
    site.publish("q", b"alive")
    peer = await site.connect()
    for tag in (1, 2):
        await peer.ask(Basic.Get(queue="work"))
        await peer.say(Basic.Reject(delivery_tag=tag, requeue=False))
    await trio.testing.wait_all_tasks_blocked()
    assert ready(site, "q") == ["alive", "1", "2"]
    tried = await move(site, dry_run=True)
    assert ready(site, "q") == ["alive", "1", "2"]
    told = await move(site)
    assert told == tried
    assert (ready(site, "q"), ready(site, "work")) == (["alive"], ["1", "2"])
    assert (told["moved"], told["without_origin"], told["queues"]) == (2, 1, {"work": 2})
    assert [(item["outcome"], item["to"] and item["to"]["queues"]) for item in told["items"]] == [
        ("without_origin", None),
        ("moved", ["work"]),
        ("moved", ["work"]),
    ]


async def test_what_stays_and_why(site: Site) -> None:
    site.declare("q")
    site.declare("other", {"x-max-length": Field("long", 1), "x-overflow": longstr("reject-publish")})
    site.publish("q", b"1", b"2", b"3")
    told = await move(site, to=TO)
    assert (told["moved"], told["refused"], told["reasons"]) == (1, 2, {"queue 'other' is full": 2})
    assert [item.get("reason") for item in told["items"]] == [None, *["queue 'other' is full"] * 2]
    assert (await move(site, to={"routing_key": "none"}))["unroutable"] == 2
    assert ready(site, "q") == ["2", "3"]


async def test_by_an_exchange(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"1")
    told = await move(site, to={"exchange": "amq.default"}, dry_run=True)
    assert told["queues"] == {"q": 1}, "with its own key"
    told = await move(site, to={"exchange": "amq.fanout", "routing_key": None}, dry_run=True)
    assert told["unroutable"] == 1


async def test_how_many_and_how_they_are_shown(site: Site) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", *[b"x" * 2000] * 30)
    told = await move(site, to=TO, count=3)
    assert (told["moved"], [len(item["payload"]) for item in told["items"]]) == (3, [1024] * 3)
    told = await move(site, to=TO, count="2", truncate=1, encoding="base64")
    assert [item["payload"] for item in told["items"]] == ["eA=="] * 2
    assert len((await move(site, to=TO))["items"]) == 20
    assert len(ready(site, "other")) == 30


async def test_it_counts_as_got_and_published(site: Site) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", b"1", b"2")
    await move(site, to=TO, dry_run=True)
    assert site.vhost.channel_totals.sum() == {}
    await move(site, to=TO)
    counts = {name: count for name, count in site.vhost.channel_totals.sum().items() if count}
    assert counts == {"publish": 2, "confirm": 2, "get_no_ack": 2, "deliver_get": 2}
    assert not site.vhost.channels
    assert site.vhost.queues["q"].message_stats()["get_no_ack"] == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"to": "other"}, "to should be an object"),
        ({"to": {}}, "to should have an exchange or a routing_key"),
        ({"to": {"queue": "other"}}, "to has no key queue, only exchange, routing_key"),
        ({"to": {"routing_key": 5}}, ["not_string", "routing_key"]),
        ({"to": {"routing_key": "x" * 256}}, "routing_key should be less than 255 bytes, actually was 256\n"),
        ({"dry-run": True}, "a move has no key dry-run, only filter, to, count, dry_run, encoding, truncate"),
        ({"dry_run": "yes"}, ["not_boolean", "yes"]),
        ({"count": 0}, "count should be at least 1"),
        ({"count": "x"}, ["not_integer", "x"]),
        ({"filter": "x"}, "filter should be an object"),
        ({"filter": {"bodi": "x"}}, None),
        ({"encoding": "hex"}, None),
        ({"truncate": -1}, "truncate should not be negative"),
    ],
    ids=str,
)
async def test_bad_moves_are_refused(site: Site, body: dict[str, Any], said: object) -> None:
    site.declare("q")
    site.publish("q", b"1")
    reply = await site.post(MOVE, {"to": {"routing_key": "q"}, **body})
    assert reply.status == 400
    assert said is None or reply.json["reason"] == said
    assert site.vhost.queues["q"].message_stats()["get_no_ack"] == 0


async def test_who_may(site: Site) -> None:
    assert (await site.post(MOVE, {"to": TO})).refusal == NOT_FOUND
    site.declare("q")
    site.declare("other")
    site.publish("q", b"1")
    site.add_user("getter", "management", permissions=("", "", ".*"))
    site.add_user("writer", "management", permissions=("", ".*", ""))
    site.add_user("both", "management", permissions=("", "amq.default", "q"))
    site.add_user("root", "administrator", permissions=None)
    for user in ("getter", "writer"):
        reply = await site.post(MOVE, {"to": TO}, user=user)
        assert (reply.status, reply.json["error"]) == (401, "not_authorised")
        assert "ACCESS_REFUSED" in reply.json["reason"]
    assert (await site.post(MOVE, {"to": TO}, user="root")).refusal == REFUSED
    reply = await site.post(MOVE, {"to": {"exchange": "none"}})
    assert (reply.status, reply.json["reason"]) == (404, "NOT_FOUND - no exchange 'none' in vhost '/'")
    assert (await site.post(MOVE, {"to": TO}, user="both")).json["moved"] == 1


async def test_a_users_name_in_a_message(site: Site) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", b"1", user_id="app")
    site.add_user("other", "administrator", "impersonator")
    assert (await move(site, to=TO))["refused"] == 1
    assert (await site.post(MOVE, {"to": TO}, user="other")).json["moved"] == 1


async def test_what_ends_it_before_its_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", b"1", b"2", b"3")
    monkeypatch.setattr(moving, "UNITS_AT_ONCE", 1)
    go_on = lists.go_on

    def in_steps(steps: Any) -> bool:  # noqa: ANN401
        next(steps)
        site.users.set_permissions("guest", "/", "", "", "")
        return go_on(steps)

    monkeypatch.setattr(turns, "go_on", in_steps)
    told = await move(site, to=TO)
    assert told["moved"] == 1
    assert told["stopped"].startswith("ACCESS_REFUSED - ")
    assert ready(site, "q") == ["2", "3"]


async def test_permissions_that_must_be_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", *[b"%d" % number for number in range(500)])
    asked: list[object] = []
    may = User.may

    async def ask(about: object) -> None:
        await trio.lowlevel.checkpoint()
        asked.append(about)

    def unsure(self: User, vhost: Any, verb: Any, kind: Any, name: str) -> Any:  # noqa: ANN401
        about = (verb, name, site.vhost.queues["other"].ready_count // 100)
        if about not in asked:
            raise Undecided(Question(ask, about))
        return may(self, vhost, verb, kind, name)

    monkeypatch.setattr(User, "may", unsure)
    told = await move(site, to=TO)
    assert (told["moved"], told["scanned"]) == (500, 500)
    assert len(ready(site, "other")) == 500
    assert len(asked) > 4


async def test_a_long_move_lets_others_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    site.declare("other")
    site.publish("q", *[b"%d" % number for number in range(2000)])
    taken = 0
    go_on = lists.go_on

    def counted(steps: Any) -> bool:  # noqa: ANN401
        nonlocal taken
        taken += 1
        return go_on(steps)

    monkeypatch.setattr(turns, "go_on", counted)
    assert (await move(site, to=TO))["moved"] == 2000
    assert taken > 30


async def test_the_answer_comes_when_it_is_durable(stored_site: Site) -> None:
    site = stored_site
    site.declare("q")
    site.declare("other")
    site.publish("q", *[b"%d" % number for number in range(200)], delivery_mode=2)
    await move(site, to=TO)
    journal = site.broker.scheduler.journal
    assert journal is not None
    assert not journal.has_work
    assert journal.writing is None
    assert len(ready(site, "other")) == 200


async def test_it_waits_for_a_store_that_is_behind(stored_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = stored_site
    site.declare("q")
    site.declare("other")
    site.publish("q", *[b"x" * 10_000] * 200, delivery_mode=2)
    monkeypatch.setattr("amqpy.server.flusher.BEHIND_BYTES", 50_000)
    waited = 0
    catching_up = Flusher.catching_up

    def counted(self: Flusher) -> Any:  # noqa: ANN401
        nonlocal waited
        waited += 1
        return catching_up(self)

    monkeypatch.setattr(Flusher, "catching_up", counted)
    assert (await move(site, to=TO))["moved"] == 200
    assert waited
