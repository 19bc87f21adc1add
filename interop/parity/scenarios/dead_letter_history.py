"""Dead letters with a past: x-death as clients send it, and cycles."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.scenarios.dead_letters import SOON_MS, dead_letter_to, reject_one
from interop.parity.script import Channel, Stage

NOT_DEATHS: Mapping[str, Any] = {
    "text": "[{'count': 1}]",
    "number": 5,
    "nothing": None,
    "table": {"count": 1},
    "bytes": Typed("x", b"\0"),
}


def death(queue: str, reason: str = "rejected", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An entry as a client gives it back."""
    return {"count": Typed("l", 1), "reason": reason, "queue": queue, "time": Typed("T", 5)} | more


def publish_with(channel: Channel, queue: str, x_death: Any, **headers: Any) -> None:  # noqa: ANN401
    channel.publish("", queue, b"body", properties=codec.properties(headers={"x-death": x_death} | headers))


@scenario(each=NOT_DEATHS)
def not_a_history(stage: Stage, x_death: Any) -> None:  # noqa: ANN401
    """x-death of another type is replaced, without x-first-death headers."""
    channel = stage.channel()
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    publish_with(channel, queue, x_death)
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario(each=NOT_DEATHS)
def not_a_history_and_expired(stage: Stage, x_death: Any) -> None:  # noqa: ANN401
    """The same where cycles are looked for."""
    channel = stage.channel()
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead) | {"x-message-ttl": SOON_MS})
    publish_with(channel, queue, x_death)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


HISTORIES: Mapping[str, Any] = {
    "empty": lambda queue: [],
    "another queue": lambda queue: [death("other")],
    "this queue": lambda queue: [death(queue)],
    "this queue, other reason": lambda queue: [death(queue, "expired")],
    "this queue, odd reason": lambda queue: [death(queue, "boredom")],
    "this queue, second": lambda queue: [death("other"), death(queue), death("third")],
    "this queue, twice": lambda queue: [death(queue), death(queue, "expired"), death(queue, more=1)],
    "another queue, twice": lambda queue: [death("other", first=1), death("other", second=2), death("third")],
    "twice, without counts": lambda queue: [
        {"queue": queue, "reason": "rejected", "first": 1},
        {"queue": "other", "reason": "expired"},
        {"queue": "other", "reason": "expired"},
        {"queue": queue, "reason": "rejected", "second": 2},
    ],
    "one, without count": lambda queue: [{"reason": "rejected", "queue": queue}],
    "another, without count": lambda queue: [{"reason": "rejected", "queue": "other"}],
    "count of another type": lambda queue: [death(queue, count=Typed("I", 7))],
    "negative count": lambda queue: [death(queue, count=Typed("l", -7))],
    "unsigned count": lambda queue: [death(queue, count=Typed("B", 255))],
    "highest count": lambda queue: [death(queue, count=Typed("l", 2**63 - 1))],
    "queue of another type": lambda queue: [death("") | {"queue": Typed("x", queue.encode())}],
    "reason of another type": lambda queue: [death(queue) | {"reason": Typed("x", b"rejected")}],
    "more keys": lambda queue: [death(queue, zebra=[1], apple=None)],
    "keys doubled": lambda queue: [Typed("F", {"queue": queue, b"reason": "rejected", "count": Typed("l", 3)})],
    "table without keys": lambda queue: [{}],
    "two tables without keys": lambda queue: [{}, {}],
    "no queue": lambda queue: [{"reason": "rejected", "count": Typed("l", 1)}],
    "no reason": lambda queue: [{"queue": queue, "count": Typed("l", 1)}],
    "many": lambda queue: [death(f"q{number}") for number in range(5)],
}


@scenario(each=HISTORIES)
def history_of_a_client(stage: Stage, history: Any) -> None:  # noqa: ANN401
    """RabbitMQ goes on from what a client sent: two deaths."""
    channel = stage.channel()
    queue, dead = stage.name("q"), stage.name("dead")
    channel.declare(dead, exclusive=True, arguments=dead_letter_to(queue))
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    publish_with(channel, queue, history(queue), a=1)
    reject_one(channel, queue)
    reject_one(channel, dead)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)


@scenario()
def first_death_of_a_client(stage: Stage) -> None:
    """Beside x-death, the client's x-first-death headers stay, and missing ones stay away."""
    channel = stage.channel()
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    publish_with(channel, queue, [death("other")], **{"x-first-death-queue": "mine", "x-first-death-reason": 1})
    reject_one(channel, queue)
    publish_with(channel, queue, [])
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=2)
    channel.drain(dead)


@scenario()
def published_again(stage: Stage) -> None:
    """A consumer that publishes a dead letter again, headers and all: the count goes on."""
    channel = stage.channel()
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    raw_properties = codec.properties(message_id="m")
    for _ in range(3):
        channel.publish("", queue, b"body", properties=raw_properties)
        reject_one(channel, queue)
        channel.until_queue(dead, message_count=1)
        got = channel.get(dead, no_ack=True)
        raw_properties = got.properties if got is not None else b""


@scenario()
def own_cycle(stage: Stage) -> None:
    """What expires in a queue does not come back to it by itself, but does when rejected."""
    channel = stage.channel()
    queue, also = stage.name("q"), channel.declare(stage.name("also"), exclusive=True)
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(queue, exclusive=True, arguments={"x-dead-letter-exchange": exchange})
    channel.bind(queue, exchange)
    channel.bind(also, exchange)
    channel.publish("", queue, b"expires", properties=codec.properties(expiration=str(SOON_MS)))
    channel.until_queue(also, message_count=1)
    channel.drain(also)
    channel.drain(queue)
    channel.publish("", queue, b"rejected", properties=codec.properties(expiration="100000"))
    reject_one(channel, queue)
    channel.until_queue(also, message_count=1)
    channel.drain(also)
    channel.until_queue(queue, message_count=1)
    channel.drain(queue)


