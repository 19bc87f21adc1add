"""A client on a socket that sees all that the broker says, heartbeats too, and asks for no more than it is told to."""

import socket
from collections.abc import Callable

from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Connection
from pamqp.heartbeat import Heartbeat

from tests.amqp.client import (
    HEADER,
    Received,
    Transcript,
    is_heartbeat,
    method_frame,
    publish_frames,
    start_ok,
)

DEADLINE_S = 20
RECEIVE_BYTES = 1 << 16


class Peer:
    """Channel 1 of one connection."""

    def __init__(self, port: int, *, heartbeat_s: int = 0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heartbeats = 0
        """How many came."""
        self.confirmed = 0
        """The tag up to which everything is."""
        self.others: list[Received] = []
        """What came instead of an answer, in order, but for confirms."""
        self._transcript = Transcript()
        self._read: list[Received] = []
        self.send(HEADER)
        self.expect("Connection.Start")
        self.say(start_ok(**{"connection.blocked": True}), channel=0)
        self.expect("Connection.Tune")
        self.say(Connection.TuneOk(2047, 131_072, heartbeat_s), Connection.Open("/"), channel=0)
        self.expect("Connection.OpenOk")
        self.ask(Channel.Open())

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, *methods: Method, channel: int = 1) -> None:
        self.send(b"".join(method_frame(method, channel) for method in methods))

    def ask(self, method: Method) -> Received:
        """The answer; what comes before it goes to `others`."""
        self.say(method)
        return self.expect(f"{method.name}Ok")

    def publish(self, queue: str, *bodies: bytes, delivery_mode: int = 2) -> None:
        self.send(b"".join(publish_frames(queue, body, delivery_mode=delivery_mode) for body in bodies))

    def expect(self, name: str) -> Received:
        while True:
            received = self.next()
            assert received is not None, f"the end instead of {name}; before it {self.others}"
            if received.name == name:
                return received
            self.others.append(received)

    def next(self) -> Received | None:
        """The next that is neither a heartbeat nor a confirm; None at the end."""
        while not self._read:
            if not self._receive():
                return None
        return self._read.pop(0)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Reads until then."""
        while not condition():
            assert self._receive(), f"the end came first: {self._read}"

    def wait_for_heartbeats(self, count: int) -> None:
        """This many more."""
        wanted = self.heartbeats + count
        self.wait_until(lambda: self.heartbeats >= wanted)

    def wait_for_confirms(self, tag: int) -> None:
        self.wait_until(lambda: self.confirmed >= tag)

    def end(self) -> list[Received]:
        """All that came and was not asked for yet, up to the end, which is answered if it is a close."""
        last = []
        while (received := self.next()) is not None:
            last.append(received)
            if received.name == "Connection.Close":
                self.say(Connection.CloseOk(), channel=0)
        return last

    def _receive(self) -> bool:
        """Some bytes; False at the end. A heartbeat is answered with one."""
        data = self.socket.recv(RECEIVE_BYTES)
        for received in self._transcript.read(data):
            if is_heartbeat(received):
                self.heartbeats += 1
                self.send(Heartbeat().marshal())
            elif received.name == "Basic.Ack":
                self.confirmed = received.method.delivery_tag
            else:
                self._read.append(received)
        return bool(data)


def take_all(peer: Peer, queue: str) -> list[bytes]:
    """Gets and acks whatever is in a queue."""
    bodies: list[bytes] = []
    while True:
        peer.say(Basic.Get(queue=queue, no_ack=True))
        received = peer.next()
        assert received is not None
        if received.name == "Basic.GetEmpty":
            return bodies
        assert received.name == "Basic.GetOk", received
        bodies.append(received.body)
