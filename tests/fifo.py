"""What a test sees of a queue that keeps its messages in a FIFO."""

from amqpy.core.message import Message
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.queue import Queue


def as_fifo(queue: Queue) -> FifoQueue:
    """The same queue, which must be a classic or a quorum queue."""
    assert isinstance(queue, FifoQueue)
    return queue


def ready_messages(queue: Queue) -> list[Message]:
    """The ready messages, the first one first."""
    return [message for _, message in as_fifo(queue).ready]
