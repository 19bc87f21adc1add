"""Explanations: what is told of the queues that a message reaches."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.explain import DEPTH_MAX, QUEUES_MAX, explain
from amqpy.core.explaining.results import DeadLettersTold, QueueTold, Saying
from amqpy.core.explaining.text import span
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Field, Table, array_field
from tests.core.core_harness import CoreHarness, arguments, longstr

TYPES = pytest.mark.parametrize("kind", ["classic", "quorum"])


def make(kind: str = "classic", **said: Any) -> CoreHarness:  # noqa: ANN401
    """A broker with a queue `q` that has these arguments."""
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **said))
    return core


def about(core: CoreHarness, name: str = "q", headers: Table | None = None, **properties: bytes) -> QueueTold:
    (queue,) = explain(core.broker, "/", "", name, headers, properties).reached
    return queue


def text_of(core: CoreHarness, name: str = "q") -> list[str]:
    """What the text says of the queue, without its first line."""
    lines = str(explain(core.broker, "/", "", name)).split("\n")
    return [
        line.strip() for line in lines[lines.index(next(each for each in lines if each.startswith("queue "))) + 1 :]
    ]


def dead_letters(queue: QueueTold) -> DeadLettersTold:
    assert queue.dead_letters is not None
    return queue.dead_letters


def test_a_queue_without_anything() -> None:
    core = make()
    core.publish("", "q", "1", "2")
    unacked = UnackedDeliveries()
    core.get("q", unacked)
    core.queue("other")
    core.consume("other", UnackedDeliveries())
    queue = about(core)
    assert (queue.ready, queue.unacked, queue.consumers, queue.fate) == (1, 1, 0, "taken")
    settings = (queue.ttl_ms, queue.expires_ms, queue.max_length, queue.max_length_bytes, queue.overflow)
    assert (settings, queue.dead_letters) == ((None,) * 5, None)
    assert text_of(core) == []
    assert about(core, "other").consumers == 1


# --- who says so


def test_who_says_how_long_a_message_lives() -> None:
    core = make(message_ttl=3_600_000)
    ask = core.broker.administration
    told = about(core).ttl_ms
    assert told is not None
    assert (told.value, told.said_by, told.others) == (3_600_000, "argument x-message-ttl", ())
    ask.set_policy("/", "short", "q", {"message-ttl": 60_000})
    told = about(core).ttl_ms
    assert told is not None
    assert (told.value, told.said_by) == (60_000, "policy 'short'")
    assert told.others == (Saying(3_600_000, "argument x-message-ttl"),)
    ask.set_operator_policy("/", "op", "q", {"message-ttl": 1500})
    told = about(core).ttl_ms
    assert told is not None
    assert (told.value, told.said_by) == (1500, "operator policy 'op'")
    told = about(core, expiration=b"\x0250").ttl_ms
    assert told is not None
    assert (told.value, told.said_by) == (50, "the message's expiration")
    assert text_of(core) == [
        "expires here after 1 s 500 ms (operator policy 'op'; not argument x-message-ttl: 1 h; policy 'short': 1 min)"
    ]


def test_a_message_without_a_queue_s_ttl() -> None:
    told = about(make(), expiration=b"\x0250").ttl_ms
    assert told is not None
    assert (told.value, told.said_by) == (50, "the message's expiration")


def test_when_a_queue_goes() -> None:
    core = make(expires=86_400_000)
    told = about(core).expires_ms
    assert told is not None
    assert (told.value, told.said_by) == (86_400_000, "argument x-expires")
    assert text_of(core) == ["the queue is deleted when it is unused for 1 d (argument x-expires)"]


# --- limits


@TYPES
def test_a_full_queue_drops_the_first(kind: str) -> None:
    core = make(kind, max_length=2)
    core.publish("", "q", "1")
    assert about(core).fate == "taken"
    assert (
        text_of(core)[1] == "not full; when it is, messages are dropped from the head (overflow drop-head, by default)"
    )
    core.publish("", "q", "2")
    assert about(core).fate == "drops-head"
    assert text_of(core) == [
        "holds 2 messages at most (argument x-max-length)",
        "full: with this message, one at the head is dropped (overflow drop-head, by default)",
    ]
    core.publish("", "q", "3")
    assert core.ready("q") == ["2", "3"]


@TYPES
def test_a_full_queue_refuses(kind: str) -> None:
    core = make(kind, max_length=2, overflow="reject-publish")
    for number in range(4):
        foreseen = about(core).fate
        assert foreseen in {"taken", "refused"}
        assert (core.publish("", "q", str(number)) == []) is (foreseen == "taken")
    assert "Now it is refused by 'q': a publisher that waits for confirms gets basic.nack." in str(
        explain(core.broker, "/", "", "q")
    )
    # A quorum queue that has refused takes messages again when there is much room; to look is not to ask.
    unacked = UnackedDeliveries()
    while about(core).fate == "refused":
        assert about(core).fate == "refused"
        core.get("q", unacked, no_ack=True)
    assert core.publish("", "q", "x") == []


def test_a_limit_of_bytes_by_a_policy() -> None:
    core = make()
    core.broker.administration.set_policy("/", "small", "q", {"max-length-bytes": 3, "overflow": "reject-publish-dlx"})
    core.publish("", "q", "xx")
    assert about(core).fate == "taken"
    core.publish("", "q", "x")
    assert about(core).fate == "refused"
    assert text_of(core) == [
        "holds 3 bytes at most (policy 'small')",
        "full: this message is refused (overflow reject-publish-dlx, policy 'small')",
    ]


def test_what_goes_to_a_consumer_at_once_drops_nothing() -> None:
    core = make(max_length=0)
    assert about(core).fate == "drops-head"
    core.consume("q", UnackedDeliveries())
    assert about(core).fate == "taken"


def test_a_queue_that_knows_duplicates() -> None:
    core = make(message_deduplication=True)
    headers = {"x-deduplication-header": longstr("1")}
    for _ in range(2):
        assert about(core, headers=headers).fate == "taken"
    core.publish("", "q", "m", headers=headers)
    assert about(core, headers=headers).fate == "duplicate"
    assert about(core).fate == "taken"
    said = str(explain(core.broker, "/", "", "q", headers))
    assert "drops it: a message with the same x-deduplication-header is here" in said


# --- dead letters


def test_the_way_of_dead_letters() -> None:
    core = make(dead_letter_exchange="dlx", dead_letter_routing_key="dead", message_ttl=1000)
    letters = dead_letters(about(core))
    assert (letters.exists, letters.queues) == (False, ())
    core.exchange("dlx1")
    assert dead_letters(about(core)).nearest == ("dlx1",)
    assert text_of(core)[-2:] == [
        "dead letters go to exchange 'dlx' with the key 'dead' "
        "(argument x-dead-letter-exchange, argument x-dead-letter-routing-key)",
        "which does not exist: they are lost. Did you mean 'dlx1'?",
    ]
    core.exchange("dlx", internal=True)
    assert text_of(core)[-1] == "from where they reach no queue: they are lost"
    core.queue("bin")
    core.bind("bin", "dlx", "dead")
    letters = dead_letters(about(core))
    assert [queue.name for queue in letters.queues] == ["bin"]
    assert not letters.queues[0].dead_letters
    assert text_of(core)[-1] == "queue 'bin' (classic): 0 ready, 0 unacknowledged, 0 consumers"
    core.publish("", "q", "m")
    core.wait(1000)
    assert core.ready("bin") == ["m"]


def test_dead_letters_keep_their_keys() -> None:
    core = make(dead_letter_exchange="x")
    core.exchange("x")
    for name in ("a", "b", "c"):
        core.queue(name)
    for name, key in (("a", "q"), ("b", "copy"), ("c", "other")):
        core.bind(name, "x", key)
    letters = dead_letters(about(core, headers={"CC": array_field([longstr("copy")])}))
    assert [queue.name for queue in letters.queues] == ["a", "b"]
    assert "dead letters go to exchange 'x' with its own key (argument x-dead-letter-exchange)" in text_of(core)


def test_dead_letters_by_a_policy() -> None:
    core = make()
    core.broker.administration.set_policy(
        "/", "dl", "q", {"dead-letter-exchange": "", "dead-letter-routing-key": "bin"}
    )
    core.queue("bin")
    letters = dead_letters(about(core))
    assert (letters.exchange_said_by, letters.routing_key, letters.routing_key_said_by) == (
        "policy 'dl'",
        "bin",
        "policy 'dl'",
    )
    assert [queue.name for queue in letters.queues] == ["bin"]
    assert text_of(core)[0] == "dead letters go to the default exchange with the key 'bin' (policy 'dl')"


def test_a_cycle_of_dead_letters() -> None:
    core = make(dead_letter_exchange="", dead_letter_routing_key="wait")
    core.queue("wait", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="q", message_ttl=5000))
    (wait,) = dead_letters(about(core)).queues
    assert (wait.name, dead_letters(wait).back_to, dead_letters(wait).queues) == ("wait", ("q",), ())
    assert text_of(core)[-1] == (
        "back to 'q': a cycle, in which a message is dropped unless a client rejects it on the way"
    )


def test_a_long_chain_of_dead_letters_is_cut() -> None:
    core = make(dead_letter_exchange="", dead_letter_routing_key="q1")
    for number in range(1, 10):
        core.queue(f"q{number}", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key=f"q{number + 1}"))
    queue, depth = about(core), 1
    while dead_letters(queue).queues:
        (queue,) = dead_letters(queue).queues
        depth += 1
    assert (depth, dead_letters(queue).left_out) == (DEPTH_MAX, 1)
    assert text_of(core)[-1] == "... 1 more queue"


def test_very_many_queues_with_dead_letters() -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.exchange("all", "fanout")
    for number in range(2 * QUEUES_MAX):
        core.queue(f"q{number}", arguments=arguments(dead_letter_exchange="all"))
        core.bind(f"q{number}", "all")
    explanation = explain(core.broker, "/", "all", "")
    assert len(explanation.queues) == 2 * QUEUES_MAX
    last = explanation.reached[-1].dead_letters
    assert last is not None
    assert not last.is_followed
    assert "where they go from there is not told: there are too many queues" in str(explanation)
    assert len(str(explanation)) < 2_000_000


def test_dead_letters_by_chance() -> None:
    core = make(dead_letter_exchange="lots")
    core.exchange("lots", "x-random")
    for name in ("a", "b"):
        core.queue(name)
        core.bind(name, "lots", "")
    letters = dead_letters(about(core))
    assert letters.by_chance
    assert [queue.name for queue in letters.queues] == ["a", "b"]
    assert "which chooses by chance" in text_of(core)


def test_a_delay_on_the_way_of_dead_letters() -> None:
    core = make(dead_letter_exchange="late", dead_letter_routing_key="bin")
    core.exchange("late", "x-delayed-message", arguments={"x-delayed-type": longstr("direct")})
    core.queue("bin")
    core.bind("bin", "late", "bin")
    letters = dead_letters(about(core, headers={"x-delay": Field("long", 7000)}))
    assert [(queue.name, queue.after_ms) for queue in letters.queues] == [("bin", 7000)]


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1500, "1 s 500 ms"),
        (60_000, "1 min"),
        (3_600_001, "1 h 1 ms"),
        (90_061_001, "1 d 1 h"),
    ],
)
def test_spans(span_ms: int, text: str) -> None:
    assert span(span_ms) == text


@pytest.mark.parametrize("change", [lambda core: core.publish("", "q", "1"), lambda core: core.queue("w")])
def test_looking_does_not_keep_a_queue(change: Callable[[CoreHarness], object]) -> None:
    core = make(expires=1000)
    change(core)
    for _ in range(2):
        core.wait(400)
        about(core)
    core.wait(200)
    assert "q" not in core.vhost.queues
