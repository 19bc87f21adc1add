"""pika.adapters.gevent_connection.GeventConnection."""

import callback_checks
import callback_errors
import gevent
from callbacks import Adapter, ask, channel_of, exclusive_queue
from checks import main
from gevent.event import Event
from pika.adapters.gevent_connection import GeventConnection

done = Event()


def wait_until_done():
    done.wait()
    done.clear()


adapter = Adapter(GeventConnection, gevent.spawn_later, wait_until_done, done.set)
adapter.check_all(callback_checks.CHECKS | callback_errors.CHECKS)


@adapter.check("greenlets")
async def greenlets(connect):
    async with connect() as connection:
        channel = await channel_of(connection)

        def answer(_, method, properties, body):
            gevent.sleep(0)
            channel.basic_publish("", properties.reply_to, body.upper())
            channel.basic_ack(method.delivery_tag)

        queue = await exclusive_queue(channel)
        await ask(channel.basic_consume, queue, on_message_callback=lambda *request: gevent.spawn(answer, *request))
        await callback_checks.check_answers(channel, queue)


main()
