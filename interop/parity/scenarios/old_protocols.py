"""AMQP 0-8, and 0-9 under its own header: what is the same, which numbers differ, and what nobody ever served."""

import struct
from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec_0_8 import AMQP_0_8, HEADERS, NEWER
from interop.parity.scenario import Differs, says_why, scenario
from interop.parity.scenarios.events import Watched
from interop.parity.scenarios.frames import CRASH, refused
from interop.parity.scenarios.handshake import AUTHENTICATION_FAILURE_CLOSE, REFUSED_END_S, start_ok
from interop.parity.script import Channel, Connection, Stage


def old(stage: Stage, **options: Any) -> Channel:  # noqa: ANN401
    """A channel of a connection that speaks 0-8."""
    return stage.channel(version=AMQP_0_8, **options)


def greeted(stage: Stage) -> Connection:
    connection = stage.dial(AMQP_0_8)
    connection.recording = False
    connection.send_bytes(AMQP_0_8.header)
    connection.wait("connection.start")
    connection.recording = True
    return connection


# The handshake


@scenario(each=HEADERS)
def handshake(stage: Stage, header: bytes) -> None:
    """Both headers for 0-8 lead to version 8-0, without capabilities of the server."""
    connection = stage.dial(AMQP_0_8)
    connection.send_bytes(header)
    connection.wait("connection.start")
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait("connection.tune")
    connection.send("connection.tune-ok", channel_max=100, frame_max=8192)
    connection.call("connection.open", virtual_host="/")
    connection.channel(1)
    connection.close()


@scenario(
    each={
        " ".join(map(str, numbers)): numbers
        for numbers in (
            *((1, 1, 8, 1), (1, 1, 8, 9), (1, 1, 9, 0), (1, 1, 9, 10), (1, 1, 0, 8), (1, 1, 0, 0), (0, 0, 8, 0)),
            *((0, 1, 8, 0), (1, 0, 8, 0), (2, 1, 8, 0), (0, 0, 9, 0), (8, 0, 1, 1), (0, 0, 0, 8)),
        )
    }
)
def headers_that_are_nearly_those(stage: Stage, numbers: tuple[int, ...]) -> None:
    """Every byte of the header counts."""
    connection = stage.dial()
    connection.send_bytes(b"AMQP" + bytes(numbers))
    connection.wait_end(REFUSED_END_S)


LOGINS = {
    "AMQPLAIN": ("AMQPLAIN", codec.amqplain("guest", "guest")),
    "wrong password": ("PLAIN", b"\0guest\0wrong"),
    "unknown mechanism": ("NONSENSE", b""),
}


@scenario(each=[f"{name}{told}" for name in LOGINS for told in ("", ", told")])
def login(stage: Stage, case: str) -> None:
    """A refused login is told to who claims the capability, with the numbers of 0-8."""
    name, _, told = case.partition(", ")
    connection = greeted(stage)
    properties = {"capabilities": AUTHENTICATION_FAILURE_CLOSE} if told else {}
    start_ok(connection, *LOGINS[name], client_properties=properties)
    if name == "AMQPLAIN":
        connection.wait("connection.tune")
    else:
        connection.wait_end(REFUSED_END_S)


@scenario()
def unknown_vhost(stage: Stage) -> None:
    """530 by connection.close, which is 10.60 here."""
    connection = greeted(stage)
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait("connection.tune")
    connection.send("connection.tune-ok", channel_max=100, frame_max=8192)
    connection.call("connection.open", virtual_host="missing")


@scenario(confirms_apart=True)
def everything_of_0_9(stage: Stage) -> None:
    """0-9 is served as 0-9-1, with all that RabbitMQ added."""
    channel = stage.channel(record=True, version=codec.Version(b"AMQP\x01\x01\x00\x09", codec.METHODS))
    channel.call("confirm.select")
    queue = channel.declare(stage.name(), exclusive=True)
    channel.consume(queue, arguments={"x-priority": 1})
    channel.publish("", queue, b"hello")
    channel.wait_deliveries(1)
    channel.nack(1, requeue=False)
    channel.connection.close()


# What is served


