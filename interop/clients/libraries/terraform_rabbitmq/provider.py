"""The requests of Terraform's provider (cyrilgdn/rabbitmq), by way of rabbit-hole: how each resource is created, read
(to refresh, to plan, to import), updated and deleted, and what is done about one that is gone.

A plan without changes reads what was written, exactly. Every request has a connection of its own, as there.
"""

from urllib.parse import unquote

from checks import check, main, name_of
from management import USER, ask, path, request

VHOST = name_of("vhost")
PERSON = name_of("person")
CLOSING = {"Connection": "close"}


def done(method, target, value=None):
    """The value of an answer that must be no refusal; nothing to delete is none either."""
    status, told = ask(method, target, value, headers=CLOSING)
    assert status < 400 or (method == "DELETE" and status == 404), (method, target, status, told)
    return told


def read(target, **wanted):
    """Refresh: what is read must have these values."""
    told = done("GET", target)
    assert told | wanted == told, told


def is_gone(target):
    """It is taken out of the state; the next plan creates it again."""
    status, told = ask("GET", target, headers=CLOSING)
    assert status == 404, status
    assert told["error"] == "Object Not Found"


def deletes(target):
    assert ask("DELETE", target, headers=CLOSING)[0] == 204
    assert ask("DELETE", target, headers=CLOSING)[0] == 404
    is_gone(target)


@check("rabbitmq_vhost")
def vhost():
    """It is created with a description, or without one; its limits are parts of it."""
    at, limits = path("vhosts", VHOST), path("vhost-limits", VHOST)
    is_gone(at)
    done("PUT", at, {"description": "", "tags": "", "tracing": False})
    read(at, name=VHOST, description="", tags=[], tracing=False)
    assert done("GET", limits) == []
    settings = {"description": "changed", "tags": "", "tracing": True}
    done("PUT", at, settings)
    for name in ("max-connections", "max-queues"):
        done("DELETE", f"{limits}/{name}")
    done("PUT", f"{limits}/max-connections", {"value": 10})
    done("PUT", f"{limits}/max-queues", {"value": 20})
    read(at, description="changed", tracing=True)
    assert done("GET", limits) == [{"vhost": VHOST, "value": {"max-connections": 10, "max-queues": 20}}]
    done("DELETE", f"{limits}/max-connections")
    assert done("GET", limits) == [{"vhost": VHOST, "value": {"max-queues": 20}}]
    done("PUT", at, {**settings, "tracing": False})


@check("rabbitmq_user")
def user():
    at = path("users", PERSON)
    done("PUT", at, {"name": "", "tags": "management,policymaker", "password": "secret"})
    read(at, name=PERSON, tags=["management", "policymaker"])
    assert ask("GET", path("whoami"), user=PERSON, password="secret")[0] == 200
    done("PUT", at, {"name": "", "tags": "", "password": "other"})
    read(at, tags=[])
    done("PUT", at, {"name": "", "tags": "monitoring", "password": "other"})
    assert ask("GET", path("whoami"), user=PERSON, password="secret")[0] == 401
    assert PERSON in [each["name"] for each in done("GET", "/api/users/")]


@check("rabbitmq_permissions")
def permissions():
    at = path("permissions", VHOST, PERSON)
    is_gone(at)
    done("PUT", at, {"configure": ".*", "write": ".*", "read": ".*"})
    read(at, user=PERSON, vhost=VHOST, configure=".*", write=".*", read=".*")
    done("PUT", at, {"configure": "", "write": "^w", "read": "^r"})
    read(at, configure="", write="^w", read="^r")
    deletes(at)


@check("rabbitmq_topic_permissions")
def topic_permissions():
    at = path("topic-permissions", VHOST, PERSON)
    is_gone(at)
    for exchange in ("amq.topic", "amq.direct"):
        done("PUT", at, {"exchange": exchange, "write": "^w", "read": "^r"})
    told = done("GET", at)
    assert sorted(each["exchange"] for each in told) == ["amq.direct", "amq.topic"]
    assert {(each["user"], each["vhost"], each["write"], each["read"]) for each in told} == {
        (PERSON, VHOST, "^w", "^r")
    }
    done("DELETE", at)
    done("PUT", at, {"exchange": "amq.topic", "write": "", "read": ".*"})
    assert done("GET", at) == [{"user": PERSON, "vhost": VHOST, "exchange": "amq.topic", "write": "", "read": ".*"}]
    deletes(at)


