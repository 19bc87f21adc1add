"""aio-pika: what its users build with it, and what it has ready for that: pools, RPC, Master and workers."""

import asyncio
from contextlib import asynccontextmanager, suppress

import aio_pika
from aio_pika import Message
from aio_pika.exceptions import AMQPError, MessageProcessError
from aio_pika.patterns import RPC, JsonMaster, NackMessage, RejectMessage
from aio_pika.pool import Pool
from checks import URL, check, cut, main, name_of
from inbox import DEADLINE_S, take


class OurRPC(RPC):
    """RPC with names of its own, so that it has nothing to do with other programs."""

    DLX_NAME = name_of("rpc.dlx")


@asynccontextmanager
async def open_channel():
    connection = await aio_pika.connect_robust(URL, reconnect_interval=0.1)
    async with connection, connection.channel() as channel:
        yield channel


@check("RPC")
async def rpc():
    async def multiply(*, x, y):
        return x * y

    async with open_channel() as serving, open_channel() as calling:
        server = await OurRPC.create(serving, exchange=name_of("rpc"))
        await server.register("multiply", multiply, auto_delete=True)
        client = await OurRPC.create(calling, exchange=name_of("rpc"))
        async with asyncio.timeout(DEADLINE_S):
            products = await asyncio.gather(*(client.proxy.multiply(x=number, y=3) for number in range(200)))
            assert products == [3 * number for number in range(200)]
            try:
                await client.call("multiply", {"x": 1})
            except TypeError:
                pass  # raised by the server's function
            else:
                raise AssertionError("the server's error did not arrive")
            try:
                await client.call("divide", {})
            except MessageProcessError:
                pass  # returned: nobody serves it
            else:
                raise AssertionError("a call that nobody serves did not come back")
        await client.close()
        await server.unregister(multiply)
        await server.close()


@check("RPC that expires")
async def rpc_that_expires():
    """A call that nobody takes in time comes back by way of a dead letter exchange, matched by its headers."""
    async with open_channel() as channel:
        client = await OurRPC.create(channel)
        unserved = {"x-dead-letter-exchange": OurRPC.DLX_NAME}
        queue = await channel.declare_queue(name_of("slow"), exclusive=True, arguments=unserved)
        try:
            await asyncio.wait_for(client.call(queue.name, {}, expiration=0.05), DEADLINE_S)
        except TimeoutError as error:
            assert error.args[0] == "Message timed-out"
        else:
            raise AssertionError("it was answered")
        await client.close()


@check("direct reply-to")
async def direct_reply_to():
    async with open_channel() as serving, open_channel() as calling:
        served = await serving.declare_queue(exclusive=True)

        async def serve(request):
            async with request.process():
                answer = Message(request.body.upper(), correlation_id=request.correlation_id)
                await serving.default_exchange.publish(answer, request.reply_to)

        await served.consume(serve)
        answers = asyncio.Queue()
        replies = await calling.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await replies.consume(answers.put, no_ack=True)
        for word in ("one", "two", "three"):
            request = Message(word.encode(), correlation_id=word, reply_to="amq.rabbitmq.reply-to")
            await calling.default_exchange.publish(request, served.name)
            (answer,) = await take(answers, 1)
            assert (answer.body.decode(), answer.correlation_id) == (word.upper(), word)


@check("Master and workers")
async def master_and_workers():
    async with open_channel() as channel:
        await channel.set_qos(prefetch_count=4)
        master = JsonMaster(channel)
        done, attempts = asyncio.Queue(), []

        async def work(*, number):
            attempts.append(number)
            if number == 3:
                raise RejectMessage(requeue=False)
            if number == 5 and attempts.count(5) < 3:
                raise NackMessage(requeue=True)
            if number == 7 and attempts.count(7) < 2:
                raise ValueError("fails once, and is given back")
            await done.put(number)

        workers = [await master.create_worker(name_of("tasks"), work, auto_delete=True) for _ in range(3)]
        for number in range(10):
            await master.create_task(name_of("tasks"), {"number": number})
        assert sorted(await take(done, 9)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
        assert [attempts.count(number) for number in (3, 5, 7)] == [1, 3, 2]
        for worker in workers:
            await worker.close()


@check("pools through cuts")
async def pools_through_cuts():
    """Connections and channels of pools are robust, and so serve on after a cut."""

    async def get_connection():
        return await aio_pika.connect_robust(URL, reconnect_interval=0.1)

    connections = Pool(get_connection, max_size=2)

    async def get_channel():
        async with connections.acquire() as connection:
            return await connection.channel()

    channels = Pool(get_channel, max_size=8)
    count = 400

    async def publish(number):
        while True:
            with suppress(AMQPError, RuntimeError):
                async with channels.acquire() as channel:
                    await channel.default_exchange.publish(Message(b"%d" % number), name_of("pooled"))
                    break
            await asyncio.sleep(0.1)
        if number % 100 == 99:
            await asyncio.to_thread(cut)

    async with connections, channels, asyncio.timeout(DEADLINE_S):
        async with channels.acquire() as channel:
            queue = await channel.declare_queue(
                name_of("pooled"), durable=True, arguments={"x-expires": 60_000}, robust=False
            )
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(publish(number))
        async with open_channel() as channel:
            queue = await channel.get_queue(name_of("pooled"))
            missing = set(range(count))
            while missing:
                missing.discard(int((await queue.get(no_ack=True)).body))
            await queue.delete(if_unused=False, if_empty=False)


main()
