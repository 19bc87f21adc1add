"""Checks for all of pika's adapters that call back: the same channel, on different event loops."""

import cases
import pika
from callbacks import Calls, ask, channel_of, confirming, consumed, exclusive_queue, message_count, publish, take
from cases import MESSAGES
from checks import name_of
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic


async def topology(connect):
    async with connect() as connection:
        channel, confirms = await confirming(connection)
        for route in cases.ROUTES:
            await check_routing(channel, confirms, *route)
            await check_missing(connection, "exchange_declare", name_of(route[0]))
        await check_exchange_bindings(channel, confirms)
        await check_missing(connection, "exchange_declare", name_of("first"))
        await check_counts(channel, confirms)
        await check_missing(connection, "queue_declare", name_of("durable"))
        await check_missing(connection, "queue_declare", name_of("passing"))


async def check_routing(channel, confirms, kind, key, arguments, published, expected):
    exchange, queue = name_of(kind), await exclusive_queue(channel)
    await ask(channel.exchange_declare, exchange, kind, auto_delete=True)
    await ask(channel.queue_bind, queue, exchange, key, arguments)
    for routing_key, headers in published:
        await publish(channel, confirms, exchange, routing_key, b"", pika.BasicProperties(headers=headers))
    assert await message_count(channel, queue) == len(expected)
    arriving = await take(await consumed(channel, queue), len(expected))
    assert [method.routing_key for method, _, _ in arriving] == expected
    await ask(channel.queue_unbind, queue, exchange, key, arguments)  # the exchange goes with its last binding


async def check_exchange_bindings(channel, confirms):
    first, second, queue = name_of("first"), name_of("second"), await exclusive_queue(channel)
    await ask(channel.exchange_declare, first, "topic", durable=True)
    await ask(channel.exchange_declare, second, "fanout", durable=True, internal=True)
    await ask(channel.exchange_bind, second, first, "a.#")
    await ask(channel.queue_bind, queue, second)
    await publish(channel, confirms, first, "a.b", b"through")
    await ask(channel.exchange_unbind, second, first, "a.#")
    await publish(channel, confirms, first, "a.b", b"lost")
    assert await message_count(channel, queue) == 1
    await ask(channel.exchange_delete, second)
    await ask(channel.exchange_delete, first)


async def check_counts(channel, confirms):
    queue = name_of("durable")
    declared = await ask(channel.queue_declare, queue, durable=True, arguments=cases.QUEUE_ARGUMENTS)
    assert (declared.queue, declared.message_count, declared.consumer_count) == (queue, 0, 0)
    for _ in range(3):
        await publish(channel, confirms, "", queue)
    assert await message_count(channel, queue) == 3
    assert (await ask(channel.queue_purge, queue)).message_count == 3
    await publish(channel, confirms, "", queue)
    assert (await ask(channel.queue_delete, queue)).message_count == 1

    passing = (await ask(channel.queue_declare, name_of("passing"), auto_delete=True)).queue
    consumer = await ask(channel.basic_consume, passing, on_message_callback=print)
    await ask(channel.basic_cancel, consumer.consumer_tag)  # the queue goes with its last consumer


async def check_missing(connection, declare, name):
    """Neither an exchange nor a queue has this name."""
    channel = await channel_of(connection)
    try:
        await ask(getattr(channel, declare), name, passive=True)
    except ChannelClosedByBroker as closed:
        assert closed.reply_code == 404, closed
    else:
        raise AssertionError(f"{name} is still there")


