"""Limits that a configuration sets of the broker: connections, channels, consumers; and what is told of logins."""

from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Connection, Queue

from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.users import LoginFailed

from .client import HEADER, OPENING, Client, Received, make_broker, make_users, names, start_ok
from .test_handshake import never


def limited(**settings: Any) -> Broker:  # noqa: ANN401
    return make_broker(Config(cluster_name="rabbit@test", **settings))


def told(received: list[Received]) -> tuple[int, str]:
    """Code and text of the close of a connection."""
    (close,) = received
    assert close.name == "Connection.Close"
    return close.method.reply_code, close.method.reply_text


def knock(broker: Broker, vhost: str = "/") -> tuple[Client, list[Received]]:
    """A client, and the answer to its connection.open."""
    client = Client(broker)
    client.feed(HEADER)
    client.send(*OPENING[:-1], channel=0)
    return client, client.send(Connection.Open(vhost), channel=0)


# --- connections


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_connections_that_may_be_open(limit: int) -> None:
    broker = limited(connection_max=limit)
    opened = [Client.opened(broker) for _ in range(limit)]
    waiting = Client(broker)  # who has not logged in takes no place
    waiting.feed(HEADER)
    text = f"NOT_ALLOWED - connection refused: node connection limit ({limit}) is reached"
    assert told(knock(broker)[1]) == (530, text)
    if opened:
        opened.pop().session.lost()
        client, answer = knock(broker)
        assert names(answer) == ["Connection.OpenOk"]
        assert names(client.send(Channel.Open())) == ["Channel.OpenOk"]
        assert told(knock(broker)[1]) == (530, text)


def test_the_limit_of_all_comes_before_that_of_a_vhost_and_its_existence() -> None:
    broker = limited(connection_max=1)
    broker.administration.set_vhost_limits("/", {"max-connections": 0})
    text = "access to vhost '/' refused for user 'guest': connection limit (0) is reached"
    assert told(knock(broker)[1]) == (530, f"NOT_ALLOWED - {text}")
    broker.administration.clear_vhost_limits("/")
    knock(broker)
    broker.administration.set_vhost_limits("/", {"max-connections": 0})
    for vhost in ("/", "nowhere"):
        text = "NOT_ALLOWED - connection refused: node connection limit (1) is reached"
        assert told(knock(broker, vhost)[1]) == (530, text)


def test_connections_to_all_vhosts_count() -> None:
    broker = limited(connection_max=2)
    broker.administration.add_vhost("second")
    make_users(broker).set_permissions("guest", "second", ".*", ".*", ".*")
    for vhost in ("/", "second"):
        assert names(knock(broker, vhost)[1]) == ["Connection.OpenOk"]
    assert told(knock(broker)[1])[0] == 530


# --- channels


def test_channels_of_all_connections() -> None:
    broker = limited(channel_max_per_node=3)
    one, other = Client.opened(broker, channels=(1, 2)), Client.opened(broker, channels=(1,))
    text = "number of channels opened on node 'rabbit@test' has reached the maximum allowed limit of (3)"
    assert told(other.send(Channel.Open(), channel=2)) == (530, f"NOT_ALLOWED - {text}")
    # Its channels are gone with the connection.
    assert names(one.send(Channel.Open(), channel=3)) == ["Channel.OpenOk"]
    assert names(one.send(Channel.Close(200, "", 0, 0), channel=3)) == ["Channel.CloseOk"]
    assert names(one.send(Channel.Open(), channel=3)) == ["Channel.OpenOk"]
    assert told(one.send(Channel.Open(), channel=4))[0] == 530


def test_the_limit_of_a_user_comes_first() -> None:
    broker = limited(channel_max_per_node=1)
    users = make_users(broker)
    client = Client(broker, users=users)
    client.feed(HEADER)
    client.send(*OPENING, channel=0)
    client.send(Channel.Open())
    users.set_limits("guest", {"max-channels": 1})
    assert "for user 'guest'" in told(client.send(Channel.Open(), channel=2))[1]


# --- consumers


CONSUMERS_FULL = (530, "NOT_ALLOWED - reached maximum (2) of consumers per channel")


def consuming() -> Client:
    """A client with as many consumers on channel 1 as it may have: a and b."""
    client = Client.opened(limited(consumer_max_per_channel=2), channels=(1, 2))
    client.send(Queue.Declare(queue="q"))
    for tag in ("a", "b"):
        assert names(client.send(Basic.Consume(queue="q", consumer_tag=tag))) == ["Basic.ConsumeOk"]
    return client


@pytest.mark.parametrize("queue", ["q", "nowhere", "amq.rabbitmq.reply-to"])
def test_consumers_of_a_channel(queue: str) -> None:
    assert told(consuming().send(Basic.Consume(queue=queue, no_ack=True))) == CONSUMERS_FULL


def test_a_consumer_that_is_cancelled_makes_room() -> None:
    client = consuming()
    client.send(Basic.Cancel("a"))
    assert names(client.send(Basic.Consume(queue="q"))) == ["Basic.ConsumeOk"]
    assert told(client.send(Basic.Consume(queue="q"))) == CONSUMERS_FULL


def test_each_channel_may_have_as_many_consumers() -> None:
    client = consuming()
    for _ in range(2):
        assert names(client.send(Basic.Consume(queue="q"), channel=2)) == ["Basic.ConsumeOk"]
    assert told(client.send(Basic.Consume(queue="q"), channel=2)) == CONSUMERS_FULL


def test_a_tag_that_is_used_is_told_first() -> None:
    assert told(consuming().send(Basic.Consume(queue="q", consumer_tag="a")))[1].endswith(
        "attempt to reuse consumer tag 'a'"
    )


def test_a_reply_consumer_takes_no_place() -> None:
    client = Client.opened(limited(consumer_max_per_channel=1))
    client.send(Queue.Declare(queue="q"))
    for queue in ("amq.rabbitmq.reply-to", "q"):
        assert names(client.send(Basic.Consume(queue=queue, no_ack=True))) == ["Basic.ConsumeOk"]


# --- who is told


def observed(**more: Any) -> tuple[Client, list[bool]]:  # noqa: ANN401
    """A client, and what is said of its entry."""
    client, said = Client(**more), list[bool]()
    client.session.on_entry = said.append
    client.feed(HEADER)
    return client, said


def test_entry_is_told_when_the_connection_is_open() -> None:
    client, said = observed()
    client.send(*OPENING[:-1], channel=0)
    assert said == []
    client.send(Connection.Open("/"), channel=0)
    assert said == [True]


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("response", ["\0guest\0wrong", "\0nobody\0guest", "\0guest\0"])
def test_a_failed_login_is_told(response: str, is_told: bool) -> None:
    client, said = observed()
    client.send(start_ok(response, authentication_failure_close=is_told), channel=0)
    assert said == [False]


def test_a_login_that_an_authenticator_refuses_is_told() -> None:
    client, said = observed(authenticator=never)
    client.send(start_ok(), channel=0)
    assert said == []
    client.answer(LoginFailed("guest", "no"))
    assert said == [False]


def test_what_is_no_login_is_not_told() -> None:
    client, said = observed()
    client.send(start_ok("no nulls"), channel=0)
    assert client.session.is_closed
    assert said == []
