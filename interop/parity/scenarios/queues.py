"""Queues: declare, equivalence, exclusive, auto-delete, purge, delete, and names."""

from collections.abc import Mapping
from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario(
    each={
        "plain": {},
        "durable": {"durable": True},
        "exclusive": {"exclusive": True},
        "auto-delete": {"auto_delete": True},
        "durable and exclusive": {"durable": True, "exclusive": True},
        "durable and auto-delete": {"durable": True, "auto_delete": True},
        "everything": {"durable": True, "auto_delete": True, "exclusive": True},
        "unknown arguments": {"arguments": {"x-whatever": 1, "other": "text", "nested": {"a": [1, None]}}},
    }
)
def declare(stage: Stage, fields: dict[str, Any]) -> None:
    """Declare, again, passive, without waiting, delete."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), **fields)
    channel.declare(queue, **fields)
    channel.declare(queue, passive=True)
    channel.send("queue.declare", queue=queue, nowait=True, **fields)
    channel.call("queue.delete", queue=queue)
    channel.declare(queue, passive=True)


@scenario()
def declare_counts(stage: Stage) -> None:
    """declare-ok counts ready messages and consumers."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 3)
    channel.declare(queue, exclusive=True)
    channel.get(queue)
    channel.declare(queue, passive=True)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.declare(queue, passive=True)


PROPERTIES: Mapping[str, dict[str, Any]] = {
    "durable": {"durable": False},
    "exclusive": {"exclusive": True},
    "auto_delete": {"auto_delete": True},
    "unknown argument": {"arguments": {"x-unknown": 1}},
    "several": {"durable": False, "auto_delete": True},
    "everything": {"durable": False, "auto_delete": True, "exclusive": True},
}


@scenario(each=PROPERTIES)
def equivalence(stage: Stage, change: dict[str, Any]) -> None:
    """A declare that differs from the existing queue is refused, and names the first difference."""
    channel = stage.channel()
    channel.declare(stage.name(), durable=True)
    channel.declare(stage.name(), **({"durable": True} | change))


@scenario(each=PROPERTIES)
def equivalence_the_other_way(stage: Stage, change: dict[str, Any]) -> None:
    """The same differences with the sides swapped."""
    channel = stage.channel()
    channel.declare(stage.name(), **({"durable": True} | change))
    channel.declare(stage.name(), durable=True)


@scenario(each=PROPERTIES)
def passive_declare_ignores_the_rest(stage: Stage, change: dict[str, Any]) -> None:
    """A passive declare asks for the name only."""
    channel = stage.channel()
    channel.declare(stage.name(), durable=True)
    channel.declare(stage.name(), **({"durable": True, "passive": True} | change))


@scenario()
def passive_declare_of_missing(stage: Stage) -> None:
    """404 closes the channel, which can be opened again."""
    channel = stage.channel()
    channel.declare(stage.name(), passive=True)
    channel.reopen().declare(stage.name("other"), exclusive=True)


@scenario()
def passive_declare_without_name(stage: Stage) -> None:
    """A passive declare of the empty name, before and after the channel declared one."""
    channel = stage.channel()
    channel.declare("", passive=True)
    channel = channel.reopen() if channel.closed else channel
    channel.declare(exclusive=True)
    channel.declare("", passive=True)


@scenario()
def server_named(stage: Stage) -> None:
    """An empty name gets a new one from the server each time, and the channel remembers the last."""
    channel = stage.channel()
    channel.declare(exclusive=True)
    name = channel.declare(exclusive=True)
    channel.bind("", "amq.direct", stage.name("key"))
    channel.publish("amq.direct", stage.name("key"), b"hello")
    channel.settle(name)
    channel.get("")


@scenario(
    each={
        "new": ("amq.new", False),
        "passive": ("amq.new", True),
        "gen": ("amq.gen-mine", False),
        "without dot": ("amqx", True),
    }
)
def reserved_name(stage: Stage, case: tuple[str, bool]) -> None:
    """Names that begin with amq. cannot be made."""
    name, passive = case
    stage.channel().declare(name, passive=passive)


