"""AMQPStorm's client of the HTTP API."""

import amqpstorm
from amqpstorm.management import ApiError, ManagementApi
from checks import PREFIX, URL, check, main, name_of
from management import PARTS, PASSWORD, USER, until

VHOST = name_of("vhost")
PERSON = name_of("person")
SITE = f"http://{PARTS.hostname}:{PARTS.port}"
API = ManagementApi(SITE, USER, PASSWORD, timeout=30)
TEXTS = {
    400: "400 Client Error: Bad Request for url",
    401: "401 Client Error: Unauthorized for url",
    404: "NOT-FOUND - The client attempted to work with a server entity that does not exist",
}
"""By the status of an answer, of which the first line says more than AMQPStorm reads."""


def refused(call, *arguments, status):
    try:
        call(*arguments)
    except ApiError as error:
        assert error.error_code == status, error
        assert str(error).startswith(TEXTS[status]), error
    else:
        raise AssertionError("it was done")


def names(values):
    return [each["name"] for each in values]


@check("administration: the broker")
def broker():
    assert API.aliveness_test("/") == {"status": "ok"}
    node = API.overview()["node"]
    assert names(API.nodes()) == [node]
    assert API.node(node)["type"] == "disc"
    assert API.cluster_name()["name"]
    assert API.whoami()["name"] == USER
    assert API.healthchecks.get()["status"] == "ok"
    assert API.healthchecks.get(node)["status"] == "ok"
    refused(ManagementApi(SITE, USER, "wrong").overview, status=401)


@check("administration: virtual hosts, users and permissions")
def access():
    API.virtual_host.create(VHOST)
    assert API.virtual_host.get(VHOST)["name"] == VHOST
    assert VHOST in names(API.virtual_host.list())
    API.user.create(PERSON, "secret", "monitoring")
    assert API.user.get(PERSON)["tags"] == ["monitoring"]
    assert PERSON in names(API.user.list())
    API.user.set_permission(PERSON, VHOST, "^c", "^w", "^r")
    told = {"user": PERSON, "vhost": VHOST, "configure": "^c", "write": "^w", "read": "^r"}
    assert API.user.get_permission(PERSON, VHOST) == told
    assert API.user.get_permissions(PERSON) == [told]
    assert told in API.virtual_host.get_permissions(VHOST)
    API.user.delete_permission(PERSON, VHOST)
    refused(API.user.get_permission, PERSON, VHOST, status=404)
    API.user.delete([PERSON])
    refused(API.user.get, PERSON, status=404)


@check("administration: exchanges, queues and bindings")
def topology():
    API.exchange.declare("in", "topic", virtual_host=VHOST, durable=True)
    API.exchange.declare("out", "fanout", virtual_host=VHOST)
    API.queue.declare("q", virtual_host=VHOST, durable=True, arguments={"x-max-length": 4})
    assert API.exchange.get("in", VHOST)["type"] == "topic"
    assert API.queue.get("q", VHOST)["arguments"] == {"x-max-length": 4}
    assert names(API.queue.list(VHOST)) == ["q"]
    assert {"in", "out"} <= set(names(API.exchange.list(VHOST)))
    assert names(API.exchange.list(VHOST, name="^(in|out)$", use_regex=True, page_size=1)) == ["in", "out"]
    API.queue.bind("q", "in", "a.#", VHOST, {"n": 1})
    API.exchange.bind("out", "in", "b", VHOST)
    assert [each["routing_key"] for each in API.queue.bindings("q", VHOST)] == ["q", "a.#"]
    assert {each["destination"] for each in API.exchange.bindings("in", VHOST)} == {"q", "out"}
    (key,) = (each["properties_key"] for each in API.queue.bindings("q", VHOST) if each["source"])
    API.queue.unbind("q", "in", "a.#", VHOST, properties_key=key)
    API.exchange.unbind("out", "in", "b", VHOST)
    assert len(API.queue.bindings("q", VHOST)) == 1
    refused(API.queue.get, "nothing", VHOST, status=404)
    refused(API.exchange.declare, "in", "direct", VHOST, status=400)


@check("administration: messages")
def messages():
    properties = {"content_type": "text/plain", "headers": {"n": 1}}
    assert API.basic.publish("text", "q", properties=properties, virtual_host=VHOST) == {"routed": True}
    (got,) = API.basic.get("q", VHOST, requeue=True, to_dict=True)
    assert (got["payload"], got["properties"], got["redelivered"]) == ("text", properties, False)
    (got,) = API.basic.get("q", VHOST)
    assert (got.body, got.properties["content_type"]) == ("text", "text/plain")
    assert API.basic.get("q", VHOST) == []
    API.basic.publish("more", "q", virtual_host=VHOST)
    API.queue.purge("q", VHOST)
    assert API.basic.get("q", VHOST) == []


@check("administration: connections")
def connections():
    with amqpstorm.UriConnection(f"{URL.rpartition('/')[0]}/{VHOST}") as connection:
        connection.channel()
        own = until(lambda: names(each for each in API.connection.list() if each.get("vhost") == VHOST))[0]
        assert API.connection.get(own)["user"] == USER
        assert until(lambda: [each for each in API.channel.list() if each.get("vhost") == VHOST])[0]["number"] == 1
        assert until(lambda: API.channel.get(f"{own} (1)"))["number"] == 1
        API.connection.close(own, "no more")
        until(lambda: not connection.is_open)
    refused(API.connection.close, "nobody", status=404)


@check("administration: all is deleted")
def deleted():
    API.queue.delete("q", VHOST)
    refused(API.queue.delete, "q", VHOST, status=404)
    API.exchange.delete("in", VHOST)
    API.virtual_host.delete(VHOST)
    assert not [name for name in names(API.virtual_host.list()) if PREFIX in name]


main()
