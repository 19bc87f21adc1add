"""The queue a channel declared last, which an empty queue name stands for."""

from collections.abc import Mapping
from typing import Any

from interop.parity.scenario import scenario
from interop.parity.script import Stage

LAST_DECLARED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "bind": ("queue.bind", {"exchange": "amq.fanout"}),
    "bind with key": ("queue.bind", {"exchange": "amq.topic", "routing_key": "k"}),
    "unbind": ("queue.unbind", {"exchange": "amq.topic", "routing_key": "k"}),
    "purge": ("queue.purge", {}),
    "delete": ("queue.delete", {}),
    "consume": ("basic.consume", {"consumer_tag": "c"}),
    "get": ("basic.get", {}),
}


@scenario(each=LAST_DECLARED)
def last_declared(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """An empty queue name means the one the channel declared last."""
    method, fields = case
    channel = stage.channel()
    queue = channel.declare(stage.name(), exclusive=True)
    channel.publish("", queue, b"one")
    channel.settle(queue)
    channel.call(method, **fields)
    channel.settle(queue)


@scenario(each=LAST_DECLARED)
def no_last_declared(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """A channel that declared none has none, whatever other channels did."""
    method, fields = case
    connection = stage.connect()
    connection.channel(1).declare(exclusive=True)
    connection.channel(2).call(method, **fields)


@scenario()
def last_declared_by_passive(stage: Stage) -> None:
    """A passive declare counts, a failed one does not, a deleted queue stays the last."""
    channel = stage.channel()
    one, two = channel.declare(stage.name("one"), exclusive=True), channel.declare(stage.name("two"), exclusive=True)
    channel.declare(one, passive=True)
    channel.publish("", one, b"in one")
    channel.get("")
    channel.send("queue.declare", queue=two, exclusive=True, nowait=True)
    channel.publish("", two, b"in two")
    channel.get("")
    channel.call("queue.delete", queue=two)
    channel.get("")


@scenario()
def last_declared_is_forgotten_with_the_channel(stage: Stage) -> None:
    """The channel opened again under the same number starts without."""
    channel = stage.channel()
    channel.declare(exclusive=True)
    channel.close()
    channel.reopen().get("")


@scenario()
def bind_by_last_declared_name(stage: Stage) -> None:
    """Queue and key both empty: the queue's name is the key."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), exclusive=True)
    channel.bind("", "amq.direct", "")
    channel.publish("amq.direct", queue, b"by name")
    channel.publish("amq.direct", "", b"by nothing")
    channel.settle(queue)
    channel.drain(queue)
    channel.bind(queue, "amq.direct", "")
    channel.call("queue.unbind", queue="", exchange="amq.direct", routing_key="")
    channel.publish("amq.direct", queue, b"by name again", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
    channel.call("queue.unbind", queue=queue, exchange="amq.direct", routing_key="")
