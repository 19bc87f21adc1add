"""pika.SelectConnection, with the poller that is named on the command line."""

import functools
import sys
import threading

import callback_checks
import callback_errors
from callbacks import Adapter, ask, channel_of, exclusive_queue
from checks import main
from pika.adapters import select_connection

select_connection.SELECT_TYPE = sys.argv.pop(1)
loop = select_connection.IOLoop()
SelectConnection = functools.partial(select_connection.SelectConnection, custom_ioloop=loop)
adapter = Adapter(SelectConnection, loop.call_later, loop.start, loop.stop)
adapter.check_all(callback_checks.CHECKS | callback_errors.CHECKS)


@adapter.check("threads answer by way of the loop")
async def threads(connect):
    async with connect() as connection:
        channel = await channel_of(connection)

        def work(method, properties, body):
            answer = body.upper()

            def send():
                channel.basic_publish("", properties.reply_to, answer)
                channel.basic_ack(method.delivery_tag)

            loop.add_callback_threadsafe(send)

        def on_request(_, *request):
            threading.Thread(target=work, args=request).start()

        queue = await exclusive_queue(channel)
        await ask(channel.basic_consume, queue, on_message_callback=on_request)
        await callback_checks.check_answers(channel, queue)


main()
