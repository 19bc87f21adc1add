"""Streams: what they refuse, and equivalence.

Messages are published one by one, each confirmed before the next: then each is a chunk of its own in RabbitMQ, whose
older versions deliver chunks as a whole. Numbers of messages are told late by RabbitMQ, so they are not asked for.
"""

from collections.abc import Mapping
from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

STREAM = {"x-queue-type": "stream"}
CANCEL_NOTIFY = {"consumer_cancel_notify": True}


def declare(channel: Channel, queue: str, *, durable: bool = True, **fields: Any) -> str:  # noqa: ANN401
    """Declare a stream, with more arguments or other properties where given."""
    arguments = STREAM | fields.pop("arguments", {})
    return channel.declare(queue, durable=durable, arguments=arguments, **fields)


def publish(channel: Channel, queue: str, bodies: list[bytes], **fields: Any) -> None:  # noqa: ANN401
    """Publish, one by one, on a channel that confirms."""
    for number, body in enumerate(bodies, channel.connection.confirmed_count(on=channel.number) + 1):
        channel.publish("", queue, body, **fields)
        channel.wait_confirms(number)


def filled(stage: Stage, count: int, arguments: Mapping[str, Any] | None = None) -> tuple[Channel, str]:
    """A channel that confirms, and a stream with so many messages: m0, m1, m2 …"""
    channel = stage.channel(capabilities=CANCEL_NOTIFY)
    queue = declare(channel, stage.name(), arguments=arguments or {})
    channel.call("confirm.select")
    publish(channel, queue, [b"m%d" % number for number in range(count)])
    return channel, queue


def consume(channel: Channel, queue: str, *, prefetch: int = 10, **fields: Any) -> None:  # noqa: ANN401
    if prefetch:
        channel.call("basic.qos", prefetch_count=prefetch)
    channel.consume(queue, **fields)


def from_place(place: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"arguments": {"x-stream-offset": place}}


def refused(channel: Channel) -> Channel:
    """The channel, opened again if what was asked closed it."""
    return channel.reopen() if channel.closed else channel


# --- declaring


