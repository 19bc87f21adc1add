"""rstream: publishing, consuming, offsets, deduplication, sub-batches, filters, groups and super streams."""

import asyncio
import contextlib
import os
from urllib.parse import urlsplit

from checks import Skip, check, main, name_of
from rstream import (
    AMQPMessage,
    CompressionType,
    Consumer,
    ConsumerOffsetSpecification,
    FilterConfiguration,
    OffsetNotFound,
    OffsetSpecification,
    OffsetType,
    Producer,
    Properties,
    RawMessage,
    StreamDoesNotExist,
    SuperStreamConsumer,
    SuperStreamProducer,
    amqp_decoder,
)
from rstream.exceptions import ServerError, StreamAlreadyExists

PARTS = urlsplit(os.environ["STREAM_URL"])
ACCESS = {
    "host": PARTS.hostname,
    "port": PARTS.port,
    "username": PARTS.username,
    "password": PARTS.password,
}
DEADLINE_S = 20
FIRST = ConsumerOffsetSpecification(OffsetType.FIRST)


@contextlib.asynccontextmanager
async def filled(label, count, **options):
    """A producer, and a new stream with so many messages."""
    stream = name_of(label)
    async with Producer(**ACCESS, **options) as producer:
        await producer.create_stream(stream)
        for number in range(count):
            await producer.send_wait(stream, message(number))
        yield producer, stream
        await producer.delete_stream(stream)


def message(number):
    return AMQPMessage(body=f"m{number}".encode())


def body(received):
    """The body, which is in one section of data or in several."""
    return received.body if isinstance(received.body, bytes) else b"".join(received.body)


class Reader:
    """A consumer that keeps what it gets."""

    def __init__(self, consumer):
        self.consumer = consumer
        self.bodies = []
        self.offsets = []
        self._came = asyncio.Event()

    async def subscribe(self, stream, **options):
        options = {"decoder": amqp_decoder, "offset_specification": FIRST, **options}
        return await self.consumer.subscribe(stream, self._take, **options)

    async def _take(self, received, context):
        self.bodies.append(body(received))
        self.offsets.append(context.offset)
        self._came.set()

    async def until(self, count):
        async with asyncio.timeout(DEADLINE_S):
            while len(self.bodies) < count:
                self._came.clear()
                await self._came.wait()
        return self.bodies


@contextlib.asynccontextmanager
async def reader():
    consumer = Consumer(**ACCESS)
    await consumer.start()
    try:
        yield Reader(consumer)
    finally:
        await consumer.close()


@check("publish and consume")
async def publish_and_consume():
    async with filled("simple", 10) as (_, stream), reader() as reading:
        await reading.subscribe(stream)
        assert await reading.until(10) == [b"m%d" % number for number in range(10)]
        assert reading.offsets == list(range(10)), reading.offsets


@check("batches")
async def batches():
    async with filled("batches", 0) as (producer, stream), reader() as reading:
        confirmed, all_confirmed = set(), asyncio.Event()

        async def on_confirm(status):
            assert status.is_confirmed
            confirmed.add(status.message_id)
            if len(confirmed) == 10_000:
                all_confirmed.set()

        await reading.subscribe(stream)
        for start in range(0, 10_000, 500):
            batch = [message(number) for number in range(start, start + 500)]
            await producer.send_batch(stream, batch, on_publish_confirm=on_confirm)
        bodies = await reading.until(10_000)
        assert bodies == [b"m%d" % number for number in range(10_000)]
        await asyncio.wait_for(all_confirmed.wait(), DEADLINE_S)


@check("offsets")
async def offsets():
    async with filled("offsets", 6) as (_, stream), reader() as reading:
        await reading.subscribe(stream, offset_specification=ConsumerOffsetSpecification(OffsetType.OFFSET, 4))
        assert await reading.until(2) == [b"m4", b"m5"]
    async with filled("last", 3) as (producer, stream), reader() as reading:
        await reading.subscribe(stream, offset_specification=ConsumerOffsetSpecification(OffsetType.LAST))
        await reading.until(1)
        await producer.send_wait(stream, message(3))
        assert (await reading.until(2))[-1] == b"m3"
    async with filled("next", 3) as (producer, stream), reader() as reading:
        await reading.subscribe(stream, offset_specification=ConsumerOffsetSpecification(OffsetType.NEXT))
        await producer.send_wait(stream, message(3))
        assert await reading.until(1) == [b"m3"]
    async with filled("timestamp", 3) as (_, stream), reader() as reading:
        await reading.subscribe(stream, offset_specification=ConsumerOffsetSpecification(OffsetType.TIMESTAMP, 0))
        assert await reading.until(3) == [b"m0", b"m1", b"m2"]


@check("stored offsets")
async def stored_offsets():
    async with filled("stored", 3) as (_, stream), reader() as reading:
        consumer = reading.consumer
        try:
            await consumer.query_offset(stream, "app")
        except OffsetNotFound:
            pass
        else:
            raise AssertionError("nothing is stored yet")
        await consumer.store_offset(stream, "app", 2)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(OffsetNotFound):
                    if await consumer.query_offset(stream, "app") == 2:
                        return
                await asyncio.sleep(0.01)


