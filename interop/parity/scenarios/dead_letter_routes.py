"""Dead letters: where they go, in which order, and what does not become one."""

from typing import Any

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.scenarios.dead_letters import SOON_MS, dead_letter_to, pair, reject_one
from interop.parity.script import Channel, Stage


def queue_dying_to(stage: Stage, channel: Channel, exchange: str, **more: Any) -> str:  # noqa: ANN401
    """A queue whose dead letters go to an exchange with the keys they have."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return channel.declare(stage.name("q"), exclusive=True, arguments={"x-dead-letter-exchange": exchange} | named)


@scenario()
def no_dead_letter_exchange(stage: Stage) -> None:
    """Without an exchange for them, messages just go."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 2)
    channel.get(queue)
    channel.reject(1, requeue=False)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def missing_exchange(stage: Stage) -> None:
    """As long as the exchange is missing, dead letters are lost; it may be declared and deleted at any time."""
    channel = stage.channel()
    exchange = stage.name("x")
    queue = queue_dying_to(stage, channel, exchange)
    dead = channel.declare(stage.name("dead"), exclusive=True)
    for body, there in ((b"lost", False), (b"kept", True), (b"lost again", False), (b"kept again", True)):
        if there:
            channel.exchange(exchange, "fanout")
            channel.bind(dead, exchange)
        channel.publish("", queue, body)
        reject_one(channel, queue)
        if there:
            channel.until_queue(dead, message_count=1)
            channel.drain(dead)
            channel.call("exchange.delete", exchange=exchange)
        else:
            channel.call("queue.purge", queue=queue)


@scenario()
def default_exchange_with_own_keys(stage: Stage) -> None:
    """By the default exchange and the keys it has, a rejected message comes back, to queues of CC and BCC, too."""
    channel = stage.channel()
    queue, copied, blind = stage.name("q"), stage.name("cc"), stage.name("bcc")
    channel.declare(queue, exclusive=True, arguments={"x-dead-letter-exchange": ""})
    channel.publish("", queue, b"body", properties=codec.properties(headers={"CC": [copied], "BCC": [blind]}))
    channel.declare(copied, exclusive=True)
    channel.declare(blind, exclusive=True)
    reject_one(channel, queue)
    for each in (queue, copied, blind):
        channel.until_queue(each, message_count=1)
        channel.drain(each)


@scenario(
    each={"no key": {}, "key": {"x_dead_letter_routing_key": "new.key"}, "empty": {"x_dead_letter_routing_key": ""}}
)
def topic(stage: Stage, key: dict[str, str]) -> None:
    """A topic exchange sees the dead-letter routing key, or the key published with."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "topic")
    queue = queue_dying_to(stage, channel, exchange, **key)
    dead = {
        pattern: channel.declare(stage.name(f"dead {pattern}"), exclusive=True) for pattern in ("#.*", "new.*", "#")
    }
    for pattern, each in dead.items():
        channel.bind(each, exchange, pattern)
    channel.publish("", queue, b"body", properties=codec.properties(headers={"CC": ["a.b", "c"]}))
    reject_one(channel, queue)
    channel.until_queue(dead["#"], message_count=1)
    for each in dead.values():
        channel.drain(each)


@scenario()
def headers(stage: Stage) -> None:
    """A headers exchange sees the headers that tell of the death."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "headers")
    queue = queue_dying_to(stage, channel, exchange, x_message_ttl=SOON_MS)
    dead = {reason: channel.declare(stage.name(reason), exclusive=True) for reason in ("rejected", "expired")}
    for reason, each in dead.items():
        channel.bind(each, exchange, arguments={"x-match": "all-with-x", "x-first-death-reason": reason})
    channel.publish("", queue, b"body")
    channel.until_queue(dead["expired"], message_count=1)
    for each in dead.values():
        channel.drain(each)


@scenario()
def alternate_exchange(stage: Stage) -> None:
    """What the dead-letter exchange cannot route goes to its alternate, with the dead-letter exchange's name."""
    channel = stage.channel()
    alternate = channel.exchange(stage.name("ae"), "fanout")
    exchange = channel.exchange(stage.name("x"), arguments={"alternate-exchange": alternate})
    queue = queue_dying_to(stage, channel, exchange)
    dead = channel.declare(stage.name("dead"), exclusive=True)
    channel.bind(dead, alternate)
    channel.publish("", queue, b"body")
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)


