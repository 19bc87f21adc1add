"""Policies at work: each option set and cleared while the queue or exchange lives, and known to those made later."""

from collections.abc import Mapping
from typing import Any

from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

QUEUE_TYPES = ["classic", "quorum"]
A_WEEK_MS = 7 * 24 * 3600 * 1000


class Publisher:
    """Publishes on a confirming channel, one message after the other: behind it, the queue has them."""

    def __init__(self, stage: Stage) -> None:
        self._channel = stage.channel()
        self._channel.call("confirm.select")
        self._count = 0

    def publish(self, queue: str, *bodies: str, exchange: str = "") -> None:
        for body in bodies:
            self._count += 1
            self._channel.publish(exchange, queue, body.encode(), mandatory=True)
            self._channel.wait_confirms(self._count)


def declare(channel: Channel, name: str, kind: str = "classic", arguments: Mapping[str, Any] | None = None) -> str:
    """A durable queue: quorum queues must be."""
    return channel.declare(name, durable=True, arguments={"x-queue-type": kind, **(arguments or {})})


def own(stage: Stage) -> str:
    """A pattern for whatever the scenario makes."""
    return stage.run_id


# One option at a time


@scenario(each=["before", "after"])
def message_ttl(stage: Stage, declared: str) -> None:
    """Messages live as long as the policy said when they came."""
    channel, publisher, queue = stage.channel(), Publisher(stage), stage.name()
    if declared == "before":
        declare(channel, queue)
        publisher.publish(queue, "before")
    stage.admin.set_policy("p", own(stage), {"message-ttl": 0})
    declare(channel, queue)
    publisher.publish(queue, "during")
    stage.admin.clear_policy("p")
    publisher.publish(queue, "after")
    channel.drain(queue)


@scenario()
def message_ttl_of_what_waits(stage: Stage) -> None:
    """A policy changes nothing for messages that are there, not even for those that have a time to live."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name())
    stage.admin.set_policy("p", own(stage), {"message-ttl": A_WEEK_MS})
    publisher.publish(queue, "a week")
    stage.admin.set_policy("p", own(stage), {"message-ttl": 0})
    publisher.publish(queue, "no time")
    channel.get(queue)
    channel.nack(1)
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=["before", "after"])
def expires(stage: Stage, declared: str) -> None:
    """A queue nobody uses goes when the policy says so."""
    channel, queue = stage.channel(), stage.name()
    if declared == "before":
        declare(channel, queue)
    stage.admin.set_policy("p", own(stage), {"expires": 1})
    declare(channel, queue)
    channel.connection.until_queue_gone(queue)


@scenario()
def expires_by_turns(stage: Stage) -> None:
    """A long life may become short, a short one endless."""
    channel = stage.channel()
    queue, lasting = declare(channel, stage.name("short")), declare(channel, stage.name("long"))
    channel.consume(lasting)
    stage.admin.set_policy("p", own(stage), {"expires": A_WEEK_MS})
    stage.admin.set_policy("p", own(stage), {"expires": 1})
    channel.connection.until_queue_gone(queue)
    stage.admin.clear_policy("p")
    channel.call("basic.cancel", consumer_tag="c")
    channel.settle(lasting)


LIMITS: Mapping[str, tuple[str, dict[str, Any]]] = {
    f"{kind}, {option}": (kind, {option: value})
    for kind in QUEUE_TYPES
    for option, value in (("max-length", 2), ("max-length-bytes", 9))
}


@scenario(each=LIMITS, before={"quorum, max-length-bytes": "4.3"})
def limit(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """What a new limit has no room for is dropped at the head, at once; without the limit all stays again."""
    kind, definition = case
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), kind)
    publisher.publish(queue, *"abcd")
    publisher.publish(queue, "eeee")
    stage.admin.set_policy("p", own(stage), definition)
    channel.until_queue(queue, message_count=2 if "max-length" in definition else 5)
    publisher.publish(queue, "ffff", "gg")
    channel.until_queue(queue, message_count=2)
    stage.admin.clear_policy("p")
    publisher.publish(queue, *"hij")
    channel.until_queue(queue, message_count=5)
    channel.drain(queue)


@scenario(each=["drop-head", "reject-publish"])
def limit_of_nothing(stage: Stage, overflow: str) -> None:
    """A limit of 0 leaves room for no message at all; those that are there may stay if publishers are refused."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name())
    publisher.publish(queue, "there")
    stage.admin.set_policy("p", own(stage), {"max-length": 0, "overflow": overflow})
    channel.settle(queue)
    publisher.publish(queue, "new")
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=QUEUE_TYPES)
def overflow(stage: Stage, kind: str) -> None:
    """What happens to publishers beyond the limit is the policy's choice, and may change."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), kind, {"x-max-length": 1})
    publisher.publish(queue, "a", "b")
    stage.admin.set_policy("p", own(stage), {"overflow": "reject-publish"})
    channel.until_queue(queue, message_count=1)
    if kind == "quorum":  # rejects only from one message beyond its limit on
        publisher.publish(queue, "c")
        channel.until_queue(queue, message_count=2)
    publisher.publish(queue, "d")
    stage.admin.clear_policy("p")
    if kind == "quorum":  # goes on refusing those it has told (amqpy does not), but nobody else
        publisher = Publisher(stage)
    publisher.publish(queue, "e")
    channel.until_queue(queue, message_count=1)
    channel.drain(queue)


@scenario(each=QUEUE_TYPES)
def dead_letters(stage: Stage, kind: str) -> None:
    """Where refused messages go is the policy's choice at the time they are refused."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue, dead, other = declare(channel, stage.name(), kind), stage.name("dead"), stage.name("other")
    channel.declare(dead)
    channel.declare(other)
    publisher.publish(queue, "nowhere", "dead", "other", "nowhere again")
    definitions = [{}, {"dead-letter-routing-key": dead}, {"dead-letter-routing-key": other}, {}]
    for tag, definition in enumerate(definitions, 1):
        if definition:
            stage.admin.set_policy("p", f"^{queue}$", {"dead-letter-exchange": ""} | definition)
        elif tag > 1:
            stage.admin.clear_policy("p")
        channel.settle(queue)
        channel.get(queue)
        channel.reject(tag, requeue=False)
        channel.settle(queue)  # or the next policy could be there before the reject is
        if definition:
            stage.until_queue(definition["dead-letter-routing-key"], message_count=1)
    channel.settle(queue)
    for each in (dead, other):
        channel.drain(each)


