"""taskiq with its broker for RabbitMQ: tasks, delays, retries, priorities."""

import asyncio
import time

import aio_pika
from aiormq.exceptions import AMQPError
from brokers import new_broker, ready_in, results, started, take, temporary_queue, worker
from checks import URL, Skip, check, cut, force_close, main, name_of
from taskiq import SendTaskError, SimpleRetryMiddleware
from taskiq.acks import AcknowledgeType
from taskiq_aio_pika import Exchange, QueueType


@check("tasks")
async def tasks():
    broker = new_broker()

    @broker.task
    async def add(x, y):
        return x + y

    @broker.task
    def length(text):
        return len(text)

    async with started(broker), worker(broker, sync_workers=2):
        sums = [await add.kiq(number, y=1) for number in range(200)]
        assert await results(sums) == list(range(1, 201))
        assert await results([await length.kiq("žluťoučký")]) == [9]
        assert await ready_in(name_of("tasks")) == 0


@check("confirms")
async def confirms():
    broker = new_broker(temporary_queue("full", arguments={"x-max-length": 500, "x-overflow": "reject-publish"}))

    @broker.task
    async def never():
        pass

    async with started(broker):
        await asyncio.gather(*(never.kiq() for _ in range(500)))
        assert await ready_in(name_of("full")) == 500
        try:
            await never.kiq()
        except SendTaskError:
            pass
        else:
            raise AssertionError("a task that does not fit was sent")


@check("prefetch")
async def prefetch():
    broker, running, go_on = new_broker(qos=3), asyncio.Queue(), asyncio.Event()

    @broker.task
    async def wait(number):
        await running.put(number)
        await go_on.wait()

    async with started(broker), worker(broker):
        sent = [await wait.kiq(number) for number in range(10)]
        await take(running, 3)
        assert await ready_in(name_of("tasks")) == 7
        assert running.empty()
        go_on.set()
        await results(sent)


@check("dead-letter")
async def dead_letter():
    """A task that nobody takes in time."""
    broker = new_broker(temporary_queue("short", arguments={"x-message-ttl": 1}))

    @broker.task
    async def late():
        pass

    async with started(broker):
        task = await late.kiq()
        async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
            letters = asyncio.Queue()
            await (await channel.get_queue(name_of("dead"))).consume(letters.put, no_ack=True)
            (letter,) = await take(letters, 1)
        (death,) = letter.headers["x-death"]
        assert letter.headers["task_id"] == task.task_id
        assert (death["reason"], death["queue"], death["exchange"]) == ("expired", name_of("short"), name_of("tasks"))


async def delays(broker):
    @broker.task
    async def now():
        return time.monotonic()

    async with started(broker), worker(broker):
        began = time.monotonic()
        sent = [await now.kicker().with_labels(delay=delay).kiq() for delay in (0.2, 0.4, None)]
        first, second, third = [moment - began for moment in await results(sent)]
        assert first >= 0.2 and second >= 0.4, (first, second, third)


@check("delay queue")
async def delay_queue():
    await delays(new_broker(delay_queue=temporary_queue("delayed")))


@check("delayed message exchange")
async def delayed_message_exchange():
    exchange = Exchange(name_of("later"), "x-delayed-message", auto_delete=True, arguments={"x-delayed-type": "direct"})
    async with await aio_pika.connect(URL) as connection:
        try:
            probe = await (await connection.channel()).declare_exchange(
                name_of("probe"), exchange.type, arguments=exchange.arguments
            )
        except AMQPError as error:
            raise Skip(str(error)) from error
        await probe.delete()
    await delays(new_broker(delayed_message_exchange_plugin=True, delayed_message_exchange=exchange))


@check("retries")
async def retries():
    broker, attempts = new_broker(), []
    broker.add_middlewares(SimpleRetryMiddleware())

    @broker.task(retry_on_error=True, max_retries=4)
    async def fails_twice():
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise ValueError("not yet")
        return attempts

    async with started(broker), worker(broker):
        assert await results([await fails_twice.kiq()]) == [[0, 1, 2]]


@check("priorities")
async def priorities():
    broker, order = new_broker(temporary_queue("ranked", max_priority=10), qos=1), asyncio.Queue()

    @broker.task
    async def run(priority):
        await order.put(priority)

    async with started(broker):
        for priority in (1, 9, 5, 0, 7, 3):
            await run.kicker().with_labels(priority=priority).kiq(priority)
        async with worker(broker, max_async_tasks=1):
            assert await take(order, 6) == [9, 7, 5, 3, 1, 0]


@check("routing")
async def routing():
    """Two queues, chosen by a label, and a worker that listens to one of them only."""
    broker = new_broker(temporary_queue("mine"), temporary_queue("other"))
    listening = new_broker(temporary_queue("mine"))
    done = asyncio.Queue()
    for each in (broker, listening):

        @each.task(task_name="where")
        async def where(number):
            await done.put(number)

    async with started(broker), started(listening), worker(listening):
        for number in range(10):
            label = name_of("mine") if number % 2 else name_of("other")
            await broker.find_task("where").kicker().with_labels(queue_name=label).kiq(number)
        assert sorted(await take(done, 5)) == [1, 3, 5, 7, 9]
        assert await ready_in(name_of("other")) == 5


@check("quorum queues")
async def quorum_queues():
    """What taskiq declares unless it is told otherwise."""
    broker = new_broker(temporary_queue("quorum", type=QueueType.QUORUM))

    @broker.task
    async def double(number):
        return 2 * number

    async with started(broker), worker(broker):
        sent = [await double.kiq(number) for number in range(50)]
        assert await results(sent) == [2 * number for number in range(50)]


async def goes_on_after(interrupt):
    """A task at work when the connection is lost is given out again; those that waited are done, too."""
    broker, attempts, interrupted = new_broker(qos=1), asyncio.Queue(), asyncio.Event()

    @broker.task
    async def work(number):
        await attempts.put(number)
        if number == 0:
            await interrupted.wait()
        return number

    async with started(broker), worker(broker, ack_time=AcknowledgeType.WHEN_EXECUTED):
        sent = [await work.kiq(number) for number in range(3)]
        assert await take(attempts, 1) == [0]
        await asyncio.to_thread(interrupt)
        while await take(attempts, 1) != [0]:
            pass  # another comes first if the broker notices late that its former worker is gone
        interrupted.set()
        assert await results(sent) == [0, 1, 2]
        await broker.write_channel.ready()
        assert await results([await work.kiq(3)]) == [3]


@check("reconnect after a forced close")
async def reconnect_after_a_forced_close():
    await goes_on_after(force_close)


@check("reconnect after a cut")
async def reconnect_after_a_cut():
    await goes_on_after(cut)


main()
