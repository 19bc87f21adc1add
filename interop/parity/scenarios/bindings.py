"""Bindings: of queues and of exchanges, their identity, cycles, and what takes them along."""

from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario(each={"queue": True, "exchange": False})
def bind_to_missing(stage: Stage, queue: bool) -> None:
    """404 names what is missing, of two the destination or the source."""
    channel = stage.channel()
    missing, other = stage.name("missing"), stage.name("other")
    here = channel.declare(exclusive=True) if queue else channel.exchange(stage.name("here"))
    for source, destination in ((missing, here), ("amq.direct", missing), (missing, other)):
        for verb in ("bind", "unbind"):
            if queue:
                channel.call(f"queue.{verb}", queue=destination, exchange=source, routing_key="k")
            else:
                channel.call(f"exchange.{verb}", destination=destination, source=source, routing_key="k")
            channel = channel.reopen() if channel.closed else channel


@scenario(each={"queue": True, "exchange": False})
def unbind_what_is_not_bound(stage: Stage, queue: bool) -> None:
    """A missing binding between what exists is no error; neither is a second bind."""
    channel = stage.channel()
    here = channel.declare(exclusive=True) if queue else channel.exchange(stage.name("here"))
    target = {"queue": here, "exchange": "amq.topic"} if queue else {"destination": here, "source": "amq.topic"}
    kind = "queue" if queue else "exchange"
    key = stage.name("key")
    channel.call(f"{kind}.unbind", routing_key=key, **target)
    channel.call(f"{kind}.bind", routing_key=key, **target)
    channel.call(f"{kind}.bind", routing_key=key, **target)
    channel.call(f"{kind}.unbind", routing_key=key, arguments={"other": 1}, **target)
    channel.call(f"{kind}.unbind", routing_key=key, **target)
    channel.call(f"{kind}.unbind", routing_key=key, **target)


@scenario()
def binding_twice_delivers_once(stage: Stage) -> None:
    """A queue reached over several bindings gets one copy; each binding is unbound for itself."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "topic")
    queue = channel.declare(exclusive=True)
    for key in ("#", "a.*", "a.b"):
        channel.bind(queue, name, key)
    channel.bind(queue, name, "a.b", arguments={"another": "binding"})
    channel.publish(name, "a.b", b"one")
    channel.drain(queue)
    for key in ("#", "a.*", "a.b"):
        channel.call("queue.unbind", queue=queue, exchange=name, routing_key=key)
    channel.publish(name, "a.b", b"two")
    channel.drain(queue)
    channel.call("queue.unbind", queue=queue, exchange=name, routing_key="a.b", arguments={"another": "binding"})
    channel.publish(name, "a.b", b"three")
    channel.drain(queue)


@scenario(
    each={
        "order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        "int width": ({"a": Typed("b", 1)}, {"a": Typed("l", 1)}),
        "text and bytes": ({"a": "x"}, {"a": Typed("x", b"x")}),
        "int and text": ({"a": 1}, {"a": "1"}),
        "int and float": ({"a": 1}, {"a": 1.0}),
        "bool and int": ({"a": True}, {"a": 1}),
        "nested order": ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
    }
)
def identity_of_bindings(stage: Stage, case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Whether two argument tables name the same binding."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), "fanout")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, name, arguments=case[0])
    channel.call("queue.unbind", queue=queue, exchange=name, arguments=case[1])
    channel.publish(name, "", b"still bound")
    channel.drain(queue)


@scenario()
def exchange_to_exchange(stage: Stage) -> None:
    """A message goes through exchanges of all types, each with the original routing key."""
    channel = stage.channel()
    topic = channel.exchange(stage.name("topic"), "topic")
    direct = channel.exchange(stage.name("direct"), "direct")
    fanout = channel.exchange(stage.name("fanout"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.call("exchange.bind", source=topic, destination=direct, routing_key="a.#")
    channel.call("exchange.bind", source=direct, destination=fanout, routing_key="a.b")
    channel.bind(queue, fanout, "ignored")
    for key in ("a.b", "a.c", "b.b"):
        channel.publish(topic, key, key.encode(), mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def exchange_cycle(stage: Stage) -> None:
    """Exchanges may be bound in a circle, and to themselves; a queue still gets one copy."""
    channel = stage.channel()
    names = [channel.exchange(stage.name(f"x{number}"), "fanout") for number in range(3)]
    for source, destination in zip(names, names[1:] + names[:1], strict=True):
        channel.call("exchange.bind", source=source, destination=destination)
    channel.call("exchange.bind", source=names[0], destination=names[0])
    queues = [channel.declare(exclusive=True) for _ in names]
    for queue, name in zip(queues, names, strict=True):
        channel.bind(queue, name)
    channel.publish(names[1], "", b"around")
    channel.settle(*queues)
    for queue in queues:
        channel.drain(queue)


@scenario()
def deleted_exchange_takes_its_bindings(stage: Stage) -> None:
    """A new exchange of the same name begins without bindings, in both directions."""
    channel = stage.channel()
    outer, inner = channel.exchange(stage.name("outer"), "fanout"), channel.exchange(stage.name("inner"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.call("exchange.bind", source=outer, destination=inner)
    channel.bind(queue, inner)
    channel.call("exchange.delete", exchange=inner)
    channel.exchange(inner, "fanout")
    channel.publish(outer, "", b"lost", mandatory=True)
    channel.publish(inner, "", b"lost as well", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def deleted_queue_takes_its_bindings(stage: Stage) -> None:
    """The same for a queue."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), "fanout")
    queue = channel.declare(stage.name())
    channel.bind(queue, name)
    channel.call("queue.delete", queue=queue)
    channel.declare(queue)
    channel.publish(name, "", b"lost", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
