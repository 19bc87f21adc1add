"""The parts of an explanation: plain values, with nothing of the broker in them."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Refusal:
    """The fault that a publish is refused with."""

    code: int
    text: str
    """The reply text, as a client reads it."""
    nearest: tuple[str, ...] = ()
    """Names that may have been meant."""


@dataclass(frozen=True)
class BindingTold:
    """A binding of an exchange on the way, and why it matches the message or not."""

    matched: bool
    destination: str
    destination_type: Literal["queue", "exchange", "reply queue"]
    routing_key: str
    arguments: dict[str, Any]
    """As JSON has them."""
    reason: str
    nearest: tuple[str, ...] = ()
    """For a queue that does not exist: names that may have been meant."""


@dataclass(frozen=True)
class AlternateTold:
    """The alternate exchange of one on the way."""

    exchange: str
    said_by: str
    exists: bool
    used: bool
    """True if the message goes there, because no binding matched."""
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExchangeTold:
    """An exchange on the way of the message."""

    name: str
    type: str
    came_by: str
    """The way in which the message comes here."""
    after_ms: int
    """The time after which it comes: others have delayed it."""
    delay_ms: int
    """The time that it waits here; after it, the exchange comes once more."""
    remark: str
    bindings: tuple[BindingTold, ...]
    """All that matched, and the nearest of those that did not, the nearest first."""
    left_out: int
    """The number of bindings that did not match and are not told."""
    by_chance: bool
    """True if the message goes by one of the bindings that matched, and chance says which."""
    alternate: AlternateTold | None


@dataclass(frozen=True)
class Saying:
    """A value of a setting, and who says it."""

    value: int | str
    said_by: str


@dataclass(frozen=True)
class SettingTold:
    """A setting of a queue."""

    value: int | str
    said_by: str
    others: tuple[Saying, ...] = ()
    """The sayings of others, which do not apply."""


@dataclass(frozen=True)
class DeadLettersTold:
    """The way of the dead letters of a queue."""

    exchange: str
    exchange_said_by: str
    routing_key: str | None
    """None if a dead letter keeps the keys that it has."""
    routing_key_said_by: str | None
    exists: bool
    nearest: tuple[str, ...]
    """Names that may have been meant, if the exchange does not exist."""
    queues: "tuple[QueueTold, ...]"
    back_to: tuple[str, ...]
    """Queues that the message has been in: a cycle."""
    left_out: int
    """The number of queues that are not told any more."""
    is_followed: bool
    """False if it is not told where they go from the exchange, because so many queues were told before."""
    by_chance: bool
    """True if an exchange on the way draws lots."""


@dataclass(frozen=True)
class QueueTold:
    """A queue that the message reaches."""

    name: str
    type: str
    after_ms: int
    """The time after which it comes here: exchanges have delayed it."""
    ready: int
    unacked: int
    consumers: int
    ttl_ms: SettingTold | None
    """The time after which it expires here."""
    expires_ms: SettingTold | None
    max_length: SettingTold | None
    max_length_bytes: SettingTold | None
    overflow: SettingTold | None
    """None without a limit."""
    fate: Literal["taken", "refused", "duplicate", "drops-head"]
    dead_letters: DeadLettersTold | None
