"""Connections, channels and consumers of clients that are there."""

from interop.parity.connection import Connection
from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage


def known(stage: Stage, connection: Connection, label: str = "c") -> None:
    """Let a label stand for the name of a connection, and `$ch` for that of its first channel."""
    host, port = connection.socket.getsockname()[:2]
    peer_host, peer_port = connection.socket.getpeername()[:2]
    stage.call_it(label, f"{host}:{port} -> {peer_host}:{peer_port}")
    stage.call_it(f"{label}h", f"{host}:{port} -> {peer_host}:{peer_port} (1)")


@scenario()
def connections(stage: Stage) -> None:
    """A connection, as everybody sees it, until it is closed."""
    stage.vhost()
    stage.everybody("v")
    stage.user("u", "management", "v")
    connection = stage.connect(user="u")
    connection.channel()
    known(stage, connection)
    stage.play("""
        WAIT /connections 0.channels=1 0.recv_oct_details
        WAIT /channels 0.reductions
        GET /connections
        GET /connections/$c
        GET /connections/$c/channels
        WAIT /vhosts/$v/connections 0.recv_oct_details
        GET /vhosts/$v/connections
        GET /vhosts/$v/channels
        GET /connections/username/$u
        GET /connections/username/$gone
        GET /connections?columns=user,vhost,protocol
        GET /connections/$c?columns=user
        GET /connections?page=1
        GET /connections?page=1&name=127
        GET /connections?page=1&name=nope
        GET /connections/username/$u?page=1
        GET /connections?disable_stats=true
        GET /connections/$c?disable_stats=true
        GET /connections [x-vhost: $v]
        GET /connections [x-vhost: $gone]
        u: GET /connections?columns=user
        u: GET /connections/$c?columns=user
        u: GET /connections/$c/channels
        management: GET /connections?columns=user
        management: GET /connections/$c
        management: GET /connections/$c/channels
        management: GET /connections/username/$u
        management: DELETE /connections/$c
        management: DELETE /connections/username/$u
        policymaker: GET /connections
        monitoring: GET /connections?columns=user
        monitoring: GET /connections/$c?columns=user
        monitoring: GET /connections/username/$u
        monitoring: DELETE /connections/$c
        monitoring: GET /vhosts/$v/connections
        management: GET /vhosts/$v/connections
        HEAD /connections/$c
        GET /connections/nope
        DELETE /connections/nope
        GET /connections/nope/channels
        DELETE /connections/$c [x-reason: for a test]
    """)
    connection.wait("connection.close")
    stage.play("""
        WAIT /connections length=0
        GET /connections/$c
        GET /connections/$c/channels
        DELETE /connections/$c
        GET /channels
        GET /vhosts/$gone/connections
        GET /vhosts/$gone/channels
    """)


@scenario(each=["by name", "with a reason", "by user", "by virtual host", "by deleting the user"])
def closed(stage: Stage, how: str) -> None:
    """The client hears why."""
    stage.vhost()
    stage.user("u", "management", "v")
    connection = stage.connect(user="u")
    known(stage, connection)
    stage.play("WAIT /connections length=1")
    stage.play(
        {
            "by name": "DELETE /connections/$c",
            "with a reason": "DELETE /connections/$c [x-reason: for a test]",
            "by user": "DELETE /connections/username/$u [x-reason: all of them]",
            "by virtual host": "DELETE /vhosts/$v",
            "by deleting the user": "DELETE /users/$u",
        }[how]
    )
    (close,) = connection.wait("connection.close")
    assert close is not None
    # RabbitMQ has two texts for virtual hosts, by what its connections notice first.
    stage.note(str(close["reply_code"] if how == "by virtual host" else close.fields))
    stage.play("WAIT /connections length=0")


