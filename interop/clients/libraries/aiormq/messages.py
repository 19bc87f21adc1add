"""aiormq: exchanges, queues and messages."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from decimal import Decimal

import aiormq
import yarl
from aiormq import spec
from checks import URL, check, main, name_of
from inbox import bodies_in, consume, ready_in, take


@check("topology")
async def topology():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        for kind in ("direct", "fanout", "topic", "headers"):
            await channel.exchange_declare(
                name_of(kind), exchange_type=kind, durable=kind in ("direct", "topic"), auto_delete=True
            )
            await channel.queue_declare(name_of(f"{kind}-queue"), exclusive=True)
        await channel.exchange_declare(name_of("fanout"), passive=True)
        await channel.queue_bind(name_of("direct-queue"), name_of("direct"), "red")
        await channel.queue_bind(name_of("fanout-queue"), name_of("fanout"), "any")
        await channel.queue_bind(name_of("topic-queue"), name_of("topic"), "*.red.#")
        colours = {"x-match": "all", "colour": "red", "size": 3}
        await channel.queue_bind(name_of("headers-queue"), name_of("headers"), arguments=colours)
        await channel.exchange_bind(name_of("fanout"), name_of("topic"), "#.through")

        async def publish(kind, key, **headers):
            await channel.basic_publish(
                f"{kind} {key}".encode(),
                exchange=name_of(kind),
                routing_key=key,
                properties=spec.Basic.Properties(headers=headers),
            )

        for kind, key in (("direct", "red"), ("direct", "blue"), ("fanout", "blue")):
            await publish(kind, key)
        for key in ("a.red", "a.red.b.c", "red", "a.red.through"):
            await publish("topic", key)
        await publish("headers", "matching", colour="red", size=3, more=True)
        await publish("headers", "other", colour="red")
        found = {kind: await bodies_in(channel, name_of(f"{kind}-queue")) for kind in ("direct", "topic", "headers")}
        assert found["direct"] == [b"direct red"], found
        assert found["topic"] == [b"topic a.red", b"topic a.red.b.c", b"topic a.red.through"], found
        assert found["headers"] == [b"headers matching"], found
        assert await bodies_in(channel, name_of("fanout-queue")) == [b"fanout blue", b"topic a.red.through"]

        await channel.exchange_unbind(name_of("fanout"), name_of("topic"), "#.through")
        await channel.queue_unbind(name_of("topic-queue"), name_of("topic"), "*.red.#")
        try:
            await channel.exchange_declare(name_of("topic"), passive=True)
        except aiormq.ChannelNotFoundEntity:
            pass  # deleted with its last binding
        else:
            raise AssertionError("an auto-delete exchange outlived its bindings")


@check("queues")
async def queues():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        options = {"x-max-length": 5, "x-max-priority": 9, "x-expires": 60_000}
        durable = await channel.queue_declare(name_of("durable"), durable=True, arguments=options)
        assert (durable.queue, durable.message_count, durable.consumer_count) == (name_of("durable"), 0, 0)
        named = (await channel.queue_declare(auto_delete=True)).queue
        assert named.startswith("amq.gen-")
        for number in range(8):
            await channel.basic_publish(bytes([number]), routing_key=name_of("durable"))
            await channel.basic_publish(
                bytes([number]), routing_key=named, properties=spec.Basic.Properties(priority=number)
            )
        assert await bodies_in(channel, name_of("durable")) == [bytes([number]) for number in range(3, 8)]
        assert (await channel.queue_purge(named)).message_count == 8
        await channel.basic_publish(b"last", routing_key=name_of("durable"))
        assert (await channel.queue_delete(name_of("durable"))).message_count == 1
        _, tag = await consume(channel, named)
        assert (await channel.queue_declare(named, passive=True)).consumer_count == 1
        await channel.basic_cancel(tag)
        try:
            await channel.queue_declare(named, passive=True)
        except aiormq.ChannelNotFoundEntity:
            pass
        else:
            raise AssertionError("an auto-delete queue outlived its consumer")


@check("properties")
async def properties():
    sent = spec.Basic.Properties(
        content_type="application/json",
        content_encoding="utf-8",
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
        delivery_mode=2,
        priority=7,
        correlation_id="correlation",
        reply_to="reply",
        expiration="60000",
        message_id="message",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        message_type="type",
        user_id=yarl.URL(URL).user,
        app_id="app",
    )
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        queue = (await channel.queue_declare(exclusive=True)).queue
        await channel.basic_publish(b"body", routing_key=queue, properties=sent)
        received = (await channel.basic_get(queue, no_ack=True)).header.properties
        for name in sent.attributes():
            assert getattr(received, name) == getattr(sent, name), (name, getattr(received, name))


@check("confirms")
async def confirms():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel(publisher_confirms=True)
        queue = (await channel.queue_declare(exclusive=True)).queue
        answers = await asyncio.gather(
            *(channel.basic_publish(b"%d" % number, routing_key=queue) for number in range(1000))
        )
        assert all(isinstance(answer, spec.Basic.Ack) for answer in answers)
        assert await ready_in(channel, queue) == 1000
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        small = (await channel.queue_declare(exclusive=True, arguments=full)).queue
        await channel.basic_publish(b"fits", routing_key=small)
        try:
            await channel.basic_publish(b"does not", routing_key=small)
        except aiormq.DeliveryError as error:
            assert isinstance(error.frame, spec.Basic.Nack)
        else:
            raise AssertionError("a message that does not fit was confirmed")
        assert await bodies_in(channel, small) == [b"fits"]


@check("returns")
async def returns():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        try:
            await channel.basic_publish(b"lost", routing_key=name_of("nowhere"), mandatory=True)
        except aiormq.PublishError as error:
            assert (error.frame.reply_code, error.frame.reply_text) == (312, "NO_ROUTE")
            assert error.message.body == b"lost"
        else:
            raise AssertionError("nothing was returned")
        # A return after its confirm would come too late to be what the publish ends with.
        quiet = await connection.channel(on_return_raises=False)
        returned = []
        quiet.on_return_callbacks.add(returned.append)
        result = await quiet.basic_publish(b"lost", routing_key=name_of("nowhere"), mandatory=True)
        assert returned == [result]


@check("prefetch")
async def prefetch():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        queue = (await channel.queue_declare(exclusive=True)).queue
        for number in range(10):
            await channel.basic_publish(b"%d" % number, routing_key=queue)
        await channel.basic_qos(prefetch_count=3)
        received, _ = await consume(channel, queue)
        first = await take(received, 3)
        assert await ready_in(channel, queue) == 7 and received.empty()
        await channel.basic_ack(first[1].delivery_tag, multiple=True)
        await take(received, 2)
        assert await ready_in(channel, queue) == 5 and received.empty()
        await channel.basic_nack(first[2].delivery_tag, requeue=True)
        (again,) = await take(received, 1)
        assert (again.body, again.redelivered) == (b"2", True)
        await channel.basic_recover(requeue=True)
        recovered = await take(received, 3)
        assert [(message.body, message.redelivered) for message in recovered] == [
            (b"2", True),
            (b"3", True),
            (b"4", True),
        ]


@check("dead-letter")
async def dead_letter():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        dead = (await channel.queue_declare(exclusive=True)).queue
        to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        work = (await channel.queue_declare(exclusive=True, arguments=to_dead)).queue
        letters, _ = await consume(channel, dead, no_ack=True)
        await channel.basic_publish(b"refused", routing_key=work)
        refused = await channel.basic_get(work)
        await channel.basic_nack(refused.delivery_tag, requeue=False)
        await channel.basic_publish(b"late", routing_key=work, properties=spec.Basic.Properties(expiration="1"))
        for body, reason in ((b"refused", "rejected"), (b"late", "expired")):
            (letter,) = await take(letters, 1)
            (death,) = letter.header.properties.headers["x-death"]
            assert letter.body == body
            assert (death["reason"], death["queue"], death["count"]) == (reason, work, 1)
            assert (death["exchange"], death["routing-keys"]) == ("", [work])


@check("large body")
async def large_body():
    async with aiormq.connect(URL) as connection:
        channel = await connection.channel()
        queue = (await channel.queue_declare(exclusive=True)).queue
        received, _ = await consume(channel, queue, no_ack=True)
        one_frame = connection.connection_tune.frame_max - 8
        for size in (0, 1, one_frame - 1, one_frame, one_frame + 1, 16 * 1024 * 1024):
            body = os.urandom(size)
            await channel.basic_publish(body, routing_key=queue)
            (message,) = await take(received, 1)
            assert hashlib.sha256(message.body).digest() == hashlib.sha256(body).digest(), size


main()
