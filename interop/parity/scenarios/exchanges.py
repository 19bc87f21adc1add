"""Exchanges: declare, equivalence, delete, bindings between exchanges, alternate exchanges."""

import itertools
from collections.abc import Mapping
from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import Differs, says_why, scenario
from interop.parity.script import Stage


@scenario(each=["direct", "fanout", "topic", "headers"])
def declare(stage: Stage, kind: str) -> None:
    """Declare, declare again, passive, without waiting, delete."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), kind, durable=True)
    channel.exchange(name, kind, durable=True)
    channel.exchange(name, "", passive=True)
    channel.send("exchange.declare", exchange=name, exchange_type=kind, durable=True, nowait=True)
    channel.call("exchange.delete", exchange=name)
    channel.exchange(name, kind, passive=True)


PROPERTIES: Mapping[str, dict[str, Any]] = {
    "type": {"exchange_type": "fanout"},
    "durable": {"durable": False},
    "auto_delete": {"auto_delete": True},
    "internal": {"internal": True},
    "unknown argument": {"arguments": {"x-unknown": 1}},
    "alternate exchange": {"arguments": {"alternate-exchange": "other"}},
    "alternate exchange of another type": {"arguments": {"alternate-exchange": 1}},
    "several": {"exchange_type": "fanout", "durable": False, "auto_delete": True},
}


@scenario(each=PROPERTIES)
def equivalence(stage: Stage, change: dict[str, Any]) -> None:
    """A declare that differs from the existing exchange is refused, and names the first difference."""
    channel = stage.channel()
    fields = {"exchange": stage.name(), "exchange_type": "direct", "durable": True}
    channel.call("exchange.declare", **fields)
    channel.call("exchange.declare", **(fields | change))


@scenario(each=PROPERTIES)
def equivalence_the_other_way(stage: Stage, change: dict[str, Any]) -> None:
    """The same differences with the sides swapped."""
    channel = stage.channel()
    fields = {"exchange": stage.name(), "exchange_type": "direct", "durable": True}
    channel.call("exchange.declare", **(fields | change))
    if not channel.closed:
        channel.call("exchange.declare", **fields)


@scenario(
    each={
        "same": "one", "another": "two", "another type": 5, "a list": ["one"], "nothing": None,
        "bytes": Typed("x", b"one"),
    }
)  # fmt: skip
def equivalence_of_alternate_exchanges(stage: Stage, alternate: object) -> None:
    """Both declares name an alternate exchange."""
    channel = stage.channel()
    channel.exchange(stage.name(), arguments={"alternate-exchange": "one"})
    channel.exchange(stage.name(), arguments={"alternate-exchange": alternate})


@scenario(each=PROPERTIES)
def passive_declare_ignores_the_rest(stage: Stage, change: dict[str, Any]) -> None:
    """A passive declare asks for the name only."""
    channel = stage.channel()
    fields = {"exchange": stage.name(), "exchange_type": "direct", "durable": True}
    channel.call("exchange.declare", **fields)
    channel.call("exchange.declare", **(fields | change | {"passive": True}))


@scenario(each=["direct", "", "unknown"])
def passive_declare_of_missing(stage: Stage, kind: str) -> None:
    """404, whatever the type given."""
    stage.channel().exchange(stage.name(), kind, passive=True)


ATOMS = ("lists", "rabbit_exchange_type_direct")
AN_ATOM = "a word that Erlang happens to know is an invalid type to RabbitMQ, but it is as unknown as any other"
REFUSED = (
    "channel.close reply_code=406 reply_text=\"PRECONDITION_FAILED - {} exchange type '{}'\" class_id=40 method_id=10"
)


@scenario(
    each=["x-unknown", "diRect", "direct ", "é", "quorum", "default", "header", "", *ATOMS],
    differs={
        kind: [
            says_why(
                AN_ATOM,
                f"503 COMMAND_INVALID - unknown exchange type '{kind}'",
                (40, 10),
                instead_of=[
                    f"connection.close reply_code=503 reply_text=\"COMMAND_INVALID - invalid exchange type '{kind}'\"…"
                ],
                before="3.13",
            ),
            Differs(AN_ATOM, [REFUSED.format("invalid", kind)], [REFUSED.format("unknown", kind)], since="3.13"),
        ]
        for kind in ATOMS
    },
)
def unknown_type(stage: Stage, kind: str) -> None:
    """A type that is no exchange type ends the connection."""
    stage.channel().exchange(stage.name(), kind)


@scenario(each=["x-unknown", "fanout"])
def declare_of_existing_with_another_type(stage: Stage, kind: str) -> None:
    """Type validity comes before equivalence."""
    channel = stage.channel()
    channel.exchange(stage.name())
    channel.exchange(stage.name(), kind)


@scenario(
    each={
        "new": ("amq.new", False),
        "passive": ("amq.new", True),
        "prefix only": ("amq.", False),
        "without dot": ("amq", False),
    }
)
def reserved_name(stage: Stage, case: tuple[str, bool]) -> None:
    """Names that begin with amq. cannot be made."""
    name, passive = case
    channel = stage.channel()
    channel.exchange(name, passive=passive)
    if not channel.closed:
        channel.call("exchange.delete", exchange=name)


@scenario(
    each=["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match", "amq.rabbitmq.trace"],
)
def predeclared(stage: Stage, name: str) -> None:
    """The exchanges every virtual host has: equal declares, other properties, the delete that is refused."""
    kind = {"amq.match": "headers", "amq.rabbitmq.trace": "topic"}.get(name, name.removeprefix("amq."))
    channel = stage.channel()
    for fields in ({"durable": True}, {"durable": True, "internal": True}, {"durable": False}, {"passive": True}):
        channel.exchange(name, kind, **fields)
        channel = channel.reopen() if channel.closed else channel
    channel.call("exchange.delete", exchange=name)


@scenario(
    each={
        "declare": ("exchange.declare", {"exchange_type": "direct", "durable": True}),
        "passive": ("exchange.declare", {"exchange_type": "direct", "passive": True}),
        "delete": ("exchange.delete", {}),
        "bind a queue": ("queue.bind", {"exchange": "", "routing_key": "x"}),
        "unbind a queue": ("queue.unbind", {"exchange": "", "routing_key": "x"}),
        "bind as source": ("exchange.bind", {"source": "", "destination": "amq.fanout"}),
        "bind as destination": ("exchange.bind", {"source": "amq.fanout", "destination": ""}),
        "unbind as source": ("exchange.unbind", {"source": "", "destination": "amq.fanout"}),
        "unbind as destination": ("exchange.unbind", {"source": "amq.fanout", "destination": ""}),
        "bind to itself": ("exchange.bind", {"source": "", "destination": ""}),
    }
)
def default_exchange(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """The default exchange routes by queue name, and nothing can be done to it."""
    method, fields = case
    channel = stage.channel()
    if method.startswith("queue."):
        fields = fields | {"queue": channel.declare(exclusive=True)}
    channel.call(method, **fields)


@scenario(
    each={
        "line breaks": "a\r\nb",
        "line break first": "\namq.",
        "non-ASCII": "é€😀",
        "spaces": " a b ",
        "quotes": 'it\'s "quoted"',
        "braces": "{~p}~s",
        "NUL": "a\0b",
        "controls": "\x01\x1b[31m",
    }
)
def odd_names(stage: Stage, label: str) -> None:
    """Names are anything; line breaks are taken out of them."""
    channel = stage.channel()
    name = label + stage.name()
    channel.exchange(name, auto_delete=True)
    if channel.closed:
        return
    channel.exchange(name, "fanout", auto_delete=True)
    channel = channel.reopen() if channel.closed else channel
    queue = channel.declare(exclusive=True)
    channel.bind(queue, name, "key")
    channel = channel.reopen() if channel.closed else channel
    channel.bind(queue, name.replace("\r", "").replace("\n", ""), "key")
    channel.call("exchange.delete", exchange=name.replace("\r", "").replace("\n", ""))


@scenario(each=[244, 128, 127])
def long_names(stage: Stage, size: int) -> None:
    """255 bytes is the longest name; error texts are cut to 255 bytes."""
    channel = stage.channel()
    name = stage.name("x" * size)
    channel.exchange(name, passive=True)
    channel = channel.reopen()
    channel.exchange(name, auto_delete=True)
    channel.exchange(name, auto_delete=True, passive=True)
    channel.exchange(name, "topic", auto_delete=True)
    channel.reopen().call("exchange.delete", exchange=name)


@scenario()
def delete_missing(stage: Stage) -> None:
    """To delete what does not exist is no error."""
    stage.channel().call("exchange.delete", exchange=stage.name())


@scenario()
def delete_if_unused(stage: Stage) -> None:
    """An exchange is in use while it is the source of a binding."""
    channel = stage.channel()
    used, bound = channel.exchange(stage.name("used")), channel.exchange(stage.name("bound"))
    channel.call("exchange.bind", source=used, destination=bound, routing_key="k")
    channel.call("exchange.delete", exchange=used, if_unused=True)
    channel = channel.reopen()
    channel.call("exchange.delete", exchange=bound, if_unused=True)
    channel.call("exchange.delete", exchange=used, if_unused=True)


@scenario(each=["amq.direct", "amq.missing"])
def delete_reserved(stage: Stage, name: str) -> None:
    """amq. exchanges cannot be deleted, existing or not."""
    stage.channel().call("exchange.delete", exchange=name)


@scenario(
    each={
        "declare": ("exchange.declare", {"exchange_type": "direct", "exchange": "amq.new"}),
        "passive declare": ("exchange.declare", {"exchange": "missing", "passive": True}),
        "delete": ("exchange.delete", {"exchange": "amq.direct"}),
        "bind": ("exchange.bind", {"source": "missing", "destination": "amq.fanout"}),
        "unbind": ("exchange.unbind", {"source": "", "destination": "amq.fanout"}),
    }
)
def errors_without_waiting(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """nowait leaves out the reply, not the error."""
    method, fields = case
    channel = stage.channel()
    channel.send(method, nowait=True, **fields)
    channel.wait_close()


@scenario()
def everything_without_waiting(stage: Stage) -> None:
    """The same operations with nowait work and say nothing."""
    channel = stage.channel()
    source, target = stage.name("source"), stage.name("target")
    channel.send("exchange.declare", exchange=source, exchange_type="fanout", nowait=True)
    channel.send("exchange.declare", exchange=target, exchange_type="fanout", nowait=True)
    channel.send("exchange.bind", source=source, destination=target, nowait=True)
    queue = channel.declare(exclusive=True)
    channel.send("queue.bind", queue=queue, exchange=target, nowait=True)
    channel.sync()
    channel.publish(source, "", b"through both")
    channel.get(queue)
    channel.send("exchange.unbind", source=source, destination=target, nowait=True)
    channel.publish(source, "", b"to nobody")
    channel.get(queue)
    channel.send("exchange.delete", exchange=source, nowait=True)
    channel.exchange(source, passive=True)


@scenario()
def internal(stage: Stage) -> None:
    """Clients do not publish to an internal exchange; other exchanges do."""
    channel = stage.channel()
    inner = channel.exchange(stage.name("inner"), "fanout", internal=True)
    outer = channel.exchange(stage.name("outer"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, inner)
    channel.call("exchange.bind", source=outer, destination=inner)
    channel.publish(outer, "", b"routed")
    channel.get(queue)
    channel.publish(inner, "", b"refused")
    channel.wait_close()


@scenario()
def auto_delete(stage: Stage) -> None:
    """Gone with its last binding as source, not before the first."""
    channel = stage.channel()
    name = channel.exchange(stage.name(), auto_delete=True)
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.bind(one, name, "a")
    channel.bind(two, name, "b")
    channel.call("queue.unbind", queue=one, exchange=name, routing_key="a")
    channel.exchange(name, passive=True)
    channel.call("queue.delete", queue=two)
    channel.exchange(name, passive=True)


@scenario()
def auto_delete_never_bound(stage: Stage) -> None:
    """One that never was a source stays, even when it was a destination."""
    channel = stage.channel()
    name, source = channel.exchange(stage.name(), auto_delete=True), channel.exchange(stage.name("source"))
    channel.call("exchange.bind", source=source, destination=name)
    channel.call("exchange.unbind", source=source, destination=name)
    channel.exchange(name, passive=True)


@scenario()
def auto_delete_chain(stage: Stage) -> None:
    """An exchange that goes takes its bindings along, and so the next exchange."""
    channel = stage.channel()
    names = [channel.exchange(stage.name(f"x{number}"), "fanout", auto_delete=True) for number in range(3)]
    for source, destination in itertools.pairwise(names):
        channel.call("exchange.bind", source=source, destination=destination)
    queue = channel.declare(exclusive=True)
    channel.bind(queue, names[2])
    channel.call("queue.delete", queue=queue)
    for name in names:
        channel.exchange(name, passive=True)
        channel = channel.reopen() if channel.closed else channel


@scenario()
def publish_to_missing(stage: Stage) -> None:
    """404 closes the channel, the next publish goes nowhere."""
    channel = stage.channel()
    channel.publish(stage.name("missing"), "key", b"lost")
    channel.wait_close()


@scenario(
    each={"any type": {"a": [1, {"b": None}], "c": 2.5}, "alternate and more": {"alternate-exchange": "a", "z": 1}}
)
def any_arguments(stage: Stage, arguments: dict[str, Any]) -> None:
    """Unknown arguments are kept and never compared."""
    channel = stage.channel()
    channel.exchange(stage.name(), arguments=arguments)
    channel.exchange(stage.name(), arguments=arguments | {"more": "of it"})
