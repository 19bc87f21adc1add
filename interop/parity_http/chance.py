"""Draws scripts from seeds: small sequences of requests, valid or slightly wrong, over a small world of names.

They ask for nothing that RabbitMQ shows late: queues without their statistics, exchanges by columns. The same seed
gives the same script, as long as this code stays as it is.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from interop.parity_http import addresses
from interop.parity_http.compare import Difference, compare
from interop.parity_http.scenario import Scenario
from interop.parity_http.shrink import Shrinker
from interop.parity_http.side import Side
from interop.parity_http.stage import TAGS, Stage
from interop.parity_http.steps import Script, Step

DEFAULT_STEPS = 20

VHOSTS = ("$v", "$v", "$v", "$w", "$gone")
QUEUES = ("q1", "q2", "q3", "a%2Fb", "%20", "amq.q", "nope", "q%C3%A9")
EXCHANGES = ("x1", "x2", "x%20y", "amq.direct", "amq.topic", "amq.default", "amq.mine", "nope")
USERS = ("$a", "$b", "$gone", "guest")
KEYS = ("", "k", "a.b", "q1", "a b", "#", "é", "%", "~", "x" * 40)
NAMES = ("p1", "p2", "p%2F3")

WRONG_VALUES: Sequence[Any] = (None, 5, -1, 1.5, "", "x", "true", True, [], {}, ["x"], {"x": 1}, "é", 10**20)
ARGUMENTS: Sequence[Any] = (
    {},
    [],
    {"x-max-length": 5},
    {"x-message-ttl": 100000},
    {"x-queue-type": "quorum"},
    {"x-max-priority": 3},
    {"x-max-length": "x"},
    {"x-overflow": "nope"},
    {"x-expires": 0},
    {"alternate-exchange": "x1"},
    {"k": [1, {"a": 1.5}]},
    {"k": None},
    {"k": True, "l": "text"},
)
DEFINITIONS: Sequence[Any] = (
    {"max-length": 3},
    {"message-ttl": 100000, "max-length": 5},
    {"dead-letter-exchange": "x1"},
    {"max-length": "x"},
    {"nonsense": 1},
    {"expires": 0},
    {"overflow": "reject-publish"},
    {},
)
LISTS = (
    "/queues/$v?disable_stats=true",
    "/queues/$v?columns=name,durable,arguments&page=1&page_size=2",
    "/queues/$v?columns=name&sort=name&sort_reverse=true",
    "/exchanges/$v?columns=name,type,durable,auto_delete,internal,arguments,policy",
    "/exchanges/$v?columns=name&page=1&name=x&use_regex=true",
    "/bindings/$v",
    "/policies/$v",
    "/operator-policies/$v",
    "/permissions/$v/$a",
    "/users/$a/permissions",
    "/vhosts/$v/permissions",
    "/topic-permissions/$v/$a",
    "/parameters/operator_policy/$v",
    "/vhost-limits/$v",
    "/user-limits/$a",
    "/users/$b",
    "/definitions/$v",
    "/exchanges/$v/x1/bindings/source",
    "/queues/$v/q1/bindings",
    "/bindings/$v/e/x1/q/q1",
    "/bindings/$v/e/x1/e/x2",
)


LOOKS = (
    *(path for path in addresses.USERS if path != "/users/bulk-delete"),
    *addresses.POLICIES,
    *addresses.CLIENTS,
    *addresses.HEALTH[:1],
    *addresses.NONE,
    *("/whoami", "/cluster-name", "/extensions", "/vhosts/$v/permissions", "/vhosts/$v/topic-permissions"),
    *("/vhost-limits/$w", "/exchanges/$v/x1/bindings/source", "/queues/$v/q1/bindings", "/bindings/$v/e/x1/q/q1"),
)
"""Addresses where nothing is late."""

QUERIES = (
    *("", "", "columns=name", "columns=vhost,name", "columns=user,nope", "sort=name", "sort=vhost&sort_reverse=true"),
    *("page=1&page_size=2", "page=2&page_size=1", "page=0", "sort=tags&columns=name", "columns=value", "name=a"),
)

IMPORTED: dict[str, dict[str, Any]] = {
    "queues": {"name": "q1", "vhost": "$v", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 5}},
    "exchanges": {
        "name": "x1",
        "vhost": "$v",
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
    },
    "bindings": {
        "source": "amq.direct",
        "vhost": "$v",
        "destination": "q1",
        "destination_type": "queue",
        "routing_key": "k",
        "arguments": {},
    },
    "users": {"name": "$a", "password": "secret", "tags": "management"},
    "vhosts": {"name": "$w", "description": "words"},
    "permissions": {"user": "$a", "vhost": "$v", "configure": "^q", "write": ".*", "read": ".*"},
    "topic_permissions": {"user": "$a", "vhost": "$v", "exchange": "x1", "write": ".*", "read": "^a"},
    "global_parameters": {"name": "$g", "value": {"a": 1}},
    "policies": {"vhost": "$v", "name": "p1", "pattern": "^q", "apply-to": "all", "definition": {"max-length": 5}},
}
"""A good object of each kind."""


def sometimes(random: Random, percent: float) -> bool:
    return random.random() * 100 < percent


class Author:
    """Writes one script, step by step."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.drawn_by_weight: dict[Callable[[], Step], float] = {
            self.queue: 18,
            self.exchange: 14,
            self.binding: 14,
            self.publish: 10,
            self.get: 8,
            self.purge: 2,
            self.user: 6,
            self.permission: 6,
            self.topic_permission: 3,
            self.policy: 8,
            self.limit: 4,
            self.parameter: 2,
            self.vhost: 2,
            self.list: 14,
            self.look: 14,
            self.definitions: 6,
        }

    def script(self, steps: int) -> list[Step]:
        drawn = self.random.choices(list(self.drawn_by_weight), list(self.drawn_by_weight.values()), k=steps)
        ending = [Step("GET", path) for path in LISTS]
        return [*(self.varied(draw()) for draw in drawn), *ending]

    def varied(self, step: Step) -> Step:
        """The step, at times by another user, with other headers, or with a fault in its body."""
        random = self.random
        if sometimes(random, 12):
            step = replace(step, who=random.choice([*TAGS, "nobody"]))
        if sometimes(random, 4):
            header = random.choice(
                [
                    ("x-vhost", "$v"),
                    ("accept", "text/html"),
                    ("content-type", "text/plain"),
                    ("content-type", "-"),
                    ("origin", "http://example.com"),
                ]
            )
            step = replace(step, headers=(*step.headers, header))
        if step.body and sometimes(random, 25):
            step = replace(step, body=self.spoiled(step.body))
        if sometimes(random, 2):
            step = replace(step, method=random.choice(["HEAD", "PUT", "POST", "OPTIONS"]))
        return step

    def spoiled(self, body: str) -> str:
        random, value = self.random, json.loads(body)
        if not value or sometimes(random, 15):
            return str(random.choice(["", "{", "[]", "null", '"x"', "7", "true", "{}", "{ }", '{"a":1,}']))
        key = random.choice(list(value))
        if sometimes(random, 40):
            del value[key]
        else:
            value[key] = random.choice(WRONG_VALUES)
        return json.dumps(value, ensure_ascii=False)

    # Steps

    def put(self, path: str, **body: Any) -> Step:  # noqa: ANN401
        return Step("PUT", path, json.dumps({key.replace("_", "-"): value for key, value in body.items()}))

    def one_of(self, *values: Any) -> Any:  # noqa: ANN401
        return self.random.choice(values)

    def some(self, **options: Sequence[Any]) -> dict[str, Any]:
        """Some of these options, with one of their values."""
        return {key: self.random.choice(values) for key, values in options.items() if sometimes(self.random, 45)}

    def in_vhost(self, kind: str, names: Sequence[str]) -> str:
        return f"/{kind}/{self.random.choice(VHOSTS)}/{self.random.choice(names)}"

    def queue(self) -> Step:
        path = self.in_vhost("queues", QUEUES)
        if sometimes(self.random, 25):
            return Step("DELETE", path + self.one_of("", "", "?if-empty=true", "?if-unused=true", "?if-empty=false"))
        if sometimes(self.random, 15):
            return Step("GET", f"{path}?{self.one_of('disable_stats=true', 'columns=name,durable,arguments')}")
        options = self.some(durable=(True, False, "true"), auto_delete=(True, False), arguments=ARGUMENTS)
        return Step("PUT", path, json.dumps(options))

    def exchange(self) -> Step:
        path = self.in_vhost("exchanges", EXCHANGES)
        if sometimes(self.random, 25):
            return Step("DELETE", path + self.one_of("", "", "?if-unused=true", "?if-unused=yes"))
        if sometimes(self.random, 15):
            return Step("GET", f"{path}?columns=name,type,arguments,policy")
        types = ("direct", "fanout", "topic", "headers", "nope")
        options = self.some(type=types, durable=(True, False), auto_delete=(True,), internal=(True, "false"))
        return Step("PUT", path, json.dumps(options | self.some(arguments=ARGUMENTS)))

    def binding(self) -> Step:
        to = self.one_of(*(f"q/{queue}" for queue in QUEUES), "e/x1", "e/x2")
        path = f"/bindings/{self.random.choice(VHOSTS)}/e/{self.random.choice(EXCHANGES)}/{to}"
        if sometimes(self.random, 30):
            key = self.one_of("~", "k", "a.b", "a%2Bb", "%2523", "nope", "q1")
            return Step(self.one_of("GET", "DELETE"), f"{path}/{key}")
        if sometimes(self.random, 15):
            return Step("GET", path)
        arguments = self.one_of({}, {}, {}, {"x-match": "any", "a": 1}, [], {"k": None})
        return Step("POST", path, json.dumps({"routing_key": self.one_of(*KEYS), "arguments": arguments}))

    def publish(self) -> Step:
        properties = self.some(
            delivery_mode=(1, 2, 2, "2", 3),
            priority=(0, 5, 300, "x"),
            content_type=("text/plain", 5),
            headers=({}, {"a": 1, "b": ["x", 1.5]}, {"n": None}),
            expiration=("100000", 5, "x"),
            user_id=("guest", "other"),
            timestamp=(1000000000,),
            nonsense=(1,),
        )
        told = {
            "properties": properties if sometimes(self.random, 60) else {},
            "routing_key": self.one_of("q1", "q2", *KEYS),
            "payload": self.one_of("m", "", "é", "a" * 30, "bTE="),
            "payload_encoding": self.one_of("string", "string", "string", "base64", "hex"),
        }
        exchange = self.one_of("amq.default", "amq.default", *EXCHANGES)
        return Step("POST", f"/exchanges/{self.random.choice(VHOSTS)}/{exchange}/publish", json.dumps(told))

    def get(self) -> Step:
        modes = ("ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false")
        told = {
            "count": self.one_of(1, 1, 2, 10, "2", 0),
            "ackmode": self.one_of(*modes),
            "encoding": self.one_of("auto", "auto", "base64", "nope"),
            **self.some(truncate=(1, 3, 50000)),
        }
        return Step("POST", f"{self.in_vhost('queues', QUEUES[:4])}/get", json.dumps(told))

    def purge(self) -> Step:
        return Step("DELETE", f"{self.in_vhost('queues', QUEUES)}/contents")

    def user(self) -> Step:
        path = f"/users/{self.one_of('$a', '$a', '$b', '$c')}"
        if sometimes(self.random, 20):
            return Step(self.one_of("DELETE", "GET"), path)
        tags = self.one_of("", "management", "administrator", "a, b,,c", ["monitoring"], "policymaker,x")
        password = self.some(password=("secret", "", "é"))
        return Step("PUT", path, json.dumps({**password, "tags": tags}))

    def permission(self) -> Step:
        path = self.in_vhost("permissions", USERS[:3])
        if sometimes(self.random, 30):
            return Step(self.one_of("DELETE", "GET"), path)
        pattern = (".*", "", "^q", "(", "amq\\..*")
        return self.put(path, configure=self.one_of(*pattern), write=self.one_of(*pattern), read=self.one_of(*pattern))

    def topic_permission(self) -> Step:
        path = self.in_vhost("topic-permissions", USERS[:3])
        if sometimes(self.random, 30):
            return Step(self.one_of("DELETE", "GET"), path + self.one_of("", "/amq.topic", "/x1"))
        exchange = self.one_of("amq.topic", "x1", "")
        return self.put(path, exchange=exchange, write=self.one_of(".*", "("), read=self.one_of("^a", ".*"))

    def policy(self) -> Step:
        path = self.in_vhost(self.one_of("policies", "policies", "operator-policies"), NAMES)
        if sometimes(self.random, 30):
            return Step(self.one_of("DELETE", "GET"), path)
        told = {"pattern": self.one_of("^q", ".*", "x", "("), "definition": self.one_of(*DEFINITIONS)}
        told |= self.some(priority=(0, 1, 7, -1, 1.5))
        apply_to = {"apply-to": self.one_of("queues", "exchanges", "all", "nope")} if sometimes(self.random, 50) else {}
        return Step("PUT", path, json.dumps(told | apply_to))

    def limit(self) -> Step:
        vhost_limits = [f"/vhost-limits/{vhost}/{limit}" for vhost in VHOSTS for limit in ("max-queues", "nonsense")]
        user_limits = [f"/user-limits/{user}/max-connections" for user in USERS[:3]]
        path = self.one_of(*vhost_limits, *user_limits)
        if sometimes(self.random, 30):
            return Step("DELETE", path)
        return self.put(path, value=self.one_of(1, 5, 100, -1, 0, "x", "5", 1.5))

    def parameter(self) -> Step:
        component = self.one_of("operator_policy", "vhost-limits", "nonsense", "policy")
        # RabbitMQ breaks a virtual host that has limits of another name.
        name = "limits" if component == "vhost-limits" else self.one_of("p1", "limits")
        path = f"/parameters/{component}/{self.random.choice(VHOSTS)}/{name}"
        if sometimes(self.random, 40):
            return Step(self.one_of("DELETE", "GET"), path)
        policy = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 0, "apply-to": "queues"}
        return self.put(path, value=self.one_of(policy, {"max-queues": 5}, {}, 5, "x"))

    def vhost(self) -> Step:
        if sometimes(self.random, 30):
            return Step("DELETE", f"/vhosts/{self.one_of('$w', '$gone')}")
        told = self.some(description=("words", 5), tags=("a,b", ["c"], []), tracing=(False, "false"))
        return Step("PUT", f"/vhosts/{self.one_of('$v', '$w')}", json.dumps(told))

    def list(self) -> Step:
        return Step("GET", self.one_of(*LISTS))

    def look(self) -> Step:
        """What is there, or not, as some user sees it."""
        path = self.one_of(*LOOKS).replace("$u", self.one_of("$a", "$b", "$none"))
        return Step(
            self.one_of("GET", "GET", "GET", "HEAD", "OPTIONS"), f"{path}?{self.one_of(*QUERIES)}", "", self.who()
        )

    def who(self) -> str:
        return str(self.one_of("", "", *TAGS, "a", "nobody", "wrong"))

    def definitions(self) -> Step:
        """Some objects to be imported, one of which may be wrong."""
        rows = dict(self.one_of(*IMPORTED.items()) for _ in range(2))
        section = self.one_of(*rows)
        if sometimes(self.random, 60):
            key = self.one_of(*rows[section])
            spoiled = {name: value for name, value in rows[section].items() if name != key}
            if sometimes(self.random, 60):
                spoiled[key] = self.one_of(*WRONG_VALUES)
            rows[section] = spoiled
        body = json.dumps({name: [row] for name, row in rows.items()}, ensure_ascii=False)
        return Step("POST", self.one_of("/definitions", "/definitions/$v", "/definitions/$gone"), body)