async def properties(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        queue = await exclusive_queue(channel)
        channel.basic_publish("", queue, b"", cases.PROPERTIES)
        channel.basic_publish("", queue, b"")
        (_, full, _), (_, empty, _) = await take(await consumed(channel, queue), 2)
        assert full == cases.PROPERTIES, full
        assert empty == pika.BasicProperties(), empty


async def confirms(connect):
    async with connect() as connection:
        channel, confirms = await confirming(connection)
        queue = await exclusive_queue(channel)
        for number in range(MESSAGES):
            channel.basic_publish("", queue, str(number).encode())
        waiting = set(range(1, MESSAGES + 1))
        while waiting:
            confirm = (await confirms).method
            assert isinstance(confirm, Basic.Ack)
            assert confirm.delivery_tag in waiting
            waiting -= set(range(1, confirm.delivery_tag)) if confirm.multiple else set()
            waiting.remove(confirm.delivery_tag)
        assert await message_count(channel, queue) == MESSAGES

        full = await exclusive_queue(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        for expected in (Basic.Ack, Basic.Nack):
            channel.basic_publish("", full, b"")
            assert isinstance((await confirms).method, expected)
        assert await message_count(channel, full) == 1


async def returns(connect):
    async with connect() as connection:
        channel, events = await confirming(connection)
        channel.add_on_return_callback(events)
        channel.basic_publish("", name_of("nowhere"), b"lost", cases.PROPERTIES, mandatory=True)
        _, method, properties, body = await events
        assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
        assert (properties, body) == (cases.PROPERTIES, b"lost")
        confirm = (await events).method
        assert isinstance(confirm, Basic.Ack)
        assert confirm.delivery_tag == 1


async def prefetch(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        queue = await exclusive_queue(channel)
        for number in range(5):
            channel.basic_publish("", queue, str(number).encode())
        await ask(channel.basic_qos, prefetch_count=3)
        messages = await consumed(channel, queue)
        first = await take(messages, 3)
        assert await message_count(channel, queue) == 2
        channel.basic_ack(first[1][0].delivery_tag, multiple=True)
        second = await take(messages, 2)
        assert [body for _, _, body in first + second] == [b"0", b"1", b"2", b"3", b"4"]
        channel.basic_nack(multiple=True, requeue=True)
        again = await take(messages, 3)
        assert [(method.redelivered, body) for method, _, body in again] == [(True, b"2"), (True, b"3"), (True, b"4")]


async def dead_letter(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        dead = await exclusive_queue(channel)
        queue = await exclusive_queue(channel, **cases.dead_lettering_to(dead))
        letters = await consumed(channel, dead)
        channel.basic_publish("", queue, b"too old", pika.BasicProperties(expiration="1"))
        ((_, properties, body),) = await take(letters, 1)
        assert body == b"too old"
        cases.check_death(properties, queue, "expired")

        channel.basic_publish("", queue, b"rejected")
        ((method, _, _),) = await take(await consumed(channel, queue), 1)
        channel.basic_nack(method.delivery_tag, requeue=False)
        ((_, properties, body),) = await take(letters, 1)
        assert body == b"rejected"
        cases.check_death(properties, queue, "rejected")


async def large_body(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        queue = await exclusive_queue(channel)
        for sent in cases.BODIES:
            channel.basic_publish("", queue, sent)
        received = await take(await consumed(channel, queue), len(cases.BODIES))
        assert [cases.digest(body) for _, _, body in received] == [cases.digest(body) for body in cases.BODIES]


async def transactions(connect):
    async with connect() as connection:
        channel, other = await channel_of(connection), await channel_of(connection)
        queue = await exclusive_queue(channel)
        await ask(channel.tx_select)
        channel.basic_publish("", queue, b"undone")
        await ask(channel.tx_rollback)
        channel.basic_publish("", queue, b"done")
        await ask(channel.tx_commit)
        assert await message_count(other, queue) == 1
        messages = await consumed(channel, queue)
        ((method, _, body),) = await take(messages, 1)
        assert (method.redelivered, body) == (False, b"done")
        channel.basic_ack(method.delivery_tag)
        await ask(channel.tx_rollback)  # so it is not acknowledged
        await ask(channel.basic_recover, requeue=True)
        ((method, _, body),) = await take(messages, 1)
        assert (method.redelivered, body) == (True, b"done")


async def get(connect):
    async with connect() as connection:
        channel, confirms = await confirming(connection)
        queue = await exclusive_queue(channel)
        got = Calls(channel)
        channel.add_callback(got, [Basic.GetEmpty], one_shot=False)
        channel.basic_get(queue, got)
        assert isinstance((await got).method, Basic.GetEmpty)
        await publish(channel, confirms, "", queue, b"there")
        channel.basic_get(queue, got)
        _, method, _, body = await got
        assert (method.message_count, method.redelivered, body) == (0, False, b"there")


async def cancelled_by_the_broker(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        cancelled = Calls(channel)
        channel.add_on_cancel_callback(cancelled)
        queue = await exclusive_queue(channel)
        consumer = await ask(channel.basic_consume, queue, on_message_callback=print)
        await ask((await channel_of(connection)).queue_delete, queue)
        assert (await cancelled).method.consumer_tag == consumer.consumer_tag
        assert channel.consumer_tags == []


async def check_answers(channel, queue):
    """Whoever consumes from the queue answers in capital letters."""
    answers = await consumed(channel, "amq.rabbitmq.reply-to", auto_ack=True)
    for word in (b"one", b"two", b"three"):
        channel.basic_publish("", queue, word, pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    assert sorted(body for _, _, body in await take(answers, 3)) == [b"ONE", b"THREE", b"TWO"]


CHECKS = {
    "topology": topology,
    "properties": properties,
    "confirms": confirms,
    "returns": returns,
    "prefetch": prefetch,
    "dead-letter": dead_letter,
    "large body": large_body,
    "transactions": transactions,
    "get": get,
    "consumer cancelled by the broker": cancelled_by_the_broker,
}