@scenario(each={"internal": True, "bound": False})
def through_exchanges(stage: Stage, internal: bool) -> None:
    """An internal exchange may be a dead-letter exchange, and exchanges bound to it pass the message on, once."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "fanout", internal=internal)
    inner = channel.exchange(stage.name("inner"), "fanout")
    queue = queue_dying_to(stage, channel, exchange)
    dead = channel.declare(stage.name("dead"), exclusive=True)
    channel.call("exchange.bind", source=exchange, destination=inner)
    channel.bind(dead, exchange)
    channel.bind(dead, inner)
    channel.publish("", queue, b"body")
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)


@scenario()
def unroutable(stage: Stage) -> None:
    """A dead letter nobody wants is lost; mandatory does not bring it back."""
    channel = stage.channel()
    queue = queue_dying_to(stage, channel, "amq.direct")
    channel.publish("", queue, b"body", mandatory=True)
    reject_one(channel, queue)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def nack_multiple(stage: Stage) -> None:
    """Messages die in the order they were delivered, each to where its queue sends them."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish_some(queue, 5)
    channel.consume(queue)
    channel.wait_deliveries(5)
    channel.ack(2)
    channel.nack(4, multiple=True, requeue=False)
    channel.nack(0, multiple=True, requeue=False)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)


@scenario()
def order_of_rejections(stage: Stage) -> None:
    """Messages die in the order they are rejected."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish_some(queue, 5)
    channel.consume(queue)
    channel.wait_deliveries(5)
    for tag in (4, 2, 5, 1, 3):
        channel.reject(tag, requeue=False)
    channel.until_queue(dead, message_count=5)
    channel.drain(dead)


@scenario()
def order_of_expiry(stage: Stage) -> None:
    """Messages expire at the head: one that lives longer keeps the others, which die with it."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    for body, lifetime_ms in ((b"long", 3 * SOON_MS), (b"short", 1), (b"none", None), (b"behind", 1)):
        properties = {} if lifetime_ms is None else {"expiration": str(lifetime_ms)}
        channel.publish("", queue, body, properties=codec.properties(**properties))
    channel.until_queue(dead, message_count=2)
    channel.until_queue(queue, message_count=2)
    channel.drain(dead)
    channel.get(queue, no_ack=True)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)
    channel.drain(queue)


@scenario(each={"commit": "tx.commit", "rollback": "tx.rollback"})
def transaction(stage: Stage, end: str) -> None:
    """Rejections of a transaction happen at its commit."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish_some(queue, 3)
    channel.call("tx.select")
    channel.consume(queue)
    channel.wait_deliveries(3)
    channel.nack(2, multiple=True, requeue=False)
    channel.reject(3, requeue=False)
    channel.settle(queue, dead)
    channel.get(dead)
    channel.call(end)
    if end == "tx.rollback":
        channel.nack(0, multiple=True, requeue=False)
        channel.call("tx.commit")
    channel.until_queue(dead, message_count=3)
    channel.drain(dead)


@scenario()
def deleted_and_purged(stage: Stage) -> None:
    """Messages of a queue that is purged, deleted or left by its last consumer do not become dead letters."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    for case in ("purged", "deleted", "auto-deleted"):
        arguments = dead_letter_to(dead)
        queue = channel.declare(
            stage.name(case), exclusive=True, auto_delete=case == "auto-deleted", arguments=arguments
        )
        channel.publish_some(queue, 3)
        channel.get(queue)
        if case == "purged":
            channel.call("queue.purge", queue=queue)
        if case == "auto-deleted":
            channel.call("basic.qos", prefetch_count=1)
            channel.consume(queue)
            channel.wait_deliveries(1)
            channel.call("basic.cancel", consumer_tag="c")
        else:
            channel.call("queue.delete", queue=queue)
    last = channel.declare(stage.name("last"), exclusive=True, arguments=dead_letter_to(dead))
    channel.publish("", last, b"marker")
    reject_one(channel, last)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)


