"""Exchanges: declared, shown, deleted."""

from interop.parity_http.bodies import get, message
from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


@scenario()
def life(stage: Stage) -> None:
    """From the first PUT to the last DELETE."""
    stage.vhost()
    stage.play("""
        GET /exchanges/$v
        GET /exchanges/$v/x
        PUT /exchanges/$v/x {"type": "topic", "durable": true}
        GET /exchanges/$v/x
        PUT /exchanges/$v/x {"type": "topic", "durable": true}
        PUT /exchanges/$v/x {"type": "topic", "durable": false}
        PUT /exchanges/$v/x {"type": "topic", "durable": true, "auto_delete": true}
        PUT /exchanges/$v/x {"type": "topic", "durable": true, "internal": true}
        PUT /exchanges/$v/x {"type": "topic", "durable": true, "arguments": {"a": 1}}
        PUT /exchanges/$v/x {"type": "direct", "durable": true}
        PUT /exchanges/$v/x
        GET /exchanges/$v/x/bindings/source
        GET /exchanges/$v/x/bindings/destination
        HEAD /exchanges/$v/x
        DELETE /exchanges/$v/x
        GET /exchanges/$v/x
        DELETE /exchanges/$v/x
        GET /exchanges/$v/x/bindings/source
        GET /exchanges/$v/x/bindings/destination
        GET /exchanges/$gone
        GET /exchanges/$gone/x
        PUT /exchanges/$gone/x {}
        DELETE /exchanges/$gone/x
        GET /exchanges/$gone/x/bindings/source
        GET /exchanges/$gone/x/bindings/destination
    """)


BODIES = [
    "",
    "{}",
    '{"type": "direct"}',
    '{"type": "fanout"}',
    '{"type": "headers"}',
    '{"type": "topic"}',
    '{"type": "nope"}',
    '{"type": ""}',
    '{"type": "Direct"}',
    '{"type": 5}',
    '{"type": null}',
    '{"type": []}',
    '{"type": {}}',
    '{"type": true}',
    '{"durable": true}',
    '{"durable": "x"}',
    '{"auto_delete": true}',
    '{"auto-delete": true}',
    '{"internal": true}',
    '{"arguments": {}}',
    '{"arguments": []}',
    '{"arguments": "x"}',
    '{"arguments": 5}',
    '{"arguments": null}',
    '{"arguments": [1]}',
    '{"arguments": {"alternate-exchange": "amq.fanout"}}',
    '{"arguments": {"alternate-exchange": 5}}',
    '{"arguments": {"alternate-exchange": ""}}',
    '{"arguments": {"a": null}}',
    '{"arguments": {"a": [null]}}',
    '{"arguments": {"a": {"b": null}}}',
    '{"arguments": {"a": 1.5, "b": [1, "x", true], "c": {"d": {}}}}',
    '{"arguments": {"": ""}}',
    '{"arguments": {"é": "é"}}',
    '{"nope": 1}',
    '{"node": "nope@nowhere"}',
    '{"node": "$n"}',
    '{"node": 5}',
    '{"node": ""}',
    '{"node": null}',
    '{"vhost": "nope", "name": "other", "type": "fanout", "durable": "true", "internal": "false"}',
]


@scenario(each={str(number): body for number, body in enumerate(BODIES)})
def bodies(stage: Stage, body: str) -> None:
    """All kinds of bodies, for an exchange that is not there and one that is."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.play(
        [
            Step("PUT", "/exchanges/$v/x", body),
            Step("GET", "/exchanges/$v/x"),
            Step("PUT", "/exchanges/$v/x", body),
            Step("DELETE", "/exchanges/$v/x"),
        ]
    )


@scenario(
    each=[
        "amq.direct",
        "amq.default",
        "amq.mine",
        "amq.",
        "amq",
        "",
        "AMQ.x",
        "amq.rabbitmq.trace",
        "amq.match",
        "amq.gen-x",
    ]
)
def reserved(stage: Stage, name: str) -> None:
    """Names that are the broker's."""
    stage.vhost()
    path = f"/exchanges/$v/{name}"
    stage.play(f"""
        GET {path}
        PUT {path} {{}}
        PUT {path} {{"type": "direct", "durable": true}}
        PUT {path} {{"type": "topic", "durable": true, "internal": true}}
        DELETE {path}
        DELETE {path}?if-unused=true
        GET {path}/bindings/source
        GET {path}/bindings/destination
    """)