def script_of(seed: int, steps: int = DEFAULT_STEPS) -> list[Step]:
    return Author(Random(str(seed))).script(steps)


def scenario_of(script: Script, label: str = "chance") -> Scenario:
    def play(stage: Stage) -> None:
        stage.vhost("v")
        stage.vhost("w")
        stage.everybody("v")
        for user in ("a", "b"):
            stage.user(user, "management", "v")
        stage.play(script)

    return Scenario(label, play, "Found by chance.")


@dataclass(frozen=True)
class Finding:
    """The outcome of one script: differences, with the shortest script that shows some, or none."""

    label: str
    script: Script = ()
    differences: Sequence[Difference] = ()
    complaints: list[str] = field(default_factory=list)
    unsteady: bool = False

    @property
    def differs(self) -> bool:
        return bool(self.differences or self.complaints)

    def lines(self) -> Iterator[str]:
        yield f"{self.label}: {'the reference differs from itself' if self.unsteady else 'differs'}"
        yield from map(str, self.script)
        yield from map(str, self.differences)
        yield from self.complaints


def examine(seed: int, reference: Side, subject: Side, *, alike: bool = False, steps: int = DEFAULT_STEPS) -> Finding:
    """Play the script of a seed. If the answers differ, they must do so again, in a shorter script."""
    script, label = script_of(seed, steps), f"seed {seed}"

    def differs(candidate: Script, other: Side = subject) -> Sequence[Difference]:
        return compare(scenario_of(candidate), reference, other, alike=alike or other is reference).differences

    outcome = compare(scenario_of(script), reference, subject, alike=alike)
    if outcome.passed:
        return Finding(label)
    if itself := differs(script, reference):
        return Finding(label, script, itself, unsteady=True)
    shortest = Shrinker(lambda candidate: bool(differs(candidate))).shortest(script)
    return Finding(label, shortest, differs(shortest) or outcome.differences, outcome.complaints)
