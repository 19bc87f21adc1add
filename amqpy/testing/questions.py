"""The questions that a test asks of its broker: what happened, and if that is all.

Each first hears what clients have sent. Only what is named so waits: assertions for the truth, up to a second (not in a
running event loop: nothing could come), `settle` and `wait_for`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from amqpy.core.explain import explain
from amqpy.testing.errors import NotSettled
from amqpy.testing.events import Event, check_kind
from amqpy.testing.explaining import ExplanationText, Found, near_text, wanted_text
from amqpy.testing.matching import Match
from amqpy.testing.queues import QueueView, look_into
from amqpy.testing.transcript import History, line_of, timed
from amqpy.testing.waiting import is_in_event_loop, result_of

if TYPE_CHECKING:
    from amqpy.testing.host import Host
    from amqpy.testing.server import Server

T = TypeVar("T")

WAIT_S = 5.0
ASSERT_S = 1.0
BINDINGS_MAX = 5


class Questions:
    """The part of `TestBroker` that is asked."""

    _host: "Host"
    server: "Server"

    # --- what happened

    @property
    def events(self) -> list[Event]:
        """All events, in order: the newest 10,000."""
        return self._host.call(self._heard)[1]

    def find(self, kind: str, **match: Any) -> list[Event]:  # noqa: ANN401
        """The events of a kind that meet the conditions, in order."""
        return self._find(kind, Match(match))

    def published(self, exchange: Any = None, routing_key: Any = None, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("published", exchange=exchange, routing_key=routing_key, **match)

    def returned(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("returned", **match)

    def confirmed(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("confirmed", **match)

    def delivered(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("delivered", **match)

    def acked(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("acked", **match)

    def rejected(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("rejected", **match)

    def dead_lettered(self, **match: Any) -> list[Event]:  # noqa: ANN401
        return self.find("dead_lettered", **match)

    def queue(self, name: str, vhost: str = "/") -> QueueView:
        """A look into a queue, by which nothing is taken. Raises LookupError."""
        return self._host.call(look_into, self.server, name, vhost)

    @property
    def queues(self) -> list[str]:
        """The names of the queues, sorted: those of virtual host `/`, then `vhost/name` of all others."""

        def names() -> list[str]:
            vhosts = self.server.running.broker.vhosts.values()
            first = sorted(vhosts, key=lambda vhost: (vhost.name != "/", vhost.name))
            prefixes = {vhost.name: "" if vhost.name == "/" else f"{vhost.name}/" for vhost in first}
            return [f"{prefixes[vhost.name]}{name}" for vhost in first for name in sorted(vhost.queues)]

        return self._host.call(self.server.heard, names)

    def transcript(self) -> str:
        """A line for each event, with the seconds since the first: the same run makes the same text."""
        events = self.events
        if not events:
            return ""
        return "\n".join(timed(events))

    def history(self, **match: Any) -> History:  # noqa: ANN401
        """The way of the messages that meet the conditions, through all queues and dead letters."""
        met, events = Match(match), self.events
        numbers = {event.message_number for event in events if event.message_number is not None and met(event)}
        return History(event for event in events if event.message_number in numbers)

    def explain(
        self, exchange: str, routing_key: str, headers: dict[str, Any] | None = None, vhost: str = "/"
    ) -> ExplanationText:
        """Explains where a message published so would go, and why: a text, whose `queues` are the names. Nothing is
        published."""

        def explained() -> ExplanationText:
            explanation = explain(self.server.running.broker, vhost, exchange, routing_key, headers)
            text = ExplanationText(explanation)
            text.queues = explanation.queues
            return text

        return self._host.call(self.server.heard, explained)

    # --- waiting

    def settle(self, timeout: float = WAIT_S) -> None:
        """Waits until nothing is in flight: everything is heard, done and sent, and no consumer has a delivery that it
        has not answered. Raises NotSettled, which names who holds what."""
        if is_in_event_loop():
            if reasons := self._host.call(self.server.unsettled):
                lines = "\n".join(f"  {reason}" for reason in reasons)
                raise NotSettled(
                    f"not settled, and nothing can happen in a running event loop: asettle() waits:\n{lines}"
                )
            return
        self._host.call_async(self.server.settle, timeout)

    async def asettle(self, timeout: float = WAIT_S) -> None:
        """`settle` for code in an event loop."""
        await result_of(self._host.begin_async(self.server.settle, timeout))

    def wait_for(self, kind: str, count: int = 1, timeout: float = WAIT_S, **match: Any) -> Any:  # noqa: ANN401
        """Waits for an event of a kind that meets the conditions, or for `count`: those that were there already
        included. Returns the event, or the list of the first `count`. Raises AssertionError."""
        met = Match(match)
        found = self._until(lambda: self._enough(kind, met, count), self._patience(timeout))
        return self._waited(found, kind, met, count, timeout)

    async def await_for(self, kind: str, count: int = 1, timeout: float = WAIT_S, **match: Any) -> Any:  # noqa: ANN401
        """`wait_for` for code in an event loop."""
        met, until = Match(match), self._host.seconds() + timeout
        while True:
            total = self.server.recorder.log.total
            found = self._enough(kind, met, count)
            left = until - self._host.seconds()
            if found is not None or left <= 0:
                return self._waited(found, kind, met, count, timeout)
            await result_of(self._host.begin_async(self.server.changed_since, total, left))

    # --- assertions

    def assert_published(
        self,
        exchange: Any = None,  # noqa: ANN401
        routing_key: Any = None,  # noqa: ANN401
        *,
        times: int | None = None,
        timeout: float = ASSERT_S,
        **match: Any,  # noqa: ANN401
    ) -> list[Event]:
        """Waits until a message was published that meets the conditions, or just so many; returns their events."""
        __tracebackhide__ = True
        met = Match({"exchange": exchange, "routing_key": routing_key, **match})

        def is_met() -> list[Event] | None:
            found = self._find("published", met)
            is_right = bool(found) if times is None else len(found) == times
            return found if is_right else None

        found = self._until(is_met, self._patience(timeout))
        if found is None:
            count = len(self._find("published", met))
            raise AssertionError(f"{wanted_text('published', met, times=times)}\n{self._near('published', met, count)}")
        return found

    def assert_not_published(self, exchange: Any = None, routing_key: Any = None, **match: Any) -> None:  # noqa: ANN401
        """Fails if a message was published that meets the conditions. It does not wait: `settle` before it does."""
        __tracebackhide__ = True
        met = Match({"exchange": exchange, "routing_key": routing_key, **match})
        if found := self._find("published", met):
            lines = "\n".join(f"  {line_of(event)}" for event in found)
            raise AssertionError(f"{wanted_text('published', met, negated=True)}\nfound {len(found)}:\n{lines}")

    def assert_routed(
        self, exchange: str, routing_key: str, *queues: str, headers: dict[str, Any] | None = None, vhost: str = "/"
    ) -> None:
        """Fails unless a message published so would go to these queues, and to no other. Nothing is published."""
        __tracebackhide__ = True
        explanation = self.explain(exchange, routing_key, headers, vhost)
        if sorted(explanation.queues) != sorted(queues):
            wanted = ", ".join(map(repr, queues)) or "no queue"
            found = ", ".join(map(repr, explanation.queues)) or "no queue"
            raise AssertionError(
                f"expected {exchange!r} key {routing_key!r} to lead to {wanted}, not to {found}:\n{explanation}"
            )

    def assert_empty(self, *queues: str, timeout: float = ASSERT_S) -> None:
        """Waits until no message is ready, unacknowledged or held back in these queues; in all, if none is named."""
        __tracebackhide__ = True
        names = queues or tuple(self.queues)

        def rest() -> list[QueueView]:
            views = [self._look(name) for name in names]
            return [view for view in views if view.ready or view.unacked or view.held]

        if self._until(lambda: True if not rest() else None, self._patience(timeout)) is None:
            left = rest()
            lines = [f"expected to be empty: {', '.join(map(repr, (view.name for view in left)))}"]
            for view in left:
                lines.append(f"  {view.name!r} has {view.counts_text}:")
                lines += [f"    {line_of(event)}" for event in (*view.ready, *view.unacked, *view.held)[:BINDINGS_MAX]]
            raise AssertionError("\n".join(lines))

    # --- how

    def _look(self, name: str) -> QueueView:
        """Looks into a queue by its name in `queues`."""
        vhost, slash, rest = name.partition("/")
        try:
            return self.queue(name)
        except LookupError:
            if not slash:
                raise
            return self.queue(rest, vhost)

    def _heard(self) -> tuple[int, list[Event]]:
        self.server.hear_all()
        log = self.server.recorder.log
        return log.total, list(log)

    def _find(self, kind: str, match: Match) -> Found:
        check_kind(kind)
        found = [event for event in self.events if event.kind == kind and match(event)]
        return Found(found, lambda: self._near(kind, match, len(found)))

    def _enough(self, kind: str, match: Match, count: int) -> list[Event] | None:
        found = self._find(kind, match)
        return found[:count] if len(found) >= count else None

    def _waited(self, found: list[Event] | None, kind: str, match: Match, count: int, timeout: float) -> Any:  # noqa: ANN401
        __tracebackhide__ = True
        if found is None:
            there = len(self._find(kind, match))
            wanted = wanted_text(kind, match, times=None if count == 1 else count)
            raise AssertionError(f"{wanted}, within {timeout:g} s\n{self._near(kind, match, there)}")
        return found[0] if count == 1 else found

    def _patience(self, timeout: float) -> float:
        return 0.0 if is_in_event_loop() else timeout

    def _until(self, ask: Callable[[], T | None], timeout: float) -> T | None:
        """Asks again after each change, until the answer is not None or the time is over: then None."""
        until = self._host.seconds() + timeout
        while True:
            total = self.server.recorder.log.total
            answer = ask()
            left = until - self._host.seconds()
            if answer is not None or left <= 0:
                return answer
            self._host.call_async(self.server.changed_since, total, left)

    def _near(self, kind: str, match: Match, count: int) -> str:
        return near_text(kind, match, self.events, count, self._bindings)

    def _bindings(self, event: Event) -> str:
        """The bindings of an event's exchange, for the text of an assertion."""

        def bound() -> list[str]:
            vhost = self.server.running.broker.vhosts.get(event.vhost or "")
            exchange = None if vhost is None else vhost.exchanges.get(event.exchange or "")
            if exchange is None or not exchange.name:
                return []
            return [
                f"{each.routing_key!r} ({each.destination_kind} {each.destination.name!r})"
                for each in exchange.bindings.values()
            ]

        lines = self._host.call(bound) if self.server.life is not None else []
        if not lines:
            return f"; nothing is bound to {event.exchange!r}" if event.exchange else ""
        more = f" and {len(lines) - BINDINGS_MAX} more" if len(lines) > BINDINGS_MAX else ""
        return f"; bound to {event.exchange!r}: {', '.join(lines[:BINDINGS_MAX])}{more}"
