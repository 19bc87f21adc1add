"""The script API: what a scenario does to one broker, and the transcript of what the broker did.

A scenario is a function that gets a `Stage`. It opens connections and channels there, sends methods, and
waits for what must come. It never sleeps: it waits for the reply, for a number of frames, for the end of
the connection, or it makes a round trip (`sync`, `settle`) behind which nothing can still be on its way.
Every frame received is recorded, whether the scenario waited for it or not.
"""

import contextlib
import re
import secrets
import socket
import struct
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from interop.parity import codec
from interop.parity.codec import Frame

WAIT_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.02
SETTLING_CHANNEL = 2000

ROOM_FOR_ANYTHING = {"channel_max": 2047, "frame_max": 131072, "heartbeat": 0}


class Overdue(AssertionError):
    """What a scenario waits for did not come in time."""


@dataclass(frozen=True)
class Broker:
    """Where a broker listens and who logs in."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def at(cls, url: str) -> "Broker":
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 5672,
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
        )


@dataclass(frozen=True)
class Incoming:
    """A method received, with its content where it carries one."""

    method: str
    fields: dict[str, Any]
    properties: bytes = b""
    body: bytes = b""

    def __getitem__(self, field: str) -> Any:  # noqa: ANN401 - as many types as AMQP has
        return self.fields[field]


class Stage:
    """One broker, as one run of one scenario sees it."""

    def __init__(self, broker: Broker, *, confirms_apart: bool = False) -> None:
        self.broker = broker
        self.run_id = secrets.token_hex(5)
        self.confirms_apart = confirms_apart
        self.connections: list[Connection] = []
        self.notes: list[str] = []
        self._names: list[str] = []

    def name(self, label: str = "q") -> str:
        """A name nobody else uses; the transcript shows it without the part that differs between runs."""
        name = f"{label}.{self.run_id}"
        if name not in self._names:
            self._names.append(name)
        return name

    def dial(self) -> "Connection":
        """A TCP connection on which nothing was said yet."""
        connection = Connection(self)
        self.connections.append(connection)
        return connection

    def connect(self, *, record: bool = False, **options: Any) -> "Connection":  # noqa: ANN401
        """An open connection. Its handshake is not recorded unless asked for: it has its own scenarios."""
        connection = self.dial()
        connection.recording = record
        connection.handshake(**options)
        connection.recording = True
        return connection

    def channel(self, number: int = 1, **options: Any) -> "Channel":  # noqa: ANN401
        return self.connect(**options).channel(number)

    def until_queue(self, queue: str, **counts: int) -> None:
        """Wait until a passive declare shows these counts, for what a broker does without telling."""
        with self._unseen() as observer:
            observer.until_queue(queue, **counts)

    def until_queue_gone(self, queue: str) -> None:
        with self._unseen() as observer:
            observer.until_queue_gone(queue)

    @contextlib.contextmanager
    def _unseen(self) -> "Iterator[Connection]":
        """A connection that is no part of the scenario."""
        connection = Connection(self)
        connection.recording = False
        try:
            connection.handshake()
            yield connection
        finally:
            connection.drop()

    def finish(self) -> None:
        """Let everything that is still on its way arrive, and stop listening before the tidying begins."""
        for connection in self.connections:
            for channel in list(connection.channels.values()):
                channel.sync()
        for connection in self.connections:
            connection.recording = False

    def leave(self) -> None:
        """Hang up, and delete what was made under the names given out."""
        for connection in self.connections:
            connection.drop()
        with contextlib.suppress(OSError, Overdue), self._unseen() as cleaner:
            for number, name in enumerate(self._names, 1):
                # Each on its own channel: what is exclusive goes by itself, but is refused until it is gone.
                channel = cleaner.channel(number)
                channel.call("exchange.delete", exchange=name)
                if not channel.closed:
                    channel.call("queue.delete", queue=name)

    def note(self, line: str) -> None:
        """Add a line of the scenario's own to the transcript, for what only it can judge."""
        self.notes.append(line)

    def transcript(self) -> dict[str, list[str]]:
        """Lines by connection and channel, in which only what two brokers should have in common is left."""
        normal = Normaliser(self.run_id)
        transcript = {"notes": self.notes} if self.notes else {}
        for position, connection in enumerate(self.connections, 1):
            for (channel, topic), lines in sorted(connection.lines.items()):
                where = f"connection {position}, channel {channel}{topic}"
                transcript[where] = [normal(line) for line in (sorted(lines, key=natural) if topic else lines)]
        return transcript


