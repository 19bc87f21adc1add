"""What is told of logins, connections and channels, and what the firehose says of a client's messages."""

from typing import Any

import pytest
from pamqp import commands

from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.connection_events import erlang_address
from amqpy.amqp.terms import Peer
from amqpy.core.broker import Broker
from tests.amqp.client import HEADER, LOG, OPENING, Client, make_broker, make_users, names, start_ok

PEER = Peer("127.0.0.1:5000 -> 127.0.0.1:5672", "127.0.0.1", 5000, "::1", 5672)
ACTOR = "user_who_performed_action"


class Watcher:
    """A client that reads what the broker tells."""

    def __init__(self, exchange: str, *keys: str) -> None:
        self.broker = make_broker()
        self._client = Client.opened(self.broker)
        self._client.send(commands.Queue.Declare(queue="watched"))
        for key in keys:
            self._client.send(commands.Queue.Bind(queue="watched", exchange=exchange, routing_key=key))
        self._client.send(commands.Basic.Consume(queue="watched", no_ack=True))
        self._client.received()

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Since the last time: routing keys and headers."""
        self.broker.settle()
        return [(each.method.routing_key, each.properties.headers) for each in self._client.received()]

    def client(self) -> Client:
        client = Client(self.broker)
        client.session = ConnectionSession(
            self.broker,
            make_users(self.broker),
            from_loopback=True,
            log=LOG,
            wake=lambda: None,
            now_ms=0,
            peer=PEER,
        )
        return client

    def opened(self, **properties: str) -> Client:
        client = self.client()
        client.feed(HEADER)
        client.send(commands.Connection.StartOk({**properties}, "PLAIN", "\0guest\0guest", "en_US"), channel=0)
        client.send(*OPENING[1:], channel=0)
        return client


def test_a_connection_from_login_to_close() -> None:
    watcher = Watcher("amq.rabbitmq.event", "user.authentication.*", "connection.*")
    client = watcher.opened(connection_name="mine")
    login, created = watcher.told()
    where = {"host": "{0,0,0,0,0,0,0,1}", "peer_host": "{127,0,0,1}", "peer_port": 5000}
    common = where | {"auth_mechanism": "PLAIN", "protocol": "{0,9,1}", "ssl": False}
    login[1].pop("timestamp_in_ms")
    assert login == (
        "user.authentication.success",
        common | {"name": "guest", "connection_type": "network", "connection_name": PEER.name},
    )
    assert created[0] == "connection.created"
    ended = {
        "name": PEER.name,
        "pid": client.session.pid,
        "node": "rabbit@test",
        "user_provided_name": "mine",
        "client_properties": ['{<<"connection_name">>,longstr,<<"mine">>}'],
        "timestamp_in_ms": 0,
    }
    more = {"port": 5672, "type": "network", "user": "guest", "vhost": "/", ACTOR: "guest", "connected_at": 0}
    tuned = {"timeout": 0, "frame_max": 131_072, "channel_max": 2047}
    assert created[1].items() >= (common | ended | more | tuned).items()
    assert created[1]["ssl_cipher"] == ""
    client.send(commands.Connection.Close(200, "", 0, 0), channel=0)
    assert watcher.told() == []
    client.session.lost()
    assert watcher.told() == [("connection.closed", ended)]


@pytest.mark.parametrize("end", ["lost", "refused", "fault"])
def test_every_end_of_a_connection_is_told_once(end: str) -> None:
    watcher = Watcher("amq.rabbitmq.event", "connection.closed")
    client = watcher.client() if end == "refused" else watcher.opened()
    if end == "refused":
        client.feed(b"HTTP/1.1")
    elif end == "fault":
        client.send(commands.Basic.Qos(), channel=9)
        assert watcher.told() == []
        client.send(commands.Connection.CloseOk(), channel=0)
    client.session.lost()
    assert [key for key, _ in watcher.told()] == ["connection.closed"]


@pytest.mark.parametrize(
    ("mechanism", "response", "name", "error"),
    [
        ("PLAIN", "\0guest\0wrong", "guest", "user 'guest' - invalid credentials"),
        ("PLAIN", "\0nobody\0wrong", "nobody", "user 'nobody' - invalid credentials"),
        ("PLAIN", "nonsense", None, "PLAIN response invalid"),
    ],
)
def test_a_login_that_fails(mechanism: str, response: str, name: str | None, error: str) -> None:
    watcher = Watcher("amq.rabbitmq.event", "user.authentication.*", "connection.created")
    client = watcher.client()
    client.feed(HEADER)
    client.send(start_ok(response, mechanism), channel=0)
    ((key, facts),) = watcher.told()
    assert (key, facts.get("name")) == ("user.authentication.failure", name)
    assert "".join(map(chr, facts["error"])) == error
    assert "wrong" not in str(facts)


def test_channels_come_and_go() -> None:
    watcher = Watcher("amq.rabbitmq.event", "channel.*")
    client = watcher.opened()
    for number in (1, 2, 3):
        client.send(commands.Channel.Open(), channel=number)
    created = watcher.told()
    assert [key for key, _ in created] == ["channel.created"] * 3
    pids = [facts["pid"] for _, facts in created]
    assert len({*pids, client.session.pid}) == 4
    assert created[1][1] == {
        "pid": pids[1],
        "name": f"{PEER.name} (2)",
        "connection": client.session.pid,
        "number": 2,
        "user": "guest",
        "vhost": "/",
        ACTOR: "guest",
        "timestamp_in_ms": 0,
    }
    client.send(commands.Channel.Close(200, "", 0, 0), channel=1)
    client.send(commands.Queue.Declare(queue="missing", passive=True), channel=2)
    end = {ACTOR: "guest", "consumer_count": 0, "timestamp_in_ms": 0}
    closed = [("channel.closed", {"pid": pid, **end}) for pid in pids]
    assert watcher.told() == closed[:2]
    client.session.lost()
    assert watcher.told() == closed[2:]


def test_consumers_and_exclusive_queues_name_their_channel_and_connection() -> None:
    watcher = Watcher("amq.rabbitmq.event", "channel.created", "consumer.*", "queue.created")
    client = watcher.opened()
    client.send(commands.Channel.Open())
    client.send(commands.Queue.Declare(queue="own", exclusive=True))
    client.send(commands.Basic.Consume(queue="own", consumer_tag="t"))
    client.session.lost()
    channel, queue, consumer, gone = [facts for _, facts in watcher.told()]
    assert queue["owner_pid"] == channel["connection"] == client.session.pid
    assert consumer["channel"] == gone["channel"] == channel["pid"]


def test_replies_come_before_what_they_are_about() -> None:
    """The operation is whole before anybody is told."""
    broker = make_broker()
    client = Client.opened(broker)
    client.send(commands.Queue.Declare(queue="own"))
    client.send(commands.Queue.Bind(queue="own", exchange="amq.rabbitmq.event", routing_key="queue.*"))
    client.send(commands.Basic.Consume(queue="own", no_ack=True))
    client.received()
    assert names(client.send(commands.Queue.Declare(queue="new"))) == ["Queue.DeclareOk", "Basic.Deliver"]


# --- the firehose


def trace(broker: Broker) -> None:
    broker.administration.trace_on("/")
    broker.settle()


def test_a_publish_and_its_delivery_are_traced_with_who_did_it() -> None:
    watcher = Watcher("amq.rabbitmq.trace", "#")
    trace(watcher.broker)
    client = watcher.opened()
    client.send(commands.Channel.Open(), channel=7)
    client.send(commands.Queue.Declare(queue="q"), channel=7)
    client.send(commands.Basic.Consume(queue="q", no_ack=True), channel=7)
    client.publish("q", b"body", channel=7, headers={"CC": ["c"], "BCC": ["b"]}, expiration="60000")
    (published, delivered) = watcher.told()
    who = {
        "exchange_name": "",
        "routing_keys": ["q", "c", "b"],
        "properties": {"headers": {"CC": ["c"]}, "expiration": "60000"},
        "node": "rabbit@test",
        "vhost": "/",
        "connection": PEER.name,
        "channel": 7,
        "user": "guest",
    }
    assert published == ("publish.", who | {"routed_queues": ["b", "c", "q"]})
    assert delivered == ("deliver.q", who | {"redelivered": 0})


def test_channels_that_published_before_are_traced_too_and_not_for_ever() -> None:
    watcher = Watcher("amq.rabbitmq.trace", "#")
    client = watcher.opened()
    client.send(commands.Channel.Open())
    counts = []
    for switch in (None, watcher.broker.administration.trace_on, watcher.broker.administration.trace_off):
        if switch is not None:
            switch("/")
        for _ in range(2):
            client.publish("k", exchange="amq.fanout")
        counts.append(len(watcher.told()))
    assert counts == [0, 2, 0]


def test_a_publish_is_traced_when_it_is_sent_not_when_it_is_committed() -> None:
    watcher = Watcher("amq.rabbitmq.trace", "#")
    trace(watcher.broker)
    client = watcher.opened()
    client.send(commands.Channel.Open())
    client.send(commands.Tx.Select())
    client.publish("k", exchange="amq.fanout")
    assert [key for key, _ in watcher.told()] == ["publish.amq.fanout"]
    client.send(commands.Tx.Commit())
    assert watcher.told() == []


def test_what_is_refused_is_not_traced() -> None:
    watcher = Watcher("amq.rabbitmq.trace", "#")
    trace(watcher.broker)
    client = watcher.opened()
    client.send(commands.Channel.Open())
    client.publish("k", exchange="missing")
    assert watcher.told() == []


def test_replies_to_a_pseudo_queue_are_not_traced_as_deliveries() -> None:
    watcher = Watcher("amq.rabbitmq.trace", "#")
    trace(watcher.broker)
    client = watcher.opened()
    client.send(commands.Channel.Open())
    client.send(commands.Queue.Declare(queue="q"))
    client.send(commands.Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True))
    client.publish("q", reply_to="amq.rabbitmq.reply-to")
    (request,) = [facts for _, facts in watcher.told()]
    reply_to = request["properties"]["reply_to"]
    client.publish(reply_to)
    assert [(key, facts["routed_queues"]) for key, facts in watcher.told()] == [("publish.", [])]


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "{127,0,0,1}"),
        ("fe80::1%eth0", "{65152,0,0,0,0,0,0,1}"),
        ("/run/socket", "/run/socket"),
        ("", ""),
    ],
)
def test_addresses_look_as_in_erlang(host: str, shown: str) -> None:
    assert erlang_address(host) == shown
