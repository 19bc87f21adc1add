"""All calls of rabbitmq-admin, which hands on what the broker says."""

import contextlib

import pika
import requests
from checks import PREFIX, URL, check, main, name_of
from management import PARTS, PASSWORD, USER, until
from rabbitmq_admin import AdminAPI

VHOST = name_of("v/host")
PERSON = name_of("person")
API = AdminAPI(url=f"http://{PARTS.hostname}:{PARTS.port}", auth=(USER, PASSWORD))


@contextlib.contextmanager
def refused(status):
    try:
        yield
    except requests.HTTPError as error:
        assert error.response.status_code == status, error
    else:
        raise AssertionError("it was done")


def names(values):
    return [each["name"] for each in values]


@check("broker")
def broker():
    overview = API.overview()
    assert names(API.list_nodes()) == [overview["node"]]
    assert API.get_node(overview["node"], memory=True, binary=True)["name"] == overview["node"]
    assert API.get_cluster_name()["name"]
    assert API.list_extensions()[0] == {"javascript": "dispatcher.js"}
    assert API.whoami()["name"] == USER
    assert API.is_vhost_alive("/") == {"status": "ok"}


@check("virtual hosts, users and permissions")
def access():
    API.create_vhost(VHOST, tracing=True)
    assert API.get_vhost(VHOST)["tracing"] is True
    assert VHOST in names(API.list_vhosts())
    API.create_user(PERSON, "secret", tags=["policymaker"])
    assert PERSON in names(API.list_users())
    assert API.get_user(PERSON)["tags"] == ["policymaker"]
    API.create_user_permission(PERSON, VHOST, configure="^c", write="^w")
    told = {"user": PERSON, "vhost": VHOST, "configure": "^c", "write": "^w", "read": ".*"}
    assert API.get_user_permission(VHOST, PERSON) == told
    assert API.list_user_permissions(PERSON) == [told]
    assert told in API.list_permissions()
    API.delete_user_permission(PERSON, VHOST)
    with refused(404):
        API.get_user_permission(VHOST, PERSON)
    API.delete_user(PERSON)
    with refused(404):
        API.get_user(PERSON)
    with refused(404):
        API.is_vhost_alive("nowhere")


@check("exchanges and bindings")
def topology():
    body = {"type": "direct", "auto_delete": False, "durable": True, "internal": False, "arguments": {}}
    API.create_exchange_for_vhost("in", VHOST, body)
    found = API.get_exchange_for_vhost("in", VHOST)
    assert {**found, **body} == found
    assert "in" in names(API.list_exchanges_for_vhost(VHOST))
    assert VHOST in {each["vhost"] for each in API.list_exchanges()}
    with channel() as own:
        own.queue_declare("q", auto_delete=True)
        own.queue_bind("q", "in", "key")
        bound = {"source": "in", "vhost": VHOST, "destination": "q", "destination_type": "queue", "routing_key": "key"}
        bound |= {"arguments": {}, "properties_key": "key"}
        assert bound in API.list_bindings_for_vhost(VHOST)
        assert bound in API.list_bindings()
        own.queue_delete("q")
    API.delete_exchange_for_vhost("in", VHOST)
    with refused(404):
        API.get_exchange_for_vhost("in", VHOST)


@contextlib.contextmanager
def channel():
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


@check("connections, channels and consumers")
def connections():
    with channel() as own:
        own.queue_declare("consumed", auto_delete=True)
        own.basic_consume("consumed", lambda *_: None, consumer_tag="here")
        name = until(lambda: names(each for each in API.list_connections() if each.get("vhost") == VHOST))[0]
        assert f"{name} (1)" in until(lambda: names(API.list_channels()))
        # It writes a space as `+`, which is none in a path.
        for call in (API.get_connection, API.delete_connection, API.get_channel):
            with refused(404):
                call(name)
        (consumer,) = until(lambda: API.list_consumers_for_vhost(VHOST))
        assert (consumer["consumer_tag"], consumer["queue"]) == ("here", {"name": "consumed", "vhost": VHOST})
        assert "here" in [each["consumer_tag"] for each in API.list_consumers()]


@check("policies")
def policies():
    API.create_policy_for_vhost(VHOST, "short", {"max-length": 3}, pattern="^q", priority=2, apply_to="queues")
    policy = {"vhost": VHOST, "name": "short", "pattern": "^q", "apply-to": "queues", "definition": {"max-length": 3}}
    policy |= {"priority": 2}
    assert API.get_policy_for_vhost(VHOST, "short") == policy
    assert API.list_policies_for_vhost(VHOST) == [policy]
    assert policy in API.list_policies()
    # It deletes with a slash at the end of the path.
    API.delete_policy_for_vhost(VHOST, "short")
    assert API.list_policies_for_vhost(VHOST) == []


@check("definitions")
def definitions():
    told = API.get_definitions()
    assert VHOST in names(told["vhosts"])
    vhost = {"name": name_of("imported")}
    API.post_definitions({"vhosts": [vhost], "users": [], "permissions": [], "queues": [], "exchanges": []})
    assert vhost["name"] in names(API.list_vhosts())
    for name in (vhost["name"], VHOST):
        API.delete_vhost(name)
    assert not [name for name in names(API.list_vhosts()) if PREFIX in name]


main()
