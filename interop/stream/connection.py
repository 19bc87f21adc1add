"""A raw connection: sends anything, waits for what must come, and keeps every frame that it received."""

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from interop.stream import codec
from interop.stream.codec import Frame

WAIT_S = 15.0
VERSIONS = dict.fromkeys((3, 4, 16, 26), (1, 1)) | {8: (1, 2)}
"""What a client can read, as it says so."""


class Overdue(AssertionError):
    """What a script waits for did not come in time."""


class Connection:
    """A connection on which nothing was said yet. `received` is called with each frame, and None at the end."""

    def __init__(self, host: str, port: int, received: Callable[[Frame | None], None] = lambda frame: None) -> None:
        self.socket = socket.create_connection((host, port), timeout=WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.polite = True
        """It answers a Close, and each ConsumerUpdate, at once."""
        self.ended = False
        self.correlation = 0
        self._received = received
        self._waiting: list[Frame] = []
        self._buffer = bytearray()

    # Sending

    def send_bytes(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the server hung up: reading shows it
            self.socket.sendall(data)

    def send_frame(self, key: int, body: bytes = b"", *, version: int = 1) -> None:
        self.send_bytes(codec.frame(key, body, version=version))

    def send(self, name: str, /, version: int = 1, **values: Any) -> None:  # noqa: ANN401 - as the command takes
        self.correlation += codec.BY_NAME[name].answered
        self.send_bytes(codec.request(name, self.correlation, version, **values))

    def call(self, name: str, /, version: int = 1, **values: Any) -> Frame | None:  # noqa: ANN401
        """Send a request and wait for its response, or the end: None."""
        self.send(name, version, **values)
        wanted = self.correlation
        return self.wait(lambda frame: frame.is_response and frame.correlation == wanted, f"the response to {name}")

    def answer(self, frame: Frame, code: int = 1, **values: Any) -> None:  # noqa: ANN401
        """Answer a request of the server."""
        assert frame.correlation is not None
        self.send_bytes(codec.response(frame.name, frame.correlation, code, **values))

    def authenticate(self, user: str = "guest", password: str = "guest") -> Frame | None:
        self.call("PeerProperties", properties=[("product", "raw")])
        self.call("SaslHandshake")
        return self.call("SaslAuthenticate", mechanism="PLAIN", data=f"\0{user}\0{password}".encode())

    def tune(self, frame_max: int = 1048576, heartbeat: int = 0) -> None:
        """Wait for the server's proposal, and answer it."""
        self.wait_for("Tune")
        self.send("Tune", frame_max=frame_max, heartbeat=heartbeat)

    def open(self, vhost: str = "/", user: str = "guest", password: str = "guest") -> Frame | None:
        """All that comes before a connection can be used."""
        self.authenticate(user, password)
        self.tune()
        return self.call("Open", vhost=vhost)

    def drop(self) -> None:
        self.socket.close()

    # Receiving

    def wait_for(self, name: str, count: int = 1) -> list[Frame]:
        """Take the next `count` frames of that command that are no responses; less when the connection ends."""
        taken: list[Frame] = []
        while len(taken) < count:
            found = self.wait(lambda frame: frame.name == name and not frame.is_response, name)
            if found is None:
                break
            taken.append(found)
        return taken

    def wait(self, wanted: Callable[[Frame], bool], what: str) -> Frame | None:
        """Take the first frame that is as wanted; None if the connection ends before."""
        deadline = time.monotonic() + WAIT_S
        while True:
            for frame in self._waiting:
                if wanted(frame):
                    self._waiting.remove(frame)
                    return frame
            if self.ended:
                return None
            self.receive(deadline, what)

    def wait_end(self, timeout_s: float = WAIT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.ended:
            self.receive(deadline, "the end of the connection")

    def receive(self, deadline: float, what: str) -> None:
        """Take in what comes next. Raises Overdue if that is nothing."""
        try:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            raise Overdue(f"waited in vain for {what}") from None
        except OSError:  # a reset is the same end as an orderly one
            data = b""
        self._buffer += data
        while len(self._buffer) >= 4:
            (size,) = struct.unpack_from(">I", self._buffer)
            if len(self._buffer) < size + 4:
                break
            content = bytes(self._buffer[4 : size + 4])
            del self._buffer[: size + 4]
            self._take_in(codec.parsed(content))
        if not data:
            self.ended = True
            self._received(None)

    def _take_in(self, frame: Frame) -> None:
        self._waiting.append(frame)
        self._received(frame)
        if self.polite and not frame.is_response:
            if frame.name == "Close":
                self.answer(frame)
            elif frame.name == "ConsumerUpdate":
                self.answer(frame, offset=b"\0\0")
