"""What one load process does: open its connections, then run one of the loops."""

import selectors
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import cycle, islice
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from interop.bench import frames, loops
from interop.bench.frames import Block, Publication
from interop.bench.loops import Client, Flow, Inlet, Latencies, Limits, Span
from interop.bench.peer import TIMEOUT_S, Peer

if TYPE_CHECKING:
    from array import array

CONSUMER_TAG = "consumer-%05d"

AS_GUEST = {"authorization": f"Basic {b64encode(b'guest:guest').decode()}"}
POLL_S = 0.1
"""Seconds after which a job that waits looks if it is to stop."""


@dataclass
class Connections:
    """The connections of a job; they stay out of the pickle because a job is empty when it travels."""

    url: str
    peers: list[Peer] = field(default_factory=list, init=False)

    def connect(self) -> Peer:
        peer = Peer(self.url)
        self.peers.append(peer)
        return peer

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


@dataclass
class Publish(Connections):
    """One connection for each route, which is the list of messages that it sends round and round."""

    routes: Sequence[Sequence[Publication]]
    limits: Limits
    flow: Flow
    until_routed: bool = False  # the end is when the broker has routed everything, not when it is sent

    def prepare(self) -> None:
        self.blocks = [Block(route, loops.SEND_BYTES) for route in self.routes]
        for _ in self.routes:
            self.connect()

    def run(self) -> Span:
        sockets = [peer.socket for peer in self.peers]
        span = loops.publish(sockets, self.blocks, self.limits, self.flow)
        self.flow.target = span.total * self.limits.fanout
        for peer in self.peers:  # a connection that goes with publishes under way may take them with it
            peer.socket.settimeout(TIMEOUT_S)
            peer.sync()
        if self.until_routed:
            span.ended_at = time.monotonic()
        self.close()
        return span


@dataclass
class Consume(Connections):
    """One connection for each list of queues, with a consumer on each of them."""

    queues: Sequence[Sequence[str]]
    flow: Flow
    ack_every: int = 0
    prefetch: int = 0
    seconds: float = 0.0  # 0: until the flow's target
    varied: bool = False  # deliveries differ in size
    late: bool = False  # subscribe only when the clock runs: the queues, one a connection, are full already
    arguments: Mapping[str, int | str | bool] = field(default_factory=dict)  # of basic.consume

    def prepare(self) -> None:
        for _ in self.queues:
            peer = self.connect()
            if self.prefetch:
                peer.call(frames.qos(1, self.prefetch), frames.BASIC, 11)
        if not self.late:
            self.subscribe()

    def subscribe(self) -> None:
        for peer, names in zip(self.peers, self.queues, strict=True):
            for index, name in enumerate(names):
                peer.consume(name, CONSUMER_TAG % index, self.arguments, no_ack=not self.ack_every)

    def run(self) -> Span:
        started_at = time.monotonic()
        if self.late:
            self.subscribe()
        inlets = [Inlet(peer.socket, self.ack_every, peer.received, varied=self.varied) for peer in self.peers]
        span = loops.consume(inlets, self.flow, self.seconds)
        self.close()
        span.started_at = started_at
        return span


@dataclass
class PublishConfirmed(Connections):
    route: Sequence[Publication]
    window: int
    seconds: float
    flow: Flow

    def prepare(self) -> None:
        self.connect().call(frames.confirm_select(1), 85, 11)
        self.block = Block(self.route, self.window * len(self.route[0].encode()))

    def run(self) -> tuple[Span, Latencies]:
        result = loops.publish_confirmed(self.peers[0].socket, self.block, self.window, self.seconds)
        self.flow.target = result[0].total
        self.close()
        return result


@dataclass
class PublishAll(Connections):
    """A number of messages, with confirms."""

    route: Sequence[Publication]
    window: int
    messages: int

    def prepare(self) -> None:
        self.connect().call(frames.confirm_select(1), 85, 11)

    def run(self) -> "tuple[Span, array[float]]":
        block = Block(self.route, min(self.window, self.messages) * len(self.route[0].encode()))
        result = loops.publish_all(self.peers[0].socket, block, self.window, self.messages)
        self.close()
        return result


@dataclass
class Call(Connections):
    """The client of a request and reply pair."""

    request: Publication
    reply_queue: str
    seconds: float
    flow: Flow

    def prepare(self) -> None:
        self.connect().consume(self.reply_queue, CONSUMER_TAG % 0, no_ack=True)

    def run(self) -> Latencies:
        latencies = loops.call_and_wait(self.peers[0].socket, self.request.encode(), self.seconds)
        self.flow.stop()
        self.close()
        return latencies


