"""What came in on one channel, put together to methods with their content."""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Any

from interop.parity import codec
from interop.parity.codec import Frame


@dataclass(frozen=True)
class Incoming:
    """A method received, with its content where it carries one."""

    method: str
    fields: dict[str, Any]
    properties: bytes = b""
    body: bytes = b""

    def __getitem__(self, field: str) -> Any:  # noqa: ANN401 - as many types as AMQP has
        return self.fields[field]


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

    def take_any(self) -> Incoming | None:
        """The next one, whatever it is."""
        return self._waiting.popleft() if self._waiting else None
