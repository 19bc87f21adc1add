"""Messages: published and got."""

import json

from interop.parity_http import bodies
from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


def publish(to: str = "$v/amq.default", /, **given: object) -> Step:
    return Step("POST", f"/exchanges/{to}/publish", bodies.message(**given))


def get(queue: str = "q", /, **given: object) -> Step:
    return Step("POST", f"/queues/$v/{queue}/get", bodies.get(**given))


def prepare(stage: Stage) -> None:
    stage.vhost()
    stage.play("PUT /queues/$v/q {}")


PROPERTIES: dict[str, list[object]] = {
    "delivery_mode": [1, 2, 0, 3, 255, 256, "2", 1.5, None, True, []],
    "priority": [0, 5, 255, 256, -1, "x", "5", None],
    "content_type": ["text/plain", "", 5, None, [], {}],
    "headers": [
        {},
        {"a": 1},
        {"a": "é", "b": 1.5, "c": [1, {}], "d": {"e": True}},
        [],
        "x",
        5,
        None,
        {"a": None},
        [1],
        {"a": 10**20},
        {"k" * 256: 1},
        {"x-death": []},
        {"CC": ["q"]},
        {"CC": "q"},
        {"BCC": ["q"]},
    ],
    "expiration": ["60000", "0", "x", "", 60000, "-1"],
    "user_id": ["guest", "other", "", 5],
    "timestamp": [0, 1000000000, -1, 2**64, "x", 1.5, 1000000000000],
    "message_id": ["m", "x" * 255, "x" * 256, 5],
    "correlation_id": ["c"],
    "reply_to": ["r", "amq.rabbitmq.reply-to"],
    "type": ["t"],
    "app_id": ["a"],
    "cluster_id": ["c"],
    "content_encoding": ["gzip"],
    "nope": [1, None],
}


@scenario(
    each=list(PROPERTIES),
    differs={
        **{
            name: Differs(
                "RabbitMQ keeps a number that no octets hold until a client of AMQP is told",
                "POST /queues/$v/q/get *",
                f"body[0].properties.{name}",
                before="4.0" if name == "priority" else "",
            )
            for name in ("priority", "timestamp")
        },
        **{
            name: Differs(
                "amqpy has not published it (`known.py`)", "POST /queues/$v/q/get *", "body", got="[]", before=before
            )
            for name, before in (("headers", ""), ("message_id", "4.0"))
        },
    },
)
def properties(stage: Stage, name: str) -> None:
    """Values of all types for each property."""
    prepare(stage)
    for value in PROPERTIES[name]:
        stage.play([publish(properties={name: value}), get(ackmode="ack_requeue_false")])


@scenario()
def all_properties(stage: Stage) -> None:
    """Together, as they come back; none come back as a list."""
    prepare(stage)
    every = {
        "content_type": "text/plain",
        "content_encoding": "x",
        "headers": {"a": 1},
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "60000",
        "message_id": "m",
        "timestamp": 1000000000,
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
        "cluster_id": "k",
    }
    stage.play(
        [
            publish(properties=every),
            publish(),
            publish(properties=[]),
            publish(properties=None),
            publish(properties="x"),
            publish(properties=5),
            publish(properties=[1]),
            get(),
        ]
    )


PUBLISHING: dict[str, list[object]] = {
    "routing_key": ["q", "nope", "", "é", "x" * 255, "x" * 256, 5, None, [], True],
    "payload": ["m", "", "é", "\x00", "😀", "x" * 1000, 5, None, [], {}, True, 1.5],
    "payload_encoding": ["string", "base64", "hex", "", 5, None, []],
    "nope": [1],
}


@scenario(each=list(PUBLISHING))
def publishing(stage: Stage, key: str) -> None:
    """Values of all types for each key."""
    prepare(stage)
    for value in PUBLISHING[key]:
        stage.play([publish(**{key: value}), get(ackmode="ack_requeue_false")])


@scenario()
def base64(stage: Stage) -> None:
    """Payloads in base64, good and bad."""
    prepare(stage)
    stage.play(
        [
            publish(payload=payload, payload_encoding="base64")
            for payload in ("bQ==", "", "bQ", "***", "b Q==", "bQ==\n", "/w==", "_w==", "AAEC", "4pyT")
        ]
    )
    stage.play([get(), get(encoding="base64")])


