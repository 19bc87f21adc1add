"""The plugin's exchange amq.rabbitmq.event: which operation is told under which key, with which facts.

It is one exchange for the whole broker, so a scenario looks only for what bears its own names.
"""

import fnmatch
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from interop.parity.connection import WAIT_TIMEOUT_S, Overdue
from interop.parity.observer import Observer, Told
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Channel, Stage

EVENTS = "amq.rabbitmq.event"

# Stays bound to it from the first scenario on: RabbitMQ tells nothing while there are no bindings, and learns a
# little late that there are some.
ALL_EVENTS = "all events"

# Processes, clocks, ports and nodes are others on each broker, and so are the words of an error.
HIDDEN = frozenset({
    "pid", "owner_pid", "connection", "channel", "node", "port", "peer_port", "connected_at", "timestamp_in_ms",
    "peer_cert_serial_number",
    "timestamp", "error", "cluster_state", "leader", "members",
})  # fmt: skip

# How RabbitMQ keeps its own house is no part of what happened.
INTERNAL_PARAMETERS = "exchange-delete-in-progress"


KNOWN_BINDING = (
    'binding.created arguments=A[S\'{<<"a">>,signedint,1}\', S\'{<<"b">>,longstr,<<"text">>}\'] delivery_mode=octet 2 '
    "destination_kind=S'queue' destination_name=S'q.*' routing_key=S'k' source_kind=S'exchange' "
    "source_name=S'source.*' timestamp=t… timestamp_in_ms=l… user_who_performed_action=S'guest' vhost=S'/' ''"
)


class Watched:
    """Events that bear the scenario's names, from now on."""

    def __init__(self, stage: Stage, *keys: str) -> None:
        self._stage = stage
        self._keys = keys
        preparing = stage.connect()
        preparing.recording = False
        channel = preparing.channel()
        channel.exchange(ALL_EVENTS, "fanout")
        channel.call("exchange.bind", source=EVENTS, destination=ALL_EVENTS, routing_key="#")
        self._observer = Observer(stage, ALL_EVENTS, "")
        self._marks = 0

    def note(self, *awaited: str, in_order: bool = True) -> None:
        """Note what happened since; `awaited` keys must come, however late. Not in order: sorted."""
        events = self._so_far()
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while not set(awaited) <= {each.key for each in events}:
            if time.monotonic() > deadline:
                raise Overdue(f"{awaited} not among {[each.key for each in events]}")
            events += self._so_far()
        lines = [each.text(HIDDEN) for each in events]
        for line in lines if in_order else sorted(lines):
            self._stage.note(line)
        self._stage.note("no more")

    def _so_far(self) -> list[Told]:
        self._marks += 1
        marker = self._stage.name(f"mark {self._marks}")
        return [each for each in self._observer.take_until(marker) if self._is_ours(each)]

    def _is_ours(self, told: Told) -> bool:
        if INTERNAL_PARAMETERS in told.facts.get("component", "") or "mark " in told.facts.get("name", ""):
            return False
        if not any(fnmatch.fnmatchcase(told.key, key) for key in self._keys):
            return False
        return any(self._stage.run_id in value for value in told.facts.values())


