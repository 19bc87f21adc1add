"""FastStream's RabbitBroker: exchanges, queues and messages."""

import asyncio
import hashlib
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from aio_pika.exceptions import ChannelInvalidStateError, ChannelPreconditionFailed, DeliveryError, PublishError
from aiormq.exceptions import AMQPConnectionError
from brokers import DEADLINE_S, exclusive, new_broker, raised, take, temporary
from checks import URL, check, main, name_of
from faststream import AckPolicy, Context
from faststream.rabbit import (
    Channel,
    ExchangeType,
    RabbitBroker,
    RabbitMessage,
)


@check("topology")
async def topology():
    broker, received = new_broker(), asyncio.Queue()
    topic = temporary("topic", ExchangeType.TOPIC)
    fanout = temporary("fanout", ExchangeType.FANOUT, bind_to=topic, routing_key="#.through")
    headers = temporary("headers", ExchangeType.HEADERS)
    for queue, exchange in (
        (exclusive("direct-queue", routing_key="red"), temporary("direct")),
        (exclusive("topic-queue", routing_key="*.red.#"), topic),
        (exclusive("fanout-queue"), fanout),
        (exclusive("headers-queue", bind_arguments={"x-match": "all", "colour": "red", "size": 3}), headers),
    ):

        @broker.subscriber(queue, exchange)
        async def handle(body: str, queue: Annotated[str, Context("handler_.queue.name")]):
            await received.put((queue.removeprefix(name_of("")), body))

    async with broker:
        await broker.start()
        await broker.publish("direct red", routing_key="red", exchange=name_of("direct"))
        await broker.publish("direct blue", routing_key="blue", exchange=name_of("direct"))
        await broker.publish("topic a.red", routing_key="a.red", exchange=topic)
        await broker.publish("topic a.through", routing_key="a.through", exchange=topic)
        await broker.publish("topic red", routing_key="red", exchange=topic)
        await broker.publish("headers", exchange=headers, headers={"colour": "red", "size": 3, "more": 1})
        await broker.publish("too few", exchange=headers, headers={"colour": "red"})
        await broker.publish("fanout", exchange=fanout)
        assert sorted(await take(received, 5)) == [
            ("direct-queue", "direct red"),
            ("fanout-queue", "fanout"),
            ("fanout-queue", "topic a.through"),
            ("headers-queue", "headers"),
            ("topic-queue", "topic a.red"),
        ]
        assert received.empty()


@check("properties")
async def properties():
    broker, received = new_broker(app_id="app"), asyncio.Queue()

    @broker.subscriber(exclusive("properties"))
    async def handle(body: dict, message: RabbitMessage):
        await received.put((body, message))

    sent = {
        "correlation_id": "correlation",
        "headers": {"string": "žluťoučký", "number": 7, "table": {"list": [1, "two", None]}},
        "content_encoding": "utf-8",
        "message_id": "message",
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "user_id": urlsplit(URL).username,
        "priority": 7,
    }
    async with broker:
        await broker.start()
        await broker.publish(
            {"number": 1}, name_of("properties"), persist=True, message_type="type", expiration=60, **sent
        )
        ((body, message),) = await take(received, 1)
        raw = message.raw_message
        assert body == {"number": 1}
        assert (raw.content_type, raw.type, raw.app_id, raw.expiration) == ("application/json", "type", "app", 60)
        for name in sent.keys() - {"headers"}:
            assert getattr(raw, name) == sent[name], name
        assert sent["headers"].items() <= message.headers.items()


@check("confirms")
async def confirms():
    async with new_broker() as broker:
        queue = await broker.declare_queue(exclusive("confirms"))
        await asyncio.gather(*(broker.publish(number, queue.name) for number in range(500)))
        assert (await queue.declare()).message_count == 500
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        small = await broker.declare_queue(exclusive("small", arguments=full))
        await broker.publish("fits", small.name)
        await raised(DeliveryError, broker.publish("does not", small.name))


@check("returns")
async def returns():
    async with new_broker(default_channel=Channel(on_return_raises=True)) as broker:
        error = await raised(PublishError, broker.publish("lost", name_of("nowhere")))
        assert (error.frame.reply_code, error.frame.reply_text) == (312, "NO_ROUTE")
        await broker.publish("dropped", name_of("nowhere"), mandatory=False)


@check("prefetch")
async def prefetch():
    broker, received, go_on = new_broker(), asyncio.Queue(), asyncio.Event()

    @broker.subscriber(exclusive("prefetch"), channel=Channel(prefetch_count=3))
    async def handle(number: int):
        await received.put(number)
        await go_on.wait()

    async with broker:
        await broker.start()
        for number in range(10):
            await broker.publish(number, name_of("prefetch"))
        assert sorted(await take(received, 3)) == [0, 1, 2]
        queue = await broker.declare_queue(exclusive("prefetch"))
        assert (await queue.declare()).message_count == 7
        assert received.empty()
        go_on.set()
        assert sorted(await take(received, 7)) == [3, 4, 5, 6, 7, 8, 9]


@check("dead-letter")
async def dead_letter():
    broker, letters = new_broker(), asyncio.Queue()
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name_of("dead")}

    @broker.subscriber(exclusive("work", arguments=to_dead), ack_policy=AckPolicy.REJECT_ON_ERROR)
    async def refuse(body: str):
        raise ValueError(body)

    @broker.subscriber(exclusive("dead"))
    async def bury(body: str, message: RabbitMessage):
        await letters.put((body, message.headers["x-death"][0]))

    async with broker:
        await broker.start()
        await broker.publish("refused", name_of("work"))
        waiting = await broker.declare_queue(exclusive("waiting", arguments=to_dead))
        await broker.publish("late", waiting.name, expiration=0.001)
        found = {body: (death["reason"], death["queue"], death["count"]) for body, death in await take(letters, 2)}
        assert found == {"refused": ("rejected", name_of("work"), 1), "late": ("expired", waiting.name, 1)}


@check("large body")
async def large_body():
    broker, received = new_broker(), asyncio.Queue()

    @broker.subscriber(exclusive("large"))
    async def handle(body: bytes):
        await received.put(hashlib.sha256(body).digest())

    async with broker:
        await broker.start()
        for size in (0, 1, 131063, 131064, 131065, 16 * 1024 * 1024):
            # FastStream takes bytes that happen to be JSON, a single digit for example, for what that means.
            body = (b"\xff" + os.urandom(size))[:size]
            await broker.publish(body, name_of("large"))
            assert await take(received, 1) == [hashlib.sha256(body).digest()], size


@check("errors")
async def errors():
    async with new_broker() as broker:
        await broker.declare_queue(exclusive("ours"))
        queue = exclusive("ours", arguments={"x-max-length": 1})
        await raised(ChannelPreconditionFailed, broker.declare_queue(queue))
        async with asyncio.timeout(DEADLINE_S):
            while True:  # until the channel is open again
                with suppress(ChannelInvalidStateError):
                    await broker.publish("going on", name_of("ours"))
                    break
                await asyncio.sleep(0.1)
    wrong = URL.replace("guest@", "wrong@")
    await raised(AMQPConnectionError, RabbitBroker(wrong, logger=None).connect())


main()
