"""Which scripts RabbitMQ plays the same way every time.

Its queues are processes: what two of them send to a third comes in any order, and so does what a channel sends to a
queue that another one sends to as well. A script is steady if nothing that a single step sets going can meet like
that. Everything here looks at the whole script, whatever order its steps are in, and errs on the side of caution: an
exchange may route to all that is or was bound to it, and a queue may let go of messages whenever an argument could
make it do so.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from interop.parity.chance.steps import SETTLING, SOON_MS, STANDING, Script, Step

CHANNEL = "the channel"
SHORT_LIVES = frozenset({0, SOON_MS})
LIMITS = ("x-max-length", "x-max-length-bytes")

Arguments = Mapping[str, Any]


def is_quorum(arguments: Arguments) -> bool:
    return arguments.get("x-queue-type") == "quorum"


def is_limited(arguments: Arguments) -> bool:
    return any(limit in arguments for limit in LIMITS)


def has_delivery_limit(arguments: Arguments) -> bool:
    return "x-delivery-limit" in arguments


def may_refuse(arguments: Arguments) -> bool:
    return is_limited(arguments) and arguments.get("x-overflow") in ("reject-publish", "reject-publish-dlx")


def is_short_lived(arguments: Arguments) -> bool:
    return arguments.get("x-message-ttl") in SHORT_LIVES


def has_soon(step: Step) -> bool:
    return step.properties.get("expiration") in ("0", "+0", str(SOON_MS))


class Topology:
    """Every queue, binding and key of a script, however short it may be there."""

    def __init__(self, script: Script) -> None:
        self.queues: dict[str, list[Arguments]] = defaultdict(list)
        self.bound: dict[str, set[str]] = defaultdict(set)  # exchanges to queues and exchanges
        self.keys: set[str] = set()  # by which the default exchange may route
        self.homes: dict[str, set[str]] = defaultdict(set)  # channels to the queues they consume and get from
        self.transactional: set[str] = set()
        self.consuming = {step.channel for step in script if step.action == "basic_consume"}
        self.limited = {step.channel for step in script if step.action == "basic_qos"}
        self.published: dict[str, set[str]] = defaultdict(set)  # channels to the queues they publish to
        self.has_rejects = any(step.discards for step in script)
        self.soon_in_transactions = False
        for step in script:
            self._learn(step)
        self.has_quorum = any(is_quorum(arguments) for each in self.queues.values() for arguments in each)
        for step in script:
            if step.action == "basic_publish":
                self.published[step.channel] |= self.routes(step)
                self.soon_in_transactions |= has_soon(step) and step.channel in self.transactional

    def _learn(self, step: Step) -> None:
        match step.action:
            case "queue_declare" if not step["passive"]:
                self.queues[step["queue"]].append(step.arguments)
                self.keys.add(step.arguments.get("x-dead-letter-routing-key", ""))
            case "queue_bind":
                self.bound[step["exchange"]].add(step["queue"])
            case "exchange_bind":
                self.bound[step["source"]].add(step["destination"])
            case "exchange_declare" if "alternate-exchange" in step.arguments:
                self.bound[step["exchange"]].add(step.arguments["alternate-exchange"])
            case "basic_consume" | "basic_get":
                self.homes[step.channel].add(step["queue"])
            case "tx_select":
                self.transactional.add(step.channel)
            case "basic_publish":
                self.keys |= keys_of(step)

    def reach(self, exchange: str) -> set[str]:
        """Queues an exchange may route to by any of its bindings."""
        seen, found = set(), {exchange}
        while found:
            name = found.pop()
            seen.add(name)
            found |= self.bound.get(name, set()) - seen
        return seen & self.queues.keys()

    def routes(self, publish: Step) -> set[str]:
        exchange = publish["exchange"] or ""
        return self.reach(exchange) if exchange else keys_of(publish) & self.queues.keys()

    def dead_letters(self, queue: str) -> bool:
        return any("x-dead-letter-exchange" in arguments for arguments in self.queues.get(queue, ()))

    def targets(self, queue: str) -> set[str]:
        """Queues its dead letters may come to."""
        found: set[str] = set()
        for arguments in self.queues.get(queue, ()):
            exchange = arguments.get("x-dead-letter-exchange")
            if exchange:
                found |= self.reach(exchange)
            elif exchange == "":
                key = arguments.get("x-dead-letter-routing-key")
                found |= (self.keys if key is None else {key}) & self.queues.keys()
        return found

    def lets_go(self, queue: str) -> bool:
        """Whether its messages may die without a client's doing."""
        return any(
            is_short_lived(arguments) or (is_limited(arguments) and arguments.get("x-overflow") != "reject-publish")
            for arguments in self.queues.get(queue, ())
        )

    def any_of(self, queues: Collection[str], what: Any) -> bool:  # noqa: ANN401
        return any(what(arguments) for queue in queues for arguments in self.queues.get(queue, ()))