@check("rabbitmq_exchange")
def exchange():
    at = path("exchanges", VHOST, "in.%/x")
    settings = {"type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}}
    done("PUT", at, settings)
    read(at, name="in.%/x", vhost=VHOST, auto_delete=False, **settings)
    deletes(at)
    done("PUT", path("exchanges", VHOST, "in"), {"type": "direct", "durable": True})
    read(path("exchanges", VHOST, "in"), type="direct", durable=True, auto_delete=False, arguments={})


@check("rabbitmq_queue")
def queue():
    """Numbers come from `arguments_json`, and are numbers again; in `arguments` all is text."""
    at = path("queues", VHOST, "jobs")
    arguments = {"x-message-ttl": 5000, "x-dead-letter-exchange": "", "x-queue-type": "quorum"}
    done("PUT", at, {"type": "", "durable": True, "arguments": arguments})
    read(at, name="jobs", vhost=VHOST, durable=True, auto_delete=False, arguments=arguments)
    deletes(at)
    done("PUT", at, {"type": "", "durable": False, "auto_delete": True, "arguments": {"x-queue-type": "classic"}})
    read(at, durable=False, auto_delete=True, arguments={"x-queue-type": "classic"})
    status, told = ask("PUT", at, {"type": "", "durable": True, "arguments": {"x-message-ttl": "5000"}})
    assert (status, told["error"]) == (400, "bad_request")
    assert "PRECONDITION_FAILED" not in told["reason"]


@check("rabbitmq_binding")
def binding():
    """Its identity has the key that the answer tells, in the last part of `location`."""
    done("PUT", path("exchanges", VHOST, "out"), {"type": "fanout", "durable": True})
    for kind, char, destination in (("queue", "q", "jobs"), ("exchange", "e", "out")):
        at = path("bindings", VHOST, "e", "in", char, destination)
        for key, arguments in (("a.#/b", {}), ("", {}), ("c", {"n": 1, "s": "t"})):
            wanted = {"source": "in", "vhost": VHOST, "destination": destination, "destination_type": kind}
            wanted |= {"routing_key": key, "arguments": arguments}
            status, headers, _ = request("POST", at, wanted, headers=CLOSING)
            assert status == 201, status
            told = unquote(headers["Location"].rpartition("/")[2])
            bound = [each for each in done("GET", at) if each["properties_key"] == told]
            assert bound == [wanted | {"properties_key": told}], bound
            deletes(f"{at}{path(told).removeprefix('/api')}")
        assert done("GET", at) == []
    status, told = ask(
        "POST", path("bindings", VHOST, "e", "in", "q", "missing"), {"routing_key": "a", "arguments": {}}
    )
    assert (status, told["error"]) == (404, "not_found")


@check("rabbitmq_policy and rabbitmq_operator_policy")
def policies():
    for what, definition in (("policies", {"max-length": 5, "overflow": "reject-publish"}), OPERATORS):
        at = path(what, VHOST, "short")
        wanted = {"vhost": VHOST, "name": "short", "pattern": "^jobs$", "priority": 1, "apply-to": "queues"}
        done("PUT", at, wanted | {"definition": definition})
        read(at, **wanted, definition=definition)
        done("PUT", at, wanted | {"priority": 2, "pattern": ".*", "definition": {"expires": 9000}})
        read(at, priority=2, pattern=".*", definition={"expires": 9000})
        deletes(at)
    status, told = ask("PUT", path("policies", VHOST, "short"), {"pattern": "x", "definition": {"unheard-of": 1}})
    assert status == 400
    assert "are not recognised policy settings" in told["reason"]


OPERATORS = ("operator-policies", {"max-length": 5, "message-ttl": 100})


@check("rabbitmq_federation_upstream")
def federation():
    at = path("parameters", "federation-upstream", VHOST, "up")
    value = {"uri": "amqp://elsewhere", "prefetch-count": 1000, "reconnect-delay": 5, "ack-mode": "on-confirm"}
    value |= {"trust-user-id": False, "max-hops": 1}
    done("PUT", at, {"value": value})
    read(at, name="up", vhost=VHOST, component="federation-upstream", value=value)
    done("PUT", at, {"value": value | {"max-hops": 2}})
    read(at, value=value | {"max-hops": 2})
    deletes(at)


@check("rabbitmq_shovel is refused where there is none")
def shovel():
    at = path("parameters", "shovel", VHOST, "mover")
    value = {"src-uri": ["amqp://"], "src-queue": "jobs", "dest-uri": ["amqp://"], "dest-queue": "out"}
    status, told = ask("PUT", at, {"value": value})
    assert (status, told["error"]) == (400, "bad_request")
    assert told["reason"] == "Validation failed\n\ncomponent shovel not found\n"
    is_gone(at)


@check("data sources")
def data_sources():
    read(path("exchanges", VHOST, "amq.topic"), type="topic", durable=True, internal=False)
    read(path("users", USER), name=USER, tags=["administrator"])
    read(path("vhosts", VHOST), name=VHOST)
    assert done("GET", "/api/overview")["rabbitmq_version"]


@check("destroy")
def destroy():
    for at in (path("queues", VHOST, "jobs"), path("exchanges", VHOST, "in"), path("exchanges", VHOST, "out")):
        deletes(at)
    deletes(path("users", PERSON))
    deletes(path("vhosts", VHOST))


main()
