"""Views of connections and channels, and what is counted on when they are gone."""

import pytest
from pamqp.commands import Basic, Confirm, Connection, Queue, Tx

from amqpy.amqp import views as amqp_views
from amqpy.amqp.connection_events import of_tls
from amqpy.amqp.state import State
from amqpy.config import Config
from amqpy.core import views
from amqpy.core.confirms import Confirms

from .client import Client, make_broker, method_frame


def opened(*, channels: tuple[int, ...] = (1,), profile: str = "rabbitmq-4.0") -> Client:
    return Client.opened(make_broker(Config(profile=profile)), channels=channels)


def test_a_connection_shows_its_ends_and_its_bytes() -> None:
    client = Client.opened()
    session = client.session
    shown = amqp_views.connection(session)
    assert shown.pop("client_properties") == {"product": "test", "capabilities": {}}
    traffic = {name: shown.pop(name) for name in ("recv_oct", "recv_cnt", "send_oct", "send_cnt", "send_pend")}
    assert traffic == {**session.traffic(), "send_pend": 0}
    received, sent = len(client.take_output()), session.outbox.total
    assert (received, sent > 300) == (0, True)
    assert shown == {
        "name": "",
        "node": "rabbit@test",
        "type": "network",
        "protocol": "AMQP 0-9-1",
        "host": "",
        "port": 0,
        "peer_host": "",
        "peer_port": 0,
        "ssl": False,
        **dict.fromkeys(of_tls(session.terms)),
        "auth_mechanism": "PLAIN",
        "user": "guest",
        "user_who_performed_action": "guest",
        "vhost": "/",
        "connected_at": 0,
        "timeout": 0,
        "frame_max": 131_072,
        "channel_max": 2047,
        "channels": 1,
        "state": "running",
    }


def test_the_protocol_of_an_old_client_is_named_as_rabbitmq_does() -> None:
    client = opened(profile="rabbitmq-3.13", channels=())
    assert amqp_views.connection(client.session)["protocol"] == "AMQP 0-9-1"
    old = Client(make_broker(Config(profile="rabbitmq-3.13")))
    old.feed(b"AMQP\x01\x01\x08\x00")
    shown = amqp_views.connection(old.session)
    assert (shown["protocol"], shown["state"]) == ("AMQP 0-8", "starting")


def test_every_state_of_a_connection_is_shown() -> None:
    assert set(amqp_views.STATES) == set(State)


def test_bytes_are_counted_as_they_come_and_go() -> None:
    client = Client.opened()
    before = client.session.traffic()
    data = method_frame(Queue.Declare(queue="q"), 1)
    client.session.receive(data[:5], 0)
    client.session.receive(data[5:], 0)
    client.broker.settle()
    waiting = client.session.outbox.size
    assert amqp_views.connection(client.session)["send_pend"] == waiting > 0
    client.take_output()
    after = client.session.traffic()
    assert {name: after[name] - before[name] for name in after} == {
        "recv_oct": len(data),
        "recv_cnt": 2,
        "send_oct": waiting,
        "send_cnt": 1,
    }


def test_a_channel_shows_its_modes() -> None:
    client = opened(channels=(1, 2), profile="rabbitmq-3.13")
    client.send(Basic.Qos(prefetch_count=3), Basic.Qos(prefetch_count=5, global_=True), Confirm.Select())
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q"))
    client.send(Tx.Select(), channel=2)
    shown = [amqp_views.channel(channel) for channel in client.session.channels.values()]
    modes = ("number", "confirm", "transactional", "consumer_count", "prefetch_count", "global_prefetch_count", "state")
    assert [[view[name] for name in modes] for view in shown] == [
        [1, True, False, 1, 3, 5, "running"],
        [2, False, True, 0, 0, 0, "running"],
    ]


def test_confirms_that_wait_for_the_store_are_shown_as_unconfirmed() -> None:
    confirms = Confirms()
    confirms.last_tag = 3
    confirms.nack(2)
    confirms.note(7)
    confirms.last_tag = 4
    assert (confirms.confirmed_count, confirms.unconfirmed_count) == (0, 4)
    confirms.take(7)
    assert (confirms.confirmed_count, confirms.unconfirmed_count) == (2, 1)


@pytest.mark.parametrize("is_lost", [False, True])
def test_what_a_connection_did_is_not_forgotten_when_it_is_gone(is_lost: bool) -> None:
    client = opened(channels=(1, 2))
    broker, vhost = client.broker, client.broker.vhosts["/"]
    client.send(Queue.Declare(queue="q", exclusive=True))
    client.publish("q")
    client.send(Basic.Get(queue="q"), Basic.Ack(delivery_tag=1))
    stats, traffic = vhost.channel_totals.sum(), client.session.traffic()
    assert (stats["publish"], stats["get"], stats["ack"]) == (1, 1, 1)
    if is_lost:
        client.session.lost()
    else:
        client.send(Connection.Close(0, "", 0, 0), channel=0)
    broker.finish()
    assert not vhost.channels
    assert vhost.channel_totals.sum() == stats
    assert views.overview(broker)["message_stats"] == stats
    received = views.vhost(vhost, "node", views.QueueTotals())["recv_oct"]
    assert isinstance(received, int)
    assert received >= traffic["recv_oct"]
    assert views.queue_types(broker)["classic"]["ack"] == 1


def test_a_virtual_host_that_is_deleted_stays_in_the_overview() -> None:
    client = opened()
    broker = client.broker
    client.send(Queue.Declare(queue="q"))
    client.publish("q")
    broker.administration.delete_vhost("/")
    broker.settle()
    broker.finish()
    shown = views.overview(broker)
    stats, churn = shown["message_stats"], shown["churn_rates"]
    assert isinstance(stats, dict)
    assert isinstance(churn, dict)
    assert stats["publish"] == 1
    assert (churn["channel_created"], churn["channel_closed"], churn["queue_deleted"]) == (1, 1, 1)
