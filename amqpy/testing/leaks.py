"""Leaks: what a test has left behind in its broker."""

from typing import TYPE_CHECKING, Final

from amqpy.core.arguments import STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from amqpy.testing.server import Server

USUAL: Final = ("connections", "unacked", "unconfirmed", "transactions")
"""The kinds that are looked for unless told otherwise."""


def leaks_in(server: "Server", kinds: tuple[str, ...]) -> list[str]:
    """A line for each leak of these kinds. Raises ValueError for an unknown one."""
    for kind in kinds:
        if kind not in FINDERS:
            raise ValueError(f"no kind of leaks {kind!r}: there are {', '.join(FINDERS)}")
    server.hear_all()
    if server.life is None:
        return []
    return [line for kind in kinds for line in FINDERS[kind](server)]


def _connections(server: "Server") -> list[str]:
    return [
        f"connection {session.name!r} of user {session.user_name!r} is open, "
        f"with {_count(len(session.channels), 'channel')}"
        for session in server.sessions()
        if session.vhost is not None
    ]


def _unacked(server: "Server") -> list[str]:
    lines = []
    for session in server.sessions():
        for channel in session.channels.values():
            held: dict[tuple[str, str], int] = {}
            for queue, _, _, consumer in channel.deliveries():
                if queue.name:
                    who = "basic.get" if consumer is None else f"consumer {consumer.tag!r}"
                    held[queue.name, who] = held.get((queue.name, who), 0) + 1
            lines += [
                f"{_count(number, 'message')} of queue {queue!r} unacknowledged by {who}, "
                f"channel {channel.number} of connection {session.name!r}"
                for (queue, who), number in held.items()
            ]
    return lines


def _unconfirmed(server: "Server") -> list[str]:
    return [
        f"{_count(channel.unconfirmed_count, 'message')} published on channel {channel.number} of connection "
        f"{session.name!r} and not confirmed"
        for session in server.sessions()
        for channel in session.watched_channels()
        if channel.unconfirmed_count
    ]


def _transactions(server: "Server") -> list[str]:
    lines = []
    for session in server.sessions():
        for channel in session.channels.values():
            transaction = channel.transaction
            if transaction is not None and (transaction.uncommitted_publishes or transaction.uncommitted_answers):
                lines.append(
                    f"a transaction on channel {channel.number} of connection {session.name!r} is not committed: "
                    f"{_count(transaction.uncommitted_publishes, 'message')} published, "
                    f"{transaction.uncommitted_answers} answered"
                )
    return lines


def _unroutable(server: "Server") -> list[str]:
    return [
        f"published to {event.exchange!r} with key {event.routing_key!r} by {event.connection}: no queue took it"
        for event in server.recorder.log
        if event.kind == "published" and event.queues == []
    ]


def _ready(server: "Server") -> list[str]:
    return [
        f"{_count(queue.ready_count, 'message')} ready in queue {queue.name!r} of virtual host {vhost.name!r}"
        for vhost in server.running.broker.vhosts.values()
        for queue in vhost.queues.values()
        if queue.ready_count and queue.type != STREAM  # where they are to stay
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


FINDERS: "Final[dict[str, Callable[[Server], list[str]]]]" = {
    "connections": _connections,
    "unacked": _unacked,
    "unconfirmed": _unconfirmed,
    "transactions": _transactions,
    "unroutable": _unroutable,
    "ready": _ready,
}
