"""Explanations: what is told of exchanges and bindings. That it is what happens is in `test_explain_routes`."""

import json
from zlib import crc32

import pytest

from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.exchanges.exchange import Exchange
from amqpy.core.explain import MISSES_MAX, Explaining, explain
from amqpy.core.explaining.explanation import Explanation
from amqpy.core.explaining.results import BindingTold, ExchangeTold
from amqpy.core.jobs import UNITS_AT_ONCE
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AdministrationError
from amqpy.wire.values import Field, Table, array_field, encode_table
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, integer, longstr


def told(core: CoreHarness, exchange: str, key: str = "", headers: Table | None = None) -> Explanation:
    return explain(core.broker, "/", exchange, key, headers)


def first(explanation: Explanation) -> ExchangeTold:
    return explanation.exchanges[0]


def reasons(explanation: Explanation) -> dict[str, str]:
    """What is said of each binding, by its destination: with a sign, as in the text."""
    return {each.destination: f"{'+' if each.matched else '-'} {each.reason}" for each in first(explanation).bindings}


def core_with(kind: str, arguments: Table | None = None, **bound: str) -> CoreHarness:
    """An exchange `x`, and queues that are bound with these keys."""
    core = CoreHarness("rabbitmq-3.13")
    core.exchange("x", kind, arguments=arguments)
    for name, key in bound.items():
        core.queue(name)
        core.bind(name, "x", key)
    return core


# --- the types

CACHED = {"x-cache-size": integer(9)}
TYPES: dict[str, Table] = {
    **{kind: {} for kind in ("direct", "fanout", "topic", "headers", "x-consistent-hash", "x-local-random")},
    **{kind: {} for kind in ("x-modulus-hash", "x-random", "x-recent-history")},
    "x-message-deduplication": CACHED,
    "x-delayed-message": {"x-delayed-type": longstr("direct")},
}


@pytest.mark.parametrize("kind", sorted(EXCHANGE_TYPES))
def test_each_type_says_why(kind: str) -> None:
    key = "" if kind == "x-local-random" else "1"
    core = core_with(kind, TYPES[kind], q=key)
    explanation = told(core, "x", key)
    assert explanation.queues == ["q"]
    assert first(explanation).type == kind
    assert reasons(explanation)["q"].startswith("+ ")


def test_a_type_that_does_not_say_why_is_none() -> None:
    for kind in EXCHANGE_TYPES.values():
        assert kind.explain is not Exchange.explain
        assert kind.matching is not Exchange.matching


def test_direct() -> None:
    core = core_with("direct", q1="order.created", q2="order.deleted")
    assert reasons(told(core, "x", "order.created")) == {"q1": "+ the same key", "q2": "- another key"}


@pytest.mark.parametrize(
    ("pattern", "key", "reason"),
    [
        ("a.*.c", "a.b.c", "+ the pattern fits"),
        ("#", "", "+ the pattern fits"),
        ("", "a", "- then the pattern ends, and the key goes on with 'a'"),
        ("a", "", "- 'a' is wanted where the key ends"),
        ("a.*", "a.b.c", "- 'a' fits, '*' is 'b', but then the pattern ends, and the key goes on with 'c'"),
        ("a.*.c", "a.b", "- 'a' fits, '*' is 'b', but 'c' is wanted where the key ends"),
        ("a.b", "a.x.y", "- 'a' fits, but 'b' is wanted where the key has 'x'"),
        ("a.#.z", "a.b.c", "- 'a' fits, '#' fits, but 'z' is wanted where the key ends"),
        ("#.a.#.b", "x.a.c", "- '#' fits, 'a' fits, but 'b' is wanted where the key ends"),
        ("*.b", "a", "- '*' is 'a', but 'b' is wanted where the key ends"),
        ("a..b", "a.b", "- 'a' fits, but '' is wanted where the key has 'b'"),
        ("#.#.x", "a", "- '#' fits, but 'x' is wanted where the key ends"),
    ],
)
def test_topic_word_by_word(pattern: str, key: str, reason: str) -> None:
    assert reasons(told(core_with("topic", q=pattern), "x", key)) == {"q": reason}


