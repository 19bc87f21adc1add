"""aiormq: channels and connections: what ends them, and what else they do."""

import asyncio

import aiormq
import yarl
from aiormq import spec
from checks import URL, check, main, name_of
from inbox import bodies_in, raised, ready_in, take


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


@check("transactions")
async def transactions():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = (await channel.queue_declare(exclusive=True)).queue
        await channel.tx_select()
        await channel.basic_publish(b"rolled back", routing_key=queue)
        await channel.tx_rollback()
        await channel.basic_publish(b"committed", routing_key=queue)
        assert await ready_in(channel, queue) == 0
        await channel.tx_commit()
        assert await bodies_in(channel, queue) == [b"committed"]
        await channel.basic_publish(b"one", routing_key=queue)
        await channel.tx_commit()
        message = await channel.basic_get(queue)
        await channel.basic_ack(message.delivery_tag)
        await channel.tx_rollback()  # takes back the acknowledgement, not the delivery
        await channel.basic_recover(requeue=True)
        assert await bodies_in(channel, queue) == [b"one"]


main()
