"""The load itself: loops that move prepared bytes over connected sockets. What runs while the clock runs is here.

Throughput loops serve several sockets from one process with a selector and never block on one of them: a consumer
that waited for room to send its acks, while the broker waits for it to read, would measure a deadlock of its own.
"""

import contextlib
import selectors
import socket
import struct
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import RawArray
from select import select
from typing import Protocol

from interop.bench import frames
from interop.bench.counters import (
    ConfirmCounter,
    DeliveryCounter,
    UnexpectedFrames,
    VariedDeliveryCounter,
    describe,
    message_size,
)
from interop.bench.frames import Block

SEND_BYTES = 64 * 1024
RECEIVE_BYTES = 256 * 1024
ANSWER_BYTES = 4096
"""For one answer at a time: to allocate a large buffer for each costs more than the answer."""
STALL_S = 60.0
CAP_PAUSE_S = 0.0005

Socket = socket.socket


class Flow:
    """What the processes of one measurement tell each other without asking: three numbers in shared memory."""

    def __init__(self) -> None:
        self.cells = RawArray("q", [0, -1, 0])

    @property
    def consumed(self) -> int:
        return int(self.cells[0])

    @consumed.setter
    def consumed(self, count: int) -> None:
        self.cells[0] = count

    @property
    def target(self) -> int:
        """How many deliveries there will be, or -1 while the publishers still publish."""
        return int(self.cells[1])

    @target.setter
    def target(self, count: int) -> None:
        self.cells[1] = count

    @property
    def stopped(self) -> bool:
        return bool(self.cells[2])

    def stop(self) -> None:
        self.cells[2] = 1


@dataclass
class Span:
    """What a loop did, and from when to when on the system-wide monotonic clock."""

    started_at: float
    ended_at: float
    counts: list[int]  # for each socket
    cpu_seconds: float  # of the loop itself, which is what the load takes away from the broker

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def seconds(self) -> float:
        return self.ended_at - self.started_at


@dataclass
class Latencies:
    due_at: "array[float]" = field(default_factory=lambda: array("d"))
    seconds: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, due_at: float, seconds: float) -> None:
        self.due_at.append(due_at)
        self.seconds.append(seconds)

    def between(self, start: float, end: float) -> list[float]:
        return [each for due_at, each in zip(self.due_at, self.seconds, strict=True) if start <= due_at < end]


def check_for_refusal(connection: Socket) -> None:
    """A publisher is only ever sent bad news."""
    data = connection.recv(4096)
    raise UnexpectedFrames(describe(data) if data else "the broker closed the connection")


@dataclass(frozen=True)
class Limits:
    """When a publisher stops, and how far ahead of the consumers it may run."""

    seconds: float = 0.0  # ignored when messages is given
    messages: int = 0  # for each socket
    in_flight: int = 0  # 0: as far as the broker lets it
    fanout: int = 1  # deliveries for each publish


def publish(sockets: Sequence[Socket], blocks: Sequence[Block], limits: Limits, flow: Flow) -> Span:
    """Send each socket its block over and over."""
    sent = [0] * len(sockets)
    ends = [block.end_of(limits.messages) or None for block in blocks]
    cpu, started_at = time.process_time(), time.monotonic()
    deadline = float("inf") if limits.messages else started_at + limits.seconds
    with selectors.DefaultSelector() as selector:
        for index, connection in enumerate(sockets):
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE, index)
        while selector.get_map():
            if time.monotonic() >= deadline:  # finish the messages begun
                deadline = float("inf")
                ends = [
                    count if block.end_of(block.count(count)) == count else block.end_of(block.count(count) + 1)
                    for block, count in zip(blocks, sent, strict=True)
                ]
            elif limits.in_flight and deadline < float("inf"):
                ahead = sum(map(Block.count, blocks, sent)) * limits.fanout - flow.consumed
                if ahead > limits.in_flight:
                    time.sleep(CAP_PAUSE_S)
                    continue
            for key, events in selector.select(timeout=0.1):
                index, view = key.data, blocks[key.data].data
                if events & selectors.EVENT_READ:
                    check_for_refusal(sockets[index])
                position = sent[index] % len(view)
                piece = view[position : position + SEND_BYTES]
                end = ends[index]
                if end is not None:
                    piece = piece[: end - sent[index]]
                with contextlib.suppress(BlockingIOError):
                    sent[index] += sockets[index].send(piece)
                if sent[index] == end:
                    selector.unregister(sockets[index])
    return Span(started_at, time.monotonic(), list(map(Block.count, blocks, sent)), time.process_time() - cpu)


class Counter(Protocol):
    count: int

    def feed(self, chunk: memoryview) -> int:
        """Count one received chunk and return the deliveries that are complete so far."""


