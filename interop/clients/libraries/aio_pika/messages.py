"""aio-pika: exchanges, queues and messages, on plain connections."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aio_pika
import yarl
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, PublishError
from checks import URL, check, main, name_of
from inbox import DEADLINE_S, bodies_in, raised, ready_in, take


@check("topology")
async def topology():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        exchanges, queues = {}, {}
        for kind in (ExchangeType.DIRECT, ExchangeType.FANOUT, ExchangeType.TOPIC, ExchangeType.HEADERS):
            exchanges[kind] = await channel.declare_exchange(
                name_of(kind.value), kind, durable=kind is ExchangeType.TOPIC, auto_delete=True
            )
            queues[kind] = await channel.declare_queue(name_of(f"{kind.value}-queue"), exclusive=True)
        await queues[ExchangeType.DIRECT].bind(exchanges[ExchangeType.DIRECT], "red")
        await queues[ExchangeType.FANOUT].bind(exchanges[ExchangeType.FANOUT])
        await queues[ExchangeType.TOPIC].bind(exchanges[ExchangeType.TOPIC], "*.red.#")
        await queues[ExchangeType.HEADERS].bind(
            exchanges[ExchangeType.HEADERS], arguments={"x-match": "any", "colour": "red", "size": 3}
        )
        await exchanges[ExchangeType.FANOUT].bind(exchanges[ExchangeType.TOPIC], "#.through")
        assert await channel.get_exchange(name_of("topic"))

        async def publish(kind, key, **headers):
            await exchanges[kind].publish(Message(f"{kind.value} {key}".encode(), headers=headers), key)

        for key in ("red", "blue"):
            await publish(ExchangeType.DIRECT, key)
        await publish(ExchangeType.FANOUT, "blue")
        for key in ("a.red", "a.red.b.c", "red", "a.red.through"):
            await publish(ExchangeType.TOPIC, key)
        await publish(ExchangeType.HEADERS, "one", colour="red")
        await publish(ExchangeType.HEADERS, "none", colour="blue", size=4)
        assert {kind: await bodies_in(queue) for kind, queue in queues.items()} == {
            ExchangeType.DIRECT: ["direct red"],
            ExchangeType.FANOUT: ["fanout blue", "topic a.red.through"],
            ExchangeType.TOPIC: ["topic a.red", "topic a.red.b.c", "topic a.red.through"],
            ExchangeType.HEADERS: ["headers one"],
        }
        await exchanges[ExchangeType.FANOUT].unbind(exchanges[ExchangeType.TOPIC], "#.through")
        await queues[ExchangeType.TOPIC].unbind(exchanges[ExchangeType.TOPIC], "*.red.#")
        await raised(ChannelNotFoundEntity, channel.get_exchange(name_of("topic")))


@check("queues")
async def queues():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        limits = {"x-max-length": 5, "x-expires": 60_000}
        durable = await channel.declare_queue(name_of("durable"), durable=True, arguments=limits)
        ranked = await channel.declare_queue(auto_delete=True, arguments={"x-max-priority": 9})
        for number in range(8):
            for queue in (durable, ranked):
                await channel.default_exchange.publish(Message(b"%d" % number, priority=number), queue.name)
        assert await bodies_in(durable) == ["3", "4", "5", "6", "7"]
        assert (await ranked.get(no_ack=True)).body == b"7"
        assert (await ranked.purge()).message_count == 7
        await channel.default_exchange.publish(Message(b"last"), durable.name)
        await raised(ChannelPreconditionFailed, durable.delete(if_empty=True))
        async with connection.channel() as other:
            assert (await other.queue_delete(durable.name)).message_count == 1
            tag = await (await other.get_queue(ranked.name)).consume(print)
            assert (await other.declare_queue(ranked.name, passive=True)).declaration_result.consumer_count == 1
            await (await other.get_queue(ranked.name)).cancel(tag)
            await raised(ChannelNotFoundEntity, other.get_queue(ranked.name))


@check("properties")
async def properties():
    sent = Message(
        b"body",
        headers={
            "bool": True,
            "integers": [-128, -(2**15), 2**16 - 1, -(2**31), 2**32 - 1, -(2**63)],
            "double": 0.5,
            "decimal": Decimal("3.14"),
            "string": "žluťoučký",
            "bytes": bytearray(b"\0\xff"),
            "time": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
            "none": None,
            "table": {"nested": {"deeper": [1, "two", {"three": 3}]}},
        },
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=DeliveryMode.PERSISTENT,
        priority=7,
        correlation_id="correlation",
        reply_to="reply",
        expiration=timedelta(minutes=1),
        message_id="message",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        type="type",
        user_id=yarl.URL(URL).user,
        app_id="app",
    )
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(sent, queue.name)
        received = await queue.get(no_ack=True)
        for name in sent.properties.attributes():
            assert getattr(received.properties, name) == getattr(sent.properties, name), name


@check("confirms")
async def confirms():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        publish = channel.default_exchange.publish
        await asyncio.gather(*(publish(Message(b"%d" % number), queue.name) for number in range(1000)))
        assert await ready_in(channel, queue) == 1000
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        small = await channel.declare_queue(exclusive=True, arguments=full)
        await publish(Message(b"fits"), small.name)
        await raised(DeliveryError, publish(Message(b"does not"), small.name))
        assert await bodies_in(small) == ["fits"]


@check("returns")
async def returns():
    async with await aio_pika.connect(URL) as connection:
        async with connection.channel(on_return_raises=True) as channel:
            error = await raised(PublishError, channel.default_exchange.publish(Message(b"lost"), name_of("nowhere")))
            assert (error.frame.reply_code, error.frame.reply_text) == (312, "NO_ROUTE")
        async with connection.channel() as channel:
            returned = []
            channel.return_callbacks.add(lambda _, message: returned.append(message))
            # What a publish ends with is what came first: were it the confirm, it would be an Ack.
            result = await channel.default_exchange.publish(Message(b"lost"), name_of("nowhere"))
            assert result.delivery.reply_code == 312
            (message,) = returned
            assert (message.body, message.routing_key) == (b"lost", name_of("nowhere"))
            assert not isinstance(
                await channel.default_exchange.publish(Message(b""), name_of("nowhere"), mandatory=False),
                type(result),
            )


@check("prefetch")
async def prefetch():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=3)
        queue = await channel.declare_queue(exclusive=True)
        for number in range(10):
            await channel.default_exchange.publish(Message(b"%d" % number), queue.name)
        received = asyncio.Queue()
        await queue.consume(received.put)
        first = await take(received, 3)
        assert await ready_in(channel, queue) == 7 and received.empty()
        await first[1].ack(multiple=True)
        await take(received, 2)
        assert await ready_in(channel, queue) == 5 and received.empty()
        await first[2].nack(requeue=True)
        (again,) = await take(received, 1)
        assert (again.body, again.redelivered) == (b"2", True)
        async with again.process(requeue=True):
            assert await ready_in(channel, queue) == 5  # nothing comes before it is answered
        (sixth,) = await take(received, 1)
        assert (sixth.body, sixth.redelivered) == (b"5", False)


@check("dead-letter")
async def dead_letter():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        letters = asyncio.Queue()
        dead = await channel.declare_queue(exclusive=True)
        await dead.consume(letters.put, no_ack=True)
        to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
        work = await channel.declare_queue(exclusive=True, arguments=to_dead)
        await channel.default_exchange.publish(Message(b"refused"), work.name)
        await (await work.get()).reject(requeue=False)
        await channel.default_exchange.publish(Message(b"late", expiration=0.001), work.name)
        for body, reason in ((b"refused", "rejected"), (b"late", "expired")):
            (letter,) = await take(letters, 1)
            (death,) = letter.headers["x-death"]
            assert letter.body == body
            assert (death["reason"], death["queue"], death["count"]) == (reason, work.name, 1)
            assert (death["exchange"], death["routing-keys"]) == ("", [work.name])


@check("large body")
async def large_body():
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        one_frame = connection.transport.connection.connection_tune.frame_max - 8
        for size in (0, 1, one_frame - 1, one_frame, one_frame + 1, 16 * 1024 * 1024):
            body = os.urandom(size)
            await channel.default_exchange.publish(Message(body), queue.name)
            message = await queue.get(no_ack=True, timeout=DEADLINE_S)
            assert hashlib.sha256(message.body).digest() == hashlib.sha256(body).digest(), size


@check("transactions")
async def transactions():
    async with await aio_pika.connect(URL) as connection, connection.channel(publisher_confirms=False) as channel:
        queue = await channel.declare_queue(exclusive=True)
        try:
            async with channel.transaction():
                await channel.default_exchange.publish(Message(b"rolled back"), queue.name)
                raise KeyError
        except KeyError:
            pass
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"committed"), queue.name)
            assert await ready_in(channel, queue) == 0
        transaction = channel.transaction()
        await transaction.select()
        await (await queue.get()).ack()
        await transaction.rollback()  # the acknowledgement is taken back, not the delivery
        assert await queue.get(fail=False) is None
        await channel.close()
        async with connection.channel() as other:
            again = await (await other.get_queue(queue.name)).get(no_ack=True)
            assert (again.body, again.redelivered) == (b"committed", True)


main()
