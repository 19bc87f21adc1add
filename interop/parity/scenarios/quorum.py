"""Quorum queues: what they refuse, equivalence, counts, consumers, and the methods they do not support."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

QUORUM = {"x-queue-type": "quorum"}
CANCEL_NOTIFY = {"consumer_cancel_notify": True}


def declare(channel: Channel, queue: str, *, durable: bool = True, **fields: Any) -> str:  # noqa: ANN401
    """Declare a quorum queue, with more arguments or other properties where given."""
    arguments = QUORUM | fields.pop("arguments", {})
    return channel.declare(queue, durable=durable, arguments=arguments, **fields)


def filled(stage: Stage, count: int, arguments: Mapping[str, Any] | None = None) -> tuple[Channel, str]:
    """A channel, and a quorum queue that has that many messages: it takes what is published in its own time."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=arguments or {})
    channel.publish_some(queue, count)
    stage.until_queue(queue, message_count=count)
    return channel, queue


def refused(channel: Channel) -> Channel:
    """The channel, opened again if what was asked closed it."""
    return channel.reopen() if channel.closed else channel


@scenario()
def declare_and_delete(stage: Stage) -> None:
    """Declare, again, passive, without waiting, delete."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    declare(channel, queue)
    channel.declare(queue, passive=True)
    channel.send("queue.declare", queue=queue, durable=True, nowait=True, arguments=QUORUM)
    channel.call("queue.delete", queue=queue)
    channel.declare(queue, passive=True)


@scenario(
    each={
        "transient": {"durable": False},
        "exclusive": {"exclusive": True},
        "auto-delete": {"auto_delete": True},
        "transient and auto-delete": {"durable": False, "auto_delete": True},
        "transient and exclusive": {"durable": False, "exclusive": True},
        "all": {"durable": False, "exclusive": True, "auto_delete": True},
        "transient, and an invalid argument": {"durable": False, "arguments": {"x-expires": 0}},
        "exclusive, and an argument of others": {"exclusive": True, "arguments": {"x-max-priority": 1}},
    }
)
def properties_refused(stage: Stage, fields: dict[str, Any]) -> None:
    """406 for what quorum queues cannot be; arguments are looked at before."""
    channel = stage.channel()
    declare(channel, stage.name(), **fields)
    refused(channel).declare(stage.name(), passive=True)


@scenario(each={"alone": {}, "exclusive": {"exclusive": True}, "invalid argument": {"arguments": {"x-expires": 0}}})
def server_named(stage: Stage, fields: dict[str, Any]) -> None:
    """406: a quorum queue is to be found again."""
    declare(stage.channel(), "", **fields)


@scenario()
def reserved_name(stage: Stage) -> None:
    """403, as for any queue."""
    declare(stage.channel(), "amq.quorum")


ARGUMENTS_OF_OTHERS: Mapping[str, dict[str, Any]] = {
    "x-max-priority": {"x-max-priority": 5},
    "x-max-priority, invalid": {"x-max-priority": 256},
    "x-queue-mode": {"x-queue-mode": "lazy"},
    "x-queue-version": {"x-queue-version": 2},
    "x-queue-master-locator": {"x-queue-master-locator": "min-masters"},
    "x-max-age": {"x-max-age": "1h"},
    "x-stream-max-segment-size-bytes": {"x-stream-max-segment-size-bytes": 1000},
    "x-initial-cluster-size": {"x-initial-cluster-size": 1},
    "two": {"x-queue-mode": "lazy", "x-max-age": "1h"},
    "and an invalid one": {"x-queue-mode": "lazy", "x-expires": 0},
}


@scenario(each=ARGUMENTS_OF_OTHERS)
def arguments_of_other_types(stage: Stage, arguments: dict[str, Any]) -> None:
    """406 for arguments only other types of queue have; invalid values of its own come first."""
    declare(stage.channel(), stage.name(), arguments=arguments)


INVALID_ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "x-expires 0": {"x-expires": 0},
    "x-expires -1": {"x-expires": -1},
    "x-expires text": {"x-expires": "1"},
    "x-message-ttl -1": {"x-message-ttl": -1},
    "x-message-ttl float": {"x-message-ttl": 1.0},
    "x-dead-letter-exchange number": {"x-dead-letter-exchange": 1},
    "x-dead-letter-routing-key number": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 1},
    "x-dead-letter-routing-key alone": {"x-dead-letter-routing-key": "k"},
    "x-dead-letter-strategy": {"x-dead-letter-strategy": "whatever"},
    "x-dead-letter-strategy number": {"x-dead-letter-strategy": 1},
    "x-max-length -1": {"x-max-length": -1},
    "x-max-length text": {"x-max-length": "1"},
    "x-max-length-bytes -1": {"x-max-length-bytes": -1},
    "x-max-length-bytes flag": {"x-max-length-bytes": True},
    "x-max-in-memory-length -1": {"x-max-in-memory-length": -1},
    "x-max-in-memory-bytes text": {"x-max-in-memory-bytes": "1"},
    "x-overflow": {"x-overflow": "drop-tail"},
    "x-overflow number": {"x-overflow": 1},
    "x-single-active-consumer text": {"x-single-active-consumer": "true"},
    "x-single-active-consumer number": {"x-single-active-consumer": 1},
    "x-quorum-initial-group-size 0": {"x-quorum-initial-group-size": 0},
    "x-quorum-initial-group-size -1": {"x-quorum-initial-group-size": -1},
    "x-quorum-initial-group-size text": {"x-quorum-initial-group-size": "1"},
    "x-queue-leader-locator": {"x-queue-leader-locator": "min-masters"},
    "x-queue-leader-locator number": {"x-queue-leader-locator": 1},
    "two of them": {"x-overflow": 1, "x-expires": 0},
}


@scenario(each=INVALID_ARGUMENTS)
def invalid_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """406, with the reason as Erlang writes it; of several, the first in RabbitMQ's own order."""
    declare(stage.channel(), stage.name(), arguments=arguments)


