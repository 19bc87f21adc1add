"""Tables and arrays inside of each other, deeper than anybody should need."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.observer import Observer
from interop.parity.scenario import says_why, scenario
from interop.parity.scenarios.dead_letters import dead_letter_to, reject_one
from interop.parity.scenarios.events import Watched
from interop.parity.scenarios.field_types import WAYS
from interop.parity.scenarios.firehose import TRACE
from interop.parity.scenarios.frames import CRASH
from interop.parity.scenarios.handshake import greeted, start_ok
from interop.parity.script import Channel, Stage

DEPTH = 1_000
"""RabbitMQ has no limit, but takes seconds to write 15,000 tables, minutes to print them, and its whole node dies when
there are as many arrays in the arguments of a binding. (What amqpy does then: tests/core/test_deep_tables.py.)"""
SHOWN = 2
"""How deep a value is that an error shows: RabbitMQ breaks what is longer into lines."""


def deep(tag: str, innermost: Any, depth: int = DEPTH) -> Typed:  # noqa: ANN401
    """A value around which there are so many tables (whose only name is empty) or arrays."""
    name = b"\0" if tag == "F" else b""
    item = name + codec.encode_value(innermost)
    around = len(name) + 5
    sizes = (len(item) + around * inside for inside in reversed(range(depth - 1)))
    return Typed(tag, b"".join([*(name + struct.pack(">cI", tag.encode(), size) for size in sizes), item]))


KINDS = {"tables": "F", "arrays": "A"}
CONTENTS: Mapping[str, bytes] = {
    label: codec.long_bytes(codec.entries(("deep", deep(tag, Typed("L", -5))))) for label, tag in KINDS.items()
}


CARRIED = {
    "passed through",
    "given back",
    "given back to a quorum queue",
    "returned",
    "remembered",
    "asking for a reply",
}


@scenario(
    each={f"{way}, {label}": (WAYS[way], CONTENTS[label]) for way in sorted(CARRIED) for label in CONTENTS}
)  # fmt: skip
def messages(stage: Stage, case: tuple[Callable[[Stage, Channel, bytes], None], bytes]) -> None:
    """Whatever becomes of a message, its headers are carried along, at the bottom as at the top."""
    way, headers = case
    way(stage, stage.channel(), b"\x20\0" + headers)


@scenario(each=KINDS)
def dead_letters(stage: Stage, tag: str) -> None:
    """The same with a history, which has the scenario's names in it, and so is shown apart."""
    channel, queue = stage.channel(), stage.name("q")
    dead = channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    value = deep(tag, Typed("L", -5))
    channel.publish("", queue, b"body", properties=codec.properties(headers={"deep": value}))
    channel.connection.recording = False
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    note_letter(stage, channel, dead)


def note_letter(stage: Stage, channel: Channel, queue: str) -> None:
    """The start and the end of a long header, and how many octets are between them."""
    channel.connection.recording = False
    letter = channel.get(queue, no_ack=True)
    channel.connection.recording = True
    assert letter is not None
    start, middle, end = letter.properties[:40], letter.properties[40:-500], letter.properties[-500:]
    stage.note(f"{codec.bytes_text(start)} {len(middle)} {codec.properties_text(end)}")


@scenario(each=KINDS)
def beside_copies(stage: Stage, tag: str) -> None:
    """BCC is taken out of headers that are deep, and may itself be deep."""
    channel = stage.channel()
    one, two = (channel.declare(stage.name(name), exclusive=True) for name in ("one", "two"))
    for copies in ([two], [deep(tag, two, 50), two]):
        headers = codec.entries(("BCC", copies), ("deep", deep(tag, Typed("L", 1))))
        channel.publish("", one, b"body", properties=b"\x20\0" + codec.long_bytes(headers))
        for queue in (one, two):
            channel.settle(queue)
            channel.drain(queue)
    channel.publish("", one, b"body", properties=codec.properties(headers={"BCC": deep(tag, two)}))
    channel.sync()


@scenario(each=KINDS)
def traced(stage: Stage, tag: str) -> None:
    """The firehose has it all."""
    vhost = stage.admin.add_vhost("v")
    observer = Observer(stage, TRACE, "#", vhost=vhost)
    stage.admin.trace_on(vhost)
    channel = stage.channel(vhost=vhost)
    queue = channel.declare(exclusive=True)
    value = deep(tag, 1)
    channel.publish("", queue, b"body", properties=codec.properties(headers={"deep": value}))
    channel.sync()
    channel.get(queue)
    channel.sync()
    for key, properties in observer.take_raw():
        stage.note(f"{key.partition('.')[0]} {value.value in properties}")


