"""A raw client: one connection with one channel; any method, content in and out, and an end at any moment."""

import socket
import struct
import time
from collections import deque
from typing import Any

from interop.kit.address import Address
from interop.parity import codec
from interop.parity.inbox import Inbox, Incoming

TIMEOUT_S = 30.0
RECEIVE_BYTES = 1 << 18
CHANNEL_MAX, FRAME_MAX = 10, 131_072


class Gone(Exception):
    """The connection is no more; the text is what the broker said last, if anything."""


class Refused(Exception):
    """The broker closed the channel or the connection, with the code and text of this."""

    def __init__(self, incoming: Incoming) -> None:
        self.code = int(incoming["reply_code"])
        super().__init__(f"{incoming.method} {self.code} {incoming['reply_text'].decode(errors='replace')}")


class Silent(Exception):
    """The broker does not answer."""


class Client:
    """Channel 1 of one connection. Everything may raise Gone, Refused or Silent."""

    def __init__(self, broker: Address) -> None:
        try:
            self._socket = socket.create_connection((broker.host, broker.port), timeout=TIMEOUT_S)
        except OSError as error:
            raise Gone(f"cannot connect: {error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._inboxes = {0: Inbox(), 1: Inbox()}
        self.events: deque[Incoming] = deque()
        """What came without being asked for: deliveries, returns, confirms."""
        self._answers: deque[Incoming] = deque()
        self.send(codec.PROTOCOL_HEADER)
        self.answer("connection.start")
        self.send(start_ok(broker.user, broker.password))
        self.answer("connection.tune")
        self.tell("connection.tune-ok", on=0, channel_max=CHANNEL_MAX, frame_max=FRAME_MAX, heartbeat=0)
        self.call("connection.open", on=0, virtual_host=broker.vhost)
        self.call("channel.open")

    # Out

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from None

    def tell(self, method: str, *, on: int = 1, **fields: Any) -> None:  # noqa: ANN401
        """Send a method that has no answer, or whose answer is waited for elsewhere."""
        self.send(codec.frame(codec.METHOD, on, codec.method_payload(method, **fields)))

    def call(self, method: str, *, on: int = 1, **fields: Any) -> Incoming:  # noqa: ANN401
        """Send a method and wait for its answer; what else comes meanwhile goes to `events`."""
        self.tell(method, on=on, **fields)
        return self.answer(*codec.METHODS[method].replies)

    def close(self) -> None:
        """Leave politely: all that was sent is processed, and all that the broker sent is in `events`."""
        self.call("channel.close", reply_code=200, reply_text="done")
        self.call("connection.close", on=0, reply_code=200, reply_text="done")
        self.drop()

    def drop(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """As `drop`, and the broker gets a reset instead of an end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def depth(self, queue: str) -> int:
        return int(self.call("queue.declare", queue=queue, passive=True)["message_count"])

    # In

    def answer(self, *methods: str) -> Incoming:
        deadline = time.monotonic() + TIMEOUT_S
        while not self._answers:
            if time.monotonic() > deadline:
                raise Silent(f"no {' or '.join(methods)} within {TIMEOUT_S:.0f} s")
            self.receive(1.0)
        found = self._answers.popleft()
        if found.method not in methods:
            raise Silent(f"{found.method} instead of {' or '.join(methods)}")
        return found

    def receive(self, timeout_s: float) -> bool:
        """Wait for bytes, as long as this, and take them in; whether there were any."""
        try:
            self._socket.settimeout(max(timeout_s, 0.0001))
            data = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            return False
        except OSError as error:
            raise Gone(str(error)) from None
        finally:
            if self._socket.fileno() >= 0:
                self._socket.settimeout(TIMEOUT_S)
        if not data:
            raise Gone("end of stream")
        self._take_in(data)
        return True

    def _take_in(self, data: bytes) -> None:
        buffer, start = self._buffer + data, 0
        while len(buffer) - start >= 7:
            kind, channel, size = struct.unpack_from(">BHI", buffer, start)
            end = start + size + 8
            if len(buffer) < end:
                break
            self._take_frame(codec.parse_frame(kind, channel, buffer[start + 7 : end - 1]))
            start = end
        self._buffer = buffer[start:]

    def _take_frame(self, frame: codec.Frame) -> None:
        inbox = self._inboxes[frame.channel]
        inbox.add(frame)
        while (incoming := inbox.take_any()) is not None:
            if incoming.method in ("channel.close", "connection.close"):
                raise Refused(incoming)
            unasked = ("basic.deliver", "basic.return", "basic.ack", "basic.nack", "basic.cancel")
            (self.events if incoming.method in unasked else self._answers).append(incoming)


def start_ok(user: str, password: str) -> bytes:
    response = f"\0{user}\0{password}"
    fields = codec.method_payload("connection.start-ok", mechanism="PLAIN", response=response, locale="en_US")
    return codec.frame(codec.METHOD, 0, fields)


def publication(exchange: str, key: str, body: bytes, properties: bytes, *, mandatory: bool = False) -> bytes:
    """The frames of one publish."""
    fields = codec.method_payload("basic.publish", exchange=exchange, routing_key=key, mandatory=mandatory)
    header = codec.frame(codec.HEADER, 1, codec.header_payload(len(body), properties))
    content = codec.frame(codec.BODY, 1, body) if body else b""
    return codec.frame(codec.METHOD, 1, fields) + header + content
