"""Draws a script from a seed. The same seed gives the same script, as long as this code stays as it is."""

from collections.abc import Iterator
from random import Random
from typing import Any

from interop.parity.chance.steady import is_steady
from interop.parity.chance.steps import NEVER_MS, SOON_MS, Step
from interop.parity.chance.topology import HEADERS, KEYS, MISSING, Plan, sometimes
from interop.parity.codec import Typed

DEFAULT_STEPS = 25
ATTEMPTS = 400
CHANNELS = ("a1", "b1", "a2", "c1")

SELECTING = ("confirm_select", "tx_select")
REASONS = ("rejected", "expired", "maxlen", "delivery_limit")


def script_of(seed: int, steps: int = DEFAULT_STEPS) -> list[Step]:
    """A steady script of about that many steps, without those that declare and those that drain."""
    for attempt in range(ATTEMPTS):
        author = Author(Random(f"{seed}/{attempt}"))
        if (script := author.script(steps)) is not None:
            return script
    raise RuntimeError(f"no steady script for seed {seed}")


class Author:
    """Writes one script, step by step: a step that could make it unsteady is drawn again."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.plan = Plan(random)
        self.channels = list(CHANNELS[: random.choice([1, 2, 2, 3, 3, 4])])
        self.homes = {
            channel: random.choice(random.choice([self.plan.queues[:1], self.plan.queues])) for channel in self.channels
        }
        self.consumers: list[tuple[str, str]] = []  # channel and tag
        self.taking: list[str] = []  # channels that may have something to settle
        self.transactional: list[str] = []
        self.messages = 0
        self.written: list[Step] = []
        self.drawn_by_weight = {
            self.publish: 45,
            self.settle: 28,
            self.get: 10,
            self.consume: 6,
            self.transact: 8,
            self.recover: 2,
            self.cancel: 2,
            self.declare_again: 3,
            self.rebind: 3,
            self.purge: 1,
            self.delete: 1,
            self.close: 3,
            self.prefetch: 2,
            self.look: 0.5,
        }

    def script(self, steps: int) -> list[Step] | None:
        self.written = [*self.plan.steps(self.channels[0]), *self.roles()]
        if not is_steady(self.written):
            return None
        misses = 0
        goal = len(self.written) + steps
        while len(self.written) < goal:
            draw = self.random.choices(list(self.drawn_by_weight), list(self.drawn_by_weight.values()))[0]
            if not self.add(draw()):
                misses += 1
            if misses > 10 * steps:  # too many dangers in this topology
                return None
        if sum(step.action == "basic_publish" for step in self.written) < steps // 5:  # nothing flows
            return None
        for queue in self.plan.queues:
            self.add([Step("drain", "a9" if self.plan.declared[queue].get("exclusive") else "z1", {"queue": queue})])
        return self.written

    def add(self, steps: list[Step]) -> bool:
        if not steps or not is_steady([*self.written, *steps]):
            return False
        self.written += steps
        return True

    def roles(self) -> Iterator[Step]:
        """Some channels confirm, some are transactional, most neither; some consume from the start."""
        for channel in self.channels:
            drawn = self.random.random()
            if drawn < 0.35:
                yield Step("confirm_select", channel)
            elif drawn < 0.45:
                self.transactional.append(channel)
                yield Step("tx_select", channel)
            if sometimes(self.random, 60):
                yield from self.prefetch_on(channel)
            if sometimes(self.random, 35):
                yield self.consume_on(channel)

    # Steps. Each is a list, as some only make sense together; an empty one says that there is nothing to do.

    def publish(self) -> list[Step]:
        random = self.random
        self.messages += 1
        options: dict[str, Any] = {}
        if self.plan.exchanges and sometimes(random, 45):
            exchange = self.plan.one_of(self.plan.exchanges)
            options |= {"exchange": exchange, "routing_key": self.key_for(exchange)}
        elif sometimes(random, 1.5):
            options |= random.choice([{"routing_key": "q9"}, {"exchange": MISSING, "routing_key": "red"}])
        else:
            homes = list(self.homes.values())
            options["routing_key"] = random.choice(homes if sometimes(random, 70) else self.plan.queues)
        options["body"] = b"m%d" % self.messages + b"." * random.choice([0, 0, 0, 3, 20])
        if properties := self.properties():
            options["properties"] = properties
        if sometimes(random, 15):
            options["mandatory"] = True
        if sometimes(random, 30):
            options["times"] = random.choice([2, 2, 3, 4])
        return [Step("basic_publish", self.channel(), options)]

    def key_for(self, exchange: str) -> str:
        bound: list[str] = [
            step["routing_key"] for step in self.written if exchange in (step["exchange"], step["source"])
        ]
        concrete = [key for key in bound if key in KEYS]
        return self.random.choice(concrete if concrete and sometimes(self.random, 70) else list(KEYS))

    def properties(self) -> dict[str, Any]:
        random, properties = self.random, dict[str, Any]()
        if sometimes(random, 30) and (headers := self.headers()):
            properties["headers"] = headers
        if sometimes(random, 40):
            properties["delivery_mode"] = random.choice([1, 2])
        if sometimes(random, max(5, self.plan.percent["priority"])):
            properties["priority"] = random.choice([0, 1, 2, 3, 5, 9])
        if sometimes(random, 5 + self.plan.percent["lifetime"] // 2):
            properties["expiration"] = random.choice([str(SOON_MS)] * 9 + ["0"] * 4 + [str(NEVER_MS), "+0", "soon"])
        if sometimes(random, 3):
            properties["user_id"] = random.choice(["guest", "guest", "guest", "nobody"])
        if sometimes(random, 5):
            properties |= {"message_id": "id", "timestamp": 1_000_000_000, "type": "t"}
        return properties

    def headers(self) -> dict[str, Any]:
        random, headers = self.random, dict[str, Any]()
        if sometimes(random, 40):
            headers |= random.choice(HEADERS)
        if sometimes(random, 30):
            headers["CC"] = [random.choice([*KEYS, *self.plan.queues]) for _ in range(random.choice([1, 1, 2]))]
        if sometimes(random, 15):
            headers["BCC"] = [random.choice([*KEYS, *self.plan.queues])]
        if sometimes(random, 20):
            headers["x-death"] = random.choice(["text", 7, []]) if sometimes(random, 15) else self.history()
        if sometimes(random, 8):
            headers["x-first-death-reason"] = random.choice(["rejected", "mine", 5])
        if sometimes(random, 6):
            headers["x-delivery-count"] = random.choice([1, 5, "many"])
        return headers

    def history(self) -> list[dict[str, Any]]:
        """An x-death header a client wrote."""
        random = self.random
        deaths = []
        for _ in range(random.choice([1, 1, 2, 3])):
            death = {
                "count": random.choice([1, 2, Typed("l", 3)]),
                "reason": random.choice(REASONS),
                "queue": random.choice([*self.plan.queues, "elsewhere"]),
                "time": Typed("T", 1_000_000_000),
                "exchange": random.choice(["", *self.plan.exchanges]),
                "routing-keys": [random.choice(KEYS)],
            }
            if sometimes(random, 15):
                del death[random.choice(["count", "reason", "queue"])]
            deaths.append(death)
        return deaths

    def get(self) -> list[Step]:
        channel = self.channel()
        no_ack = sometimes(self.random, 25)
        if not no_ack:
            self.taking.append(channel)
        options = {"queue": self.homes[channel]} | ({"no_ack": True} if no_ack else {})
        return [Step("basic_get", channel, options)]

    def consume(self) -> list[Step]:
        return [self.consume_on(self.channel())]

    def consume_on(self, channel: str) -> Step:
        random = self.random
        tag = f"t{len(self.consumers) + 1}"
        self.consumers.append((channel, tag))
        options: dict[str, Any] = {"queue": self.homes[channel], "consumer_tag": tag}
        if sometimes(random, 20):
            options["no_ack"] = True
        else:
            self.taking.append(channel)
        if sometimes(random, 4):
            options["exclusive"] = True
        if sometimes(random, 25):
            options["arguments"] = {"x-priority": random.choice([-1, 1, 2, 5])}
        return Step("basic_consume", channel, options)

    def settle(self) -> list[Step]:
        """What was delivered, or is got for it."""
        random = self.random
        if not self.taking or sometimes(random, 30):
            got = self.get()
            return got if got[0]["no_ack"] else [*got, self.settle_on(got[0].channel)]
        return [self.settle_on(random.choice(self.taking))]

    def settle_on(self, channel: str) -> Step:
        random = self.random
        options: dict[str, Any] = {"nth": random.choice([0, 0, 0, 1, 2, -1])}
        action = random.choice(["basic_ack", "basic_nack", "basic_nack", "basic_reject"])
        if action != "basic_reject" and sometimes(random, 25):
            options["multiple"] = True
        if action != "basic_ack":
            options["requeue"] = sometimes(random, 50 if "x-delivery-limit" in str(self.plan.declared) else 30)
        return Step(action, channel, options)

    def transact(self) -> list[Step]:
        if not self.transactional:
            return []
        action = "tx_commit" if sometimes(self.random, 80) else "tx_rollback"
        return [Step(action, self.random.choice(self.transactional))]

    def recover(self) -> list[Step]:
        return [Step("basic_recover", self.random.choice(self.taking), {"requeue": True})] if self.taking else []

    def cancel(self) -> list[Step]:
        if not self.consumers:
            return []
        channel, tag = self.random.choice(self.consumers)
        return [Step("basic_cancel", channel, {"consumer_tag": tag})]

    def declare_again(self) -> list[Step]:
        """As it was, mostly; else with an argument more or less."""
        queue = self.plan.one_of(self.plan.queues)
        step = self.plan.declare(self.channel(), queue)
        if sometimes(self.random, 60):
            return [step]
        arguments = dict(step.arguments)
        if arguments and sometimes(self.random, 50):
            del arguments[self.random.choice(list(arguments))]
        else:
            arguments |= self.random.choice([{"x-max-length": 7}, {"x-message-ttl": NEVER_MS}, {"x-max-priority": 7}])
        return [Step(step.action, step.channel, {**step.options, "arguments": arguments})]

    def rebind(self) -> list[Step]:
        random = self.random
        if not self.plan.exchanges:
            return []
        bindings = [step for step in self.written if step.action in ("queue_bind", "exchange_bind")]
        if bindings and sometimes(random, 50):
            undone = random.choice(bindings)
            return [Step(undone.action.replace("bind", "unbind"), self.channel(), undone.options)]
        if sometimes(random, 10):
            return [Step("exchange_delete", self.channel(), {"exchange": self.plan.one_of(self.plan.exchanges)})]
        return [self.plan.binding(self.channel(), self.plan.one_of(self.plan.exchanges))]

    def purge(self) -> list[Step]:
        return [Step("queue_purge", self.channel(), {"queue": self.plan.one_of(self.plan.queues)})]

    def delete(self) -> list[Step]:
        """Mostly for a moment only."""
        queue = self.plan.one_of(self.plan.queues)
        condition = self.random.choice([{}, {}, {"if_unused": True}, {"if_empty": True}])
        deleted = Step("queue_delete", self.channel(), {"queue": queue} | condition)
        return [deleted] if sometimes(self.random, 30) else [deleted, self.plan.declare(self.channels[0], queue)]

    def close(self) -> list[Step]:
        channel = self.channel()
        closed = Step("connection_close" if sometimes(self.random, 30) else "channel_close", channel)
        return [closed, *[step for step in self.written if step.channel == channel and step.action in SELECTING][:1]]

    def prefetch(self) -> list[Step]:
        return list(self.prefetch_on(self.channel()))

    def prefetch_on(self, channel: str) -> Iterator[Step]:
        yield Step("basic_qos", channel, {"prefetch_count": self.random.choice([1, 1, 1, 2, 3, 0])})

    def look(self) -> list[Step]:
        """At what is there, by the client's own passive declare; the player looks after each step anyway."""
        return [Step("queue_declare", self.channel(), {"queue": self.plan.one_of(self.plan.queues), "passive": True})]

    def channel(self) -> str:
        return self.random.choice(self.channels)
