"""The states of a connection, and of its input.

    HEADER → STARTING → (SECURING) → TUNING → OPENING → RUNNING → CLOSING → CLOSED

CLOSING: close-ok was sent, or close after an error, and the client is to close the transport, or to send close-ok.

Source: AMQP 0-9-1 section 2.2.4.
"""

from enum import Enum, auto


class State(Enum):
    HEADER = auto()
    STARTING = auto()
    SECURING = auto()
    TUNING = auto()
    OPENING = auto()
    RUNNING = auto()
    CLOSING = auto()
    CLOSED = auto()


class InputState(Enum):
    """The transport's instructions for the peer's next bytes."""

    READ = auto()
    STORING = auto()
    """To be read no faster than the store can write: the peer publishes messages that are stored."""
    BLOCKED = auto()
    """To be left where they are, but for a few, which are held: the peer has to wait."""
    CLOSED = auto()
    """To be ignored: the connection is over."""
