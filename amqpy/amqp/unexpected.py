"""Frames that are out of place, and what RabbitMQ calls them.

Source: `rabbit_reader:handle_frame`, `rabbit_command_assembler:analyze_frame`.
"""

from amqpy.errors import ChannelStateFault, FrameFault, UnexpectedFrame
from amqpy.wire.frames import BODY, HEADER, HEARTBEAT, METHOD, payload_snippet
from amqpy.wire.methods import Method, MethodTable


def method_of(methods: MethodTable, kind: int, payload: bytes) -> type[Method] | None:
    """The method of a frame, if there is one and it is known."""
    return methods.find(payload) if kind == METHOD and len(payload) >= 4 else None


def not_open(methods: MethodTable, text: str, method: type[Method] | None) -> ChannelStateFault:
    """The fault for a method that does not go with a channel being open or not."""
    return ChannelStateFault(text, method_id=None if method is None else methods.id_of(method))


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
