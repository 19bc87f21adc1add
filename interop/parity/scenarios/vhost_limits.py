"""Virtual hosts and users as they come, go and are limited, and what connected clients see of it."""

from typing import Any

from interop.parity.scenario import Differs, scenario
from interop.parity.script import Connection, Stage


def note_disconnected(stage: Stage, *connections: Connection) -> None:
    """Each must be closed with 320. The words depend on who is first: the vhost is deleted, or it is down already."""
    for connection in connections:
        connection.recording = False
        close = connection.wait("connection.close")[-1]
        stage.note(f"connection.close {close['reply_code'] if close else 'missing'}")
        connection.wait_end()


# Virtual hosts


@scenario()
def vhost_comes_and_goes(stage: Stage) -> None:
    """Before and after its life, a virtual host cannot be opened; its clients are disconnected."""
    missing = f"v.{stage.run_id}"
    stage.connect(vhost=missing, record=True)
    vhost = stage.admin.add_vhost()
    connected, idle = stage.channel(vhost=vhost), stage.connect(vhost=vhost)
    queue = connected.declare(stage.name())
    connected.consume(queue)
    stage.admin.delete_vhost(vhost)
    note_disconnected(stage, connected.connection, idle)
    stage.connect(vhost=vhost, record=True)


@scenario()
def vhost_made_again(stage: Stage) -> None:
    """A virtual host that is made again has nothing of what it had before; adding it twice changes nothing."""
    vhost = stage.admin.add_vhost()
    channel, queue = stage.channel(vhost=vhost), stage.name()
    channel.declare(queue, durable=True)
    stage.admin.add_vhost()
    channel.declare(queue, passive=True)
    stage.admin.delete_vhost(vhost)
    note_disconnected(stage, channel.connection)
    stage.admin.add_vhost()
    stage.channel(vhost=vhost).declare(queue, passive=True)


@scenario()
def vhosts_share_nothing(stage: Stage) -> None:
    """The same names in two virtual hosts are two queues and two exchanges."""
    vhost, queue, exchange = stage.admin.add_vhost(), stage.name(), stage.name("x")
    here, there = stage.channel(), stage.channel(vhost=vhost)
    for channel, kind in ((here, "direct"), (there, "fanout")):
        channel.declare(queue)
        channel.exchange(exchange, kind)
        channel.bind(queue, exchange, "k")
    there.publish(exchange, "other", b"there")
    there.settle(queue)
    here.publish(exchange, "other", b"nowhere", mandatory=True)
    here.settle(queue)
    here.drain(queue)
    there.drain(queue)
    there.declare("missing", passive=True)


BUILT_IN = [
    "amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.rabbitmq.event",
    "amq.rabbitmq.log",
]  # fmt: skip


@scenario()
def exchanges_of_a_new_vhost(stage: Stage) -> None:
    """What a virtual host has from the beginning, how it was declared, and that it cannot be deleted."""
    vhost = stage.admin.add_vhost()
    channel = stage.channel(vhost=vhost)
    for exchange in BUILT_IN:
        for method, fields in (
            ("exchange.declare", {"passive": True}),
            ("exchange.declare", {"exchange_type": "topic", "durable": True}),
            ("exchange.declare", {"exchange_type": "topic", "durable": True, "internal": True}),
            ("exchange.delete", {}),
        ):
            channel.call(method, exchange=exchange, **fields)
            if channel.closed:
                channel = channel.reopen()


@scenario(each=["classic", "quorum"])
def default_queue_type(stage: Stage, kind: str) -> None:
    """A virtual host may choose the type of queues that are declared without one."""
    vhost = stage.admin.add_vhost(default_queue_type=kind)
    queue = stage.name()
    for arguments in ({}, {"x-queue-type": "classic"}, {"x-queue-type": "quorum"}):
        stage.channel(vhost=vhost).declare(queue, durable=True, arguments=arguments)


@scenario()
def vhost_metadata(stage: Stage) -> None:
    """A description and tags are kept, and change nothing for clients."""
    vhost = stage.admin.add_vhost(description="for tests", tags=["one", "two"])
    stage.channel(vhost=vhost).declare(exclusive=True)


# Limits of virtual hosts


@scenario()
def max_queues(stage: Stage) -> None:
    """No queue more than the limit; those that exist may be declared again, and make room when they go."""
    vhost = stage.admin.add_vhost()
    stage.admin.set_vhost_limits(vhost, max_queues=2)
    channel, one, two = stage.channel(vhost=vhost), stage.name("one"), stage.name("two")
    channel.declare(one)
    channel.declare(two, exclusive=True)
    channel.declare(stage.name("three"))
    channel = channel.reopen()
    channel.declare(one)
    channel.declare(one, passive=True)
    channel.declare()
    channel = channel.reopen()
    channel.call("queue.delete", queue=one)
    channel.declare(stage.name("three"))
    channel.declare(stage.name("four"), arguments={"x-max-length": "wrong"})


@scenario(each=[0, -1, 1])
def max_queues_changed(stage: Stage, limit: int) -> None:
    """A limit below what there is deletes nothing; a negative one is none; cleared, all is allowed again."""
    vhost = stage.admin.add_vhost()
    channel = stage.channel(vhost=vhost)
    names = [channel.declare(stage.name(label)) for label in ("one", "two")]
    stage.admin.set_vhost_limits(vhost, max_queues=limit)
    channel.declare(stage.name("three"))
    channel = stage.channel(vhost=vhost)
    for name in names:
        channel.declare(name)
    stage.admin.clear_vhost_limits(vhost)
    channel.declare(stage.name("four"))


