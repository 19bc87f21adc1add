"""The topic exchange: routes to the queues whose binding pattern matches the words of the routing key.

Source: AMQP 0-9-1 section 3.1.3.3; `rabbit_exchange_type_topic`.
"""

from collections.abc import Iterable
from typing import TypeAlias

from amqpy.core.exchanges.exchange import Binding, Exchange
from amqpy.core.message import Keys, MessageView
from amqpy.core.structures import TopicTrie
from amqpy.errors import PreconditionFailed


class TopicExchange(Exchange):
    type = "topic"

    def prepare(self) -> None:
        self._trie: TopicTrie[Binding] = TopicTrie()

    def check_binding(self, binding: Binding) -> None:
        key, most = binding.routing_key, self.vhost.profile.topic_hashes_max
        count = _words(key).count("#")
        if most is not None and count > most:
            raise PreconditionFailed(
                f"Topic binding key '{key}' uses {count} '#' wildcards, at most {most} are allowed"
            )

    def index(self, binding: Binding) -> None:
        self._trie.add(_words(binding.routing_key), binding)

    def unindex(self, binding: Binding) -> None:
        self._trie.remove(_words(binding.routing_key), binding)

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        return [binding for key in keys for binding in self._trie.match(_words(key))]

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        pattern = _words(binding.routing_key)
        if not matched:
            return "; ".join(_stop(pattern, key, several=len(keys) > 1) for key in keys)
        if len(keys) == 1:
            return "the pattern fits"
        return f"the pattern fits {', '.join(repr(key) for key in keys if _fits(pattern, key))}"


def _words(key: str) -> list[str]:
    """Splits a key into words. An empty key has none; `a..b` has an empty one."""
    return key.split(".") if key else []


def _fits(pattern: list[str], key: str) -> bool:
    trie: TopicTrie[None] = TopicTrie()
    trie.add(pattern, None)
    return any(True for _ in trie.match(_words(key)))


Trail: TypeAlias = "tuple[Trail, str] | None"
"""The comparisons on the way to a place in a pattern, the last first."""


def _stop(pattern: list[str], key: str, *, several: bool) -> str:
    """Says, word by word, how far a key fits a pattern that it does not fit as a whole."""
    words, number = _words(key), 0
    places: dict[int, Trail] = {0: None}
    while True:
        _skip_hashes(pattern, places)
        if number == len(words):
            break
        reached = _after(pattern, words[number], places)
        if not reached:
            break
        places, number = reached, number + 1
    place = max((each for each in places if number < len(words) or each < len(pattern)), default=len(pattern))
    said: list[str] = []
    trail = places[place]
    while trail is not None:
        trail, step = trail
        said.append(step)
    # What a # took is one thing, however many words it was.
    fit = list(dict.fromkeys(reversed(said)))
    if place == len(pattern):
        stop = f"then the pattern ends, and the key goes on with {_quoted(words[number:])}"
    elif number < len(words):
        stop = f"{pattern[place]!r} is wanted where the key has {words[number]!r}"
    else:
        stop = f"{pattern[place]!r} is wanted where the key ends"
    about = f"{key!r}: " if several else ""
    return about + (f"{', '.join(fit)}, but {stop}" if fit else stop)


def _skip_hashes(pattern: list[str], places: dict[int, Trail]) -> None:
    """Adds the places that are reached when a # stands for no word."""
    for place in sorted(places):
        trail = places[place]
        while place < len(pattern) and pattern[place] == "#":
            place += 1
            places.setdefault(place, (trail, "'#' fits"))


def _after(pattern: list[str], word: str, places: dict[int, Trail]) -> dict[int, Trail]:
    """The places in the pattern after one more word of the key."""
    reached: dict[int, Trail] = {}
    for place, trail in places.items():
        if place == len(pattern):
            continue
        wanted = pattern[place]
        if wanted == "#":
            reached.setdefault(place, trail)
        elif wanted in {"*", word}:
            reached[place + 1] = (trail, f"{wanted!r} fits" if wanted == word else f"'*' is {word!r}")
    return reached


def _quoted(words: list[str]) -> str:
    return repr(".".join(words))
