"""Draws queues, exchanges and bindings: the first steps of a script."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from interop.parity.chance.steps import NEVER_MS, SOON_MS, Step
from interop.parity.codec import Typed

EXCHANGE_TYPES = ("direct", "fanout", "topic", "headers")
KEYS = ("red", "red.green", "blue", "red.green.blue")
PATTERNS = (*KEYS, "#", "red.*", "*.green.#", "red.#")
HEADERS = ({"colour": "red"}, {"colour": "red", "size": 1}, {"size": 2})
MISSING = "x9"


def sometimes(random: Random, percent: float) -> bool:
    return random.random() * 100 < percent


class Plan:
    """What a script is about: which queues and exchanges there are, and with what arguments."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.queues = [f"q{number}" for number in range(1, random.choice([1, 2, 2, 2, 3, 3, 4]) + 1)]
        self.exchanges = {
            f"x{number}": random.choice(EXCHANGE_TYPES) for number in range(1, random.choice([0, 1, 1, 2, 2, 3]) + 1)
        }
        percent_quorum = random.choice([0, 0, 50, 100])
        # Each script has its subjects: an argument is more likely to matter where others have it, too.
        self.percent = {
            "dead letters": random.choice([50, 90, 100]),
            "lifetime": random.choice([0, 20, 40, 60]),
            "limit": random.choice([0, 40, 80]),
            "priority": random.choice([0, 0, 20, 70]),
            "single": random.choice([0, 0, 10, 40]),
        }
        self.declared = {
            queue: self.declaration(number, quorum=sometimes(random, percent_quorum))
            for number, queue in enumerate(self.queues)
        }

    def likely(self, subject: str) -> bool:
        return sometimes(self.random, self.percent[subject])

    def declaration(self, number: int, *, quorum: bool) -> dict[str, Any]:
        """Options of queue.declare, but for the name."""
        random, options = self.random, dict[str, Any]()
        arguments: dict[str, Any] = {"x-queue-type": "quorum"} if quorum else {}
        if quorum or sometimes(random, 40):
            options["durable"] = True
        elif sometimes(random, 8):
            options["exclusive"] = True
        if not quorum and sometimes(random, 8):
            options["auto_delete"] = True
        arguments |= self.classic_only() if not quorum else {}
        if quorum and sometimes(random, 60):
            arguments["x-delivery-limit"] = random.choice([0, 0, 1, 1, 2])
        if self.likely("lifetime"):
            arguments["x-message-ttl"] = random.choice([SOON_MS, SOON_MS, 0, NEVER_MS])
        arguments |= self.limits(quorum=quorum) | self.dead_lettering(number)
        if self.likely("single"):
            arguments["x-single-active-consumer"] = sometimes(random, 90)
        if sometimes(random, 4):
            arguments["x-expires"] = NEVER_MS
        if arguments:
            options["arguments"] = arguments
        return options

    def classic_only(self) -> dict[str, Any]:
        arguments = dict[str, Any]()
        if self.likely("priority"):
            highest = self.random.choice([1, 3, 5, 5])
            arguments["x-max-priority"] = self.random.choice(
                [highest, highest, Typed("b", highest), Typed("l", highest)]
            )
        if sometimes(self.random, 4):
            arguments["x-queue-mode"] = "default"  # a lazy one forgets some of what it decoded
        if sometimes(self.random, 4):
            arguments["x-queue-type"] = "classic"
        return arguments

    def limits(self, *, quorum: bool) -> dict[str, Any]:
        random, arguments = self.random, dict[str, Any]()
        if self.likely("limit"):
            arguments["x-max-length"] = random.choice([0, 1, 1, 2, 2, 3])
        if self.likely("limit") and sometimes(random, 50):
            arguments["x-max-length-bytes"] = random.choice([0, 2, 5, 10, 30])
        if sometimes(random, 45 if arguments else 4):
            arguments["x-overflow"] = random.choice(
                ["drop-head", "reject-publish", "reject-publish"] + ["reject-publish-dlx"] * (1 if quorum else 2)
            )
        return arguments

    def dead_lettering(self, number: int) -> dict[str, Any]:
        """Mostly from one queue to the next: there is little in cycles that comes out the same every time."""
        random = self.random
        if not self.likely("dead letters"):
            return {}
        if number + 1 < len(self.queues) and sometimes(random, 60):
            return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.queues[number + 1]}
        if self.exchanges and sometimes(random, 40):
            arguments = {"x-dead-letter-exchange": random.choice(list(self.exchanges))}
            if sometimes(random, 40):
                arguments["x-dead-letter-routing-key"] = random.choice(KEYS)
            return arguments
        if sometimes(random, 6):
            return {"x-dead-letter-exchange": MISSING}
        if sometimes(random, 12):
            return {"x-dead-letter-exchange": ""}
        return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": random.choice(self.queues)}

    # Steps

    def steps(self, channel: str) -> Iterator[Step]:
        for queue in self.queues:
            yield self.declare(channel, queue)
        for exchange in self.exchanges:
            yield self.exchange(channel, exchange)
        for exchange in self.exchanges:
            for _ in range(self.random.choice([1, 1, 2, 2, 3])):
                yield self.binding(channel, exchange)

    def declare(self, channel: str, queue: str) -> Step:
        return Step("queue_declare", channel, {"queue": queue, **self.declared[queue]})

    def exchange(self, channel: str, exchange: str) -> Step:
        options: dict[str, Any] = {"exchange": exchange, "exchange_type": self.exchanges[exchange]}
        if sometimes(self.random, 5):
            options["auto_delete"] = True
        if sometimes(self.random, 20):
            options["arguments"] = {"alternate-exchange": self.random.choice([*self.exchanges, MISSING])}
        return Step("exchange_declare", channel, options)

    def binding(self, channel: str, exchange: str) -> Step:
        options: dict[str, Any] = {"routing_key": self.binding_key(exchange)}
        if self.exchanges[exchange] == "headers":
            options["arguments"] = self.matching()
        if len(self.exchanges) > 1 and sometimes(self.random, 20):
            return Step(
                "exchange_bind", channel, {"destination": self.one_of(self.exchanges), "source": exchange} | options
            )
        return Step("queue_bind", channel, {"queue": self.one_of(self.queues), "exchange": exchange} | options)

    def binding_key(self, exchange: str) -> str:
        return self.random.choice(PATTERNS if self.exchanges[exchange] == "topic" else KEYS[:3])

    def matching(self) -> dict[str, Any]:
        how = (
            {"x-match": self.random.choice(["all", "any", "any-with-x", "all-with-x"])}
            if sometimes(self.random, 70)
            else {}
        )
        if sometimes(self.random, 15):
            return how | {"x-first-death-reason": self.random.choice(["rejected", "expired", "maxlen"])}
        return how | dict(self.random.choice(HEADERS))

    def one_of(self, names: Iterable[str]) -> str:
        return self.random.choice(list(names))
