"""pika.adapters.tornado_connection.TornadoConnection."""

import functools

import callback_checks
import callback_errors
from callbacks import Adapter, ask, channel_of, exclusive_queue
from checks import main
from pika.adapters.tornado_connection import TornadoConnection
from tornado import gen
from tornado.ioloop import IOLoop
from tornado.queues import Queue

loop = IOLoop()
connection_in_loop = functools.partial(TornadoConnection, custom_ioloop=loop)
adapter = Adapter(connection_in_loop, loop.call_later, loop.start, loop.stop)
adapter.check_all(callback_checks.CHECKS | callback_errors.CHECKS)


@adapter.check("coroutines of Tornado in the same loop")
async def coroutines(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        requests = Queue()

        async def answer_requests():
            async for _, method, properties, body in requests:
                await gen.sleep(0)
                channel.basic_publish("", properties.reply_to, body.upper())
                channel.basic_ack(method.delivery_tag)

        loop.spawn_callback(answer_requests)
        queue = await exclusive_queue(channel)
        await ask(channel.basic_consume, queue, on_message_callback=lambda *request: requests.put_nowait(request))
        await callback_checks.check_answers(channel, queue)


main()