@scenario()
def expired_queue(stage: Stage) -> None:
    """Nor do those of a queue that expired."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    arguments = dead_letter_to(dead) | {"x-expires": 5}  # less than the time between two looks: each starts it anew
    queue = channel.declare(stage.name("q"), exclusive=True, arguments=arguments)
    channel.publish_some(queue, 3)
    channel.connection.until_queue_gone(queue)
    channel.settle(dead)
    channel.drain(dead)


@scenario()
def requeued_and_expired(stage: Stage) -> None:
    """A message keeps its time while somebody has it: requeued too late, it dies at once."""
    channel = stage.channel()
    queue, dead = pair(stage, channel, x_message_ttl=10 * SOON_MS)
    done = channel.declare(stage.name("done"), exclusive=True)
    clock = channel.declare(stage.name("clock"), exclusive=True, arguments=dead_letter_to(done))
    channel.publish("", queue, b"body")
    channel.get(queue)
    channel.publish("", clock, b"tick", properties=codec.properties(expiration=str(12 * SOON_MS)))
    channel.until_queue(done, message_count=1)
    channel.reject(1, requeue=True)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)
    channel.drain(queue)


@scenario()
def full_dead_letter_queue(stage: Stage) -> None:
    """A dead-letter queue that refuses loses the message, whatever confirms say; one that drops passes the head on."""
    channel = stage.channel()
    last = channel.declare(stage.name("last"), exclusive=True)
    limits = {"x-max-length": 1}
    refusing = channel.declare(
        stage.name("refusing"), exclusive=True, arguments=limits | {"x-overflow": "reject-publish"}
    )
    dropping = channel.declare(stage.name("dropping"), exclusive=True, arguments=limits | dead_letter_to(last))
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.bind(refusing, exchange)
    channel.bind(dropping, exchange)
    queue = queue_dying_to(stage, channel, exchange)
    channel.call("confirm.select")
    channel.publish_some(queue, 3)
    channel.wait_confirms(3)
    channel.consume(queue)
    channel.wait_deliveries(3)
    channel.nack(3, multiple=True, requeue=False)
    channel.until_queue(last, message_count=2)
    for each in (refusing, dropping, last):
        channel.drain(each)


@scenario()
def zero_time_to_live_to_zero(stage: Stage) -> None:
    """A message that may not wait anywhere goes through to the consumer at the end."""
    channel = stage.channel()
    last = channel.declare(stage.name("last"), exclusive=True, arguments={"x-message-ttl": 0})
    middle = channel.declare(
        stage.name("middle"), exclusive=True, arguments=dead_letter_to(last) | {"x-message-ttl": 0}
    )
    first = channel.declare(
        stage.name("first"), exclusive=True, arguments=dead_letter_to(middle) | {"x-message-ttl": 0}
    )
    channel.consume(last, no_ack=True)
    channel.publish("", first, b"body")
    channel.wait_deliveries(1)


@scenario()
def both_ends_of_a_fanout(stage: Stage) -> None:
    """The same message in several queues dies in each on its own."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "fanout")
    dead = channel.declare(stage.name("dead"), exclusive=True)
    queues = [stage.name(label) for label in "ab"]
    for queue in queues:
        channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
        channel.bind(queue, exchange)
    headers = {"z": 1, "CC": ["copy"], "a": 2}
    channel.publish(exchange, "key", b"body", properties=codec.properties(headers=headers, expiration="100000"))
    for count, queue in enumerate(queues, 1):
        reject_one(channel, queue)
        channel.until_queue(dead, message_count=count)
    channel.drain(dead)


@scenario(each={"channel": False, "connection": True})
def close_requeues(stage: Stage, connection: bool) -> None:
    """What was not acknowledged when its channel or connection ends is requeued, not dead."""
    channel, other = stage.channel(), stage.channel()
    dead = other.declare(stage.name("dead"))
    queue = other.declare(stage.name("q"), arguments=dead_letter_to(dead))
    other.publish_some(queue, 2)
    other.until_queue(queue, message_count=2)
    channel.consume(queue)
    channel.wait_deliveries(2)
    if connection:
        channel.connection.close()
    else:
        channel.close()
    other.until_queue(queue, message_count=2)
    other.get(queue)
    other.reject(1, requeue=False)
    other.until_queue(dead, message_count=1)
    other.drain(dead)