@scenario()
def declare_and_delete(stage: Stage) -> None:
    """Declare, again, passive, without waiting, delete."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    declare(channel, queue)
    channel.declare(queue, passive=True)
    channel.send("queue.declare", queue=queue, durable=True, nowait=True, arguments=STREAM)
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
        "transient, and an invalid argument": {"durable": False, "arguments": {"x-max-age": "1X"}},
        "exclusive, and an argument of others": {"exclusive": True, "arguments": {"x-max-priority": 1}},
        "transient, and a segment that is too large": {
            "durable": False,
            "arguments": {"x-stream-max-segment-size-bytes": 3_000_000_001},
        },
    }
)
def properties_refused(stage: Stage, fields: dict[str, Any]) -> None:
    """406 for what streams cannot be; arguments are looked at before, but for their sizes."""
    channel = stage.channel()
    declare(channel, stage.name(), **fields)
    refused(channel).declare(stage.name(), passive=True)


@scenario(each={"alone": {}, "exclusive": {"exclusive": True}, "invalid argument": {"arguments": {"x-max-age": "1X"}}})
def server_named(stage: Stage, fields: dict[str, Any]) -> None:
    """406: a stream is to be found again."""
    declare(stage.channel(), "", **fields)


@scenario()
def reserved_name(stage: Stage) -> None:
    """403, as for any queue."""
    declare(stage.channel(), "amq.stream")


ARGUMENTS_OF_OTHERS = {
    "x-max-length": 1,
    "x-message-ttl": 1,
    "x-expires": 1000,
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-most-once",
    "x-max-priority": 5,
    "x-overflow": "drop-head",
    "x-queue-mode": "lazy",
    "x-queue-version": 2,
    "x-single-active-consumer": True,
    "x-delivery-limit": 1,
    "x-max-in-memory-length": 1,
    "x-max-in-memory-bytes": 1,
    "x-quorum-initial-group-size": 1,
}


@scenario(each=list(ARGUMENTS_OF_OTHERS))
def arguments_of_other_types(stage: Stage, argument: str) -> None:
    """406 for arguments that only other types of queue have."""
    declare(stage.channel(), stage.name(), arguments={argument: ARGUMENTS_OF_OTHERS[argument]})


INVALID_ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "x-max-age, unit": {"x-max-age": "1X"},
    "x-max-age, no unit": {"x-max-age": "1"},
    "x-max-age, 0": {"x-max-age": "0s"},
    "x-max-age, number": {"x-max-age": 1},
    "x-max-length-bytes -1": {"x-max-length-bytes": -1},
    "x-max-length-bytes text": {"x-max-length-bytes": "1"},
    "x-stream-max-segment-size-bytes -1": {"x-stream-max-segment-size-bytes": -1},
    "x-stream-max-segment-size-bytes text": {"x-stream-max-segment-size-bytes": "1"},
    "x-stream-max-segment-size-bytes, too large": {"x-stream-max-segment-size-bytes": 3_000_000_001},
    "x-stream-filter-size-bytes 15": {"x-stream-filter-size-bytes": 15},
    "x-stream-filter-size-bytes 256": {"x-stream-filter-size-bytes": 256},
    "x-stream-filter-size-bytes text": {"x-stream-filter-size-bytes": "16"},
    "x-initial-cluster-size 0": {"x-initial-cluster-size": 0},
    "x-initial-cluster-size -1": {"x-initial-cluster-size": -1},
    "x-queue-leader-locator": {"x-queue-leader-locator": "min-masters"},
    "x-queue-leader-locator number": {"x-queue-leader-locator": 1},
    "two of them": {"x-max-age": 1, "x-max-length-bytes": -1},
}


@scenario(each=INVALID_ARGUMENTS)
def invalid_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """406, with the reason as Erlang writes it; of several, the first in RabbitMQ's own order."""
    declare(stage.channel(), stage.name(), arguments=arguments)


ACCEPTED_ARGUMENTS: Mapping[str, dict[str, Any]] = {
    "x-max-age": {"x-max-age": "7D"},
    "x-max-age, with zeros": {"x-max-age": "01Y"},
    "x-max-length-bytes": {"x-max-length-bytes": 0},
    "x-max-length-bytes, large": {"x-max-length-bytes": 2**40},
    "x-stream-max-segment-size-bytes": {"x-stream-max-segment-size-bytes": 3_000_000_000},
    "x-initial-cluster-size": {"x-initial-cluster-size": 5},
    "x-queue-leader-locator client-local": {"x-queue-leader-locator": "client-local"},
    "x-queue-leader-locator balanced": {"x-queue-leader-locator": "balanced"},
    "x-queue-leader-locator random": {"x-queue-leader-locator": "random"},
    "x-queue-leader-locator least-leaders": {"x-queue-leader-locator": "least-leaders"},
    "of its own": {"x-mine": "value"},
}


@scenario(each=ACCEPTED_ARGUMENTS)
def accepted_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """Declared, and declared again."""
    channel = stage.channel()
    for _ in range(2):
        declare(channel, stage.name(), arguments=arguments)


