"""Clients of AMQP for tests of the management API: of other users, and with consumers."""

from typing import Any

from pamqp.commands import Basic, Channel, Connection

from amqpy.amqp.terms import Peer as Ends
from tests.amqp.client import HEADER, start_ok
from tests.server.peer import Peer, in_memory, session_of

from .harness import Site

NAME = "127.0.0.1:40000 -> 127.0.0.1:5672"
ENDS = Ends(NAME, "127.0.0.1", 40_000, "127.0.0.1", 5672)


def connecting(site: Site, ends: Ends = ENDS) -> Peer:
    """A client at this address, of whom nothing was heard yet."""
    transport, stream = in_memory()
    peer = Peer(stream)
    site.server.peers.append(peer)
    site.server.accept(transport, ends.name)
    return peer


async def connect(
    site: Site, *channels: int, user: str = "guest", vhost: str = "/", name: str = NAME, heartbeat_s: int = 0
) -> Peer:
    """A client of this user with open channels."""
    peer = connecting(site, ENDS._replace(name=name))
    await peer.send(HEADER)
    await peer.expect("Connection.Start")
    session_of(next(reversed(site.reactor.connections))).terms.peer = ENDS._replace(name=name)
    await peer.say(start_ok(f"\0{user}\0{user}"), channel=0)
    await peer.expect("Connection.Tune")
    await peer.say(Connection.TuneOk(2047, 131_072, heartbeat_s), channel=0)
    await peer.ask(Connection.Open(vhost), channel=0)
    for number in channels:
        await peer.ask(Channel.Open(), channel=number)
    return peer


async def consume(peer: Peer, queue: str, tag: str, *, channel: int = 1, **more: Any) -> None:  # noqa: ANN401
    await peer.ask(Basic.Consume(queue=queue, consumer_tag=tag, **more), channel=channel)
