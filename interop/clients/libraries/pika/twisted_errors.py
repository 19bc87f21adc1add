"""TwistedProtocolConnection: what the broker refuses, and a service that connects again."""

import functools

import cases
from cases import PARAMETERS
from checks import cut, force_close, name_of
from deferreds import ENDPOINT, check, connect, main, message_count, take
from pika.adapters.twisted_connection import TwistedProtocolConnection
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker
from twisted.application.internet import ClientService
from twisted.internet import defer
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory


@check("errors")
async def errors():
    async with connect() as connection, connect() as other:
        locked = (await (await connection.channel()).queue_declare(name_of("locked"), exclusive=True)).method.queue
        for code, whose, operation in (
            (403, connection, lambda channel: channel.exchange_declare("amq.mine")),
            (404, connection, lambda channel: channel.queue_bind(locked, name_of("missing"))),
            (405, other, lambda channel: channel.queue_declare(locked, passive=True)),
            (406, connection, lambda channel: channel.queue_declare(locked, exclusive=True, auto_delete=True)),
        ):
            closed = await failure(ChannelClosedByBroker, operation(await whose.channel()))
            assert closed.reply_code == code, closed
        channel = await connection.channel()
        channel.basic_ack(99)
        assert (closed := await channel.on_closed).reply_code == 406, closed
        assert await message_count(await connection.channel(), locked) == 0

        await failure(ConnectionDone, (await other.channel()).basic_qos(prefetch_size=1))  # 540, but pika forgets that
        assert other.is_closed
    for parameters in (cases.wrong_password(), cases.unknown_virtual_host()):
        await failure(AMQPConnectionError, connect(parameters).__aenter__())


async def failure(expected, operation):
    try:
        await operation
    except expected as error:
        return error
    raise AssertionError(f"there was no {expected.__name__}")


@check("reconnect after a forced close")
async def reconnect_after_a_forced_close():
    await reconnect(force_close, ConnectionDone)


@check("reconnect after a cut")
async def reconnect_after_a_cut():
    await reconnect(cut, (ConnectionDone, ConnectionLost))


async def reconnect(break_connections, expected):
    """A service that keeps up a connection, and prepares each new one for its consumer."""
    queue, channels = name_of("work"), defer.DeferredQueue()
    service = ClientService(
        ENDPOINT,
        Factory.forProtocol(functools.partial(TwistedProtocolConnection, PARAMETERS)),
        retryPolicy=lambda attempts: 0,
        prepareConnection=lambda connection: defer.ensureDeferred(prepare(connection)),
    )

    async def prepare(connection):
        await connection.ready
        channel = await connection.channel()
        await channel.queue_declare(queue, durable=True)
        messages, _ = await channel.basic_consume(queue)
        channels.put((channel, messages))

    service.startService()
    channel, messages = await channels.get()
    for body in (b"1", b"2", b"3"):
        await channel.basic_publish("", queue, body)
    assert [body for _, _, body in await take(messages, 3)] == [b"1", b"2", b"3"]
    channel.basic_ack(1)
    await channel.basic_qos()  # its reply says that the broker has seen the ack
    break_connections()
    assert isinstance(await channel.on_closed, expected)

    channel, messages = await channels.get()
    await channel.basic_publish("", queue, b"4")
    received = sorted((method.redelivered, body) for method, _, body in await take(messages, 3))
    assert received == [(False, b"4"), (True, b"2"), (True, b"3")], received
    channel.basic_ack(multiple=True)
    assert (await channel.queue_delete(queue)).method.message_count == 0
    await service.stopService()


main()
