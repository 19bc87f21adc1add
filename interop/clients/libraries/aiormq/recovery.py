"""aiormq: how its users go on when a connection is lost, which the library leaves to them."""

import asyncio
from contextlib import asynccontextmanager, suppress

import aiormq
from checks import URL, check, cut, force_close, main, name_of
from inbox import DEADLINE_S, raised, take


async def work(queue, handle, started, reasons):
    """Consume for ever: on a new connection, with all that goes with it, whenever one is lost."""
    while True:
        try:
            async with aiormq.connect(URL) as connection:
                channel = await connection.channel()
                await channel.queue_declare(queue, durable=True, arguments={"x-expires": 60_000})
                await channel.basic_qos(prefetch_count=5)
                await channel.basic_consume(queue, handle)
                started.set()
                await connection.closing
        except (aiormq.AMQPError, RuntimeError) as reason:  # RuntimeError: it was lost before the call
            reasons.append(reason)
        except asyncio.CancelledError as reason:
            if asyncio.current_task().cancelling():
                raise
            reasons.append(reason)  # so may end what waits for a connection that is lost
        await asyncio.sleep(0.1)  # between attempts, so that a broker that is gone is not flooded


@asynccontextmanager
async def worker(queue, handle):
    """Somebody at work; given are the reasons for which they lost their connections."""
    started, reasons = asyncio.Event(), []
    async with asyncio.TaskGroup() as group:
        working = group.create_task(work(queue, handle, started, reasons))
        await asyncio.wait_for(started.wait(), DEADLINE_S)
        yield reasons
        working.cancel()
    async with aiormq.connect(URL) as connection:
        await (await connection.channel()).queue_delete(queue)


async def goes_on_after(interrupt, queue):
    """What is unanswered when the connection is lost comes back, and the worker gets what comes after."""
    received = asyncio.Queue()
    async with worker(queue, received.put) as reasons:
        async with aiormq.connect(URL) as connection:
            channel = await connection.channel()
            for number in range(8):
                await channel.basic_publish(b"%d" % number, routing_key=queue)
            first = await take(received, 5)
            await first[0].channel.basic_ack(first[1].delivery_tag, multiple=True)
            (sixth, seventh) = await take(received, 2)  # so the acknowledgement has arrived
            assert (sixth.body, seventh.body) == (b"5", b"6")
            await asyncio.to_thread(interrupt)
        back = {}
        while not back.keys() >= {2, 3, 4, 5, 6}:  # 7 comes first if the broker notices late who is gone
            (message,) = await take(received, 1)
            back[int(message.body)] = message
        assert all(back[number].redelivered for number in (2, 3, 4, 5, 6))
        for message in back.values():
            await message.channel.basic_ack(message.delivery_tag)
        if 7 not in back:
            (eighth,) = await take(received, 1)
            assert (eighth.body, eighth.redelivered) == (b"7", False)
        return reasons


@check("reconnect after a forced close")
async def reconnect_after_a_forced_close():
    (reason,) = await goes_on_after(force_close, name_of("forced"))
    assert isinstance(reason, aiormq.ConnectionClosed) and "CONNECTION_FORCED" in str(reason)


@check("reconnect after a cut")
async def reconnect_after_a_cut():
    (reason,) = await goes_on_after(cut, name_of("cut"))
    assert isinstance(reason, aiormq.AMQPConnectionError) and not isinstance(reason, aiormq.ConnectionClosed)


@check("exclusive queue after a cut")
async def exclusive_queue_after_a_cut():
    for _ in range(10):
        connection = await aiormq.connect(URL)
        await (await connection.channel()).queue_declare(name_of("exclusive"), exclusive=True)
        await asyncio.to_thread(cut)
        await raised(aiormq.AMQPConnectionError, connection.closing)
        async with aiormq.connect(URL) as connection, asyncio.timeout(DEADLINE_S):
            while True:  # until the broker has noticed that the owner is gone
                channel = await connection.channel()
                with suppress(aiormq.ChannelLockedResource):
                    await channel.queue_declare(name_of("exclusive"), exclusive=True)
                    break


@check("confirms through cuts")
async def confirms_through_cuts():
    """What is published again until it is confirmed is there at least once, however often the connection is cut."""
    queue, count = name_of("through-cuts"), 2000
    unconfirmed, missing, complete = set(range(count)), set(range(count)), asyncio.Event()

    async def handle(message):
        missing.discard(int(message.body))
        if not missing:
            complete.set()
        await message.channel.basic_ack(message.delivery_tag)

    async def publish(channel, number):
        await channel.basic_publish(b"%d" % number, routing_key=queue)
        unconfirmed.discard(number)
        if number % 500 == 499:
            await asyncio.to_thread(cut)

    async with worker(queue, handle), asyncio.timeout(DEADLINE_S):
        while unconfirmed:
            with suppress(aiormq.AMQPError):
                async with aiormq.connect(URL) as connection:
                    channel = await connection.channel()
                    publishing = (publish(channel, number) for number in sorted(unconfirmed))
                    await asyncio.gather(*publishing, return_exceptions=True)
            await asyncio.sleep(0.1)
        await complete.wait()


main()
