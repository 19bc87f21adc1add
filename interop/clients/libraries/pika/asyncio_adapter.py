"""pika.adapters.asyncio_connection.AsyncioConnection."""

import asyncio
import functools

import callback_checks
import callback_errors
from callbacks import Adapter, ask, channel_of, exclusive_queue
from checks import main
from pika.adapters.asyncio_connection import AsyncioConnection

loop = asyncio.new_event_loop()
connection_in_loop = functools.partial(AsyncioConnection, custom_ioloop=loop)
adapter = Adapter(connection_in_loop, loop.call_later, loop.run_forever, loop.stop)
adapter.check_all(callback_checks.CHECKS | callback_errors.CHECKS)


@adapter.check("tasks of asyncio in the same loop")
async def tasks(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        requests = asyncio.Queue()

        async def answer_requests():
            while True:
                _, method, properties, body = await requests.get()
                await asyncio.sleep(0)
                channel.basic_publish("", properties.reply_to, body.upper())
                channel.basic_ack(method.delivery_tag)

        task = loop.create_task(answer_requests())
        queue = await exclusive_queue(channel)
        await ask(channel.basic_consume, queue, on_message_callback=lambda *request: requests.put_nowait(request))
        await callback_checks.check_answers(channel, queue)
        task.cancel()


main()