class Inlet:
    """A consuming connection: counts deliveries and owes acks."""

    def __init__(self, connection: Socket, ack_every: int, received: bytes = b"", *, varied: bool = False) -> None:
        self.socket = connection
        self.ack_every = ack_every  # 0: consumes with no-ack; 1: an ack a message; n: a multiple ack every n
        self.counter: Counter = VariedDeliveryCounter() if varied else DeliveryCounter()
        self.acked = 0
        self.run = frames.ack_run()
        self.unsent = b""
        if received:
            self.take(memoryview(received))

    def receive(self, buffer: memoryview) -> None:
        length = self.socket.recv_into(buffer)
        if not length:
            raise UnexpectedFrames("the broker closed the connection")
        self.take(buffer[:length])

    def take(self, chunk: memoryview) -> None:
        count = self.counter.feed(chunk)
        if self.ack_every == 1 and count > self.acked:
            self.unsent += self.run.render(self.acked + 1, count)
            self.acked = count
        elif self.ack_every and count - self.acked >= self.ack_every:
            self.acked = count - count % self.ack_every
            self.unsent += frames.ack(1, self.acked, multiple=True)

    def send_acks(self) -> None:
        with contextlib.suppress(BlockingIOError):
            sent = self.socket.send(self.unsent)
            self.unsent = self.unsent[sent:]


def consume(inlets: Sequence[Inlet], flow: Flow, seconds: float = 0.0) -> Span:
    """Take deliveries until `flow.target` is reached, or for a fixed time."""
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    cpu = time.process_time()
    started_at = ended_at = time.monotonic()
    deadline = started_at + seconds if seconds else float("inf")
    total = sum(inlet.counter.count for inlet in inlets)
    with selectors.DefaultSelector() as selector:
        for inlet in inlets:
            inlet.socket.setblocking(False)
            selector.register(inlet.socket, selectors.EVENT_READ, inlet)
        while (now := time.monotonic()) < deadline and not 0 <= flow.target <= total:
            if now - ended_at > STALL_S:
                raise UnexpectedFrames(f"no delivery for {STALL_S:.0f} s after {total} of {flow.target}")
            taken = total
            for key, _ in selector.select(timeout=0.05):
                inlet = key.data
                before = inlet.counter.count
                inlet.receive(buffer)
                total += inlet.counter.count - before
            for inlet in inlets:
                if inlet.unsent:
                    inlet.send_acks()
            if total > taken:
                flow.consumed = total
                ended_at = time.monotonic()
    return Span(started_at, ended_at, [inlet.counter.count for inlet in inlets], time.process_time() - cpu)


def wait_in_the_kernel(connection: Socket) -> None:
    """Makes `recv` one system call that gives up after STALL_S. A timeout of Python's own adds a poll to each."""
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(STALL_S), 0))


def receive_some(connection: Socket) -> bytes:
    try:
        data = connection.recv(ANSWER_BYTES)
    except BlockingIOError:
        raise UnexpectedFrames(f"no answer for {STALL_S:.0f} s") from None
    if not data:
        raise UnexpectedFrames("the broker closed the connection")
    return data


def publish_confirmed(connection: Socket, block: Block, window: int, seconds: float) -> tuple[Span, Latencies]:
    """Publish with at most `window` messages unconfirmed. With a window of 1, each confirm is timed."""
    counter, sent, latencies = ConfirmCounter(), 0, Latencies()
    wait_in_the_kernel(connection)
    cpu = time.process_time()
    started_at = now = time.monotonic()
    deadline = started_at + seconds
    while now < deadline or counter.count < sent:
        room = window - (sent - counter.count) if now < deadline else 0
        asked_at = now
        sent += send_messages(connection, block, sent, room)
        counter.feed(receive_some(connection))
        now = time.monotonic()
        if window == 1:
            latencies.add(asked_at, now - asked_at)
    return Span(started_at, now, [counter.count], time.process_time() - cpu), latencies


def send_messages(connection: Socket, block: Block, first: int, count: int) -> int:
    """Send `count` messages of the block from number `first` on; returns `count`."""
    done = 0
    while done < count:
        connection.sendall(block.messages(first + done, count - done))
        done = min(count, done + len(block.ends) - (first + done) % len(block.ends))
    return count