ACCEPTED_ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "x-expires": {"x-expires": 3_600_000},
    "x-expires, large": {"x-expires": 2**32},
    "x-message-ttl": {"x-message-ttl": 0},
    "x-dead-letter": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": ""},
    "x-dead-letter-strategy": {"x-dead-letter-strategy": "at-least-once"},
    "x-max-length": {"x-max-length": 0, "x-max-length-bytes": 0},
    "x-max-in-memory": {"x-max-in-memory-length": 0, "x-max-in-memory-bytes": 0},
    "x-overflow": {"x-overflow": "reject-publish"},
    "x-overflow reject-publish-dlx": {"x-overflow": "reject-publish-dlx"},
    "x-single-active-consumer": {"x-single-active-consumer": True},
    "x-quorum-initial-group-size": {"x-quorum-initial-group-size": 5},
    "x-queue-leader-locator client-local": {"x-queue-leader-locator": "client-local"},
    "x-queue-leader-locator balanced": {"x-queue-leader-locator": "balanced"},
    "x-queue-leader-locator random": {"x-queue-leader-locator": "random"},
    "x-queue-leader-locator least-leaders": {"x-queue-leader-locator": "least-leaders"},
    "x-delivery-limit": {"x-delivery-limit": 3},
    "x-delivery-limit -1": {"x-delivery-limit": -1},
    "x-delivery-limit text": {"x-delivery-limit": "3"},
    "unknown": {"x-whatever": {"a": [1, None]}, "whatever": 1},
}


@scenario(each=ACCEPTED_ARGUMENTS)
def accepted_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """Declared, declared again, and used."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=arguments)
    declare(channel, queue, arguments=arguments)
    channel.get(queue)


QUEUE_TYPES: Mapping[str, Any] = {
    "capital": "Quorum",
    "with a space": "quorum ",
    "empty": "",
    "number": 1,
    "flag": True,
    "void": None,
    "bytes": Typed("x", b"quorum"),
    "array": ["quorum"],
}


@scenario(each=QUEUE_TYPES)
def queue_types_that_are_none(stage: Stage, value: object) -> None:
    """406 for anything but the exact names, of existing queues, too, as long as they are others."""
    channel = stage.channel()
    channel.declare(stage.name(), durable=True, arguments={"x-queue-type": value})
    channel = refused(channel)
    declare(channel, stage.name())
    channel.declare(stage.name(), durable=True, arguments={"x-queue-type": value})


CHANGES: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "x-message-ttl": ({"x-message-ttl": 3_600_000}, {"x-message-ttl": 3_600_001}),
    "x-message-ttl as text": ({"x-message-ttl": 3_600_000}, {"x-message-ttl": "3600000"}),
    "x-message-ttl of another width": ({"x-message-ttl": 3_600_000}, {"x-message-ttl": Typed("l", 3_600_000)}),
    "x-delivery-limit": ({"x-delivery-limit": 1}, {"x-delivery-limit": 2}),
    "x-delivery-limit added": ({}, {"x-delivery-limit": 2}),
    "x-delivery-limit left out": ({"x-delivery-limit": 2}, {}),
    "x-quorum-initial-group-size": ({"x-quorum-initial-group-size": 1}, {"x-quorum-initial-group-size": 3}),
    "x-dead-letter-strategy": (
        {"x-dead-letter-strategy": "at-most-once"},
        {"x-dead-letter-strategy": "at-least-once"},
    ),
    "x-overflow": ({"x-overflow": "drop-head"}, {"x-overflow": "reject-publish"}),
    "x-single-active-consumer": ({"x-single-active-consumer": True}, {"x-single-active-consumer": False}),
    "x-single-active-consumer left out": ({"x-single-active-consumer": False}, {}),
    "x-max-in-memory-length": ({"x-max-in-memory-length": 1}, {"x-max-in-memory-length": 2}),
    "x-queue-leader-locator": ({"x-queue-leader-locator": "balanced"}, {"x-queue-leader-locator": "client-local"}),
    "an argument of others": ({}, {"x-max-priority": 3}),
    "an unknown argument": ({}, {"x-whatever": 3}),
    "an invalid argument": ({}, {"x-expires": 0}),
    "several": ({"x-delivery-limit": 1, "x-max-length": 1}, {"x-delivery-limit": 2, "x-message-ttl": 1}),
    "queue type classic": ({}, {"x-queue-type": "classic"}),
    "queue type stream": ({}, {"x-queue-type": "stream"}),
}


@scenario(each=CHANGES)
def equivalence(stage: Stage, case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Arguments quorum queues know must be the same again, in RabbitMQ's order; values of others are not looked at."""
    first, second = case
    channel = stage.channel()
    declare(channel, stage.name(), arguments=first)
    declare(channel, stage.name(), arguments=second)


