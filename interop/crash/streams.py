"""Streams: what is in them stays as it is, offset for offset, whatever happens to the broker.

- A message that was confirmed is there, once; one that was not, at most once; each publisher's in the order of sending.
- What somebody has read is on the disk: nobody ever reads anything else at that offset.
- Offsets have no gaps. Only a stream with a limit loses messages, and then the first ones.
"""

import struct
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from interop.crash.actors import SIZES, Actor, ConfirmedPublisher, Round
from interop.crash.history import History
from interop.kit.client import Client, Silent, publication
from interop.parity import codec

OFFSET: Final = b"\x0fx-stream-offsetl"
"""The header with the offset, as far as its value."""
PREFETCH: Final = 500
PATIENCE_S: Final = 20.0
SPECS: Final = ("first", "last", "next")
MARKER: Final = "marker"
"""The publisher of a message that is the last one."""


@dataclass(eq=False)
class Stream:
    """A stream, and what its clients know of it. Safe to use from several threads."""

    name: str
    history: History
    arguments: Mapping[str, Any] = field(default_factory=dict)
    has_limit: bool = False
    sent: dict[str, bool] = field(default_factory=dict)
    """The names of messages that were published; True for those that were confirmed."""
    read: dict[int, str] = field(default_factory=dict)
    """The names of messages at offsets, as somebody has read them."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all_arguments(self) -> dict[str, Any]:
        return {"x-queue-type": "stream", **self.arguments}

    def publishes(self, publisher: str) -> str:
        """The name of a new message."""
        with self.lock:
            name = f"{publisher}/{len(self.sent):08}"
            self.sent[name] = False
            return name

    def confirmed(self, name: str) -> None:
        with self.lock:
            self.sent[name] = True
            self.history.counts["confirmed in streams"] += 1

    def delivered(self, offset: int, name: str) -> None:
        with self.lock:
            if name not in self.sent:
                self.history.find("stream", f"{self.name}: {name} was never sent")
            if (before := self.read.setdefault(offset, name)) != name:
                self.history.find("stream", f"{self.name}: {name} at offset {offset}, where {before} was")
            self.history.counts["delivered from streams"] += 1

    def verify(self, client: Client) -> None:
        """Reads all of it, while nobody else publishes to it."""
        names = self._read_all(client)
        first = next(iter(names))
        if list(names) != list(range(first, first + len(names))):
            self.history.find("stream", f"{self.name}: offsets have gaps")
        if first and not self.has_limit:
            self.history.find("stream", f"{self.name}: begins with offset {first}")
        places = {name: offset for offset, name in names.items()}
        if len(places) < len(names):
            self.history.find("stream", f"{self.name}: {len(names) - len(places)} messages are there twice")
        for offset, name in self.read.items():
            if offset >= first and names.get(offset) != name:
                self.history.find("stream", f"{self.name}: {name} was read at offset {offset}, and is gone")
        self._look_at_publishers(places)

    def _read_all(self, client: Client) -> dict[int, str]:
        marker = self.publishes(MARKER)
        client.call("confirm.select")
        client.send(publication("", self.name, body_of(marker), b"\0\0"))
        client.call("basic.qos", prefetch_count=PREFETCH)
        consume(client, self.name, "first")
        names: dict[int, str] = {}
        deadline = time.monotonic() + PATIENCE_S
        while not names or names[max(names)] != marker:
            if time.monotonic() > deadline:
                raise Silent(f"{self.name}: {len(names)} messages, and not the last one, after {PATIENCE_S:.0f} s")
            if not client.events:
                client.receive(1.0)
            names |= take(client, self)
        client.close()
        self.confirmed(marker)
        return names

    def _look_at_publishers(self, places: Mapping[str, int]) -> None:
        sent: dict[str, list[str]] = defaultdict(list)
        for name in self.sent:
            sent[name.partition("/")[0]].append(name)
        for publisher, names in sent.items():
            there = [places[name] for name in names if name in places]
            if there != sorted(there):
                self.history.find("stream", f"{self.name}: the messages of {publisher} are not in their order")
            missing = [name for name in names if self.sent[name] and name not in places]
            if self.has_limit and there:
                earliest = names.index(next(name for name in names if name in places))
                missing = [name for name in missing if names.index(name) > earliest]
            elif self.has_limit:
                missing = []
            for name in missing[:5]:
                self.history.find("stream", f"{self.name}: {name} is lost")


def streams(history: History) -> list[Stream]:
    """One with everything, and one with a limit; both with small segments."""
    segments = {"x-stream-max-segment-size-bytes": 50_000}
    return [
        Stream("stream", history, segments),
        Stream("stream.short", history, {**segments, "x-max-length-bytes": 400_000}, has_limit=True),
    ]


def body_of(name: str, size: int = 0) -> bytes:
    return f"{name} ".encode().ljust(size, b"\0")


def consume(client: Client, name: str, offset: str | int) -> None:
    client.call("basic.consume", queue=name, consumer_tag=name, arguments={"x-stream-offset": offset})


def take(client: Client, stream: Stream) -> dict[int, str]:
    """The messages that have come, which are acknowledged, at their offsets."""
    names: dict[int, str] = {}
    last = 0
    while client.events:
        event = client.events.popleft()
        if event.method != "basic.deliver":  # a confirm
            continue
        at = event.properties.index(OFFSET) + len(OFFSET)
        (offset,) = struct.unpack_from(">q", event.properties, at)
        names[offset] = event.body.partition(b" ")[0].decode()
        stream.delivered(offset, names[offset])
        last = event["delivery_tag"]
    if last:
        client.tell("basic.ack", delivery_tag=last, multiple=True)
    return names


class StreamPublisher(ConfirmedPublisher[tuple[Stream, str]]):
    """Publishes to streams."""

    def __init__(self, name: str, round_: Round, seed: str, streams: list[Stream]) -> None:
        super().__init__(name, round_, seed)
        self.streams = streams

    def batch(self, count: int) -> tuple[list[tuple[Stream, str]], bytes]:
        sent, data = [], []
        for _ in range(count):
            stream = self.random.choice(self.streams)
            sent.append((stream, stream.publishes(self.name)))
            body = body_of(sent[-1][1], self.random.choice(SIZES))
            data.append(publication("", stream.name, body, codec.properties(delivery_mode=1), mandatory=True))
        return sent, b"".join(data)

    def returned(self, body: bytes) -> None:
        self.history.find("return", f"{body[:40]!r} of a stream was returned")

    def answered(self, message: tuple[Stream, str], *, confirmed: bool) -> None:
        stream, name = message
        if confirmed:
            stream.confirmed(name)


class StreamReader(Actor):
    """Reads a stream from some place on, and then from another."""

    def __init__(self, name: str, round_: Round, seed: str, streams: list[Stream]) -> None:
        super().__init__(name, round_, seed)
        self.streams = streams

    def work(self, client: Client) -> None:
        client.call("basic.qos", prefetch_count=self.random.choice((1, 10, PREFETCH)))
        while not self.round.stopping.is_set():
            stream = self.random.choice(self.streams)
            specs = (*SPECS, self.random.randrange(len(stream.sent) + 1))
            consume(client, stream.name, self.random.choice(specs))
            for _ in range(self.random.choice((1, 20))):
                self.pause(client)
                take(client, stream)
            client.call("basic.cancel", consumer_tag=stream.name)
            take(client, stream)
        client.close()
