"""The things that a test broker waits for: those that keep a connection from being settled, and those that are due."""

from collections.abc import Iterable

from amqpy.core.consumer_timeout import ConsumerTimeouts
from amqpy.core.exchanges.delayed import WaitingRoom
from amqpy.core.queues.delayed_retry import DelayedRetry
from amqpy.core.queues.expiry import QueueExpiry
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.testing.recorder import Timer
from amqpy.testing.sessions import WatchedSession


def has_unsent(session: WatchedSession) -> bool:
    """True if bytes wait for a peer that could read them."""
    transport = session.transport
    return session.outbox.size > 0 and not (transport.is_frozen or transport.is_slow or session.is_cut)


def reasons_of(session: WatchedSession) -> Iterable[str]:
    """The reasons why a connection is not settled."""
    if session.outbox.size:
        yield f"{session.name}: {session.outbox.size} bytes wait to be read by it"
    if session.reader.is_amid_frame:
        yield f"{session.name}: has sent a part of a frame"
    for channel in session.channels.values():
        if channel.is_amid_content:
            yield f"{session.name}, channel {channel.number}: has sent a part of a message"
        held: dict[str, int] = {}
        for queue, _, _, consumer in channel.deliveries():
            if consumer is not None:
                key = f"consumer {consumer.tag!r} of queue {queue.name!r}"
                held[key] = held.get(key, 0) + 1
        for who, number in held.items():
            deliveries = "a delivery" if number == 1 else f"{number} deliveries"
            yield f"{session.name}, channel {channel.number}: {who} has not answered {deliveries}"


def due_text(target: object) -> str:
    """The thing that is due when this timer is, for a person."""
    match target:
        case FifoQueue():
            return f"message TTL in queue {target.name!r}"
        case QueueExpiry():
            return f"expiry of queue {target.name!r}"
        case DelayedRetry():
            return f"a delayed retry in queue {target.name!r}"
        case WaitingRoom():
            return f"a delayed message of exchange {target.name!r}"
        case ConsumerTimeouts():
            return "a look at consumer timeouts"
        case Timer():
            return target.name
    return "the broker's own messages"
