"""Checks that await Twisted's Deferreds, and connections for them. The reactor runs in a thread of its own."""

import contextlib
import threading

import checks
from cases import DEADLINE_S, PARAMETERS
from pika.adapters.twisted_connection import TwistedProtocolConnection
from twisted.internet import defer, endpoints, reactor, threads

ENDPOINT = endpoints.TCP4ClientEndpoint(reactor, PARAMETERS.host, PARAMETERS.port)


def check(name):
    def register(function):
        def start():
            return defer.ensureDeferred(function()).addTimeout(DEADLINE_S, reactor)

        checks.check(name)(lambda: threads.blockingCallFromThread(reactor, start))
        return function

    return register


def main():
    threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False}, daemon=True).start()
    checks.main()


@contextlib.asynccontextmanager
async def connect(parameters=PARAMETERS):
    connection = await endpoints.connectProtocol(ENDPOINT, TwistedProtocolConnection(parameters))
    await connection.ready
    yield connection
    if connection.is_open:
        await connection.close()


async def exclusive_queue(channel, **arguments):
    return (await channel.queue_declare("", exclusive=True, arguments=arguments)).method.queue


async def message_count(channel, queue):
    return (await channel.queue_declare(queue, passive=True)).method.message_count


async def take(messages, count):
    """The next messages that were delivered: method, properties and body of each."""
    return [(await messages.get())[1:] for _ in range(count)]