@scenario(
    each={
        "durable": ({}, {"durable": False}),
        "exclusive": ({}, {"exclusive": True}),
        "auto-delete": ({}, {"auto_delete": True}),
        "another number": ({"arguments": {"x-max-length-bytes": 1000}}, {"arguments": {"x-max-length-bytes": 2000}}),
        "another type": (
            {"arguments": {"x-max-length-bytes": 1000}},
            {"arguments": {"x-max-length-bytes": Typed("l", 1000)}},
        ),
        "none": ({"arguments": {"x-max-length-bytes": 1000}}, {}),
        "one more": ({}, {"arguments": {"x-max-age": "1D"}}),
        "another age": ({"arguments": {"x-max-age": "1D"}}, {"arguments": {"x-max-age": "1h"}}),
        "the same age": ({"arguments": {"x-max-age": "1D"}}, {"arguments": {"x-max-age": "24h"}}),
        "segment size": (
            {"arguments": {"x-stream-max-segment-size-bytes": 1000}},
            {"arguments": {"x-stream-max-segment-size-bytes": 1001}},
        ),
        "cluster size": ({"arguments": {"x-initial-cluster-size": 1}}, {"arguments": {"x-initial-cluster-size": 2}}),
        "locator": ({"arguments": {"x-queue-leader-locator": "balanced"}}, {}),
        "an unknown one": ({"arguments": {"x-mine": 1}}, {"arguments": {"x-mine": 2}}),
        "classic": ({}, {"arguments": {"x-queue-type": "classic"}}),
        "quorum": ({}, {"arguments": {"x-queue-type": "quorum"}}),
    }
)
def equivalence(stage: Stage, declared: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """406 for what differs from the stream that is there."""
    channel = stage.channel()
    first, second = declared
    declare(channel, stage.name(), **first)
    declare(channel, stage.name(), **second)


@scenario(each=["classic", "quorum", None])
def over_another_queue(stage: Stage, kind: str | None) -> None:
    """406 for a stream in place of another queue."""
    channel = stage.channel()
    channel.declare(stage.name(), durable=True, arguments={} if kind is None else {"x-queue-type": kind})
    declare(channel, stage.name())


@scenario(
    each={"neither": {}, "if-unused": {"if_unused": True}, "if-empty": {"if_empty": True}},
)
def delete_with_conditions(stage: Stage, conditions: dict[str, bool]) -> None:
    """Conditions are ignored, and no messages are counted; consumers are told."""
    channel, queue = filled(stage, 2)
    consume(channel, queue, **from_place("first"))
    channel.wait_deliveries(2)
    channel.call("queue.delete", queue=queue, **conditions)
    channel.wait("basic.cancel")
    channel.declare(queue, passive=True)


# --- refusals


@scenario(each={"get": "basic.get", "purge": "queue.purge"})
def refused_methods(stage: Stage, method: str) -> None:
    """540, which ends the connection."""
    channel, queue = filled(stage, 1)
    channel.send(method, queue=queue)
    channel.wait_close()


@scenario(
    each={
        "no prefetch": {"prefetch": 0},
        "no prefetch, no_ack": {"prefetch": 0, "no_ack": True},
        "no_ack": {"no_ack": True},
        "a priority": {"arguments": {"x-priority": 1}},
        "a priority, no prefetch": {"prefetch": 0, "arguments": {"x-priority": 1}},
        "an invalid place, no prefetch": {"prefetch": 0, "arguments": {"x-stream-offset": "5"}},
        "exclusive": {"exclusive": True},
    }
)
def consumers_refused(stage: Stage, fields: dict[str, Any]) -> None:
    """406 for what concerns the channel, 540 for what streams cannot do at all; exclusive is recorded."""
    channel, queue = filled(stage, 0)
    consume(channel, queue, **fields)


@scenario()
def global_prefetch(stage: Stage) -> None:
    """540 where the channel has a limit, and the consumer a prefetch."""
    channel, queue = filled(stage, 0)
    channel.call("basic.qos", prefetch_count=5, global_=True)
    consume(channel, queue)


@scenario()
def two_exclusive_consumers(stage: Stage) -> None:
    """Both are served."""
    channel, queue = filled(stage, 1)
    consume(channel, queue, tag="a", exclusive=True, **from_place("first"))
    channel.wait_deliveries(1)
    other = channel.connection.channel(2)
    consume(other, queue, tag="b", exclusive=True, **from_place("first"))
    other.wait_deliveries(1)
