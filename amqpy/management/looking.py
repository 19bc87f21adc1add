"""Messages of a queue as they are shown to somebody who looks at them, or looks for some of them.

The queue notices nothing of it. It is done bit by bit: see `core.queue_contents`.
"""

from typing import Final, NamedTuple

from amqpy.core import views
from amqpy.core.checks import DEFAULT_EXCHANGE_RESOURCE
from amqpy.core.jobs import Steps
from amqpy.core.message import Message
from amqpy.core.message_filter import MessageFilter
from amqpy.core.queue_contents import LOOK_UNITS, QueueMessage, Reading, State
from amqpy.core.queues.queue import Queue
from amqpy.management.answers import bad_request
from amqpy.management.call import Call
from amqpy.management.contents import ENCODINGS, shown_payload, shown_properties
from amqpy.management.lists import Query, View
from amqpy.management.request import integer

STATES: Final[tuple[State, ...]] = ("ready", "unacked", "held")
"""The messages of a queue that can be looked at."""

ROWS_MAX: Final = 1000
"""The most messages that are shown at once."""
ROWS_BYTES: Final = 16 * 1024 * 1024
"""Octets of shown payloads and properties after which no more are shown."""
OFFSETS: Final = 1 << 63

SCANNED_MAX: Final = 20_000
SCANNED_BYTES: Final = 64 * 1024 * 1024
"""Messages, and octets of them, that one search looks at."""


class Form(NamedTuple):
    """The form in which payloads are shown."""

    encoding: str = "auto"
    truncate: int | None = None
    """Octets that are shown; None for all."""

    @classmethod
    def of(cls, encoding: object = "auto", truncate: object = None) -> "Form":
        """Raises Refusal for what cannot be."""
        check_encoding(encoding)
        return cls(str(encoding), None if truncate is None else size_of(truncate))


class Place(NamedTuple):
    """The part of a queue that somebody looks at."""

    state: State
    offset: int
    """Messages that are passed over."""
    most: int
    """The most messages that are shown."""

    @classmethod
    def of(cls, query: Query) -> "Place":
        """Raises Refusal for what cannot be."""
        count, offset = integer(query.get("count", "1")), integer(query.get("offset", "0"))
        state = query.get("state", "ready")
        if not 0 <= count <= ROWS_MAX:
            raise bad_request(f"count should be from 0 to {ROWS_MAX}")
        if not 0 <= offset < OFFSETS:
            raise bad_request("offset should not be negative, nor larger than any queue")
        if state not in STATES:
            raise bad_request(f"state should be one of {', '.join(STATES)}")
        return cls(state, offset, count)


def check_encoding(encoding: object) -> None:
    if encoding not in ENCODINGS:
        raise bad_request("Unsupported encoding. Please use auto or base64.")


def size_of(value: object) -> int:
    """A number of octets. Raises Refusal."""
    size = integer(value)
    if size < 0:
        raise bad_request("truncate should not be negative")
    return size


def filter_of(asked: object) -> MessageFilter:
    """The filter that is asked for, in JSON. Raises Refusal, AdministrationError."""
    if not isinstance(asked, dict | None):
        raise bad_request("filter should be an object")
    asked = dict(asked or {})
    if asked.get("exchange") == DEFAULT_EXCHANGE_RESOURCE:
        asked["exchange"] = ""
    return MessageFilter.of(asked)


def shown_message(message: Message, form: Form, *, redelivered: bool, left: int | None = None) -> View:
    """A message as `get` shows it; `left` are those behind it."""
    return {
        "payload_bytes": len(message.body),
        "redelivered": redelivered,
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        **({} if left is None else {"message_count": left}),
        "properties": shown_properties(message.header),
        **shown_payload(message.body, form.encoding, form.truncate),
    }


def shown_in_queue(
    message: QueueMessage, position: int, form: Form, unix_time_ms: int, left: int | None = None
) -> View:
    """The same with its position, from 1, and what is known of it there."""
    more: View = {
        "ttl": message.ttl_ms,
        "retry_in": message.due_ms,
        "age": message.age_ms(unix_time_ms),
    }
    if (holder := message.holder) is not None:
        more["channel_details"] = views.channel_details(holder.origin)
        more["consumer_tag"], more["delivery_tag"] = holder.consumer_tag, holder.delivery_tag
    return {
        **shown_message(message.message, form, redelivered=message.redelivered, left=left),
        "position": position,
        "state": message.state,
        **{name: value for name, value in more.items() if value is not None},
    }


class Looking:
    """Messages of a queue, one behind the other."""

    def __init__(self, call: Call, queue: Queue, place: Place, form: Form) -> None:
        self.rows: list[View] = []
        self._unix_time_ms = call.api.unix_time_ms
        self._queue = queue
        self._place = place
        self._form = form
        self._size = 0
        self._units = LOOK_UNITS
        """The cost of looking at one, in the units of `core.jobs`."""

    def steps(self) -> Steps:
        """All of it: a job."""
        if not self._place.most:
            return iter(())
        reading = Reading(self._queue, self._place.state, self._take, offset=self._place.offset, units=self._units)
        return reading.steps()

    def _take(self, message: QueueMessage) -> bool:
        """Shows a message. False if no more may be shown."""
        return self._show(message, self._place.offset + len(self.rows) + 1)

    def _show(self, message: QueueMessage, position: int) -> bool:
        counts = {"ready": self._queue.ready_count, "unacked": self._queue.unacked_count}
        left = max(counts.get(self._place.state, self._queue.held_count) - position, 0)
        shown = shown_in_queue(message, position, self._form, self._unix_time_ms(), left)
        self.rows.append(shown)
        self._size += len(shown["payload"]) + len(message.message.header)
        return self._size < ROWS_BYTES and len(self.rows) < self._place.most


class Searching(Looking):
    """Those of them that a filter lets pass."""

    def __init__(self, call: Call, queue: Queue, place: Place, form: Form, wanted: MessageFilter) -> None:
        super().__init__(call, queue, place, form)
        self._wanted = wanted
        self._units = wanted.units
        self._scanned = 0
        self._scanned_bytes = 0
        self._has_ended = place.most > 0
        """True if there is nothing more to be looked at."""

    def _take(self, message: QueueMessage) -> bool:
        self._scanned += 1
        self._scanned_bytes += len(message.body) + len(message.message.header)
        goes_on = self._scanned < SCANNED_MAX and self._scanned_bytes < SCANNED_BYTES
        if self._wanted.matches(message.message):
            goes_on = self._show(message, self._place.offset + self._scanned) and goes_on
        self._has_ended = goes_on
        return goes_on

    @property
    def result(self) -> View:
        next_offset = None if self._has_ended else self._place.offset + self._scanned
        return {"items": self.rows, "scanned": self._scanned, "next_offset": next_offset}
