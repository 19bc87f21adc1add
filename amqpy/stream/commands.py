"""The table of commands that an open connection takes: a handler for each key."""

from collections.abc import Callable
from typing import Any, Final

from amqpy.stream.client import StreamClient
from amqpy.wire.stream_frames import Key

Handler = Callable[..., Any]

HANDLERS: Final[dict[Key, Handler]] = {}
"""By key. Each takes the client, the correlation id if the command has one, and its fields. It raises Refused, and
Undecided before it has changed anything."""


def handles(key: Key) -> Callable[[Handler], Handler]:
    """Registers the function that handles a command."""

    def register(handler: Handler) -> Handler:
        HANDLERS[key] = handler
        return handler

    return register


__all__ = ["HANDLERS", "StreamClient", "handles"]
