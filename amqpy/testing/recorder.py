"""The watcher of all messages of a test broker: it records them, and lets faults happen to them."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from amqpy.amqp.content import PUBLISH_METHOD
from amqpy.core.consumer import Delivery, DeliveryQueue
from amqpy.core.consumer_timeout import RETURNED
from amqpy.core.events.events import EventProperties
from amqpy.core.message import Message, Target
from amqpy.core.ports import NOBODY, Origin
from amqpy.core.queues.queue import Queue
from amqpy.core.scheduler import Scheduler
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AmqpFault
from amqpy.testing.confirms import WatchedConfirms
from amqpy.testing.events import NOWHERE, Event, EventLog, Place, traced
from amqpy.testing.faults import Fault, Faults, fault_of

if TYPE_CHECKING:
    from amqpy.testing.ports import WatchedConnection, WatchedPublisher

NO_ROUTE: Final = 312


class Timer:
    """Does something once, by the broker's clock. `name` says what, for a person."""

    def __init__(self, act: Callable[[], object], name: str) -> None:
        self._act: Callable[[], object] | None = act
        self.name = name

    def on_timer(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class Nowhere:
    """A target that takes no message, or loses it."""

    deleted = False
    name = ""
    counts = None
    refusal_fails_commit = False
    is_reply_queue = False

    def __init__(self, *, refuses: bool) -> None:
        self.refuses = refuses

    def publish(self, message: Message) -> bool:
        return self.refuses

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        return range(len(messages)) if self.refuses else ()


LOST, REFUSED = Nowhere(refuses=False), Nowhere(refuses=True)


class Recorder:
    """Records what happens in one broker, over all its starts. `cut` ends a connection."""

    def __init__(self, faults: Faults, cut: "Callable[[WatchedConnection, bool], object]") -> None:
        self.log = EventLog()
        self.faults = faults
        self.cut = cut
        self.scheduler: Scheduler
        self.sessions: dict[str, WatchedConnection] = {}
        """The connections by their pids."""
        self.channels: dict[str, WatchedPublisher] = {}
        """The open channels by their pids."""
        self.channel_faults: dict[str, AmqpFault] = {}
        """The reasons why we close channels, by their pids, until that is told."""
        self._recorded_refusal: AmqpFault | None = None
        self._places: dict[str, Place] = {}
        """The places of channels, by their pids."""
        self._delivered: dict[tuple[DeliveryQueue, int], tuple[Event, Origin]] = {}
        """The deliveries that are unanswered and their channels, by the queues and positions of their messages."""
        self.uncommitted: dict[str, dict[int, tuple[Message, Event, list[Fault]]]] = {}
        """The messages of open transactions, by the pids of their channels and the ids of their objects."""

    def begin(self, scheduler: Scheduler) -> None:
        """Forgets what is gone with an earlier start of the broker."""
        self.scheduler = scheduler
        self.sessions.clear()
        self.channels.clear()
        self.channel_faults.clear()
        self._places.clear()
        self._delivered.clear()
        self.uncommitted.clear()

    def end(self) -> None:
        """Lets go of all that is gone with the broker's end."""
        self.begin(Scheduler())

    def session_of(self, origin: Origin) -> "WatchedConnection | None":
        channel = self.channels.get(origin.pid)
        return None if channel is None else channel.connection

    def place_of(self, origin: Origin) -> Place:
        place = self._places.get(origin.pid)
        if place is not None:
            return place
        return NOWHERE if origin is NOBODY else (origin.connection, origin.number)

    def now_ms(self) -> int:
        """The broker's time, as of this turn."""
        return self.scheduler.now_ms

    # --- publishing

    def published(
        self, vhost: str, message: Message, targets: tuple[Target, ...], origin: Origin, *, in_transaction: bool
    ) -> tuple[Target, ...]:
        channel = self.channels.get(origin.pid)
        message.body = traced(message.body)
        event = Event.of_message("published", self.scheduler.now_ms, message, self.place_of(origin))
        event.vhost, event.queues = vhost, names_of(targets)
        has_confirms = channel is not None and channel.confirms is not None
        firing = self.faults.firing("published", event, confirms=has_confirms)
        for fault in firing:
            if fault.kind == "refuse_publish":
                event.kind = "refused"
                refusal = fault_of(fault.settings["code"], fault.settings["text"])
                event.reply_code, event.reply_text = refusal.code, refusal.reply_text
                self.log.add(event)
                self._recorded_refusal = refusal
                refusal.method_id = PUBLISH_METHOD
                raise refusal
            if fault.kind == "drop_publish":
                targets = (LOST,)
            elif fault.kind == "deny_confirm":
                targets = (*targets, REFUSED) if fault.settings["stored"] else (REFUSED,)
        if in_transaction:
            self.uncommitted.setdefault(origin.pid, {})[id(message)] = message, event, firing
            return targets
        if channel is not None and isinstance(channel.confirms, WatchedConfirms):
            self._expect_confirm(channel.confirms, event, firing)
        self._add_published(event, firing, channel)
        return targets

    def _add_published(self, event: Event, firing: list[Fault], channel: "WatchedPublisher | None") -> None:
        self.log.add(event)
        for fault in firing:
            if fault.kind == "cut_connection" and channel is not None:
                self.cut(channel.connection, fault.settings["reset"])

    def _expect_confirm(self, confirms: WatchedConfirms, event: Event, firing: list[Fault]) -> None:
        holding = [fault for fault in firing if fault.kind in {"withhold_confirm", "delay_confirm"}]
        tag = confirms.expect(event, held=bool(holding))
        for fault in holding:
            if fault.kind == "withhold_confirm":
                fault.on_remove.append(lambda: confirms.release(tag))
            else:
                self.later(fault, lambda: confirms.release(tag), f"the confirm of message {tag}, delayed")

    def committed(self, message: Message, targets: Sequence[Target], origin: Origin) -> None:
        found = self.uncommitted.get(origin.pid, {}).pop(id(message), None)
        if found is not None:
            _, event, firing = found
            event.at_ms, event.queues = self.now_ms(), names_of(targets)
            self._add_published(event, firing, self.channels.get(origin.pid))

    def roll_back(self, origin: Origin) -> None:
        """Forgets what a channel has published in a transaction that was not committed."""
        self.uncommitted.pop(origin.pid, None)

    def refused(self, vhost: str, message: Message, by: Collection[Target], origin: Origin) -> None:
        for target in by:
            if target is not REFUSED:
                self._add("refused", message, self.place_of(origin), vhost=vhost, queue=target.name, reason="maxlen")

    def note_refusal(self, origin: Origin, vhost: str, fault: AmqpFault) -> None:
        """Records a publish that closes its channel."""
        if fault is self._recorded_refusal:
            return  # a fault of the test's own, with the message
        told = {"reply_code": fault.code, "reply_text": fault.reply_text}
        self.log.add(Event("refused", self.now_ms(), self.place_of(origin), vhost=vhost, **told))

    def returned(self, vhost: str, message: Message, origin: Origin) -> None:
        told = {"reply_code": NO_ROUTE, "reply_text": "NO_ROUTE"}
        self._add("returned", message, self.place_of(origin), vhost=vhost, **told)

    def confirmed(self, event: Event, tag: int, *, nack: bool) -> None:
        self.log.add(event.again("confirmed", self.now_ms(), delivery_tag=tag, nacked=nack))

    # --- deliveries

    def delivery_of(
        self, vhost: str, queue: str, message: Message, unacked: UnackedDeliveries, tag: int, *, redelivered: bool
    ) -> Event:
        """The event of a delivery."""
        event = Event.of_message("delivered", self.scheduler.now_ms, message, self.place_of(unacked.origin))
        event.vhost, event.queue, event.delivery_tag, event.redelivered = vhost, queue, tag, redelivered
        return event

    def delivered(self, event: Event, delivery: Delivery | None, origin: Origin) -> None:
        """Records a delivery that leaves; without an entry of its own it need not be acknowledged."""
        self.log.add(event)
        if delivery is not None:
            self._delivered[delivery[0], delivery[1]] = event, origin

    def answered(self, kind: str, portion: Sequence[Delivery], **fields: Any) -> None:  # noqa: ANN401
        """Records that deliveries were acknowledged, rejected or requeued, and cuts whom a fault is waiting for."""
        for delivery in portion:
            queue, position, message, consumer = delivery
            if delivery is RETURNED:
                continue
            delivered = self._delivered.pop((queue, position), None)
            if delivered is not None:
                event, origin = delivered
                answer = event.again(kind, self.now_ms(), **fields)
            else:  # a fault has dropped it
                origin = NOBODY if consumer is None else consumer.unacked.origin
                vhost = queue.vhost.name if isinstance(queue, Queue) else None
                about = {"vhost": vhost, "queue": queue.name, **fields}
                answer = Event.of_message(kind, self.now_ms(), message, self.place_of(origin), **about)
            self.log.add(answer)
            if kind == "acked":
                self._after_ack(answer, origin)

    def _after_ack(self, event: Event, origin: Origin) -> None:
        firing = self.faults.firing("acked", event)
        session = self.session_of(origin)
        if firing and session is not None:
            self.cut(session, firing[0].settings["reset"])

    def dead_lettered(self, vhost: str, queue: str, message: Message, reason: str, targets: Sequence[Target]) -> None:
        kind = "dead_lettered" if targets else "discarded"
        self._add(kind, message, vhost=vhost, queue=queue, queues=names_of(targets), reason=reason)

    def discarded(self, queue: DeliveryQueue, message: Message, reason: str) -> None:
        vhost = queue.vhost.name if isinstance(queue, Queue) else None
        self._add("discarded", message, vhost=vhost, queue=queue.name, reason=reason)

    def _add(self, kind: str, message: Message, place: Place = NOWHERE, **fields: Any) -> None:  # noqa: ANN401
        self.log.add(Event.of_message(kind, self.now_ms(), message, place, **fields))

    # --- others

    def later(self, fault: Fault, act: Callable[[], object], name: str) -> None:
        """Does something by the broker's clock when the fault's seconds are over, or when it is removed."""
        timer = Timer(act, name)
        self.scheduler.deadlines.set(timer, self.scheduler.now_ms + round(fault.settings["seconds"] * 1000))
        fault.on_remove.append(timer.on_timer)

    def on_event(self, name: str, properties: EventProperties) -> None:
        """Records an event with RabbitMQ's name (`core.events`)."""
        kind, _, what = name.partition(".")
        told = cast("dict[str, Any]", dict(properties))
        pid = str(told.get("pid", ""))
        fields: dict[str, Any] = {"name": told.get("name"), "vhost": told.get("vhost")}
        if kind in {"queue", "exchange", "vhost"}:
            fields[kind] = told.get("name")
        elif kind == "binding":
            fields |= {"exchange": told.get("source_name"), "routing_key": told.get("routing_key")}
            fields["queue"] = told.get("destination_name") if told.get("destination_kind") == "queue" else None
        elif kind == "consumer":
            fields |= {"queue": told.get("queue"), "name": told.get("consumer_tag")}
            fields |= self._fields_of_channel(str(told.get("channel")), {}, is_over=False)
        elif kind == "channel":
            fields |= self._fields_of_channel(pid, told, is_over=what == "closed")
        elif kind == "connection":
            fields |= self._fields_of_connection(pid, told)
        elif kind == "alarm":
            fields["name"] = told.get("source")
        self.log.add(Event(name, self.now_ms(), **{key: value for key, value in fields.items() if value is not None}))

    def _fields_of_channel(self, pid: str, told: dict[str, Any], *, is_over: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {"channel": told.get("number")}
        place = self._places.get(pid)
        channel = self.channels.get(pid)
        if channel is not None:
            fields["vhost"] = channel.vhost.name
            place = self._places[pid] = channel.connection.name, channel.number
        if place is not None:
            fields["connection"], fields["channel"] = place
        if is_over:
            self._places.pop(pid, None)
            if (fault := self.channel_faults.pop(pid, None)) is not None:
                fields |= {"reply_code": fault.code, "reply_text": fault.reply_text}
        return fields

    def _fields_of_connection(self, pid: str, told: dict[str, Any]) -> dict[str, Any]:
        session = self.sessions.get(pid)
        fields: dict[str, Any] = {"connection": told.get("user_provided_name") or told.get("name")}
        if session is not None and session.fault is not None:
            fields |= {"reply_code": session.fault.code, "reply_text": session.fault.reply_text}
        return fields


def names_of(targets: Collection[Target]) -> list[str] | None:
    """The names of queues. None if it goes elsewhere: an exchange keeps it for a while."""
    names = [target.name for target in targets if target.name]
    return names if names or not targets else None
