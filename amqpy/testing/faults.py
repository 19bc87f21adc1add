"""Faults: what a broker or a network does to a client on a bad day, on purpose.

A fault waits for an event that meets its conditions. It is for one of them unless told otherwise (`times`, `nth`,
`probability`). One that never fired has tested nothing: that is an error, unless it is `optional`.
"""

import random
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from amqpy.errors import AmqpFault, ChannelFault, ConnectionFault
from amqpy.testing.errors import FaultNotFired
from amqpy.testing.matching import Match

if TYPE_CHECKING:
    from amqpy.testing.events import Event

Stage = Literal["published", "delivered", "acked", "login"]

CHANNEL_CODES: Final = frozenset({311, 312, 313, 403, 404, 405, 406})
"""The reply codes that close a channel; all others close the connection (AMQP 0-9-1 section 1.2.1)."""

NAMES: Final = {kind.code: kind.name for base in (ChannelFault, ConnectionFault) for kind in base.__subclasses__()}


class Fault:
    """A fault that is waiting, or has fired."""

    def __init__(
        self,
        kind: str,
        stage: Stage,
        conditions: dict[str, Any],
        *,
        times: int | None = 1,
        nth: int | None = None,
        probability: float | None = None,
        seed: int = 0,
        optional: bool = False,
        call: Callable[..., Any],
        **settings: Any,  # noqa: ANN401
    ) -> None:
        self.kind = kind
        self.stage = stage
        self.match = Match(conditions)
        self.settings = settings
        self.events: list[Event] = []
        """The events at which it fired."""
        self.optional = optional or probability is not None
        self.is_removed = False
        self.on_remove: list[Callable[[], object]] = []
        """Ends what it holds back."""
        self._times = None if probability is not None else times
        self._nth = nth
        self._probability = probability
        self._random = random.Random(seed)
        self._seen = 0
        self._call = call

    @property
    def fired(self) -> int:
        """The number of times that it fired."""
        return len(self.events)

    def fires(self, event: "Event") -> bool:
        """True if it fires now, which is counted."""
        if self.is_removed or not self.match(event):
            return False
        self._seen += 1
        if self._nth is not None:
            is_hit = self._seen == self._nth
        elif self._probability is not None:
            is_hit = self._random.random() < self._probability
        else:
            is_hit = self._times is None or self.fired < self._times
        if is_hit:
            self.events.append(event)
        return is_hit

    def remove(self) -> None:
        """Ends it: nothing more is done by it, and what it holds back is let go."""
        self._call(self.end)

    def end(self) -> None:
        """`remove` in the broker's thread."""
        self.is_removed = True
        held, self.on_remove = self.on_remove, []
        for let_go in held:
            let_go()

    def check(self) -> None:
        """Raises FaultNotFired if it never fired and is not optional."""
        if not self.fired and not self.optional:
            raise FaultNotFired(f"the fault never fired, so it tested nothing: {self} (matched {self._seen})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
        if kind is None:
            self.check()

    def __str__(self) -> str:
        conditions = str(self.match)
        settings = {**self.settings, "nth": self._nth, "probability": self._probability}
        given = " ".join(f"{name}={value!r}" for name, value in settings.items() if value is not None)
        return f"{self.kind}({' '.join(each for each in (given, conditions) if each)})"

    __repr__ = __str__


class Faults:
    """Makes the faults of a broker. `call` does something as a turn of the broker, which waits for it."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._all: list[Fault] = []
        self._errors: list[Exception] = []
        """The errors of the test's own functions."""

    def withhold_confirm(self, **options: Any) -> Fault:  # noqa: ANN401
        """Stores the message, and does not confirm it until the fault is removed. Later confirms come singly."""
        return self._add("withhold_confirm", "published", options)

    def delay_confirm(self, seconds: float, **options: Any) -> Fault:  # noqa: ANN401
        """Confirms the message so many seconds later, by the broker's clock."""
        return self._add("delay_confirm", "published", options, seconds=float(seconds))

    def deny_confirm(self, *, stored: bool = False, **options: Any) -> Fault:  # noqa: ANN401
        """Refuses the message (basic.nack): it is not in any queue, or is `stored` all the same."""
        return self._add("deny_confirm", "published", options, stored=stored)

    def drop_publish(self, **options: Any) -> Fault:  # noqa: ANN401
        """Confirms the message, and loses it."""
        return self._add("drop_publish", "published", options)

    def refuse_publish(self, code: int = 406, text: str = "refused by a fault", **options: Any) -> Fault:  # noqa: ANN401
        """Closes the channel, or the connection, as the level of the reply code is."""
        fault_of(code, text)
        return self._add("refuse_publish", "published", options, code=code, text=text)

    def drop_delivery(self, **options: Any) -> Fault:  # noqa: ANN401
        """Sends nothing: the message is unacknowledged until the channel ends."""
        return self._add("drop_delivery", "delivered", options)

    def delay_delivery(self, seconds: float, **options: Any) -> Fault:  # noqa: ANN401
        """Sends the message so many seconds later, by the broker's clock."""
        return self._add("delay_delivery", "delivered", options, seconds=float(seconds))

    def duplicate_delivery(self, **options: Any) -> Fault:  # noqa: ANN401
        """Sends the message twice: the second has a tag of its own, and is redelivered."""
        return self._add("duplicate_delivery", "delivered", options)

    def cut_connection(self, on: str = "published", *, reset: bool = False, **options: Any) -> Fault:  # noqa: ANN401
        """Ends the connection, with FIN or RST: with the message stored, and no confirm (`published`), behind the
        delivery (`delivered`), or once the message is acknowledged (`acked`)."""
        if on not in {"published", "delivered", "acked"}:
            raise ValueError(f"on={on!r}: there are 'published', 'delivered' and 'acked'")
        return self._add("cut_connection", on, options, reset=reset)  # type: ignore[arg-type]

    def refuse_login(self, user: str | None = None, **options: Any) -> Fault:  # noqa: ANN401
        """Refuses a login (403), of this user or of any."""
        return self._add("refuse_login", "login", {"name": user, **options})

    def clear(self) -> None:
        """Removes all faults, and forgets them and what was wrong with them."""
        self._call(self.end_all)

    def end_all(self) -> None:
        """`clear` in the broker's thread."""
        self._errors.clear()
        faults, self._all = self._all, []
        for fault in faults:
            fault.end()

    def check(self) -> None:
        """Raises FaultNotFired for the first that never fired, or what a function in a condition raised."""
        if self._errors:
            raise self._errors[0]
        for fault in self._all:
            fault.check()

    def __iter__(self) -> Any:  # noqa: ANN401
        return iter(self._all)

    def _add(self, kind: str, stage: Stage, options: dict[str, Any], **settings: Any) -> Fault:  # noqa: ANN401
        own = {
            name: options.pop(name) for name in ("times", "nth", "probability", "seed", "optional") if name in options
        }
        fault = Fault(kind, stage, options, call=self._call, **own, **settings)
        self._call(self._all.append, fault)
        return fault

    # --- in the broker's thread

    def firing(self, stage: Stage, event: "Event", *, confirms: bool = True) -> list[Fault]:
        """The faults that fire at this event. Those of confirms do not where there are none."""
        if not self._all:
            return []
        firing = []
        for fault in self._all:
            if fault.stage == stage and (confirms or not fault.kind.endswith("_confirm")):
                try:
                    if fault.fires(event):
                        firing.append(fault)
                except Exception as error:  # of the test's function, and no bug of the broker
                    self._errors.append(error)
        return firing


def fault_of(code: int, text: str) -> AmqpFault:
    """The fault with any reply code, of which the level follows."""
    base = ChannelFault if code in CHANNEL_CODES else ConnectionFault
    if not 300 <= code < 600:
        raise ValueError(f"{code} is no reply code of AMQP")
    kind = type("ChosenFault", (base,), {"code": code, "name": NAMES.get(code, "FAULT")})
    fault: AmqpFault = kind(text)
    return fault
