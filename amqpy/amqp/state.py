"""The states of a connection, and of its input.

    HEADER → STARTING → (SECURING) → (AUTHENTICATING) → TUNING → OPENING → RUNNING → CLOSING → CLOSED

AUTHENTICATING: an authenticator has been asked who the client is, and what the client says meanwhile must wait.
CLOSING: close-ok was sent, or close after an error, and the client is to close the transport, or to send close-ok.

Source: AMQP 0-9-1 section 2.2.4.
"""

from enum import Enum, auto


class State(Enum):
    HEADER = auto()
    STARTING = auto()
    SECURING = auto()
    AUTHENTICATING = auto()
    TUNING = auto()
    OPENING = auto()
    RUNNING = auto()
    CLOSING = auto()
    CLOSED = auto()


class InputState(Enum):
    """Tells the transport what to do with the next bytes from the peer."""

    READ = auto()
    STORING = auto()
    """To read it, but no faster than the store can write: it publishes what is stored."""
    BLOCKED = auto()
    """To leave most of it where it is: the peer has to wait. What is received is held."""
    AWAITING_ANSWER = auto()
    """As BLOCKED, until the session has the answer to its question."""
    CLOSED = auto()
    """Nothing is heard any more."""
