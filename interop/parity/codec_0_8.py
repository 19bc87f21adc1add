"""AMQP 0-8's methods for a script, as its specification has them: where they differ from those of 0-9-1."""

from collections.abc import Iterator
from dataclasses import replace

from interop.parity.codec import METHODS, Method, Version

HEADERS = {"8-0": b"AMQP\x01\x01\x08\x00", "9-1": b"AMQP\x01\x01\x09\x01"}
"""What clients have sent for it."""

NEWER = (
    "basic.nack", "confirm.select", "confirm.select-ok", "connection.blocked", "connection.unblocked",
    "connection.update-secret", "connection.update-secret-ok", "exchange.bind", "exchange.bind-ok", "exchange.unbind",
    "exchange.unbind-ok",
)  # fmt: skip


def numbered(class_id: int, method_id: int) -> int:
    return class_id << 16 | method_id


def method(name: str, class_id: int, method_id: int, fields: str = "", *replies: str) -> Method:
    """`fields` are pairs of a name and its type."""
    pairs = tuple((name, kind) for name, _, kind in (field.partition(":") for field in fields.split()))
    return Method(name, numbered(class_id, method_id), pairs, frozenset(replies))


def changed() -> Iterator[Method]:
    yield replace(METHODS["connection.close"], index=numbered(10, 60))
    yield replace(METHODS["connection.close-ok"], index=numbered(10, 61))
    yield replace(METHODS["channel.open-ok"], fields=())
    consume = METHODS["basic.consume"]
    yield replace(consume, fields=tuple(field for field in consume.fields if field[0] != "arguments"))


ADDED = (
    method("connection.redirect", 10, 50, "host:shortstr known_hosts:shortstr"),
    method("channel.alert", 20, 30, "reply_code:short reply_text:shortstr details:table"),
    method(
        "access.request",
        30,
        10,
        "realm:shortstr exclusive:bit passive:bit active:bit write:bit read:bit",
        "access.request-ok",
    ),
    method("access.request-ok", 30, 11, "ticket:short"),
    method("file.qos", 70, 10, "prefetch_size:long prefetch_count:short global:bit"),
    method("file.open", 70, 40, "identifier:shortstr content_size:longlong"),
    method("file.stage", 70, 50),
    method(
        "file.publish",
        70,
        60,
        "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit identifier:shortstr",
    ),
    method("file.ack", 70, 90, "delivery_tag:longlong multiple:bit"),
    method("stream.qos", 80, 10, "prefetch_size:long prefetch_count:short consume_rate:long global:bit"),
    method("stream.publish", 80, 40, "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit"),
    method("dtx.select", 100, 10),
    method("dtx.start", 100, 20, "dtx_identifier:shortstr"),
    method("tunnel.request", 110, 10, "meta_data:table"),
    method(
        "test.integer",
        120,
        10,
        "integer_1:octet integer_2:short integer_3:long integer_4:longlong operation:octet",
    ),
    method("test.string", 120, 20, "string_1:shortstr string_2:longstr operation:octet"),
    method("test.table", 120, 30, "table:table integer_op:octet string_op:octet"),
    method("test.content", 120, 40),
)

AMQP_0_8 = Version(
    HEADERS["8-0"],
    {name: each for name, each in METHODS.items() if name not in NEWER}
    | {each.name: each for each in (*changed(), *ADDED)},
)
