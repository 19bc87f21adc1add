"""Checks for all of pika's adapters that call back: what the broker refuses, and connections that end."""

import cases
from callbacks import ask, channel_of, consumed, ended, message_count, take
from checks import cut, force_close, name_of
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)


async def refusal(operation):
    """With what the broker closes the channel or the connection."""
    try:
        await operation
    except (ChannelClosedByBroker, ConnectionClosedByBroker) as closed:
        return closed
    raise AssertionError("it was not refused")


async def errors(connect):
    async with connect() as connection, connect() as other:
        locked = (await ask((await channel_of(connection)).queue_declare, name_of("locked"), exclusive=True)).queue
        for code, whose, operation in (
            (403, connection, lambda channel: ask(channel.exchange_declare, "amq.mine")),
            (404, connection, lambda channel: ask(channel.queue_bind, locked, name_of("missing"))),
            (405, other, lambda channel: ask(channel.queue_declare, locked, passive=True)),
            (406, connection, lambda channel: ask(channel.queue_declare, locked, exclusive=True, auto_delete=True)),
            (540, other, lambda channel: ask(channel.basic_qos, prefetch_size=1)),
        ):
            assert (closed := await refusal(operation(await channel_of(whose)))).reply_code == code, closed
        channel = await channel_of(connection)
        channel.basic_ack(99)
        assert (closed := await ended(channel)).reply_code == 406, closed
        assert await message_count(await channel_of(connection), locked) == 0
    for parameters, expected in (
        (cases.wrong_password(), ProbableAuthenticationError),
        (cases.unknown_virtual_host(), ProbableAccessDeniedError),
    ):
        try:
            async with connect(parameters):
                raise AssertionError("the login was not refused")
        except expected:
            pass


async def reconnect_after_a_forced_close(connect):
    lost = await reconnect(connect, force_close, ConnectionClosedByBroker)
    assert lost.reply_code == 320, lost


async def reconnect_after_a_cut(connect):
    await reconnect(connect, cut, StreamLostError)


async def reconnect(connect, break_connections, expected):
    """A consumer that loses its connection, and another one that goes on with its work; what the first one was told."""
    queue = name_of("work")
    async with connect() as connection:
        channel = await channel_of(connection)
        await ask(channel.queue_declare, queue, durable=True)
        for body in (b"1", b"2", b"3"):
            channel.basic_publish("", queue, body)
        messages = await consumed(channel, queue)
        assert [body for _, _, body in await take(messages, 3)] == [b"1", b"2", b"3"]
        channel.basic_ack(1)
        await ask(channel.basic_qos)  # its reply says that the broker has seen the ack
        break_connections()
        error = await ended(channel)
        assert isinstance(error, expected), error
    async with connect() as connection:
        channel = await channel_of(connection)
        await ask(channel.queue_declare, queue, durable=True)
        channel.basic_publish("", queue, b"4")
        received = await take(await consumed(channel, queue, auto_ack=True), 3)
        assert sorted((method.redelivered, body) for method, _, body in received) == [
            (False, b"4"),
            (True, b"2"),
            (True, b"3"),
        ]
        assert (await ask(channel.queue_delete, queue)).message_count == 0
    return error


CHECKS = {
    "errors": errors,
    "reconnect after a forced close": reconnect_after_a_forced_close,
    "reconnect after a cut": reconnect_after_a_cut,
}
