"""What the programs for aiormq have in common."""

import asyncio

from aiormq import spec

DEADLINE_S = 30


async def raised(expected, awaitable):
    """The error of this kind that awaiting it ends with."""
    try:
        await asyncio.wait_for(awaitable, DEADLINE_S)
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")


async def consume(channel, queue, **options):
    """What a consumer of the queue gets, and its tag."""
    received = asyncio.Queue()
    started = await channel.basic_consume(queue, received.put, **options)
    return received, started.consumer_tag


async def take(received, count):
    """The next things in a queue of asyncio."""
    async with asyncio.timeout(DEADLINE_S):
        return [await received.get() for _ in range(count)]


async def bodies_in(channel, queue):
    """All that waits in a queue, which is empty then."""
    bodies = []
    while not isinstance((message := await channel.basic_get(queue, no_ack=True)).delivery, spec.Basic.GetEmpty):
        bodies.append(message.body)
    return bodies


async def ready_in(channel, queue):
    return (await channel.queue_declare(queue, passive=True)).message_count