@scenario()
def exchanges_and_queues(stage: Stage) -> None:
    """Declared, bound, unbound, purged and deleted, with arguments and without a reply."""
    channel = old(stage)
    exchange, queue = stage.name("e"), stage.name()
    channel.call("access.request", realm="/data", active=True, write=True, read=True)
    channel.exchange(exchange, "topic", durable=True, auto_delete=True, ticket=1)
    channel.exchange(exchange, passive=True, ticket=99)
    channel.exchange("amq.topic", "topic", durable=True)
    channel.declare(queue, auto_delete=True, arguments={"x-max-length": 2, "x-overflow": "drop-head"})
    channel.declare(queue, passive=True)
    channel.bind(queue, exchange, "a.#", arguments={"x": 1})
    channel.send("queue.bind", queue=queue, exchange=exchange, routing_key="b", nowait=True)
    for key in ("a.b", "b", "c"):
        channel.publish(exchange, key, key.encode())
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="a.#", arguments={"x": 1})
    channel.publish(exchange, "a.b", b"lost")
    channel.until_queue(queue, message_count=2)
    channel.declare(queue, passive=True)
    channel.call("queue.purge", queue=queue)
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="b")
    channel.exchange(exchange, passive=True)
    channel = channel.reopen()
    channel.call("queue.delete", queue=queue, if_empty=True)
    channel.call("exchange.declare", exchange=exchange, exchange_type="fanout")
    channel.call("exchange.delete", exchange=exchange)


EVERY_PROPERTY = codec.properties(
    content_type="text/plain",
    content_encoding="utf-8",
    headers={"n": 1, "t": "x", "list": [1, 2.5, None, True], "table": {"in": codec.Typed("l", 1 << 40)}},
    delivery_mode=2,
    priority=4,
    correlation_id="c",
    reply_to="r",
    message_id="m",
    timestamp=1_700_000_000,
    type="t",
    user_id="guest",
    app_id="a",
    cluster_id="k",
)


@scenario(each={"by 0-8 for 0-9-1": True, "by 0-9-1 for 0-8": False}, before="4.0")
def published_across_versions(stage: Stage, by_old: bool) -> None:
    """What the one publishes comes to the other, with every property, in one frame or many."""
    first, second = old(stage), stage.channel()
    publisher, consumer = (first, second) if by_old else (second, first)
    queue = consumer.declare(stage.name())
    consumer.consume(queue)
    for body in (b"", b"hello", bytes(300_000)):
        publisher.publish("", queue, body, properties=EVERY_PROPERTY)
    consumer.wait_deliveries(3)
    consumer.ack(3, multiple=True)
    consumer.settle(queue)
    publisher.declare(queue, passive=True)


@scenario()
def metrics(stage: Stage) -> None:
    """What Graphite's carbon does."""
    listener, publisher = old(stage), stage.channel()
    exchange = listener.exchange(stage.name("graphite"), "topic", durable=True)
    queue = listener.declare(exclusive=True, auto_delete=True)
    listener.bind(queue, exchange, "#")
    listener.consume(queue, "graphite_consumer", no_ack=True)
    publisher.publish(exchange, "servers.one.load", b"1.5 1700000000\n")
    publisher.publish(exchange, "", b"a.b 1 1700000000\nc.d 2 1700000000\n")
    listener.wait_deliveries(2)
    listener.connection.close()
    publisher.call("queue.declare", queue=queue, passive=True)


@scenario()
def answers(stage: Stage) -> None:
    """get, ack, reject, recover with and without a reply, qos, cancel."""
    channel = old(stage)
    queue = channel.declare(stage.name())
    channel.publish_some(queue, 5)
    channel.get(queue)
    channel.reject(1)
    channel.get(queue)
    channel.reject(2, requeue=False)
    channel.get(queue)
    channel.call("basic.recover", requeue=True)
    channel.get(queue)
    channel.send("basic.recover-async", requeue=True)
    channel.sync()
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue)
    channel.wait_deliveries(2)
    channel.ack(6, multiple=True)
    channel.wait_deliveries(2)
    channel.call("basic.cancel", consumer_tag="c")
    channel.ack(8)
    channel.ack(7)
    channel.ack(9)


@scenario()
def transactions(stage: Stage) -> None:
    """Committed or rolled back."""
    channel = old(stage)
    queue = channel.declare(stage.name())
    channel.call("tx.select")
    channel.publish_some(queue, 2)
    channel.declare(queue, passive=True)
    channel.call("tx.commit")
    channel.settle(queue)
    channel.get(queue)
    channel.ack(1)
    channel.call("tx.rollback")
    channel.ack(1)
    channel.publish("", stage.name("nowhere"), b"back", mandatory=True)
    channel.call("tx.commit")
    channel.close()


@scenario()
def returned(stage: Stage) -> None:
    """A mandatory message without a queue comes back."""
    channel = old(stage)
    channel.publish("", stage.name("nowhere"), b"back", properties=EVERY_PROPERTY, mandatory=True)
    channel.wait("basic.return")


@scenario(before="4.0")
def direct_replies(stage: Stage) -> None:
    """Replies without a queue, between versions."""
    asking, answering = old(stage), stage.channel()
    queue = answering.declare(stage.name())
    answering.consume(queue, no_ack=True)
    asking.consume("amq.rabbitmq.reply-to", "replies", no_ack=True)
    asking.publish("", queue, b"question", properties=codec.properties(reply_to="amq.rabbitmq.reply-to"))
    # The name of the reply queue is never the same.
    asking.connection.recording = answering.connection.recording = False
    (question,) = answering.wait("basic.deliver")
    assert question is not None
    answering.publish("", question.properties[3:], b"answer")
    (answer,) = asking.wait("basic.deliver")
    assert answer is not None
    stage.note(f"{answer.body!r} to {answer['consumer_tag']!r}")


