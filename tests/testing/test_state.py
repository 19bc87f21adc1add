"""Restarts, definitions, snapshots, users: what stays, and what goes."""

import json
from pathlib import Path

import pytest
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker, ProbableAccessDeniedError

from amqpy.errors import AdministrationError
from amqpy.testing import Snapshot, TestBroker
from tests.testing.apps import Publisher


@pytest.mark.parametrize("crash", [False, True])
def test_a_restart_keeps_what_is_durable(amqp_broker: TestBroker, crash: bool) -> None:
    port = amqp_broker.port
    publisher = Publisher(amqp_broker.url)
    publisher.channel.queue_declare("durable", durable=True)
    publisher.channel.queue_declare("transient")
    publisher.send(b"1", "durable", delivery_mode=2)
    publisher.send(b"2", "durable")
    amqp_broker.restart(crash=crash)
    with pytest.raises(AMQPConnectionError) as end:
        publisher.connection.process_data_events(1)
    assert isinstance(end.value, ConnectionClosedByBroker) is not crash
    assert amqp_broker.port == port
    assert amqp_broker.queues == ["durable"]
    assert amqp_broker.queue("durable").bodies == [b"1"]
    assert [event.body for event in amqp_broker.published()] == [b"1", b"2"]  # the record outlives it


def test_it_is_down_for_a_while(amqp_broker: TestBroker) -> None:
    with amqp_broker.down(), pytest.raises(AMQPConnectionError):
        Publisher(amqp_broker.url)
    with Publisher(amqp_broker.url):
        pass


