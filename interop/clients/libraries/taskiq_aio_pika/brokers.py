"""New brokers, and the waiting for what comes of them."""

import asyncio
from contextlib import asynccontextmanager

import aio_pika
from checks import URL, name_of
from taskiq.api import run_receiver_task
from taskiq.brokers.inmemory_broker import InmemoryResultBackend
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType

DEADLINE_S = 30

made = set()
"""Names of queues, to be deleted."""


def temporary_queue(what, **options):
    made.add(name_of(what))
    arguments = {"x-expires": 60_000, **options.pop("arguments", {})}
    return Queue(**{"type": QueueType.CLASSIC, "name": name_of(what), "arguments": arguments, **options})


def new_broker(*queues, **options):
    broker = AioPikaBroker(
        URL,
        result_backend=InmemoryResultBackend(max_stored_results=-1),
        exchange=Exchange(name_of("tasks"), auto_delete=True),
        task_queues=list(queues) or [temporary_queue("tasks")],
        dead_letter_queue=temporary_queue("dead"),
        reconnect_interval=0.1,
        **options,
    )
    broker.is_worker_process = True  # it is both: who sends and who works
    return broker


@asynccontextmanager
async def started(broker):
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()
        async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
            while made:
                await channel.queue_delete(made.pop())


@asynccontextmanager
async def worker(broker, **options):
    working = asyncio.create_task(run_receiver_task(broker, **options))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


async def results(tasks):
    return [result.return_value for result in [await task.wait_result(timeout=DEADLINE_S) for task in tasks]]


async def take(received, count):
    async with asyncio.timeout(DEADLINE_S):
        return [await received.get() for _ in range(count)]


async def ready_in(queue):
    async with await aio_pika.connect(URL) as connection, connection.channel() as channel:
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count
