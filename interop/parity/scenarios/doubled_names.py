"""Tables in which a name comes twice: whoever reads them goes by the first, but none is lost."""

from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.scenarios.dead_letters import dead_letter_to, reject_one
from interop.parity.scenarios.events import Watched
from interop.parity.scenarios.handshake import greeted, start_ok
from interop.parity.script import Channel, Stage

Fields = list[tuple[str, Any]]


def with_headers(*headers: tuple[str, Any]) -> bytes:
    return b"\x20\0" + codec.long_bytes(codec.entries(*headers))


MESSAGES: list[Fields] = [
    [("a", 1)],
    [("a", 2)],
    [("a", 3)],
    [("a", 1), ("a", 1)],
    [("a", 1), ("a", 2)],
    [("a", 2), ("a", 1)],
    [("a", 1), ("a", 2), ("a", 3)],
    [("a", 3), ("a", 1), ("a", 2)],
    [("a", 1), ("b", 1), ("a", 2)],
    [("b", 1), ("a", 2), ("b", 2), ("a", 1)],
    [("a", None), ("a", 1)],
    [("a", 1), ("a", None)],
    [("x-a", 1), ("x-a", 2)],
    [("x-a", 2), ("a", 1), ("x-a", 1)],
    [("x-match", "all"), ("x-match", "any"), ("a", 1)],
]

BINDINGS: dict[str, Fields] = {
    "all": [("x-match", "all"), ("a", 1), ("a", 2)],
    "any": [("x-match", "any"), ("a", 1), ("a", 2)],
    "all, turned": [("x-match", "all"), ("a", 2), ("a", 1)],
    "any, turned": [("x-match", "any"), ("a", 2), ("a", 1)],
    "without a match": [("a", 1), ("a", 2)],
    "the same": [("a", 1), ("a", 1)],
    "any of the same": [("x-match", "any"), ("a", 1), ("a", 1)],
    "three": [("a", 1), ("a", 2), ("a", 3)],
    "any of three": [("x-match", "any"), ("a", 9), ("a", 9), ("a", 3)],
    "presence first": [("a", None), ("a", 1)],
    "presence last": [("a", 1), ("a", None)],
    "any, presence last": [("x-match", "any"), ("a", 9), ("a", None)],
    "with another between": [("a", 1), ("b", 1), ("a", 2)],
    "two doubled": [("b", 1), ("a", 2), ("b", 2), ("a", 1)],
    "match twice, all first": [("x-match", "all"), ("x-match", "any"), ("a", 1), ("b", 1)],
    "match twice, any first": [("x-match", "any"), ("x-match", "all"), ("a", 1), ("b", 1)],
    "match twice, the second bad": [("x-match", "any"), ("x-match", "none"), ("a", 1)],
    "match twice, the first bad": [("x-match", "none"), ("x-match", "any"), ("a", 1)],
    "x ignored": [("x-a", 1), ("x-a", 2), ("a", 1)],
    "x, all": [("x-match", "all-with-x"), ("x-a", 1), ("x-a", 2)],
    "x, any": [("x-match", "any-with-x"), ("x-a", 1), ("x-a", 2)],
}


@scenario(each=BINDINGS)
def headers(stage: Stage, arguments: Fields) -> None:
    """The first value of a name in the binding is compared with the first in the message, the second with the
    second."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "headers"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments=codec.entries(*arguments))
    for message in MESSAGES:
        channel.publish(exchange, "", repr(message).encode(), properties=with_headers(*message))
    channel.settle(queue)
    channel.drain(queue)


ONE_BINDING: Fields = [("a", 1), ("b", 1), ("a", 2)]


@scenario(
    each={
        "the same": ONE_BINDING,
        "in another order": [("b", 1), ("a", 1), ("a", 2)],
        "the doubled one turned": [("a", 2), ("b", 1), ("a", 1)],
        "without the second": [("a", 1), ("b", 1)],
        "without the first": [("b", 1), ("a", 2)],
        "three": [*ONE_BINDING, ("a", 3)],
    }
)
def identity_of_bindings(stage: Stage, other: Fields) -> None:
    """A binding is unbound by the same arguments, those of one name in the same order."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "fanout"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments=codec.entries(*ONE_BINDING))
    channel.call("queue.unbind", queue=queue, exchange=exchange, arguments=codec.entries(*other))
    channel.publish(exchange, "", b"still bound")
    channel.settle(queue)
    channel.drain(queue)


