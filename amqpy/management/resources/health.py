"""Health checks: 200 if all is well, else 503, with the reason.

Source: `rabbit_mgmt_wm_health_check_*`, `rabbit_mgmt_wm_healthchecks`, `rabbit_mgmt_wm_aliveness_test`.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from amqpy.config.values import TcpAddress
from amqpy.core.alarms import Resource
from amqpy.core.message import Message, address_of
from amqpy.core.publishing import publish
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault, erlang_atom
from amqpy.management import access
from amqpy.management.access import Rule
from amqpy.management.answers import Answer, Refusal, bad_request, not_entitled
from amqpy.management.call import Call
from amqpy.management.lists import View
from amqpy.management.resources.nodes import check_node
from amqpy.management.router import Handler, Router
from amqpy.management.web_channel import WebChannel
from amqpy.wire.properties import content_header

OK: Final = Answer(200, {"status": "ok"})

RESOURCES: Final[dict[Resource, str]] = {"memory": "memory", "disk": "disk space"}
"""The resources that may be short, and how checks call them."""

IN_EFFECT: Final = "resource alarm(s) in effect:"
LINE_MAX: Final = 80

NO_LISTENER: Final = "No active listener"

IN_TLS: Final = ("/tls", "/ssl", "+tls", "+ssl")

PROTOCOLS: Final = {
    "amqp/ssl": ("amqps",),
    "amqp": ("amqp091", "amqp0.9.1", "amqp0-9-1", "amqp0_9_1", "amqp10", "amqp1.0", "amqp1-0", "amqp1_0"),
    "clustering": ("cli", "distribution"),
    "http": ("http1", "http1.1", "http_api", "management", "management_ui", "ui"),
    "http/web-mqtt": ("web-mqtt", "web_mqtt", "webmqtt"),
    "http/web-stomp": ("web-stomp", "web_stomp", "webstomp"),
    "https/web-mqtt": tuple(f"{name}{tls}" for name in ("web-mqtt", "webmqtt") for tls in IN_TLS),
    "https/web-stomp": tuple(f"{name}{tls}" for name in ("web-stomp", "webstomp") for tls in IN_TLS),
    "mqtt": ("mqtt3.1", "mqtt3.1.1", "mqtt31", "mqtt311", "mqtt3_1", "mqtt3_1_1"),
    "mqtt/ssl": ("mqtts", "mqtt+tls", "mqtt+ssl"),
    "stomp": tuple(f"stomp1{dot}{minor}" for dot in (".", "", "_") for minor in range(3)),
    "stomp/ssl": ("stomps", "stomp+tls", "stomp+ssl"),
}
"""Protocols, and what else they are called."""

ALIASES: Final = {alias: protocol for protocol, aliases in PROTOCOLS.items() for alias in aliases}

DAYS: Final = {"days": 1.0, "weeks": 7.0, "months": 365 / 12, "years": 365.0}

TEST_QUEUE: Final = "aliveness-test"
TEST_BODY: Final = b"test_message"


def add_to(router: Router) -> None:
    def check(path: str, handle: Handler, rule: Rule = access.anyone, feature: str = "") -> None:
        router.get(f"/health/checks/{path}", rule, feature=feature)(handle)

    check("alarms", lambda call: check_alarms(call, "There are alarms in effect in the cluster"))
    check("local-alarms", lambda call: check_alarms(call, "There are alarms in effect on the node"))
    check("port-listener/{port}", check_port)
    check("protocol-listener/{protocol}", check_protocol)
    check("virtual-hosts", is_well)
    check("certificate-expiration/{within}/{unit}", check_certificates)
    check("node-is-quorum-critical", is_single)
    check("node-is-mirror-sync-critical", is_single, feature="mirror-sync")
    for path in ("is-in-service", "ready-to-serve-clients", "reached-target-cluster-size"):
        check(path, is_well, access.public, "more-checks")
    check("below-node-connection-limit", check_connections, access.public, "more-checks")
    for path in ("metadata-store/initialized", "metadata-store/initialized/with-data"):
        check(path, is_well, feature="more-checks")
    for path, rule in (("all-vhosts", access.anyone), ("vhost/{vhost}", access.visible)):
        for pattern in ("", "/pattern/{pattern}"):
            check(f"quorum-queues-without-elected-leaders/{path}{pattern}", is_well, rule, "more-checks")
    router.get("/healthchecks/node", access.anyone)(check_health)
    router.get("/healthchecks/node/{node}", access.anyone)(check_health)
    router.get("/aliveness-test/{vhost}", access.of_vhost)(test_aliveness)


def failed(reason: str, **more: object) -> Answer:
    return Answer(503, {"status": "failed", "reason": reason, **more})


def _integer(text: str, objection: str) -> int:
    """Raises Refusal if the text is no number."""
    if not re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
        raise bad_request(objection)
    return int(text)


def is_well(call: Call) -> Answer:
    """Nothing of this can be ill while the broker answers."""
    return OK


def is_single(call: Call) -> View:
    return {"status": "ok", "reason": "single node cluster"}


# --- alarms


def check_alarms(call: Call, reason: str) -> Answer:
    short = [RESOURCES[resource] for resource in call.broker.alarms.resources]
    found = [{"node": call.broker.node, "resource": resource} for resource in short]
    return failed(reason, alarms=found) if found else OK


def check_health(call: Call) -> Answer:
    if "node" in call.names:
        check_node(call)
    call.api.statistics.ranges(call.request.query)
    alarms = call.broker.alarms.resources
    return failed(f"{IN_EFFECT}{_printed(alarms, erlang_atom(call.broker.node))}") if alarms else OK


def _printed(alarms: Iterable[Resource], node: str) -> str:
    """The alarms as a list of Erlang, printed behind `IN_EFFECT`: broken where a line would be too long."""
    indent = len(IN_EFFECT) + 1
    terms = [f"{{resource_limit,{resource},{node}}}" for resource in alarms]
    line = f"[{','.join(terms)}]"
    if len(IN_EFFECT) + len(line) <= LINE_MAX:
        return line
    if any(indent + len(term) >= LINE_MAX for term in terms):
        terms = [f"{{resource_limit,{resource},\n{' ' * (indent + 4)}{node}}}" for resource in alarms]
    between = ",\n" + " " * indent
    return f"[{between.join(terms)}]"


def check_connections(call: Call) -> Answer:
    """The limit of connections of the whole node."""
    limit = call.broker.config.connection_max
    count = sum(len(vhost.clients) for vhost in call.broker.vhosts.values())
    return OK if limit is None or count < limit else failed("node connection limit is reached")


# --- listeners


def _addresses(call: Call) -> Iterator[tuple[str, TcpAddress]]:
    for protocol, address in call.api.listeners:
        if isinstance(address, TcpAddress):
            yield protocol, address


def check_port(call: Call) -> Answer:
    port = _integer(call.names["port"], "Invalid port")
    ports = sorted({address.port for _, address in _addresses(call)})
    if port in ports:
        return Answer(200, {"status": "ok", "port": port})
    return failed(NO_LISTENER, missing=port, ports=ports)


def check_protocol(call: Call) -> Answer:
    """One protocol; in newer versions one of several, with commas between them."""
    asked = call.names["protocol"]
    there = list(dict.fromkeys(protocol for protocol, _ in _addresses(call)))[::-1]
    if not call.has("many-protocols"):
        protocol = _protocol(asked)
        if protocol in there:
            return Answer(200, {"status": "ok", "protocol": protocol})
        return failed(NO_LISTENER, missing=protocol, protocols=there)
    several = [_protocol(each.strip()) for each in asked.split(",")]
    if set(several) & set(there):
        return Answer(200, {"status": "ok", "protocols": there})
    return failed(NO_LISTENER, missing=several, protocols=there)


def _protocol(name: str) -> str:
    """RabbitMQ's name for a protocol. Erlang makes its octets small as if they were Latin-1."""
    octets = name.encode("utf-8", "surrogateescape").decode("latin-1").lower().encode("latin-1")
    lower = octets.decode("utf-8", "replace")
    return ALIASES.get(lower, lower)