@scenario(
    each=[
        "a%2Fb",
        "a%20b",
        "%20",
        "%C3%A9",
        "%23",
        "a+b",
        "%25",
        "a%0Ab",
        "a%0D%0Ab",
        "%0A",
        "a%00b",
        "%3Cb%3E",
        "a%FFb",
        "%22",
        "a%5Cb",
        "~",
        "a.b:c",
    ]
)
def names(stage: Stage, name: str) -> None:
    """Names that must be encoded."""
    stage.vhost()
    path = f"/exchanges/$v/{name}"
    stage.play(f"""
        PUT {path} {{}}
        GET {path}
        PUT /queues/$v/q {{}}
        POST /bindings/$v/e/{name}/q/q {{"routing_key": "k"}}
        GET {path}/bindings/source
        GET /exchanges/$v?columns=name
        POST {path}/publish {message(routing_key="k")}
        POST /queues/$v/q/get {get()}
        DELETE {path}
    """)


REFUSED = Differs("amqpy has refused to make it (`known.py`)", "*", "status", got="404 *")


@scenario(each={str(length): length for length in (255, 256, 300)}, differs={"256": REFUSED, "300": REFUSED})
def long_names(stage: Stage, length: int) -> None:
    """Names up to their greatest length, and beyond."""
    stage.vhost()
    path = "/exchanges/$v/" + "x" * length
    stage.play([Step("PUT", path, "{}"), Step("GET", path), Step("DELETE", path)])


@scenario(each=["true", "false", "1", "", "TRUE", "yes"])
def if_unused(stage: Stage, value: str) -> None:
    """Only exactly `true` counts."""
    stage.vhost()
    stage.play(f"""
        PUT /queues/$v/q {{}}
        PUT /exchanges/$v/x {{}}
        POST /bindings/$v/e/x/q/q {{}}
        DELETE /exchanges/$v/x?if-unused={value}
        GET /exchanges/$v/x?columns=name
        PUT /exchanges/$v/y {{}}
        DELETE /exchanges/$v/y?if-unused={value}
        DELETE /exchanges/$v/nope?if-unused={value}
        DELETE /exchanges/$v/x {{"if-unused": true}}
    """)


@scenario()
def with_policy(stage: Stage) -> None:
    """The name of the policy that applies."""
    stage.vhost()
    stage.play("""
        PUT /exchanges/$v/x {}
        PUT /policies/$v/p {"pattern": "x", "apply-to": "exchanges", "definition": {"alternate-exchange": "amq.fanout"}}
        GET /exchanges/$v/x
        GET /exchanges/$v?columns=name,policy
        DELETE /policies/$v/p
        GET /exchanges/$v/x
    """)


@scenario()
def deleting_with_body(stage: Stage) -> None:
    """A body of a DELETE must be JSON as well."""
    stage.vhost()
    stage.play("""
        PUT /exchanges/$v/x {}
        DELETE /exchanges/$v/x {
        DELETE /exchanges/$v/nope {
        DELETE /exchanges/$v/x {"vhost": "$v", "name": "x"}
        GET /exchanges/$v/x
    """)


@scenario()
def counters(stage: Stage) -> None:
    """What was published, also for queues that there are not; and exchanges without what they counted."""
    stage.vhost()
    channel = stage.connect().channel()
    channel.declare("q")
    for key in ("q", "nope", "nope"):
        channel.publish("", key, b"m")
        channel.publish("amq.direct", key, b"m")
    channel.publish("", "nope", b"m", mandatory=True)
    channel.wait("basic.return")
    stage.play("""
        WAIT /exchanges/$v/amq.default message_stats.publish_in=4
        WAIT /exchanges/$v/amq.direct message_stats.publish_in=3
        GET /exchanges/$v/amq.default
        GET /exchanges/$v/amq.direct
        GET /exchanges/$v
        GET /exchanges/$v/amq.default?disable_stats=true
        GET /exchanges/$v/amq.fanout?disable_stats=true
        GET /exchanges/$v/amq.fanout?disable_stats=true&msg_rates_age=-1&msg_rates_incr=5
        GET /exchanges/$v?disable_stats=true
    """)
