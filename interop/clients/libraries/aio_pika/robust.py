"""aio-pika: connections that restore themselves, with their channels, exchanges, queues, bindings and consumers."""

import asyncio
from contextlib import asynccontextmanager

import aio_pika
from aio_pika import ExchangeType, Message
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity
from checks import URL, check, cut, force_close, main, name_of
from inbox import DEADLINE_S, take


class Restored:
    """Waits until a connection that was interrupted is whole again."""

    def __init__(self, connection):
        self._event = asyncio.Event()
        connection.reconnect_callbacks.add(lambda _: self._event.set())

    async def after(self, interrupt):
        self._event.clear()
        await asyncio.to_thread(interrupt)
        await asyncio.wait_for(self._event.wait(), DEADLINE_S)


@asynccontextmanager
async def robust_connection():
    connection = await aio_pika.connect_robust(URL, reconnect_interval=0.1)
    async with connection:
        yield connection, Restored(connection)


async def take_all(received, expected):
    """The last message with each of these numbers, when all have come; a broker may notice late who is gone."""
    found = {}
    while not found.keys() >= set(expected):
        (message,) = await take(received, 1)
        found[int(message.body)] = message
    return found


async def goes_on_after(interrupt):
    async with robust_connection() as (connection, restored):
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=5)
        source = await channel.declare_exchange(name_of("source"), ExchangeType.TOPIC, auto_delete=True)
        exchange = await channel.declare_exchange(name_of("exchange"), ExchangeType.FANOUT, auto_delete=True)
        await exchange.bind(source, "some.#")
        passing = await channel.declare_queue(exclusive=True)
        lasting = await channel.declare_queue(name_of("lasting"), durable=True, arguments={"x-expires": 60_000})
        received = {queue: asyncio.Queue() for queue in (passing, lasting)}
        for queue in received:
            await queue.bind(exchange)
            await queue.consume(received[queue].put)
        for number in range(8):
            await source.publish(Message(b"%d" % number), "some.thing")
        for queue in received:
            first = await take(received[queue], 5)
            await first[1].ack(multiple=True)
            await take(received[queue], 2)
        for _ in range(3):
            await restored.after(interrupt)
            back = await take_all(received[lasting], range(2, 7))
            assert all(back[number].redelivered for number in range(2, 7))
        for message in back.values():
            await message.ack()
        await source.publish(Message(b"8"), "some.thing")
        await take_all(received[passing], [8])
        await take_all(received[lasting], {7, 8} - back.keys())
        await lasting.delete(if_unused=False, if_empty=False)


@check("reconnect after a forced close")
async def reconnect_after_a_forced_close():
    await goes_on_after(force_close)


@check("reconnect after a cut")
async def reconnect_after_a_cut():
    await goes_on_after(cut)


@check("many channels after cuts")
async def many_channels_after_cuts():
    """Each channel gets back its exclusive queue, its binding to an exchange of another channel, and its consumer."""
    async with robust_connection() as (connection, restored):
        channels = [await connection.channel() for _ in range(50)]
        exchange = await channels[0].declare_exchange(name_of("many"), auto_delete=True)
        received = asyncio.Queue()
        for number, channel in enumerate(channels):
            queue = await channel.declare_queue(name_of(f"many-{number}"), exclusive=True)
            await queue.bind(exchange, str(number))
            await queue.consume(received.put, no_ack=True)
        for _ in range(5):
            await restored.after(cut)
            await asyncio.gather(*(exchange.publish(Message(b""), str(number)) for number in range(len(channels))))
            keys = {int(message.routing_key) for message in await take(received, len(channels))}
            assert keys == set(range(len(channels))) and received.empty()


@check("consumers in order after a cut")
async def consumers_in_order_after_a_cut():
    """A queue serves its consumers in turn, in the order in which they were restored."""
    async with robust_connection() as (connection, restored):
        channel = await connection.channel()
        queue = await channel.declare_queue(name_of("turns"), exclusive=True)
        received = asyncio.Queue()
        tags = [await queue.consume(received.put, no_ack=True) for _ in range(10)]
        await restored.after(cut)
        for _ in range(2 * len(tags)):
            await channel.default_exchange.publish(Message(b""), queue.name)
        assert [message.consumer_tag for message in await take(received, 2 * len(tags))] == 2 * tags