def test_a_long_pattern_does_not_take_long() -> None:
    core = core_with("topic", q=".".join(["#", "a"] * 63 + ["b"]))
    assert reasons(told(core, "x", ".".join(["a"] * 128)))["q"].endswith("'b' is wanted where the key ends")


@pytest.mark.parametrize(
    ("arguments", "headers", "reason"),
    [
        ({"a": integer(1)}, {"a": integer(1)}, "+ x-match all: a = 1"),
        (
            {"a": integer(1), "b": longstr("x")},
            {"a": integer(2)},
            "- x-match all: a = 1 (is 2); b = 'x' (is not there)",
        ),
        ({"x-match": longstr("any"), "a": Field("void", None)}, {}, "- x-match any: a is there (is not there)"),
        ({"x-match": longstr("any"), "a": integer(1), "b": integer(2)}, {"b": integer(2)}, "+ x-match any: b = 2"),
        (
            {"x-match": longstr("all-with-x"), "x-a": Field("bool", True)},
            {},
            "- x-match all-with-x: x-a = true (is not there)",
        ),
        ({"x-a": integer(1)}, {}, "+ no header is asked for"),
        ({"x-match": longstr("any"), "x-a": integer(1)}, {}, "- x-match any, and no header is asked for"),
        ({"a": integer(1)}, {"a": Field("double", 1.0)}, "- x-match all: a = 1 (is double 1.0)"),
        ({"a": longstr("x" * 99)}, {}, f"- x-match all: a = '{'x' * 59}…' (is not there)"),
    ],
)
def test_headers(arguments: Table, headers: Table, reason: str) -> None:
    core = core_with("headers")
    core.queue("q")
    core.bind("q", "x", "", arguments)
    assert reasons(told(core, "x", "", headers)) == {"q": reason}


def test_random_chooses_among_all() -> None:
    core = core_with("x-random", q1="", q2="", q3="")
    explanation = told(core, "x")
    assert sorted(explanation.queues) == ["q1", "q2", "q3"]
    assert explanation.by_chance
    assert first(explanation).remark == "each message goes to one of 3, by chance"
    assert "may reach 3 queues: 'q1', 'q2' and 'q3'. Chance chooses among them." in str(explanation)
    assert not told(core_with("x-random", q1=""), "x").by_chance


def test_hashes_say_what_they_hash() -> None:
    core = core_with("x-modulus-hash", q1="", q2="")
    assert (
        first(told(core, "x", "k")).remark
        == f"the hash of the key is {crc32(b'k')}; modulo 2 bindings it chooses number {crc32(b'k') % 2}"
    )
    assert reasons(told(core, "x", "k")) == {
        "q1": "- the hash of the key chose another",
        "q2": "+ the hash of the key chose it",
    }
    remarks = {
        "": "the routing key",
        "hash-header": "the header 'message_id', which is not there",
        "hash-property": "the property message_id, which is not there",
    }
    for argument, what in remarks.items():
        core = core_with("x-consistent-hash", {argument: longstr("message_id")} if argument else {}, q1="1", q2="3")
        explanation = told(core, "x", "k")
        assert first(explanation).remark.startswith(f"the hash of {what}, ")
        (name,) = explanation.queues
        weight = {"q1": 1, "q2": 3}[name]
        assert reasons(explanation)[name] == f"+ the hash chose it; its weight is {weight}"
    by_id = explain(core.broker, "/", "x", "k", properties={"message_id": b"\x01a"})
    assert first(by_id).remark.startswith("the hash of the property message_id, ")
    assert ", which is not there" not in first(by_id).remark


def test_duplicates() -> None:
    core = core_with("x-message-deduplication", CACHED, q="")
    headers = {"x-deduplication-header": longstr("1")}
    assert first(told(core, "x")).remark == "without a header x-deduplication-header it is no duplicate"
    for _ in range(2):
        assert first(told(core, "x", "", headers)).remark.startswith("the first with this x-deduplication-header")
    core.publish("x", "", "m", headers=headers)
    explanation = told(core, "x", "", headers)
    assert explanation.is_unroutable
    assert reasons(explanation) == {"q": "- the message was seen before"}
    assert first(explanation).remark.startswith("a duplicate")


