"""A way to a broker that can be cut: what an operator or a bad network does to a connection, on command.

A program connects to the proxy's control port and sends one of these lines; it is answered with `done` and a newline
when it is done:

- `cut`: all connections end without a word, towards the client and towards the broker;
- `close`: every client gets what RabbitMQ sends when an operator closes its connection, connection.close with
  320 CONNECTION_FORCED, and its connection to the broker ends.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial

CHUNK_BYTES = 1 << 18
LINGER_S = 5.0
FRAME_HEADER = struct.Struct(">BHL")
FRAME_END = b"\xce"
METHOD = 1

CLOSE_TEXT = b"CONNECTION_FORCED - closed by an operator"
CLOSE_ARGUMENTS = struct.pack(">HB", 320, len(CLOSE_TEXT)) + CLOSE_TEXT + bytes(4)


def method(class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    """A frame on channel 0."""
    payload = struct.pack(">HH", class_id, method_id) + arguments
    return FRAME_HEADER.pack(METHOD, 0, len(payload)) + payload + FRAME_END


CLOSE, CLOSE_OK = method(10, 50, CLOSE_ARGUMENTS), method(10, 51)
OLD_CLOSE, OLD_CLOSE_OK = method(10, 60, CLOSE_ARGUMENTS), method(10, 61)
START_OF_0_8 = struct.pack(">HHBB", 10, 10, 8, 0)
"""How connection.start begins for AMQP 0-8, which has other numbers for the same methods."""


class Proxy:
    """Listens on 127.0.0.1, on `port` for clients and on `control_port` for commands."""

    def __init__(self, host: str, port: int, *, clients: socket.socket | None = None) -> None:
        """`clients`: a listener that is there already."""
        self._broker = (host, port)
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._clients = clients or listener()
        self._commands = listener()
        self.port: int = self._clients.getsockname()[1]
        self.control_port: int = self._commands.getsockname()[1]

    def start(self) -> None:
        threading.Thread(target=accept_from, args=(self._clients, self._lead), daemon=True).start()
        threading.Thread(target=accept_from, args=(self._commands, self._obey), daemon=True).start()

    def stop(self) -> None:
        for each in (self._clients, self._commands):
            end(each)
            each.close()
        for link in self._current():
            link.cut()

    def _current(self) -> "list[Link]":
        with self._lock:
            return list(self._links)

    def _lead(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection(self._broker)
        except OSError:
            client.close()
            return
        link = Link(client, broker)
        with self._lock:
            self._links.add(link)
        link.run()
        with self._lock:
            self._links.discard(link)

    def _obey(self, caller: socket.socket) -> None:
        with caller, caller.makefile("rb") as lines:
            command = lines.readline().strip()
            for link in self._current():
                {b"cut": link.cut, b"close": link.close}[command]()
            caller.sendall(b"done\n")


class Link:
    """One client's connection, and the one to the broker that serves it."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self._client = client
        self._broker = broker
        self._closing = False
        self._close, self._close_ok = CLOSE, CLOSE_OK
        self._patience = threading.Timer(LINGER_S, self.cut)
        """Runs while the client may answer a close; a timeout of its socket would not end a `recv` that has begun."""
        self._patience.daemon = True
        self._between_frames = threading.Lock()
        for each in (client, broker):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> None:
        """Carry octets both ways until one side ends."""
        back = threading.Thread(target=self._to_client, daemon=True)
        back.start()
        self._to_broker()
        back.join()
        self._patience.cancel()
        self._client.close()
        self._broker.close()

    def cut(self) -> None:
        for each in (self._client, self._broker):
            end(each)

    def close(self) -> None:
        with self._between_frames, contextlib.suppress(OSError):
            self._closing = True
            self._broker.shutdown(socket.SHUT_RDWR)
            self._client.sendall(self._close)
            self._patience.start()

    def _to_broker(self) -> None:
        last = b""
        with contextlib.suppress(OSError):
            while last != self._close_ok and (chunk := self._client.recv(CHUNK_BYTES)):
                if self._closing:
                    last = (last + chunk)[-len(self._close_ok) :]
                else:
                    self._broker.sendall(chunk)
            if not self._closing:
                self._broker.shutdown(socket.SHUT_WR)
                return
        self.cut()

    def _to_client(self) -> None:
        with contextlib.suppress(OSError):
            for frames in whole_frames(partial(self._broker.recv, CHUNK_BYTES)):
                with self._between_frames:
                    if frames.startswith(START_OF_0_8, FRAME_HEADER.size):
                        self._close, self._close_ok = OLD_CLOSE, OLD_CLOSE_OK
                    if self._closing:
                        return
                    self._client.sendall(frames)
            if not self._closing:
                self._client.shutdown(socket.SHUT_WR)  # it may be sending still, and must not fail before it reads
                return
        if not self._closing:
            self.cut()


def whole_frames(receive: Callable[[], bytes]) -> Iterator[bytes]:
    """What a broker sends, in pieces that end with a frame.

    What does not begin with a frame (the answer to a bad protocol header, HTTP) comes as it is.
    """
    buffer = bytearray()
    chunk = receive()
    while chunk and chunk[0] != METHOD:
        yield chunk
        chunk = receive()
    while chunk:
        buffer += chunk
        end = 0
        while len(buffer) - end >= FRAME_HEADER.size:
            _, _, size = FRAME_HEADER.unpack_from(buffer, end)
            if len(buffer) < end + FRAME_HEADER.size + size + 1:
                break
            end += FRAME_HEADER.size + size + 1
        if end:
            yield bytes(buffer[:end])
            del buffer[:end]
        chunk = receive()


def end(each: socket.socket) -> None:
    """Wake whoever waits for it, too, which closing alone does not."""
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def accept_from(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Give each connection to a thread of its own until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listening.accept()
            threading.Thread(target=serve, args=(accepted,), daemon=True).start()
