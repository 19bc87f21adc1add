"""Events of the broker, as live pages show them: while somebody looks, the broker builds their properties."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from amqpy.core.structures import TopicTrie
from amqpy.management.access import monitor
from amqpy.management.answers import as_json, not_entitled
from amqpy.management.live.guarded import Guarded, Guards
from amqpy.management.live.part import event
from amqpy.management.live.viewer import Viewer

if TYPE_CHECKING:
    from amqpy.core.events.events import EventProperties, Events
    from amqpy.management.call import Call

WAITING_MAX: Final = 500
WAITING_BYTES_MAX: Final = 1024 * 1024
"""Events that wait to be sent to one client, and octets of them, after which no more are kept."""


class Hub:
    """Passes the events of a broker on to those who want them."""

    def __init__(self, events: "Events", unix_time_ms: Callable[[], int]) -> None:
        self._events = events
        self._unix_time_ms = unix_time_ms
        self._trie: TopicTrie[EventsPart] = TopicTrie()
        self._parts: dict[EventsPart, None] = {}

    def add(self, part: "EventsPart") -> None:
        """Passes events on to it. May be repeated."""
        if part in self._parts:
            return
        if not self._parts:
            self._events.observers.append(self._on_event)
        self._parts[part] = None
        for pattern in part.patterns:
            self._trie.add(words_of(pattern), part)

    def discard(self, part: "EventsPart") -> None:
        """Passes no more on to it. May be repeated."""
        if part not in self._parts:
            return
        del self._parts[part]
        for pattern in part.patterns:
            self._trie.remove(words_of(pattern), part)
        if not self._parts:
            self._events.observers.remove(self._on_event)

    def _on_event(self, name: str, properties: "EventProperties") -> None:
        if parts := dict.fromkeys(self._trie.match(words_of(name))):
            told = event(b"event", as_json({"name": name, "at": self._unix_time_ms(), "properties": properties}))
            for part in parts:
                part.note(told)


class EventsPart(Guarded):
    """The events that one stream shows: those whose names fit one of its patterns."""

    def __init__(
        self, patterns: Sequence[str], hub: Hub, viewer: Viewer, guards: Guards, wake: Callable[[], object]
    ) -> None:
        super().__init__(b'"events":true', viewer, guards, wake)
        self.patterns = patterns
        self._hub = hub
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._skipped = 0

    def note(self, told: bytes) -> None:
        """There is an event."""
        if self._skipped or len(self._waiting) >= WAITING_MAX or self._size >= WAITING_BYTES_MAX:
            self._skipped += 1  # and so are those after it, until all that wait are sent: there is one gap
        else:
            self._waiting.append(told)
            self._size += len(told)
        self._wake()

    def _open(self, call: "Call") -> None:
        if (reason := monitor(call)) is not None:
            raise not_entitled(reason)
        self._hub.add(self)

    def _shut(self) -> None:
        self._hub.discard(self)
        self._waiting.clear()
        self._size = self._skipped = 0

    def _take(self) -> bytes | None:
        if self._waiting:
            told = self._waiting.popleft()
            self._size -= len(told)
            return told
        if not self._skipped:
            return None
        skipped, self._skipped = self._skipped, 0
        return self._told_skipped(skipped)


def words_of(name: str) -> list[str]:
    return name.split(".")
