"""The bodies that requests have, as JSON Schema: what `openapi.py` tells about them.

Handlers are more lenient than this, as RabbitMQ is: a body of another type may do, and so may `"true"` for true.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

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
            "encoding": {"enum": ["auto", "base64"]},
        },
        truncate=INTEGER,
    ),
    ("POST", "/definitions"): DEFINITIONS,
    ("POST", "/definitions/{vhost}"): DEFINITIONS,
    ("POST", "/all-configuration"): DEFINITIONS,
    ("POST", "/login"): _body({}, username=TEXT, password=TEXT),
}
"""By the method and the path of the endpoint."""