def test_recent_history() -> None:
    core = core_with("x-recent-history", {"x-recent-history-length": integer(2)}, q="")
    assert first(told(core, "x")).remark == "the message is kept: new bindings get the last 2"
    not_kept = told(core, "x", "", {"x-recent-history-no-store": Field("bool", True)})
    assert first(not_kept).remark == "the message is not kept for later bindings: x-recent-history-no-store"
    assert core.vhost.exchanges["x"].message_count() == 0


def test_a_delay() -> None:
    core = core_with("x-delayed-message", {"x-delayed-type": longstr("topic")}, q="a.*")
    explanation = told(core, "x", "a.b", {"x-delay": integer(90_000)})
    assert explanation.queues == ["q"]
    assert [(each.delay_ms, each.after_ms) for each in explanation.exchanges] == [(90_000, 0), (0, 90_000)]
    assert "waits for 1 min 30 s, and is routed then" in str(explanation)
    assert "queue 'q' (classic), after 1 min 30 s" in str(explanation)
    nowhere = told(core, "x", "b", {"x-delay": integer(1)})
    assert (nowhere.queues, nowhere.is_unroutable) == ([], False)
    assert "waits for 1 ms, then reaches no queue and is dropped." in str(nowhere)
    for value in (integer(0), longstr("soon"), integer(1 << 40)):
        assert "and so no delay" in first(told(core, "x", "a.b", {"x-delay": value})).remark
    assert first(told(core, "x", "a.b")).remark == "routes as one of type topic"


# --- the way


def test_through_exchanges_and_alternates() -> None:
    core = core_with("topic", {"alternate-exchange": longstr("spare")}, q1="a.#")
    core.exchange("spare", "fanout")
    core.exchange("y")
    core.queue("q2")
    core.bind("q2", "spare")
    core.bind_exchange("y", "x", "b")
    core.bind_exchange("x", "y", "b")
    assert [each.name for each in told(core, "x", "b").exchanges] == ["x", "y"]
    assert told(core, "x", "b").is_unroutable, "as something matched, the alternate is not used"
    explanation = told(core, "x", "c")
    assert explanation.queues == ["q2"]
    assert [each.came_by for each in explanation.exchanges] == ["published here", "alternate of exchange 'x'"]
    assert "alternate exchange 'spare' (argument alternate-exchange): used, for nothing matches" in str(explanation)
    core.delete_exchange("spare")
    core.exchange("spares", "fanout")
    assert "alternate exchange 'spare' (argument alternate-exchange): does not exist. Did you mean 'spares'?" in str(
        told(core, "x", "c")
    )


def test_an_alternate_of_a_policy() -> None:
    core = core_with("direct")
    core.exchange("spare", "fanout")
    core.broker.administration.set_policy("/", "ae", "^x$", {"alternate-exchange": "spare"})
    alternate = first(told(core, "x")).alternate
    assert alternate is not None
    assert (alternate.exchange, alternate.said_by, alternate.used) == ("spare", "policy 'ae'", True)


def test_copies() -> None:
    core = core_with("topic", q1="a", q2="b", q3="*")
    headers = {"CC": array_field([longstr("b")]), "BCC": array_field([longstr("c.d")])}
    explanation = told(core, "x", "a", headers)
    assert explanation.keys == ("a", "b", "c.d")
    assert reasons(explanation)["q3"] == "+ the pattern fits 'a', 'b'"
    assert "with the routing key 'a' and, by CC and BCC, 'b' and 'c.d'" in str(explanation)
    core = core_with("topic", q1="x")
    assert reasons(told(core, "x", "a", {"CC": array_field([longstr("b")])})) == {
        "q1": "- 'a': 'x' is wanted where the key has 'a'; 'b': 'x' is wanted where the key has 'b'"
    }


