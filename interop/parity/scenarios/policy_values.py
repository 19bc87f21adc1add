"""What may be in a policy: keys, values, patterns, and the words in which the rest is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from interop.parity.scenario import Differs, scenario
from interop.parity.script import Stage

NOWHERE = "^$"

NO_TEXTS: Sequence[Any] = [5, 1.5, True, None, ["a"], [], {}, {"a": {"b": [1]}}]
NO_NUMBERS: Sequence[Any] = [
    -1,
    1.5,
    1e300,
    True,
    None,
    "",
    "5",
    "\u00e9",
    'quo"te',
    "back\\slash",
    "new\nline",
    [1],
    [5, "a"],
    {"a": 1},
]
NUMBERS: Sequence[Any] = [0, 1, 2**31, 2**32, 2**63, 2**70]

VALUES: Mapping[str, Sequence[Any]] = {
    "alternate-exchange": ["", "a", *NO_TEXTS],
    "dead-letter-exchange": ["", "a", *NO_TEXTS],
    "dead-letter-routing-key": ["", "a", *NO_TEXTS],
    "dead-letter-strategy": ["at-most-once", "at-least-once", "never", 1],
    "message-ttl": [*NUMBERS, *NO_NUMBERS],
    "expires": [*NUMBERS, *NO_NUMBERS],
    "max-length": [*NUMBERS, *NO_NUMBERS],
    "max-length-bytes": [*NUMBERS, *NO_NUMBERS],
    "max-in-memory-length": [0, -1, "x"],
    "max-in-memory-bytes": [0, -1, "x"],
    "overflow": ["drop-head", "reject-publish", "reject-publish-dlx", "drop-tail", "", 1],
    "delivery-limit": [*NUMBERS, *NO_NUMBERS],
    "queue-mode": ["default", "lazy", "eager", 1],
    "queue-version": [1, 2, 3, 0, "1", 1.0],
    "queue-leader-locator": ["client-local", "balanced", "random", "least-leaders", "nowhere", 1],
    "initial-cluster-size": [0, 1, -1, "x"],
    "max-age": ["1Y", "2M", "3D", "4h", "5m", "6s", "0s"],
    "stream-max-segment-size-bytes": [0, 3_000_000_000, 3_000_000_001, -1, "x"],
    "max-priority": [5],
    "x-max-length": [5],
    "Max-Length": [5],
    "consumer-timeout": [5],
    "unknown": [5, 1.5, 1e300, "text", True, None, [1, "a"], {}, {"b": 1, "a": [2]}],
}


@scenario(
    each=list(VALUES),
    differs={
        key: Differs(
            "RabbitMQ cannot print a number that is none with letters beyond ASCII",
            ["set_policy / p.*: 'crashed'"],
            [f"set_policy / p.*: 'Validation failed\\n\\n<<\"é\">> is not a valid {noun}\\n'"],
            since="4.0",
        )
        for key, noun in {
            "delivery-limit": "delivery limit",
            "max-length": "maximum length",
            "max-length-bytes": "maximum length in bytes",
            "message-ttl": "message TTL",
            "expires": "queue expiry",
        }.items()
    },
)
def values(stage: Stage, key: str) -> None:
    """A policy of one key with each of these values."""
    for value in VALUES[key]:
        stage.admin.set_policy("p", NOWHERE, {key: value})


@scenario(each=list(VALUES))
def operator_values(stage: Stage, key: str) -> None:
    """An operator policy may have only some of the keys; the values are checked in the same way."""
    for value in VALUES[key][-3:]:
        stage.admin.set_policy("p", NOWHERE, {key: value}, operator=True)


DEFINITIONS: Mapping[str, dict[str, Any]] = {
    "empty": {},
    "two wrong": {"max-length": -1, "expires": 0},
    "two wrong, the other way": {"expires": 0, "max-length": -1},
    "right and wrong": {"max-length": 1, "expires": 0},
    "unknown and right": {"unknown": 1, "max-length": 1},
    "unknown and wrong": {"unknown": 1, "max-length": -1},
    "unknown ones": {"unknown": 1, "another": "b", "Third": [1]},
    "many": {"max-length": 1, "max-length-bytes": 2, "expires": 3, "message-ttl": 4, "overflow": "drop-head"},
}


@scenario(each=DEFINITIONS)
def definitions(stage: Stage, definition: dict[str, Any]) -> None:
    """Several keys at once: what is told of several that are wrong."""
    stage.admin.set_policy("p", NOWHERE, definition)
    stage.admin.set_policy("p", NOWHERE, definition, operator=True)


PATTERNS = [
    "", ".*", "^a$", "(?i)a", "a{2,3}", r"\d+\.\w", "\u00e9", r"(a)\1", "a(?=b)",
    "(", ")", "a)", "(a", "[", "[a", "*", "+", "?a", "a|*", "\\", "[b-a]",
]  # fmt: skip


@scenario(before="4.3")
def patterns(stage: Stage) -> None:
    """A pattern must be a regular expression."""
    vhost = stage.admin.add_vhost()
    for pattern in PATTERNS:
        stage.admin.set_policy("p", pattern, {"max-length": 1}, vhost=vhost)


@scenario()
def priorities(stage: Stage) -> None:
    """A priority is a number, whole or not."""
    for priority in (0, 1, -1, 2**40, 1.5, "1", "", True, None, [1]):
        stage.admin.set_policy("p", NOWHERE, {"max-length": 1}, priority=priority)


@scenario()
def apply_to(stage: Stage) -> None:
    """What a policy may be for."""
    for kind in ("all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams", "", "Queues", "x"):
        for operator in (False, True):
            stage.admin.set_policy("p", NOWHERE, {"max-length": 1}, apply_to=kind, operator=operator)


@scenario(before="4.3")
def several_faults(stage: Stage) -> None:
    """All parts of a policy are looked at, and each that is wrong is told."""
    admin = stage.admin
    admin.set_policy("p", "(", {"max-length": -1}, priority="high", apply_to="none")
    admin.set_policy("p", "(", {"max-length": 1}, priority="high")
    admin.set_policy("p", "a", {"unknown": 1}, apply_to="none")
    admin.set_policy("p", "(", {}, operator=True)


@scenario()
def names(stage: Stage) -> None:
    """Policies and operator policies of one name are two; to clear what is not there is a mistake."""
    admin = stage.admin
    admin.clear_policy("p")
    admin.set_policy("p", NOWHERE, {"max-length": 1})
    admin.clear_policy("p", operator=True)
    admin.set_policy("p", NOWHERE, {"max-length": 1}, operator=True)
    admin.clear_policy("p")
    admin.clear_policy("p")
    admin.clear_policy("p", operator=True)
    admin.clear_policy("p", operator=True)


@scenario()
def parameters(stage: Stage) -> None:
    """Parameters belong to a component, and only to those that exist; policies are no parameters of this door."""
    admin = stage.admin
    admin.set_parameter("unknown", "p", {"a": 1})
    admin.set_parameter("policy", "p", {"pattern": "a", "definition": {"max-length": 1}})
    admin.clear_parameter("unknown", "p")
    vhost = admin.add_vhost()
    limits: list[Any] = [{"unknown": 1}, {"max-queues": "many", "max-connections": -1}, 5, {}, {"max-queues": 7}]
    for value in limits:
        admin.set_parameter("vhost-limits", "limits", value, vhost=vhost)
    admin.clear_parameter("vhost-limits", "limits", vhost=vhost)
    admin.clear_parameter("vhost-limits", "limits", vhost=vhost)


@scenario()
def global_parameters(stage: Stage) -> None:
    """A global parameter may have any name and any value."""
    admin = stage.admin
    admin.clear_global_parameter("p")
    values: list[Any] = [1, "text", True, {"a": [1, {"b": None}]}, []]
    for value in values:
        admin.set_global_parameter("p", value)
    admin.clear_global_parameter("p")
    admin.clear_global_parameter("p")
