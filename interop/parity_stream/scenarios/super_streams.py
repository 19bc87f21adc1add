"""Super streams: made by either protocol, their partitions, and the groups of a single active consumer."""

from collections.abc import Sequence
from typing import Any

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Connection, Stage


def partitioned(stage: Stage, count: int = 3) -> tuple[str, list[str]]:
    """A super stream that AMQP has made, and its partitions, bound by the keys 0, 1, 2 …"""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("super"), durable=True, arguments={"x-super-stream": True})
    names = [stage.stream(f"part-{number}") for number in range(count)]
    for number, name in reversed(list(enumerate(names))):
        channel.bind(name, exchange, str(number), arguments={"x-stream-partition-order": number})
    return exchange, names


@scenario(since="3.13")
def partitions(stage: Stage) -> None:
    """In the order that their bindings tell; 2 for none."""
    exchange, _ = partitioned(stage)
    client = stage.client()
    for name in (exchange, stage.name("nothing")):
        client.call("Partitions", super_stream=name)


@scenario(since="3.13")
def route(stage: Stage) -> None:
    """Where a key leads; 2 for no exchange."""
    exchange, _ = partitioned(stage)
    client = stage.client()
    for key in ("0", "2", "3", ""):
        client.call("Route", routing_key=key, super_stream=exchange)
    client.call("Route", routing_key="0", super_stream=stage.name("nothing"))


