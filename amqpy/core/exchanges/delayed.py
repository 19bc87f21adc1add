"""x-delayed-message: messages with a header `x-delay` wait that many milliseconds before they are routed.

The exchange works as one of the type that its argument `x-delayed-type` names. A delayed message is routed to the
exchange's own waiting room: for the publisher it is routed, so it is not returned, although it may find no queue
later. (The plugin counts it as unroutable.) In a durable exchange it survives a restart, transient or not, as it
does in the plugin. When the delay is over, it is routed as if it were published to the exchange now, with the
header's value negated, so that no other such exchange delays it again.

Source: rabbitmq-delayed-message-exchange, `rabbit_exchange_type_delayed_message` and `rabbit_delayed_message`.
"""

import math
import re
from collections.abc import Collection, Iterable

from amqpy.core.durability.records import LaneRecord
from amqpy.core.exchanges.exchange import EXCHANGE_TYPES, Binding, Exchange, exchange_type
from amqpy.core.message import DeferredMessage, Keys, Message, MessageView, Target
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.properties import header_entries, headers_property, join_properties, split_properties
from amqpy.wire.values import INTEGER_KINDS, Field, Table, as_text, entries_of, replace_entries

DELAY = "x-delay"
DELAY_MAX_MS = 2**32 - 1
DELAYED_TYPE = "x-delayed-type"
RELEASED_AT_ONCE = 1000
"""Messages that are routed in one turn. When more are due, the others follow in the next turns, a millisecond
apart, so that clients are served between them."""

# More digits than a delay can have, and fewer than Python refuses to read.
INTEGER = re.compile(r"[+-]?[0-9]{1,99}")


class DelayedExchange(Exchange):
    type = "x-delayed-message"
    per_message = True

    def prepare(self) -> None:
        inner_type = _inner_type(self.arguments)
        assert inner_type is not None
        self._inner = EXCHANGE_TYPES[inner_type](self.vhost, self.name, durable=self.durable, arguments=self.arguments)
        self._inner.bindings = self.bindings
        self.is_random = self._inner.is_random
        self.waiting = WaitingRoom(self)

    @classmethod
    def check_arguments(cls, arguments: Table, profile: Profile) -> None:
        inner_type = _inner_type(arguments)
        if inner_type is None:
            raise PreconditionFailed(f"Invalid argument, '{DELAYED_TYPE}' must be an existing exchange type")
        if inner_type == cls.type:
            raise PreconditionFailed(f"Invalid argument, '{cls.type}' can't be used for '{DELAYED_TYPE}'")
        exchange_type(inner_type, profile).check_arguments(arguments, profile)

    def check_binding(self, binding: Binding) -> None:
        self._inner.check_binding(binding)

    def add(self, binding: Binding) -> None:
        self._inner.add(binding)

    def remove(self, binding: Binding) -> None:
        self._inner.remove(binding)

    def match(self, keys: Keys, view: MessageView) -> Iterable["Exchange | Target"]:
        delay_ms = self.delay_ms(view)
        return [Admission(self.waiting, delay_ms)] if delay_ms else self._inner.match(keys, view)

    def delay_ms(self, view: MessageView) -> int:
        delay_ms = delay_of(view.headers)
        return delay_ms if 0 < delay_ms <= DELAY_MAX_MS else 0

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        return self._inner.matching(keys, view)

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        return self._inner.explain(binding, keys, view, matched=matched)

    def remark(self, keys: Keys, view: MessageView) -> str:
        works = f"routes as one of type {self._inner.type}"
        field, said = view.headers.get(DELAY), self._inner.remark(keys, view)
        if field is not None and not -DELAY_MAX_MS <= delay_of(view.headers) < 0:
            works += f"; {DELAY} is no number of milliseconds from 1 to {DELAY_MAX_MS}, and so no delay"
        return f"{works}; {said}" if said else works

    def nearness(self, binding: Binding, keys: Keys, view: MessageView) -> float:
        return self._inner.nearness(binding, keys, view)

    def message_count(self) -> int:
        return len(self.waiting) + self._inner.message_count()

    def discard(self) -> None:
        self.waiting.close()
        self._inner.discard()