@scenario()
def own_cycle_of_maxlen(stage: Stage) -> None:
    """What is pushed out of a full queue does not push itself in again."""
    channel = stage.channel()
    queue, also = stage.name("q"), channel.declare(stage.name("also"), exclusive=True)
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(queue, exclusive=True, arguments={"x-dead-letter-exchange": exchange, "x-max-length": 1})
    channel.bind(queue, exchange)
    channel.bind(also, exchange)
    channel.publish_some(queue, 3)
    channel.until_queue(also, message_count=2)
    channel.drain(also)
    channel.drain(queue)


@scenario()
def cycle_of_two(stage: Stage) -> None:
    """From one TTL queue to another and back: the message is dropped at the end of the first round."""
    channel = stage.channel()
    one, two, seen = stage.name("one"), stage.name("two"), channel.declare(stage.name("seen"), exclusive=True)
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(one, exclusive=True, arguments=dead_letter_to(two) | {"x-message-ttl": SOON_MS})
    channel.declare(two, exclusive=True, arguments={"x-dead-letter-exchange": exchange, "x-message-ttl": SOON_MS})
    channel.bind(one, exchange)
    channel.bind(seen, exchange)
    channel.publish("", one, b"round and round")
    channel.until_queue(seen, message_count=1)
    channel.drain(seen)
    channel.drain(one)


@scenario()
def cycle_entered_in_the_middle(stage: Stage) -> None:
    """The round is complete when the message would come to a queue it was in before, not where it began."""
    channel = stage.channel()
    one, two, seen = stage.name("one"), stage.name("two"), channel.declare(stage.name("seen"), exclusive=True)
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(one, exclusive=True, arguments=dead_letter_to(two) | {"x-message-ttl": SOON_MS})
    channel.declare(two, exclusive=True, arguments={"x-dead-letter-exchange": exchange, "x-message-ttl": SOON_MS})
    channel.bind(one, exchange)
    channel.bind(seen, exchange)
    channel.consume(seen)
    channel.publish("", two, b"starts in the middle")
    channel.wait_deliveries(1)
    channel.until_queue(one, message_count=0)
    channel.publish("", two, b"comes after it")
    channel.wait_deliveries(1)


@scenario()
def retry_cycle(stage: Stage) -> None:
    """Rejected, kept waiting in a TTL queue, back again: a cycle with a rejection in it goes on, and is counted."""
    channel = stage.channel()
    work, wait = stage.name("work"), stage.name("wait")
    channel.declare(work, exclusive=True, arguments=dead_letter_to(wait))
    channel.declare(wait, exclusive=True, arguments=dead_letter_to(work) | {"x-message-ttl": SOON_MS})
    channel.publish("", work, b"body")
    for _ in range(4):
        reject_one(channel, work)
    channel.until_queue(work, message_count=1)
    channel.get(work)


@scenario(before="3.13")
def cycle_after_a_rejection(stage: Stage) -> None:
    """A rejection before the cycle began lets it go on for ever, as RabbitMQ turns the history around each time."""
    channel = stage.channel()
    start, one, two = stage.name("start"), stage.name("one"), stage.name("two")
    seen = channel.declare(stage.name("seen"), exclusive=True)
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(start, exclusive=True, arguments=dead_letter_to(one))
    channel.declare(one, exclusive=True, arguments=dead_letter_to(two) | {"x-message-ttl": SOON_MS})
    channel.declare(two, exclusive=True, arguments={"x-dead-letter-exchange": exchange, "x-message-ttl": SOON_MS})
    channel.bind(one, exchange)
    channel.bind(seen, exchange)
    channel.publish("", start, b"body")
    reject_one(channel, start)
    channel.call("basic.qos", prefetch_count=4)
    channel.consume(seen)
    channel.wait_deliveries(4)


CYCLES: Mapping[str, Any] = {
    "expired here": lambda queue, dead: [death(dead, "expired")],
    "rejected there": lambda queue, dead: [death(dead)],
    "rejected in between": lambda queue, dead: [death("other"), death(dead, "expired")],
    "expired in between": lambda queue, dead: [death("other", "expired"), death(dead, "maxlen")],
    "rejected here": lambda queue, dead: [death(queue), death(dead, "expired")],
    "rejected before": lambda queue, dead: [death(dead, "expired"), death("other")],
    "rejected before, other between": lambda queue, dead: [death("a", "expired"), death(dead, "expired"), death("b")],
    "no reason": lambda queue, dead: [{"queue": dead}],
    "odd reason": lambda queue, dead: [death(dead, "boredom")],
    "queue of another type": lambda queue, dead: [death("") | {"queue": Typed("x", dead.encode())}],
    "reason of another type": lambda queue, dead: [death(dead) | {"reason": Typed("x", b"rejected")}],
    "another queue": lambda queue, dead: [death("other", "expired")],
}


@scenario(each=CYCLES)
def cycle_by_the_word_of_a_client(stage: Stage, history: Any) -> None:  # noqa: ANN401
    """The history a client sent counts when cycles are looked for, in the order it has then."""
    channel = stage.channel()
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead) | {"x-message-ttl": SOON_MS})
    publish_with(channel, queue, history(queue, dead))
    channel.until_queue(queue, message_count=0)
    channel.publish("", queue, b"comes after it")
    channel.consume(dead, no_ack=True)
    while (got := channel.wait("basic.deliver")[0]) is not None and got.body == b"body":
        pass
