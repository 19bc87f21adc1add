"""Looks at what a broker tells about itself through an exchange: the firehose, and events."""

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from interop.parity import codec
from interop.parity.connection import POLL_INTERVAL_S, WAIT_TIMEOUT_S, Overdue
from interop.parity.inbox import Incoming
from interop.parity.script import Stage

CONNECTION_NAME = re.compile(r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Told:
    """One message of such an exchange; `facts` are its properties and headers as texts, each after its type."""

    key: str
    facts: dict[str, str]
    body: bytes

    @classmethod
    def by(cls, message: Incoming) -> "Told":
        return cls(message["routing_key"].decode(), dict(facts(message.properties)), message.body)

    def text(self, hidden: Collection[str]) -> str:
        """Everything, but of the facts called `hidden` only the type and whether there is something."""
        shown = [
            f"{name}={f'{value[0]}…' if name in hidden and value[1:] != repr('') else value}"
            for name, value in sorted(self.facts.items())
        ]
        return CONNECTION_NAME.sub("<connection>", " ".join([self.key, *shown, codec.bytes_text(self.body)]))


class Observer:
    """A queue bound to such an exchange. It is no part of the transcript: the script notes what it got."""

    def __init__(self, stage: Stage, exchange: str, *keys: str, vhost: str = "/") -> None:
        connection = stage.connect(vhost=vhost)
        connection.recording = False
        self._channel = connection.channel()
        self._queue = self._channel.declare(exclusive=True)
        for key in keys:
            self._channel.bind(self._queue, exchange, key)

    def take(self) -> Iterator[Told]:
        """What was told so far by those who made a round trip since."""
        self._channel.settle(self._queue)
        while (reply := self._channel.get(self._queue, no_ack=True)) is not None and reply.method == "basic.get-ok":
            yield Told.by(reply)

    def take_raw(self) -> Iterator[tuple[str, bytes]]:
        """Keys and properties of the same, for headers that nobody should take apart."""
        self._channel.settle(self._queue)
        while (reply := self._channel.get(self._queue, no_ack=True)) is not None and reply.method == "basic.get-ok":
            yield reply["routing_key"].decode(), reply.properties

    def take_until(self, marker: str) -> Iterator[Told]:
        """What was told before an exchange of this name was declared, which is done here."""
        self._channel.exchange(marker)
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while time.monotonic() < deadline:
            for told in self.take():
                if told.key == "exchange.created" and told.facts["name"] == f"S{marker!r}":
                    return
                yield told
            time.sleep(POLL_INTERVAL_S)
        raise Overdue(f"nothing was told about {marker}")


def facts(raw_properties: bytes) -> Iterator[tuple[str, str]]:
    """The properties of a content header, and its headers among them."""
    reader = codec.Reader(raw_properties)
    flags = reader.number(">H")
    for position, (name, amqp_type) in enumerate(codec.PROPERTIES):
        if not flags & 1 << (15 - position):
            continue
        if amqp_type == "table":
            yield from ((key, once(codec.value_text(value))) for key, value in reader.table().items())
        elif amqp_type == "shortstr":
            yield name, "s" + codec.bytes_text(reader.short_text())
        else:
            yield name, f"{amqp_type} {reader.number(codec.NUMBER_FORMATS[amqp_type])}"


def once(text: str) -> str:
    """RabbitMQ tells some facts of events twice, which nobody needs to imitate."""
    first, _, second = text.partition(" and ")
    return first if first == second else text
