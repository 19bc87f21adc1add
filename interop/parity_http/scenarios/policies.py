"""Policies, and operator policies."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

KINDS = ("policies", "operator-policies")


@scenario(each=KINDS)
def life(stage: Stage, kind: str) -> None:
    """From the first PUT to the last DELETE."""
    stage.vhost()
    stage.everybody("v")
    stage.play(f"""
        GET /{kind}/$v
        GET /{kind}/$v/p
        PUT /{kind}/$v/p {{"pattern": "^q", "definition": {{"max-length": 5}}}}
        GET /{kind}/$v/p
        PUT /{kind}/$v/p {{"pattern": "^r", "definition": {{"max-length": 6}}, "priority": 3, "apply-to": "queues"}}
        GET /{kind}/$v/p
        PUT /{kind}/$v/p {{"pattern": "^r", "definition": {{"max-length": 6}}}}
        GET /{kind}/$v/p
        PUT /{kind}/$v/a {{"pattern": "^q", "definition": {{"message-ttl": 5}}, "priority": 7}}
        PUT /{kind}/$v/z {{"pattern": "^q", "definition": {{"message-ttl": 5}}, "priority": -7}}
        GET /{kind}/$v
        GET /{kind}
        management: GET /{kind}
        management: GET /{kind}/$v
        management: GET /{kind}/$v/p
        policymaker: GET /{kind}/$v/p
        monitoring: GET /{kind}/$v/p
        policymaker: PUT /{kind}/$v/mine {{"pattern": "x", "definition": {{"max-length": 5}}}}
        policymaker: DELETE /{kind}/$v/mine
        GET /{kind}/$v?columns=name,priority
        GET /{kind}/$v?sort=name&columns=name
        GET /{kind}/$v?page=1&page_size=1
        HEAD /{kind}/$v/p
        GET /parameters/operator_policy/$v
        GET /parameters/operator_policy/$v/p
        DELETE /{kind}/$v/p
        GET /{kind}/$v/p
        DELETE /{kind}/$v/p
        GET /{kind}/$gone
        GET /{kind}/$gone/p
        PUT /{kind}/$gone/p {{"pattern": "^q", "definition": {{"max-length": 5}}}}
        DELETE /{kind}/$gone/p
    """)


def policy(pattern: str = '"^q"', definition: str = '{"max-length": 5}', **more: str) -> str:
    keys = {"pattern": pattern, "definition": definition, **more}
    return "{" + ", ".join(f'"{key.replace("_", "-")}": {value}' for key, value in keys.items()) + "}"


PATTERNS = [
    '""',
    '".*"',
    '"("',
    '"*"',
    '"[z-a]"',
    '"é"',
    '"a\\\\"',
    "5",
    "null",
    "[]",
    "{}",
    "true",
    '"(?<n>a)\\\\k<n>"',
    '"<b>&"',
    '"\\u0000"',
]
PRIORITIES = ["0", "7", "-7", "1.5", '"3"', '"x"', "null", "[]", "{}", "true", "123456789012345678901234567890"]
APPLY_TO = [
    '"queues"',
    '"exchanges"',
    '"all"',
    '"nope"',
    '"classic_queues"',
    '"quorum_queues"',
    '"streams"',
    '""',
    "5",
    "null",
    "[]",
]
DEFINITIONS = [
    "{}",
    "[]",
    "null",
    "5",
    '"x"',
    '"{}"',
    "[1]",
    '[["max-length", 5]]',
    '{"nonsense": 8}',
    '{"nonsense": 8, "other": 9}',
    '{"max-length": 5, "nonsense": 8}',
    '{"max-length": "x"}',
    '{"max-length": -1}',
    '{"max-length": 1.5}',
    '{"max-length": null}',
    '{"max-length-bytes": 5}',
    '{"max-length-bytes": "x"}',
    '{"message-ttl": 5}',
    '{"message-ttl": -1}',
    '{"message-ttl": "x"}',
    '{"message-ttl": 99999999999}',
    '{"expires": 5}',
    '{"expires": 0}',
    '{"expires": "x"}',
    '{"overflow": "drop-head"}',
    '{"overflow": "reject-publish"}',
    '{"overflow": "reject-publish-dlx"}',
    '{"overflow": "nope"}',
    '{"overflow": 5}',
    '{"dead-letter-exchange": "x"}',
    '{"dead-letter-exchange": 5}',
    '{"dead-letter-routing-key": "k"}',
    '{"dead-letter-routing-key": 5}',
    '{"alternate-exchange": "x"}',
    '{"alternate-exchange": 5}',
    '{"queue-mode": "lazy"}',
    '{"queue-mode": "default"}',
    '{"queue-mode": "nope"}',
    '{"queue-mode": 5}',
    '{"delivery-limit": 5}',
    '{"delivery-limit": -1}',
    '{"ha-mode": "all"}',
    '{"ha-mode": "exactly", "ha-params": 2}',
    '{"ha-mode": "exactly"}',
    '{"ha-mode": "nope"}',
    '{"ha-params": 2}',
    '{"ha-sync-mode": "automatic"}',
    '{"ha-mode": "all", "ha-sync-mode": "automatic"}',
    '{"queue-master-locator": "min-masters"}',
    '{"queue-master-locator": "nope"}',
    '{"queue-version": 2}',
    '{"queue-version": 3}',
    '{"max-age": "1h"}',
    '{"max-age": "x"}',
    '{"stream-max-segment-size-bytes": 5}',
    '{"consumer-timeout": 5000}',
    '{"max-in-memory-length": 5}',
    '{"max-in-memory-bytes": 5}',
    '{"dead-letter-strategy": "at-least-once"}',
    '{"max-length": 5, "overflow": "nope", "nonsense": 1}',
    '{"": 1}',
    '{"é": 1}',
    '{"<b>": 1}',
    '{"target-group-size": 3}',
    '{"initial-cluster-size": 3}',
]


@scenario(each=[f"{kind} {key}" for kind in KINDS for key in ("pattern", "priority", "apply-to")])
def values(stage: Stage, case: str) -> None:
    """Values of all types for each key."""
    kind, key = case.split()
    stage.vhost()
    for value in {"pattern": PATTERNS, "priority": PRIORITIES, "apply-to": APPLY_TO}[key]:
        stage.play([Step("PUT", f"/{kind}/$v/p", policy(**{key: value})), Step("GET", f"/{kind}/$v/p")])


@scenario(each=KINDS)
def definitions(stage: Stage, kind: str) -> None:
    """Definitions that are good, and others."""
    stage.vhost()
    for definition in DEFINITIONS:
        path = f"/{kind}/$v/p"
        stage.play([Step("PUT", path, policy(definition=definition)), Step("GET", path), Step("DELETE", path)])


@scenario(each=KINDS)
def bodies(stage: Stage, kind: str) -> None:
    """Other keys, and keys that are missing."""
    stage.vhost()
    told = (
        "",
        "{}",
        "[]",
        "{",
        '{"pattern": "x"}',
        '{"definition": {"max-length": 5}}',
        policy(nope="1"),
        policy(name='"other"', vhost='"nope"'),
        policy(component='"x"'),
        policy(priority="5").replace("priority", "Priority"),
        policy().replace("definition", "value"),
    )
    for body in told:
        stage.play([Step("PUT", f"/{kind}/$v/p", body), Step("GET", f"/{kind}/$v")])


@scenario(
    each=[
        f"{kind} {name}"
        for kind in KINDS
        for name in ("a%2Fb", "a%20b", "%C3%A9", "%20", "%3Cb%3E", "a%00b", "a%0Ab", "%25", "~")
    ]
)
def names(stage: Stage, case: str) -> None:
    """Names that must be encoded."""
    kind, name = case.split()
    stage.vhost()
    path = f"/{kind}/$v/{name}"
    stage.play(
        [
            Step("PUT", path, policy()),
            Step("GET", path),
            Step("GET", f"/{kind}/$v"),
            Step("PUT", path, policy(definition='{"nonsense": 1}')),
            Step("DELETE", path),
        ]
    )


@scenario()
def applied(stage: Stage) -> None:
    """The one that counts is the one of the highest priority, for queues and exchanges."""
    stage.vhost()
    stage.play("""
        PUT /queues/$v/q {"durable": true}
        PUT /exchanges/$v/q {"durable": true}
        PUT /policies/$v/low {"pattern": "^q", "definition": {"max-length": 5}, "priority": 1}
        PUT /policies/$v/high {"pattern": "^q", "definition": {"expires": 600000}, "priority": 2, "apply-to": "queues"}
        GET /queues/$v/q?disable_stats=true
        GET /exchanges/$v/q
        DELETE /policies/$v/high
        GET /queues/$v/q?disable_stats=true
        PUT /policies/$v/other {"pattern": "^r", "definition": {"max-length": 5}, "priority": 9}
        GET /queues/$v/q?disable_stats=true
        PUT /queues/$v/r {}
        GET /queues/$v/r?disable_stats=true
        DELETE /policies/$v/low
        GET /exchanges/$v/q
        GET /exchanges/$v?columns=name,policy
    """)