@scenario()
def server_named_declared_again(stage: Stage) -> None:
    """A server-made name may be declared again while it exists, not after."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.declare(queue, exclusive=True)
    channel.call("queue.delete", queue=queue)
    channel.declare(queue, exclusive=True)


@scenario(
    each={
        "line breaks": "a\r\nb",
        "only line breaks": "\r\n",
        "line break first": "\namq.",
        "non-ASCII": "é€😀",
        "spaces": " a b ",
        "quotes": 'it\'s "quoted"',
        "braces": "{~p}~s",
        "NUL": "a\0b",
    }
)
def odd_names(stage: Stage, label: str) -> None:
    """Names are anything; line breaks are taken out of them by some methods."""
    channel = stage.channel()
    name = label + stage.name()
    plain = channel.declare(name, exclusive=True)
    if channel.closed:
        return
    channel.declare(name, passive=True)
    channel = channel.reopen() if channel.closed else channel
    channel.publish("", plain, b"hello")
    for method in ("basic.get", "queue.purge", "queue.delete"):
        channel.call(method, queue=name)
        channel = channel.reopen() if channel.closed else channel
    channel.bind(name, "amq.direct", "k")
    channel = channel.reopen() if channel.closed else channel
    channel.consume(name)


@scenario(each=[244, 200, 127])
def long_names(stage: Stage, size: int) -> None:
    """255 bytes is the longest name; error texts are cut to 255 bytes."""
    channel = stage.channel()
    name = stage.name("x" * size)
    channel.declare(name, passive=True)
    channel = channel.reopen()
    channel.declare(name, exclusive=True)
    channel.declare(name, durable=False, auto_delete=True, exclusive=True)
    channel = channel.reopen()
    channel.publish("", name, b"hello")
    channel.get(name)


@scenario(before="4.0")
def long_name_cut_within_a_character(stage: Stage) -> None:
    """Where the cut of an error text falls into a character of several bytes."""
    for label in ("é" * 120, "x" + "é" * 120, "€" * 80, "x" + "€" * 80):
        channel = stage.channel()
        channel.declare(stage.name(label), passive=True)


EXCLUSIVE_OPERATIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "declare": ("queue.declare", {"exclusive": True}),
    "declare without exclusive": ("queue.declare", {}),
    "declare with differences": ("queue.declare", {"durable": True, "auto_delete": True}),
    "passive declare": ("queue.declare", {"passive": True}),
    "bind": ("queue.bind", {"exchange": "amq.direct"}),
    "unbind": ("queue.unbind", {"exchange": "amq.direct"}),
    "purge": ("queue.purge", {}),
    "delete": ("queue.delete", {}),
    "delete if unused": ("queue.delete", {"if_unused": True, "if_empty": True}),
    "consume": ("basic.consume", {}),
    "get": ("basic.get", {}),
}


@scenario(each=EXCLUSIVE_OPERATIONS)
def exclusive_to_another_connection(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """405 for everything but publishing."""
    method, fields = case
    owner, other = stage.channel(), stage.channel()
    queue = owner.declare(stage.name(), exclusive=True)
    other.publish("", queue, b"allowed")
    other.settle()
    other.call(method, queue=queue, **fields)
    owner.settle(queue)
    owner.declare(queue, passive=True)


@scenario(each=["owner asks for it to be shared", "owner repeats"])
def exclusive_to_its_owner(stage: Stage, case: str) -> None:
    """The owner must say exclusive again, too."""
    connection = stage.connect()
    queue = connection.channel(1).declare(stage.name(), exclusive=True)
    connection.channel(2).declare(queue, exclusive=case == "owner repeats")


@scenario()
def exclusive_asked_of_a_shared_queue(stage: Stage) -> None:
    """A shared queue does not become exclusive."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.declare(queue, exclusive=True)
    stage.channel().declare(queue, exclusive=True)


@scenario()
def exclusive_queue_on_a_shared_exchange(stage: Stage) -> None:
    """Other connections reach an exclusive queue through its bindings, which go with it."""
    owner, publisher = stage.channel(), stage.channel()
    name = publisher.exchange(stage.name("x"), "fanout")
    queue = owner.declare(stage.name(), exclusive=True)
    owner.bind(queue, name)
    publisher.publish(name, "", b"reached", mandatory=True)
    publisher.settle()
    owner.settle(queue)
    owner.drain(queue)
    owner.connection.close()
    publisher.publish(name, "", b"lost", mandatory=True)
    publisher.wait("basic.return")


@scenario()
def auto_delete_after_cancel(stage: Stage) -> None:
    """Gone with its last consumer, messages and all."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), auto_delete=True)
    channel.publish("", queue, b"stays unacked")
    channel.consume(queue, "one")
    channel.consume(queue, "two")
    channel.wait_deliveries(1)
    channel.call("basic.cancel", consumer_tag="one")
    channel.declare(queue, passive=True)
    channel.call("basic.cancel", consumer_tag="two")
    stage.until_queue_gone(queue)
    channel.ack(1)
    channel.sync()
    channel.declare(queue, passive=True)


@scenario(each=["channel", "connection", "without a word"])
def auto_delete_after_close(stage: Stage, how: str) -> None:
    """Gone when the channel or connection of its last consumer ends."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), auto_delete=True)
    channel.consume(queue)
    if how == "channel":
        channel.close()
    elif how == "connection":
        channel.connection.close()
    else:
        channel.connection.drop()
    stage.until_queue_gone(queue)