@scenario(since="3.13")
def of_any_exchange(stage: Stage) -> None:
    """Neither needs to be called a super stream; what is no stream is left out."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "topic", durable=True)
    stream, queue = stage.stream(), channel.declare(stage.name("classic"), durable=True)
    channel.bind(stream, exchange, "a.#")
    channel.bind(queue, exchange, "a.b")
    client = stage.client()
    client.call("Partitions", super_stream=exchange)
    client.call("Route", routing_key="a.b", super_stream=exchange)


@scenario(since="3.13")
def create(stage: Stage) -> None:
    """All of it, and AMQP finds it; then it is deleted."""
    name, names = stage.name("super"), [stage.name(f"part-{number}") for number in range(2)]
    client = stage.client()
    client.call("CreateSuperStream", name=name, partitions=names, binding_keys=["0", "1"], arguments=[])
    client.call("CreateSuperStream", name=name, partitions=names, binding_keys=["0", "1"], arguments=[])
    client.call("Partitions", super_stream=name)
    client.call("Route", routing_key="1", super_stream=name)
    client.call("Metadata", streams=names)
    channel = stage.channel()
    channel.exchange(name, durable=True, arguments={"x-super-stream": True})
    channel.declare(names[0], durable=True, arguments={"x-queue-type": "stream", "x-queue-leader-locator": "balanced"})
    client.call("DeleteSuperStream", name=name)
    client.call("DeleteSuperStream", name=name)
    client.call("Metadata", streams=names)


@scenario(
    since="3.13",
    each={
        "no partitions": ([], []),
        "more keys": (["a"], ["0", "1"]),
        "more partitions": (["a", "b"], ["0"]),
        "an empty name": ([""], ["0"]),
        "a reserved name": (["amq.x"], ["0"]),
        "the same key": (["a", "b"], ["0", "0"]),
    },
)
def refused(stage: Stage, given: tuple[Sequence[str], Sequence[str]]) -> None:
    """17, and nothing is there."""
    name = stage.name("super")
    names = [stage.name(each) if each.isalpha() else each for each in given[0]]
    client = stage.client()
    client.call("CreateSuperStream", name=name, partitions=names, binding_keys=given[1], arguments=[])
    client.call("Partitions", super_stream=name)
    client.call("Metadata", streams=[each for each in names if each])


@scenario(since="3.13")
def over_what_is_there(stage: Stage) -> None:
    """5, and nothing of it is made."""
    name, other, taken = stage.name("super"), stage.name("other"), stage.stream("taken")
    client = stage.client()
    client.call("CreateSuperStream", name=name, partitions=[other, taken], binding_keys=["0", "1"], arguments=[])
    client.call("Metadata", streams=[other, taken])
    client.call("Partitions", super_stream=name)


@scenario(since="3.13")
def deleted(stage: Stage) -> None:
    """A MetadataUpdate for each partition."""
    name, names = stage.name("super"), [stage.name(f"part-{number}") for number in range(2)]
    client, other = stage.client(), stage.client()
    other.call("CreateSuperStream", name=name, partitions=names, binding_keys=["0", "1"], arguments=[])
    client.subscribe(names[0])
    client.sync()
    other.call("DeleteSuperStream", name=name)
    client.wait_for("MetadataUpdate")
    client.sync()


@scenario(since="3.13")
def deleting_what_is_none(stage: Stage) -> None:
    """An exchange that is not called a super stream."""
    exchange = stage.channel().exchange(stage.name("x"), durable=True)
    client = stage.client()
    client.call("DeleteSuperStream", name=exchange)


# --- single active consumers


def joins(client: Connection, stream: str, *, subscription: int = 0, **properties: Any) -> None:  # noqa: ANN401
    client.subscribe(stream, subscription=subscription, name="app", single_active_consumer="true", **properties)


@scenario(since="3.13")
def single_active(stage: Stage) -> None:
    """The first is active until it goes; then the next."""
    stream = stage.filled(2)
    first, second, third = stage.client(), stage.client(), stage.client()
    joins(first, stream)
    first.wait_chunks(0, 2)
    for each in (second, third):
        joins(each, stream)
        each.sync()
    first.call("Unsubscribe", subscription=0)
    second.wait_chunks(0, 2)
    second.drop()
    third.wait_chunks(0, 2)


@scenario(since="3.13")
def single_active_waits(stage: Stage) -> None:
    """No chunk comes before the answer, which says where to begin."""
    stream = stage.filled(3)
    client = stage.client()
    client.polite = False
    joins(client, stream)
    (asked,) = client.wait_for("ConsumerUpdate")
    client.sync()
    client.answer(asked, offset=("offset", 2))
    client.wait_chunks(0, 1)


@scenario(since="3.13")
def single_active_credit(stage: Stage) -> None:
    """Credit for who waits: 17."""
    stream = stage.filled(2)
    first, second = stage.client(), stage.client()
    joins(first, stream)
    first.wait_chunks(0, 2)
    joins(second, stream)
    second.send("Credit", subscription=0, credit=1)
    second.sync()


@scenario(since="3.13")
def two_groups(stage: Stage) -> None:
    """One for each name; others are in none."""
    stream = stage.filled(1)
    client = stage.client()
    joins(client, stream)
    client.wait_chunks(0, 1)
    client.subscribe(stream, subscription=1, name="other", single_active_consumer="true")
    client.wait_chunks(1, 1)
    client.subscribe(stream, subscription=2, name="app")
    client.wait_chunks(2, 1)


@scenario(since="3.13")
def single_active_deleted(stage: Stage) -> None:
    """The stream goes, and with it the group."""
    stream = stage.filled(1)
    first, second = stage.client(), stage.client()
    joins(first, stream)
    first.wait_chunks(0, 1)
    joins(second, stream)
    stage.client().call("Delete", stream=stream)
    for each in (first, second):
        each.wait_for("MetadataUpdate")
        each.sync()


@scenario(since="3.13")
def single_active_of_partitions(stage: Stage) -> None:
    """In a super stream the active one of a partition is by its number, and hears when it is not any more."""
    exchange, (_, second_part, _) = partitioned(stage)
    first, second = stage.client(), stage.client()
    joins(first, second_part, super_stream=exchange)
    first.wait_for("ConsumerUpdate")
    joins(second, second_part, super_stream=exchange)
    first.wait_for("ConsumerUpdate")
    second.wait_for("ConsumerUpdate")
    second.call("Unsubscribe", subscription=0)
    first.wait_for("ConsumerUpdate")
    first.sync()


@scenario(since="3.13")
def published_to_partitions(stage: Stage) -> None:
    """By AMQP, through the exchange, and read from the streams."""
    exchange, names = partitioned(stage, 2)
    channel, client = stage.channel(), stage.client()
    channel.call("confirm.select")
    channel.publish(exchange, "1", b"one")
    channel.wait_confirms(1)
    client.subscribe(names[1])
    client.wait_chunks(0, 1)
