"""FastStream's RabbitBroker."""

import asyncio
import hashlib
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from aio_pika.exceptions import ChannelInvalidStateError, ChannelPreconditionFailed, DeliveryError, PublishError
from aiormq.exceptions import AMQPConnectionError
from checks import URL, check, cut, force_close, main, name_of
from faststream import AckPolicy, BaseMiddleware, Context
from faststream.exceptions import RejectMessage
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
    RabbitResponse,
    RabbitRouter,
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


@check("acknowledgements")
async def acknowledgements():
    """What becomes of a message by the policy of its subscriber, and by what its handler says."""
    broker, attempts = new_broker(), asyncio.Queue()

    def subscriber(what, policy):
        return broker.subscriber(exclusive(what), ack_policy=policy, channel=Channel(prefetch_count=1))

    @subscriber("again", AckPolicy.NACK_ON_ERROR)
    async def again(message: RabbitMessage):
        await attempts.put(("again", message.raw_message.redelivered))
        if not message.raw_message.redelivered:
            raise ValueError("the first attempt fails")

    @subscriber("once", AckPolicy.ACK_FIRST)
    async def once(message: RabbitMessage):
        await attempts.put(("once", message.raw_message.redelivered))
        raise ValueError("is not tried again")

    @subscriber("by-hand", AckPolicy.MANUAL)
    async def by_hand(message: RabbitMessage):
        await attempts.put(("by-hand", message.raw_message.redelivered))
        await (message.ack() if message.raw_message.redelivered else message.nack(requeue=True))

    @subscriber("never", AckPolicy.NACK_ON_ERROR)
    async def never(message: RabbitMessage):
        await attempts.put(("never", message.raw_message.redelivered))
        raise RejectMessage

    async with broker:
        await broker.start()
        for what in 2 * ("again", "once", "by-hand", "never"):
            await broker.publish("", name_of(what))
        # Each subscriber takes one message at a time, so none would get its second if the first was not answered.
        assert sorted(await take(attempts, 12)) == sorted(
            2 * [("again", False), ("again", True), ("by-hand", False), ("by-hand", True)]
            + 2 * [("never", False), ("once", False)]
        )


@check("RPC")
async def rpc():
    broker = new_broker()
    router = RabbitRouter(prefix=name_of("router."))

    @router.subscriber(RabbitQueue("double", durable=False, auto_delete=True))
    async def double(number: int) -> int:
        return 2 * number

    @broker.subscriber(exclusive("answer"))
    async def answer(body: str):
        return RabbitResponse(body.upper(), headers={"answered": True}, correlation_id="ours")

    broker.include_router(router)
    async with broker:
        await broker.start()
        answers = await asyncio.gather(
            *(broker.request(number, name_of("router.double"), timeout=DEADLINE_S) for number in range(100))
        )
        assert [await answer.decode() for answer in answers] == [2 * number for number in range(100)]
        response = await broker.request("hello", name_of("answer"), timeout=DEADLINE_S)
        assert (await response.decode(), response.headers["answered"]) == ("HELLO", True)


@check("pipeline")
async def pipeline():
    """Publishers, middlewares and filters: each message goes through two queues, and what was done to it is seen."""

    class Stamp(BaseMiddleware):
        async def publish_scope(self, call_next, command):
            command.headers["stamped"] = True
            return await call_next(command)

    broker, received = new_broker(middlewares=(Stamp,)), asyncio.Queue()
    words = broker.subscriber(exclusive("words"))

    @words(filter=lambda message: message.content_type == "application/json")
    @broker.publisher(name_of("results"))
    async def count(body: list):
        return len(body)

    @words
    @broker.publisher(name_of("results"))
    async def length(body: str):
        return -len(body)

    @broker.subscriber(exclusive("results"))
    async def result(body: int, message: RabbitMessage):
        await received.put((body, message.headers["stamped"]))

    async with broker:
        await broker.start()
        await broker.publish(["one", "two", "three"], name_of("words"))
        await broker.publish("eleven more", name_of("words"))
        assert sorted(await take(received, 2)) == [(-11, True), (3, True)]


@check("quorum queue")
async def quorum_queue():
    broker, attempts, letters = new_broker(), asyncio.Queue(), asyncio.Queue()
    arguments = {
        "x-delivery-limit": 2,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": name_of("exhausted"),
        "x-expires": 60_000,
    }
    queue = RabbitQueue(name_of("quorum"), QueueType.QUORUM, arguments=arguments)

    @broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def fail(message: RabbitMessage):
        await attempts.put(message.headers.get("x-delivery-count", 0))
        raise ValueError("as always")

    @broker.subscriber(exclusive("exhausted"))
    async def bury(body: str):
        await letters.put(body)

    async with broker:
        await broker.start()
        await broker.publish("hopeless", queue)
        assert await take(letters, 1) == ["hopeless"]
        assert await take(attempts, 3) == [0, 1, 2]
        await (await broker.declare_queue(queue)).delete(if_unused=False, if_empty=False)


@check("large body")
async def large_body():
    broker, received = new_broker(), asyncio.Queue()

    @broker.subscriber(exclusive("large"))
    async def handle(body: bytes):
        await received.put(hashlib.sha256(body).digest())

    async with broker:
        await broker.start()
        for size in (0, 1, 131063, 131064, 131065, 16 * 1024 * 1024):
            body = os.urandom(size)
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


async def goes_on_after(interrupt):
    broker, received = new_broker(), asyncio.Queue()
    exchange = temporary("exchange")
    lasting = RabbitQueue(name_of("lasting"), arguments={"x-expires": 60_000})

    @broker.subscriber(lasting, exchange, ack_policy=AckPolicy.MANUAL)
    async def handle(number: int, message: RabbitMessage):
        await received.put((number, message))

    async with broker:
        await broker.start()
        await broker.publish(0, lasting, exchange)
        ((_, message),) = await take(received, 1)
        await message.ack()
        for number in (1, 2):  # on the same channel, so their confirms come after the acknowledgement
            await broker.publish(number, lasting, exchange)
        await take(received, 2)
        await asyncio.to_thread(interrupt)
        again = {number: message.raw_message.redelivered for number, message in await take(received, 2)}
        assert again == {1: True, 2: True}
        await broker.publish(3, lasting, exchange)
        ((number, message),) = await take(received, 1)
        assert (number, message.raw_message.redelivered) == (3, False)
        await (await broker.declare_queue(lasting)).delete(if_unused=False, if_empty=False)


@check("reconnect after a forced close")
async def reconnect_after_a_forced_close():
    await goes_on_after(force_close)


@check("reconnect after a cut")
async def reconnect_after_a_cut():
    await goes_on_after(cut)


main()
