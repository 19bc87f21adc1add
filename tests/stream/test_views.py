"""Connections by the stream protocol beside others."""

from amqpy.management.resources.connections import sessions
from amqpy.stream.views import connection
from tests.amqp.client import Client as AmqpClient
from tests.stream.client import Client


def test_a_connection_is_shown_like_others() -> None:
    client = Client.opened()
    amqp = AmqpClient.opened(client.broker)
    assert set(sessions(client.broker.vhosts.values())) == {client.session, amqp.session}
    shown, other = connection(client.session), connection(amqp.session)
    assert shown.keys() == other.keys()
    assert (shown["protocol"], shown["state"], shown["channels"]) == ("stream", "running", 0)
    assert (shown["user"], shown["vhost"], shown["auth_mechanism"]) == ("guest", "/", "PLAIN")
    assert shown["client_properties"] == {"product": "test"}
    assert shown["frame_max"] == 1 << 20
    assert shown["recv_oct"] == client.session.traffic()["recv_oct"] != 0
