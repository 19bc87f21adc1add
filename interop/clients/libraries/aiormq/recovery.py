"""aiormq: what fails, and how to go on. The library leaves a lost connection to its users."""

import asyncio
from contextlib import asynccontextmanager, suppress

import aiormq
import yarl
from aiormq import spec
from checks import URL, check, cut, force_close, main, name_of

DEADLINE_S = 30


async def raised(expected, awaitable):
    """The error of this kind that awaiting it ends with."""
    try:
        await asyncio.wait_for(awaitable, DEADLINE_S)
    except expected as error:
        return error
    raise AssertionError(f"no {expected.__name__}")


async def take(received, count):
    async with asyncio.timeout(DEADLINE_S):
        return [await received.get() for _ in range(count)]


@check("errors")
async def errors():
    async with aiormq.connect(URL) as connection, aiormq.connect(URL) as other:
        bystander = await connection.channel()
        await (await other.channel()).queue_declare(name_of("owned"), exclusive=True)
        queue = (await bystander.queue_declare(name_of("ours"), exclusive=True)).queue
        missing = name_of("missing")
        for expected, act in (
            (aiormq.ChannelNotFoundEntity, lambda at: at.queue_declare(missing, passive=True)),
            (aiormq.ChannelNotFoundEntity, lambda at: at.basic_publish(b"", exchange=missing)),
            (aiormq.ChannelNotFoundEntity, lambda at: at.basic_consume(missing, print)),
            (aiormq.ChannelLockedResource, lambda at: at.queue_purge(name_of("owned"))),
            (aiormq.ChannelAccessRefused, lambda at: at.exchange_declare("amq.nonsense")),
            (aiormq.ChannelPreconditionFailed, lambda at: at.queue_declare(queue, auto_delete=True, exclusive=True)),
            (aiormq.ChannelPreconditionFailed, lambda at: at.queue_declare(arguments={"x-message-ttl": -1})),
        ):
            channel = await connection.channel()
            error = await raised(expected, act(channel))
            assert await raised(expected, channel.closing) is error
            await raised(aiormq.ChannelInvalidStateError, channel.queue_declare())
        channel = await connection.channel()
        await channel.basic_ack(17)
        error = await raised(aiormq.ChannelPreconditionFailed, channel.closing)
        assert "unknown delivery tag 17" in str(error)
        await bystander.basic_publish(b"going on", routing_key=queue)
        assert (await bystander.basic_get(queue, no_ack=True)).body == b"going on"


@check("connection errors")
async def connection_errors():
    for act in (lambda at: at.flow(active=False), lambda at: at.basic_qos(prefetch_size=1)):
        connection = await aiormq.connect(URL)
        await raised(aiormq.ConnectionNotImplemented, act(await connection.channel()))
        await raised(aiormq.ConnectionNotImplemented, connection.closing)
    url = yarl.URL(URL)
    refused = await raised(aiormq.ProbableAuthenticationError, aiormq.connect(url.with_password("wrong")))
    assert "ACCESS_REFUSED" in str(refused)
    refused = await raised(aiormq.AMQPError, aiormq.connect(url.with_path(f"/{name_of('no-vhost')}")))
    assert "Connection.Close" in str(refused)  # 530, of which the library says no more


@check("consumer cancel")
async def consumer_cancel():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        cancelled = asyncio.Queue()
        channel.on_consumer_cancel_callbacks.add(cancelled.put)
        queue = (await channel.queue_declare(exclusive=True)).queue
        tags = {(await channel.basic_consume(queue, print)).consumer_tag for _ in range(3)}
        await channel.queue_delete(queue)
        assert {frame.consumer_tag for frame in await take(cancelled, 3)} == tags


@check("update secret")
async def update_secret():
    async with aiormq.connect(URL) as connection:
        answer = await connection.update_secret(yarl.URL(URL).password, reason="as every day")
        assert isinstance(answer, spec.Connection.UpdateSecretOk)
        await connection.channel()


@check("many channels")
async def many_channels():
    async with aiormq.connect(URL) as connection:
        channels = [await connection.channel() for _ in range(300)]
        queues = [
            answer.queue for answer in await asyncio.gather(*(at.queue_declare(exclusive=True) for at in channels))
        ]
        received = asyncio.Queue()
        await asyncio.gather(
            *(at.basic_consume(queue, received.put, no_ack=True) for at, queue in zip(channels, queues, strict=True))
        )
        await asyncio.gather(
            *(at.basic_publish(b"", routing_key=queue) for at, queue in zip(channels, reversed(queues), strict=True))
        )
        assert {message.routing_key for message in await take(received, len(queues))} == set(queues)
        await asyncio.gather(*(at.close() for at in channels))
        again = await connection.channel(channel_number=channels[0].number)
        assert (await again.queue_declare(queues[0], passive=True)).consumer_count == 0


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
        back = await take(received, 5)
        assert [(message.body, message.redelivered) for message in back] == [
            (b"%d" % number, True) for number in (2, 3, 4, 5, 6)
        ]
        await back[0].channel.basic_ack(back[-1].delivery_tag, multiple=True)
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
