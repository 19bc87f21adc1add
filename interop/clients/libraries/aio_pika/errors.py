"""aio-pika: what its users see when something is wrong."""

import asyncio

import aio_pika
import yarl
from aio_pika import Message
from aio_pika.exceptions import (
    AMQPError,
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ConnectionNotImplemented
from checks import URL, check, main, name_of
from inbox import DEADLINE_S, bodies_in, raised, take


@check("errors")
async def errors():
    async with await aio_pika.connect(URL) as connection, await aio_pika.connect(URL) as other:
        bystander = await connection.channel()
        owned = await (await other.channel()).declare_queue(exclusive=True)
        ours = await bystander.declare_queue(name_of("ours"), exclusive=True)
        for text, expected, act in (
            ("NOT_FOUND", ChannelNotFoundEntity, lambda at: at.get_queue(name_of("missing"))),
            ("RESOURCE_LOCKED", ChannelClosed, lambda at: at.get_queue(owned.name)),
            ("ACCESS_REFUSED", ChannelClosed, lambda at: at.declare_exchange("amq.nonsense")),
            (
                "PRECONDITION_FAILED",
                ChannelPreconditionFailed,
                lambda at: at.declare_queue(ours.name, exclusive=True, auto_delete=True),
            ),
        ):
            channel = await connection.channel()
            error = await raised(expected, act(channel))
            assert str(error).startswith(text)
            await asyncio.wait_for(channel.closed(), DEADLINE_S)
            await raised(ChannelInvalidStateError, channel.declare_queue())
        await bystander.default_exchange.publish(Message(b"going on"), ours.name)
        assert await bodies_in(ours) == ["going on"]
        reasons = asyncio.Queue()
        connection.close_callbacks.add(lambda _, reason: reasons.put_nowait(reason))
        await raised(AMQPError, (await connection.channel()).flow(active=False))
        (reason,) = await take(reasons, 1)
        assert isinstance(reason, ConnectionNotImplemented)
    await raised(ProbableAuthenticationError, aio_pika.connect(yarl.URL(URL).with_password("wrong")))
    await raised(AMQPError, aio_pika.connect(yarl.URL(URL).with_path(f"/{name_of('no-vhost')}")))


main()
