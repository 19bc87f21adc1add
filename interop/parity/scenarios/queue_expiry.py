"""Expiry of queues by x-expires: what keeps a queue alive, and what goes with it.

Nothing is timed. What must not have expired yet has a witness: a queue with the same lifetime, declared later.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from interop.parity.connection import POLL_INTERVAL_S, WAIT_TIMEOUT_S, Channel, Overdue
from interop.parity.scenario import scenario
from interop.parity.script import Stage

LIFE_MS = 1000  # what must happen within it may take its time on a loaded machine
NEVER_MS = 100_000_000
ATTEMPTS = 10  # where even that is not enough


def unseen_channel(stage: Stage) -> Channel:
    """A channel whose frames are no part of the transcript."""
    connection = stage.connect()
    connection.recording = False
    return connection.channel()


def is_there(channel: Channel, queue: str) -> bool:
    """Ask by a bind: a declare would keep the queue alive. The channel is closed if the answer is no, or even its
    connection, as RabbitMQ 4.3 sometimes crashes when the queue goes at that moment."""
    channel.bind(queue, "amq.direct", queue)
    return not (channel.closed or channel.connection.closing or channel.connection.ended)


def until_expired(stage: Stage, queue: str, meanwhile: Callable[[Channel], object] = Channel.sync) -> None:
    """Wait until the queue is gone, and do something each time it is found alive."""
    asking, doing = unseen_channel(stage), unseen_channel(stage)
    deadline = time.monotonic() + WAIT_TIMEOUT_S
    while is_there(asking, queue):
        if time.monotonic() > deadline:
            raise Overdue(f"queue {queue} does not expire")
        meanwhile(doing)
        doing.sync()
        doing = doing.reopen() if doing.closed else doing
        time.sleep(POLL_INTERVAL_S)


def declare_expiring(stage: Stage, channel: Channel, label: str = "q", **arguments: Any) -> str:  # noqa: ANN401
    return channel.declare(stage.name(label), arguments={"x-expires": LIFE_MS} | arguments)


Doing = Callable[[Channel, str], object]


def come_and_go(channel: Channel, queue: str) -> None:
    channel.consume(queue)
    channel.call("basic.cancel", consumer_tag="c")


KEEPING_ALIVE: Mapping[str, Doing] = {
    "declare": lambda channel, queue: channel.declare(queue, arguments={"x-expires": LIFE_MS}),
    "passive declare": lambda channel, queue: channel.declare(queue, passive=True),
    "get": lambda channel, queue: channel.get(queue),
    "get without ack": lambda channel, queue: channel.get(queue, no_ack=True),
    "consumer": come_and_go,
}


@scenario(each=KEEPING_ALIVE)
def keeps_a_queue_alive(stage: Stage, doing: Doing) -> None:
    """Time begins anew: the queue is still there when one that was declared later is gone."""
    for _ in range(ATTEMPTS):
        alive = outlives_a_witness(stage, doing)
        if alive is not None:
            stage.note("the queue is there" if alive else "the queue is gone")
            return
    raise Overdue("the machine is too busy to keep a queue alive")


def outlives_a_witness(stage: Stage, doing: Doing) -> bool | None:
    """Whether it does when this is done again and again; None if a pause was so long that it proves nothing."""
    asking, channel = unseen_channel(stage), unseen_channel(stage)
    since, longest_s = time.monotonic(), 0.0
    queue = declare_expiring(stage, channel)
    channel.publish("", queue, b"one")
    witness = declare_expiring(stage, channel, "witness")
    while is_there(asking, witness):
        before = time.monotonic()
        doing(channel, queue)
        longest_s, since = max(longest_s, time.monotonic() - since), before
        time.sleep(POLL_INTERVAL_S)
    alive = is_there(unseen_channel(stage), queue)
    longest_s = max(longest_s, time.monotonic() - since)
    return alive if longest_s * 1000 < LIFE_MS else None


NOT_KEEPING_ALIVE: Mapping[str, Doing] = {
    "nothing": lambda channel, queue: None,
    "publish": lambda channel, queue: channel.publish("", queue, b"more", mandatory=True),
    "purge": lambda channel, queue: channel.call("queue.purge", queue=queue),
    "unbind": lambda channel, queue: channel.call("queue.unbind", queue=queue, exchange="amq.direct"),
    # What is refused also for a new queue: it must not come back in this way.
    "refused declare": lambda channel, queue: channel.declare(queue, arguments={"x-expires": 0}),
    "refused delete": lambda channel, queue: channel.call("queue.delete", queue=queue, if_empty=True),
    "declare without waiting": lambda channel, queue: channel.send(
        "queue.declare", queue=queue, arguments={"x-expires": LIFE_MS}, nowait=True
    ),
    "passive declare without waiting": lambda channel, queue: channel.send(
        "queue.declare", queue=queue, passive=True, nowait=True
    ),
}


@scenario(each=NOT_KEEPING_ALIVE)
def does_not_keep_a_queue_alive(stage: Stage, doing: Doing) -> None:
    """It expires meanwhile, with its message."""
    channel = stage.channel()
    queue = declare_expiring(stage, channel)
    channel.publish("", queue, b"one")
    channel.sync()
    until_expired(stage, queue, meanwhile=lambda other: doing(other, queue))
    channel.publish("", queue, b"nobody there", mandatory=True)
    channel.wait("basic.return")


UNCONSUMED: Mapping[str, Callable[[Channel], object]] = {
    "cancel": lambda channel: channel.call("basic.cancel", consumer_tag="c"),
    "channel": Channel.close,
    "connection": lambda channel: channel.connection.close(),
    "without a word": lambda channel: channel.connection.drop(),
}


@scenario(each=UNCONSUMED)
def consumers_keep_a_queue(stage: Stage, leave: Callable[[Channel], object]) -> None:
    """Time does not count while there is a consumer, and does again when the last one leaves."""
    other, channel = stage.channel(), stage.channel()
    queue = stage.name()
    channel.send("queue.declare", queue=queue, nowait=True, arguments={"x-expires": LIFE_MS})
    channel.consume(queue)
    until_expired(stage, declare_expiring(stage, other, "witness"))
    other.declare(queue, passive=True)
    leave(channel)
    until_expired(stage, queue)


@scenario()
def one_consumer_of_two_leaves(stage: Stage) -> None:
    """The other one keeps the queue."""
    channel = stage.channel()
    queue = stage.name()
    channel.send("queue.declare", queue=queue, nowait=True, arguments={"x-expires": LIFE_MS})
    channel.consume(queue, "one")
    channel.consume(queue, "two")
    channel.call("basic.cancel", consumer_tag="one")
    until_expired(stage, declare_expiring(stage, channel, "witness"))
    channel.declare(queue, passive=True)


@scenario()
def unacked_messages_do_not_keep_a_queue(stage: Stage) -> None:
    """Who got a message may still settle it when the queue is gone."""
    channel = stage.channel()
    queue = declare_expiring(stage, channel)
    channel.publish_some(queue, 2)
    channel.get(queue)
    channel.get(queue)
    until_expired(stage, queue)
    channel.ack(1)
    channel.nack(2)
    channel.sync()
    channel.ack(1)
    channel.wait_close()


@scenario()
def expired_queues_dead_letter_nothing(stage: Stage) -> None:
    """Messages go with their queue."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"))
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = declare_expiring(stage, channel, **arguments)
    channel.publish_some(queue, 2)
    channel.get(queue)
    until_expired(stage, queue)
    channel.nack(1, requeue=False)
    channel.settle(dead)
    channel.declare(dead, passive=True)


