"""What is left in the queues, compared with what was promised."""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from interop.crash.history import Commit, Consumption, History, Outcome, Sent
from interop.crash.topology import RETRY_MS, Order
from interop.kit.client import Client
from interop.parity import codec

PATIENCE_S = 10.0
LATE_PATIENCE_S = 3.0
POLL_S = 0.02

Left = dict[str, set[str]]
"""For each queue: the names of the messages that were in it."""


def check(history: History, client: Client) -> None:
    """Take everything out of the queues, with a commit, and report what is missing or too much.

    Nobody else may use the queues meanwhile. The client is closed.
    """
    wait_for_expiry(history, client)
    client.call("tx.select")
    left: Left = {}
    judge_again_until = time.monotonic() + LATE_PATIENCE_S
    while True:
        for name, taken in drain(history, client).items():
            left.setdefault(name, set()).update(taken)
        # Only a delayed message may be late for a good reason; but a lost one deserves a second look.
        if not any(verdict.kind == "lost" for verdict in verdicts(history, left)):
            break
        if time.monotonic() > judge_again_until:
            break
        time.sleep(POLL_S)
    for verdict in verdicts(history, left):
        history.find(verdict.kind, verdict.text, *verdict.names)
    client.close()
    history.emptied()


def wait_for_expiry(history: History, client: Client) -> None:
    """Until nothing moves by itself any more."""
    deadline = time.monotonic() + PATIENCE_S
    for queue in history.topology.queues.values():
        while "x-message-ttl" in queue.arguments and (depth := client.depth(queue.name)):
            if time.monotonic() > deadline:
                history.find("stuck", f"{queue.name}: {depth} messages do not expire after {RETRY_MS} ms")
                break
            time.sleep(POLL_S)


def drain(history: History, client: Client) -> Left:
    """What every queue has, taken in one consumption and acked with commits."""
    left: Left = {}
    for queue in history.topology.queues.values():
        depth = client.depth(queue.name)
        if not depth:
            continue
        consumption = Consumption(f"drain {history.epoch}")
        left[queue.name] = set()
        client.call("basic.consume", queue=queue.name, consumer_tag="drain")
        deadline = time.monotonic() + PATIENCE_S
        count = settle(history, client, queue.name, consumption, left)
        while count < depth and time.monotonic() < deadline:
            if not client.events:  # some may have come with the answer to the commit
                client.receive(0.5)
            # In portions, as a quorum queue has a limit for those who set none.
            count += settle(history, client, queue.name, consumption, left)
        client.call("basic.cancel", consumer_tag="drain")
        count += settle(history, client, queue.name, consumption, left)
        if count < depth:  # more may have arrived late
            history.find("count", f"{queue.name}: {depth} messages were counted, {count} delivered")
    return left


def settle(history: History, client: Client, queue_name: str, consumption: Consumption, left: Left) -> int:
    """Acks what was delivered meanwhile with a commit; how many messages that were."""
    names = take(history, client, queue_name, consumption)
    if names:
        settlements = history.settles(queue_name, names, is_ack=True)
        client.tell("basic.ack", delivery_tag=0, multiple=True)
        client.call("tx.commit")
        for settlement in settlements:
            settlement.is_committed = True
        left[queue_name].update(names)
    return len(names)


def take(history: History, client: Client, queue_name: str, consumption: Consumption) -> list[str]:
    """The names of the messages that were delivered meanwhile. More is looked at here than elsewhere: their order,
    redelivered or not, and what dead letters tell of themselves."""
    queue, names = history.topology.queues[queue_name], []
    while client.events:
        event = client.events.popleft()
        redelivered = bool(event["redelivered"])
        name = history.delivered(queue, event.body, redelivered=redelivered, to=consumption)
        if name is None:
            continue
        names.append(name)
        message = history.messages[name]
        if redelivered and queue.order is Order.ALL:
            history.look_at_order(queue, message, consumption)
        if queue_name not in message.route.queues and not tells_of_death(event.properties, message):
            history.find("letter", f"{queue_name}: {name} does not tell where it died first", (queue_name, name))
        if "x-max-priority" in queue.arguments:
            highest = min(message.priority, queue.arguments["x-max-priority"])
            if highest > consumption.priority:
                history.find("order", f"{queue_name}: {name} after one of a lower priority", (queue_name, name))
            consumption.priority = highest
    return names


def tells_of_death(properties: bytes, message: Sent) -> bool:
    """Whether a header says in which queue it died first: in one it was routed to."""
    roots = (codec.encode_value(queue) for queue in message.route.queues)
    return any(b"\x13x-first-death-queue" + root in properties for root in roots)


class Verdict(NamedTuple):
    kind: str
    text: str
    names: tuple[tuple[str, str], ...]


def verdicts(history: History, left: Left) -> Iterator[Verdict]:
    """What is wrong with what is left."""
    commits: dict[Commit, list[tuple[Sent, str, str]]] = defaultdict(list)
    for message in history.messages.values():
        for root in message.route.queues:
            fate = fate_of(history, message, root, left)
            if fate in ("duplicate", "resurrected") or (fate == "gone" and must_be_there(history, message, root)):
                kind = "lost" if fate == "gone" else fate
                yield Verdict(kind, f"{root}: {message.name} is {kind}", ((root, message.name),))
            if message.commit is not None and message.commit.outcome is Outcome.UNKNOWN:
                commits[message.commit].append((message, root, fate))
    for shares in commits.values():
        yield from partial(shares)


def fate_of(history: History, message: Sent, root: str, left: Left) -> str:
    """`there`, `acked`, `gone`, `duplicate` or `resurrected`: in the queues of a chain together."""
    chain = [queue.name for queue in history.topology.chain(root)]
    places = [name for name in chain if message.name in left.get(name, ())]
    if len(places) > 1:
        return "duplicate"
    answers = [history.copies[name, message.name].settlement for name in chain if name not in places]
    acks = [each for each in answers if each is not None and each.is_ack]
    if places:
        return "resurrected" if any(history.is_firm(each) for each in acks) else "there"
    return "acked" if acks else "gone"


def must_be_there(history: History, message: Sent, root: str) -> bool:
    if message.outcome is not Outcome.CONFIRMED:
        return False
    return message.is_persistent or history.topology.keeps_transient(root) is True or message.life == history.life


def partial(shares: list[tuple[Sent, str, str]]) -> Iterator[Verdict]:
    """A commit without an answer was done as a whole or not at all. What was acked may have gone either way."""
    fates = {fate for message, _, fate in shares if message.is_persistent}
    if {"there", "gone"} <= fates:
        names = tuple((root, message.name) for message, root, fate in shares if message.is_persistent)
        yield Verdict("partial commit", f"{shares[0][0].name} and others: some are there, some are not", names[:6])
