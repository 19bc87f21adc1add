"""All calls of pyrabbit2."""

import contextlib

import pika
from checks import PREFIX, URL, check, main, name_of
from management import PARTS, PASSWORD, USER, until
from pyrabbit2 import Client, api
from pyrabbit2.http import HTTPError

VHOST = name_of("v/host")
PERSON = name_of("person")
SITE = f"{PARTS.hostname}:{PARTS.port}"
CLIENT = Client(SITE, USER, PASSWORD, timeout=30)


@contextlib.contextmanager
def refused(status, detail=None):
    try:
        yield
    except HTTPError as error:
        assert error.status == status, error
        assert detail is None or detail in error.detail, error
    else:
        raise AssertionError("it was done")


@check("broker")
def broker():
    assert CLIENT.is_alive()
    assert CLIENT.get_overview()["management_version"]
    assert CLIENT.get_whoami()["name"] == USER
    assert len(CLIENT.get_nodes()) == 1
    assert CLIENT.get_nodes()[0]["name"] == CLIENT.get_overview()["node"]
    assert {"name"} <= CLIENT.get_cluster_name().keys()
    assert isinstance(CLIENT.get_extensions(), list)
    assert {"users", "vhosts", "queues"} <= CLIENT.get_definitions().keys()


@check("virtual hosts, users and permissions")
def access():
    CLIENT.create_vhost(VHOST)
    assert VHOST in CLIENT.get_vhost_names()
    assert CLIENT.get_vhost(VHOST)["name"] == VHOST
    CLIENT.create_user(PERSON, "secret", tags="management")
    assert PERSON in [user["name"] for user in CLIENT.get_users()]
    CLIENT.set_vhost_permissions(VHOST, PERSON, "^c", "^r", "^w")
    told = {"user": PERSON, "vhost": VHOST, "configure": "^c", "write": "^w", "read": "^r"}
    assert CLIENT.get_permission(VHOST, PERSON) == told
    assert told in CLIENT.get_vhost_permissions(VHOST)
    assert CLIENT.get_user_permissions(PERSON) == [told]
    assert told in CLIENT.get_permissions()
    lesser = Client(SITE, PERSON, "secret", timeout=30)
    assert [vhost["name"] for vhost in lesser.get_all_vhosts()] == [VHOST]
    try:
        lesser.get_users()
    except api.PermissionError:
        pass
    else:
        raise AssertionError("it may see users")
    CLIENT.delete_permission(VHOST, PERSON)
    assert CLIENT.get_user_permissions(PERSON) == []
    CLIENT.delete_user(PERSON)
    with refused(404, "Not Found"):
        CLIENT.delete_user(PERSON)
    try:
        CLIENT.is_alive("nowhere")
    except api.APIError as error:
        assert "No vhost" in str(error)
    else:
        raise AssertionError("it is alive")


@check("exchanges, queues and bindings")
def topology():
    assert CLIENT.create_exchange(VHOST, "in", "topic")
    assert CLIENT.get_exchange(VHOST, "in")["type"] == "topic"
    assert "in" in [exchange["name"] for exchange in CLIENT.get_exchanges(VHOST)]
    for name in ("one", "two", "three"):
        CLIENT.create_queue(VHOST, name, durable=True)
    CLIENT.create_queue(VHOST, "with arguments", arguments={"x-max-length": 3})
    assert CLIENT.get_queue(VHOST, "with arguments")["arguments"] == {"x-max-length": 3}
    assert {queue["name"] for queue in CLIENT.get_queues(VHOST)} == {"one", "two", "three", "with arguments"}
    assert {queue["name"] for queue in CLIENT.get_queues(VHOST, "^t", regex=True)} == {"two", "three"}
    assert [queue["name"] for queue in CLIENT.get_queues(VHOST, "one")] == ["one"]
    CLIENT.create_binding(VHOST, "in", "one", "a.b", {"n": 1})
    CLIENT.create_binding(VHOST, "in", "two", "c")
    (bound,) = (each for each in CLIENT.get_queue_bindings(VHOST, "one") if each["source"])
    assert (bound["routing_key"], bound["arguments"]) == ("a.b", {"n": 1})
    assert VHOST in [each["vhost"] for each in CLIENT.get_bindings()]
    assert CLIENT.delete_binding(VHOST, "in", "two", "c")
    assert [each["source"] for each in CLIENT.get_queue_bindings(VHOST, "two")] == [""]
    with refused(400, "inequivalent arg 'type' for exchange 'in'"):
        CLIENT.create_exchange(VHOST, "in", "fanout")
    with refused(404, "Not Found"):
        CLIENT.get_queue(VHOST, "four")


@check("messages")
def messages():
    assert CLIENT.publish(VHOST, "in", "a.b", "text", properties={"delivery_mode": 2})
    assert not CLIENT.publish(VHOST, "in", "nowhere", "text")
    assert CLIENT.publish(VHOST, "amq.default", "one", "AAEC", payload_enc="base64")
    until(lambda: CLIENT.get_queue(VHOST, "one").get("messages") == 2)
    assert CLIENT.get_queue_depth(VHOST, "one") == 2
    first, second = CLIENT.get_messages(VHOST, "one", count=5, requeue=True)
    assert (first["payload"], first["properties"], first["redelivered"]) == ("text", {"delivery_mode": 2}, False)
    assert (second["payload"], second["exchange"], second["message_count"]) == ("\0\1\2", "", 0)
    (first,) = CLIENT.get_messages(VHOST, "one", truncate=2)
    assert (first["payload"], first["payload_bytes"], first["redelivered"]) == ("te", 4, True)
    assert CLIENT.purge_queue(VHOST, "one")
    assert CLIENT.get_messages(VHOST, "one") == []


@check("policies and shovels")
def policies():
    CLIENT.create_policy(VHOST, "short", pattern="^one$", definition={"max-length": 7}, priority=1)
    assert CLIENT.get_policy(VHOST, "short")["definition"] == {"max-length": 7}
    assert "short" in [each["name"] for each in CLIENT.get_all_policies() if each["vhost"] == VHOST]
    CLIENT.delete_policy(VHOST, "short")
    with refused(404):
        CLIENT.get_policy(VHOST, "short")
    with refused(400, "component shovel not found"):
        CLIENT.create_shovel(VHOST, "mover", **{"src-uri": "amqp://", "dest-uri": "amqp://", "src-queue": "one"})
    with refused(404):
        CLIENT.get_shovel(VHOST, "mover")


@check("connections and channels")
def connections():
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    with pika.BlockingConnection(parameters) as connection:
        connection.channel()
        own = until(lambda: [each for each in CLIENT.get_connections() if each.get("vhost") == VHOST])[0]
        channel = until(lambda: [each for each in CLIENT.get_channels() if each.get("vhost") == VHOST])[0]
        assert CLIENT.get_connection(own["name"])["user"] == USER
        assert CLIENT.get_channel(channel["name"])["number"] == 1
        CLIENT.delete_connection(own["name"])
        try:
            while True:
                connection.process_data_events(30)
        except pika.exceptions.ConnectionClosedByBroker as closed:
            assert closed.reply_code == 320


@check("all is deleted")
def deleted():
    assert CLIENT.delete_exchange(VHOST, "in")
    CLIENT.delete_queue(VHOST, "one")
    with refused(404):
        CLIENT.delete_queue(VHOST, "one")
    CLIENT.delete_vhost(VHOST)
    assert not [name for name in CLIENT.get_vhost_names() if PREFIX in name]


main()