# --- certificates


def check_certificates(call: Call) -> Answer:
    """The certificates that listeners show: those that expire in this time, or have expired."""
    within = _integer(call.names["within"], "Invalid expiration value.")
    days = DAYS.get(call.names["unit"].lower())
    if days is None:
        raise bad_request("Time unit not recognised. Supported units: days, weeks, months, years.")
    now = datetime.fromtimestamp(call.api.unix_time_ms() / 1000, UTC)
    try:
        until = now + timedelta(days=within * days)
    except OverflowError:
        until = datetime.max.replace(tzinfo=UTC) if within > 0 else datetime.min.replace(tzinfo=UTC)
    expired = [
        {
            "node": call.broker.node,
            "protocol": protocol,
            "interface": address.host,
            "port": address.port,
            "certfile": path,
            "certfile_expires_on": [f"{expiry:%Y-%m-%d %H:%M:%S}"],
            "cacertfile": call.broker.config.tls_ca or "",
            "cacertfile_expires_on": [],
        }
        for protocol, address in _addresses(call)
        if protocol in {"amqp/ssl", "https"}
        for path, expiry in call.api.expiries().items()
        if expiry < until
    ]
    return failed("Certificates expiring", expired=expired) if expired else OK


# --- the test


def test_aliveness(call: Call) -> Answer:
    """Declares a queue, publishes to it, and gets the message; newer versions only look if a channel can be opened."""
    vhost = call.vhost
    if not call.has("whole-aliveness-test"):
        return OK
    WebChannel.of(call)
    try:
        return OK if _is_alive(call, vhost) else failed("aliveness-test queue is empty")
    except AmqpFault as fault:
        raise of_channel(fault) from None


def of_channel(fault: AmqpFault) -> Refusal:
    """A refusal by what is done on a channel, which is told as a client would be."""
    if fault.code == 403:
        return not_entitled(fault.reply_text)
    return bad_request(f"{fault.code} {fault.reply_text}")


def _is_alive(call: Call, vhost: Vhost) -> bool:
    broker, client = call.broker, call.client
    broker.topology.declare_queue(
        client, vhost, TEST_QUEUE, durable=False, exclusive=False, auto_delete=False, arguments={}
    )
    message = Message(address_of("", TEST_QUEUE), content_header(len(TEST_BODY), {}), TEST_BODY)
    publish(client, vhost, "", TEST_QUEUE, message)
    return broker.get(client, vhost, TEST_QUEUE, UnackedDeliveries(), no_ack=True) is not None
