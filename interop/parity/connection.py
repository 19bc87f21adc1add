"""Connections and channels of a script: they send anything, wait for what must come, and keep everything received."""

import contextlib
import socket
import ssl
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from interop.parity import codec
from interop.parity.admin import Door, NoDoor
from interop.parity.codec import Frame
from interop.parity.inbox import Inbox, Incoming
from interop.parity.listening import Secured

WAIT_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.02
SETTLING_CHANNEL = 2000

ROOM_FOR_ANYTHING = {"channel_max": 2047, "frame_max": 131072, "heartbeat": 0}


class Overdue(AssertionError):
    """What a scenario waits for did not come in time."""


def as_it_came(frame: Frame) -> Frame:
    return frame


@dataclass(frozen=True)
class Broker:
    """Where a broker listens, who logs in, and who administers it; and how its frames are seen."""

    host: str
    port: int
    user: str
    password: str
    door: Door = field(default_factory=NoDoor)
    view: Callable[[Frame], Frame] = as_it_came
    secured: Secured | None = None

    @property
    def secured_port(self) -> int:
        """Where it listens for TLS, for scenarios that ask for that."""
        assert self.secured is not None
        return self.secured.tls.port

    @classmethod
    def at(cls, url: str, door: Door | None = None, secured: Secured | None = None) -> "Broker":
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 5672,
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            door=door or NoDoor(),
            secured=secured,
        )


def dialled(broker: Broker, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A socket that is connected, and with `tls` has shaken hands. Raises ssl.SSLError if it does not come to that."""
    port = broker.port if tls is None else broker.secured_port
    connected = socket.create_connection((broker.host, port), timeout=WAIT_TIMEOUT_S)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected if tls is None else tls.wrap_socket(connected, server_hostname=broker.host)


class Connection:
    """A raw connection: sends anything, keeps everything it receives."""

    def __init__(
        self,
        broker: Broker,
        *,
        confirms_apart: bool = False,
        version: codec.Version = codec.AMQP_0_9_1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With `tls`, to the broker's listener for that."""
        self.broker = broker
        self.version = version
        self.confirms_apart = confirms_apart
        self.socket = dialled(broker, tls)
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
        self.send_frame(codec.METHOD, on, codec.method_payload(method, self.version, **fields))

    def call(self, method: str, *, on: int = 0, **fields: Any) -> Incoming | None:  # noqa: ANN401
        """Send a method and wait for its reply; the answer is a close when the broker refuses."""
        self.send(method, on=on, **fields)
        return self.wait(*self.version.methods[method].replies, on=on)[-1]

    def handshake(
        self,
        *,
        vhost: str = "/",
        capabilities: dict[str, bool] | None = None,
        user: str | None = None,
        password: str | None = None,
        **tuning: int,
    ) -> None:
        user, password = user or self.broker.user, self.broker.password if password is None else password
        self.send_bytes(self.version.header)
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

    def confirmed_count(self, *, on: int) -> int:
        """The number of publishes that were confirmed on the channel since it was opened."""
        return len(self._inboxes[on].confirmed)

    def wait_end(self, timeout_s: float | None = None) -> None:
        """Wait until the broker hangs up."""
        self._receive_until(lambda: self.ended, "the end of the connection", timeout_s)

    def wait_heartbeat(self) -> None:
        self._receive_until(lambda: self._inboxes[0].heartbeats > 0 or self.ended, "a heartbeat")

    def _over(self, channel: int) -> bool:
        return self.ended or self._inboxes[channel].final is not None

    def _receive_until(self, reached: Callable[[], bool], what: str, timeout_s: float | None = None) -> None:
        deadline = time.monotonic() + (timeout_s or WAIT_TIMEOUT_S)
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
            yield self.broker.view(codec.parse_frame(frame_type, channel, payload, self.version))

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
            topic = ", confirms" if self.confirms_apart else ""
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


class Channel:
    """A channel of a connection, with short forms for what scenarios do most."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.closed = False
        self.round_trips = 0  # replies to come that are no part of the transcript
        connection.forget(number)

    def send(self, method: str, **fields: Any) -> None:  # noqa: ANN401
        self.send_frame(codec.METHOD, codec.method_payload(method, self.connection.version, **fields))

    def call(self, method: str, **fields: Any) -> Incoming | None:  # noqa: ANN401
        self.send(method, **fields)
        return self.wait(*self.connection.version.methods[method].replies)[-1]

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

    def publish_some(self, queue: str, count: int) -> None:
        """Publish the bodies 1, 2, 3 …"""
        for number in range(1, count + 1):
            self.publish("", queue, str(number).encode())

    def drain(self, queue: str, limit: int = 1000) -> None:
        """Get messages until none is left; each shows in the transcript."""
        for _ in range(limit):
            reply = self.get(queue, no_ack=True)
            if reply is None or reply.method != "basic.get-ok":
                return