@check("deduplication")
async def deduplication():
    async with filled("dedup", 0) as (producer, stream), reader() as reading:
        for number in (1, 2, 2, 1, 3):
            again = RawMessage(bytes(message(number)), publishing_id=number)
            await producer.send_wait(stream, again, publisher_name="app")
        await producer.send_wait(stream, RawMessage(bytes(message(4)), publishing_id=4), publisher_name="app")
        await reading.subscribe(stream)
        assert await reading.until(4) == [b"m1", b"m2", b"m3", b"m4"]


@check("properties")
async def properties():
    async with filled("properties", 0) as (producer, stream):
        sent = AMQPMessage(
            body=b"hello",
            properties=Properties(message_id="id", content_type="text/plain", subject="s"),
            application_properties={"a": "b"},
        )
        await producer.send_wait(stream, sent)
        received = asyncio.get_running_loop().create_future()

        async def take(message, context):
            received.set_result(message)

        consumer = Consumer(**ACCESS)
        await consumer.start()
        await consumer.subscribe(stream, take, decoder=amqp_decoder, offset_specification=FIRST)
        found = await asyncio.wait_for(received, DEADLINE_S)
        await consumer.close()
        assert found.properties.message_id == b"id", found.properties
        assert found.application_properties == {b"a": b"b"}, found.application_properties


def sub_batches(compression):
    async def perform():
        async with filled(f"sub-{compression.name}", 0) as (producer, stream), reader() as reading:
            await reading.subscribe(stream)
            done = asyncio.Event()

            async def on_confirm(status):
                done.set()

            entries = [message(number) for number in range(50)]
            await producer.send_sub_entry(stream, entries, compression, on_publish_confirm=on_confirm)
            assert await reading.until(50) == [b"m%d" % number for number in range(50)]
            await asyncio.wait_for(done.wait(), DEADLINE_S)

    return perform


for each in (CompressionType.No, CompressionType.Gzip):
    check(f"sub-batches, {each.name}")(sub_batches(each))


@check("streams that are there, and that are not")
async def topology():
    async with filled("topology", 0) as (producer, stream):
        assert await producer.stream_exists(stream)
        assert not await producer.stream_exists(name_of("nothing"))
        await producer.create_stream(stream, exists_ok=True)
        try:
            await producer.create_stream(stream)
        except StreamAlreadyExists:
            pass
        else:
            raise AssertionError("it exists")
        try:
            await producer.delete_stream(name_of("nothing"))
        except StreamDoesNotExist:
            pass
        else:
            raise AssertionError("it does not exist")


@check("filters")
async def filters():
    async def extractor(sent):
        return sent.application_properties["region"]

    stream = name_of("filters")
    try:
        async with Producer(**ACCESS, filter_value_extractor=extractor) as producer:
            await producer.create_stream(stream)
            for number, region in enumerate(["east", "west", "north"]):
                sent = AMQPMessage(body=b"m%d" % number, application_properties={"region": region})
                await producer.send_wait(stream, sent)
    except ServerError as reason:
        if "unknown frame" not in str(reason):
            raise
        raise Skip("RabbitMQ 3.10 has no filters") from None
    async with reader() as reading:
        wanted = FilterConfiguration(values_to_filter=["west"], predicate=None, match_unfiltered=False)
        await reading.subscribe(stream, filter_input=wanted)
        assert await reading.until(1) == [b"m1"]
        await reading.consumer.delete_stream(stream)


@check("single active consumer")
async def single_active():
    async with filled("single", 3) as (_, stream), reader() as first, reader() as second:
        properties = {"single-active-consumer": "true", "name": "app"}

        async def from_first(active, context):
            return OffsetSpecification(OffsetType.FIRST, 0)

        options = {"subscriber_name": "app", "properties": properties, "consumer_update_listener": from_first}
        subscription = await first.subscribe(stream, **options)
        assert await first.until(3) == [b"m0", b"m1", b"m2"], first.bodies
        await second.subscribe(stream, **options)
        await first.consumer.unsubscribe(subscription)
        await second.until(3)


@check("super streams")
async def super_streams():
    name = name_of("super")

    async def key(sent):
        return sent.application_properties["id"]

    # Who makes it loses the connection that tells of its partitions.
    maker = SuperStreamProducer(**ACCESS, super_stream=name, routing_extractor=key)
    await maker.start()
    try:
        await maker.create_super_stream(name, n_partitions=3)
    except ServerError as reason:
        if "unknown frame" not in str(reason):
            raise
        raise Skip("RabbitMQ 3.10 does not make super streams") from None
    producer = SuperStreamProducer(**ACCESS, super_stream=name, routing_extractor=key)
    await producer.start()
    for number in range(30):
        sent = AMQPMessage(body=b"m%d" % number, application_properties={"id": str(number)})
        await producer.send(sent)
    bodies, done = [], asyncio.Event()

    async def take(received, context):
        bodies.append(body(received))
        if len(bodies) == 30:
            done.set()

    consumer = SuperStreamConsumer(**ACCESS, super_stream=name)
    await consumer.start()
    await consumer.subscribe(take, decoder=amqp_decoder, offset_specification=FIRST)
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert sorted(bodies) == sorted(b"m%d" % number for number in range(30))
    await consumer.close()
    await producer.close()
    await maker.delete_super_stream(name)
    await maker.close()


main()
