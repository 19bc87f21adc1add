"""The states of a connection.

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
