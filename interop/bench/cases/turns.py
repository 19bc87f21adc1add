"""How long others wait while one client does much at once: a ping every 5 ms on other connections sees every pause."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from interop.bench import frames
from interop.bench.case import Bench, case, to_queue
from interop.bench.cases.backlog import PAUSE_MS, PINGS_PER_SECOND, fill
from interop.bench.counters import message_size
from interop.bench.crew import Crew
from interop.bench.jobs import CONSUMER_TAG, Probe
from interop.bench.loops import Flow
from interop.bench.metrics import Metric, Numbers, at_most, percentiles, ratio_at_least
from interop.bench.peer import Peer, Topology, topology

ANSWERED = 100_000
LOST = 300_000
BINDINGS = 10_000
BODY_BYTES = 20
RECEIVE_BYTES = 1 << 18


def take(peer: Peer, queue: str, count: int) -> None:
    """Receives so many messages, and answers none."""
    peer.consume(queue, CONSUMER_TAG % 0, no_ack=False)
    size, received = 0, len(peer.received)
    head = peer.received
    peer.received = b""
    while not size or received < count * size:
        data = peer.socket.recv(RECEIVE_BYTES)
        received += len(data)
        if not size:
            head += data
            size = message_size(head) or 0


def read_until(peer: Peer, reply: bytes) -> None:
    """Receives until this is what came last; messages may come before it."""
    tail = peer.received
    while not tail.endswith(reply):
        tail = (tail + peer.socket.recv(RECEIVE_BYTES))[-len(reply) :]
    peer.received = b""


class Pings:
    """What is noted of the pings: in which time what happened."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[float, float]] = {}

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        started_at = time.monotonic()
        yield
        # What comes of it may come after its answer.
        time.sleep(0.2)
        self.spans[name] = started_at, time.monotonic()


def answers(bench: Bench, made: Topology, pings: Pings) -> None:
    """100,000 deliveries, answered at once in several ways; the queue is full again after each."""
    qos_ok = frames.method(1, frames.BASIC, 11)
    ways: dict[str, Callable[[], bytes]] = {
        "requeue": lambda: frames.nack(1, 0, multiple=True) + frames.qos(1, 1),
        "recover": lambda: frames.qos(1, 1) + frames.recover(1) + frames.qos(1, 1),
        "drop": lambda: frames.nack(1, 0, multiple=True, requeue=False) + frames.qos(1, 1),
        "ack": lambda: frames.ack(1, 0, multiple=True) + frames.qos(1, 1),
    }
    for name, said in ways.items():
        made.wait_for_depth("bench", 0)
        fill(bench.url, made, "bench", ANSWERED)
        with Peer(bench.url) as peer:
            take(peer, "bench", ANSWERED)
            peer.call(frames.method(1, frames.BASIC, 30, frames.shortstr(CONSUMER_TAG % 0), frames.bits(False)), 60, 31)
            with pings.during(name):
                peer.socket.sendall(said())
                read_until(peer, qos_ok)
        made.peer.call(frames.queue_purge(1, "bench"), 50, 31)


def endings(bench: Bench, made: Topology, pings: Pings) -> None:
    fill(bench.url, made, "bench", LOST)
    with Peer(bench.url) as peer:
        take(peer, "bench", ANSWERED)
        peer.socket.sendall(frames.method(1, frames.BASIC, 30, frames.shortstr(CONSUMER_TAG % 0), frames.bits(False)))
        with pings.during("channel"):
            peer.socket.sendall(frames.channel_close(1))
            read_until(peer, frames.method(1, 20, 41))
    made.wait_for_depth("bench", LOST)
    peer = Peer(bench.url)
    take(peer, "bench", LOST)
    with pings.during("lost"):
        peer.socket.close()
        made.wait_for_depth("bench", LOST)
    with pings.during("purge"):
        made.peer.call(frames.queue_purge(1, "bench"), 50, 31)


