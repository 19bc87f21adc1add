"""pika.adapters.twisted_connection.TwistedProtocolConnection."""

import cases
import pika
from cases import MESSAGES
from checks import name_of
from deferreds import check, connect, exclusive_queue, main, message_count, take
from pika.exceptions import ChannelClosedByBroker, ConsumerCancelled, NackError, UnroutableError
from pika.spec import Basic
from twisted.internet import defer


@check("topology")
async def topology():
    async with connect() as connection:
        channel = await connection.channel()
        await channel.confirm_delivery()
        for route in cases.ROUTES:
            await check_routing(channel, *route)
            await check_missing(connection, "exchange_declare", name_of(route[0]))
        await check_exchange_bindings(channel)
        await check_missing(connection, "exchange_declare", name_of("first"))
        await check_counts(channel)
        await check_missing(connection, "queue_declare", name_of("durable"))
        await check_missing(connection, "queue_declare", name_of("passing"))


async def check_routing(channel, kind, key, arguments, published, expected):
    exchange, queue = name_of(kind), await exclusive_queue(channel)
    await channel.exchange_declare(exchange, kind, auto_delete=True)
    await channel.queue_bind(queue, exchange, key, arguments)
    for routing_key, headers in published:
        await channel.basic_publish(exchange, routing_key, b"", pika.BasicProperties(headers=headers))
    assert await message_count(channel, queue) == len(expected)
    messages, _ = await channel.basic_consume(queue)
    assert [method.routing_key for method, _, _ in await take(messages, len(expected))] == expected
    await channel.queue_unbind(queue, exchange, key, arguments)  # the exchange goes with its last binding


async def check_exchange_bindings(channel):
    first, second, queue = name_of("first"), name_of("second"), await exclusive_queue(channel)
    await channel.exchange_declare(first, "topic", durable=True)
    await channel.exchange_declare(second, "fanout", durable=True, internal=True)
    await channel.exchange_bind(second, first, "a.#")
    await channel.queue_bind(queue, second)
    await channel.basic_publish(first, "a.b", b"through")
    await channel.exchange_unbind(second, first, "a.#")
    await channel.basic_publish(first, "a.b", b"lost")
    assert await message_count(channel, queue) == 1
    await channel.exchange_delete(second)
    await channel.exchange_delete(first)


async def check_counts(channel):
    queue = name_of("durable")
    declared = (await channel.queue_declare(queue, durable=True, arguments=cases.QUEUE_ARGUMENTS)).method
    assert (declared.queue, declared.message_count, declared.consumer_count) == (queue, 0, 0)
    for _ in range(3):
        await channel.basic_publish("", queue, b"")
    assert await message_count(channel, queue) == 3
    assert (await channel.queue_purge(queue)).method.message_count == 3
    await channel.basic_publish("", queue, b"")
    assert (await channel.queue_delete(queue)).method.message_count == 1

    passing = (await channel.queue_declare(name_of("passing"), auto_delete=True)).method.queue
    _, consumer_tag = await channel.basic_consume(passing)
    await channel.basic_cancel(consumer_tag)  # the queue goes with its last consumer


async def check_missing(connection, declare, name):
    """Neither an exchange nor a queue has this name."""
    channel = await connection.channel()
    try:
        await getattr(channel, declare)(name, passive=True)
    except ChannelClosedByBroker as closed:
        assert closed.reply_code == 404, closed
    else:
        raise AssertionError(f"{name} is still there")


@check("properties")
async def properties():
    async with connect() as connection:
        channel = await connection.channel()
        queue = await exclusive_queue(channel)
        await channel.basic_publish("", queue, b"", cases.PROPERTIES)
        await channel.basic_publish("", queue, b"")
        messages, _ = await channel.basic_consume(queue)
        (_, full, _), (_, empty, _) = await take(messages, 2)
        assert full == cases.PROPERTIES, full
        assert empty == pika.BasicProperties(), empty


