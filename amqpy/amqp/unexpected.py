"""Frames that are out of place, and RabbitMQ's faults for them.

Source: `rabbit_reader:handle_frame`, `rabbit_command_assembler:analyze_frame`.
"""

from amqpy.errors import ChannelStateFault, FrameFault, UnexpectedFrame
from amqpy.wire.frames import BODY, HEADER, HEARTBEAT, METHOD, payload_snippet
from amqpy.wire.methods import Method, MethodTable


def method_of(methods: MethodTable, kind: int, payload: bytes) -> type[Method] | None:
    """The method of a method frame, if it is known; else None."""
    return methods.find(payload) if kind == METHOD and len(payload) >= 4 else None


def not_open(methods: MethodTable, text: str, method: type[Method] | None) -> ChannelStateFault:
    """The fault for a method on a channel that is not open, or channel.open on one that is."""
    return ChannelStateFault(text, method_id=None if method is None else methods.id_of(method))


def is_frame(kind: int, payload: bytes) -> bool:
    """True if the type is known and the payload long enough for it."""
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
