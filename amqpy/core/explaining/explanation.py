"""An explanation: where a message published so would go, and why."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

from amqpy.core.explaining import text
from amqpy.core.explaining.results import ExchangeTold, QueueTold, Refusal

LOT: Final = 250
"""Bindings, queues or lines that are made in one step."""

PLAIN: Final = frozenset({bool, dict, int, str, type(None)})
"""Types of values that are JSON already."""

Outcome: TypeAlias = Literal["refused", "unroutable", "routed"]


@dataclass(frozen=True)
class Explanation:
    """The way of a message published so, and the reasons. Its `str()` is for people, `as_dict` for JSON."""

    vhost: str
    exchange: str
    keys: tuple[str, ...]
    """The routing key, then those of CC and BCC."""
    refusal: Refusal | None
    """The fault that the publish is refused with, if it is; then there is nothing else."""
    is_unroutable: bool
    """True if it goes back to the publisher if it is mandatory, and else is dropped."""
    exchanges: tuple[ExchangeTold, ...]
    """Those on the way, in the order in which it comes to them."""
    reached: tuple[QueueTold, ...]
    reply_queues: tuple[str, ...] = ()
    """The names of clients' reply queues (direct reply-to) that it reaches."""

    @property
    def queues(self) -> list[str]:
        """The names of the queues that it reaches, sooner or later; where chance decides (`by_chance`), of those that
        it may reach."""
        return [queue.name for queue in self.reached]

    @property
    def by_chance(self) -> bool:
        """True if an exchange on the way draws lots."""
        return any(exchange.by_chance for exchange in self.exchanges)

    @property
    def outcome(self) -> Outcome:
        if self.refusal is not None:
            return "refused"
        return "unroutable" if self.is_unroutable else "routed"

    def __str__(self) -> str:
        return "\n".join(self._printable())

    def _printable(self) -> Iterator[str]:
        # Names are clients' own: none may end a line, or say something to a terminal.
        return map(text.printable, self._lines())

    def _lines(self) -> Iterator[str]:
        way = text.way_text(self.vhost, self.exchange, self.keys)
        if self.refusal is not None:
            yield from text.refusal_lines(way, self.refusal)
            return
        yield from text.summary(way, self.exchanges, self.reached, self.reply_queues, is_unroutable=self.is_unroutable)
        for exchange in self.exchanges:
            yield ""
            yield from text.exchange_lines(exchange, self.keys)
        for queue in self.reached:
            yield ""
            yield from text.queue_lines(queue)

    def as_dict(self) -> dict[str, Any]:
        """The form for JSON."""
        steps = self.made()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: dict[str, Any] = end.value
                return found

    def made(self) -> Generator[int, None, dict[str, Any]]:
        """Makes `as_dict`, as a job: there may be very many bindings and queues."""
        exchanges = []
        for exchange in self.exchanges:
            bindings = yield from _in_lots(exchange.bindings)
            exchanges.append({**_as_json(replace(exchange, bindings=())), "bindings": bindings})
        reached = yield from _in_lots(self.reached)
        lines: list[str] = []
        rest = self._printable()
        while lot := list(islice(rest, LOT)):
            lines += lot
            yield 2 * len(lot)
        return {
            "vhost": self.vhost,
            "exchange": self.exchange,
            "routing_key": self.keys[0],
            "copies_to": list(self.keys[1:]),
            "outcome": self.outcome,
            "by_chance": self.by_chance,
            "queues": self.queues,
            "reply_queues": list(self.reply_queues),
            "refusal": _as_json(self.refusal),
            "exchanges": exchanges,
            "reached": reached,
            "text": "\n".join(lines),
        }


def _in_lots(items: Sequence[object]) -> Generator[int, None, list[Any]]:
    shown: list[Any] = []
    for begin in range(0, len(items), LOT):
        shown += map(_as_json, items[begin : begin + LOT])
        yield 2 * LOT
    return shown


def _as_json(value: object) -> Any:  # noqa: ANN401 (any JSON)
    if is_dataclass(value):
        return {name: each if type(each) in PLAIN else _as_json(each) for name, each in vars(value).items()}
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value