@scenario()
def expired_queues_are_unbound(stage: Stage) -> None:
    """Their last binding takes an auto-delete exchange along."""
    channel = stage.channel()
    queue = declare_expiring(stage, channel)
    name = channel.exchange(stage.name("x"), "fanout", auto_delete=True)
    channel.bind(queue, name)
    until_expired(stage, queue)
    channel.exchange(name, "fanout", passive=True)


@scenario()
def an_expired_queue_is_declared_again(stage: Stage) -> None:
    """As new, with whatever arguments; the channel remembers its name all the time."""
    channel = stage.channel()
    queue = declare_expiring(stage, channel)
    channel.publish("", queue, b"old")
    until_expired(stage, queue)
    other = stage.channel()
    other.declare(queue, durable=True, arguments={"x-expires": NEVER_MS})
    other.publish("", queue, b"new")
    other.settle(queue)
    channel.get("")


@scenario(each=["exclusive", "auto_delete", "durable"])
def queues_of_all_kinds_expire(stage: Stage, kind: str) -> None:
    """Whatever else would end them."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-expires": 1}, **{kind: True})
    channel.connection.until_queue_gone(queue)


@scenario()
def the_sooner_of_many(stage: Stage) -> None:
    """Each queue has its own time."""
    channel = stage.channel()
    longest = declare_expiring(stage, channel, "longest", **{"x-expires": NEVER_MS})
    for life in (LIFE_MS, 1):
        until_expired(stage, declare_expiring(stage, channel, str(life), **{"x-expires": life}))
    channel.declare(longest, passive=True)
