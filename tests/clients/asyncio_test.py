"""Tests of asyncio libraries, in a test run whose async tests are otherwise Trio's."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aio_pika

Arguments = ParamSpec("Arguments")

DEADLINE_S = 60


def asyncio_test(test: Callable[Arguments, Awaitable[None]]) -> Callable[Arguments, None]:
    """Turn an async test into a plain one that runs on an asyncio loop of its own, within a deadline."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        async def within_deadline() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await test(*args, **kwargs)

        asyncio.run(within_deadline())

    return run


async def take(queue: aio_pika.abc.AbstractQueue, count: int) -> list[bytes]:
    """Consume exactly so many messages, each acknowledged, in the order in which they come."""
    bodies: list[bytes] = []
    async with queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            bodies.append(message.body)
            if len(bodies) == count:
                break
    return bodies


async def get_all(queue: aio_pika.abc.AbstractQueue) -> list[bytes]:
    """What a queue holds now, one basic.get after another."""
    bodies: list[bytes] = []
    while (message := await queue.get(no_ack=True, fail=False)) is not None:
        bodies.append(message.body)
    return bodies