QUEUES: dict[str, tuple[Fields, list[Fields]]] = {
    "length": (
        [("x-max-length", 1), ("x-max-length", 3)],
        [
            [("x-max-length", 3), ("x-max-length", 1)],
            [("x-max-length", 3)],
            [("x-max-length", 1)],
            [("x-max-length", 1), ("x-max-length", "odd")],
        ],
    ),
    "length, the second bad": ([("x-max-length", 2), ("x-max-length", "odd")], [[("x-max-length", 2)]]),
    "length, the first bad": ([("x-max-length", "odd"), ("x-max-length", 2)], []),
    "type": ([("x-queue-type", "classic"), ("x-queue-type", "quorum")], [[], [("x-queue-type", "classic")]]),
    "type, the second unknown": ([("x-queue-type", "classic"), ("x-queue-type", "odd")], []),
    "dead letter key": (
        [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "a"), ("x-dead-letter-exchange", "amq.fanout")],
        [[("x-dead-letter-exchange", "amq.fanout"), ("x-dead-letter-routing-key", "a")]],
    ),
    "of another type": ([("x-max-priority", 1), ("x-max-priority", 2)], [[("x-max-priority", 2)]]),
    "nobody knows": ([("x-none", 1), ("x-none", 2)], [[("x-none", 2)], []]),
}


@scenario(each=QUEUES)
def queue_arguments(stage: Stage, case: tuple[Fields, list[Fields]]) -> None:
    """The first counts when a queue is declared, and when it is declared again."""
    first, others = case
    channel, queue = stage.channel(), stage.name()
    channel.declare(queue, exclusive=True, arguments=codec.entries(*first))
    if channel.closed:
        return
    channel.publish_some(queue, 4)
    channel.settle(queue)
    channel.drain(queue)
    for other in others:
        channel.declare(queue, exclusive=True, arguments=codec.entries(*other))
        channel = channel.reopen() if channel.closed else channel


@scenario()
def quorum_queue_arguments(stage: Stage) -> None:
    """The same for a queue that is on disk."""
    channel, queue = stage.channel(), stage.name()
    arguments: Fields = [("x-queue-type", "quorum"), ("x-max-length", 1), ("x-max-length", 9)]
    channel.declare(queue, durable=True, arguments=codec.entries(*arguments))
    channel.declare(queue, durable=True, arguments=codec.entries(arguments[0], arguments[2]))


