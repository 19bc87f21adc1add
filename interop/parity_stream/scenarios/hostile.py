"""Frames that are wrong."""

import struct

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Stage, data
from interop.stream import codec

ONE = b"\0\0\0\1"


@scenario(
    each={
        "key 0": (0, ONE),
        "key 31": (31, ONE),
        "key 999": (999, ONE),
        "key 0x7fff": (0x7FFF, ONE),
        "no correlation id": (13, b""),
        "half a correlation id": (13, b"\0\0"),
        "no fields": (13, ONE),
        "declare cut": (1, ONE + b"\1\0\5ab"),
        "text beyond the end": (14, ONE + b"\0\x10abc"),
        "too many bytes": (14, ONE + b"\0\1xabc"),
        "delete publisher without id": (6, ONE),
        "unsubscribe without id": (12, ONE),
        "subscribe cut": (7, ONE + b"\1"),
        "credit cut": (9, b"\1\0"),
        "store offset cut": (10, b"\0\1a\0\1b\0\0"),
        "query offset cut": (11, ONE + b"\0\1a"),
        "close cut": (22, ONE + b"\0"),
        "metadata without list": (15, ONE),
        "negative text": (14, ONE + b"\xff\xfe"),
        "null stream deleted": (14, ONE + b"\xff\xff"),
        "confirm from a client": (3, b"\1\0\0\0\0"),
        "deliver from a client": (8, b"\1" + bytes(48)),
        "metadata update from a client": (16, b"\0\6\0\1x"),
        "stray response": (codec.RESPONSE | 13, ONE + b"\0\1"),
        "response of nothing": (codec.RESPONSE, b""),
    }
)
def malformed(stage: Stage, given: tuple[int, bytes]) -> None:
    """13, and the end."""
    client = stage.client()
    client.send_frame(*given)
    client.wait_end()


@scenario(
    each={
        "count beyond the end": (15, ONE + b"\x7f\xff\xff\xff"),
        "response to no consumer update": (codec.RESPONSE | 26, ONE + b"\0\1\0\0"),
    }
)
def tolerated(stage: Stage, given: tuple[int, bytes]) -> None:
    """What is wrong, but does not end the connection."""
    client = stage.client()
    client.send_frame(*given)
    client.correlation = 1
    client.sync()


@scenario(
    each={"create 2": (13, 2), "create 0": (13, 0), "metadata 7": (15, 7), "publish 3": (2, 3), "credit 2": (9, 2)}
)
def unknown_version(stage: Stage, given: tuple[int, int]) -> None:
    """13."""
    client = stage.client()
    client.send_frame(given[0], ONE + b"\0\1x\0\0\0\0", version=given[1])
    client.wait_end()


@scenario(each={"empty": b"\0\0\0\0", "three bytes": b"\0\0\0\3\0\1\0"})
def too_short(stage: Stage, sent: bytes) -> None:
    """A frame without room for its key and version."""
    client = stage.client()
    client.send_bytes(sent)
    client.wait_end()


@scenario()
def unanswered_close(stage: Stage) -> None:
    """After its Close the server takes no request."""
    client = stage.client()
    client.polite = False
    client.send_frame(999, ONE)
    (close,) = client.wait_for("Close")
    client.send("Create", stream=stage.name(), arguments=[])
    client.answer(close)
    client.wait_end()


@scenario()
def in_pieces(stage: Stage) -> None:
    """A frame byte by byte."""
    client = stage.client()
    name = stage.name()
    for byte in codec.request("Create", 7, stream=name, arguments=[]):
        client.send_bytes(bytes([byte]))
    client.wait(lambda frame: frame.correlation == 7, "the response")
    client.call("Delete", stream=name)


@scenario()
def pipelined(stage: Stage) -> None:
    """Many requests at once are answered in their order."""
    client = stage.client()
    name = stage.name()
    client.send_bytes(
        codec.request("Create", 1, stream=name, arguments=[])
        + codec.request("Create", 2, stream=name, arguments=[])
        + codec.request("Metadata", 3, streams=["nothing"])
        + codec.request("Delete", 4, stream=name)
        + codec.request("Delete", 5, stream=name)
    )
    client.wait(lambda frame: frame.correlation == 5, "the last response")


@scenario(
    each={
        "count too high": (2, struct.pack(">BIQI", 0, 5, 0, 2) + b"hi"),
        "count too low": (2, struct.pack(">BIQI", 0, 0, 0, 2) + b"hi"),
        "no messages": (2, struct.pack(">BI", 0, 0)),
    }
)
def odd_publish(stage: Stage, given: tuple[int, bytes]) -> None:
    """Publishes whose number of messages is not what they say."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.send_frame(*given)
    client.publish([data(b"after")], first=100)


@scenario(
    each={
        "in a message": (2, struct.pack(">BIQI", 0, 1, 0, 20) + b"hi"),
        "in an id": (2, struct.pack(">BIH", 0, 1, 0)),
        "in a sub-batch": (2, struct.pack(">BIQBH", 0, 1, 0, 0x80, 1)),
        "before anything": (2, b""),
    }
)
def cut_publish(stage: Stage, given: tuple[int, bytes]) -> None:
    """Publishes that end before they should."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.send_frame(*given)
    client.wait_end()


@scenario()
def frame_beyond_maximum(stage: Stage) -> None:
    """A frame of more than was agreed."""
    stream = stage.stream()
    client = stage.raw()
    client.recording = False
    client.authenticate()
    client.tune(frame_max=4096)
    client.call("Open", vhost="/")
    client.recording = True
    client.declare(stream)
    client.publish([data(b"x" * 200)] * 40)
