"""Snapshots: all that is in a test broker, with its messages, to begin from again.

The definitions are RabbitMQ's. Messages that were unacknowledged come back as redelivered; of a TTL and of a delay
before a retry the rest is left, and of quorum queues' messages the counts. What is exclusive, or waits in an exchange,
is left out.
"""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amqpy.core.definitions import exported
from amqpy.core.message import AnnotatedMessage, Message, PersistentMessage, address_of, after_return
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.vhost import Vhost

if TYPE_CHECKING:
    from amqpy.testing.server import Server

FORM = 1
"""The version of the form in which a snapshot is saved."""


class Snapshot:
    """A snapshot: `definitions`, and `messages` by virtual host and queue."""

    def __init__(self, definitions: dict[str, Any], messages: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
        self.definitions = definitions
        self.messages = messages

    def save(self, path: str | Path) -> None:
        """Writes it to a file, as JSON."""
        Path(path).write_text(json.dumps(self.content, indent=1), encoding="utf-8")

    @property
    def content(self) -> dict[str, Any]:
        """The JSON that is saved."""
        return {"amqpy_snapshot": FORM, "definitions": self.definitions, "messages": self.messages}

    @classmethod
    def load(cls, path: str | Path) -> "Snapshot":
        """Reads one that was saved. Raises OSError or ValueError."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls.of(content)

    @classmethod
    def of(cls, content: Any) -> "Snapshot":  # noqa: ANN401 (any JSON)
        """Raises ValueError if it is no snapshot."""
        if not isinstance(content, dict) or content.get("amqpy_snapshot") != FORM:
            raise ValueError("no snapshot of a test broker")
        return cls(content["definitions"], content["messages"])

    def __repr__(self) -> str:
        count = sum(len(messages) for queues in self.messages.values() for messages in queues.values())
        return f"<snapshot with {len(self.definitions['queues'])} queues, {count} messages>"


def taken_from(server: "Server") -> Snapshot:
    """Takes a snapshot of a broker that runs."""
    server.hear_all()
    life = server.running
    messages: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for vhost in life.broker.vhosts.values():
        for queue in vhost.queues.values():
            if queue.owner is None:
                rows = _rows_of(vhost, queue, server.clock.now_ms())
                if rows:
                    messages.setdefault(vhost.name, {})[queue.name] = rows
    return Snapshot(exported(life.broker, life.users), messages)


def _rows_of(vhost: Vhost, queue: Queue, now_ms: int) -> list[dict[str, Any]]:
    """The messages of a queue, in their order; those that are unacknowledged as if their channels had ended."""
    if not isinstance(queue, FifoQueue):
        return [_row(each.message, now_ms, redelivered=False) for each in queue.peek(queue.ready_count)]
    ready = [
        _row(message, now_ms, redelivered=returned_before)
        for _, message, returned_before in queue.ready.ahead(queue.ready_count)
        if message.expires_at_ms is None or message.expires_at_ms > now_ms
    ]
    unacked = _unacked_in(vhost, queue)
    if not isinstance(queue, QuorumQueue):
        return [_row(message, now_ms, redelivered=True) for message in unacked] + ready
    returned = [after_return(message, failed=True, waits_first=True) for message in unacked]
    held = [
        {**_row(message, now_ms, redelivered=True), "due_in_ms": max(0, due_at_ms - now_ms)}
        for due_at_ms, message in queue.held_messages()
    ]
    return ready + [_row(message, now_ms, redelivered=True) for message in returned] + held


def _unacked_in(vhost: Vhost, queue: Queue) -> list[Message]:
    """The messages as they are kept, in the order in which they would stand in the queue."""
    deliveries = (delivery for channel in vhost.channels for delivery in channel.deliveries())
    found = [(-queue.level_of(each[2]), each[1], each[2]) for each in deliveries if each[0] is queue]
    return [message for _, _, message in sorted(found, key=lambda entry: entry[:2])]


def restore_into(server: "Server", snapshot: Snapshot) -> None:
    """Puts what is in a snapshot into a broker in which nothing is."""
    server.load_definitions(snapshot.definitions)
    vhosts = server.running.broker.vhosts

    def restore() -> None:
        now_ms = server.running.broker.scheduler.now_ms
        for vhost, queues in snapshot.messages.items():
            for name, rows in queues.items():
                queue = vhosts[vhost].queues[name]
                if isinstance(queue, QuorumQueue):
                    _fill_quorum(queue, rows, now_ms)
                else:
                    _fill(queue, rows, now_ms)

    server.administer(restore)


def _fill_quorum(queue: QuorumQueue, rows: list[dict[str, Any]], now_ms: int) -> None:
    """Puts messages into a queue whose messages themselves tell what became of them."""
    for row in rows:
        due_at_ms = now_ms + row["due_in_ms"] if "due_in_ms" in row else None
        queue.put_in_place(_message(row, now_ms), due_at_ms=due_at_ms)


def _fill(queue: Queue, rows: list[dict[str, Any]], now_ms: int) -> None:
    """Publishes messages to a queue: first those that were delivered before, which are returned to it."""
    returned = [row for row in rows if row.get("redelivered")]
    _publish(queue, returned, now_ms)
    for taken in [queue.take(no_ack=False) for _ in returned]:
        if taken is not None:
            position, message, _ = taken
            queue.delivered_count += 1
            queue.requeue(position, message, "down")
    queue.requeued()
    _publish(queue, [row for row in rows if not row.get("redelivered")], now_ms)


def _publish(queue: Queue, rows: list[dict[str, Any]], now_ms: int) -> None:
    for row in rows:
        queue.counts.of_broker += 1
        queue.publish(_message(row, now_ms))


def _row(message: Message, now_ms: int, *, redelivered: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "properties": b64encode(message.header).decode(),
        "body": b64encode(message.body).decode(),
    }
    more = {
        "redelivered": redelivered,
        "persistent": message.persistent,
        "is_dead_letter": message.is_dead_letter,
        "more_keys": list(message.more_keys),
        "delivery_count": message.delivery_count,
        "acquired_count": message.acquired_count,
        "waits_first": message.waits_first,
    }
    row |= {name: value for name, value in more.items() if value}
    if message.expires_at_ms is not None:
        row["expires_in_ms"] = max(0, message.expires_at_ms - now_ms)
    return row


def _message(row: dict[str, Any], now_ms: int) -> Message:
    address = address_of(row["exchange"], row["routing_key"])
    header, body = b64decode(row["properties"]), b64decode(row["body"])
    expires_at_ms = now_ms + row["expires_in_ms"] if "expires_in_ms" in row else None
    notes = ("is_dead_letter", "more_keys", "delivery_count", "acquired_count", "waits_first")
    if any(name in row for name in notes):
        return AnnotatedMessage(
            address,
            header,
            body,
            expires_at_ms,
            persistent=row.get("persistent", False),
            more_keys=tuple(row.get("more_keys", ())),
            is_dead_letter=row.get("is_dead_letter", False),
            delivery_count=row.get("delivery_count", 0),
            acquired_count=row.get("acquired_count", 0),
            waits_first=row.get("waits_first", False),
        )
    kind = PersistentMessage if row.get("persistent") else Message
    return kind(address, header, body, expires_at_ms)
