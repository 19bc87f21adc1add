"""An explanation: where a message published so would go, and why."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeAlias

from amqpy.core.explaining import text
from amqpy.core.explaining.results import BindingTold, ExchangeTold, QueueTold, Refusal

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
        # Names are clients' own: none may end a line, or say something to a terminal.
        return "\n".join(map(text.printable, self._lines()))

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
            "exchanges": _as_json(self.exchanges),
            "reached": _as_json(self.reached),
            "text": str(self),
        }


def _as_json(value: object) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(value, BindingTold):
        return {**vars(value), "nearest": list(value.nearest)}  # there may be very many
    if is_dataclass(value):
        return {field.name: _as_json(getattr(value, field.name)) for field in fields(value)}
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value