@scenario()
def exchanges(stage: Stage) -> None:
    """Whether a message was routed, and where there is nothing."""
    prepare(stage)
    stage.play("""
        PUT /exchanges/$v/x {"type": "topic"}
        PUT /exchanges/$v/internal {"internal": true}
        PUT /exchanges/$v/alternate {"arguments": {"alternate-exchange": "amq.fanout"}}
        POST /bindings/$v/e/x/q/q {"routing_key": "a.#"}
        POST /bindings/$v/e/amq.fanout/q/q {}
    """)
    stage.play(
        [
            publish("$v/x", routing_key="a.b"),
            publish("$v/x", routing_key="b"),
            publish("$v/internal"),
            publish("$v/nope"),
            publish("$v/alternate"),
            publish("$v/amq.fanout"),
            publish("$v/amq.default", routing_key="nope"),
            publish("$v/"),
            publish("$gone/amq.default"),
            publish("$gone/nope"),
            publish("$v/amq.rabbitmq.trace"),
            get(),
        ]
    )


@scenario(
    each=["ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false", "nope", "", "5"]
)
def modes(stage: Stage, mode: str) -> None:
    """What becomes of the messages."""
    prepare(stage)
    told = '{"arguments": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"}}'
    stage.play([Step("PUT", "/queues/$v/from", told)])
    stage.play([publish(routing_key="from", payload=str(number)) for number in range(4)])
    stage.play([get("from", ackmode=mode, count=2), get("from"), get("from", ackmode=mode, count=10), get("from")])
    stage.play("WAIT /queues/$v/from messages")
    if mode == "reject_requeue_false":
        stage.play("WAIT /queues/$v/q messages=4")
        stage.play([get(count=1, encoding="base64")])


GETTING: dict[str, list[object]] = {
    "count": [1, 0, -1, 100, "2", "x", None, 1.5, [], True, 10**20],
    "ackmode": [5, None, [], True],
    "encoding": ["auto", "base64", "string", "nope", "", 5, None, []],
    "truncate": [1, 4, 0, 100, "2", "x", -1, None, 1.5, []],
    "requeue": [True, False, "x"],
}


@scenario(each=list(GETTING))
def getting(stage: Stage, key: str) -> None:
    """Values of all types for each key."""
    prepare(stage)
    stage.play([publish(payload="abcé"), publish(payload="/w==", payload_encoding="base64")])
    stage.play([get(**{key: value}) for value in GETTING[key]])


@scenario()
def nothing_to_get(stage: Stage) -> None:
    """Empty queues, queues that are not there, and bodies that say too little."""
    prepare(stage)
    stage.play([get(), get("nope"), Step("POST", "/queues/$gone/q/get", bodies.get())])
    for key in bodies.GET:
        stage.play(
            [
                Step(
                    "POST",
                    "/queues/$v/q/get",
                    json.dumps({other: value for other, value in bodies.GET.items() if other != key}),
                )
            ]
        )
    stage.play([Step("POST", "/queues/$v/q/get", body) for body in ("", "{}", "[]", "{", "null")])


@scenario()
def redelivered(stage: Stage) -> None:
    """Messages that were got before, in their order."""
    prepare(stage)
    stage.play([publish(payload=str(number)) for number in range(3)])
    stage.play([get(count=1), get(count=2), get(ackmode="ack_requeue_false", count=1), get()])


@scenario()
def full(stage: Stage) -> None:
    """A queue that refuses what is too much."""
    stage.vhost()
    stage.play("""
        PUT /queues/$v/q {"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}}
        PUT /queues/$v/dropping {"arguments": {"x-max-length": 1}}
    """)
    stage.play(
        [
            publish(),
            publish(),
            publish(),
            publish(routing_key="dropping", payload="1"),
            publish(routing_key="dropping", payload="2"),
            get(),
            get("dropping"),
        ]
    )


@scenario()
def as_others(stage: Stage) -> None:
    """Users with a name of their own."""
    prepare(stage)
    stage.user("u", "management", "v")
    stage.user("i", "management,impersonator", "v")
    for who in ("u", "i"):
        for user in ("guest", "$u"):
            step = publish(properties={"user_id": user})
            stage.play([Step(step.method, step.path, step.body, who)])
    stage.play([get()])


@scenario()
def large(stage: Stage) -> None:
    """A payload of a megabyte."""
    prepare(stage)
    stage.play([publish(payload="x" * 1_000_000), get(truncate=10), get(truncate=50000, count=1)])


@scenario(each=["quorum"])
def other_kinds(stage: Stage, kind: str) -> None:
    """Queues of another kind."""
    stage.vhost()
    stage.play(f'PUT /queues/$v/q {{"durable": true, "arguments": {{"x-queue-type": "{kind}"}}}}')
    stage.play([publish(payload=str(number), properties={"delivery_mode": 2}) for number in range(3)])
    stage.play(
        [get(count=1), get(), get(ackmode="reject_requeue_true"), get(), get(ackmode="ack_requeue_false"), get()]
    )
