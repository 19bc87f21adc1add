"""Queues: declare, passive, equivalence, exclusive, auto-delete, purge and delete."""

from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario()
def passive_declare_of_missing_queue(stage: Stage) -> None:
    """404 closes the channel, which can be opened again."""
    channel = stage.channel()
    channel.declare(stage.name(), passive=True)
    channel.reopen().declare(stage.name("other"), exclusive=True)


@scenario()
def server_named_queue(stage: Stage) -> None:
    """An empty name gets one from the server, and the channel remembers it."""
    channel = stage.channel()
    name = channel.declare(exclusive=True)
    channel.bind("", "amq.direct", stage.name("key"))
    channel.publish("amq.direct", stage.name("key"), b"hello")
    channel.settle(name)
    channel.get("")