@check("exclusive consumer after a cut")
async def exclusive_consumer_after_a_cut():
    async with robust_connection() as (connection, restored):
        channel = await connection.channel()
        queue = await channel.declare_queue(name_of("claimed"), durable=True, arguments={"x-expires": 60_000})
        received = asyncio.Queue()
        await queue.consume(received.put, exclusive=True, no_ack=True)
        for number in range(5):
            await restored.after(cut)
            await channel.default_exchange.publish(Message(b"%d" % number), queue.name)
            (message,) = await take(received, 1)
            assert message.body == b"%d" % number
        await queue.delete(if_unused=False)


@check("channel error")
async def channel_error():
    """A channel that the broker closed is opened again, and its consumer goes on."""
    async with robust_connection() as (connection, _):
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        received, reopened = asyncio.Queue(), asyncio.Event()
        await queue.consume(received.put)
        channel.reopen_callbacks.add(lambda _: reopened.set())
        await channel.default_exchange.publish(Message(b"unanswered"), queue.name)
        await take(received, 1)
        try:
            await channel.declare_queue(name_of("missing"), passive=True)
        except ChannelNotFoundEntity:
            await asyncio.wait_for(reopened.wait(), DEADLINE_S)
        (again,) = await take(received, 1)
        assert (again.body, again.redelivered) == (b"unanswered", True)
        await again.ack()


@check("consumer cancel")
async def consumer_cancel():
    """A queue that somebody else deletes is declared again, with its binding and its consumer."""
    async with robust_connection() as (connection, _), await aio_pika.connect(URL) as other:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(name_of("cancel"), ExchangeType.FANOUT, auto_delete=True)
        keeper = await channel.declare_queue(exclusive=True)
        await keeper.bind(exchange)  # so that the exchange outlives the queue
        queue = await channel.declare_queue(name_of("cancelled"), auto_delete=True)
        await queue.bind(exchange)
        received = asyncio.Queue()
        await queue.consume(received.put, no_ack=True)
        administration = await other.channel()
        await administration.queue_delete(queue.name)
        async with asyncio.timeout(DEADLINE_S):
            while received.empty():  # published until it is there again
                await exchange.publish(Message(b"back"), "")
                await asyncio.sleep(0.01)


@check("iterator after a cut")
async def iterator_after_a_cut():
    async with robust_connection() as (connection, restored):
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        queue = await channel.declare_queue(name_of("iterated"), durable=True, arguments={"x-expires": 60_000})
        for number in range(20):
            await channel.default_exchange.publish(Message(b"%d" % number), queue.name)
        seen, acknowledged = [], set()
        async with asyncio.timeout(DEADLINE_S), queue.iterator() as messages:
            async for message in messages:
                seen.append(message.body)
                if len(seen) % 5 == 0:
                    await restored.after(cut)  # so this one comes again
                    continue
                await message.ack()
                acknowledged.add(message.body)
                if len(acknowledged) == 20:
                    break
        assert len(seen) > 20
        assert (await queue.declare()).message_count == 0
        await queue.delete(if_unused=False, if_empty=False)


@check("confirms through cuts")
async def confirms_through_cuts():
    """What is published again until it is confirmed is there at least once, however often the connection is cut."""
    async with robust_connection() as (connection, restored):
        channel = await connection.channel()
        queue = await channel.declare_queue(name_of("through"), durable=True, arguments={"x-expires": 60_000})
        missing, complete = set(range(1000)), asyncio.Event()

        async def handle(message):
            missing.discard(int(message.body))
            if not missing:
                complete.set()
            await message.ack()

        await queue.consume(handle)
        publisher = await connection.channel()

        async def publish(number):
            while True:
                try:
                    await publisher.default_exchange.publish(Message(b"%d" % number), queue.name)
                except (AMQPError, RuntimeError):
                    await asyncio.sleep(0.1)  # the channel may not have noticed yet that it has to be restored
                    await publisher.ready()
                except asyncio.CancelledError:
                    if asyncio.current_task().cancelling():
                        raise
                else:
                    return

        async with asyncio.timeout(DEADLINE_S):
            publishing = asyncio.gather(*map(publish, sorted(missing)))
            for _ in range(3):
                await restored.after(cut)
            await publishing
            await complete.wait()
        await queue.delete(if_unused=False, if_empty=False)


main()