def keys_of(publish: Step) -> set[str]:
    keys = {publish["routing_key"] or ""}
    for header in ("CC", "BCC"):
        listed = publish.headers.get(header)
        keys |= {key for key in listed if isinstance(key, str)} if isinstance(listed, list) else set()
    return keys


def lapses(topology: Topology, step: Step) -> int:
    """How often time has to run out, one queue after the other, until what the step sets going is over."""
    queues = sum(topology.any_of([queue], is_short_lived) for queue in topology.queues)
    own = has_soon(step) or (step.action == "tx_commit" and topology.soon_in_transactions)
    return queues + own


def hazards(script: Script) -> Iterator[str]:
    """Why RabbitMQ may play the script in more than one way."""
    topology = Topology(script)
    yield from (f"{channel} takes from {sorted(homes)}" for channel, homes in topology.homes.items() if len(homes) > 1)
    yield from endless(topology, script)
    yield from mistaken(topology, script)
    for step in script:
        if step.action not in STANDING:
            yield from (f"{step}: {hazard}" for hazard in step_hazards(topology, step))


def step_hazards(topology: Topology, step: Step) -> Iterator[str]:
    home = topology.homes.get(step.channel, set())
    of_quorum = topology.any_of(home, is_quorum)
    match step.action:
        case "basic_publish" | "tx_commit" | "tx_rollback":
            yield from publish_hazards(topology, step, home)
        case "connection_close":
            channels = [channel for channel in topology.homes if channel[0] == step.connection]
            homes = [queue for channel in channels for queue in topology.homes[channel]]
            if len(set(homes)) < len(homes):
                yield "two channels give back to one queue"
            yield from meetings(topology, homes, letting_go=True)
        case "basic_cancel" if topology.any_of(home, lambda arguments: "x-single-active-consumer" in arguments):
            # RabbitMQ 3.10's queue crashes if it is left with messages nobody takes.
            yield "the active consumer may be cancelled"
        case "basic_consume" if step["no_ack"] and step.channel in topology.limited and of_quorum:
            yield "a quorum queue hears late that there is room again"
        case "basic_consume" if step.channel in topology.limited and topology.any_of(home, has_delivery_limit):
            yield "RabbitMQ gives credit twice for what is over the delivery limit"
        case "queue_delete" if topology.any_of([step["queue"]], is_quorum):
            yield "a quorum queue goes in its own time"
        case _:
            yield from meetings(topology, {step["queue"]} if step["queue"] else home, letting_go=True)


def publish_hazards(topology: Topology, step: Step, home: set[str]) -> Iterator[str]:
    transactional = step.channel in topology.transactional
    sources = topology.published[step.channel] | home if transactional else topology.routes(step)
    burst = transactional or (step["times"] or 1) > 1
    letting_go = transactional or "expiration" in step.properties
    yield from meetings(topology, sources, letting_go=letting_go, burst=burst)
    yield from meant_differences(topology, step, downstream(topology, sources))
    if transactional and step.channel in topology.consuming and topology.any_of(sources, may_refuse):
        yield "deliveries may come before or after a commit is refused"
    if burst:
        everywhere = downstream(topology, sources)
        soon = has_soon(step) or topology.soon_in_transactions or topology.any_of(everywhere, is_short_lived)
        if soon and topology.any_of(everywhere, lambda each: is_limited(each) or "x-max-priority" in each):
            yield "what is over may be limited before or after"