def test_the_default_exchange() -> None:
    core = core_with("direct", orders="", order="")
    explanation = told(core, "", "orders")
    assert explanation.queues == ["orders"]
    assert reasons(explanation) == {"orders": "+ the key is its name"}
    explanation = told(core, "", "ordrs")
    assert explanation.is_unroutable
    assert "there is no queue of this name. Did you mean 'orders' or 'order'?" in str(explanation)
    assert "reaches no queue: it is dropped; if it is mandatory, it is returned with 312 NO_ROUTE." in str(explanation)


def test_a_client_that_waits_for_a_reply() -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.broker.consume_replies(core.vhost, UnackedDeliveries(), FakeTarget(), tag="tag")
    (name,) = core.vhost.reply_queues
    explanation = told(core, "", name)
    assert (explanation.queues, explanation.reply_queues) == ([], (name,))
    assert f"reaches a client that waits for a reply: '{name}'." in str(explanation)


@pytest.mark.parametrize(
    ("vhost", "exchange", "headers", "code", "text", "nearest"),
    [
        ("/", "ordres", {}, 404, "NOT_FOUND - no exchange 'ordres' in vhost '/'", ("orders",)),
        ("/", "?", {}, 404, "NOT_FOUND - no exchange '?' in vhost '/'", ()),
        ("/", "inside", {}, 403, "ACCESS_REFUSED - cannot publish to internal exchange 'inside' in vhost '/'", ()),
        ("shpo", "x", {}, 530, "NOT_ALLOWED - vhost shpo not found", ("shop",)),
        (
            "/",
            "orders",
            {"CC": longstr("a")},
            406,
            'PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr}',
            (),
        ),
    ],
)
def test_what_is_refused(
    vhost: str, exchange: str, headers: Table, code: int, text: str, nearest: tuple[str, ...]
) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.exchange("orders")
    core.exchange("inside", internal=True)
    core.broker.administration.add_vhost("shop")
    explanation = explain(core.broker, vhost, exchange, "k", headers)
    refusal = explanation.refusal
    assert refusal is not None
    assert (refusal.code, refusal.text, refusal.nearest) == (code, text, nearest)
    assert (explanation.outcome, explanation.queues) == ("refused", [])
    assert f"is refused with {code}: {text}" in str(explanation)


def test_a_bad_expiration_is_refused() -> None:
    explanation = explain(CoreHarness().broker, "/", "", "q", properties={"expiration": b"\x04soon"})
    assert explanation.refusal is not None
    assert explanation.refusal.text == "PRECONDITION_FAILED - invalid expiration 'soon': no_integer"


def test_headers_as_python_has_them() -> None:
    core = core_with("headers")
    core.queue("q")
    core.bind("q", "x", "", {"a": longstr("1"), "b": Field("bool", True)})
    assert explain(core.broker, "/", "x", "", {"a": "1", "b": True, "c": None, "d": [1, {"e": 2.5}]}).queues == ["q"]
    for bad in ({"a": object()}, {"a" * 256: 1}, {"a": 1 << 70}):
        with pytest.raises(AdministrationError):
            explain(core.broker, "/", "x", "", bad)


# --- many


def bindings_of(explanation: Explanation, *, matched: bool) -> list[BindingTold]:
    return [each for each in first(explanation).bindings if each.matched is matched]


def test_the_nearest_come_first() -> None:
    core = core_with("direct")
    core.queue("q")
    keys = ["order.created", "order.create", "payment", "order.deleted", "nothing"]
    for key in keys:
        core.bind("q", "x", key)
    nearest = [each.routing_key for each in bindings_of(told(core, "x", "order.createt"), matched=False)]
    assert nearest[:3] == ["order.created", "order.create", "order.deleted"]


def test_the_nearest_headers_come_first() -> None:
    core = core_with("headers")
    core.queue("q")
    for key, wanted in (
        ("1", {"z": integer(1)}),
        ("2", {"a": integer(1), "b": integer(1)}),
        ("3", {"a": integer(1)}),
    ):
        core.bind("q", "x", key, wanted)
    told_first = told(core, "x", "", {"a": integer(2)})
    assert [each.routing_key for each in bindings_of(told_first, matched=False)] == ["3", "2", "1"]