@scenario(each=KINDS)
def histories(stage: Stage, tag: str) -> None:
    """An x-death in which something is deep."""
    channel, queue = stage.channel(), stage.name("q")
    dead = channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    entry = {"count": Typed("l", 1), "reason": "rejected", "queue": queue, "more": deep(tag, Typed("L", 1))}
    other = {"queue": deep(tag, queue, DEPTH // 4), "reason": deep(tag, "rejected", DEPTH // 4)}
    for x_death in ([entry], [other]):
        channel.publish("", queue, b"body", properties=codec.properties(headers={"x-death": x_death}))
        channel.connection.recording = False
        reject_one(channel, queue)
        channel.until_queue(dead, message_count=1)
        note_letter(stage, channel, dead)


def arguments(tag: str, number: int = 1) -> dict[str, Any]:
    return {"deep": deep(tag, Typed("L", number)), "less": deep(tag, "text", 50)}


@scenario(each=KINDS)
def queues(stage: Stage, tag: str) -> None:
    """A queue with an argument that nobody knows, declared again with the same, another and none."""
    channel, queue = stage.channel(), stage.name()
    for given in (arguments(tag), arguments(tag), {"deep": deep(tag, 2)}, {}):
        channel.declare(queue, exclusive=True, arguments=given)
    channel.publish_some(queue, 1)
    channel.drain(queue)


KNOWN = [
    "x-max-length", "x-expires", "x-dead-letter-exchange", "x-queue-type", "x-overflow", "x-single-active-consumer",
    "x-queue-mode", "x-max-age", "x-queue-version",
]  # fmt: skip


@scenario(each={f"{argument}, {label}": (argument, tag) for argument in KNOWN for label, tag in KINDS.items()})
def known_arguments(stage: Stage, case: tuple[str, str]) -> None:
    """An argument that must be something else is refused as any table is."""
    argument, tag = case
    stage.channel().declare(stage.name(), exclusive=True, arguments={argument: deep(tag, 1)})


@scenario(each=KINDS)
def compared_arguments(stage: Stage, tag: str) -> None:
    """An argument of any type is compared however deep it is."""
    channel, queue = stage.channel(), stage.name()
    channel.declare(queue, exclusive=True, arguments={"x-max-length": 5})
    for given in ({"x-max-length": deep(tag, 1, SHOWN)}, {"x-max-length": 5, "x-overflow": deep(tag, 1, SHOWN)}):
        channel.declare(queue, exclusive=True, arguments=given)
        channel = channel.reopen() if channel.closed else channel


@scenario(each=KINDS)
def delivery_limit(stage: Stage, tag: str) -> None:
    """RabbitMQ takes any value for this one, and shows it when it is compared."""
    channel, queue = stage.channel(), stage.name()
    for given in (deep(tag, 1, SHOWN), deep(tag, Typed("b", 1), SHOWN), deep(tag, 1, SHOWN), 5):
        channel.declare(queue, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": given})
        channel = channel.reopen() if channel.closed else channel


@scenario(each=KINDS)
def exchanges(stage: Stage, tag: str) -> None:
    """The same for exchanges, and for the one argument that is compared."""
    channel, exchange = stage.channel(), stage.name("x")
    for given in (arguments(tag), {}, {"alternate-exchange": deep(tag, 1, SHOWN)}):
        channel.exchange(exchange, arguments=given)
        channel = channel.reopen() if channel.closed else channel
    channel.exchange(stage.name("y"), arguments={"alternate-exchange": deep(tag, 1, SHOWN)})


@scenario(each=KINDS)
def bindings(stage: Stage, tag: str) -> None:
    """A binding with deep arguments is unbound by the same ones, and by nothing else."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "fanout"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments=arguments(tag))
    channel.bind(queue, exchange, arguments=arguments(tag))
    for given in (arguments(tag, 2), arguments(tag)):
        channel.call("queue.unbind", queue=queue, exchange=exchange, arguments=given)
        channel.publish(exchange, "", b"still bound")
        channel.settle(queue)
        channel.drain(queue)


@scenario(each=KINDS)
def bindings_of_exchanges(stage: Stage, tag: str) -> None:
    """The same for exchanges."""
    channel = stage.channel()
    exchange, inner = channel.exchange(stage.name("x"), "fanout"), channel.exchange(stage.name("y"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, inner)
    channel.call("exchange.bind", source=exchange, destination=inner, arguments=arguments(tag))
    for given in ({}, arguments(tag)):
        channel.call("exchange.unbind", source=exchange, destination=inner, arguments=given)
        channel.publish(exchange, "", b"still bound")
        channel.settle(queue)
        channel.drain(queue)


@scenario(each={f"{mode}, {label}": (mode, tag) for mode in ("all", "any") for label, tag in KINDS.items()})
def headers_exchange(stage: Stage, case: tuple[str, str]) -> None:
    """Two deep values are the same, or differ at the bottom, in value or in type, or in depth."""
    mode, tag = case
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "headers"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments={"x-match": mode, "deep": deep(tag, Typed("l", 1))})
    values = {
        "same": deep(tag, Typed("l", 1)),
        "same in other words": deep(tag, Typed("L", 1)),
        "another value": deep(tag, Typed("l", 2)),
        "another type": deep(tag, Typed("I", 1)),
        "deeper": deep(tag, Typed("l", 1), DEPTH + 1),
        "less deep": deep(tag, Typed("l", 1), DEPTH - 1),
        "the other kind": deep("FA"[tag == "F"], Typed("l", 1)),
    }
    for label, value in values.items():
        channel.publish(exchange, "", label.encode(), properties=codec.properties(headers={"deep": value}))
    channel.settle(queue)
    channel.drain(queue)


ZEROS = {"double": ("d", 0.0, -0.0), "float": ("f", 0.0, -0.0)}


@scenario(each=ZEROS, before="4.0")
def zeros_in_tables(stage: Stage, case: tuple[str, float, float]) -> None:
    """Zero has two signs, and is the same."""
    tag, zero, negative = case
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "headers"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments={"a": [Typed(tag, zero)], "b": Typed(tag, zero)})
    channel.publish(
        exchange,
        "",
        b"0",
        properties=codec.properties(headers={"a": [Typed(tag, negative)], "b": Typed(tag, negative)}),
    )
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=KINDS)
def invalid_match(stage: Stage, tag: str) -> None:
    """The error shows the value, as much of it as there is room for."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), "headers"), channel.declare(exclusive=True)
    channel.bind(queue, exchange, arguments={"x-match": deep(tag, 1, SHOWN)})


@scenario(each=KINDS)
def consumers(stage: Stage, tag: str) -> None:
    """A consumer's arguments."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, "one", arguments=arguments(tag))
    channel.publish_some(queue, 1)
    channel.wait_deliveries(1)
    channel.consume(queue, "two", arguments={"x-priority": deep(tag, 1)})


@scenario(each=KINDS)
def client_properties(stage: Stage, tag: str) -> None:
    """A client may say anything of itself, also where capabilities should be."""
    for properties in (arguments(tag), {"capabilities": deep(tag, True)}, {"connection_name": deep(tag, "name")}):
        connection = greeted(stage)
        start_ok(connection, "PLAIN", b"\0guest\0guest", properties)
        connection.wait("connection.tune")
        connection.send("connection.tune-ok", channel_max=10, frame_max=131072)
        connection.call("connection.open", virtual_host="/")
        connection.close()


@scenario(each=KINDS, before="4.3")
def amqplain(stage: Stage, tag: str) -> None:
    """A login with more than is asked for, and one that is no text."""
    for response in (
        codec.amqplain("guest", "guest") + codec.entries(("deep", deep(tag, 1))),
        codec.entries(("LOGIN", deep(tag, 1)), ("PASSWORD", "guest")),
    ):
        connection = greeted(stage)
        start_ok(connection, "AMQPLAIN", response, {"capabilities": {"authentication_failure_close": True}})
        connection.wait("connection.tune")


@scenario(each=KINDS)
def hash_header(stage: Stage, tag: str) -> None:
    """A header to hash."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "x-consistent-hash", arguments={"hash-header": "deep"})
    queue = channel.declare(exclusive=True)
    channel.bind(queue, exchange, "1")
    channel.publish(exchange, "", b"a", properties=codec.properties(headers={"deep": deep(tag, 1)}))
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=KINDS)
def events(stage: Stage, tag: str) -> None:
    """Events show arguments as Erlang does, down to the bottom."""
    watched = Watched(stage, "queue.*", "binding.*")
    channel, queue = stage.channel(), stage.name()
    channel.declare(queue, arguments={"deep": deep(tag, Typed("L", 1), 100)})
    channel.bind(queue, "amq.fanout", arguments={"deep": deep(tag, 1, 100)})
    channel.call("queue.delete", queue=queue)
    watched.note("queue.created", "binding.created", "queue.deleted")


BROKEN = {label: deep(tag, Typed("S", "")).value[:-5] + b"Z\0\0\0\0" for label, tag in KINDS.items()}


@scenario(each=BROKEN, differs=says_why(CRASH, "502 SYNTAX_ERROR - cannot decode queue.declare", (50, 10)))
def broken(stage: Stage, content: bytes) -> None:
    """A value that is wrong at the bottom is wrong."""
    channel = stage.channel()
    arguments = codec.entries(("deep", Typed("F" if content.startswith(b"\0") else "A", content)))
    channel.declare(stage.name(), exclusive=True, arguments=arguments)
