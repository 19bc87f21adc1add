"""What the profiles change in dead letters and quorum queues."""

from typing import Any

import pytest

from amqpy.core.message import AnnotatedMessage, Message
from amqpy.core.unacked import UnackedDeliveries
from amqpy.profile import PROFILES
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, array_field, decode_array, decode_table, encode_field, table_field
from tests.core.core_harness import CoreHarness, arguments, content_header, longstr, refusal
from tests.fifo import ready_messages
from tests.profiles import switch

QUORUM = arguments(queue_type="quorum")


# --- dead letters


def dead_letter(profile: str, headers: Table | None = None) -> dict[str, Any]:
    """The headers of a message that expired."""
    core = CoreHarness(profile)
    core.queue("dead", durable=True)
    core.queue(
        "q",
        durable=True,
        arguments=arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    core.publish("", "q", "m", headers=headers)
    core.wait(1)
    return headers_of(core.fetch("dead"))


def headers_of(message: Message | None) -> dict[str, Any]:
    assert message is not None
    headers: Table = decode_properties(message.header).get("headers", {})
    return {name: field.value for name, field in headers.items()}


def deaths(history: bytes) -> list[Table]:
    return [decode_table(entry.value) for entry in decode_array(history)]


@switch("trusts_x_death", 6, 6, 1, 1)
def test_the_x_death_of_a_publisher(profile: str, expected: int) -> None:
    death = {
        "count": Field("long", 5),
        "reason": longstr("expired"),
        "queue": longstr("q"),
        "time": Field("timestamp", 1),
        "exchange": longstr(""),
        "routing-keys": array_field([longstr("q")]),
    }
    headers = dead_letter(profile, {"x-death": array_field([table_field(death)])})
    assert [entry["count"].value for entry in deaths(headers["x-death"])] == [expected]


@switch("notes_last_death", False, True, True, True)
def test_the_last_death(profile: str, expected: bool) -> None:
    noted = {name: value for name, value in dead_letter(profile).items() if name.startswith("x-last-death")}
    told = {"x-last-death-exchange": "", "x-last-death-queue": "q", "x-last-death-reason": "expired"}
    assert noted == (told if expected else {})


@switch(
    "plain_deaths",
    ["count", "reason", "queue", "time", "exchange", "routing-keys", "original-expiration 0100"],
    *[["original-expiration 100", "count", "reason", "queue", "time", "exchange", "routing-keys"]] * 3,
)
def test_the_order_within_a_death(profile: str, expected: list[str]) -> None:
    core = CoreHarness(profile)
    core.queue(
        "q",
        durable=True,
        arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="again"),
    )
    core.queue(
        "again",
        durable=True,
        arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    core.queue("dead", durable=True)
    letter = Message(core.route("", "q").address, content_header(expiration="0100"), b"m", None)
    core.vhost.queues["q"].publish(letter)
    core.settle()
    latest, first = deaths(headers_of(core.fetch("dead"))["x-death"])
    assert [
        f"{name} {field.value}" if name.startswith("original") else name for name, field in first.items()
    ] == expected
    later = [name for name in expected if not name.startswith("original")]
    assert list(latest) == (sorted(later) if profile == "rabbitmq-3.10" else later)


@switch("keeps_cc", None, "other", "other", "other")
def test_cc_where_the_routing_key_is_replaced(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    core.queue("dead", durable=True)
    core.queue(
        "q",
        durable=True,
        arguments=arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    core.publish("", "q", "m", headers={"CC": array_field([longstr("other")]), "a": longstr("b")})
    core.wait(1)
    headers = headers_of(core.fetch("dead"))
    copies = [field.value for field in decode_array(headers["CC"])] if "CC" in headers else [None]
    assert copies == [expected]


@pytest.mark.parametrize("profile", PROFILES)
def test_cc_counts_until_the_routing_key_is_replaced(profile: str) -> None:
    core = CoreHarness(profile)
    for name, key in (("a", "b"), ("b", "c")):
        to_next = arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key=key)
        core.queue(name, durable=True, arguments=to_next)
    core.queue("c", durable=True)
    header = content_header({"CC": array_field([longstr("other")])})
    core.vhost.queues["a"].publish(AnnotatedMessage(core.route("", "a").address, header, b"m", more_keys=("other",)))
    core.wait(1)
    core.wait(1)
    latest, first = deaths(headers_of(core.fetch("c"))["x-death"])
    assert [[key.value for key in decode_array(death["routing-keys"].value)] for death in (latest, first)] == [
        ["b"],
        ["a", "other"],
    ]


@switch("keeps_cc", ["q", "a", "b"], *[["q", "b", "a"]] * 3)
def test_a_key_in_both_cc_and_bcc(profile: str, expected: list[str]) -> None:
    core = CoreHarness(profile)
    to_dead = arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead")
    core.queue("q", durable=True, arguments=to_dead)
    core.queue("dead", durable=True)
    header = content_header({"CC": array_field([longstr("a"), longstr("b")])})
    keys = ("a", "b", "a", "c")
    core.vhost.queues["q"].publish(AnnotatedMessage(core.route("", "q").address, header, b"m", more_keys=keys))
    core.wait(1)
    (death,) = deaths(headers_of(core.fetch("dead"))["x-death"])
    assert [key.value for key in decode_array(death["routing-keys"].value)] == expected


@switch("headers_as_map", "first", "last", "last", "last")
def test_the_header_that_is_hashed(profile: str, expected: str) -> None:
    """Messages stay together that have the same first value, or the same last one."""
    core = CoreHarness(profile)
    core.exchange("x", "x-consistent-hash", arguments={"hash-header": longstr("h")})
    for name in "abcdefgh":
        core.queue(name, durable=True)
        core.bind(name, "x", "1")

    def targets(position: str) -> set[str]:
        values = [(0, number) if position == "first" else (number, 0) for number in range(40)]
        found: set[str] = set()
        for pair in values:
            twice = decode_table(b"".join(b"\x01h" + encode_field(Field("long", value)) for value in pair))
            found |= core.routed("x", "", twice)
        return found

    assert len(targets(expected)) == 1
    assert len(targets("last" if expected == "first" else "first")) > 1


@switch("turns_x_death", ["c", "a", "b"], ["c", "b", "a"], ["c", "b", "a"], ["c", "b", "a"])
def test_the_order_of_deaths(profile: str, expected: list[str]) -> None:
    core = CoreHarness(profile)
    for name, next_one in ("ab", "bc", "cd"):
        core.queue(
            name,
            durable=True,
            arguments=arguments(message_ttl=0, dead_letter_exchange="", dead_letter_routing_key=next_one),
        )
    core.queue("d", durable=True)
    core.publish("", "a", "m")
    (message,) = ready_messages(core.vhost.queues["d"])
    assert [entry["queue"].value for entry in deaths(headers_of(message)["x-death"])] == expected


# --- quorum queues


def quorum_world(profile: str, **more: int | str | bool) -> CoreHarness:
    """With a quorum queue `q` and a message in it."""
    core = CoreHarness(profile)
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", **more))
    core.publish("", "q", "m")
    return core


def bring_back(core: CoreHarness, way: Any) -> None:  # noqa: ANN401
    unacked = UnackedDeliveries()
    assert core.get("q", unacked) is not None
    core.nack(unacked, 1, way=way)


@switch("quorum_delivery_limit", None, None, 20, 20)
def test_the_delivery_limit_of_quorum_queues_without_one(profile: str, expected: int | None) -> None:
    core = quorum_world(profile)
    count = 0
    while core.ready("q") and count < 30:
        bring_back(core, "reject")
        count += 1
    assert count == (30 if expected is None else expected + 1)


@switch("quorum_counts_nacks", True, True, True, False)
def test_what_counts_towards_the_delivery_limit(profile: str, expected: bool) -> None:
    for way in ("nack", "recover"):
        core = quorum_world(profile, delivery_limit=1)
        bring_back(core, way)
        bring_back(core, way)
        assert bool(core.ready("q")) is not expected


@switch("quorum_acquired_count", None, None, None, 1)
def test_how_often_a_message_was_acquired(profile: str, expected: int | None) -> None:
    core = quorum_world(profile)
    bring_back(core, "nack")
    assert headers_of(core.fetch("q")).get("x-acquired-count") == expected


@switch("quorum_get_counts", 0, None, None, None)
def test_the_delivery_count_of_a_first_get(profile: str, expected: int | None) -> None:
    assert headers_of(quorum_world(profile).fetch("q")).get("x-delivery-count") == expected


@switch("message_priorities", *[["m", "low", "high"]] * 3, ["high", "m", "low"])
def test_the_priority_of_messages_in_quorum_queues(profile: str, expected: list[str]) -> None:
    core = quorum_world(profile)
    core.publish("", "q", "low", priority=1)
    core.publish("", "q", "high", priority=9)
    unacked = UnackedDeliveries()
    found = [got[0].body for _ in range(3) if (got := core.get("q", unacked)) is not None]
    assert found == expected


@switch("quorum_priorities", "second", "second", "third", "third")
def test_the_next_single_active_consumer(profile: str, expected: str) -> None:
    core = quorum_world(profile, single_active_consumer=True)
    channels_unacked = {name: UnackedDeliveries() for name in ("first", "second", "third")}
    first, _, _ = (
        core.consume("q", unacked, tag=name, priority=5 if name == "third" else 0)
        for name, unacked in channels_unacked.items()
    )
    core.ack(channels_unacked["first"], 1)
    core.cancel(first)
    core.publish("", "q", "n")
    assert [name for name, unacked in channels_unacked.items() if unacked.by_tag] == [expected]


@switch("quorum_in_text", *["quorum"] * 3, '<<"quorum">>')
def test_what_quorum_queues_are_called(profile: str, expected: str) -> None:
    core = quorum_world(profile, single_active_consumer=True)
    text = refusal(core.vhost.queues["q"].check_get)
    assert text is not None
    assert text.endswith(f"are not supported by {expected} queues with single active consumer")
