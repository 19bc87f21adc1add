"""Queues: declared, shown, purged, deleted."""

from interop.parity import codec
from interop.parity_http.bodies import get, message
from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


@scenario()
def life(stage: Stage) -> None:
    """From the first PUT to the last DELETE."""
    stage.vhost()
    stage.play(f"""
        GET /queues/$v
        GET /queues/$v/q
        PUT /queues/$v/q {{"durable": true}}
        GET /queues/$v/q
        GET /queues/$v
        GET /queues/$v/q?disable_stats=true
        GET /queues/$v?disable_stats=true
        GET /queues/$v?disable_stats=true&enable_queue_totals=true
        GET /queues/$v/q?disable_stats=true&enable_queue_totals=true
        PUT /queues/$v/q {{"durable": true}}
        PUT /queues/$v/q {{"durable": false}}
        PUT /queues/$v/q {{"durable": true, "auto_delete": true}}
        PUT /queues/$v/q {{"durable": true, "exclusive": true}}
        PUT /queues/$v/q {{"durable": true, "arguments": {{"x-max-length": 5}}}}
        PUT /queues/$v/q
        GET /queues/$v/q/bindings
        HEAD /queues/$v/q
        POST /exchanges/$v/amq.default/publish {message()}
        WAIT /queues/$v/q messages=1
        DELETE /queues/$v/q/contents
        WAIT /queues/$v/q messages=0
        GET /queues/$v/q?columns=messages,messages_ready
        DELETE /queues/$v/q
        GET /queues/$v/q
        DELETE /queues/$v/q
        DELETE /queues/$v/q/contents
        GET /queues/$v/q/bindings
        GET /queues/$gone
        GET /queues/$gone/q
        PUT /queues/$gone/q {{}}
        DELETE /queues/$gone/q
        DELETE /queues/$gone/q/contents
        GET /queues/$gone/q/bindings
    """)


ARGUMENTS = [
    '{"x-max-length": 5}',
    '{"x-max-length": "5"}',
    '{"x-max-length": -1}',
    '{"x-max-length": 1.5}',
    '{"x-max-length-bytes": 5}',
    '{"x-message-ttl": 60000}',
    '{"x-message-ttl": -1}',
    '{"x-message-ttl": "x"}',
    '{"x-message-ttl": 99999999999}',
    '{"x-expires": 60000}',
    '{"x-expires": 0}',
    '{"x-max-priority": 5}',
    '{"x-max-priority": 256}',
    '{"x-max-priority": -1}',
    '{"x-max-priority": "x"}',
    '{"x-overflow": "reject-publish"}',
    '{"x-overflow": "drop-head"}',
    '{"x-overflow": "reject-publish-dlx"}',
    '{"x-overflow": "nope"}',
    '{"x-overflow": 5}',
    '{"x-dead-letter-exchange": "x"}',
    '{"x-dead-letter-exchange": 5}',
    '{"x-dead-letter-routing-key": "k"}',
    '{"x-dead-letter-exchange": "x", "x-dead-letter-routing-key": "k"}',
    '{"x-queue-mode": "lazy"}',
    '{"x-queue-mode": "default"}',
    '{"x-queue-mode": "nope"}',
    '{"x-queue-type": "classic"}',
    '{"x-queue-type": "quorum"}',
    '{"x-queue-type": "nope"}',
    '{"x-queue-type": 5}',
    '{"x-single-active-consumer": true}',
    '{"x-single-active-consumer": "x"}',
    '{"x-delivery-limit": 5}',
    '{"x-queue-type": "quorum", "x-delivery-limit": 5}',
    '{"x-queue-type": "quorum", "x-max-priority": 5}',
    '{"x-queue-type": "quorum", "x-quorum-initial-group-size": 3}',
    '{"x-queue-version": 2}',
    '{"x-nope": 1}',
    '{"a": null}',
    '{"a": [1, [2], {"b": null}]}',
    '{"a": 1.5, "b": [1, "x", true, []], "c": {"d": {}}}',
    '{"": ""}',
    "[]",
    '"x"',
    "5",
    "null",
    "[1]",
]


