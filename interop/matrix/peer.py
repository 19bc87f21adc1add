"""A client that writes as fast as it is let, and reads when it is told to.

It never blocks, and has no thread of its own: a scene lets all its peers go on (`Scene.until`). Of bodies it keeps
whether they are right.
"""

import contextlib
import socket
import struct
import zlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from interop.matrix.bodies import body, checksum, runs
from interop.parity import codec
from interop.parity.connection import ROOM_FOR_ANYTHING, Broker

RECEIVE_SIZE = 1 << 18
SIP_SIZE = 1 << 16
"""Octets that an alternating reader takes between two messages it sends, or that are sent to it."""

SMALL_BUFFER, LARGE_BUFFER = 4096, 1 << 20
"""What the kernel may keep of what a peer has not read: next to nothing for who does not read."""

BUFFERS_MAX = 200
PIECE = ROOM_FOR_ANYTHING["frame_max"] - 8
END = bytes([codec.FRAME_END])
CAPABILITIES = {"basic.nack": True, "consumer_cancel_notify": True, "authentication_failure_close": True}
ANSWERS = {"channel.close": "channel.close-ok", "connection.close": "connection.close-ok"}


@dataclass(slots=True)
class Heard:
    """A method that came, with what is to be known of its content."""

    method: str
    channel: int
    fields: dict[str, Any]
    number: str = ""
    reply_to: bytes = b""
    is_right: bool = True

    @property
    def label(self) -> str:
        again = "r" if self.fields.get("redelivered") else ""
        return f"{again}{self.number}{'' if self.is_right else '!'}"


class Content:
    """A message on its way in."""

    def __init__(self, method: codec.Frame) -> None:
        self.heard = Heard(method.name, method.channel, dict(method.fields))
        self.left = self.sum = 0
        self._promised = ""

    def begin(self, header: bytes) -> None:
        self.left = struct.unpack_from(">Q", header, 4)[0]
        found = codec.property_values(header[12:])
        self.heard.number = found.get("message_id", b"?").decode()
        self._promised = found.get("type", b"").decode()
        self.heard.reply_to = found.get("reply_to", b"")

    def add(self, piece: memoryview) -> None:
        self.sum = zlib.crc32(piece, self.sum)
        self.left -= len(piece)

    def end(self) -> Heard:
        number, size = self.heard.number, self._promised
        self.heard.is_right = number.isdigit() and size.isdigit() and self.sum == checksum(int(number), int(size))
        return self.heard