@scenario()
def alternate_exchange(stage: Stage) -> None:
    """The first counts."""
    channel, queue = stage.channel(), stage.name()
    channel.declare(queue, exclusive=True)
    one, two = (channel.exchange(stage.name(name), "fanout") for name in ("one", "two"))
    channel.bind(queue, one)
    both = [("alternate-exchange", one), ("alternate-exchange", two)]
    exchange = channel.exchange(stage.name("x"), arguments=codec.entries(*both))
    channel.publish(exchange, "k", b"routed by the first", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
    channel.exchange(exchange, arguments=codec.entries(both[0]))
    channel.exchange(exchange, arguments=codec.entries(*both[::-1]))


@scenario(each={"low first": [1, 5], "high first": [5, 1], "odd last": [1, "odd"], "odd first": ["odd", 1]})
def consumer_priority(stage: Stage, priorities: list[object]) -> None:
    """The first counts."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, "plain", arguments={"x-priority": 3}, no_ack=True)
    channel.consume(
        queue, "doubled", arguments=codec.entries(*(("x-priority", each) for each in priorities)), no_ack=True
    )
    if not channel.closed:
        channel.publish_some(queue, 2)
        channel.wait_deliveries(2)


def capable(value: bool) -> dict[str, bool]:
    return {"authentication_failure_close": value}


@scenario(
    each={
        "yes and no": [("capabilities", capable(True)), ("capabilities", capable(False))],
        "no and yes": [("capabilities", capable(False)), ("capabilities", capable(True))],
        "yes, then no table": [("capabilities", capable(True)), ("capabilities", 1)],
        "no table, then yes": [("capabilities", 1), ("capabilities", capable(True))],
        "inside, yes and no": [
            ("capabilities", Typed("F", codec.entries(*capable(True).items(), *capable(False).items())))
        ],
        "inside, no and yes": [
            ("capabilities", Typed("F", codec.entries(*capable(False).items(), *capable(True).items())))
        ],
    }
)
def capabilities(stage: Stage, properties: Fields) -> None:
    """The first says if a client wants to be told that its login failed."""
    connection = greeted(stage)
    start_ok(connection, "PLAIN", b"\0guest\0wrong", codec.entries(*properties))
    connection.wait_end(25.0)


@scenario(
    each={
        "right and wrong": [("LOGIN", "guest"), ("PASSWORD", "guest"), ("LOGIN", "nobody"), ("PASSWORD", "none")],
        "wrong and right": [("LOGIN", "nobody"), ("PASSWORD", "none"), ("LOGIN", "guest"), ("PASSWORD", "guest")],
    }
)
def amqplain(stage: Stage, response: Fields) -> None:
    """The first name and the first password count."""
    connection = greeted(stage)
    start_ok(connection, "AMQPLAIN", codec.entries(*response), {"capabilities": capable(True)})
    connection.wait("connection.tune")


@scenario(
    each={
        "CC": lambda a, b: [("CC", [a]), ("CC", [b])],
        "BCC": lambda a, b: [("BCC", [a]), ("z", 1), ("BCC", [b]), ("a", 1)],
        "the second odd": lambda a, b: [("CC", [a]), ("CC", 1), ("BCC", [b]), ("BCC", 1)],
        "the first odd": lambda a, b: [("CC", 1), ("CC", [a])],
        "BCC the same twice": lambda a, b: [("BCC", [a]), ("BCC", [a])],
    }
)
def copies(stage: Stage, headers_for: Any) -> None:  # noqa: ANN401
    """The first of each counts; the first BCC is taken out, and another one is not."""
    channel = stage.channel()
    one, two, main = (channel.declare(stage.name(name), exclusive=True) for name in ("one", "two", "main"))
    channel.publish("", main, b"body", properties=with_headers(*headers_for(one, two)))
    channel.sync()
    for queue in (main, one, two):
        if not channel.closed:
            channel.settle(queue)
            channel.drain(queue)


def death(queue: str, *more: tuple[str, Any]) -> Typed:
    fields = [("count", Typed("l", 5)), ("reason", "rejected"), ("queue", queue), ("time", Typed("T", 5)), *more]
    return Typed("F", codec.entries(*fields))


@scenario(
    each={
        "x-death": lambda queue: [("x-death", [death(queue)]), ("a", 1), ("x-death", [death("other")])],
        "x-death, the second odd": lambda queue: [("x-death", [death(queue)]), ("x-death", 1)],
        "x-death, the first empty": lambda queue: [("x-death", []), ("x-death", [death(queue)])],
        "count": lambda queue: [("x-death", [death(queue, ("count", Typed("l", 9)))])],
        "no count, twice": lambda queue: [
            ("x-death", [
                Typed("F", codec.entries(("queue", queue), ("count", None), ("reason", "rejected"), ("count", None))),
                Typed("F", codec.entries(("queue", queue), ("reason", "rejected"))),
            ])
        ],
        "queue": lambda queue: [("x-death", [death(queue, ("queue", "other"), ("queue", "third"))])],
        "queue, of another one": lambda queue: [("x-death", [death("other", ("queue", queue))])],
        "reason": lambda queue: [("x-death", [death(queue, ("reason", "expired"))])],
        "first death": lambda queue: [("x-first-death-queue", "a"), ("x-first-death-queue", "b")],
        "CC": lambda queue: [("CC", ["a"]), ("CC", ["b"])],
    }
)  # fmt: skip
def dead_letters(stage: Stage, headers_for: Any) -> None:  # noqa: ANN401
    """A death changes the first of a name."""
    channel, queue = stage.channel(), stage.name("q")
    dead = channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    channel.publish("", queue, b"body", properties=with_headers(*headers_for(queue)))
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario()
def delivery_count(stage: Stage) -> None:
    """The first of two counts that a publisher sent is replaced."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), durable=True, arguments={"x-queue-type": "quorum"})
    properties = with_headers(("x-delivery-count", 7), ("a", 1), ("x-delivery-count", 8))
    channel.publish("", queue, b"body", properties=properties)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)
    channel.nack(1)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)