def test_reset_and_purge(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q", durable=True)
        publisher.send(b"1", "q", delivery_mode=2)
        amqp_broker.block()
        amqp_broker.faults.drop_publish(optional=True)
        amqp_broker.purge()
        assert (amqp_broker.queues, len(amqp_broker.queue("q")), amqp_broker.events) == (["q"], 0, [])
        publisher.send(b"2", "q")
        assert amqp_broker.queue("q").bodies == [b"2"]
        amqp_broker.add_vhost("v")
        amqp_broker.reset()
        assert (amqp_broker.queues, amqp_broker.events, amqp_broker.connections) == ([], [], [])
    with pytest.raises(LookupError):
        amqp_broker.queue("q", "v")


def test_names_that_the_broker_makes_are_counted(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        name = publisher.channel.queue_declare("", exclusive=True).method.queue
    assert name == "amq.gen-0000000000000000000001"


def test_users_and_virtual_hosts(amqp_broker: TestBroker) -> None:
    vhost = amqp_broker.add_vhost("shop/1")
    assert vhost.url == f"amqp://guest:guest@127.0.0.1:{amqp_broker.port}/shop%2F1"
    url = amqp_broker.add_user("alice", "p@ss", "shop/1", write="^$", tags=["management"])
    assert url == f"amqp://alice:p%40ss@127.0.0.1:{amqp_broker.port}/shop%2F1"
    with Publisher(url, "app") as publisher:
        connection = amqp_broker.connection("app")
        assert (connection.user, connection.vhost, connection.channels, connection.blocked) == (
            "alice",
            vhost,
            1,
            False,
        )
        assert connection.product == "Pika Python Client Library"
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            publisher.send(b"", "q")
    amqp_broker.delete_vhost("shop/1")
    with pytest.raises(ProbableAccessDeniedError):
        Publisher(url)
    with pytest.raises(AdministrationError, match="already exists"):
        amqp_broker.add_user("alice", "x")


def test_a_policy(amqp_broker: TestBroker) -> None:
    amqp_broker.set_policy("short", "^q", {"max-length": 1})
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        publisher.send(b"1", "q")
        publisher.send(b"2", "q")
    assert amqp_broker.queue("q").bodies == [b"2"]


DEFINITIONS = {
    "users": [{"name": "root", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []}],
    "vhosts": [{"name": "/"}, {"name": "shop"}],
    "permissions": [],
    "queues": [{"name": "q", "vhost": "shop", "durable": True, "auto_delete": False, "arguments": {}}],
    "exchanges": [],
    "bindings": [],
}


def test_definitions_of_production(tmp_path: Path) -> None:
    path = tmp_path / "definitions.json"
    path.write_text(json.dumps(DEFINITIONS))
    for source in (path, str(path), DEFINITIONS):
        with TestBroker(definitions=source) as broker:
            assert broker.queues == ["shop/q"]
            with Publisher(f"{broker.url}/shop") as publisher:
                publisher.send(b"1", "q")
            assert {each["name"] for each in broker.definitions()["users"]} == {"guest", "root"}


def test_definitions_that_are_wrong(amqp_broker: TestBroker) -> None:
    with pytest.raises(AdministrationError):
        amqp_broker.load_definitions({"queues": [{"name": "q"}]})
    amqp_broker.load_definitions(DEFINITIONS)
    assert amqp_broker.queues == ["shop/q"]
    with pytest.raises(FileNotFoundError):
        amqp_broker.load_definitions("nowhere.json")


def test_a_snapshot_has_everything(amqp_broker: TestBroker, tmp_path: Path) -> None:
    amqp_broker.clock.freeze()
    with Publisher(amqp_broker.url) as publisher:
        channel = publisher.channel
        channel.queue_declare("q", durable=True, arguments={"x-message-ttl": 60_000})
        channel.queue_declare("quorum", durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_declare("own", exclusive=True)
        publisher.send(b"1", "q", priority=3, headers={"a": 1})
        publisher.send(b"2", "q")
        publisher.send(b"3", "quorum")
        for name in ("q", "quorum"):
            method, _, _ = channel.basic_get(name)
            channel.basic_nack(method.delivery_tag)
        channel.basic_get("q")
        amqp_broker.clock.advance(20)
        amqp_broker.snapshot().save(tmp_path / "snapshot.json")
    snapshot = Snapshot.load(tmp_path / "snapshot.json")
    assert repr(snapshot) == "<snapshot with 2 queues, 3 messages>"
    with TestBroker(snapshot=snapshot, clock="frozen") as fork:
        ready = fork.queue("q").ready
        assert [(each.body, each.redelivered) for each in ready] == [(b"1", True), (b"2", False)]
        assert (ready[0].properties, ready[0].headers) == ({"priority": 3}, {"a": 1})
        assert fork.queue("quorum").ready[0].headers == {"x-delivery-count": 1}
        fork.clock.advance(39.9)
        assert len(fork.queue("q")) == 2
        fork.clock.advance(0.1)
        assert len(fork.queue("q")) == 0
        fork.restore(snapshot)
        assert (fork.queues, len(fork.queue("q"))) == (["q", "quorum"], 2)
    with pytest.raises(ValueError, match="no snapshot"):
        Snapshot.of({})


def test_a_snapshot_of_a_queue_with_priorities(amqp_broker: TestBroker) -> None:
    """What was delivered is redelivered, although another message is in front of it."""
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q", durable=True, arguments={"x-max-priority": 5})
        publisher.send(b"low", "q", priority=1)
        publisher.channel.basic_get("q")
        publisher.send(b"high", "q", priority=5)
        publisher.send(b"low, too", "q", priority=1)
        snapshot = amqp_broker.snapshot()
    amqp_broker.restore(snapshot)
    ready = [(each.body, each.redelivered) for each in amqp_broker.queue("q").ready]
    assert ready == [(b"high", False), (b"low", True), (b"low, too", False)]


def test_a_snapshot_of_a_stream(amqp_broker: TestBroker) -> None:
    """All its messages are there, and can be followed from the first one on."""
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("s", durable=True, arguments={"x-queue-type": "stream"})
        for body in (b"1", b"2"):
            publisher.send(body, "s")
        snapshot = amqp_broker.snapshot()
        publisher.send(b"3", "s")
    amqp_broker.restore(snapshot)
    assert amqp_broker.queue("s").bodies == [b"1", b"2"]
    offsets = [(each.headers or {}).get("x-stream-offset") for each in amqp_broker.queue("s").ready]
    assert offsets == [0, 1]


RETRY = {
    "x-queue-type": "quorum",
    "x-message-ttl": 60_000,
    "x-delayed-retry-type": "failed",
    "x-delayed-retry-min": 10_000,
}


def test_a_snapshot_of_a_quorum_queue() -> None:
    """Returned messages stay in front and keep their counts, and those that are held back come back at their time."""
    with TestBroker(profile="rabbitmq-4.3", clock="frozen") as broker:
        with Publisher(broker.url) as publisher:
            publisher.channel.queue_declare("q", durable=True, arguments=RETRY)
            for body in (b"failed", b"returned", b"unacked"):
                publisher.send(body, "q")
            for _ in (1, 2, 3):
                publisher.channel.basic_get("q")
            publisher.channel.basic_reject(1)
            publisher.channel.basic_nack(2)
            publisher.send(b"urgent", "q", priority=9)
            broker.clock.advance(4)
            with pytest.raises(AssertionError, match="'q' has 2 ready, 1 unacknowledged, 1 held back:"):
                broker.assert_empty("q", timeout=0)
            snapshot = broker.snapshot()
        broker.restore(snapshot)
        assert [each.body for each in broker.queue("q").held] == [b"failed"]
        counts = [(each.headers or {}).get("x-acquired-count") for each in broker.queue("q").ready]
        assert counts == [1, 1, None]
        broker.clock.advance(5.9)
        assert broker.queue("q").bodies == [b"returned", b"unacked", b"urgent"]
        broker.clock.advance(0.1)
        assert broker.queue("q").bodies == [b"returned", b"unacked", b"failed", b"urgent"]
        broker.clock.advance(49.9)
        assert len(broker.queue("q")) == 4
        broker.clock.advance(0.1)
        assert not broker.queue("q").bodies


@pytest.mark.parametrize("name", ["data_dir", "heartbaet", "listen"])
def test_a_setting_that_is_none(name: str) -> None:
    with pytest.raises(TypeError, match=f"no setting '{name}'"):
        TestBroker(**{name: None})


def test_two_brokers_have_nothing_in_common() -> None:
    with TestBroker() as one, TestBroker(profile="rabbitmq-4") as other:
        with Publisher(one.url) as publisher:
            publisher.channel.queue_declare("q")
        assert (one.queues, other.queues, other.events) == (["q"], [], [])
        one.clock.advance(days=365)
        assert one.clock.now > other.clock.now