class Peer:
    """A connection. `reads` says whether it takes what comes, `hears` is what came."""

    def __init__(self, broker: Broker, name: str, *, is_slow: bool) -> None:
        self.broker = broker
        self.name = name
        self.reads = True
        self.is_over = False
        self.heard: list[Heard] = []
        self.counts: Counter[str] = Counter()
        self.confirmed: dict[str, set[int]] = {"basic.ack": set(), "basic.nack": set()}
        self.on_content: Callable[[Heard], None] | None = None
        self.socket = socket.socket()
        if is_slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self.socket.connect((broker.host, broker.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._out: deque[memoryview] = deque()
        self._in = bytearray()
        self._contents: dict[int, Content] = {}

    # Writing

    @property
    def unwritten(self) -> int:
        """Octets that the broker did not take yet."""
        return sum(map(len, self._out))

    @property
    def has_written(self) -> bool:
        return not self._out or self.is_over

    def write(self, *pieces: bytes | memoryview) -> None:
        self._out.extend(map(memoryview, pieces))

    def send(self, method: str, *, on: int = 1, **fields: Any) -> None:  # noqa: ANN401 - whatever the method takes
        self.write(codec.frame(codec.METHOD, on, codec.method_payload(method, **fields)))

    def publish(
        self, number: int, size: int, key: str | bytes, *, exchange: str = "", on: int = 1, mandatory: bool = False,
        **properties: Any,  # noqa: ANN401 - as many types as AMQP has
    ) -> None:  # fmt: skip
        """Send the message of this number and size, and say both in its properties. It is persistent."""
        named = message_properties(number, size, delivery_mode=2, **properties)
        self.send("basic.publish", on=on, exchange=exchange, routing_key=key, mandatory=mandatory)
        self.write(codec.frame(codec.HEADER, on, codec.header_payload(size, named)))
        whole = body(number, size)
        for start in range(0, size, PIECE):
            piece = whole[start : start + PIECE]
            self.write(struct.pack(">BHI", codec.BODY, on, len(piece)), piece, END)

    def go_on_writing(self) -> None:
        try:
            sent = self.socket.sendmsg(list(islice(self._out, BUFFERS_MAX)))
        except BlockingIOError:
            return
        except OSError:
            self._end()
            return
        while self._out and sent >= len(self._out[0]):
            sent -= len(self._out.popleft())
        if sent:
            self._out[0] = self._out[0][sent:]

    # Reading

    def stop(self) -> None:
        self.reads = False

    def read_on(self) -> None:
        """Read from now on, with as large a buffer as others have."""
        if not self.is_over:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LARGE_BUFFER)
        self.reads = True

    def sip(self, size: int = SIP_SIZE) -> None:
        """Take some of what has come, if anything has."""
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._in += data
            self._split()
        else:
            self._end()

    def go_on_reading(self) -> None:
        self.sip(RECEIVE_SIZE)

    def hang_up(self) -> None:
        """Leave without a word."""
        self._end()

    def _end(self) -> None:
        self.is_over = True
        self._out.clear()
        self.socket.close()

    def _split(self) -> None:
        """Take the whole frames off what has come."""
        at = 0
        with memoryview(self._in) as view:
            while len(view) - at >= 8:
                frame_type, channel, size = struct.unpack_from(">BHI", view, at)
                if len(view) - at < size + 8:
                    break
                if view[at + 7 + size] != codec.FRAME_END:
                    raise AssertionError(f"{self.name}: a frame of {size} octets does not end where it should")
                with view[at + 7 : at + 7 + size] as payload:
                    self._take_in(frame_type, channel, payload)
                at += size + 8
        del self._in[:at]

    def _take_in(self, frame_type: int, channel: int, payload: memoryview) -> None:
        if frame_type == codec.METHOD:
            frame = codec.parse_frame(frame_type, channel, bytes(payload))
            if frame.name in codec.CONTENT_METHODS:
                self._contents[channel] = Content(frame)
            else:
                self._hear_method(frame)
        elif frame_type == codec.HEADER:
            self._contents[channel].begin(bytes(payload))
        elif frame_type == codec.BODY:
            self._contents[channel].add(payload)
        if frame_type in (codec.HEADER, codec.BODY) and not self._contents[channel].left:
            heard = self._contents.pop(channel).end()
            self._hear(heard)
            if self.on_content is not None:
                self.on_content(heard)

    def _hear_method(self, frame: codec.Frame) -> None:
        if frame.name in self.confirmed:
            tag = frame.fields["delivery_tag"]
            before = self.confirmed["basic.ack"] | self.confirmed["basic.nack"] if frame.fields["multiple"] else set()
            tags = set(range(1, tag + 1)) - before if frame.fields["multiple"] else {tag}
            self.confirmed[frame.name] |= tags
            self.counts["confirms"] += len(tags)
            return
        if frame.name in ANSWERS:
            self.send(ANSWERS[frame.name], on=frame.channel)
        self._hear(Heard(frame.name, frame.channel, dict(frame.fields)))

    def _hear(self, heard: Heard) -> None:
        self.heard.append(heard)
        self.counts[heard.method] += 1

    def take(self, methods: Sequence[str], on: int) -> Heard | None:
        """The first of these methods on a channel, which is no part of the story then; or None."""
        for position, heard in enumerate(self.heard):
            if heard.channel == on and heard.method in methods:
                return self.heard.pop(position)
        return None

    # What is told of it

    def given(self, method: str = "basic.deliver") -> list[str]:
        """The labels of the messages that came so, in order."""
        return [heard.label for heard in self.heard if heard.method == method]

    def story(self) -> list[str]:
        """What came, each kind in the order in which it came; confirms as sets."""
        kinds: dict[str, list[str]] = {}
        for heard in self.heard:
            kinds.setdefault(kind_of(heard), []).append(heard.label)
        lines = [f"{kind}: {runs(labels) if any(labels) else len(labels)}" for kind, labels in kinds.items()]
        for name, tags in self.confirmed.items():
            if tags:
                lines.append(f"confirmed by {name}: {runs([str(tag) for tag in sorted(tags)])}")
        return sorted(lines)


def kind_of(heard: Heard) -> str:
    """What is told of as one: methods that mean the same but for their message."""
    telling = ("consumer_tag", "reply_code", "reply_text")
    said = (heard.fields[name] for name in telling if name in heard.fields and heard.method != "basic.cancel-ok")
    parts = [heard.method, *(each.decode() if isinstance(each, bytes) else str(each) for each in said)]
    return " ".join(parts) + (f" on {heard.channel}" if heard.channel > 1 else "")


def message_properties(number: int, size: int, **more: Any) -> bytes:  # noqa: ANN401 - as many types as AMQP has
    return codec.properties(message_id=str(number), type=str(size), **more)


def quietly_close(peers: Sequence[Peer]) -> None:
    for peer in peers:
        with contextlib.suppress(OSError):
            peer.hang_up()