def deletions(made: Topology, pings: Pings) -> None:
    made.declare_exchange("bench-topic", "topic")
    made.bind("bench-topic", (("bench", f"a.{number}.b") for number in range(BINDINGS)))
    with pings.during("exchange"):
        made.peer.call(frames.exchange_delete(1, "bench-topic"), 40, 21)
    made.declare_exchange("bench-topic", "topic")
    made.bind("bench-topic", (("bench", f"a.{number}.b") for number in range(BINDINGS)))
    with pings.during("queue"):
        made.peer.call(frames.queue_delete(1, "bench"), 50, 41)
    made.declare_queues("bench")


def transactions(bench: Bench, pings: Pings) -> None:
    with Peer(bench.url) as peer:
        peer.call(frames.tx_select(1), 90, 11)
        block = to_queue("bench", BODY_BYTES).encode() * 1000
        for _ in range(ANSWERED // 1000):
            peer.socket.sendall(block)
        peer.sync()
        with pings.during("commit"):
            peer.call(frames.tx_commit(1), 90, 21)


WAITS = {
    "quiet": "nothing",
    "requeue": "nack of 100,000 with requeue",
    "recover": "recover of 100,000",
    "drop": "nack of 100,000 without requeue",
    "ack": "ack of 100,000",
    "channel": "close of a channel that owes 100,000",
    "lost": "end of a connection that owes 300,000",
    "purge": "purge of 300,000",
    "exchange": "delete of an exchange with 10,000 bindings",
    "queue": "delete of a queue with 10,000 bindings",
    "commit": "commit of 100,000 messages",
}


@case(
    "turns",
    "the longest ping beside one client that does much at once",
    *(Metric(name, label, "ms", [at_most(PAUSE_MS)]) for name, label in WAITS.items()),
    *(Metric(f"{name}_s", f"{label}: until it is done", "s", detail=True) for name, label in WAITS.items()),
    fresh=True,
)
def turns(bench: Bench) -> Numbers:
    flow, pings = Flow(), Pings()
    with topology(bench.url) as made:
        made.declare_queues("bench", "ping")
        with Crew(Probe(bench.url, to_queue("ping", BODY_BYTES), PINGS_PER_SECOND, flow)) as pinging:
            pinging.go()
            with pings.during("quiet"):
                time.sleep(1.0)
            answers(bench, made, pings)
            endings(bench, made, pings)
            deletions(made, pings)
            transactions(bench, pings)
            flow.stop()
            (latencies,) = pinging.results()
    numbers: Numbers = {}
    for name, (start, end) in pings.spans.items():
        numbers[name] = max(latencies.between(start, end)) * 1000
        numbers[f"{name}_s"] = end - start - 0.2
    return numbers


LOGINS = 500


def log_in_at_once(url: str) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(url, logs_in=False)) for _ in range(LOGINS)]
        for peer in peers:
            peer.give_credentials()
        for peer in peers:
            peer.enter()


@case(
    "logins",
    "500 clients that log in at once, and a ping every 5 ms beside",
    Metric("rate", "logged in, with connecting and leaving", "clients/s", [ratio_at_least(1)]),
    Metric("p99", "ping p99 meanwhile", "ms", [at_most(PAUSE_MS)]),
    Metric("max", "longest ping meanwhile", "ms", [at_most(PAUSE_MS)]),
)
def logins(bench: Bench) -> Numbers:
    flow, pings, rounds, started_at = Flow(), Pings(), 0, time.monotonic()
    with topology(bench.url) as made:
        made.declare_queues("ping")
        with Crew(Probe(bench.url, to_queue("ping", BODY_BYTES), PINGS_PER_SECOND, flow)) as pinging:
            pinging.go()
            with pings.during("logins"):
                while not rounds or time.monotonic() < started_at + bench.seconds:
                    log_in_at_once(bench.url)
                    rounds += 1
            flow.stop()
            (latencies,) = pinging.results()
    start, end = pings.spans["logins"]
    return {"rate": rounds * LOGINS / (end - start - 0.2), **percentiles(latencies.between(start, end))}
