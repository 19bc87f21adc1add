"""Explanations: where a message published so would go, and why. Nothing is published, and nothing changes.

The way is that of `Router`: exchange-to-exchange bindings and alternates are followed, each exchange once. It asks the
exchanges what matches by the very code that routes (`Exchange.matching`). What a delayed exchange does later is told,
too; where chance decides, all that it may choose. Permissions are not considered.

A virtual host may have very many bindings and names. So it is a job: `explain` does it in one go, the management API
bit by bit.

Source: `rabbit_exchange:route`, `rabbit_dead_letter`.
"""

from collections.abc import Generator, Iterator, Mapping
from functools import partial
from heapq import nlargest
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, TypeVar

from amqpy.core import views
from amqpy.core.administration import tables
from amqpy.core.argument_validators import check_expiration
from amqpy.core.broker import Broker
from amqpy.core.checks import find_open_exchange
from amqpy.core.dead_letter import letter_of
from amqpy.core.exchanges import Binding, Destination, Exchange
from amqpy.core.exchanges.delayed import delayed
from amqpy.core.explaining import sayings
from amqpy.core.explaining.explanation import Explanation
from amqpy.core.explaining.results import (
    AlternateTold,
    BindingTold,
    DeadLettersTold,
    ExchangeTold,
    QueueTold,
    Refusal,
    Saying,
)
from amqpy.core.jobs import LOT, Steps
from amqpy.core.message import AnnotatedMessage, Keys, Message, MessageView, Target, address_of
from amqpy.core.nearness import nearest
from amqpy.core.queues.queue import Queue
from amqpy.core.sender_selected import take_copies
from amqpy.errors import AmqpFault, NotAllowed, NotFound
from amqpy.wire.properties import content_header, decode_properties, headers_property
from amqpy.wire.values import Field, Table, encode_table

T = TypeVar("T")
Job: TypeAlias = Generator[int, None, T]
"""A job with a result."""

MISSES_MAX: Final = 10
"""The most bindings of an exchange that are told although they do not match."""

DEPTH_MAX: Final = 4
"""Queues one behind the other whose dead letters are followed."""

QUEUES_MAX: Final = 100
"""Queues whose dead letters are followed."""

BODY: Final = b"\0"
"""Stands for the body, whose size nobody tells: as small as one can be that takes up room."""


def explain(
    broker: Broker,
    vhost: str,
    exchange: str,
    routing_key: str,
    headers: Mapping[str, object] | None = None,
    properties: Mapping[str, bytes] | None = None,
) -> Explanation:
    """Explains where a message published so would go. `headers` are fields of AMQP, or what JSON has; `properties` the
    octets of others (`wire.properties.content_header`). Raises AdministrationError for headers that AMQP cannot
    have."""
    explaining = Explaining(broker, vhost, exchange, routing_key, table_of(headers or {}), properties)
    for _ in explaining.steps():
        pass
    return explaining.result


def table_of(headers: Mapping[str, object]) -> Table:
    """A table of AMQP. Raises AdministrationError."""
    fields = {name: value for name, value in headers.items() if isinstance(value, Field)}
    nothing = {name: Field("void", None) for name, value in headers.items() if value is None}
    others = {name: value for name, value in headers.items() if name not in fields and name not in nothing}
    found = {**fields, **nothing, **tables.table_of(others)}
    return {name: found[name] for name in headers}


class Reached(NamedTuple):
    """The ends of a way, each with the time after which the message is there."""

    after_ms: dict[Target, int]
    is_unroutable: bool
    by_chance: bool