@scenario()
def auto_delete_never_consumed(stage: Stage) -> None:
    """Without a first consumer it stays, and basic.get makes none."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), auto_delete=True)
    channel.get(queue)
    channel.close()
    channel.reopen().declare(queue, passive=True)


@scenario()
def purge(stage: Stage) -> None:
    """Ready messages go and are counted, unacked ones stay."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.call("queue.purge", queue=queue)
    channel.publish_some(queue, 4)
    channel.get(queue)
    channel.call("queue.purge", queue=queue)
    channel.reject(1)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.send("queue.purge", queue=queue, nowait=True)
    channel.get(queue)


@scenario()
def purge_missing(stage: Stage) -> None:
    """404."""
    stage.channel().call("queue.purge", queue=stage.name())


@scenario()
def delete(stage: Stage) -> None:
    """The reply counts the ready messages that went; a missing queue counts none."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish_some(queue, 3)
    channel.get(queue)
    channel.call("queue.delete", queue=queue)
    channel.call("queue.delete", queue=queue)
    channel.ack(1)
    channel.sync()


@scenario(
    each={"unused": {"if_unused": True}, "empty": {"if_empty": True}, "both": {"if_unused": True, "if_empty": True}}
)
def delete_if(stage: Stage, condition: dict[str, bool]) -> None:
    """A queue in use, then not empty, then neither."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"one")
    channel.consume(queue, no_ack=False)
    channel.wait_deliveries(1)
    channel.call("queue.delete", queue=queue, **condition)
    channel = channel.reopen() if channel.closed else channel
    channel.declare(queue)
    channel.publish("", queue, b"two")
    channel.settle(queue)
    channel.call("queue.delete", queue=queue, **condition)
    channel = channel.reopen() if channel.closed else channel
    channel.call("queue.purge", queue=queue)
    channel = channel.reopen() if channel.closed else channel
    channel.call("queue.delete", queue=queue, **condition)


@scenario()
def delete_if_empty_with_unacked(stage: Stage) -> None:
    """Only ready messages make a queue not empty."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"one")
    channel.get(queue)
    channel.call("queue.delete", queue=queue, if_empty=True)


@scenario()
def delete_without_waiting(stage: Stage) -> None:
    """nowait says nothing, unless there is an error."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"one")
    channel.send("queue.delete", queue=queue, if_empty=True, nowait=True)
    channel.wait_close()
    channel = channel.reopen()
    channel.send("queue.delete", queue=queue, nowait=True)
    channel.declare(queue, passive=True)


@scenario(
    each={
        "declare": ("queue.declare", {"queue": "amq.new"}),
        "passive declare": ("queue.declare", {"queue": "missing", "passive": True}),
        "bind": ("queue.bind", {"queue": "missing", "exchange": "amq.direct"}),
        "purge": ("queue.purge", {"queue": "missing"}),
        "consume": ("basic.consume", {"queue": "missing"}),
    }
)
def errors_without_waiting(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """nowait leaves out the reply, not the error."""
    method, fields = case
    channel = stage.channel()
    channel.send(method, nowait=True, **fields)
    channel.wait_close()


@scenario(each={"server-named": "", "named": "name"})
def declare_without_waiting(stage: Stage, label: str) -> None:
    """The queue exists and is the last declared one."""
    channel = stage.channel()
    channel.send("queue.declare", queue=label and stage.name(), exclusive=True, nowait=True)
    channel.bind("", "amq.direct", stage.name("k"))
    channel.publish("amq.direct", stage.name("k"), b"hello")
    channel.get("")


@scenario(
    each={
        "queue": ("queue.declare", {"exclusive": True}),
        "exchange": ("exchange.declare", {"exchange_type": "direct"}),
    }
)
def tickets_are_ignored(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """The access ticket of old has no meaning."""
    method, fields = case
    name = stage.name()
    target = {"queue": name} if method == "queue.declare" else {"exchange": name}
    stage.channel().call(method, ticket=4711, **target, **fields)


@scenario(
    each={
        "void": None,
        "decimal": Typed("D", (1, 5)),
        "time": Typed("T", 2**40),
        "bytes": Typed("x", b"\xff"),
        "float": 1e300,
    }
)
def arguments_of_any_type(stage: Stage, value: object) -> None:
    """An argument nobody knows may have any type."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), exclusive=True, arguments={"x-anything": value})
    channel.declare(queue, exclusive=True, arguments={"x-anything": "else"})
    channel.bind(queue, "amq.direct", stage.name("k"), arguments={"x-anything": value})