@scenario(each={"aware": {"consumer_cancel_notify": True}, "unaware": None})
def consumer_cancelled(stage: Stage, capabilities: dict[str, bool] | None) -> None:
    """The queue is deleted under a consumer: told with basic.cancel if the client claims to know it."""
    channel, other = old(stage, capabilities=capabilities), stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue)
    other.call("queue.delete", queue=queue)
    channel.sync()
    channel.call("basic.cancel", consumer_tag="c")


@scenario(before="4.0")
def dead_letters(stage: Stage) -> None:
    """What one version publishes dies in the other's queue, and what the broker writes of it is for both."""
    channel, other = old(stage), stage.channel()
    dead = channel.declare(stage.name("dead"))
    queue = channel.declare(stage.name(), arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    for each, body in ((other, b"new"), (channel, b"old")):
        each.publish("", queue, body, properties=EVERY_PROPERTY)
        each.settle(queue)
    for tag in (1, 2):
        channel.get(queue)
        channel.reject(tag, requeue=False)
    channel.until_queue(dead, message_count=2)
    channel.get(dead)
    other.get(dead)


@scenario(before="4.0")
def told_as_an_event(stage: Stage) -> None:
    """connection.created says which version it is."""
    watched = Watched(stage, "connection.*")
    connection = stage.connect(version=AMQP_0_8, capabilities={stage.run_id: True})
    watched.note("connection.created")
    connection.close()
    watched.note("connection.closed")


# Refusals

CHANNEL_FAULTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "no queue": ("basic.consume", {"queue": "missing"}),
    "no queue declared before": ("basic.consume", {}),
    "no exchange": ("queue.bind", {"queue": "missing", "exchange": "missing"}),
    "unknown tag": ("basic.ack", {"delivery_tag": 7}),
    "not transactional": ("tx.commit", {}),
    "reserved name": ("queue.declare", {"queue": "amq.mine"}),
    "bad argument": ("queue.declare", {"queue": "x", "arguments": {"x-expires": 0}}),
}