@scenario()
def dead_letter_routing_key_alone(stage: Stage) -> None:
    """A routing key for dead letters is no mistake in a policy, as it is among arguments; it does nothing alone."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue, dead = declare(channel, stage.name()), channel.declare(stage.name("dead"))
    stage.admin.set_policy("p", f"^{queue}$", {"dead-letter-routing-key": dead})
    publisher.publish(queue, "a")
    channel.get(queue)
    channel.reject(1, requeue=False)
    channel.settle(queue, dead)
    channel.drain(dead)


@scenario()
def delivery_limit(stage: Stage) -> None:
    """A quorum queue drops what comes back too often."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), "quorum")
    stage.admin.set_policy("p", own(stage), {"delivery-limit": 1})
    publisher.publish(queue, "a")
    for tag in (1, 2):
        channel.get(queue)
        channel.reject(tag)
        channel.settle(queue)
    stage.until_queue(queue, message_count=0)
    channel.drain(queue)


@scenario(each=["before", "after"])
def alternate_exchange(stage: Stage, declared: str) -> None:
    """Where unrouted messages go."""
    channel, publisher = stage.channel(), Publisher(stage)
    exchange, alternate, queue = stage.name("x"), stage.name("alternate"), channel.declare(exclusive=True)
    channel.exchange(alternate, "fanout")
    channel.bind(queue, alternate)
    if declared == "before":
        channel.exchange(exchange)
        publisher.publish("k", "before", exchange=exchange)
    stage.admin.set_policy("p", f"^{exchange}$", {"alternate-exchange": alternate})
    channel.exchange(exchange)
    publisher.publish("k", "during", exchange=exchange)
    stage.admin.set_policy("p", f"^{exchange}$", {"alternate-exchange": ""})
    publisher.publish(queue, "default exchange", exchange=exchange)
    stage.admin.clear_policy("p")
    publisher.publish("k", "after", exchange=exchange)
    channel.settle(queue)
    channel.drain(queue)


# Which policy