@dataclass
class Respond(Connections):
    """The server of a request and reply pair."""

    request_queue: str
    reply: Publication
    flow: Flow

    def prepare(self) -> None:
        self.connect().consume(self.request_queue, CONSUMER_TAG % 0, no_ack=True)

    def run(self) -> int:
        answered = loops.respond(self.peers[0].socket, self.reply.encode(), self.flow)
        self.close()
        return answered


@dataclass
class Probe(Connections):
    """Messages at fixed times through one queue, from one connection to another."""

    message: Publication
    per_second: float
    flow: Flow
    seconds: float = 0.0  # 0: until the flow stops

    def prepare(self) -> None:
        self.connect()
        self.connect().consume(self.message.routing_key, CONSUMER_TAG % 0, no_ack=False)

    def over(self) -> bool:
        return self.flow.stopped or time.monotonic() > self.deadline

    def run(self) -> Latencies:
        self.deadline = time.monotonic() + self.seconds if self.seconds else float("inf")
        outward, inward = (peer.socket for peer in self.peers)
        latencies = loops.probe(outward, inward, self.message, 1 / self.per_second, self.over)
        self.close()
        return latencies


@dataclass
class Ask:
    """Clients of the management API, each with a connection, which ask for these paths in turn at fixed times."""

    port: int
    paths: Sequence[str]
    clients: int
    every_s: float
    flow: Flow

    def prepare(self) -> None:
        self.connections = [HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S) for _ in range(self.clients)]
        for connection in self.connections:
            ask(connection, "/api/whoami")

    def run(self) -> Latencies:
        self.latencies = Latencies()
        threads = [
            Thread(target=self._ask_on, args=(number, connection), daemon=True)
            for number, connection in enumerate(self.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.latencies

    def _ask_on(self, number: int, connection: HTTPConnection) -> None:
        """Asks until the flow stops. Whoever is late because an answer was asks as soon as it can."""
        due_at = time.monotonic() + self.every_s * number / self.clients
        for path in islice(cycle(self.paths), number, None):
            time.sleep(max(0.0, due_at - time.monotonic()))
            if self.flow.stopped:
                return
            ask(connection, path)
            self.latencies.add(due_at, time.monotonic() - due_at)
            due_at += self.every_s


@dataclass
class Look:
    """Live pages that are open, each a stream that shows these paths."""

    port: int
    paths: Sequence[str]
    pages: int
    flow: Flow

    def prepare(self) -> None:
        self.streams = [HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S) for _ in range(self.pages)]

    def run(self) -> Latencies:
        """The answers that come, as if none of them was late."""
        answers = Latencies()
        with selectors.DefaultSelector() as selector:
            for stream in self.streams:
                stream.request("GET", f"/api/live?{urlencode({'get': self.paths}, doseq=True)}", headers=AS_GUEST)
                selector.register(stream.sock, selectors.EVENT_READ)
            while not self.flow.stopped:
                for key, _ in selector.select(POLL_S):
                    said = key.fileobj.recv(loops.RECEIVE_BYTES)  # type: ignore[union-attr]  # all are sockets
                    if not said:
                        raise RuntimeError("a live page has ended")
                    for _ in range(said.count(b"event: answer\n")):
                        answers.add(time.monotonic(), 0.0)
        for stream in self.streams:
            stream.close()
        return answers


def has_live_pages(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("GET", "/api/live", headers=AS_GUEST)
    with connection.getresponse() as response:
        return response.status != HTTPStatus.NOT_FOUND


def ask(connection: HTTPConnection, path: str) -> bytes:
    """Asks for a path as guest. Raises RuntimeError unless it is there."""
    connection.request("GET", path, headers=AS_GUEST)
    with connection.getresponse() as response:
        body = response.read()
    if response.status != HTTPStatus.OK:
        raise RuntimeError(f"{path}: {response.status} {body[:200]!r}")
    return body


@dataclass
class SmallClients(Connections):
    """Many connections, each with a queue of its own, each with one message on its way."""

    queues: Sequence[str]
    routes: Sequence[Sequence[Publication]]
    seconds: float

    def prepare(self) -> None:
        self.clients = []
        for queue, route in zip(self.queues, self.routes, strict=True):
            peer = self.connect()
            peer.consume(queue, CONSUMER_TAG % 0, no_ack=False)
            self.clients.append(Client(peer.socket, route))

    def run(self) -> tuple[Span, Latencies]:
        result = loops.serve_clients(self.clients, self.seconds)
        self.close()
        return result
