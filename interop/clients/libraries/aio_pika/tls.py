"""aio-pika in TLS."""

import os
import ssl

import aio_pika
import yarl
from aio_pika import Message
from aio_pika.exceptions import ProbableAuthenticationError
from checks import AMQPS_URL, AUTHORITY, CERTIFICATE, TLS_SIZES, check, main, name_of
from inbox import raised

BODIES = [os.urandom(size) for size in TLS_SIZES]
BY_CERTIFICATE = yarl.URL(AMQPS_URL or "").update_query(auth="external")


@check("TLS: bodies of several sizes")
async def bodies():
    context = ssl.create_default_context(cafile=AUTHORITY)
    async with await aio_pika.connect_robust(AMQPS_URL, ssl_context=context) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name_of("tls"), exclusive=True)
        for body in BODIES:
            await channel.default_exchange.publish(Message(body), queue.name)
        assert [(await queue.get(no_ack=True)).body for _ in BODIES] == BODIES


@check("TLS: bodies of several sizes, options in the URL")
async def options_in_the_url():
    url = yarl.URL(AMQPS_URL).update_query(cafile=AUTHORITY)
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name_of("tls.url"), exclusive=True)
        async with queue.iterator(no_ack=True) as messages:
            for body in BODIES:
                await channel.default_exchange.publish(Message(body), queue.name)
                assert (await anext(messages)).body == body


@check("TLS: an unknown authority is refused")
async def unknown_authority():
    error = await raised(ConnectionError, aio_pika.connect(AMQPS_URL))
    assert "certificate verify failed" in str(error), error


@check("TLS: login by certificate")
async def external():
    context = ssl.create_default_context(cafile=AUTHORITY)
    await raised(ProbableAuthenticationError, aio_pika.connect(BY_CERTIFICATE, ssl_context=context))
    context.load_cert_chain(CERTIFICATE)
    async with await aio_pika.connect(BY_CERTIFICATE, ssl_context=context) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        message = Message(b"", user_id=BY_CERTIFICATE.user)
        await channel.default_exchange.publish(message, queue.name)
        assert (await queue.get(no_ack=True)).user_id == BY_CERTIFICATE.user


main()
