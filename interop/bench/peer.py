"""A connection as a benchmark needs it: set up with plain blocking calls, then only its socket is used."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pamqp import decode

from interop.bench import frames
from interop.bench.counters import UnexpectedFrames, describe
from interop.kit.address import Address
from interop.kit.tls import in_tls

TIMEOUT_S = 120.0
CLOSE_TIMEOUT_S = 10.0
DECLARES_PER_SYNC = 500
CLOSE_OK = frames.method(0, 10, 51)


class Peer:
    """One connection with channel 1 open, unless it is to be no more than greeted."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, *, logs_in: bool = True) -> None:
        address = self.address = Address.parse(url)
        self.socket = socket.create_connection((address.host, address.port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        try:
            if address.tls:
                self.socket = in_tls(self.socket)
            self.greet()
            if logs_in:
                self.give_credentials()
                self.enter()
        except BaseException:
            self.socket.close()
            raise

    def greet(self) -> None:
        self.socket.sendall(frames.PROTOCOL_HEADER)
        self.offer = self.expect(10, 10)

    def give_credentials(self) -> None:
        self.socket.sendall(frames.start_ok(self.address.user, self.address.password))

    def enter(self) -> None:
        """Waits until they are accepted, and opens the connection and its channel."""
        channel_max, frame_max = struct.unpack_from(">HI", self.expect(10, 30))
        if frame_max and frame_max < frames.FRAME_MAX:
            raise UnexpectedFrames(f"the broker allows frames of {frame_max} bytes only")
        self.socket.sendall(frames.tune_ok(channel_max, frames.FRAME_MAX))
        self.call(frames.connection_open(self.address.vhost), 10, 41)
        self.call(frames.channel_open(1), 20, 11)

    @property
    def product(self) -> str:
        """The name and version the broker gives itself."""
        _, properties = decode.field_table(self.offer[2:])
        return " ".join(str(properties.get(key, "")) for key in ("product", "version")).strip() or "unknown"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave politely, and drop what still arrives.

        Both brokers leave closing the socket to the one who asked. And a half-close is no way to ask: RabbitMQ
        takes the end of input for a lost connection, and throws away what its channel has not published yet.
        """
        with contextlib.suppress(OSError), self.socket:
            self.socket.settimeout(CLOSE_TIMEOUT_S)
            self.socket.sendall(frames.connection_close())
            tail = b""
            while not tail.endswith(CLOSE_OK) and (data := self.socket.recv(1 << 18)):
                tail = (tail + data)[-len(CLOSE_OK) :]

    def read(self, count: int) -> bytes:
        while len(self.received) < count:
            data = self.socket.recv(1 << 16)
            if not data:
                raise UnexpectedFrames("the broker closed the connection")
            self.received += data
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def expect(self, class_id: int, method_id: int) -> bytes:
        """The arguments of the next method, which must be this one."""
        start = self.read(7)
        _, _, size = frames.FRAME_START.unpack(start)
        payload = self.read(size + 1)
        if payload[:4] != struct.pack(">HH", class_id, method_id):
            raise UnexpectedFrames(f"expected method {class_id}.{method_id}, got {describe(start + payload)}")
        return payload[4:-1]

    def call(self, request: bytes, class_id: int, method_id: int) -> bytes:
        self.socket.sendall(request)
        return self.expect(class_id, method_id)

    def call_many(self, nowait_requests: Iterable[bytes]) -> None:
        """Send requests that have no answer, and wait every now and then until the broker has done them."""
        pending: list[bytes] = []
        for request in nowait_requests:
            pending.append(request)
            if len(pending) == DECLARES_PER_SYNC:
                self.sync(b"".join(pending))
                pending.clear()
        self.sync(b"".join(pending))

    def sync(self, requests: bytes = b"") -> None:
        """Channel operations run in order, so the answer to a qos says that all before it are done."""
        self.call(requests + frames.qos(1, 0), frames.BASIC, 11)

    def depth(self, queue: str) -> int:
        arguments = self.call(frames.queue_declare(1, queue, passive=True), 50, 11)
        (count,) = struct.unpack_from(">I", arguments, 1 + arguments[0])
        return int(count)

    def consume(
        self,
        queue: str,
        consumer_tag: str,
        arguments: Mapping[str, int | str | bool] | None = None,
        *,
        no_ack: bool,
    ) -> None:
        self.call(frames.consume(1, queue, consumer_tag, arguments, no_ack=no_ack), frames.BASIC, 21)


@dataclass
class Topology:
    """Queues and exchanges of one measurement, gone at its end."""

    peer: Peer
    queues: list[str] = field(default_factory=list)
    exchanges: list[str] = field(default_factory=list)

    def declare_queues(self, *names: str) -> None:
        self.queues += names
        self.peer.call_many(frames.queue_declare(1, name, nowait=True) for name in names)

    def declare_queue(self, name: str, arguments: Mapping[str, int | str | bool], *, durable: bool = False) -> None:
        self.queues.append(name)
        self.peer.call(frames.queue_declare(1, name, arguments, durable=durable), 50, 11)

    def declare_exchange(self, name: str, kind: str) -> None:
        self.exchanges.append(name)
        self.peer.call(frames.exchange_declare(1, name, kind), 40, 11)

    def bind(self, exchange: str, bindings: Iterable[tuple[str, str]]) -> None:
        """Bind (queue, routing key) pairs."""
        self.peer.call_many(
            frames.queue_bind(1, queue, exchange, routing_key, nowait=True) for queue, routing_key in bindings
        )

    def wait_for_depth(self, queue: str, count: int) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while self.peer.depth(queue) != count:
            if time.monotonic() > deadline:
                raise UnexpectedFrames(f"{queue} does not reach {count} messages")
            time.sleep(0.02)

    def delete(self) -> None:
        self.peer.call_many(frames.exchange_delete(1, name, nowait=True) for name in self.exchanges)
        self.peer.call_many(frames.queue_delete(1, name, nowait=True) for name in self.queues)


@contextlib.contextmanager
def topology(url: str) -> Iterator[Topology]:
    """Delete what was declared also after a failure: the next case may be for the same broker. The connection may be
    gone then, and it is not worth a second complaint if the broker is, too."""
    with Peer(url) as peer:
        made = Topology(peer)
        try:
            yield made
        except Exception:
            with contextlib.suppress(OSError, UnexpectedFrames), Peer(url, CLOSE_TIMEOUT_S) as made.peer:
                made.delete()
            raise
        made.delete()