@scenario(
    each={
        "transient": {"durable": False},
        "exclusive": {"exclusive": True},
        "auto-delete": {"auto_delete": True},
        "transient and auto-delete": {"durable": False, "auto_delete": True},
        "all": {"durable": False, "auto_delete": True, "exclusive": True, "arguments": {"x-delivery-limit": 1}},
    }
)
def equivalence_of_properties(stage: Stage, change: dict[str, Any]) -> None:
    """The texts are those of any queue: that it could not be so anyway does not matter."""
    channel = stage.channel()
    declare(channel, stage.name())
    declare(channel, stage.name(), **change)


@scenario(each={"nothing": {}, "classic": {"x-queue-type": "classic"}})
def equivalence_of_types(stage: Stage, arguments: dict[str, Any]) -> None:
    """No type is the same as classic, and neither is quorum, whichever was first."""
    channel = stage.channel()
    channel.declare(stage.name("classic"), durable=True, arguments=arguments)
    channel.declare(stage.name("classic"), durable=True)
    channel.declare(stage.name("classic"), durable=True, arguments={"x-queue-type": "classic"})
    declare(channel, stage.name("classic"))
    channel = refused(channel)
    declare(channel, stage.name("quorum"))
    channel.declare(stage.name("quorum"), durable=True, arguments=arguments)


@scenario()
def counts(stage: Stage) -> None:
    """Ready messages; of consumers also those cancelled and each basic.get, as long as they owe an acknowledgement."""
    channel, queue = filled(stage, 5)
    channel.get(queue)
    channel.get(queue)
    channel.get(queue, no_ack=True)
    channel.declare(queue, passive=True)
    channel.ack(1)
    stage.until_queue(queue, consumer_count=1)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "c")
    channel.wait_deliveries(1)
    channel.declare(queue, passive=True)
    channel.call("basic.cancel", consumer_tag="c")
    channel.declare(queue, passive=True)
    channel.ack(0, multiple=True)
    stage.until_queue(queue, consumer_count=0)
    declare(channel, queue)


@scenario()
def get(stage: Stage) -> None:
    """get-ok has a delivery count of zero in its headers, which a delivery has not."""
    channel, queue = filled(stage, 3)
    channel.get(queue)
    channel.get(queue, no_ack=True)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.get(queue)
    channel.ack(2)
    channel.wait_close()