def meant_differences(topology: Topology, publish: Step, queues: Collection[str]) -> Iterator[str]:
    """Where amqpy does not follow RabbitMQ, as `scenarios/by_chance.py` says."""
    if has_soon(publish) and topology.any_of(queues, lambda each: "x-max-priority" in each):
        yield "RabbitMQ does not look at a message that overtakes others"
    if topology.any_of(queues, lambda each: is_quorum(each) and may_refuse(each)):
        yield "RabbitMQ tells each channel by itself that a quorum queue is full"


def downstream(topology: Topology, sources: Iterable[str]) -> set[str]:
    """These queues, and all that their dead letters may come to."""
    seen: set[str] = set()
    found = set(sources)
    while found:
        queue = found.pop()
        seen.add(queue)
        found |= topology.targets(queue) - seen
    return seen


def meetings(
    topology: Topology, sources: Collection[str], *, letting_go: bool = False, burst: bool = False
) -> Iterator[str]:
    """Queues that may be sent to from two sides at once.

    `letting_go` says that messages may die in the first queues whatever their arguments. A message may come back to
    where it started, if nothing else is on its way there.
    """
    senders: dict[str, set[str]] = {queue: {CHANNEL} for queue in sources}
    waiting = [queue for queue in sources if letting_go or topology.lets_go(queue)]
    done = set()
    while waiting:
        queue = waiting.pop()
        done.add(queue)
        for target in sorted(topology.targets(queue)):
            senders.setdefault(target, set()).add(queue)
            if target not in done and target not in waiting and topology.lets_go(target):
                waiting.append(target)
    for queue, sending in senders.items():
        queues = sending - {CHANNEL}
        returns = CHANNEL in sending and queues
        if len(queues) > 1 or (returns and (burst or len(sources) > 1 or topology.any_of([queue], is_quorum))):
            yield f"{' and '.join(sorted(sending))} send to {queue}"


def endless(topology: Topology, script: Script) -> Iterator[str]:
    """Cycles nobody ends: what was rejected once may go round them for ever."""
    tells = any("x-death" in step.headers for step in script)
    if not (topology.has_rejects or tells):
        return
    leaking = [queue for queue in topology.queues if topology.lets_go(queue)]
    ways = {queue: topology.targets(queue) & set(leaking) for queue in leaking}
    for queue in leaking:
        seen: set[str] = set()
        found = set(ways[queue])
        while found:
            each = found.pop()
            seen.add(each)
            found |= ways[each] - seen
        if queue in seen:
            yield f"messages may go round by way of {queue} for ever"


def mistaken(topology: Topology, script: Script) -> Iterator[str]:
    """Answers to messages of a queue that is gone: RabbitMQ takes them for answers to those of the next queue of that
    name, as `scenarios/by_chance.py` says. This alone goes by the order of the steps, or nothing could be answered in
    any script that declares a queue anew."""
    leaving = {step["queue"] for step in script if step["auto_delete"]}
    gone: set[str] = set()
    mixed_up: set[str] = set()  # channels
    for step in script:
        match step.action:
            case "queue_delete":
                gone.add(step["queue"])
            case "basic_cancel":
                gone |= leaving
            case "channel_close":
                gone |= leaving
                mixed_up.discard(step.channel)
            case "connection_close":
                gone |= leaving
                mixed_up = {channel for channel in mixed_up if channel[0] != step.connection}
            case "queue_declare" if step["queue"] in gone:
                mixed_up |= {channel for channel, homes in topology.homes.items() if step["queue"] in homes}
            case action if step.channel in mixed_up and action in (*SETTLING, "basic_recover", "tx_commit"):
                yield f"{step} may be about a queue that is gone"


def is_steady(script: Script) -> bool:
    return next(hazards(script), None) is None
