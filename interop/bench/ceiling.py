"""What the load generators do without a broker: against a sink, a source and an echo that know no AMQP.

A broker that comes near these rates would be limited by its load. The peer is a Python process on the other core, so
the ceiling is somewhat higher than what is shown.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from select import select
from typing import Any

from interop.bench import frames, loops
from interop.bench.crew import Crew, Job
from interop.bench.frames import Block, Publication
from interop.bench.jobs import CONSUMER_TAG
from interop.bench.loops import Client, Flow, Inlet, Latencies, Limits, Span
from interop.bench.metrics import percentiles

TAG = CONSUMER_TAG % 0
MESSAGE = Publication("", "bench", bytes(16))


@dataclass
class StandIn:
    """Plays the broker for one connection: takes everything, sends what its kind sends."""

    listener: socket.socket
    kind: str  # "sink", "source" or "echo"
    flow: Flow
    seconds: float

    def prepare(self) -> None:
        """Nothing: the listener has been listening since before this process was."""

    def run(self) -> None:
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        play: Callable[[socket.socket], None] = getattr(self, self.kind)
        # A generator that is done leaves with our last bytes unread, which resets the connection.
        with connection, contextlib.suppress(ConnectionError):
            play(connection)

    def sink(self, connection: socket.socket) -> None:
        buffer = bytearray(loops.RECEIVE_BYTES)
        while connection.recv_into(buffer):
            pass

    def source(self, connection: socket.socket) -> None:
        run = frames.delivery_run(TAG, MESSAGE)
        step, sent = run.SPAN * 4, 0
        deadline = time.monotonic() + self.seconds
        connection.setblocking(False)
        pending = memoryview(b"")
        while pending or time.monotonic() < deadline:
            if not pending:
                pending = memoryview(run.render(sent + 1, sent + step))
                sent += step
            readable, writable, _ = select([connection], [connection], [])
            if readable:
                connection.recv(loops.RECEIVE_BYTES)
            if writable:
                pending = pending[connection.send(pending) :]
        self.flow.target = sent
        connection.setblocking(True)
        self.sink(connection)

    def echo(self, connection: socket.socket) -> None:
        run = frames.delivery_run(TAG, MESSAGE)
        tag = 0
        while connection.recv(loops.RECEIVE_BYTES):
            tag += 1
            connection.sendall(run.render(tag, tag))


@dataclass
class Generator:
    """One connection to a stand-in, driven by the loop under test."""

    port: int
    flow: Flow
    seconds: float
    connection: socket.socket = field(init=False, repr=False)

    def prepare(self) -> None:
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass
class PublishOnly(Generator):
    def run(self) -> Span:
        block = Block([MESSAGE], loops.SEND_BYTES)
        span = loops.publish([self.connection], [block], Limits(self.seconds), self.flow)
        self.connection.close()
        return span


@dataclass
class ConsumeOnly(Generator):
    ack_every: int = 0

    def run(self) -> Span:
        span = loops.consume([Inlet(self.connection, self.ack_every)], self.flow)
        self.connection.close()
        return span


@dataclass
class OneClient(Generator):
    def run(self) -> tuple[Span, Latencies]:
        result = loops.serve_clients([Client(self.connection, [MESSAGE])], self.seconds)
        self.connection.close()
        return result


def against(kind: str, seconds: float, make: Callable[[int, Flow], Job]) -> Any:  # noqa: ANN401
    flow = Flow()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Crew(StandIn(listener, kind, flow, seconds), make(port, flow)) as crew:
            crew.go()
            return crew.results()[1]


def lines(seconds: float) -> list[str]:
    """The ceilings as text, for 16-byte messages."""
    found = []
    spans = {
        "publish": against("sink", seconds, lambda port, flow: PublishOnly(port, flow, seconds)),
        "consume, no ack": against("source", seconds, lambda port, flow: ConsumeOnly(port, flow, seconds)),
        "consume, ack every 100": against("source", seconds, lambda port, flow: ConsumeOnly(port, flow, seconds, 100)),
        "consume, ack each": against("source", seconds, lambda port, flow: ConsumeOnly(port, flow, seconds, 1)),
    }
    for label, span in spans.items():
        cost = span.cpu_seconds / span.total * 1e6
        found.append(f"{label}: {span.total / span.seconds:,.0f} msg/s, {cost:.2f} µs CPU a message")
    span, latencies = against("echo", seconds, lambda port, flow: OneClient(port, flow, seconds))
    spread = percentiles(latencies.seconds)
    found.append(
        f"one message there and back: {span.total / span.seconds:,.0f} msg/s, "
        f"p50 {spread['p50']:.3f} ms, p99 {spread['p99']:.3f} ms, max {spread['max']:.2f} ms"
    )
    return found
