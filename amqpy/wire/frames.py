"""Frames: their layout, and the faults of those that cannot be read.

    octet  type        1 method, 2 content header, 3 content body, 8 heartbeat
    short  channel
    long   size        of the payload
    ...    payload
    octet  0xCE        frame-end

Source: AMQP 0-9-1 section 4.2.3; `rabbit_reader:handle_input` for the error texts.
"""

from amqpy.errors import FrameFault, erlang_text

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
HEAD_SIZE = 7
"""The octets before a payload."""
EMPTY_FRAME_SIZE = 8
"""The octets around a payload; frame-max counts them."""

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

PUBLISH_ID = b"\x00\x3c\x00\x28"
ACK_ID = b"\x00\x3c\x00\x50"


def too_large(kind: int, size: int, frame_max: int) -> FrameFault:
    return FrameFault(f"type {kind}, all octets = <<>>: {{frame_too_large,{size},{frame_max - EMPTY_FRAME_SIZE}}}")


def bad_end(kind: int, payload: bytes, found: int) -> FrameFault:
    return FrameFault(f"type {kind}, {payload_snippet(payload)}: {{invalid_frame_end_marker,{found}}}")


def payload_snippet(payload: bytes) -> str:
    """The start of a payload, as RabbitMQ shows it in its error texts."""
    which = "all" if len(payload) <= 16 else "first 16"
    return f"{which} octets = {erlang_text(payload[:16])}"