def publish_all(connection: Socket, block: Block, window: int, messages: int) -> tuple[Span, "array[float]"]:
    """Publish so many messages with at most `window` of them unconfirmed; also when each hundredth was confirmed."""
    counter, sent, marks = ConfirmCounter(), 0, array("d")
    wait_in_the_kernel(connection)
    cpu = time.process_time()
    started_at = time.monotonic()
    while counter.count < messages:
        sent += send_messages(connection, block, sent, min(window - (sent - counter.count), messages - sent))
        counter.feed(receive_some(connection))
        if (hundredths := counter.count * 100 // messages) > len(marks):
            marks.extend([time.monotonic()] * (hundredths - len(marks)))
    return Span(started_at, time.monotonic(), [counter.count], time.process_time() - cpu), marks


def receive_one(connection: Socket, size: int) -> int:
    """Wait for one delivery of a known size, or learn the size from it (`size` 0)."""
    data = receive_some(connection)
    while len(data) < size or (not size and message_size(data) is None):
        data += receive_some(connection)
    size = size or message_size(data) or 0
    if len(data) != size:
        raise UnexpectedFrames(f"expected a delivery of {size} bytes, got {describe(data)}")
    return size


def call_and_wait(connection: Socket, request: bytes, seconds: float) -> Latencies:
    """RPC ping-pong, one call at a time: the time from sending a request to having the reply."""
    latencies, size = Latencies(), 0
    wait_in_the_kernel(connection)
    now = time.monotonic()
    deadline = now + seconds
    while now < deadline:
        asked_at = now
        connection.sendall(request)
        size = receive_one(connection, size)
        now = time.monotonic()
        latencies.add(asked_at, now - asked_at)
    return latencies


def respond(connection: Socket, reply: bytes, flow: Flow) -> int:
    """The other side: one reply for each request, until told to stop."""
    counter, answered = DeliveryCounter(), 0
    buffer = memoryview(bytearray(RECEIVE_BYTES))
    while not flow.stopped:
        if not select([connection], [], [], 0.05)[0]:
            continue
        count = counter.feed(buffer[: connection.recv_into(buffer)])
        connection.sendall(reply * (count - answered))
        answered = count
    return answered


STAMP = struct.Struct(">d")


def probe(
    outward: Socket, inward: Socket, message: frames.Publication, interval: float, until: Callable[[], bool]
) -> Latencies:
    """Publish a message at fixed times and time its way back, with an ack for each.

    A latency counts from when the message was due, not from when it was sent: otherwise a broker that stops for a
    second would be asked nothing meanwhile and spoil one number only. The body begins with the due time.
    """
    encoded = message.encode()
    lead = len(encoded) - len(message.body) - 1
    tail = encoded[lead + STAMP.size :]
    head = encoded[:lead]
    latencies, rest, size, acked = Latencies(), b"", 0, 0
    run = frames.ack_run()
    due_at = time.monotonic() + interval
    sent = 0
    ended_at = 0.0
    while not ended_at or len(latencies.seconds) < sent:
        now = time.monotonic()
        if not ended_at and until():
            ended_at = now
        while not ended_at and due_at <= now:
            outward.sendall(head + STAMP.pack(due_at) + tail)
            sent += 1
            due_at += interval
        wait = 0.05 if ended_at else max(0.0, due_at - time.monotonic())
        if not select([inward], [], [], wait)[0]:
            if ended_at and now - ended_at > STALL_S:
                raise UnexpectedFrames(f"{sent - len(latencies.seconds)} probes did not come back")
            continue
        rest += inward.recv(RECEIVE_BYTES)
        now = time.monotonic()
        size = size or message_size(rest) or 0
        count = len(rest) // size if size else 0
        for end in range(size, count * size + 1, size or 1):
            (stamp,) = STAMP.unpack_from(rest, end - 1 - len(message.body))
            latencies.add(stamp, now - stamp)
        if count:
            rest = rest[count * size :]
            inward.sendall(run.render(acked + 1, acked + count))
            acked += count
    return latencies


class Client:
    """One of many small clients: publishes a message to itself, acks it when it comes, publishes the next."""

    def __init__(self, connection: Socket, route: Sequence[frames.Publication]) -> None:
        self.socket = connection
        self.publications = [publication.encode() for publication in route]
        self.counter = VariedDeliveryCounter()
        self.asked_at = 0.0

    def start(self) -> None:
        self.asked_at = time.monotonic()
        self.socket.sendall(self.publications[0])

    def turn(self, buffer: memoryview, latencies: Latencies) -> int:
        before = self.counter.count
        count = self.counter.feed(buffer[: self.socket.recv_into(buffer)])
        if count == before:
            return 0
        now = time.monotonic()
        latencies.add(self.asked_at, now - self.asked_at)
        self.asked_at = now
        self.socket.send(frames.ack(1, count) + self.publications[count % len(self.publications)])
        return 1


def serve_clients(clients: Sequence[Client], seconds: float) -> tuple[Span, Latencies]:
    buffer, latencies = memoryview(bytearray(RECEIVE_BYTES)), Latencies()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.socket.setblocking(False)
            selector.register(client.socket, selectors.EVENT_READ, client)
        cpu = time.process_time()
        started_at = now = time.monotonic()
        for client in clients:
            client.start()
        while now < started_at + seconds:
            for key, _ in selector.select(timeout=1.0):
                key.data.turn(buffer, latencies)
            now = time.monotonic()
    counts = [client.counter.count for client in clients]
    return Span(started_at, now, counts, time.process_time() - cpu), latencies
