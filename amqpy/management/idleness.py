"""The time since which queues are idle, as far as somebody has looked.

RabbitMQ's queues note themselves when nothing has happened to them for a while. Here nothing is noted when something
happens: whoever looks twice, and sees the same, knows that since the first look nothing has.

Source: `rabbit_amqqueue_process:handle_pre_hibernate`.
"""

from typing import Final, NamedTuple

from amqpy.core.queues.queue import Queue

TO_FORGET: Final = 1000
"""Queues that are remembered before those that are deleted are looked for."""


class Look(NamedTuple):
    """A queue as it was seen."""

    seen: tuple[object, ...]
    since_ms: int
    """The Unix time of the first look that saw this."""


class Idleness:
    """The last looks at the queues of a broker."""

    def __init__(self) -> None:
        self._looks: dict[Queue, Look] = {}
        self._to_forget = TO_FORGET

    def look(self, queue: Queue, now_ms: int) -> int | None:
        """The Unix time since which a queue is idle; None if something happened, or it is not known."""
        counts = queue.counts
        seen = (
            *queue.message_stats().values(),
            counts.of_broker,
            counts.requeued,
            queue.ready_count,
            queue.unacked_count,
            queue.consumer_count,
        )
        before = self._looks.get(queue)
        if before is not None and before.seen == seen:
            return before.since_ms
        self._looks[queue] = Look(seen, now_ms)
        if len(self._looks) > self._to_forget:
            self._forget()
        # A queue to which nothing ever happened is idle at the first look, too.
        return None if any(seen) or before is not None else now_ms

    def _forget(self) -> None:
        self._looks = {queue: look for queue, look in self._looks.items() if not queue.deleted}
        self._to_forget = max(TO_FORGET, 2 * len(self._looks))