@scenario(each={str(number): arguments for number, arguments in enumerate(ARGUMENTS)})
def arguments(stage: Stage, arguments: str) -> None:
    """Arguments that are good, and others, of a durable queue."""
    stage.vhost()
    body = f'{{"durable": true, "arguments": {arguments}}}'
    stage.play(
        [
            Step("PUT", "/queues/$v/q", body),
            Step("GET", "/queues/$v/q?disable_stats=true"),
            Step("PUT", "/queues/$v/q", body),
            Step("PUT", "/queues/$v/q", '{"durable": true}'),
            Step("DELETE", "/queues/$v/q"),
        ]
    )


@scenario(
    each=[
        "{}",
        '{"durable": true}',
        '{"auto_delete": true}',
        '{"durable": true, "arguments": {"x-queue-type": "quorum"}}',
        '{"durable": true, "arguments": {"x-max-priority": 5}}',
        '{"durable": true, "arguments": {"x-queue-mode": "lazy"}}',
        '{"arguments": {"x-single-active-consumer": true}}',
        '{"durable": true, "arguments": {"x-message-ttl": 600000, "x-max-length": 10}}',
    ]
)
def shown(stage: Stage, body: str) -> None:
    """All that is told of queues of all kinds, alone and in the list."""
    stage.vhost()
    stage.play(
        [
            Step("PUT", "/queues/$v/q", body),
            Step("GET", "/queues/$v/q"),
            Step("GET", "/queues/$v"),
            Step("GET", "/queues"),
            Step("GET", "/queues/$v?page=1"),
            Step("GET", "/queues/$v/q?columns=name,messages_details.rate,arguments"),
            Step("GET", "/queues/$v/q?disable_stats=true"),
            Step("GET", "/queues/$v/q?disable_stats=true&enable_queue_totals=true"),
            Step("GET", "/queues/$v?disable_stats=true&enable_queue_totals=true"),
        ]
    )


IN_MEMORY = "newer queues have fewer messages in memory, which are on disk, too"
PUBLISHERS = "amqpy does not note for each message who has published it"


@scenario(
    each=["classic", "quorum"],
    differs={
        "classic": [
            Differs(IN_MEMORY, "GET /queues/$v*", f"body*{key}", since="4.0") for key in ("_ram", "_paged_out")
        ],
        "quorum": Differs(PUBLISHERS, "GET /queues/$v*", "body*.publishers", "1", "0", since="4.0"),
    },
)
def with_messages(stage: Stage, kind: str) -> None:
    """What is told of a queue in which something is, and of what went through it."""
    stage.vhost()
    stage.play(f'PUT /queues/$v/q {{"durable": true, "arguments": {{"x-queue-type": "{kind}"}}}}')
    # RabbitMQ loses what a channel has counted that is closed at once, as those of this API are.
    channel = stage.connect().channel()
    channel.call("confirm.select")
    for _ in range(3):
        channel.publish("", "q", b"m")
    channel.publish("", "q", b"m", properties=codec.properties(delivery_mode=2, timestamp=1000000000))
    channel.wait_confirms(4)
    channel.get("q", no_ack=True)
    stage.play("""
        WAIT /queues/$v/q messages=3 message_stats.get_no_ack=1 message_stats.publish=4 message_bytes=3
        GET /queues/$v/q
        GET /queues/$v
    """)
    channel.get("q")
    channel.nack(2)
    for tag in (3, 4, 5):
        channel.get("q")
        channel.reject(tag, requeue=False)
    channel.get("q")  # there is none
    stage.play("""
        WAIT /queues/$v/q messages=0 message_bytes=0 message_stats.get_empty=1 message_stats.redeliver=1
        GET /queues/$v/q
    """)


