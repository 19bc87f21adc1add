"""The bodies and parameters that requests have, as JSON Schema: what `openapi.py` tells about them.

Handlers are more lenient than this, as RabbitMQ is: a body of another type may do, and so may `"true"` for true.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from amqpy.management.live.subscription import INTERVAL_MS, INTERVAL_MS_MAX, INTERVAL_MS_MIN, TRUNCATE, TRUNCATE_MAX

Schema: TypeAlias = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": "boolean"}
TABLE: Final[Schema] = {"type": "object", "description": "Arguments or headers: a null may not be in them."}
ANYTHING: Final[Schema] = {}
TAGS: Final[Schema] = {
    "oneOf": [{"type": "string", "description": "With commas between them."}, {"type": "array", "items": TEXT}]
}


def _body(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """The schema of an object with these keys."""
    schema: Schema = {"type": "object", "properties": {**required, **optional}}
    return schema | {"required": list(required)} if required else schema


PATTERNS: Final = {"configure": TEXT, "write": TEXT, "read": TEXT}

DEFINITIONS: Final = _body(
    {},
    **{
        name: {"type": "array", "items": {"type": "object"}}
        for name in (
            *("bindings", "exchanges", "global_parameters", "parameters", "permissions", "policies", "queues"),
            *("topic_permissions", "users", "vhosts"),
        )
    },
)

POLICY: Final = _body(
    {"pattern": TEXT, "definition": {"type": "object"}}, priority=INTEGER, **{"apply-to": TEXT | {"default": "all"}}
)

ENCODING: Final[Schema] = {"enum": ["auto", "base64"]}

FILTER: Final = _body(
    {},
    body=TEXT,
    routing_key=TEXT,
    exchange=TEXT,
    headers={"type": "object"},
    properties={"type": "object"},
    death_reason=TEXT,
    death_queue=TEXT,
)
"""Conditions on messages, all of which must hold."""

BODIES: Final[Mapping[tuple[str, str], Schema]] = {
    ("PUT", "/cluster-name"): _body({"name": TEXT}),
    ("PUT", "/users/{user}"): _body(
        {}, tags=TAGS, password=TEXT, password_hash=TEXT, hashing_algorithm=TEXT, limits={"type": "object"}
    ),
    ("POST", "/users/bulk-delete"): _body({"users": {"type": "array", "items": TEXT}}),
    ("PUT", "/permissions/{vhost}/{user}"): _body(PATTERNS),
    ("PUT", "/topic-permissions/{vhost}/{user}"): _body({"exchange": TEXT, "write": TEXT, "read": TEXT}),
    ("PUT", "/topic-permissions/{vhost}/{user}/{exchange}"): _body({"exchange": TEXT, "write": TEXT, "read": TEXT}),
    ("PUT", "/vhosts/{vhost}"): _body(
        {}, description=TEXT, tags=TAGS, tracing=FLAG, default_queue_type=TEXT, protected_from_deletion=FLAG
    ),
    ("PUT", "/vhost-limits/{vhost}/{name}"): _body({"value": INTEGER}),
    ("PUT", "/user-limits/{user}/{name}"): _body({"value": INTEGER}),
    ("PUT", "/policies/{vhost}/{name}"): POLICY,
    ("PUT", "/operator-policies/{vhost}/{name}"): POLICY,
    ("PUT", "/parameters/{component}/{vhost}/{name}"): _body({"value": ANYTHING}),
    ("PUT", "/global-parameters/{name}"): _body({"value": ANYTHING}),
    ("PUT", "/exchanges/{vhost}/{exchange}"): _body(
        {}, type=TEXT | {"default": "direct"}, durable=FLAG, auto_delete=FLAG, internal=FLAG, arguments=TABLE
    ),
    ("PUT", "/queues/{vhost}/{queue}"): _body({}, durable=FLAG, auto_delete=FLAG, arguments=TABLE),
    ("POST", "/queues/{vhost}/{queue}/actions"): _body({"action": {"enum": ["sync", "cancel_sync"]}}),
    ("POST", "/bindings/{vhost}/e/{source}/{type}/{destination}"): _body({}, routing_key=TEXT, arguments=TABLE),
    ("POST", "/exchanges/{vhost}/{exchange}/publish"): _body(
        {
            "routing_key": TEXT,
            "properties": {"type": "object"},
            "payload": TEXT,
            "payload_encoding": {"enum": ["string", "base64"]},
        }
    ),
    ("POST", "/queues/{vhost}/{queue}/get"): _body(
        {
            "ackmode": {
                "enum": ["ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false"]
            },
            "count": INTEGER,
            "encoding": ENCODING,
        },
        truncate=INTEGER,
    ),
    ("POST", "/queues/{vhost}/{queue}/move"): _body(
        {},
        filter=FILTER,
        to={
            "type": ["object", "null"],
            "properties": {"exchange": TEXT, "routing_key": TEXT},
            "description": "Without it each message goes back to the queue where it died first.",
        },
        count=INTEGER | {"minimum": 1},
        dry_run=FLAG,
        encoding=ENCODING,
        truncate=INTEGER,
    ),
    ("POST", "/definitions"): DEFINITIONS,
    ("POST", "/definitions/{vhost}"): DEFINITIONS,
    ("POST", "/all-configuration"): DEFINITIONS,
    ("POST", "/login"): _body({}, username=TEXT, password=TEXT),
}
"""By the method and the path of the endpoint."""

Parameters: TypeAlias = Mapping[str, tuple[Schema, str]]

OF_PLACES: Final[Parameters] = {
    "state": ({"enum": ["ready", "unacked", "held"], "default": "ready"}, "The messages to look at."),
    "offset": (INTEGER | {"minimum": 0, "default": 0}, "Messages that are passed over first."),
    "count": (INTEGER | {"minimum": 0, "maximum": 1000}, "The most messages to show."),
    "truncate": (INTEGER | {"minimum": 0}, "Octets of a payload to show."),
    "encoding": (ENCODING, "The form of payloads: text where they are that, or always base64."),
}

OF_FINDINGS: Final[Parameters] = {
    "ready": (INTEGER, "Ready messages that wait for a consumer, from which on it is told."),
    "unacked_age": (INTEGER, "Milliseconds for which a delivery is unacknowledged."),
    "age": (INTEGER, "Milliseconds for which a message is ready."),
    "window": (INTEGER, "Milliseconds in which redeliveries and unroutable messages are counted."),
    "redelivered": (INTEGER, "Percent of the deliveries that are redeliveries, or of a delivery limit."),
    "full": (INTEGER, "Percent of a length limit."),
    "unroutable": (INTEGER, "Messages that found no queue."),
    "channels": (INTEGER, "Channels of a connection."),
    "idle_channels": (INTEGER, "Channels of a connection on which nothing happens."),
    "limit": (INTEGER | {"minimum": 1, "maximum": 1000}, "The most findings of each kind."),
}

SEVERAL: Final[Schema] = {"type": "array", "items": TEXT}

OF_LIVE_PAGES: Final[Parameters] = {
    "get": (SEVERAL, "A path below this, with a query if need be, whose answer is sent whenever it has changed."),
    "interval": (
        INTEGER | {"minimum": INTERVAL_MS_MIN, "maximum": INTERVAL_MS_MAX, "default": INTERVAL_MS},
        "Milliseconds from one look at the answers to the next, at least.",
    ),
    "events": (SEVERAL, "A pattern of names of events, with `*` and `#` as at a topic exchange."),
    "tap": (SEVERAL, "The path of an exchange or a queue, whose messages are sent as they pass."),
    "truncate": (
        INTEGER | {"minimum": 0, "maximum": TRUNCATE_MAX, "default": TRUNCATE},
        "Octets of a payload that are shown.",
    ),
}

QUERIES: Final[Mapping[str, Parameters]] = {
    "/live": OF_LIVE_PAGES,
    "/queues/{vhost}/{queue}/peek": OF_PLACES,
    "/queues/{vhost}/{queue}/search": {**OF_PLACES, "filter": (TEXT, "Conditions, as an object in JSON.")},
    "/stuck": OF_FINDINGS,
    "/stuck/{vhost}": OF_FINDINGS,
}
"""The parameters of a GET beside those of lists, by its path."""