def user_channel(stage: Stage) -> Channel:
    """A channel of a user of the scenario's own: the name tells its events from others."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    return stage.channel(user=user, password="hunter2")


@scenario()
def exchange_itself(stage: Stage) -> None:
    """It is a durable internal topic exchange of the default virtual host."""
    channel = stage.channel()
    channel.exchange(EVENTS, "topic", durable=True, internal=True)
    channel.call("exchange.delete", exchange=EVENTS)
    channel = stage.channel()
    channel.publish(EVENTS, "k", b"a")
    channel.wait_close()


QUEUES: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "durable": {"durable": True},
    "auto-delete": {"auto_delete": True},
    "exclusive": {"exclusive": True},
    "arguments": {"arguments": {"x-max-length": 5, "x-dead-letter-exchange": "d", "x-unknown": True}},
    "quorum": {"durable": True, "arguments": {"x-queue-type": "quorum"}},
}


@scenario(each=QUEUES)
def queues(stage: Stage, fields: dict[str, Any]) -> None:
    """queue.created for a new queue only, queue.deleted."""
    watched, channel, queue = Watched(stage, "queue.*"), stage.channel(), stage.name()
    channel.declare(queue, **fields)
    channel.declare(queue, **fields)
    channel.declare(queue, passive=True)
    watched.note()
    channel.call("queue.purge", queue=queue)
    channel.call("queue.delete", queue=queue)
    channel.call("queue.delete", queue=queue)
    watched.note("queue.deleted")


@scenario()
def queue_that_expires(stage: Stage) -> None:
    """A queue that goes by itself is told, too, with the broker as who did it."""
    watched, channel, queue = Watched(stage, "queue.deleted"), stage.channel(), stage.name()
    channel.declare(queue, arguments={"x-expires": 1})
    watched.note("queue.deleted")


EXCHANGES: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "durable": {"durable": True},
    "auto-delete internal": {"auto_delete": True, "internal": True},
    "arguments": {"arguments": {"alternate-exchange": "a", "x": [1]}},
}


@scenario(each=EXCHANGES)
def exchanges(stage: Stage, fields: dict[str, Any]) -> None:
    """exchange.created for a new exchange only, exchange.deleted."""
    watched, channel, name = Watched(stage, "exchange.*"), stage.channel(), stage.name("x")
    channel.exchange(name, "topic", **fields)
    channel.exchange(name, "topic", **fields)
    channel.call("exchange.delete", exchange=name)
    channel.call("exchange.delete", exchange=name)
    watched.note()


@scenario(
    differs=Differs(
        "RabbitMQ tells of a binding that is there already as of a new one",
        [KNOWN_BINDING, KNOWN_BINDING],
        [KNOWN_BINDING],
        since="4.0",
    )
)
def bindings(stage: Stage) -> None:
    """binding.created for a new binding only, binding.deleted for each that goes, with whatever it goes."""
    watched, channel = Watched(stage, "binding.*"), stage.channel()
    queue, source, target = stage.name(), stage.name("source"), stage.name("target")
    channel.declare(queue)
    for name in (source, target):
        channel.exchange(name)
    channel.bind(queue, source, "k", arguments={"a": 1, "b": "text"})
    channel.bind(queue, source, "k", arguments={"a": 1, "b": "text"})
    channel.call("exchange.bind", source=source, destination=target, routing_key="e")
    channel.call("queue.unbind", queue=queue, exchange=source, routing_key="missing")
    channel.call("queue.unbind", queue=queue, exchange=source, routing_key="k", arguments={"a": 1, "b": "text"})
    channel.call("exchange.unbind", source=source, destination=target, routing_key="e")
    watched.note()
    channel.bind(queue, source, "gone with the exchange")
    channel.call("exchange.delete", exchange=source)
    channel.bind(queue, target, "gone with the queue")
    channel.call("queue.delete", queue=queue)
    watched.note()


@scenario()
def consumers(stage: Stage) -> None:
    """consumer.created, and consumer.deleted for one that is cancelled."""
    watched, channel = Watched(stage, "consumer.*"), stage.channel()
    queue = channel.declare(stage.name())
    channel.call("basic.qos", prefetch_count=7)
    channel.consume(queue, "a", no_ack=True, arguments={"x-priority": 3})
    channel.consume(queue, "b")
    channel.call("basic.cancel", consumer_tag="a")
    watched.note()


@scenario(before="4.0")
def consumers_of_a_channel(stage: Stage) -> None:
    """consumer.deleted for those of a channel that ends."""
    watched, channel = Watched(stage, "consumer.*"), stage.channel()
    channel.consume(channel.declare(stage.name()), "b")
    watched.note()
    channel.close()
    watched.note("consumer.deleted")


@scenario()
def consumers_of_a_queue(stage: Stage) -> None:
    """consumer.deleted for those of a queue that goes."""
    watched, channel = Watched(stage, "consumer.*"), stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue, "c", exclusive=True)
    channel.call("queue.delete", queue=queue)
    watched.note("consumer.deleted")


@scenario()
def connections_and_channels(stage: Stage) -> None:
    """A login, a connection and its channels, from beginning to end."""
    keys = ("user.authentication.*", "connection.*", "channel.*")
    watched = Watched(stage, *keys)
    channel = user_channel(stage)
    channel.connection.channel(5)
    watched.note()
    channel.close()
    watched.note("channel.closed")
    channel.connection.close()
    watched.note("channel.closed")


@scenario()
def connection_closed(stage: Stage) -> None:
    """What is told of a connection that ends without a word."""
    watched = Watched(stage, "connection.*", "channel.*")
    # Only the capabilities tell whose connection ended.
    channel = stage.channel(capabilities={stage.run_id: True})
    watched.note("connection.created")
    channel.connection.drop()
    watched.note("connection.closed")


@scenario()
def login_refused(stage: Stage) -> None:
    """user.authentication.failure, and no connection."""
    watched = Watched(stage, "user.authentication.*", "connection.created")
    user = stage.admin.add_user()
    stage.connect(user=user, password="wrong")
    watched.note("user.authentication.failure")


@scenario()
def users(stage: Stage) -> None:
    """Users and their permissions."""
    watched, admin = Watched(stage, "user.*", "permission.*"), stage.admin
    user = admin.add_user()
    admin.set_permissions(user, "/", configure="^a", write="b$", read="")
    admin.delete_user(user)
    watched.note("user.deleted", in_order=False)


@scenario(before="4.3")
def topic_permissions(stage: Stage) -> None:
    """They come, change, and go: one, all, and with their virtual host."""
    watched, admin = Watched(stage, "topic.permission.*", "permission.deleted", "vhost.deleted"), stage.admin
    user, vhost, exchange = admin.add_user(), admin.add_vhost(), stage.name("x")
    for write in ("^a", ""):
        admin.set_topic_permissions(user, vhost, exchange=exchange, write=write, read="b$")
    admin.clear_topic_permissions(user, vhost, exchange)
    for clear in (admin.clear_topic_permissions, lambda user, vhost: admin.delete_vhost(vhost)):
        for name in (exchange, "y"):
            admin.set_topic_permissions(user, vhost, exchange=name, write="", read="")
        clear(user, vhost)
    watched.note("vhost.deleted", in_order=False)


@scenario(each={"policy": False, "operator policy": True})
def policies(stage: Stage, operator: bool) -> None:
    """policy.set and policy.cleared; and for each queue it changes something for, queue.policy.*. RabbitMQ tells them
    some time after the command has been answered."""
    watched, channel, queue = Watched(stage, "*.policy.*", "policy.*", "parameter.*"), stage.channel(), stage.name()
    channel.declare(queue)
    channel.exchange(stage.name("x"))
    set_policy = partial(stage.admin.set_policy, "p", operator=operator)
    set_policy(stage.run_id, {"max-length": 5, "expires": 10**6}, priority=3)
    watched.note("policy.set")
    set_policy(stage.run_id, {"max-length": 5, "expires": 10**6}, priority=3)
    watched.note()
    set_policy(f"{stage.run_id}$", {"max-length": 6}, apply_to="queues")
    watched.note("policy.set")
    set_policy("^$", {"max-length": 6})
    watched.note("policy.set")
    set_policy("^$", {"max-length": -6})
    stage.admin.clear_policy("p", operator=operator)
    watched.note("operator.policy.cleared" if operator else "policy.cleared")


@scenario()
def parameters(stage: Stage) -> None:
    """Global parameters are parameters without a virtual host; clearing one is told as setting it."""
    watched, admin = Watched(stage, "parameter.*"), stage.admin
    for value in ({"a": 1}, "text", 5, [1, 2]):
        admin.set_global_parameter("g", value)
    admin.clear_global_parameter("g")
    watched.note()


@scenario()
def vhosts(stage: Stage) -> None:
    """A virtual host comes and goes, and its exchanges with it."""
    watched, admin = Watched(stage, "vhost.created", "vhost.deleted", "exchange.*", "permission.*"), stage.admin
    vhost = admin.add_vhost(description="for tests", tags=["a", "b"])
    watched.note("vhost.created", in_order=False)
    admin.delete_vhost(vhost)
    watched.note("vhost.deleted", in_order=False)


@scenario()
def vhost_limits(stage: Stage) -> None:
    """Limits are a parameter. What is told of them besides does not say of which virtual host."""
    watched, admin = Watched(stage, "parameter.*"), stage.admin
    vhost = admin.add_vhost()
    admin.set_vhost_limits(vhost, max_queues=5, max_connections=-1)
    admin.clear_vhost_limits(vhost)
    watched.note()


@scenario()
def user_limits(stage: Stage) -> None:
    """Limits of users are no parameter."""
    watched, admin = Watched(stage, "user.limits.*", "parameter.*"), stage.admin
    user = admin.add_user()
    admin.set_user_limits(user, max_channels=5)
    watched.note()
