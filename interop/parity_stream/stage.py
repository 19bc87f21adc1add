"""What a scenario does to one broker, and the transcript of what came back.

A scenario opens connections, sends commands, and waits for what must come. It never sleeps. Every frame received is in
the transcript, whether the scenario waited for it or not.

Where two brokers may do the same in another order, the transcript is divided: responses, and what a server asks for,
are one part; the confirms and errors of each publisher are another, by publishing id, as it is the broker's affair how
many it tells at once; and the chunks of each subscription are one more.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from interop.parity import script
from interop.parity.normalise import Normaliser, natural
from interop.parity_stream.side import Side
from interop.parity_stream.told import entry_lines, told
from interop.stream import connection
from interop.stream.codec import Frame
from interop.stream.connection import WAIT_S, Overdue

ANSWERS = ""
POLL_S = 0.02


class Connection(connection.Connection):
    """A connection whose frames become lines."""

    def __init__(self, side: Side, run_id: str) -> None:
        super().__init__(side.host, side.port, self._note)
        self._side = side
        self._run_id = run_id
        self._unseen: set[int] = set()
        """Correlation ids of round trips."""
        self.recording = True
        self.lines: dict[str, list[str]] = defaultdict(list)
        self.confirmed: dict[int, list[int]] = defaultdict(list)
        """Publishing ids that were confirmed or refused, by publisher."""
        self.records: dict[int, int] = defaultdict(int)
        """How many messages came, by subscription."""
        self.chunk_ids: dict[int, list[int]] = defaultdict(list)
        self.chunks_told = True
        """How messages are divided into chunks is to be the same; else only the messages are."""
        self.offsets_told = True
        """Offsets are to be the same; else only the order is."""

    def _note(self, frame: Frame | None) -> None:
        if frame is None:
            self._record(ANSWERS, "the connection ends")
        elif frame.name in {"PublishConfirm", "PublishError"} and not frame.is_response:
            publisher = frame.fields["publisher"]
            codes = [(each, "ok") for each in frame.fields.get("ids", ())]
            codes += [(each, f"error {code}") for each, code in frame.fields.get("errors", ())]
            self.confirmed[publisher] += [each for each, _ in codes]
            for each, outcome in codes:
                self._record(f"publisher {publisher}", f"id={each}: {outcome}")
        elif frame.name == "Deliver":
            self._note_chunk(frame)
        elif frame.name == "Metadata" and frame.correlation in self._unseen:
            return
        elif frame.name != "Heartbeat":
            self._record(ANSWERS, told(frame, self._side.port))

    def _note_chunk(self, frame: Frame) -> None:
        subscription, chunk = frame.fields["subscription"], frame.fields["chunk"]
        self.records[subscription] += chunk.record_count
        self.chunk_ids[subscription].append(chunk.id)
        where = f"subscription {subscription}"
        if self.chunks_told:
            self._record(where, told(frame, self._side.port, offsets=self.offsets_told))
        for line in entry_lines(chunk, self._run_id):
            self._record(where, line)

    def _record(self, where: str, line: str) -> None:
        if self.recording:
            self.lines[where].append(line)

    # Waiting

    def wait_records(self, subscription: int, count: int) -> None:
        """Wait until so many messages came, in whatever chunks."""
        self._until(lambda: self.records[subscription] >= count, f"{count} messages of {subscription}")

    def wait_chunks(self, subscription: int, count: int) -> None:
        self._until(lambda: len(self.chunk_ids[subscription]) >= count, f"{count} chunks of {subscription}")

    def _until(self, reached: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not reached() and not self.ended:
            self.receive(deadline, what)

    def sync(self) -> None:
        """A round trip that is no part of the transcript: behind it, what was sent before has been dealt with."""
        self.send("Metadata", streams=[])
        wanted = self.correlation
        self._unseen.add(wanted)
        self.wait(lambda frame: frame.is_response and frame.correlation == wanted, "a round trip")

    # Short forms

    def declare(self, stream: str, *, publisher: int = 0, reference: str = "") -> None:
        self.call("DeclarePublisher", publisher=publisher, reference=reference, stream=stream)

    def publish(self, messages: Sequence[Any], *, publisher: int = 0, first: int = 0, **how: int) -> None:
        """Publish in one frame, with ids from `first` on, and wait for the confirms."""
        expected = Counter(self.confirmed[publisher]) + Counter(range(first, first + len(messages)))
        given = [
            (number, *(each if isinstance(each, tuple) else (each,))) for number, each in enumerate(messages, first)
        ]
        self.send("Publish", publisher=publisher, messages=given, **how)
        self._until(lambda: Counter(self.confirmed[publisher]) >= expected, f"confirms of {publisher}")

    def publish_one_by_one(self, messages: Sequence[Any], *, publisher: int = 0, first: int = 0, **how: int) -> None:
        """The same, each message when the one before is confirmed: so each is a chunk."""
        for number, message in enumerate(messages, first):
            self.publish([message], publisher=publisher, first=number, **how)

    def subscribe(
        self,
        stream: str,
        offset: Any = "first",  # noqa: ANN401 - each form of a specification
        *,
        subscription: int = 0,
        credit: int = 10,
        **properties: Any,  # noqa: ANN401 - texts
    ) -> Frame | None:
        """Names of properties are written with `_` instead of `-`, and `__` instead of a dot."""
        given = [(key.replace("__", ".").replace("_", "-"), value) for key, value in properties.items()]
        fields: dict[str, Any] = {"properties": given} if given else {}
        return self.call("Subscribe", subscription=subscription, stream=stream, offset=offset, credit=credit, **fields)

    def until_offset(self, reference: str, stream: str, offset: int) -> None:
        """Wait until an offset that was stored is told, which takes RabbitMQ some milliseconds."""
        deadline = time.monotonic() + WAIT_S
        while True:
            before = self.recording, self.correlation
            self.recording = False
            reply = self.call("QueryOffset", reference=reference, stream=stream)
            self.recording, self.correlation = before
            if reply is None or reply.fields.get("offset") == offset:
                return
            if time.monotonic() > deadline:
                raise Overdue(f"the offset of {reference} is {reply.fields}")
            time.sleep(POLL_S)


class Stage(script.Stage):
    """One broker, as one run of one scenario sees it, with connections of both protocols."""

    def __init__(self, side: Side) -> None:
        super().__init__(side.amqp)
        self.side = side
        self.stream_connections: list[Connection] = []

    def raw(self) -> Connection:
        """A connection on which nothing was said yet."""
        made = Connection(self.side, self.run_id)
        self.stream_connections.append(made)
        return made

    def client(
        self, vhost: str = "/", user: str = "guest", password: str = "guest", *, versions: bool = False
    ) -> Connection:
        """An open connection, whose opening is not recorded; with `versions`, it has told which it can read."""
        made = self.raw()
        made.recording = False
        made.open(vhost, user, password)
        if versions:
            made.call("ExchangeCommandVersions", commands=[(key, *both) for key, both in connection.VERSIONS.items()])
        made.recording, made.correlation = True, 0
        return made

    def stream(self, label: str = "s", **arguments: str) -> str:
        """A new stream's name. Arguments are written with `_` instead of `-`."""
        name = self.name(label)
        maker = self.client()
        maker.recording = False
        maker.call(
            "Create", stream=name, arguments=[(key.replace("_", "-"), value) for key, value in arguments.items()]
        )
        maker.drop()
        return name

    def filled(self, count: int, label: str = "s") -> str:
        """A stream with so many messages, m0, m1, m2 …, each in a chunk of its own."""
        name = self.stream(label)
        maker = self.client()
        maker.recording = False
        maker.declare(name)
        maker.publish_one_by_one([data(b"m%d" % number) for number in range(count)])
        maker.drop()
        return name

    def finish(self) -> None:
        super().finish()
        for each in self.stream_connections:
            each.recording = False

    def leave(self) -> None:
        for each in self.stream_connections:
            each.recording = False
            each.drop()
        super().leave()

    def transcript(self) -> dict[str, list[str]]:
        normal = Normaliser(self.run_id)
        transcript = super().transcript()
        for position, each in enumerate(self.stream_connections, 1):
            for where, lines in sorted(each.lines.items()):
                in_order = sorted(lines, key=natural) if where.startswith("publisher") else lines
                label = f"stream connection {position}" + (f", {where}" if where else "")
                transcript[label] = [normal(line) for line in in_order]
        return transcript


def data(body: bytes) -> bytes:
    """A message as clients write it: one section of data."""
    return b"\x00Su\xa0" + bytes([len(body)]) + body
