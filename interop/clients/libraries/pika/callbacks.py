"""pika's callbacks, awaited: for checks that read from top to bottom, whatever event loop calls back.

adapter = Adapter(SelectConnection, loop.call_later, loop.start, loop.stop)

@adapter.check("hello")
async def hello(connect):
    async with connect() as connection:
        channel = await channel_of(connection)
        await ask(channel.queue_declare, "hello")
"""

import contextlib
from collections import deque

from cases import DEADLINE_S, PARAMETERS
from checks import check
from pika.exceptions import AMQPError
from pika.spec import Basic


class Calls:
    """A callback that keeps what it is called with: `await` takes it, one call after the other."""

    def __init__(self, owner=None):
        """When its owner ends, a connection or a channel, why it ended is raised."""
        self._calls = deque()
        self._end = None
        self._wake = None
        if owner is not None:
            owner.add_on_close_callback(self.end)

    def __call__(self, *values):
        self._calls.append(values[0] if len(values) == 1 else values)
        self._awaken()

    def end(self, _, reason):
        self._end = reason
        self._awaken()

    def __await__(self):
        while not self._calls:
            if self._end:
                raise self._end
            yield self._sleep
        return self._calls.popleft()

    def _sleep(self, wake):
        self._wake = wake

    def _awaken(self):
        wake, self._wake = self._wake, None
        if wake:
            wake()


class Adapter:
    """A kind of connection, and what it takes to lead its event loop."""

    def __init__(self, kind, call_later, start, stop):
        self._kind = kind
        self._call_later = call_later
        self._start = start
        self._stop = stop

    def check_all(self, checks):
        for name, function in checks.items():
            self.check(name)(function)

    def check(self, name):
        """Make a coroutine function that is given `connect` one of the program's checks."""

        def register(function):
            check(name)(lambda: self._run(function(self.connect)))
            return function

        return register

    @contextlib.asynccontextmanager
    async def connect(self, parameters=PARAMETERS):
        """A connection for as long as it is needed; what keeps it from opening is raised."""
        opening = Calls()
        self._kind(parameters, on_open_callback=opening, on_open_error_callback=opening.end)
        connection = await opening
        yield connection
        if connection.is_open:
            connection.close()
            await ended(connection)

    def _run(self, coroutine):
        """Lead a coroutine to its end, a step with each callback that it waits for."""
        errors = []
        running = True

        def go_on(error=None):
            nonlocal running
            try:
                sleep = coroutine.throw(error) if error else coroutine.send(None)
            except BaseException as outcome:
                running = False
                errors.extend([] if isinstance(outcome, StopIteration) else [outcome])
                self._stop()
            else:
                sleep(go_on)

        def give_up():
            if running:
                go_on(TimeoutError(f"not done after {DEADLINE_S} s"))

        self._call_later(0, go_on)
        self._call_later(DEADLINE_S, give_up)
        self._start()
        for error in errors:
            raise error


async def channel_of(connection):
    opening = Calls(connection)
    connection.channel(on_open_callback=opening)
    return await opening


async def ask(method, *arguments, **options):
    """What the broker replies to a method of a channel. If it closes the channel instead, that is raised."""
    reply = Calls(method.__self__)
    method(*arguments, callback=reply, **options)
    return (await reply).method


async def ended(what):
    """Why a connection or a channel ends, when it does."""
    try:
        await Calls(what)
    except AMQPError as reason:
        return reason


async def exclusive_queue(channel, **arguments):
    return (await ask(channel.queue_declare, "", exclusive=True, arguments=arguments)).queue


async def message_count(channel, queue):
    return (await ask(channel.queue_declare, queue, passive=True)).message_count


async def consumed(channel, queue, **options):
    """The messages of a queue, to be awaited: channel, method, properties and body of each."""
    messages = Calls(channel)
    await ask(channel.basic_consume, queue, on_message_callback=messages, **options)
    return messages


async def take(messages, count):
    return [(await messages)[1:] for _ in range(count)]


async def confirming(connection):
    """A channel, and its confirms to be awaited."""
    channel = await channel_of(connection)
    confirms = Calls(channel)
    await ask(channel.confirm_delivery, confirms)
    return channel, confirms


async def publish(channel, confirms, exchange, routing_key, body=b"", properties=None):
    """Publish, and wait for the confirm."""
    channel.basic_publish(exchange, routing_key, body, properties)
    assert isinstance((await confirms).method, Basic.Ack)