@scenario()
def priority(stage: Stage) -> None:
    """Only the policy of the highest priority counts, and nothing of the others."""
    channel, publisher, admin = stage.channel(), Publisher(stage), stage.admin
    queue = declare(channel, stage.name())
    admin.set_policy("low", own(stage), {"max-length": 3, "overflow": "reject-publish"}, priority=-1)
    admin.set_policy("high", own(stage), {"max-length": 2}, priority=1.5)
    admin.set_policy("middle", own(stage), {"max-length": 1}, priority=1)
    publisher.publish(queue, *"abc")
    admin.clear_policy("high")
    channel.until_queue(queue, message_count=1)
    admin.set_policy("middle", own(stage), {"max-length": 1}, priority=-2)
    publisher.publish(queue, *"defg")
    channel.drain(queue)


PATTERNS = ["^abc\\.RUN$", r"c\.", "^abc", "", "bc$", "ABC", "(?i)ABC", "^abc$", r"^\w{3}\.[0-9a-f]+$", "^(q|abc)", "x"]


@scenario()
def pattern(stage: Stage) -> None:
    """A pattern is looked for anywhere in the name."""
    vhost = stage.admin.add_vhost()
    channel, queue = stage.channel(vhost=vhost), stage.name("abc")
    channel.declare(queue)
    for each in PATTERNS:
        stage.admin.set_policy("p", each.replace("RUN", stage.run_id), {"max-length": 1}, vhost=vhost)
        channel.settle(queue)
        channel.publish_some(queue, 2)
        channel.settle(queue)
        channel.drain(queue)


@scenario(each=["all", "queues", "exchanges"])
def apply_to(stage: Stage, kind: str) -> None:
    """A policy is for queues, for exchanges, or for both: its keys do not choose."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue, exchange = stage.name(), stage.name("x")
    other = channel.declare(exclusive=True)
    declare(channel, queue)
    channel.exchange(exchange)
    stage.admin.set_policy("p", own(stage), {"max-length": 1, "alternate-exchange": ""}, apply_to=kind)
    publisher.publish(queue, *"ab")
    publisher.publish(other, "c", exchange=exchange)
    channel.settle(queue, other)
    channel.drain(queue)
    channel.drain(other)


UNFITTING = {
    f"{kind}, {key}": (kind, {key: value})
    for kind in QUEUE_TYPES
    for key, value in {
        "max-length": 1,
        "message-ttl": A_WEEK_MS,
        "expires": A_WEEK_MS,
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "k",
        "dead-letter-strategy": "at-most-once",
        "overflow": "drop-head",
        "delivery-limit": 5,
        "max-in-memory-length": 5,
        "max-in-memory-bytes": 5,
        "queue-mode": "lazy",
        "queue-version": 2,
        "queue-leader-locator": "balanced",
        "initial-cluster-size": 1,
        "max-age": "1h",
        "stream-max-segment-size-bytes": 1000,
        "alternate-exchange": "",
    }.items()
}


@scenario(each=UNFITTING)
def policy_that_does_not_fit(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """One key that the type of a queue does not know, and the whole policy is not for that queue."""
    kind, definition = case
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), kind)
    stage.admin.set_policy("fits", own(stage), {"max-length": 2})
    stage.admin.set_policy("p", own(stage), {"max-length": 1} | definition, priority=1)
    publisher.publish(queue, *"abc")
    channel.settle(queue)
    channel.drain(queue)


# Policy and arguments, operator policy and policy

MERGES: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "argument less than policy": ({"x-max-length": 1}, {"max-length": 2}, {}),
    "policy less than argument": ({"x-max-length": 2}, {"max-length": 1}, {}),
    "argument less than operator": ({"x-max-length": 1}, {}, {"max-length": 2}),
    "operator less than argument": ({"x-max-length": 2}, {}, {"max-length": 1}),
    "policy less than operator": ({}, {"max-length": 1}, {"max-length": 2}),
    "operator less than policy": ({}, {"max-length": 2}, {"max-length": 1}),
    "all three": ({"x-max-length": 3}, {"max-length": 2}, {"max-length": 1}),
    "different limits": ({"x-max-length": 3}, {"max-length-bytes": 2}, {"max-length": 4}),
    "zero": ({"x-max-length": 3}, {"max-length": 0}, {"max-length": 4}),
    "overflow in argument and policy": (
        {"x-max-length": 1, "x-overflow": "drop-head"}, {"overflow": "reject-publish"}, {},
    ),
    "overflow the other way": ({"x-max-length": 1, "x-overflow": "reject-publish"}, {"overflow": "drop-head"}, {}),
    "overflow and operator": ({}, {"overflow": "reject-publish"}, {"max-length": 1}),
}  # fmt: skip


@scenario(each=MERGES)
def merged_limits(stage: Stage, case: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    """The lowest number counts; of words, the argument's."""
    arguments, policy, operator_policy = case
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), arguments=arguments)
    if policy:
        stage.admin.set_policy("p", own(stage), policy)
    if operator_policy:
        stage.admin.set_policy("p", own(stage), operator_policy, operator=True)
    publisher.publish(queue, *"abcd")
    channel.drain(queue)