@scenario(each={"yes and no": [True, False], "no and yes": [False, True]})
def recent_history_no_store(stage: Stage, values: list[bool]) -> None:
    """The first counts."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "x-recent-history")
    properties = with_headers(*(("x-recent-history-no-store", value) for value in values))
    channel.publish(exchange, "", b"kept?", properties=properties)
    channel.publish(exchange, "", b"kept")
    channel.sync()
    queue = channel.declare(exclusive=True)
    channel.bind(queue, exchange)
    channel.until_queue(queue, message_count=2 - values[0])
    channel.drain(queue)


@scenario(before="3.13")
def hash_header(stage: Stage) -> None:
    """The first is hashed: what has the same first value stays together."""
    channel: Channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "x-consistent-hash", arguments={"hash-header": "h"})
    queues = [channel.declare(exclusive=True) for _ in range(3)]
    for queue in queues:
        channel.bind(queue, exchange, "10")
    for number in range(20):
        channel.publish(exchange, "", b"%d" % number, properties=with_headers(("h", "a"), ("h", str(number))))
    channel.settle(*queues)
    counts = [0, 0, 0]
    channel.connection.recording = False
    for position, queue in enumerate(queues):
        while (reply := channel.get(queue, no_ack=True)) is not None and reply.method == "basic.get-ok":
            counts[position] += 1
    channel.connection.recording = True
    stage.note(str(sorted(counts)))


@scenario()
def hash_arguments(stage: Stage) -> None:
    """An exchange that is told twice what to hash."""
    channel = stage.channel()
    for label, arguments in {
        "property": [("hash-property", "message_id"), ("hash-property", "odd")],
        "odd first": [("hash-property", "odd"), ("hash-property", "message_id")],
    }.items():
        channel.exchange(stage.name(label), "x-consistent-hash", arguments=codec.entries(*arguments))
        channel = channel.reopen() if channel.closed else channel


@scenario()
def events(stage: Stage) -> None:
    """Events show arguments as they came."""
    watched = Watched(stage, "queue.*", "exchange.*", "binding.*")
    channel, queue = stage.channel(), stage.name()
    doubled = codec.entries(("z", 1), ("a", 1), ("z", "two"), ("a", None))
    channel.declare(queue, arguments=doubled)
    exchange = channel.exchange(stage.name("x"), arguments=doubled)
    channel.bind(queue, exchange, arguments=doubled)
    channel.call("queue.delete", queue=queue)
    channel.call("exchange.delete", exchange=exchange)
    watched.note("queue.created", "exchange.created", "binding.created", "queue.deleted", "exchange.deleted")
