"""Both sides show that they live when they have nothing to say.

Twice an interval we make sure that something went out, and send a heartbeat otherwise (the first time in any case, as
RabbitMQ does: what was said before the connection was open does not count). Once an interval we look
whether anything came in, and give the peer up at the second look in vain: two to three intervals after its last byte.

Source: AMQP 0-9-1 section 4.2.7; `rabbit_heartbeat`.
"""

from amqpy.wire.frames import HEARTBEAT_FRAME


class Heartbeat:
    """One connection's watch. It compares totals, so that nothing has to be noted for each message."""

    def __init__(self, interval_s: int) -> None:
        self.interval_s = interval_s
        self._sent: int | None = None
        self._received = 0
        self._looks_in_vain = 0
        self._looks_next = False

    def next_at_ms(self, now_ms: int) -> int | None:
        """When to beat next, or None: an interval of 0 is no heartbeat at all."""
        return now_ms + self.interval_s * 500 if self.interval_s else None

    def must_send(self, sent: int, unsent: int) -> bool:
        """Whether nothing has gone out since the last beat. `sent` counts all bytes ever, `unsent` those on the way."""
        idle = self._sent in {None, sent} and not unsent
        # A heartbeat is not something said: after one, the next is due in half an interval again.
        self._sent = sent + len(HEARTBEAT_FRAME) if idle else sent
        return idle

    def is_dead(self, received: int, *, paused: bool) -> bool:
        """Whether the peer has been silent for too long. A peer that we do not read is not judged, and has all its time
        when we read it again."""
        self._looks_next = not self._looks_next
        if self._looks_next:
            return False
        silent = received == self._received and not paused
        self._looks_in_vain = self._looks_in_vain + 1 if silent else 0
        self._received = -1 if paused else received
        return self._looks_in_vain >= 2
