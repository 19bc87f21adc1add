"""Bodies with wrong types in each of their places: they are refused, or do no harm, and are never a bug."""

from collections.abc import Iterator
from typing import Any

import pytest

from .harness import Site

PATTERNS = {"configure": ".*", "write": ".*", "read": ".*"}
POLICY = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 1, "apply-to": "all"}
LIMITS = {"max-connections": 1}
QUEUE = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 5}}
BINDING = {"source": "amq.topic", "vhost": "/", "destination": "q", "destination_type": "queue", "routing_key": "k"}
DEFINITIONS = {
    "rabbit_version": "3.10.8",
    "users": [{"name": "u", "password_hash": "", "hashing_algorithm": "md5", "tags": ["a"], "limits": LIMITS}],
    "vhosts": [{"name": "v", "description": "", "tags": [], "tracing": False, "metadata": {"description": "d"}}],
    "permissions": [{"user": "u", "vhost": "/", **PATTERNS}],
    "topic_permissions": [{"user": "u", "vhost": "/", "exchange": "x", "write": "", "read": ""}],
    "parameters": [{"vhost": "/", "component": "vhost-limits", "name": "limits", "value": {"max-queues": 50}}],
    "global_parameters": [{"name": "g", "value": 1}],
    "policies": [{"vhost": "/", "name": "p", **POLICY}],
    "exchanges": [{"name": "x", "vhost": "/", "type": "topic", "durable": True, "internal": False, "arguments": {}}],
    "queues": [QUEUE],
    "bindings": [{**BINDING, "arguments": {"a": 1}}],
}
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/users/u", {"password": "p", "tags": "a", "limits": LIMITS, "permissions": {"/": PATTERNS}}),
    ("PUT", "/users/u", {"password_hash": "", "hashing_algorithm": "md5", "tags": ["a"]}),
    ("PUT", "/users/u", {"administrator": True}),
    ("POST", "/users/bulk-delete", {"users": ["u"]}),
    ("PUT", "/permissions/%2F/guest", PATTERNS),
    ("PUT", "/topic-permissions/%2F/guest", {"exchange": "x", "write": ".*", "read": ".*"}),
    ("PUT", "/vhost-limits/%2F/max-queues", {"value": 1}),
    ("PUT", "/user-limits/guest/max-channels", {"value": 1}),
    ("PUT", "/policies/%2F/p", POLICY),
    ("PUT", "/operator-policies/%2F/p", POLICY),
    ("PUT", "/parameters/vhost-limits/%2F/limits", {"value": LIMITS}),
    ("PUT", "/parameters/operator_policy/%2F/p", {"value": POLICY}),
    ("PUT", "/parameters/federation-upstream/%2F/p", {"value": {"uri": "amqp://"}}),
    ("PUT", "/global-parameters/g", {"value": 1}),
    ("PUT", "/vhosts/v", {"description": "d", "tags": "a", "tracing": True, "default_queue_type": "quorum"}),
    ("POST", "/definitions", DEFINITIONS),
    ("POST", "/definitions/%2F", DEFINITIONS),
]

DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]

WRONG: list[Any] = [
    *(None, True, -1, 1.5, 10**400, "", "x\0\N{SNOWMAN}", "a" * 70_000, "(" * 5_000),
    *([], [[]], [None], {}, {"": None}, {"a": {"b": [1, "c"]}}, DEEP),
]


def variants(value: Any) -> Iterator[Any]:  # noqa: ANN401 (any JSON)
    """The value with each wrong one in each of its places."""
    yield from WRONG
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: each for name, each in value.items() if name != key}
            for wrong in variants(inner):
                yield {**value, key: wrong}
    if isinstance(value, list):
        for at, inner in enumerate(value):
            for wrong in variants(inner):
                yield [*value[:at], wrong, *value[at + 1 :]]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[path for _, path, _ in REQUESTS])
async def test_wrong_types_are_never_a_bug(site: Site, method: str, path: str, body: dict[str, Any]) -> None:
    assert (await site.request(method, f"/api{path}", body)).status in {201, 204, 400}
    for variant in variants(body):
        reply = await site.request(method, f"/api{path}", variant)
        assert reply.status in {201, 204, 400, 401, 404}, variant
        if reply.status < 300:
            await read_all(site)


async def read_all(site: Site) -> None:
    """All that can have been changed can be shown."""
    for path in ("users", "vhosts", "permissions", "topic-permissions", "vhost-limits", "user-limits", "policies"):
        assert (await site.get(f"/api/{path}")).status == 200
    for path in ("operator-policies", "parameters", "global-parameters", "definitions", "definitions/%2F"):
        assert (await site.get(f"/api/{path}")).status == 200


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (b"[" * 200_000, False),
        (b'{"a":[' + b"1," * 200_000 + b"1]}", False),
        (b'{"a":[' + b'"x",' * 200_000 + b"1]}", False),
        (b'{"a":"' + b"1," * 200_000 + b'"}', True),
        (b'{"a":"' + b'\\",' * 200_000 + b'"}', True),
        (b'{"a":[' + b"1," * 90_000 + b"1]}", True),
        (b'"' * 200_001 + b"," * 200_000, False),
    ],
)
async def test_json_may_not_hold_up_the_broker(site: Site, body: bytes, is_read: bool) -> None:
    """It is read in one go: as much text as there may be, but not as many values."""
    reply = await site.put("/api/permissions/%2F/guest", body=body)
    reason = "[{key_missing,configure}" if is_read else "payload has too many values"
    assert reply.status == 400
    assert reply.json["reason"].startswith(reason)


@pytest.mark.parametrize("settings", [{"management_http_max_body_size": 1000}])
async def test_bodies_have_a_limit(site: Site) -> None:
    assert (await site.put("/api/vhosts/v", body=b" " * 998 + b"{}")).status == 201
    reply = await site.put("/api/vhosts/w", body=b" " * 999 + b"{}")
    assert reply.refusal == (400, "bad_request", "payload too large, limit is 1000 bytes")
