"""Heartbeats: sent when nothing else was, and missed when nothing was received.

Twice per interval a heartbeat is sent if nothing else was (the first time in any case, as in RabbitMQ: bytes sent
before the connection was open do not count). Once per interval the received bytes are checked, and the peer is dead at
the second check without any: two to three intervals after its last byte.

Source: AMQP 0-9-1 section 4.2.7; `rabbit_heartbeat`.
"""

from amqpy.wire.frames import HEARTBEAT_FRAME


class Heartbeat:
    """The heartbeats of one connection. It compares totals of bytes, so that messages cost nothing."""

    def __init__(self, interval_s: int) -> None:
        self.interval_s = interval_s
        self._sent: int | None = None
        self._received = 0
        self._looks_in_vain = 0
        self._looks_next = False

    def next_at_ms(self, now_ms: int) -> int | None:
        """The time of the next check, or None: an interval of 0 is no heartbeat."""
        return now_ms + self.interval_s * 500 if self.interval_s else None

    def must_send(self, sent: int, unsent: int) -> bool:
        """True if nothing was sent since the last call. `sent` counts all bytes ever, `unsent` those in the outbox."""
        idle = self._sent in {None, sent} and not unsent
        # A heartbeat itself does not count: after one, the next is due in half an interval again.
        self._sent = sent + len(HEARTBEAT_FRAME) if idle else sent
        return idle

    def is_dead(self, received: int, *, paused: bool) -> bool:
        """True if the peer has been silent for too long. A peer that is not read (`paused`) is not silent, and has the
        full time when it is read again."""
        self._looks_next = not self._looks_next
        if self._looks_next:
            return False
        silent = received == self._received and not paused
        self._looks_in_vain = self._looks_in_vain + 1 if silent else 0
        self._received = -1 if paused else received
        return self._looks_in_vain >= 2
