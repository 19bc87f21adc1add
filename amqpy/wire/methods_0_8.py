"""AMQP 0-8: the differences of its methods from those of 0-9-1.

Its clients connect, declare, publish and consume with the methods that both versions have, and content headers and
the methods of `content` have one layout in both. The differences are in these tables: connection.close has other ids,
two methods lack a field, RabbitMQ's later extensions are missing, and there are other classes, which RabbitMQ never
served. Those are decoded, so that the close can name them.

Source: `rabbit_framing_amqp_0_8`, which RabbitMQ generates from rabbitmq-codegen's amqp-rabbitmq-0.8.json.
"""

from typing import Final

from amqpy.wire.methods import AMQP_0_9_1, Basic, Channel, Confirm, Connection, Exchange, Method, MethodTable

_LACKS: Final = frozenset(
    (
        Connection.Blocked,
        Connection.Unblocked,
        Connection.UpdateSecret,
        Connection.UpdateSecretOk,
        Exchange.Bind,
        Exchange.BindOk,
        Exchange.Unbind,
        Exchange.UnbindOk,
        Basic.Nack,
        Confirm.Select,
        Confirm.SelectOk,
    )
)

_NUMBERED_OTHERWISE: Final[dict[type[Method], int]] = {
    Connection.Close: 10 << 16 | 60,
    Connection.CloseOk: 10 << 16 | 61,
}

_ABSENT: Final = frozenset(((Channel.OpenOk, "channel_id"), (Basic.Consume, "arguments")))

_ONLY_IN_0_8: Final = (
    (10, 50, "Connection.Redirect", "host:shortstr known_hosts:shortstr"),
    (20, 30, "Channel.Alert", "reply_code:short reply_text:shortstr details:table"),
    (70, 10, "File.Qos", "prefetch_size:long prefetch_count:short global:bit"),
    (70, 11, "File.QosOk", ""),
    (
        70,
        20,
        "File.Consume",
        "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit no_ack:bit exclusive:bit nowait:bit",
    ),
    (70, 21, "File.ConsumeOk", "consumer_tag:shortstr"),
    (70, 30, "File.Cancel", "consumer_tag:shortstr nowait:bit"),
    (70, 31, "File.CancelOk", "consumer_tag:shortstr"),
    (70, 40, "File.Open", "identifier:shortstr content_size:longlong"),
    (70, 41, "File.OpenOk", "staged_size:longlong"),
    (70, 50, "File.Stage", ""),
    (
        70,
        60,
        "File.Publish",
        "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit identifier:shortstr",
    ),
    (70, 70, "File.Return", "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr"),
    (
        70,
        80,
        "File.Deliver",
        "consumer_tag:shortstr delivery_tag:longlong redelivered:bit exchange:shortstr routing_key:shortstr "
        "identifier:shortstr",
    ),
    (70, 90, "File.Ack", "delivery_tag:longlong multiple:bit"),
    (70, 100, "File.Reject", "delivery_tag:longlong requeue:bit"),
    (80, 10, "Stream.Qos", "prefetch_size:long prefetch_count:short consume_rate:long global:bit"),
    (80, 11, "Stream.QosOk", ""),
    (
        80,
        20,
        "Stream.Consume",
        "ticket:short queue:shortstr consumer_tag:shortstr no_local:bit exclusive:bit nowait:bit",
    ),
    (80, 21, "Stream.ConsumeOk", "consumer_tag:shortstr"),
    (80, 30, "Stream.Cancel", "consumer_tag:shortstr nowait:bit"),
    (80, 31, "Stream.CancelOk", "consumer_tag:shortstr"),
    (80, 40, "Stream.Publish", "ticket:short exchange:shortstr routing_key:shortstr mandatory:bit immediate:bit"),
    (80, 50, "Stream.Return", "reply_code:short reply_text:shortstr exchange:shortstr routing_key:shortstr"),
    (80, 60, "Stream.Deliver", "consumer_tag:shortstr delivery_tag:longlong exchange:shortstr queue:shortstr"),
    (100, 10, "Dtx.Select", ""),
    (100, 11, "Dtx.SelectOk", ""),
    (100, 20, "Dtx.Start", "dtx_identifier:shortstr"),
    (100, 21, "Dtx.StartOk", ""),
    (110, 10, "Tunnel.Request", "meta_data:table"),
    (120, 10, "Test.Integer", "integer_1:octet integer_2:short integer_3:long integer_4:longlong operation:octet"),
    (120, 11, "Test.IntegerOk", "result:longlong"),
    (120, 20, "Test.String", "string_1:shortstr string_2:longstr operation:octet"),
    (120, 21, "Test.StringOk", "result:longstr"),
    (120, 30, "Test.Table", "table:table integer_op:octet string_op:octet"),
    (120, 31, "Test.TableOk", "integer_result:longlong string_result:longstr"),
    (120, 40, "Test.Content", ""),
    (120, 41, "Test.ContentOk", "content_checksum:long"),
)
"""Class id, method id, name, and the fields with their types, of methods that only AMQP 0-8 has."""

_CONTENT_ONLY_IN_0_8: Final = frozenset(
    (
        "File.Stage",
        "File.Return",
        "Stream.Publish",
        "Stream.Return",
        "Stream.Deliver",
        "Tunnel.Request",
        "Test.Content",
        "Test.ContentOk",
    )
)


def _made(name: str, number: int, fields: str) -> type[Method]:
    """Makes a class like pamqp's for a method that pamqp does not know."""
    kinds = dict(field.split(":") for field in fields.split())
    shape = {"__slots__": list(kinds), "name": name, "index": number}
    return type(name, (Method,), shape | {f"_{field}": kind for field, kind in kinds.items()})


_MADE: Final = {name: _made(name, class_id << 16 | number, fields) for class_id, number, name, fields in _ONLY_IN_0_8}

AMQP_0_8: Final = MethodTable(
    {method: method.index for method in AMQP_0_9_1 if method not in _LACKS}
    | _NUMBERED_OTHERWISE
    | {method: method.index for method in _MADE.values()},
    with_content=AMQP_0_9_1.with_content | {_MADE[name] for name in _CONTENT_ONLY_IN_0_8},
    absent=_ABSENT,
)
