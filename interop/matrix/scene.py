"""One cell on one broker: peers that go on together, what is waited for, and what is told of it all.

A wait that is in vain does not end the cell: it is told, and the cell goes on, so that what differs comes out whole.
All waits of a cell share one deadline; behind it, each still waits `GRACE_S`.
"""

import contextlib
import secrets
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from interop.matrix.bodies import runs
from interop.matrix.cells import ALTERNATING, AT_ONCE, LATE, NEVER, Cell
from interop.matrix.peer import CAPABILITIES, Heard, Peer, quietly_close
from interop.parity import codec
from interop.parity.connection import ROOM_FOR_ANYTHING, Broker
from interop.parity.normalise import natural

DEADLINE_S = 20.0
GRACE_S = 0.5
LOOK_AGAIN_S = 0.01
CLOSES = ("channel.close", "connection.close")


class Broken(AssertionError):
    """The cell cannot go on: a broker refused what it must not, or does not answer."""


@dataclass(frozen=True)
class Told:
    """All that is to be the same on two brokers, by who tells it, and what may differ, with the reason why."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    asides: tuple[str, ...] = ()
    in_vain: tuple[str, ...] = ()
    seconds: float = 0.0
    growth_mib: float = 0.0


class Scene:
    """A cell under way. Features call it in the order: queues, peers, `flood` or `send_each`, `release`, `gather`."""

    def __init__(self, broker: Broker, cell: Cell, deadline_s: float = DEADLINE_S) -> None:
        self.broker = broker
        self.cell = cell
        self.size = cell.size
        self.count = cell.few
        self.never = cell.reader == NEVER
        self.peers: list[Peer] = []
        self.readers: list[Peer] = []
        self.in_vain: list[str] = []
        self.asides: list[str] = []
        self.notes: list[str] = []
        self._deadline = time.monotonic() + deadline_s
        self._id = secrets.token_hex(4)
        self._queues: dict[str, str] = {}
        self._exchanges: list[str] = []
        self._loose: list[Peer] = []
        self.observer = self._connected("observer", is_slow=False)

    # Who is there

    def peer(self, name: str) -> Peer:
        """Somebody who reads all the time."""
        peer = self._connected(name, is_slow=False)
        self.peers.append(peer)
        return peer

    def reader(self, name: str) -> Peer:
        """Somebody about whose reading the cell is. Reads all the time until `begin`."""
        peer = self._connected(name, is_slow=self.cell.reader in (LATE, NEVER))
        self.peers.append(peer)
        self.readers.append(peer)
        return peer

    def _connected(self, name: str, *, is_slow: bool) -> Peer:
        peer = Peer(self.broker, name, is_slow=is_slow)
        alone = [peer]
        peer.write(codec.PROTOCOL_HEADER)
        self._expect(peer, alone, "connection.start")
        peer.send(
            "connection.start-ok",
            on=0,
            client_properties={"capabilities": CAPABILITIES},
            mechanism="PLAIN",
            response=f"\0{self.broker.user}\0{self.broker.password}",
            locale="en_US",
        )
        self._expect(peer, alone, "connection.tune")
        peer.send("connection.tune-ok", on=0, **ROOM_FOR_ANYTHING)
        peer.send("connection.open", on=0, virtual_host="/")
        self._expect(peer, alone, "connection.open-ok")
        peer.send("channel.open")
        self._expect(peer, alone, "channel.open-ok", on=1)
        return peer

    def queue(self, label: str = "queue", *, of_type: str = "", **arguments: Any) -> str:  # noqa: ANN401
        """Declare a durable queue. Python's max_length is x-max-length; what is left in it is told at the end."""
        name = f"matrix.{label}.{self._id}"
        given = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        self.call(self.observer, "queue.declare", queue=name, durable=True, arguments=given)
        self._queues[label] = name
        return name

    def graveyard(self) -> tuple[str, dict[str, str]]:
        """A queue for dead letters, and the arguments of a queue that has its letters there."""
        name = self.queue("graveyard")
        return name, {"dead_letter_exchange": "", "dead_letter_routing_key": name}

    def exchange(self, label: str, kind: str, **arguments: Any) -> str | None:  # noqa: ANN401
        """Declare an exchange; None if the broker does not know the type."""
        name = f"matrix.{label}.{self._id}"
        trying = self._connected("declarer", is_slow=False)
        trying.send("exchange.declare", exchange=name, exchange_type=kind, durable=True, arguments=arguments)
        self.until(lambda: bool(trying.heard) or trying.is_over, "exchange.declare-ok", [trying])
        known = trying.take(("exchange.declare-ok",), on=1) is not None
        quietly_close([trying])
        if known:
            self._exchanges.append(name)
        return name if known else None

    # Going on

    def until(self, reached: Callable[[], bool], what: str, peers: list[Peer] | None = None) -> bool:
        """Let everybody go on until something is reached; False and a word about it if it is not in time."""
        deadline = self._own_deadline()
        while not reached():
            left = deadline - time.monotonic()
            if left <= 0:
                self.in_vain.append(f"waited in vain for {what}; {self._state()}")
                return False
            self._go_on(self._everybody() if peers is None else peers, left)
        return True

    def _own_deadline(self) -> float:
        return max(self._deadline, time.monotonic() + GRACE_S)

    def _everybody(self) -> list[Peer]:
        return [*self.peers, self.observer]

    def _go_on(self, peers: list[Peer], longest_s: float) -> None:
        there = [peer for peer in peers if not peer.is_over]
        reading = {peer.socket: peer for peer in there if peer.reads}
        writing = {peer.socket: peer for peer in there if not peer.has_written}
        readable, writable, _ = select.select(reading, writing, (), longest_s)
        for each in readable:
            reading[each].go_on_reading()
        for each in writable:
            if not writing[each].is_over:
                writing[each].go_on_writing()

    def _state(self) -> str:
        return "; ".join(
            f"{peer.name} {'is gone' if peer.is_over else 'reads' if peer.reads else 'does not read'},"
            f" {peer.unwritten} octets unwritten, got {', '.join(peer.story()) or 'nothing'}"
            for peer in self.peers
        )

    def _expect(self, peer: Peer, peers: list[Peer] | None, *methods: str, on: int = 0) -> Heard:
        """The next of these methods, before all of which nothing else goes on than these peers."""
        found: list[Heard] = []

        def comes() -> bool:
            heard = peer.take(methods, on) or peer.take(CLOSES, on) or peer.take(CLOSES, 0)
            found.extend([heard] if heard else [])
            return bool(found) or peer.is_over

        self.until(comes, f"{' or '.join(methods)} to {peer.name}", peers)
        if not found or found[0].method not in methods:
            raise Broken(f"{peer.name} got no {' or '.join(methods)} but {found or 'nothing'}; {self._state()}")
        return found[0]

    def call(self, peer: Peer, method: str, *, on: int = 1, **fields: Any) -> Heard:  # noqa: ANN401
        """A method and its reply, which is no part of the story. The peer must be one that reads."""
        assert peer.reads, f"{peer.name} does not read: it can send, but not wait"
        peer.send(method, on=on, **fields)
        return self._expect(peer, [peer, *self._everybody()], *codec.METHODS[method].replies, on=on)

    def consume(
        self, peer: Peer, queue: str, tag: str = "c", *, on: int = 1, prefetch: int = 0, acks: bool = False,
        no_ack: bool = False, **fields: Any,  # noqa: ANN401
    ) -> None:  # fmt: skip
        """Make a consumer. With `acks` it acknowledges what it has read."""
        if prefetch:
            self.call(peer, "basic.qos", on=on, prefetch_count=prefetch)
        if acks:
            peer.on_content = lambda heard: peer.send(
                "basic.ack", on=heard.channel, delivery_tag=heard.fields["delivery_tag"]
            )
        self.call(peer, "basic.consume", on=on, queue=queue, consumer_tag=tag, no_ack=no_ack, **fields)

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """What is broken ends this part, and is told as what did not come."""
        try:
            yield
        except Broken as reason:
            self.in_vain.append(str(reason))

    # The play

    def begin(self) -> None:
        """All is made: from now on the readers read as the cell says."""
        if self.cell.reader != AT_ONCE:
            for peer in self.readers:
                peer.stop()

    def send_each(self, sender: Peer, send: Callable[[int], None], count: int) -> None:
        """Let somebody send something for each number, until the broker has taken it all; late readers read then."""
        for number in range(1, count + 1):
            send(number)
            if self.cell.reader == ALTERNATING:
                self.until(lambda: sender.has_written, f"{sender.name} to have written {number} of {count}")
                for peer in self.readers:
                    peer.sip()
        self.until(lambda: sender.has_written, f"{sender.name} to have written all")

    def flood(self, key: str, *, count: int = 0, mandatory: bool = False, **properties: Any) -> None:  # noqa: ANN401
        """Begin, and let a publisher send messages, until all of them are confirmed."""
        count = count or self.count
        publisher = self.peer("publisher")
        self.call(publisher, "confirm.select")
        self.begin()
        self.send_each(
            publisher,
            lambda number: publisher.publish(number, self.size, key, mandatory=mandatory, **properties),
            count,
        )
        self.until(lambda: publisher.counts["confirms"] >= count, f"{count} confirms")

    def release(self) -> None:
        """Everybody reads from now on. Who never read did not before a bystander was served."""
        if self.never:
            self._serve_bystander()
        for peer in self.readers:
            peer.read_on()

    def _serve_bystander(self) -> None:
        """Others are served while somebody does not read."""
        bystander = self.peer("bystander")
        queue = self.call(bystander, "queue.declare", exclusive=True).fields["queue"].decode()
        bystander.publish(1, 1000, queue)
        bystander.send("basic.get", queue=queue, no_ack=True)
        self.gather(bystander, 1, "basic.get-ok")

    def knows(self, peer: Peer, count: int) -> None:
        """Who reads has got as many messages; who does not knows that they are on their way."""
        if peer.reads:
            self.gather(peer, count)

    def gather(self, peer: Peer, count: int, method: str = "basic.deliver") -> None:
        self.until(lambda: peer.counts[method] >= count, f"{count} {method} to {peer.name}")

    def gather_from(self, peers: list[Peer], count: int) -> None:
        together = " and ".join(peer.name for peer in peers)
        self.until(lambda: sum(peer.counts["basic.deliver"] for peer in peers) >= count, f"{count} to {together}")

    def counts(self, queue: str) -> tuple[int, int]:
        """Messages ready and consumers of a queue, as a passive declaration tells."""
        fields = self.call(self.observer, "queue.declare", queue=queue, passive=True).fields
        return fields["message_count"], fields["consumer_count"]

    def until_ready(self, queue: str, count: int, *, tell: bool = True) -> None:
        """Wait until so many messages are ready; how many there are is told."""
        label = next(label for label, name in self._queues.items() if name == queue)
        ready, _ = self._counts_until(queue, lambda counts: counts[0] == count)
        if ready != count:
            self.in_vain.append(f"waited in vain for {count} ready in {label}, there are {ready}; {self._state()}")
        if tell:
            self.notes.append(f"ready in {label}: {ready}")

    def _counts_until(self, queue: str, reached: Callable[[tuple[int, int]], bool]) -> tuple[int, int]:
        """Look again and again, until the counts are as they should be or time is up; the last ones."""
        deadline = self._own_deadline()
        while not reached(seen := self.counts(queue)) and time.monotonic() < deadline:
            self._go_on(self._everybody(), LOOK_AGAIN_S)
        return seen

    def outlast(self, ttl_ms: int) -> None:
        """Wait until the broker has let a message expire that has so many milliseconds to live."""
        name = f"matrix.clock.{self._id}"
        arguments = {"x-message-ttl": ttl_ms, "x-expires": 60_000}
        self.call(self.observer, "queue.declare", queue=name, arguments=arguments)
        self.observer.publish(1, 0, name)
        self.until(lambda: self.observer.has_written, "the clock to be set")
        self._counts_until(name, lambda counts: not counts[0])
        self.call(self.observer, "queue.delete", queue=name)

    def settle(self) -> None:
        """What was sent to those who read has come."""
        for _ in range(2):
            for peer in self.peers:
                if peer.reads and not peer.is_over:
                    self._round_trip(peer)
            for queue in self._queues.values():
                self.counts(queue)

    def _round_trip(self, peer: Peer) -> None:
        peer.send("channel.flow", active=True)
        self.until(lambda: peer.is_over or peer.take(("channel.flow-ok", *CLOSES), 1) is not None, "channel.flow-ok")

    # What is told

    def together(self, why: str, peers: list[Peer]) -> None:
        """Who of them got which message may differ: it is told what they got together."""
        self._loose += peers
        labels = [label.removeprefix("r") for peer in peers for label in peer.given()]
        self.notes.append(f"{' and '.join(peer.name for peer in peers)} together: {runs(sorted(labels, key=natural))}")
        for peer in peers:
            given = [label.removeprefix("r") for label in peer.given()]
            in_order = given == sorted(given, key=natural)
            self.notes.append(f"{peer.name}: {'in order' if in_order else 'out of order'}")
        self.asides.append(f"{why}: {', '.join(f'{len(peer.given())} to {peer.name}' for peer in peers)}")

    def untold(self, peer: Peer, why: str) -> None:
        self._loose.append(peer)
        self.asides.append(f"{why}: {', '.join(peer.story())}")

    def finish(self) -> None:
        """Let what should not have come come, then look what is left."""
        self.settle()
        for peer in self.peers:
            if not peer.is_over:
                self.call(peer, "connection.close", on=0, reply_code=200, reply_text="done")
            peer.hang_up()
        for label, name in self._queues.items():
            left, _ = self._counts_until(name, lambda counts: not counts[1])
            self.notes.append(f"left in {label}: {left}")

    def delete(self, label: str) -> None:
        self.call(self.observer, "queue.delete", queue=self._queues.pop(label))

    def leave(self) -> None:
        """Hang up, and delete what was made. Raises Broken if that is not possible."""
        quietly_close(self._everybody())
        self._deadline = time.monotonic() + DEADLINE_S
        cleaner = self._connected("cleaner", is_slow=False)
        for name in self._queues.values():
            self.call(cleaner, "queue.delete", queue=name)
        for name in self._exchanges:
            self.call(cleaner, "exchange.delete", exchange=name)
        quietly_close([cleaner])

    def told(self) -> dict[str, list[str]]:
        stories = {peer.name: peer.story() for peer in self.peers if peer not in self._loose}
        return stories | {"cell": [*self.notes, *(["what was waited for did not come"] if self.in_vain else [])]}