@scenario()
def channels(stage: Stage) -> None:
    """A channel that does something, as everybody sees it."""
    stage.vhost()
    stage.everybody("v")
    stage.user("u", "management", "v")
    connection = stage.connect(user="u")
    channel = connection.channel()
    channel.declare("q")
    channel.call("basic.qos", prefetch_count=5)
    channel.call("confirm.select")
    channel.consume("q", "tag", arguments={"x-priority": 5})
    for _ in range(3):
        channel.publish("", "q", b"m")
    channel.wait_confirms(3)
    channel.wait_deliveries(3)
    channel.ack(1)
    channel.publish("", "nope", b"m")
    channel.publish("", "nope", b"m", mandatory=True)
    channel.wait("basic.return")
    channel.wait_confirms(5)
    known(stage, connection)
    stage.play("""
        WAIT /channels 0.messages_unacknowledged=2 0.message_stats.ack=1 0.message_stats.return_unroutable=1
        WAIT /channels 0.reductions
        GET /channels
        GET /channels/$ch
        GET /connections/$c/channels
        GET /vhosts/$v/channels
        GET /channels?columns=name,number,user
        GET /channels/$ch?columns=number
        GET /channels?page=1&columns=number,items,total_count
        GET /channels?disable_stats=true
        GET /channels/$ch?disable_stats=true
        GET /channels?msg_rates_age=60&msg_rates_incr=5&columns=number
        u: GET /channels?columns=number
        u: GET /channels/$ch?columns=number
        management: GET /channels?columns=number
        management: GET /channels/$ch
        monitoring: GET /channels?columns=number
        monitoring: GET /channels/$ch?columns=number
        monitoring: GET /vhosts/$v/channels
        GET /channels/nope
        GET /channels [x-vhost: $v]
        GET /channels [x-vhost: $gone]
        HEAD /channels/$ch
        WAIT /queues/$v/q messages_unacknowledged=2 message_stats.deliver=3 message_stats.ack=1 consumers=1
        GET /queues/$v/q
        GET /queues/$v
        GET /consumers
        GET /consumers/$v
        WAIT /exchanges/$v/amq.default message_stats.publish_in=5
        GET /exchanges/$v/amq.default
        WAIT /vhosts/$v message_stats.publish=5 messages=2 messages_details recv_oct_details
        GET /vhosts/$v
    """)
    channel.close()
    stage.play("""
        WAIT /channels length=0
        GET /channels/$ch
        GET /consumers
        GET /connections/$c/channels
    """)


@scenario(each=["transactional", "global prefetch", "plain", "by pull"])
def kinds_of_channels(stage: Stage, how: str) -> None:
    """What a channel is like, before it does much."""
    stage.vhost()
    channel = stage.connect().channel()
    channel.declare("q")
    if how == "transactional":
        channel.call("tx.select")
        channel.publish("", "q", b"m")
        channel.sync()
        wanted = "0.transactional=true 0.messages_uncommitted=1 0.message_stats.publish"
    elif how == "global prefetch":
        channel.call("basic.qos", prefetch_count=7, global_=True)
        wanted = "0.global_prefetch_count=7"
    elif how == "by pull":
        channel.publish("", "q", b"m")
        channel.get("q")
        channel.get("q", no_ack=True)
        wanted = "0.message_stats.get=1 0.message_stats.get_empty=1 0.message_stats.publish=1"
    else:
        wanted = ""
    stage.play(f"""
        WAIT /channels {wanted} 0.reductions
        GET /channels
    """)


@scenario()
def consumers(stage: Stage) -> None:
    """Consumers of all kinds, as everybody sees them."""
    stage.vhost()
    stage.everybody("v")
    channel = stage.connect().channel()
    channel.declare("a")
    channel.declare("b", arguments={"x-single-active-consumer": True})
    channel.declare("c")
    channel.declare("mine", exclusive=True)
    channel.consume("a", "a1")
    channel.consume("a", "a2", no_ack=True)
    channel.consume("b", "b1")
    channel.consume("b", "b2")
    channel.consume("c", "c1", exclusive=True)
    channel.consume("mine", "m1", arguments={"x-priority": -1, "x": "é"})
    stage.play("""
        WAIT /consumers length=6 0.channel_details.name 5.channel_details.name
        GET /consumers/$v?sort=consumer_tag
        GET /consumers?columns=consumer_tag,active&sort=consumer_tag
        GET /consumers/$gone
        GET /consumers?page=1&columns=queue.name&sort=consumer_tag
        GET /consumers?disable_stats=true
        management: GET /consumers/$v?columns=consumer_tag&sort=consumer_tag
        management: GET /consumers?columns=consumer_tag
        monitoring: GET /consumers?columns=consumer_tag&sort=consumer_tag
        none: GET /consumers
        GET /consumers?columns=consumer_tag [x-vhost: $gone]
        WAIT /queues/$v/a consumers=2
        GET /queues/$v/a?columns=consumers,exclusive_consumer_tag,single_active_consumer_tag
        WAIT /queues/$v/b consumers=2 single_active_consumer_tag="b1"
        GET /queues/$v/b
        WAIT /queues/$v/c exclusive_consumer_tag="c1"
        GET /queues/$v/c
    """)
