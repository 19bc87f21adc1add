"""Dropping the first messages of a queue over its limits (`x-max-length`, `x-max-length-bytes`, drop-head).

Mostly it is one message, dropped for the one just published. When a limit is set on a queue with many messages, it
may be a million: all but the first of them are dropped bit by bit, and until then the queue is longer than its limit.

Source: `rabbit_amqqueue_process:maybe_drop_head`, `rabbit_fifo:evaluate_limit`.
"""

from typing import TYPE_CHECKING, TypeAlias

from amqpy.core.jobs import LOT, Steps
from amqpy.core.queues.priority_fifo import PriorityFifo

if TYPE_CHECKING:
    from amqpy.core.message import Message
    from amqpy.core.queues.fifo_queue import FifoQueue

Dropped: TypeAlias = "list[tuple[int, Message]]"
"""Positions and messages, in the order in which they were taken."""

EXCESS_MAX = 1000
"""Messages that a queue drops in one go."""


def drop_excess(queue: "FifoQueue") -> None:
    """Drops messages from the head (of the highest priority, as in RabbitMQ) until the queue is within its limits."""
    if queue.limits() == (None, None) or queue.is_shrinking:
        return
    dropped = _take(queue, EXCESS_MAX)
    if len(dropped) < EXCESS_MAX:
        _drop(queue, dropped)
        return
    queue.is_shrinking = True
    queue.scheduler.jobs.begin(_shrink(queue, dropped))


def _take(queue: "FifoQueue", count: int) -> Dropped:
    ready = queue.ready
    length, size = queue.limits()
    taken: Dropped = []
    while (
        ready
        and len(taken) < count
        and (
            (length is not None and len(ready) > length)
            or (size is not None and isinstance(ready, PriorityFifo) and ready.size > size)
        )
    ):
        position, message, _ = ready.pop()
        taken.append((position, message))
    return taken


def _drop(queue: "FifoQueue", dropped: Dropped) -> None:
    for position, message in reversed(dropped) if queue.dead_letters_last_first else dropped:
        queue.drop(position, message, "maxlen")
    if dropped and queue.may_expire:
        queue.drop_expired()
        queue.watch_first()


def _shrink(queue: "FifoQueue", dropped: Dropped) -> Steps:
    taken = dropped
    while taken and not queue.deleted:
        yield 2 * len(taken)
        if not queue.dead_letters_last_first:
            _drop(queue, taken)
        taken = _take(queue, LOT)
        if queue.dead_letters_last_first:
            dropped.extend(taken)
    while queue.dead_letters_last_first and dropped and not queue.deleted:
        last = dropped[-LOT:]
        del dropped[-LOT:]
        _drop(queue, last)
        yield len(last)
    queue.is_shrinking = False
