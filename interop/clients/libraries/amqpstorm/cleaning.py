"""conftest.py for AMQPStorm's own tests: what a test has made is deleted by AMQP, not by the management API."""

import contextlib

from amqpstorm import AMQPChannelError, Connection
from amqpstorm.tests import HOST, PASSWORD, USERNAME
from amqpstorm.tests.functional import utility


def clean(names, queue=False, exchange=False):
    with Connection(HOST, USERNAME, PASSWORD) as connection:
        for name in names:
            if queue:
                delete(connection, lambda channel, name=name: channel.queue.delete(name))
            if exchange:
                delete(connection, lambda channel, name=name: channel.exchange.delete(name))


def delete(connection, operation):
    with contextlib.suppress(AMQPChannelError), connection.channel() as channel:
        operation(channel)


utility.clean = clean