class Explaining:
    """The work of one explanation. Once its `steps` are done it has a `result`."""

    def __init__(
        self,
        broker: Broker,
        vhost: str,
        exchange: str,
        routing_key: str,
        headers: Table,
        properties: Mapping[str, bytes] | None = None,
    ) -> None:
        self.result: Explanation
        self._broker = broker
        self._vhost_name = vhost
        self._exchange_name = exchange
        self._routing_key = routing_key
        self._parts = dict(properties or {})
        if headers:
            self._parts["headers"] = headers_property(encode_table(headers))
        self._told: list[ExchangeTold] = []
        self._followed = 0
        """Queues whose dead letters were followed."""

    def steps(self) -> Steps:
        """All of it: a job."""
        vhost = self._broker.vhosts.get(self._vhost_name)
        if vhost is None:
            refused = NotAllowed(f"vhost {self._vhost_name} not found")
            near = yield from nearest(self._vhost_name, self._broker.vhosts)
            self._end(refused, near)
            return
        self._vhost = vhost
        try:
            exchange = find_open_exchange(vhost, self._exchange_name)
            message = self._message()
        except AmqpFault as fault:
            if isinstance(fault, NotFound):
                near = yield from nearest(self._exchange_name, vhost.exchanges)
                self._end(fault, near)
            else:
                self._end(fault)
            return
        reached = yield from self._follow(exchange, message, "published here", telling=True)
        queues, replies = [], []
        for target, after_ms in reached.after_ms.items():
            if isinstance(target, Queue):
                queues.append((yield from self._queue(target, message, after_ms, ())))
            else:
                replies.append(target.name)
        self.result = Explanation(
            self._vhost_name,
            self._exchange_name,
            self._keys_of(message),
            None,
            reached.is_unroutable,
            tuple(self._told),
            tuple(queues),
            tuple(replies),
        )

    def _end(self, fault: AmqpFault, near: tuple[str, ...] = ()) -> None:
        refusal = Refusal(fault.code, fault.reply_text, near)
        self.result = Explanation(
            self._vhost_name,
            self._exchange_name,
            (self._routing_key,),
            refusal,
            is_unroutable=True,
            exchanges=(),
            reached=(),
        )

    def _message(self) -> Message:
        """The message as it would be published. Raises PreconditionFailed for what would be refused."""
        header = content_header(len(BODY), self._parts)
        expiration = decode_properties(header).get("expiration")
        expires_at_ms = None
        if expiration is not None:
            expires_at_ms = self._broker.scheduler.now_ms + check_expiration(expiration)
        more_keys, header = take_copies(header)
        address = address_of(self._exchange_name, self._routing_key)
        return AnnotatedMessage(address, header, BODY, expires_at_ms, more_keys=more_keys)

    @staticmethod
    def _keys_of(message: Message) -> Keys:
        return (message.routing_key, *message.more_keys)

    # --- the way

    def _follow(
        self, first: Exchange, message: Message, came_by: str, after_ms: int = 0, *, telling: bool
    ) -> Job[Reached]:
        """Follows a message as `Router` does; tells the exchanges on the way if it is `telling`."""
        keys, view = self._keys_of(message), MessageView(message)
        if first.name == "":
            return (yield from self._by_name(first, keys, came_by, after_ms, telling=telling))
        targets: dict[Target, int] = {}
        is_delayed = by_chance = False
        seen = {first}
        work = [(first, came_by)]
        while work:
            exchange, came_by = work.pop()
            delay_ms = exchange.delay_ms(view)
            if delay_ms:
                is_delayed = True
                if telling:
                    self._tell(exchange, came_by, after_ms, keys, view, delay_ms=delay_ms)
                later = yield from self._follow(
                    exchange, delayed(message, delay_ms), "after its delay", after_ms + delay_ms, telling=telling
                )
                for target, at_ms in later.after_ms.items():
                    targets.setdefault(target, at_ms)
                by_chance = by_chance or later.by_chance
                continue
            matched = [each for each in exchange.matching(keys, view) if not each.destination.deleted]
            yield 5 + len(matched)
            by_chance = by_chance or (exchange.is_random and len(matched) > 1)
            ways: list[tuple[Destination, str]] = [
                (each.destination, f"bound to exchange {exchange.name!r}") for each in matched
            ]
            alternate = None
            if not matched and exchange.alternate is not None:
                alternate = self._vhost.exchanges.get(exchange.alternate)
                ways = [] if alternate is None else [(alternate, f"alternate of exchange {exchange.name!r}")]
            if telling:
                bindings, left_out = yield from self._bindings(exchange, keys, view, matched)
                told = yield from self._alternate(exchange, used=not matched)
                self._tell(exchange, came_by, after_ms, keys, view, bindings, left_out, told, len(matched))
            for destination, how in ways:
                if not isinstance(destination, Exchange):
                    targets.setdefault(destination, after_ms)
                elif destination not in seen:
                    seen.add(destination)
                    work.append((destination, how))
        is_unroutable = not is_delayed and self._vhost.router.is_unroutable(tuple(targets))
        return Reached(targets, is_unroutable, by_chance)

    def _by_name(self, default: Exchange, keys: Keys, came_by: str, after_ms: int, *, telling: bool) -> Job[Reached]:
        """The default exchange: each key is the name of a queue."""
        queues, replies = self._vhost.queues, self._vhost.reply_queues
        targets: dict[Target, int] = {}
        told = []
        for key in keys:
            target: Target | None = queues.get(key) or replies.get(key)
            if target is not None:
                targets[target] = after_ms
                kind = "queue" if isinstance(target, Queue) else "reply queue"
                told.append(BindingTold(True, key, kind, key, {}, "the key is its name"))  # type: ignore[arg-type]
            elif telling:
                near = yield from nearest(key, queues)
                told.append(BindingTold(False, key, "queue", key, {}, "there is no queue of this name", near))
        if telling:
            view = MessageView(Message(b"", content_header(0, {}), b""))
            self._tell(default, came_by, after_ms, keys, view, tuple(told), 0, None, 0)
        yield 5
        return Reached(targets, self._vhost.router.is_unroutable(tuple(targets)), by_chance=False)

    def _tell(
        self,
        exchange: Exchange,
        came_by: str,
        after_ms: int,
        keys: Keys,
        view: MessageView,
        bindings: tuple[BindingTold, ...] = (),
        left_out: int = 0,
        alternate: AlternateTold | None = None,
        matched_count: int = 0,
        *,
        delay_ms: int = 0,
    ) -> None:
        self._told.append(
            ExchangeTold(
                exchange.name,
                exchange.type,
                came_by,
                after_ms,
                delay_ms,
                "" if delay_ms else exchange.remark(keys, view),
                bindings,
                left_out,
                exchange.is_random and matched_count > 1,
                alternate,
            )
        )

    def _bindings(
        self, exchange: Exchange, keys: Keys, view: MessageView, matched: list[Binding]
    ) -> Job[tuple[tuple[BindingTold, ...], int]]:
        """The bindings of an exchange that matched, and the nearest of the others; and the number of those left out."""
        told = []
        hits = dict.fromkeys(matched)
        rest = iter(hits)
        while lot := list(islice(rest, LOT)):
            told += [_told(exchange, each, keys, view, matched=True) for each in lot]
            yield 4 * len(lot)
        near = partial(exchange.nearness, keys=keys, view=view)
        best: list[Binding] = []
        count = 0
        others: Iterator[Binding] = iter(list(exchange.bindings.values()))
        while lot := list(islice(others, LOT)):
            misses = [each for each in lot if each not in hits and not each.destination.deleted]
            count += len(misses)
            best = nlargest(MISSES_MAX, [*best, *misses], key=near)
            yield 4 * len(lot)
        told += [_told(exchange, each, keys, view, matched=False) for each in best]
        yield 50 * len(best)
        return tuple(told), count - len(best)

    def _alternate(self, exchange: Exchange, *, used: bool) -> Job[AlternateTold | None]:
        said = sayings.alternate_of(self._vhost, exchange)
        if said is None:
            return None
        name = str(said.value)
        exists = name in self._vhost.exchanges
        near = () if exists else (yield from nearest(name, self._vhost.exchanges))
        return AlternateTold(name, said.said_by, exists, used, near)

    # --- queues

    def _queue(self, queue: Queue, message: Message, after_ms: int, path: tuple[str, ...]) -> Job[QueueTold]:
        """Tells a queue that a message reaches. `path` are the queues that it was dead-lettered from."""
        vhost, settings = self._vhost, queue.settings
        yield 20
        ttls, own_ms = [settings.message_ttl_ms], None
        if message.expires_at_ms is not None:
            own_ms = message.expires_at_ms - self._broker.scheduler.now_ms
            ttls.append(own_ms)
        ttl_ms = min((each for each in ttls if each is not None), default=None)
        of_message = [] if own_ms is None else [Saying(own_ms, "the message's expiration")]
        is_limited = settings.max_length is not None or settings.max_length_bytes is not None
        return QueueTold(
            queue.name,
            queue.type,
            after_ms,
            queue.ready_count,
            queue.unacked_count,
            queue.consumer_count,
            sayings.of_queue(vhost, queue, "message-ttl", ttl_ms, of_message),
            sayings.of_queue(vhost, queue, "expires", settings.expires_ms),
            sayings.of_queue(vhost, queue, "max-length", settings.max_length),
            sayings.of_queue(vhost, queue, "max-length-bytes", settings.max_length_bytes),
            sayings.of_queue(vhost, queue, "overflow", settings.overflow if is_limited else None),
            queue.foresee(message),
            (yield from self._dead_letters(queue, message, (*path, queue.name))),
        )

    def _dead_letters(self, queue: Queue, message: Message, path: tuple[str, ...]) -> Job[DeadLettersTold | None]:
        vhost, settings = self._vhost, queue.settings
        exchange_said = sayings.of_queue(vhost, queue, "dead-letter-exchange", settings.dead_letter_exchange)
        if exchange_said is None:
            return None
        key_said = sayings.of_queue(vhost, queue, "dead-letter-routing-key", settings.dead_letter_routing_key)
        self._followed += 1
        is_followed = self._followed <= QUEUES_MAX
        name = str(exchange_said.value)
        exchange = vhost.exchanges.get(name)
        near: tuple[str, ...] = ()
        queues: list[QueueTold] = []
        back_to: list[str] = []
        left_out, by_chance = 0, False
        if exchange is None:
            near = yield from nearest(name, vhost.exchanges)
        elif is_followed:
            letter, _ = letter_of(queue, message, "rejected", self._broker.unix_time_ms() // 1000, self._broker.profile)
            reached = yield from self._follow(exchange, letter, "", telling=False)
            by_chance = reached.by_chance
            for target, after_ms in reached.after_ms.items():
                if not isinstance(target, Queue):
                    continue
                if target.name in path:
                    back_to.append(target.name)
                elif len(path) == DEPTH_MAX or self._followed >= QUEUES_MAX:
                    left_out += 1
                else:
                    queues.append((yield from self._queue(target, letter, after_ms, path)))
        return DeadLettersTold(
            name,
            exchange_said.said_by,
            None if key_said is None else str(key_said.value),
            None if key_said is None else key_said.said_by,
            exchange is not None,
            near,
            tuple(queues),
            tuple(back_to),
            left_out,
            is_followed,
            by_chance,
        )


def _told(exchange: Exchange, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> BindingTold:
    return BindingTold(
        matched,
        binding.destination.name,
        "exchange" if isinstance(binding.destination, Exchange) else "queue",
        binding.routing_key,
        views.json_of(binding.arguments) if binding.arguments else {},
        exchange.explain(binding, keys, view, matched=matched),
    )
