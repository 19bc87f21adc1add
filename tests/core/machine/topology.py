"""Exchanges and bindings, as simple as can be: which queues a message goes to, and what goes when a binding goes."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple


class ModelBinding(NamedTuple):
    source: str
    is_queue: bool
    destination: str
    key: str = ""
    wants_header: bool = False


@dataclass
class ModelExchange:
    kind: str
    auto_delete: bool = False
    alternate: str | None = None
    published_in: int = field(default=0, compare=False)
    published_out: int = field(default=0, compare=False)

    def matches(self, binding: ModelBinding, key: str, has_header: bool) -> bool:
        match self.kind:
            case "direct":
                return binding.key == key
            case "topic":
                return re.fullmatch(topic_expression(binding.key), f".{key}" if key else "") is not None
            case "headers":
                return has_header or not binding.wants_header
        return True


def topic_expression(pattern: str) -> str:
    """A regular expression for keys that have a dot before every word."""
    words = {"*": r"\.[^.]*", "#": r"(\.[^.]*)*"}
    return "".join(words.get(word, re.escape(f".{word}")) for word in (pattern.split(".") if pattern else []))


class ModelTopology:
    """The exchanges of one virtual host but for the predeclared ones."""

    def __init__(self) -> None:
        self.exchanges: dict[str, ModelExchange] = {}
        self.bindings: list[ModelBinding] = []

    def unbind(self, doomed: list[ModelBinding]) -> None:
        """Removes bindings, then exchanges that were kept by them, then those kept by these, and so on."""
        while doomed:
            self.bindings = [binding for binding in self.bindings if binding not in doomed]
            finished = {
                binding.source
                for binding in doomed
                if binding.source in self.exchanges
                and self.exchanges[binding.source].auto_delete
                and not any(other.source == binding.source for other in self.bindings)
            }
            for name in finished:
                del self.exchanges[name]
            doomed = [each for each in self.bindings if not each.is_queue and each.destination in finished]

    def delete_exchange(self, name: str) -> None:
        del self.exchanges[name]
        self.bindings = [binding for binding in self.bindings if binding.source != name]
        self.unbind([each for each in self.bindings if not each.is_queue and each.destination == name])

    def queue_is_gone(self, name: str) -> None:
        self.unbind([each for each in self.bindings if each.is_queue and each.destination == name])

    def route(self, exchange: str, key: str, has_header: bool, seen: frozenset[str] = frozenset()) -> set[str]:
        """The names of the queues."""
        if exchange not in self.exchanges or exchange in seen:
            return set()
        this = self.exchanges[exchange]
        hits = [each for each in self.bindings if each.source == exchange and this.matches(each, key, has_header)]
        found = {each.destination for each in hits if each.is_queue}
        onward = {each.destination for each in hits if not each.is_queue}
        if not hits and this.alternate is not None:
            onward = {this.alternate}
        return found.union(*(self.route(each, key, has_header, seen | {exchange}) for each in onward))
