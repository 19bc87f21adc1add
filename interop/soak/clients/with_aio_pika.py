"""aio-pika: robust connections, which come back by themselves; and idle ones, which must not go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aio_pika
import aio_pika.exceptions
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage

from interop.kit.address import Address
from interop.soak.ledger import CONFIRMED, REFUSED
from interop.soak.worker import HEARTBEAT_S, Actor, Sender, Shift, Taker

POLL_S = 0.1
TIMEOUT_S = 10.0
PREFETCH = 20
LOSSES = (
    OSError,
    aio_pika.exceptions.AMQPError,
    aio_pika.exceptions.ChannelInvalidStateError,
    asyncio.TimeoutError,
    asyncio.CancelledError,
)


def url(address: Address) -> str:
    made = aio_pika.connection.make_url(
        host=address.host,
        port=address.port,
        login=address.user,
        password=address.password,
        virtualhost=address.vhost,
        heartbeat=HEARTBEAT_S,
    )
    return str(made)


@contextlib.asynccontextmanager
async def robust(address: Address) -> AsyncIterator[AbstractConnection]:
    connection = await aio_pika.connect_robust(url(address), timeout=TIMEOUT_S, reconnect_interval=POLL_S)
    try:
        yield connection
    finally:
        with contextlib.suppress(*LOSSES):
            await asyncio.wait_for(connection.close(), TIMEOUT_S)


class RobustSender(Sender):
    library = "aio-pika"
    losses = LOSSES

    def session(self) -> None:
        asyncio.run(self.work())

    async def work(self) -> None:
        async with robust(self.shift.address) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange(self.exchange) if self.exchange else channel.default_exchange
            while not self.over.is_set():
                if self.may_send():
                    count = self.random.randint(1, self.batch)
                    await asyncio.gather(*(self.publish(exchange) for _ in range(count)))
                await asyncio.sleep(self.random.random() * POLL_S)

    async def publish(self, exchange: AbstractExchange) -> None:
        number, body, priority = self.next_message()
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, priority=priority)
        try:
            await exchange.publish(message, self.key, timeout=TIMEOUT_S)
            self.ledger.answer(self.stream, [number], CONFIRMED)
        except aio_pika.exceptions.DeliveryError:
            self.ledger.answer(self.stream, [number], REFUSED)
        except LOSSES:
            self.shift.count("connections lost by aio-pika, seen by a publish")


class RobustConsumer(Taker):
    library = "aio-pika"
    losses = LOSSES

    def session(self) -> None:
        asyncio.run(self.work())

    async def work(self) -> None:
        async with robust(self.shift.address) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await channel.get_queue(self.queue)
            await queue.consume(self.came)
            await asyncio.to_thread(self.over.wait)

    async def came(self, message: AbstractIncomingMessage) -> None:
        is_kept = self.keeps(message.body, redelivered=bool(message.redelivered))
        with contextlib.suppress(*LOSSES):  # it comes again
            await (message.ack() if is_kept else message.nack(requeue=True))


class Idlers(Actor):
    """Connections that do nothing, not through the proxy: they end with the broker only."""

    library = "aio-pika"
    losses = LOSSES

    def __init__(self, shift: Shift, name: str, count: int) -> None:
        super().__init__(shift, name)
        self.connections_wanted = count

    def session(self) -> None:
        asyncio.run(self.work())

    async def work(self) -> None:
        life, lost = self.shift.life, asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(self.connections_wanted):
                connection = await aio_pika.connect(url(self.shift.direct), timeout=TIMEOUT_S)
                await stack.enter_async_context(connection)
                connection.close_callbacks.add(lambda *_: lost.set())
            while not self.over.is_set() and not lost.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(lost.wait(), POLL_S)
            if lost.is_set() and self.shift.life == life and life % 2 == 0:
                self.shift.findings.note("connection", "an idle connection was closed")
