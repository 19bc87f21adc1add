"""What was published, what became of it, and what arrived: one byte for each message and queue, so that hours fit.

A `Stream` is what one publisher sends, numbered from 0, to one or more queues. The body says which stream and number it
is, and can be told from any other by every octet. Publishers write down what they send before they do, and consumers
what they receive before they acknowledge it; so the ledger never knows less than the broker was told.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

UNKNOWN, CONFIRMED, REFUSED, WITHDRAWN = 0, 1, 2, 3
"""The answer to a publish: none, a confirm or commit, a nack, a rollback (such a message must never arrive)."""

ARRIVED, NEW = 1, 2
"""A message that came for good; one that came as new, perhaps after it was redelivered to somebody faster."""

NAMES = ("unknown", "confirmed", "refused", "withdrawn")

FILLER = bytes(range(256)) * 8
FINDINGS_MAX = 100
NAMED_MAX = 10


class Finding(NamedTuple):
    """Something that must not be."""

    kind: str
    text: str


class Findings:
    """All are counted, and the first different ones kept."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: list[Finding] = []
        self._lock = threading.Lock()

    def note(self, kind: str, text: str, *, count: int = 1) -> None:
        with self._lock:
            self.counts[kind] += count
            finding = Finding(kind, text)
            if len(self.first) < FINDINGS_MAX and finding not in self.first:
                self.first.append(finding)


class Stream:
    """The messages of one publisher. `levels`: message n has priority n % levels, and only those of a priority are in
    order. `is_direct`: a message comes to a client once as new, and from then on as redelivered."""

    def __init__(self, name: str, queues: Iterable[str], *, levels: int = 1, is_direct: bool = True) -> None:
        self.name = name
        self.levels = levels
        self.is_direct = is_direct
        self.answers = bytearray()
        self.arrivals = {queue: bytearray() for queue in queues}
        self.last_new: dict[tuple[str, int], int] = {}
        """For each queue and priority the last message that came as new."""
        self.pending = 0
        """Messages that were confirmed and have not arrived, once for each queue."""

    def body(self, number: int, size: int) -> bytes:
        head = f"{self.name} {number} {size} ".encode()
        start = number % 256
        return (head + (FILLER * (size // len(FILLER) + 2))[start : start + size]) if size else head


class Ledger:
    """All streams. Safe to use from several threads.

    `marks_new`: the broker flags after a crash, too, what was delivered before it, or might have been.
    """

    def __init__(self, findings: Findings, *, marks_new: bool = True) -> None:
        self.findings = findings
        self.marks_new = marks_new
        self.counts: Counter[str] = Counter()
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()

    def open(self, name: str, queues: Iterable[str], *, levels: int = 1, is_direct: bool = True) -> Stream:
        stream = Stream(name, queues, levels=levels, is_direct=is_direct)
        with self._lock:
            self._streams[name] = stream
        return stream

    def send(self, stream: Stream, size: int = 0) -> tuple[int, bytes]:
        """The number and body of a new message."""
        with self._lock:
            number = len(stream.answers)
            stream.answers.append(UNKNOWN)
            for arrivals in stream.arrivals.values():
                arrivals.append(0)
            self.counts["published"] += 1
        return number, stream.body(number, size)

    def answer(self, stream: Stream, numbers: Iterable[int], answer: int) -> None:
        with self._lock:
            for number in numbers:
                stream.answers[number] = answer
                self.counts[NAMES[answer]] += 1
                if answer == CONFIRMED:
                    stream.pending += sum(not arrivals[number] & ARRIVED for arrivals in stream.arrivals.values())

    def receive(
        self, queue: str, body: bytes, *, redelivered: bool, is_ordered: bool = False, is_kept: bool = True
    ) -> None:
        """`is_ordered`: what comes as new from this queue is in the order of publishing. What is not kept is given back
        and must come again."""
        name, _, rest = body.partition(b" ")
        with self._lock:
            self.counts["received"] += 1
            stream = self._streams.get(name.decode(errors="replace"))
            number, size = _numbers(rest)
            is_known = stream is not None and queue in stream.arrivals and 0 <= number < len(stream.answers)
            if stream is None or not is_known or body != stream.body(number, size):
                self.findings.note("phantom", f"{queue}: nobody sent {body[:60]!r} ({len(body)} octets)")
                return
            if stream.answers[number] == WITHDRAWN:
                self.findings.note("phantom", f"{queue}: {name.decode()} {number} was never committed")
            self._look_at_redelivery(stream, queue, number, redelivered=redelivered, is_ordered=is_ordered)
            if is_kept and not stream.arrivals[queue][number] & ARRIVED:
                stream.arrivals[queue][number] |= ARRIVED
                stream.pending -= stream.answers[number] == CONFIRMED

    def _look_at_redelivery(
        self, stream: Stream, queue: str, number: int, *, redelivered: bool, is_ordered: bool
    ) -> None:
        if redelivered:
            self.counts["redelivered"] += 1
            return
        if stream.is_direct and self.marks_new and stream.arrivals[queue][number] & NEW:
            self.findings.note("doubled", f"{queue}: {stream.name} {number} came twice as new")
        stream.arrivals[queue][number] |= NEW
        if is_ordered:
            level = queue, number % stream.levels
            last = stream.last_new.get(level, -1)
            if number < last:
                self.findings.note("order", f"{queue}: {stream.name} {number} after {last}")
            stream.last_new[level] = max(number, last)

    def forget_order(self) -> None:
        """After the crash of a broker that does not flag what it had delivered."""
        with self._lock:
            for stream in self._streams.values():
                stream.last_new.clear()

    def pending(self) -> int:
        """How many confirmed messages have not arrived, once for each queue."""
        with self._lock:
            return sum(stream.pending for stream in self._streams.values())

    def queues(self) -> list[str]:
        with self._lock:
            return [queue for stream in self._streams.values() for queue in stream.arrivals]

    def missing(self) -> dict[tuple[str, str], list[int]]:
        """Confirmed and not there, for each stream and queue with such."""
        with self._lock:
            found = {}
            for stream in self._streams.values():
                for queue, arrivals in stream.arrivals.items():
                    answers = stream.answers
                    if lost := [n for n, came in enumerate(arrivals) if not came & ARRIVED and answers[n] == CONFIRMED]:
                        found[stream.name, queue] = lost
            return found

    def note_lost(self) -> None:
        """All has been taken out: what is missing now is lost."""
        for (name, queue), numbers in self.missing().items():
            shown = ", ".join(map(str, numbers[:NAMED_MAX])) + (", …" if len(numbers) > NAMED_MAX else "")
            self.findings.note(
                "lost", f"{queue}: {len(numbers)} confirmed messages of {name}: {shown}", count=len(numbers)
            )

    def idle(self) -> list[str]:
        """Streams of which nothing was confirmed: their clients did not come to anything."""
        with self._lock:
            return [name for name, stream in self._streams.items() if CONFIRMED not in stream.answers]


def _numbers(rest: bytes) -> tuple[int, int]:
    number, _, rest = rest.partition(b" ")
    size, _, _ = rest.partition(b" ")
    return (int(number), int(size)) if number.isdigit() and size.isdigit() else (-1, 0)
