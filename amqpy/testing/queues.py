"""The look into a queue: nothing is taken by it."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from amqpy.core.queue_contents import QueueMessage, held_messages, ready_messages, unacked_messages
from amqpy.testing.events import Event

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue
    from amqpy.testing.server import Server


class QueueView:
    """The messages and consumers of a queue, as they were when it was asked for."""

    def __init__(self, name: str, ready: list[Event], unacked: list[Event], held: list[Event], consumers: int) -> None:
        self.name = name
        self.ready = ready
        """The messages that are ready, in order."""
        self.unacked = unacked
        """The messages that are delivered and not acknowledged, in the order in which they would stand in the queue."""
        self.held = held
        """The messages that a quorum queue holds back for a retry, the first to be ready first."""
        self.consumers = consumers
        """The number of consumers."""

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of the messages that are ready."""
        return [event.body for event in self.ready if event.body is not None]

    def __len__(self) -> int:
        return len(self.ready)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<queue {self.name!r}: {self.counts_text}, {self.consumers} consumers>"

    @property
    def counts_text(self) -> str:
        """The numbers of its messages, for a person."""
        held = f", {len(self.held)} held back" if self.held else ""
        return f"{len(self.ready)} ready, {len(self.unacked)} unacknowledged{held}"


def find_queue(server: "Server", name: str, vhost: str) -> "Queue":
    """Raises LookupError, which names the nearest."""
    vhosts = server.running.broker.vhosts
    place = vhosts.get(vhost)
    if place is None:
        raise LookupError(f"no virtual host {vhost!r}{_nearest(vhost, vhosts)}")
    queue = place.queues.get(name)
    if queue is None:
        where = "" if vhost == "/" else f" in virtual host {vhost!r}"
        raise LookupError(f"no queue {name!r}{where}{_nearest(name, place.queues)}")
    return queue


def look_into(server: "Server", name: str, vhost: str) -> QueueView:
    """A view of a queue as it is now."""
    server.hear_all()
    queue = find_queue(server, name, vhost)
    now_ms = server.clock.now_ms()

    def events(messages: Iterable[QueueMessage]) -> list[Event]:
        return [
            Event.of_message(each.state, now_ms, each.message, vhost=vhost, queue=name, redelivered=each.redelivered)
            for each in messages
        ]

    ready, unacked, held = (events(find(queue)) for find in (ready_messages, unacked_messages, held_messages))
    return QueueView(name, ready, unacked, held, queue.consumer_count)


def _nearest(name: str, names: object) -> str:
    known = [str(each) for each in names] if isinstance(names, dict) else []
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    if not known:
        return "; there is none"
    return f"; there are {', '.join(map(repr, known[:5]))}{' …' if len(known) > 5 else ''}"
