"""What the programs for aio-pika have in common."""

import asyncio

DEADLINE_S = 30


async def raised(expected, awaitable):
    """The error of this kind that awaiting it ends with."""
    try:
        await asyncio.wait_for(awaitable, DEADLINE_S)
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")


async def take(received, count):
    """The next things in a queue of asyncio."""
    async with asyncio.timeout(DEADLINE_S):
        return [await received.get() for _ in range(count)]


async def bodies_in(queue):
    """All that waits in a queue, which is empty then."""
    bodies = []
    while message := await queue.get(no_ack=True, fail=False):
        bodies.append(message.body.decode())
    return bodies


async def ready_in(channel, queue):
    """How many messages wait, and are with no consumer."""
    return (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count
