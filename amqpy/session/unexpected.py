"""Frames that are out of place, and what RabbitMQ calls them.

Source: `rabbit_reader:handle_frame`, `rabbit_command_assembler:analyze_frame`.
"""

import struct

from amqpy.errors import ConnectionFault, FrameFault, UnexpectedFrame
from amqpy.wire.frames import BODY, HEADER, HEARTBEAT, METHOD, payload_snippet
from amqpy.wire.methods import Method, method_class, method_id


def method_of(kind: int, payload: bytes) -> type[Method] | None:
    """The method of a frame, if there is one and it is known."""
    if kind != METHOD or len(payload) < 4:
        return None
    return method_class(*struct.unpack_from(">HH", payload))


def with_method(fault: ConnectionFault, method: type[Method] | None) -> ConnectionFault:
    fault.method_id = None if method is None else method_id(method)
    return fault


def is_frame(kind: int, payload: bytes) -> bool:
    """Whether it can be a frame at all, whatever it says."""
    return (
        (kind == METHOD and len(payload) >= 4)
        or (kind == HEADER and len(payload) >= 12)
        or kind == BODY
        or (kind == HEARTBEAT and not payload)
    )


def unexpected(kind: int, payload: bytes) -> UnexpectedFrame:
    return UnexpectedFrame(f"type {kind}, {payload_snippet(payload)}")


def unknown(kind: int, payload: bytes) -> FrameFault:
    return FrameFault(f"type {kind}, {payload_snippet(payload)}: unknown_frame", method_id=(0, 0))