@check("confirms")
async def confirms():
    async with connect() as connection:
        channel = await connection.channel()
        await channel.confirm_delivery()
        queue = await exclusive_queue(channel)
        published = [channel.basic_publish("", queue, str(number).encode()) for number in range(MESSAGES)]
        assert all(isinstance(confirm, Basic.Ack) for confirm in await defer.gatherResults(published))
        assert await message_count(channel, queue) == MESSAGES

        full = await exclusive_queue(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        await channel.basic_publish("", full, b"fits")
        try:
            await channel.basic_publish("", full, b"does not")
        except NackError:
            assert await message_count(channel, full) == 1
        else:
            raise AssertionError("what does not fit was confirmed")


@check("returns")
async def returns():
    async with connect() as connection:
        channel = await connection.channel()
        await channel.confirm_delivery()
        try:
            await channel.basic_publish("", name_of("nowhere"), b"lost", cases.PROPERTIES, mandatory=True)
        except UnroutableError as error:
            (returned,) = error.messages
            assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
            assert (returned.properties, returned.body) == (cases.PROPERTIES, b"lost")
        else:
            raise AssertionError("nothing was returned")


@check("prefetch")
async def prefetch():
    async with connect() as connection:
        channel = await connection.channel()
        queue = await exclusive_queue(channel)
        for number in range(5):
            await channel.basic_publish("", queue, str(number).encode())
        await channel.basic_qos(prefetch_count=3)
        messages, _ = await channel.basic_consume(queue)
        first = await take(messages, 3)
        assert await message_count(channel, queue) == 2
        channel.basic_ack(first[1][0].delivery_tag, multiple=True)
        second = await take(messages, 2)
        assert [body for _, _, body in first + second] == [b"0", b"1", b"2", b"3", b"4"]
        channel.basic_nack(multiple=True, requeue=True)
        again = await take(messages, 3)
        assert [(method.redelivered, body) for method, _, body in again] == [(True, b"2"), (True, b"3"), (True, b"4")]


@check("dead-letter")
async def dead_letter():
    async with connect() as connection:
        channel = await connection.channel()
        dead = await exclusive_queue(channel)
        queue = await exclusive_queue(channel, **cases.dead_lettering_to(dead))
        letters, _ = await channel.basic_consume(dead)
        await channel.basic_publish("", queue, b"too old", pika.BasicProperties(expiration="1"))
        ((_, properties, body),) = await take(letters, 1)
        assert body == b"too old"
        cases.check_death(properties, queue, "expired")

        await channel.basic_publish("", queue, b"rejected")
        messages, _ = await channel.basic_consume(queue)
        ((method, _, _),) = await take(messages, 1)
        channel.basic_reject(method.delivery_tag, requeue=False)
        ((_, properties, body),) = await take(letters, 1)
        assert body == b"rejected"
        cases.check_death(properties, queue, "rejected")


@check("large body")
async def large_body():
    async with connect() as connection:
        channel = await connection.channel()
        queue = await exclusive_queue(channel)
        for sent in cases.BODIES:
            await channel.basic_publish("", queue, sent)
        messages, _ = await channel.basic_consume(queue)
        received = await take(messages, len(cases.BODIES))
        assert [cases.digest(body) for _, _, body in received] == [cases.digest(body) for body in cases.BODIES]


@check("transactions")
async def transactions():
    async with connect() as connection:
        channel, other = await connection.channel(), await connection.channel()
        queue = await exclusive_queue(channel)
        await channel.tx_select()
        await channel.basic_publish("", queue, b"undone")
        await channel.tx_rollback()
        await channel.basic_publish("", queue, b"done")
        await channel.tx_commit()
        assert await message_count(other, queue) == 1


@check("get")
async def get():
    async with connect() as connection:
        channel = await connection.channel()
        await channel.confirm_delivery()
        queue = await exclusive_queue(channel)
        assert await channel.basic_get(queue) is None
        await channel.basic_publish("", queue, b"there")
        got = await channel.basic_get(queue)
        assert (got.method.message_count, got.method.redelivered, got.body) == (0, False, b"there")


@check("consumer cancelled by the broker")
async def cancelled_by_the_broker():
    async with connect() as connection:
        channel, other = await connection.channel(), await connection.channel()
        queue = await exclusive_queue(channel)
        messages, _ = await channel.basic_consume(queue)
        await other.queue_delete(queue)
        try:
            await messages.get()
        except ConsumerCancelled:
            assert channel.consumer_tags == []
        else:
            raise AssertionError("the consumer goes on")


main()