@scenario(each={"argument": (0, A_WEEK_MS), "policy": (A_WEEK_MS, 0)})
def merged_ttl(stage: Stage, case: tuple[int, int]) -> None:
    """The shorter time to live counts."""
    argument, policy = case
    channel, publisher = stage.channel(), Publisher(stage)
    queue = declare(channel, stage.name(), arguments={"x-message-ttl": argument})
    stage.admin.set_policy("p", own(stage), {"message-ttl": policy})
    publisher.publish(queue, "a")
    channel.until_queue(queue, message_count=0)


@scenario(each={"argument": (1, A_WEEK_MS), "policy": (A_WEEK_MS, 1)})
def merged_expires(stage: Stage, case: tuple[int, int]) -> None:
    """The shorter life counts."""
    argument, policy = case
    channel = stage.channel()
    stage.admin.set_policy("p", own(stage), {"expires": policy})
    queue = declare(channel, stage.name(), arguments={"x-expires": argument})
    channel.connection.until_queue_gone(queue)


@scenario(each=QUEUE_TYPES)
def merged_dead_letters(stage: Stage, kind: str) -> None:
    """The argument counts, option by option."""
    channel, publisher = stage.channel(), Publisher(stage)
    dead, other, exchange = stage.name("dead"), stage.name("other"), stage.name("x")
    for each in (dead, other):
        channel.declare(each)
    channel.exchange(exchange, "fanout")
    channel.bind(other, exchange)
    queue = declare(channel, stage.name(), kind, {"x-dead-letter-exchange": ""})
    stage.admin.set_policy("p", f"^{queue}$", {"dead-letter-exchange": exchange, "dead-letter-routing-key": dead})
    publisher.publish(queue, "a")
    channel.get(queue)
    channel.reject(1, requeue=False)
    stage.until_queue(dead, message_count=1)
    channel.drain(dead)
    channel.drain(other)


@scenario()
def merged_alternate_exchange(stage: Stage) -> None:
    """The argument counts."""
    channel, publisher = stage.channel(), Publisher(stage)
    queue = channel.declare(exclusive=True)
    missing, exchange = stage.name("missing"), stage.name("x")
    channel.exchange(exchange, arguments={"alternate-exchange": missing})
    stage.admin.set_policy("p", f"^{exchange}$", {"alternate-exchange": ""})
    publisher.publish(queue, "a", exchange=exchange)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def arguments_are_compared_without_policies(stage: Stage) -> None:
    """A queue is declared again with its own arguments, whatever policies make of them."""
    channel = stage.channel()
    stage.admin.set_policy("p", own(stage), {"max-length": 1, "expires": A_WEEK_MS})
    queue = declare(channel, stage.name(), arguments={"x-max-length": 5})
    declare(channel, queue, arguments={"x-max-length": 5})
    declare(channel, queue, arguments={"x-max-length": 1})


@scenario(each={"exclusive": {"exclusive": True}, "auto-delete": {"auto_delete": True}, "transient": {}})
def every_kind_of_queue(stage: Stage, fields: dict[str, bool]) -> None:
    """Policies are for all queues, also for those of one connection."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), **fields)
    stage.admin.set_policy("p", own(stage), {"max-length": 1})
    channel.settle(queue)
    channel.publish_some(queue, 3)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def other_vhosts(stage: Stage) -> None:
    """A policy is for its virtual host only."""
    vhost = stage.admin.add_vhost()
    here, there = stage.channel(), stage.channel(vhost=vhost)
    stage.admin.set_policy("p", own(stage), {"max-length": 1}, vhost=vhost)
    queue = stage.name()
    for channel in (here, there):
        channel.declare(queue)
        channel.publish_some(queue, 3)
        channel.settle(queue)
        channel.drain(queue)