def test_very_many_bindings() -> None:
    core = core_with("topic")
    core.queue("q")
    for number in range(10_000):
        core.bind("q", "x", f"order.{number}")
    for number in range(20):
        core.bind("q", "x", "#." * number + "order.created")
    explaining = Explaining(core.broker, "/", "x", "order.created", {})
    assert max(explaining.steps()) <= 2 * UNITS_AT_ONCE
    explanation = explaining.result
    assert len(bindings_of(explanation, matched=True)) == 20
    assert len(bindings_of(explanation, matched=False)) == MISSES_MAX
    assert first(explanation).left_out == 10_000 - MISSES_MAX
    assert "... 9,990 more bindings that do not match" in str(explanation)


def test_all_of_very_many_that_match_are_told() -> None:
    core = core_with("fanout")
    for number in range(2000):
        core.queue(f"q{number}")
        core.bind(f"q{number}", "x")
    explanation = told(core, "x")
    assert len(explanation.queues) == len(first(explanation).bindings) == 2000
    assert "reaches 2,000 queues: 'q0', " in str(explanation)
    assert " and 1,990 more." in str(explanation)


@pytest.mark.parametrize("kind", sorted(EXCHANGE_TYPES))
@pytest.mark.parametrize("done", [0, 1, 2, 3, 4, 6])
def test_all_may_go_between_two_steps(kind: str, done: int) -> None:
    key = "" if kind == "x-local-random" else "1"
    limits = arguments(max_length_bytes=9, overflow="reject-publish", dead_letter_exchange="dlx")
    core = core_with(kind, TYPES[kind])
    core.exchange("dlx", "fanout")
    for number in range(20):
        core.queue(f"q{number}", arguments=limits)
        core.bind(f"q{number}", "x", key)
        core.bind(f"q{number}", "dlx", key)
    explaining = Explaining(core.broker, "/", "x", key, {})
    steps = explaining.steps()
    for _ in range(done):
        next(steps)
    for name in list(core.vhost.queues):
        core.delete_queue(name)
    core.delete_exchange("x")
    core.delete_exchange("dlx")
    core.broker.administration.delete_vhost("/")
    for _ in steps:
        pass
    assert str(explaining.result)
    assert (explaining.result.refusal is not None) is (done == 0)
    assert bool(explaining.result.queues) is (done > 0)


# --- its forms


def test_the_form_for_json() -> None:
    core = core_with("topic", q="a.*")
    core.bind("q", "x", "b", {"n": Field("table", encode_table({"a": integer(1)}))})
    shown = json.loads(json.dumps(told(core, "x", "a.b").as_dict()))
    assert {key: shown[key] for key in ("vhost", "exchange", "routing_key", "copies_to", "outcome", "queues")} == {
        "vhost": "/",
        "exchange": "x",
        "routing_key": "a.b",
        "copies_to": [],
        "outcome": "routed",
        "queues": ["q"],
    }
    assert shown["exchanges"][0]["bindings"] == [
        {
            "matched": True,
            "destination": "q",
            "destination_type": "queue",
            "routing_key": "a.*",
            "arguments": {},
            "reason": "the pattern fits",
            "nearest": [],
        },
        {
            "matched": False,
            "destination": "q",
            "destination_type": "queue",
            "routing_key": "b",
            "arguments": {"n": {"a": 1}},
            "reason": "'b' is wanted where the key has 'a'",
            "nearest": [],
        },
    ]
    assert shown["reached"][0]["name"] == "q"
    assert shown["text"] == str(told(core, "x", "a.b"))
    assert json.dumps(told(core, "none").as_dict()["refusal"]["nearest"]) == "[]"


def test_any_name_can_be_told() -> None:
    core = core_with("direct")
    core.queue("\udcff'\n")
    core.bind("\udcff'", "x", "\udcff")
    explanation = told(core, "x", "\udcff")
    assert explanation.queues == ["\udcff'"]
    assert str(explanation).isascii()
    core.exchange("h", "headers")
    core.bind("\udcff'", "h", "", {"a\nb\x1b": array_field([longstr("\x1b")])})
    assert all(line.isprintable() for line in str(told(core, "h")).split("\n"))
    assert "a\\nb\\x1b" in str(told(core, "h"))
