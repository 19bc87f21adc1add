"""FastStream's RabbitBroker: what subscribers make of their messages."""

import asyncio

from brokers import DEADLINE_S, exclusive, new_broker, take, temporary
from checks import check, cut, force_close, main, name_of
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import RejectMessage
from faststream.rabbit import (
    Channel,
    QueueType,
    RabbitMessage,
    RabbitQueue,
    RabbitResponse,
    RabbitRouter,
)


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
