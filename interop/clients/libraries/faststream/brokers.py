"""New brokers, and the waiting for what comes of them."""

import asyncio

from checks import URL, name_of
from faststream.rabbit import (
    ExchangeType,
    RabbitBroker,
    RabbitExchange,
    RabbitQueue,
)

DEADLINE_S = 30


def new_broker(**options):
    return RabbitBroker(URL, reconnect_interval=0.1, logger=None, **options)


def exclusive(what, **options):
    return RabbitQueue(name_of(what), durable=False, exclusive=True, **options)


def temporary(what, kind=ExchangeType.DIRECT, **options):
    return RabbitExchange(name_of(what), kind, durable=False, auto_delete=True, **options)


async def take(received, count):
    async with asyncio.timeout(DEADLINE_S):
        return [await received.get() for _ in range(count)]


async def raised(expected, awaitable):
    """The error of this kind that awaiting it ends with."""
    try:
        await asyncio.wait_for(awaitable, DEADLINE_S)
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")
