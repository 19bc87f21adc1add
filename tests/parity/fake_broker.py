"""A broker that says what a test wants it to say."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from interop.parity import codec
from interop.parity.codec import METHOD, Frame
from interop.parity.script import Broker

Answer = Callable[[Frame], Sequence[bytes]]

VERSION = "3.10.8"


def method(name: str, channel: int = 1, **fields: Any) -> bytes:  # noqa: ANN401 - whatever the method takes
    return codec.frame(METHOD, channel, codec.method_payload(name, **fields))


def message(name: str, body: bytes, raw_properties: bytes = b"\0\0", **fields: Any) -> list[bytes]:  # noqa: ANN401
    return [
        method(name, **fields),
        codec.frame(codec.HEADER, 1, codec.header_payload(len(body), raw_properties)),
        codec.frame(codec.BODY, 1, body),
    ]


ANSWERS: Mapping[str, Answer] = {
    "connection.start-ok": lambda _: [method("connection.tune", 0, channel_max=2047, frame_max=131072)],
    "connection.open": lambda _: [method("connection.open-ok", 0)],
    "connection.close": lambda _: [method("connection.close-ok", 0)],
    "channel.open": lambda frame: [method("channel.open-ok", frame.channel)],
    "channel.close": lambda frame: [method("channel.close-ok", frame.channel)],
    "channel.flow": lambda frame: [method("channel.flow-ok", frame.channel, active=True)],
    "queue.declare": lambda frame: [method("queue.declare-ok", frame.channel, queue=frame.fields["queue"])],
    "queue.delete": lambda frame: [method("queue.delete-ok", frame.channel)],
    "exchange.delete": lambda frame: [method("exchange.delete-ok", frame.channel)],
    "confirm.select": lambda frame: [method("confirm.select-ok", frame.channel)],
}


@contextlib.contextmanager
def fake_broker(**answers: Answer) -> Iterator[Broker]:
    """Listen, and answer as ANSWERS say, or as `answers` do with an underscore for the dot."""
    chosen = dict(ANSWERS) | {name.replace("_", ".", 1): answer for name, answer in answers.items()}
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as served:
        accepting = threading.Thread(target=accept, args=(listener, chosen, served))
        accepting.start()
        try:
            yield Broker("127.0.0.1", listener.getsockname()[1], "guest", "guest")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def accept(listener: socket.socket, answers: Mapping[str, Answer], served: contextlib.ExitStack) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        serving = threading.Thread(target=serve, args=(connection, answers))
        serving.start()
        served.callback(serving.join)


def serve(connection: socket.socket, answers: Mapping[str, Answer]) -> None:
    with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
        stream.read(len(codec.PROTOCOL_HEADER))
        greeting = {"version_minor": 9, "server_properties": {"version": VERSION}, "mechanisms": "PLAIN"}
        connection.sendall(method("connection.start", 0, **greeting, locales="en_US"))
        while len(head := stream.read(7)) == 7:
            frame_type, channel, size = struct.unpack(">BHI", head)
            frame = codec.parse_frame(frame_type, channel, stream.read(size + 1)[:-1])
            answer = answers[frame.name](frame) if frame.name in answers else []
            connection.sendall(b"".join(answer))
            if b"" in answer:  # the broker hangs up
                return
