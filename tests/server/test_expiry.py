"""Messages expire although nobody asks for anything: the reactor wakes up for it."""

import trio
from pamqp.commands import Basic, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from .peer import Server


async def test_an_idle_broker_drops_what_expires_when_it_expires(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    await peer.publish("q", b"first", expiration="1000")
    await peer.publish("q", b"second", expiration="3000")
    await wait_all_tasks_blocked()
    began_at = trio.current_time()
    for after_s, ready in [(0.9, 2), (1.1, 1), (2.9, 1), (3.1, 0)]:
        await trio.sleep_until(began_at + after_s)
        assert server.ready("q") == ready


async def test_a_deadline_wakes_a_reactor_that_sleeps_until_a_later_one(
    autojump_clock: MockClock, server: Server
) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="late"))
    await peer.ask(Queue.Declare(queue="soon"))
    await peer.publish("late", expiration="100000")
    await wait_all_tasks_blocked()
    await peer.publish("soon", expiration="1000")
    await wait_all_tasks_blocked()
    await trio.sleep_until(trio.current_time() + 2)
    assert (server.ready("late"), server.ready("soon")) == (1, 0)


async def test_a_message_that_never_waits_does_not_expire(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    await peer.publish("q", b"gone", expiration="0")
    await peer.say(Basic.Get(queue="q"))
    await peer.expect("Basic.GetEmpty")
    await peer.ask(Basic.Consume(queue="q", no_ack=True))
    await peer.publish("q", b"taken", expiration="0")
    assert (await peer.expect("Basic.Deliver")).body == b"taken"
