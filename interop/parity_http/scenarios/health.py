"""Health checks."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

CHECKS = [
    "alarms",
    "local-alarms",
    "virtual-hosts",
    "node-is-quorum-critical",
    "node-is-mirror-sync-critical",
    "port-listener/$port",
    "port-listener/1",
    "port-listener/0",
    "port-listener/x",
    "port-listener/-1",
    "port-listener/99999",
    "port-listener/5672.5",
    "protocol-listener/amqp",
    "protocol-listener/AMQP",
    "protocol-listener/amqp091",
    "protocol-listener/amqp0.9.1",
    "protocol-listener/amqp0-9-1",
    "protocol-listener/amqp10",
    "protocol-listener/amqp1.0",
    "protocol-listener/amqps",
    "protocol-listener/http",
    "protocol-listener/management",
    "protocol-listener/ui",
    "protocol-listener/http_api",
    "protocol-listener/https",
    "protocol-listener/mqtt",
    "protocol-listener/nope",
    "protocol-listener/%C3%A9",
    "protocol-listener/amqp,http",
    "certificate-expiration/1/days",
    "certificate-expiration/1/weeks",
    "certificate-expiration/1/months",
    "certificate-expiration/1/years",
    "certificate-expiration/1/day",
    "certificate-expiration/1/nope",
    "certificate-expiration/x/days",
    "certificate-expiration/0/days",
    "certificate-expiration/-1/days",
    "certificate-expiration/1.5/days",
    "certificate-expiration/99999999999/days",
    "certificate-expiration/1",
    "certificate-expiration",
    "nope",
    "port-listener",
    "protocol-listener",
    "alarms/nope",
]


@scenario()
def checks(stage: Stage) -> None:
    """Each of them, with values that are good and others."""
    assert stage.side.amqp is not None
    stage.call_it("port", str(stage.side.amqp.port))
    stage.everybody()
    stage.play([Step("GET", f"/health/checks/{check}", who=who) for check in CHECKS for who in ("", "management")])


@scenario()
def of_nodes(stage: Stage) -> None:
    """The older ones."""
    stage.call_it("n", stage.side.names[0])
    stage.everybody()
    stage.play("""
        GET /healthchecks/node
        GET /healthchecks/node/$n
        GET /healthchecks/node/nope
        management: GET /healthchecks/node
        none: GET /healthchecks/node
        GET /healthchecks
        HEAD /health/checks/alarms
        GET /health/checks/alarms?columns=status
        GET /health/checks/alarms?columns=nope
    """)


@scenario()
def aliveness(stage: Stage) -> None:
    """A message goes through a queue, which stays."""
    stage.vhost()
    stage.everybody("v")
    stage.user("u", "management")
    stage.play("""
        GET /aliveness-test/$v
        GET /aliveness-test/$v
        GET /queues/$v?columns=name,durable,auto_delete,arguments
        management: GET /aliveness-test/$v
        u: GET /aliveness-test/$v
        PUT /permissions/$v/$u {"configure": "", "write": "", "read": ""}
        u: GET /aliveness-test/$v
        GET /aliveness-test/$gone
        GET /aliveness-test
        HEAD /aliveness-test/$v
        PUT /queues/$v/aliveness-test {"durable": true}
        DELETE /queues/$v/aliveness-test
        PUT /queues/$v/aliveness-test {"durable": true}
        GET /aliveness-test/$v
    """)