@scenario()
def bodies(stage: Stage) -> None:
    """Other keys than the arguments."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.play("""
        PUT /queues/$v/q1 {"exclusive": true}
        GET /queues/$v/q1?disable_stats=true
        PUT /queues/$v/q2 {"auto_delete": "true", "durable": "false", "vhost": "nope", "name": "other", "arguments": {}}
        GET /queues/$v/q2?disable_stats=true
        PUT /queues/$v/q3 {"node": "nope@nowhere"}
        PUT /queues/$v/q3 {"node": "$n"}
        PUT /queues/$v/q4 {"node": 5}
        PUT /queues/$v/q5 {"node": ""}
        PUT /queues/$v/q6 {"node": null}
        PUT /queues/$v/q7 {"auto-delete": true}
        GET /queues/$v/q7?disable_stats=true
        PUT /queues/$v/q8 {"passive": true}
        PUT /queues/$v/q9 {"arguments": {"x-queue-type": "quorum"}}
        PUT /queues/$v/qa {"durable": true, "auto_delete": true, "arguments": {"x-queue-type": "quorum"}}
        PUT /queues/$v/qb {"durable": true, "exclusive": true, "arguments": {"x-queue-type": "quorum"}}
    """)


@scenario(each=["amq.q", "amq.", "amq", "", "AMQ.x", "amq.gen-x"])
def reserved(stage: Stage, name: str) -> None:
    """Names that are the broker's."""
    stage.vhost()
    stage.play(f"""
        PUT /queues/$v/{name} {{}}
        GET /queues/$v/{name}?disable_stats=true
        DELETE /queues/$v/{name}
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
        "a%00b",
        "%3Cb%3E",
        "a%FFb",
        "%22",
        "a%5Cb",
        "~",
        "a.b:c",
        "amq.default",
    ]
)
def names(stage: Stage, name: str) -> None:
    """Names that must be encoded."""
    stage.vhost()
    path = f"/queues/$v/{name}"
    stage.play(f"""
        PUT {path} {{}}
        GET {path}?disable_stats=true
        POST /bindings/$v/e/amq.direct/q/{name} {{"routing_key": "k"}}
        GET {path}/bindings
        GET /queues/$v?columns=name
        POST /exchanges/$v/amq.direct/publish {message(routing_key="k")}
        POST {path}/get {get()}
        DELETE {path}/contents
        DELETE {path}
    """)


@scenario(each={str(length): length for length in (255, 256, 300)})
def long_names(stage: Stage, length: int) -> None:
    """Names up to their greatest length, and beyond."""
    stage.vhost()
    path = "/queues/$v/" + "x" * length
    stage.play([Step("PUT", path, "{}"), Step("GET", f"{path}?disable_stats=true"), Step("DELETE", path)])


@scenario(
    each=[
        "",
        "?if-empty=true",
        "?if-unused=true",
        "?if-empty=true&if-unused=true",
        "?if-empty=yes",
        "?if-empty=false",
        "?if_empty=true",
    ]
)
def deleting(stage: Stage, query: str) -> None:
    """Conditions, of queues with and without messages and consumers."""
    stage.vhost()
    stage.play(f"""
        PUT /queues/$v/q {{}}
        POST /exchanges/$v/amq.default/publish {message()}
        DELETE /queues/$v/q{query}
        PUT /queues/$v/empty {{}}
        DELETE /queues/$v/empty{query}
        PUT /queues/$v/quorum {{"durable": true, "arguments": {{"x-queue-type": "quorum"}}}}
        DELETE /queues/$v/quorum{query}
        PUT /queues/$v/used {{}}
    """)
    channel = stage.connect().channel()
    channel.consume("used")
    stage.play(f"""
        DELETE /queues/$v/used{query}
        DELETE /queues/$v/nope{query}
        GET /queues/$v?columns=name
    """)


@scenario()
def exclusive(stage: Stage) -> None:
    """A queue of a client's own."""
    stage.vhost()
    channel = stage.connect().channel()
    channel.declare("mine", exclusive=True)
    stage.play("""
        WAIT /queues/$v/mine owner_pid_details.name
        GET /queues/$v/mine
        GET /queues/$v
        PUT /queues/$v/mine {}
        PUT /queues/$v/mine {"exclusive": true}
        DELETE /queues/$v/mine/contents
        POST /queues/$v/mine/get {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        POST /bindings/$v/e/amq.direct/q/mine {}
        DELETE /queues/$v/mine
        GET /definitions/$v
    """)


@scenario()
def with_policies(stage: Stage) -> None:
    """The policies that apply, and what they come to together."""
    stage.vhost()
    stage.play("""
        PUT /queues/$v/q {"durable": true, "arguments": {"x-max-length": 9}}
        PUT /policies/$v/p {"pattern": "^q", "definition": {"max-length": 7, "message-ttl": 600000}}
        PUT /operator-policies/$v/o {"pattern": "^q", "definition": {"max-length": 5}}
        WAIT /queues/$v/q policy="p" operator_policy="o" effective_policy_definition.max-length=5
        GET /queues/$v/q
        GET /queues/$v/q?disable_stats=true
        DELETE /policies/$v/p
        DELETE /operator-policies/$v/o
        WAIT /queues/$v/q policy=null operator_policy=null
        GET /queues/$v?columns=name,policy,operator_policy
    """)