class Admission:
    """The route of one delayed message into the waiting room."""

    __slots__ = ("_delay_ms", "_room")

    name = ""
    is_reply_queue = False
    counts = None

    def __init__(self, room: "WaitingRoom", delay_ms: int) -> None:
        self._room = room
        self._delay_ms = delay_ms

    @property
    def refusal_fails_commit(self) -> bool:
        return False

    @property
    def deleted(self) -> bool:
        return self._room.closed

    def publish(self, message: Message) -> bool:
        self._room.take(message, self._delay_ms)
        return False

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        for message in messages:
            self.publish(message)
        return ()


class WaitingRoom:
    """The delayed messages of an exchange, by due time, then in the order of publishing (`TimerTarget`)."""

    def __init__(self, exchange: DelayedExchange) -> None:
        self._exchange = exchange
        self._scheduler = exchange.vhost.scheduler
        journal = self._scheduler.journal if exchange.durable else None
        self.messages = DelayedMessages(journal, LaneRecord(0, exchange.vhost.name, "exchange", exchange.name, 0, 0))
        self._watched_at_ms: int | None = None
        self.closed = False

    @property
    def name(self) -> str:
        """The name of its exchange."""
        return self._exchange.name

    def __len__(self) -> int:
        return len(self.messages)

    def take(self, message: Message, delay_ms: int) -> None:
        """Keeps a message for the delay. Its TTL begins when it leaves."""
        now_ms = self._scheduler.now_ms
        kept = DeferredMessage.since(now_ms, delayed(message, delay_ms))
        self.messages.put(now_ms + delay_ms, kept.again(now_ms + delay_ms))
        self._watch()

    def restore(self, number: int, entries: Iterable[tuple[int, Message, int]]) -> None:
        """Restores the delayed messages that the store has."""
        self.messages.restore(number, entries)
        self._watch()

    def on_timer(self) -> None:
        now_ms = self._scheduler.now_ms
        messages, vhost = self.messages, self._exchange.vhost
        self._watched_at_ms = None
        for _ in range(RELEASED_AT_ONCE):
            due_at_ms = messages.first_at_ms
            if due_at_ms is None or due_at_ms > now_ms:
                break
            message = DeferredMessage.since(due_at_ms, messages.pop()).again(now_ms)
            vhost.publish(self._exchange, message)
        self._watch(after_ms=now_ms)

    def close(self) -> None:
        """Drops all delayed messages: the exchange is deleted."""
        self.closed = True
        self._scheduler.deadlines.discard(self)
        self.messages.close()
        self._scheduler.discarded.append(self.messages.clear())

    def _watch(self, after_ms: int = 0) -> None:
        """Sets the timer for the first message, if it changed."""
        first_at_ms = self.messages.first_at_ms
        if first_at_ms is not None and first_at_ms != self._watched_at_ms:
            self._watched_at_ms = first_at_ms
            self._scheduler.deadlines.set(self, max(first_at_ms, after_ms + 1))


def delay_of(headers: Table) -> int:
    """The delay in milliseconds that `x-delay` asks for, whatever its type; 0 if it is no number."""
    match headers.get(DELAY):
        case Field(kind, int(value)) if kind in INTEGER_KINDS:
            return value
        case Field("float" | "double", float(value)) if math.isfinite(value):
            return int(value)
        case Field("decimal", (scale, digits)):
            return int(digits // 10**scale)
        case Field("longstr" | "binary", value) if INTEGER.fullmatch(as_text(value)):
            return int(value)
    return 0


def delayed(message: Message, delay_ms: int) -> Message:
    """The message when its delay is over: the header says so."""
    properties = split_properties(message.header)
    headers = header_entries(properties)
    replace_entries(headers, entries_of({DELAY: Field("long", -delay_ms)}))
    properties["headers"] = headers_property(b"".join(entry for _, entry in headers))
    return message.with_header(join_properties(message.header, properties))


def _inner_type(arguments: Table) -> str | None:
    """The exchange type named by `x-delayed-type`; None if it names none."""
    match arguments.get(DELAYED_TYPE):
        case Field("longstr" | "binary", value):
            return as_text(value)
    return None