class Normaliser:
    """Hides what may differ, keeps what it was the same as: the second server-made name stays the second."""

    SERVER_MADE = re.compile(r"amq\.(gen|ctag)-[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])")
    DESCRIPTIONS = re.compile(r"(version|platform|copyright|information|cluster_name): S'(?:[^'\\]|\\.)*'")

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._numbers: dict[str, int] = {}

    def __call__(self, line: str) -> str:
        line = line.replace(self._run_id, "*")
        if line.startswith("connection.start "):
            line = self.DESCRIPTIONS.sub(r"\1: S…", line)
        return self.SERVER_MADE.sub(self._numbered, line)

    def _numbered(self, match: re.Match[str]) -> str:
        number = self._numbers.setdefault(match[0], len(self._numbers) + 1)
        return f"amq.{match[1]}-<{number}>"


def natural(line: str) -> list[tuple[int, str]]:
    """A sort key that puts `ack 10` after `ack 9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", line)]


class Connection:
    """A raw connection: sends anything, keeps everything it receives."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.broker = stage.broker
        self.socket = socket.create_connection((self.broker.host, self.broker.port), timeout=WAIT_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.recording = True
        self.polite = True  # answers close with close-ok, as every client must; scenarios may choose otherwise
        self.ended = False  # no more bytes will come
        self.closing = False  # the broker sent connection.close
        self.closed = False  # the broker sent connection.close-ok
        self.channels: dict[int, Channel] = {}
        self.lines: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._inboxes: dict[int, Inbox] = defaultdict(Inbox)
        self._buffer = bytearray()

    # Sending

    def send_bytes(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the broker hung up: reading shows it
            self.socket.sendall(data)

    def send_frame(self, frame_type: int, channel: int, payload: bytes, **how: int) -> None:
        self.send_bytes(codec.frame(frame_type, channel, payload, **how))

    def send(self, method: str, *, on: int = 0, **fields: Any) -> None:  # noqa: ANN401
        self.send_frame(codec.METHOD, on, codec.method_payload(method, **fields))

    def call(self, method: str, *, on: int = 0, **fields: Any) -> Incoming | None:  # noqa: ANN401
        """Send a method and wait for its reply; the answer is a close when the broker refuses."""
        self.send(method, on=on, **fields)
        return self.wait(*codec.METHODS[method].replies, on=on)[-1]

    def handshake(
        self,
        *,
        vhost: str = "/",
        capabilities: dict[str, bool] | None = None,
        user: str | None = None,
        password: str | None = None,
        **tuning: int,
    ) -> None:
        user, password = user or self.broker.user, password or self.broker.password
        self.send_bytes(codec.PROTOCOL_HEADER)
        self.wait("connection.start")
        self.send(
            "connection.start-ok",
            client_properties={} if capabilities is None else {"capabilities": capabilities},
            mechanism="PLAIN",
            response=f"\0{user}\0{password}",
            locale="en_US",
        )
        self.wait("connection.tune")
        self.send("connection.tune-ok", **(ROOM_FOR_ANYTHING | tuning))
        self.call("connection.open", virtual_host=vhost)

    def channel(self, number: int = 1) -> "Channel":
        """Open a channel, or open it again."""
        channel = self.channels[number] = Channel(self, number)
        channel.call("channel.open")
        return channel

    def close(self) -> None:
        self.call("connection.close", reply_code=200, reply_text="done")
        self.drop()

    def drop(self) -> None:
        """Hang up without a word."""
        self.ended = True
        self.socket.close()

    def settle(self, *queues: str) -> None:
        """Wait until these queues did everything that was asked on any channel of this connection so far.

        A broker may work with one process per channel and queue, as RabbitMQ does. The first round trips
        empty the channels towards the queues, the passive declares empty the queues, the last empty the
        channels.
        """
        working = [channel for channel in self.channels.values() if channel.number != SETTLING_CHANNEL]
        for channel in working:
            channel.sync()
        for queue in queues:
            self._look_at(queue)
        for channel in working:
            channel.sync()

    def until_queue(self, queue: str, **counts: int) -> None:
        """Wait until a passive declare shows these counts; on the connection itself, as the queue may be exclusive."""
        self._until(queue, lambda reply: reply.method == "queue.declare-ok" and counts.items() <= reply.fields.items())

    def until_queue_gone(self, queue: str) -> None:
        self._until(queue, lambda reply: reply.method == "channel.close" and reply["reply_code"] == 404)

    def _until(self, queue: str, reached: Callable[[Incoming], bool]) -> None:
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while (reply := self._look_at(queue)) is None or not reached(reply):
            if time.monotonic() > deadline:
                raise Overdue(f"queue {queue}: last seen {reply}")
            time.sleep(POLL_INTERVAL_S)

    def _look_at(self, queue: str) -> Incoming | None:
        """Ask for the queue on a channel that is no part of the transcript."""
        channel = self.channels.get(SETTLING_CHANNEL)
        if channel is None or channel.closed:
            channel = self.channel(SETTLING_CHANNEL)
        return channel.call("queue.declare", queue=queue, passive=True)

    # Receiving

    def wait(self, *methods: str, on: int = 0, count: int = 1) -> list[Incoming | None]:
        """Take the next `count` of these methods on a channel; less when channel or connection end before."""
        inbox = self._inboxes[on]
        taken: list[Incoming | None] = []
        while len(taken) < count:
            self._receive_until(lambda: inbox.has(methods) or self._over(on), f"{' or '.join(methods)} on {on}")
            found = inbox.take(methods)
            taken.append(found or inbox.final)
            if found is None:
                break
        if not self.polite:
            inbox.final = None  # who does not answer a close may wait for more
        return taken

    def wait_confirms(self, count: int, *, on: int) -> None:
        """Wait until `count` publishes were confirmed on the channel since it was opened."""
        inbox = self._inboxes[on]
        self._receive_until(lambda: len(inbox.confirmed) >= count or self._over(on), f"{count} confirms on {on}")

    def wait_end(self, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        """Wait until the broker hangs up."""
        self._receive_until(lambda: self.ended, "the end of the connection", timeout_s)

    def wait_heartbeat(self) -> None:
        self._receive_until(lambda: self._inboxes[0].heartbeats > 0 or self.ended, "a heartbeat")

    def _over(self, channel: int) -> bool:
        return self.ended or self._inboxes[channel].final is not None

    def _receive_until(self, reached: Callable[[], bool], what: str, timeout_s: float = WAIT_TIMEOUT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached() or self._hanging_up():
            for frame in self._receive(deadline, what):
                self._take_in(frame)

    def _hanging_up(self) -> bool:
        """Both sides said goodbye, and the broker is the one to hang up."""
        return self.closing and self.polite and not self.ended

    def _receive(self, deadline: float, what: str) -> Iterator[Frame]:
        try:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            raise Overdue(f"waited in vain for {what}") from None
        except OSError:  # a reset is the same end as an orderly one: which it is depends on what was unread
            data = b""
        self._buffer += data
        yield from self._frames()
        if not data:
            self.ended = True
            self._record(0, "the connection ends" + (f" within {bytes(self._buffer)!r}" if self._buffer else ""))

    def _frames(self) -> Iterator[Frame]:
        while len(self._buffer) >= 8:
            if self._buffer.startswith(b"AMQP"):
                self._record(0, f"protocol header {bytes(self._buffer[:8])!r}")
                del self._buffer[:8]
                continue
            frame_type, channel, size = struct.unpack_from(">BHI", self._buffer)
            if len(self._buffer) < size + 8:
                return
            payload, end = bytes(self._buffer[7 : size + 7]), self._buffer[size + 7]
            del self._buffer[: size + 8]
            if end != codec.FRAME_END:
                self._record(channel, f"frame end {end:#x}")
            yield codec.parse_frame(frame_type, channel, payload)

    def _take_in(self, frame: Frame) -> None:
        inbox = self._inboxes[frame.channel]
        self._record_frame(frame, inbox)
        inbox.add(frame)
        if frame.name == "channel.close":
            if frame.channel in self.channels:
                self.channels[frame.channel].closed = True
            if self.polite:
                self.send("channel.close-ok", on=frame.channel)
        elif frame.name == "connection.close-ok":
            self.closed = True
        elif frame.name == "connection.close":
            self.closing = True
            for channel in self.channels:
                self._inboxes[channel].final = self._inboxes[0].final
            if self.polite:
                self.send("connection.close-ok")

    def _record_frame(self, frame: Frame, inbox: "Inbox") -> None:
        channel = self.channels.get(frame.channel)
        if channel is not None and channel.round_trips and frame.name == "channel.flow-ok":
            # Its place among messages is not the same twice in RabbitMQ, where messages come from other processes.
            channel.round_trips -= 1
            return
        if frame.name in ("basic.ack", "basic.nack"):
            topic = ", confirms" if self.stage.confirms_apart else ""
            for tag in inbox.newly_confirmed(frame):
                self._record(frame.channel, f"{frame.name} delivery_tag={tag}", topic)
        elif frame.name != "heartbeat" or not inbox.heartbeats:
            self._record(frame.channel, codec.frame_text(frame))

    def _record(self, channel: int, line: str, topic: str = "") -> None:
        if self.recording and channel != SETTLING_CHANNEL:
            self.lines[channel, topic].append(line)

    def forget(self, channel: int) -> None:
        """The channel number begins a new life."""
        self._inboxes[channel] = Inbox()


class Inbox:
    """What came in on one channel and was not waited for yet."""

    def __init__(self) -> None:
        self.final: Incoming | None = None  # the close after which nothing comes
        self.heartbeats = 0
        self.confirmed: set[int] = set()
        self._waiting: deque[Incoming] = deque()
        self._content: tuple[Frame, bytes, int, bytearray] | None = None
        self._method: Frame | None = None

    def add(self, frame: Frame) -> None:
        if frame.name == "heartbeat":
            self.heartbeats += 1
        elif frame.name in codec.CONTENT_METHODS:
            self._method = frame
        elif frame.name == "header" and self._method is not None:
            size = struct.unpack_from(">Q", frame.payload, 4)[0]
            self._content = (self._method, frame.payload[12:], size, bytearray())
            self._complete()
        elif frame.name == "body" and self._content is not None:
            self._content[3].extend(frame.payload)
            self._complete()
        elif frame.type == codec.METHOD:
            incoming = Incoming(frame.name, dict(frame.fields))
            self._waiting.append(incoming)
            if frame.name in ("channel.close", "connection.close"):
                self.final = incoming

    def _complete(self) -> None:
        assert self._content is not None
        method, raw_properties, size, body = self._content
        if len(body) >= size:
            self._waiting.append(Incoming(method.name, dict(method.fields), raw_properties, bytes(body)))
            self._content = self._method = None

    def has(self, methods: tuple[str, ...]) -> bool:
        return any(each.method in methods for each in self._waiting)

    def take(self, methods: tuple[str, ...]) -> Incoming | None:
        for each in self._waiting:
            if each.method in methods:
                self._waiting.remove(each)
                return each
        return None

    def newly_confirmed(self, frame: Frame) -> list[int]:
        """Brokers may answer several publishes with one frame or with many: what counts is each publish."""
        tag = frame.fields["delivery_tag"]
        tags = range(1, tag + 1) if frame.fields["multiple"] else (tag,)
        new = [each for each in tags if each not in self.confirmed]
        self.confirmed.update(new)
        return new or [tag]  # a second confirm of the same publish is worth seeing


class Channel:
    """A channel of a connection, with short forms for what scenarios do most."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.closed = False
        self.round_trips = 0  # replies to come that are no part of the transcript
        connection.forget(number)

    def send(self, method: str, **fields: Any) -> None:  # noqa: ANN401
        self.send_frame(codec.METHOD, codec.method_payload(method, **fields))

    def call(self, method: str, **fields: Any) -> Incoming | None:  # noqa: ANN401
        self.send(method, **fields)
        return self.wait(*codec.METHODS[method].replies)[-1]

    def send_frame(self, frame_type: int, payload: bytes) -> None:
        """Send, unless both sides know that the channel is closed: what a script does then is of no interest."""
        if not (self.closed and self.connection.polite):
            self.connection.send_frame(frame_type, self.number, payload)

    def wait(self, *methods: str, count: int = 1) -> list[Incoming | None]:
        return self.connection.wait(*methods, on=self.number, count=count)

    def wait_deliveries(self, count: int) -> None:
        self.wait("basic.deliver", count=count)

    def wait_confirms(self, count: int) -> None:
        self.connection.wait_confirms(count, on=self.number)

    def wait_close(self) -> None:
        """Wait until the broker closes the channel or the connection."""
        self.wait("channel.close")

    def sync(self) -> None:
        """A round trip that changes nothing: behind it, what the broker had sent here has arrived."""
        connection = self.connection
        if not (self.closed or connection.closed or connection.closing or connection.ended):
            self.round_trips += 1
            self.call("channel.flow", active=True)

    def settle(self, *queues: str) -> None:
        self.connection.settle(*queues)

    def until_queue(self, queue: str, **counts: int) -> None:
        self.connection.until_queue(queue, **counts)

    def reopen(self) -> "Channel":
        return self.connection.channel(self.number)

    def close(self) -> None:
        self.call("channel.close", reply_code=200, reply_text="done")
        self.closed = True

    # Short forms

    def declare(self, queue: str = "", **fields: Any) -> str:  # noqa: ANN401
        reply = self.call("queue.declare", queue=queue, **fields)
        named = reply is not None and reply.method == "queue.declare-ok"
        return reply["queue"].decode() if named and reply is not None else queue

    def exchange(self, name: str, kind: str = "direct", **fields: Any) -> str:  # noqa: ANN401
        self.call("exchange.declare", exchange=name, exchange_type=kind, **fields)
        return name

    def bind(self, queue: str, exchange: str, key: str | bytes = "", **fields: Any) -> None:  # noqa: ANN401
        self.call("queue.bind", queue=queue, exchange=exchange, routing_key=key, **fields)

    def consume(self, queue: str, tag: str = "c", **fields: Any) -> Incoming | None:  # noqa: ANN401
        return self.call("basic.consume", queue=queue, consumer_tag=tag, **fields)

    def get(self, queue: str, *, no_ack: bool = False) -> Incoming | None:
        return self.call("basic.get", queue=queue, no_ack=no_ack)

    def publish(
        self,
        exchange: str,
        key: str | bytes,
        body: bytes = b"",
        *,
        properties: bytes = codec.properties(),
        frame_max: int = 131072,
        **flags: bool,
    ) -> None:
        self.send("basic.publish", exchange=exchange, routing_key=key, **flags)
        self.header(len(body), properties)
        for start in range(0, len(body), frame_max - 8):
            self.body(body[start : start + frame_max - 8])

    def header(self, size: int, properties: bytes = codec.properties(), **how: int) -> None:
        payload = codec.header_payload(size, properties, **how)
        self.send_frame(codec.HEADER, payload)

    def body(self, data: bytes) -> None:
        self.send_frame(codec.BODY, data)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        self.send("basic.ack", delivery_tag=tag, multiple=multiple)

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
        self.send("basic.nack", delivery_tag=tag, multiple=multiple, requeue=requeue)

    def reject(self, tag: int, *, requeue: bool = True) -> None:
        self.send("basic.reject", delivery_tag=tag, requeue=requeue)
