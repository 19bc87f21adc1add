"""The conditions by which events are found, asserted and made to fail: the same words everywhere.

exchange queue vhost connection name reason reply_code redelivered requeue nacked    equal, a pattern, a callable
routing_key    the same, or a pattern of AMQP: "order.*"
body json      equal
headers properties    these among them
where          a callable for the whole event
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from amqpy.core.structures import TopicTrie
from amqpy.testing.events import Event

PLAIN: Final = (
    "exchange",
    "queue",
    "vhost",
    "connection",
    "name",
    "reason",
    "reply_code",
    "redelivered",
    "requeue",
    "nacked",
)
WORDS: Final = (*PLAIN, "routing_key", "body", "json", "headers", "properties", "where")
NOTHING: Final = object()


class Match:
    """Conditions for an event. Raises TypeError for an unknown one."""

    def __init__(self, conditions: Mapping[str, Any]) -> None:
        self.conditions = {name: value for name, value in conditions.items() if value is not None}
        for name in conditions:
            if name not in WORDS:
                raise TypeError(f"no condition {name!r}: there are {', '.join(WORDS)}")

    def __call__(self, event: Event) -> bool:
        return all(self.holds(name, event) for name in self.conditions)

    def holds(self, name: str, event: Event) -> bool:
        """True if the event meets this one of the conditions."""
        wanted = self.conditions[name]
        if name == "where":
            return bool(wanted(event))
        found = found_in(event, name)
        if found is NOTHING:
            return False
        match name:
            case "headers" | "properties":
                return _is_subset(wanted, found)
            case "body":
                return bool(found == (wanted.encode() if isinstance(wanted, str) else wanted))
            case "json":
                return bool(found == wanted)
            case "queue" if isinstance(found, list):
                return any(_is_like(wanted, each) for each in found)
            case "routing_key":
                return _is_like(wanted, found) or _is_pattern_for(wanted, found)
        return _is_like(wanted, found)

    def __str__(self) -> str:
        return " ".join(f"{name}={shown(value)}" for name, value in self.conditions.items())


def found_in(event: Event, name: str) -> Any:  # noqa: ANN401
    """The value that a condition looks at; `NOTHING` if there is none."""
    if name == "json":
        try:
            return event.json()
        except ValueError:
            return NOTHING
    if name == "queue" and event.queue is None and event.queues is not None:
        return event.queues
    value = getattr(event, name)
    return NOTHING if value is None else value


def shown(value: object) -> str:
    if isinstance(value, re.Pattern):
        return f"/{value.pattern}/"
    if callable(value):
        return f"<{getattr(value, '__name__', value)}>"
    return repr(value)


def _is_like(wanted: Any, found: Any) -> bool:  # noqa: ANN401
    if isinstance(wanted, re.Pattern):
        return isinstance(found, str) and wanted.search(found) is not None
    if isinstance(wanted, Callable):  # type: ignore[arg-type]
        return bool(wanted(found))
    return bool(wanted == found)


def _is_pattern_for(wanted: object, found: str) -> bool:
    if not isinstance(wanted, str):
        return False
    words = wanted.split(".")
    if "*" not in words and "#" not in words:
        return False
    trie: TopicTrie[str] = TopicTrie()
    trie.add(words, wanted)
    return any(True for _ in trie.match(found.split(".")))


def _is_subset(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return all(name in found and _is_like(value, found[name]) for name, value in wanted.items())