@scenario(each=["classic", "quorum"])
def max_queues_is_for_every_type(stage: Stage, kind: str) -> None:
    """The limit counts queues of every type."""
    vhost = stage.admin.add_vhost()
    stage.admin.set_vhost_limits(vhost, max_queues=1)
    channel = stage.channel(vhost=vhost)
    for name in (stage.name("one"), stage.name("two")):
        channel.declare(name, durable=True, arguments={"x-queue-type": kind})


@scenario(each=[0, 1, -1])
def max_connections(stage: Stage, limit: int) -> None:
    """connection.open is refused beyond the limit; a connection that ends makes room."""
    vhost = stage.admin.add_vhost()
    stage.admin.set_vhost_limits(vhost, max_connections=limit)
    first = stage.connect(vhost=vhost, record=True)
    stage.connect(vhost=vhost, record=True)
    first.close()
    stage.admin.clear_vhost_limits(vhost)
    stage.connect(vhost=vhost, record=True)
    stage.connect(vhost=vhost, record=True)


@scenario()
def max_connections_below_what_there_is(stage: Stage) -> None:
    """A limit disconnects nobody."""
    vhost = stage.admin.add_vhost()
    channel = stage.channel(vhost=vhost)
    stage.admin.set_vhost_limits(vhost, max_connections=0)
    channel.declare(exclusive=True)
    stage.connect(vhost=vhost, record=True)


@scenario()
def limits_are_replaced(stage: Stage) -> None:
    """Limits are set all at once: what is not named any more is no limit."""
    vhost = stage.admin.add_vhost()
    stage.admin.set_vhost_limits(vhost, max_queues=0, max_connections=5)
    stage.admin.set_vhost_limits(vhost, max_connections=5)
    stage.channel(vhost=vhost).declare(exclusive=True)
    stage.admin.set_vhost_limits(vhost)
    stage.channel(vhost=vhost).declare(exclusive=True)


WRONG_LIMITS: dict[str, dict[str, Any]] = {
    "text": {"max_queues": "5"}, "fraction": {"max_queues": 1.5}, "nothing": {"max_queues": None},
    "unknown": {"max_things": 1}, "two unknown": {"max_things": 1, "a": "b"}, "list": {"max_connections": [1]},
    "all wrong": {"max_queues": "a", "max_connections": "b", "max_things": "c"},
}  # fmt: skip


@scenario(each=WRONG_LIMITS)
def wrong_limits(stage: Stage, limits: dict[str, Any]) -> None:
    """Limits are numbers, and known by name."""
    vhost = stage.admin.add_vhost()
    stage.admin.set_vhost_limits(vhost, **limits)
    stage.admin.clear_vhost_limits(vhost)


# Users


def new_user(stage: Stage) -> tuple[str, dict[str, Any]]:
    """A user with every permission, and how it logs in."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    return user, {"user": user, "password": "hunter2"}


@scenario(each=[0, 1, -1])
def max_connections_of_a_user(stage: Stage, limit: int) -> None:
    """connection.open is refused beyond the limit of the user."""
    user, login = new_user(stage)
    stage.admin.set_user_limits(user, max_connections=limit)
    first = stage.connect(record=True, **login)
    stage.connect(record=True, **login)
    first.close()
    stage.admin.clear_user_limits(user)
    stage.connect(record=True, **login)
    stage.connect(record=True, **login)


CHANNELS_OF = "connection.close reply_code=530 reply_text=\"NOT_ALLOWED - number of channels opened for user '"
TOO_MANY_CHANNELS = CHANNELS_OF + "u.*' has reached the maximum allowed user limit of {}\" class_id=0 method_id=0"


@scenario(
    each=[0, 2, -1],
    differs={
        str(limit): [
            Differs(
                "RabbitMQ 4.0 names its node instead of the user",
                [f"{CHANNELS_OF}private-…"],
                [TOO_MANY_CHANNELS.format(f"({limit})")],
                since="4.0",
                before="4.3",
            ),
            Differs(
                "the brackets went with that mistake",
                [TOO_MANY_CHANNELS.format(limit)],
                [TOO_MANY_CHANNELS.format(f"({limit})")],
                since="4.3",
            ),
        ]
        for limit in (0, 2)
    },
)
def max_channels_of_a_user(stage: Stage, limit: int) -> None:
    """channel.open is refused beyond the limit of the user, on whichever connection."""
    user, login = new_user(stage)
    stage.admin.set_user_limits(user, max_channels=limit)
    one, two = stage.connect(**login), stage.connect(**login)
    one.channel(1)
    two.channel(1)
    # RabbitMQ counts channels a moment after it opened them: an administrator's request is longer than that.
    stage.admin.set_user_limits(user, max_channels=limit)
    if not two.closing:
        two.channel(2)


@scenario()
def user_comes_and_goes(stage: Stage) -> None:
    """A user that is deleted is disconnected, and cannot come back."""
    user, login = new_user(stage)
    channel = stage.channel(**login)
    channel.declare(exclusive=True)
    stage.admin.delete_user(user)
    channel.connection.wait_end()
    stage.connect(record=True, **login)


@scenario()
def vhost_without_permission(stage: Stage) -> None:
    """A user needs permissions to open a virtual host, if only to do nothing there."""
    vhost, user = stage.admin.add_vhost(), stage.admin.add_user()
    login: dict[str, Any] = {"user": user, "password": "hunter2", "vhost": vhost}
    stage.connect(record=True, **login)
    stage.admin.set_permissions(user, vhost, configure="", write="", read="")
    stage.connect(record=True, **login)
    stage.channel(**login).declare(exclusive=True)