@scenario(before="4.0")
def message_priorities(stage: Stage) -> None:
    """They are kept, and have no effect."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    for number, priority in enumerate([0, 9, 255, 4], 1):
        channel.publish("", queue, str(number).encode(), properties=codec.properties(priority=priority))
    stage.until_queue(queue, message_count=4)
    channel.drain(queue)


@scenario()
def purge(stage: Stage) -> None:
    """Ready messages go and are counted, returned ones, too; unacknowledged ones stay."""
    channel, queue = filled(stage, 5)
    channel.call("queue.purge", queue=declare(channel, stage.name("empty")))
    for _ in range(3):
        channel.get(queue)
    channel.nack(1)
    stage.until_queue(queue, message_count=3)
    channel.call("queue.purge", queue=queue)
    channel.declare(queue, passive=True)
    channel.nack(2)
    stage.until_queue(queue, message_count=1)
    channel.send("queue.purge", queue=queue, nowait=True)
    channel.get(queue)


@scenario(
    each={
        "if unused": {"if_unused": True},
        "if empty": {"if_empty": True},
        "both": {"if_unused": True, "if_empty": True},
        "if unused, without waiting": {"if_unused": True, "nowait": True},
    }
)
def delete_if(stage: Stage, condition: dict[str, bool]) -> None:
    """540 ends the connection, whether the condition is true or not, but not where there is no queue."""
    connection = stage.connect()
    channel = connection.channel()
    channel.call("queue.delete", queue=stage.name(), **(condition | {"nowait": False}))
    declare(channel, stage.name())
    channel.send("queue.delete", queue=stage.name(), **condition)
    connection.wait_end()
    stage.until_queue(stage.name(), message_count=0)


@scenario(each={"told": CANCEL_NOTIFY, "not told": {}})
def delete_with_consumers(stage: Stage, capabilities: dict[str, bool]) -> None:
    """The reply counts ready messages; consumers are told if they want to know; what was unacknowledged may be."""
    channel, queue = filled(stage, 3)
    consumer = stage.connect(capabilities=capabilities).channel()
    consumer.call("basic.qos", prefetch_count=1)
    consumer.consume(queue)
    consumer.wait_deliveries(1)
    channel.call("queue.delete", queue=queue)
    if capabilities:
        consumer.wait("basic.cancel")
    consumer.ack(1)
    consumer.sync()
    channel.call("queue.delete", queue=queue)


@scenario(each={"plain": False, "mandatory": True})
def publishing_to_what_was_deleted(stage: Stage, mandatory: bool) -> None:
    """A channel that published there before gets its confirms nevertheless, or its messages back."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name())
    channel.publish("", queue, b"one")
    channel.wait_confirms(1)
    channel.call("queue.delete", queue=queue)
    channel.publish("", queue, b"two", mandatory=mandatory)
    channel.wait_confirms(2)


@scenario(each={"transient": 1, "persistent": 2})
def confirms(stage: Stage, mode: int) -> None:
    """Every message is confirmed when the queue has it, mandatory or not, and keeps its delivery mode."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name())
    for number in range(1, 4):
        properties = codec.properties(delivery_mode=mode)
        channel.publish("", queue, b"body", properties=properties, mandatory=number == 2)
        channel.wait_confirms(number)
    channel.drain(queue)


@scenario(confirms_apart=True)
def many_confirms(stage: Stage) -> None:
    """Each once, in frames of any number."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name())
    channel.publish_some(queue, 100)
    channel.wait_confirms(100)
    channel.declare(queue, passive=True)


@scenario(each=["commit", "rollback", "close"])
def transaction(stage: Stage, how: str) -> None:
    """Messages and acknowledgements take effect at commit, which waits until the queue has the messages."""
    channel, queue = filled(stage, 4)
    channel.call("tx.select")
    for _ in range(3):
        channel.get(queue)
    channel.publish("", queue, b"in a transaction")
    channel.ack(1)
    channel.nack(2, requeue=False)
    channel.reject(3, requeue=how == "rollback")
    if how == "close":
        channel.close()
        stage.until_queue(queue, message_count=4)
        channel = channel.reopen()
    else:
        channel.call(f"tx.{how}")
        stage.until_queue(queue, message_count=2 if how == "commit" else 1)
    channel.drain(queue)


@scenario()
def transaction_ended_by_an_error(stage: Stage) -> None:
    """What was acknowledged and not committed comes back with the rest, in its order, and is counted once."""
    channel, queue = filled(stage, 3)
    channel.call("tx.select")
    channel.consume(queue)
    channel.wait_deliveries(3)
    channel.ack(2)
    channel.bind(queue, exchange="")
    stage.until_queue(queue, message_count=3)  # the queue is told of the end by Erlang, after everybody else
    channel = channel.reopen()
    channel.consume(queue)
    channel.wait_deliveries(3)


@scenario(
    each={
        "unknown to all": {"x-whatever": 1},
        "of classic queues": {"x-cancel-on-ha-failover": True},
        "of streams": {"x-stream-offset": "first"},
        "priority as text": {"x-priority": "1"},
        "priority as float": {"x-priority": 1.5},
        "priority of any width": {"x-priority": Typed("l", 2**40)},
        "priority of others, too": {"x-stream-offset": "first", "x-priority": "1"},
    }
)
def consumer_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """406 for those only consumers of other types of queue have."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.consume(queue, arguments=arguments)
    refused(channel).call("queue.delete", queue=queue)


@scenario()
def mandatory_and_bindings(stage: Stage) -> None:
    """Bound, unbound, returned."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.bind(queue, "amq.direct", stage.name("k"))
    channel.publish("amq.direct", stage.name("k"), b"kept", mandatory=True)
    stage.until_queue(queue, message_count=1)
    channel.call("queue.unbind", queue=queue, exchange="amq.direct", routing_key=stage.name("k"))
    channel.publish("amq.direct", stage.name("k"), b"returned", mandatory=True)
    channel.wait("basic.return")
