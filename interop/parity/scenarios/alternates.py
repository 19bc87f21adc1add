"""Alternate exchanges: where a message goes that its exchange cannot route."""

from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario()
def alternate_exchange(stage: Stage) -> None:
    """What an exchange cannot route goes to its alternate, with the original exchange and key."""
    channel = stage.channel()
    alternate = channel.exchange(stage.name("alternate"), "fanout")
    name = channel.exchange(stage.name("x"), "direct", arguments={"alternate-exchange": alternate})
    routed, unrouted = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.bind(routed, name, "known")
    channel.bind(unrouted, alternate)
    channel.publish(name, "known", b"routed", mandatory=True)
    channel.publish(name, "unknown", b"unrouted", mandatory=True)
    channel.settle(routed, unrouted)
    channel.drain(routed)
    channel.drain(unrouted)


@scenario()
def alternate_exchange_missing(stage: Stage) -> None:
    """An alternate exchange that does not exist, then does, then not again."""
    channel = stage.channel()
    alternate, queue = stage.name("alternate"), channel.declare(exclusive=True)
    name = channel.exchange(stage.name("x"), "direct", arguments={"alternate-exchange": alternate})
    channel.publish(name, "k", b"before", mandatory=True)
    channel.exchange(alternate, "fanout")
    channel.bind(queue, alternate)
    channel.publish(name, "k", b"meanwhile", mandatory=True)
    channel.settle(queue)
    channel.call("exchange.delete", exchange=alternate)
    channel.publish(name, "k", b"after", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def alternate_exchange_cycle(stage: Stage) -> None:
    """Alternates that point at each other end as unroutable."""
    channel = stage.channel()
    one, two = stage.name("one"), stage.name("two")
    channel.exchange(one, arguments={"alternate-exchange": two})
    channel.exchange(two, arguments={"alternate-exchange": one})
    channel.publish(one, "k", b"around", mandatory=True)
    channel.wait("basic.return")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, two, "k")
    channel.publish(one, "k", b"found", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def alternate_exchange_within_a_route(stage: Stage) -> None:
    """Every exchange on the way asks its own alternate when it matches nothing itself."""
    channel = stage.channel()
    alternate = channel.exchange(stage.name("alternate"), "fanout", internal=True)
    inner = channel.exchange(stage.name("inner"), "direct", arguments={"alternate-exchange": alternate})
    outer = channel.exchange(stage.name("outer"), "fanout")
    direct, unrouted = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.call("exchange.bind", source=outer, destination=inner)
    channel.bind(direct, outer)
    channel.bind(unrouted, alternate)
    channel.publish(outer, "unknown", b"both")
    channel.settle(direct, unrouted)
    channel.drain(direct)
    channel.drain(unrouted)


@scenario(
    each={
        "number": 5,
        "list": ["a"],
        "table": {"a": "b"},
        "bool": True,
        "nothing": None,
        "empty": "",
        "bytes": Typed("x", b"a"),
    }
)
def alternate_exchange_of_type(stage: Stage, value: object) -> None:
    """The argument must be text; an empty one names the default exchange."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), arguments={"alternate-exchange": value})
    if channel.closed:
        return
    queue = channel.declare(exclusive=True)
    channel.publish(name, queue, b"by name", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