@scenario(each=CHANNEL_FAULTS)
def channel_fault(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """Closes the channel with the method's numbers; it can be opened again."""
    channel = old(stage)
    method, fields = case
    channel.send(method, **fields)
    channel.wait_close()
    channel.reopen().declare(stage.name(), exclusive=True)


CONNECTION_FAULTS: Mapping[str, tuple[int, str, dict[str, Any]]] = {
    "connection.redirect": (0, "connection.redirect", {"host": "elsewhere"}),
    "connection.close-ok": (0, "connection.close-ok", {}),
    "connection.close on a channel": (1, "connection.close", {"reply_code": 200}),
    "channel.open again": (1, "channel.open", {}),
    "channel.alert": (1, "channel.alert", {"reply_code": 200}),
    "channel.flow": (1, "channel.flow", {"active": False}),
    "basic.recover": (1, "basic.recover", {}),
    "basic.qos": (1, "basic.qos", {"prefetch_size": 1}),
    "exchange type": (1, "exchange.declare", {"exchange": "x", "exchange_type": "nonsense"}),
    "not open": (2, "basic.get", {"queue": "q"}),
    "not open, file": (2, "file.qos", {}),
    **{
        name: (1, name, {})
        for name in (
            *("file.qos", "file.open", "file.publish", "file.ack", "stream.qos", "dtx.select", "dtx.start"),
            *("test.integer", "test.string", "test.table", "access.request-ok", "channel.open-ok"),
        )
    },
}


@scenario(each=CONNECTION_FAULTS)
def connection_fault(stage: Stage, case: tuple[int, str, dict[str, Any]]) -> None:
    """Closes the connection, by 10.60. Classes that RabbitMQ never served are known by their numbers."""
    connection = old(stage).connection
    number, method, fields = case
    connection.send(method, on=number, **fields)
    refused(connection)


CONTENT = ("file.stage", "stream.publish", "tunnel.request", "test.content", "basic.deliver", "basic.return")


@scenario(each=CONTENT)
def content_that_nobody_takes(stage: Stage, method: str) -> None:
    """Refused when it is whole, and not before."""
    channel = old(stage)
    class_id = AMQP_0_8.methods[method].index >> 16
    channel.send(method)
    channel.header(2, class_id=class_id)
    channel.body(b"hi")
    refused(channel.connection)


@scenario(each=CONTENT)
def content_of_another_class(stage: Stage, method: str) -> None:
    """505 for a header that does not go with its method."""
    channel = old(stage)
    channel.send(method)
    channel.header(2, class_id=90)
    refused(channel.connection)


@scenario(each=[*CONTENT, "basic.publish"])
def method_instead_of_content(stage: Stage, method: str) -> None:
    """505 for a method where a header was to come."""
    channel = old(stage)
    channel.send(method)
    channel.send("basic.get")
    refused(channel.connection)


@scenario(each=["basic.deliver", "basic.get-ok", "basic.return"])
def method_instead_of_content_of_0_9_1(stage: Stage, method: str) -> None:
    """The same with a server's methods in 0-9-1."""
    channel = stage.channel()
    channel.send(method)
    channel.send("basic.get")
    refused(channel.connection)


UNKNOWN = [name for name in NEWER if name not in {"connection.blocked", "connection.unblocked"}]


@scenario(each=UNKNOWN, differs=says_why(CRASH, "503 COMMAND_INVALID - unimplemented method", (0, 0)), before="4.0")
def methods_of_0_9_1(stage: Stage, name: str) -> None:
    """What RabbitMQ added later is not there."""
    connection = old(stage).connection
    on = 0 if name.startswith("connection.") else 1
    connection.send_frame(codec.METHOD, on, codec.method_payload(name))
    refused(connection)


BYE = codec.method_payload("connection.close", reply_code=200, reply_text="bye")


@scenario(
    differs=Differs(
        why=CRASH,
        reference=["connection.close reply_code=541 reply_text='INTERNAL_ERROR' class_id=0 method_id=0"],
        subject=[
            "connection.close reply_code=501 reply_text='FRAME_ERROR - cannot decode "
            "<<0,200,3,98,121,101,0,0,0,0>>' class_id=10 method_id=50"
        ],
    ),
    before="4.0",
)
def closed_as_in_0_9_1(stage: Stage) -> None:
    """10.50 is connection.redirect here, with other fields."""
    connection = old(stage).connection
    connection.send_frame(codec.METHOD, 0, BYE)
    refused(connection)


@scenario()
def consume_as_in_0_9_1(stage: Stage) -> None:
    """A table of arguments behind the fields is too much."""
    channel = old(stage)
    channel.send_frame(codec.METHOD, codec.method_payload("basic.consume", queue="q", consumer_tag="c"))
    refused(channel.connection)


@scenario()
def consume_as_in_0_8(stage: Stage) -> None:
    """And in 0-9-1 it may not be left out."""
    channel = stage.channel()
    channel.send_frame(codec.METHOD, codec.method_payload("basic.consume", AMQP_0_8, queue="q", consumer_tag="c"))
    refused(channel.connection)


@scenario(each={"nothing": b"", "half of a number": b"\0", "a name too long": b"\0\0\xffq", "no bits": b"\0\0\1q\1c"})
def malformed_consume(stage: Stage, fields: bytes) -> None:
    """501 with the bytes that do not fit."""
    channel = old(stage)
    channel.send_frame(codec.METHOD, struct.pack(">HH", 60, 20) + fields)
    refused(channel.connection)


@scenario(each={"bad end": b"\x01\0\1\0\0\0\0\0", "too large": struct.pack(">BHI", 1, 1, 200_000)})
def fatal_frame(stage: Stage, data: bytes) -> None:
    """Where the stream cannot be read on, the close still has the numbers of 0-8."""
    connection = old(stage).connection
    connection.send_bytes(data)
    connection.wait_end(REFUSED_END_S)


@scenario()
def closed_again_and_again(stage: Stage) -> None:
    """Behind close-ok the client is the one to hang up; until then it is answered."""
    connection = stage.connect(version=AMQP_0_8)
    for _ in range(3):
        connection.call("connection.close", reply_code=200, reply_text="bye")
    connection.send("connection.close-ok")
    connection.wait_end()


# Alarms


@scenario(
    alone=True,
    each={"aware": {"connection.blocked": True}, "unaware": None},
    differs={
        "aware": Differs(
            why="RabbitMQ crashes at a method that 0-8 does not have; amqpy blocks the client without telling it",
            reference=["the connection ends"],
            subject=[],
        )
    },
    before="4.0",
)
def blocked(stage: Stage, capabilities: dict[str, bool] | None) -> None:
    """During an alarm a publisher is not heard, and nothing is said about it."""
    looking = stage.channel()
    channel = old(stage, capabilities=capabilities)
    queue = channel.declare(stage.name())
    stage.admin.set_memory_high_watermark(0)
    channel.publish("", queue, b"")
    channel.publish("", queue, b"another")
    looking.until_queue(queue, message_count=1)
    stage.admin.set_memory_high_watermark(0.4)
    if capabilities is None:
        channel.settle(queue)
        looking.declare(queue, passive=True)
