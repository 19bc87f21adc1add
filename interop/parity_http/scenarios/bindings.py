"""Bindings, and the key by which they are told from each other."""

import json
from urllib.parse import quote

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

KEYS = [
    "",
    "k",
    "a.b",
    "a b",
    "a+b",
    "#",
    "*.#",
    "é",
    "%",
    "~",
    "a/b",
    "a~b",
    "~x",
    '"',
    "<b>",
    "a\\b",
    "a-b_c",
    "x" * 255,
    "x" * 256,
]


def prepare(stage: Stage) -> None:
    stage.vhost()
    stage.play("""
        PUT /exchanges/$v/x {}
        PUT /exchanges/$v/y {}
        PUT /queues/$v/q {}
    """)


@scenario(
    each={key if len(key) < 20 else f"{len(key)} letters": key for key in KEYS},
    differs={"256 letters": Differs("amqpy has refused to make it (`known.py`)", "*", "*")},
)
def keys(stage: Stage, key: str) -> None:
    """A binding is found again at the address that is told."""
    prepare(stage)
    body = json.dumps({"routing_key": key})
    for destination in ("q/q", "e/y"):
        path = f"/bindings/$v/e/x/{destination}"
        answer = stage.play([Step("POST", path, body), Step("GET", path), Step("POST", path, body)])
        row = (stage.play([Step("GET", path)]).value or [{}])[0]
        properties_key = quote(row.get("properties_key", "nope"), safe="")
        location = answer.headers.get("location", "")
        stage.play(
            [
                Step("GET", f"{path}/{properties_key}"),
                Step("GET", f"/bindings/$v/e/x/{destination[:2]}{location}"),
                Step("GET", f"{path}/{quote(key, safe='') or '~'}"),
                Step("DELETE", f"{path}/{properties_key}"),
                Step("DELETE", f"{path}/{properties_key}"),
                Step("GET", path),
            ]
        )


ARGUMENTS = [
    '{"x-match": "any", "a": 1}',
    '{"a": 1.5}',
    '{"a": [1, "b", {}]}',
    "{}",
    "[]",
    '"x"',
    "5",
    "null",
    "[1]",
    '{"a": null}',
    '{"a": {"b": {"c": true}}}',
    '{"é": "é"}',
    '{"x-match": "nope"}',
    '{"x-match": 5}',
]


@scenario(
    each={str(number): arguments for number, arguments in enumerate(ARGUMENTS)},
    differs={
        str(ARGUMENTS.index("[1]")): Differs("RabbitMQ keeps a list, which nobody can see, apart from none", "*", "*")
    },
)
def arguments(stage: Stage, arguments: str) -> None:
    """Bindings that are told apart by their arguments."""
    prepare(stage)
    for source in ("x", "amq.headers"):
        path = f"/bindings/$v/e/{source}/q/q"
        stage.play([Step("POST", path, f'{{"routing_key": "k", "arguments": {arguments}}}')])
        row = (stage.play([Step("GET", path)]).value or [{}])[0]
        stage.call_it("key", row.get("properties_key", "nope"))
        stage.play(
            [
                Step("POST", path, '{"routing_key": "k"}'),
                Step("GET", f"{path}/$key"),
                Step("DELETE", f"{path}/$key"),
                Step("DELETE", f"{path}/$key"),
                Step("GET", path),
            ]
        )


@scenario()
def lists(stage: Stage) -> None:
    """In all the places where bindings are shown, in their order."""
    prepare(stage)
    stage.play("""
        PUT /queues/$v/p {}
        POST /bindings/$v/e/x/q/q {"routing_key": "b"}
        POST /bindings/$v/e/x/q/q {"routing_key": "a"}
        POST /bindings/$v/e/x/q/p {"routing_key": "a"}
        POST /bindings/$v/e/x/e/y {"routing_key": "z"}
        POST /bindings/$v/e/y/e/x {}
        POST /bindings/$v/e/amq.topic/q/q {"routing_key": "#"}
        GET /bindings/$v
        GET /bindings
        GET /bindings/$v/e/x/q/q
        GET /bindings/$v/e/x/e/y
        GET /bindings/$v/e/y/e/x
        GET /bindings/$v/e/amq.default/q/q
        GET /bindings/$v/e/amq.default/q/nope
        GET /bindings/$v/e/nope/q/q
        GET /bindings/$v/e/x/q/nope
        GET /bindings/$v/e/x/e/nope
        GET /bindings/$gone/e/x/q/q
        GET /bindings/$gone
        GET /queues/$v/q/bindings
        GET /queues/$v/nope/bindings
        GET /exchanges/$v/x/bindings/source
        GET /exchanges/$v/x/bindings/destination
        GET /exchanges/$v/y/bindings/destination
        GET /exchanges/$v/amq.default/bindings/source
        GET /exchanges/$v/amq.default/bindings/destination
        GET /exchanges/$v/nope/bindings/source
        GET /bindings/$v?columns=source,destination,routing_key
        GET /bindings/$v?sort=routing_key&columns=routing_key
        GET /bindings/$v?sort=routing_key&sort_reverse=true
        GET /bindings/$v?page=1&page_size=2
        DELETE /queues/$v/q
        GET /bindings/$v
        DELETE /exchanges/$v/y
        GET /bindings/$v
    """)


@scenario(
    differs=Differs("RabbitMQ keeps routing keys that are no texts", "GET /bindings/$v/e/x/q/q", "body", "*5*", "*")
)
def refused(stage: Stage) -> None:
    """What there is not, or may not be bound."""
    prepare(stage)
    stage.play("""
        POST /bindings/$v/e/nope/q/q {}
        POST /bindings/$v/e/x/q/nope {}
        POST /bindings/$v/e/x/e/nope {}
        POST /bindings/$v/e/nope/q/nope {}
        POST /bindings/$gone/e/x/q/q {}
        POST /bindings/$v/e/amq.default/q/q {"routing_key": "q"}
        POST /bindings/$v/e/x/e/amq.default {}
        POST /bindings/$v/e/x/z/q {}
        POST /bindings/$v/q/x/q/q {}
        GET /bindings/$v/e/x/z/q
        GET /bindings/$v/e/x/z/q/~
        GET /bindings/$v/e/amq.default/q/q/q
        DELETE /bindings/$v/e/amq.default/q/q/q
        DELETE /bindings/$v/e/amq.default/q/q/~
        GET /bindings/$v/e/x/q/q/~
        DELETE /bindings/$v/e/x/q/q/~
        DELETE /bindings/$v/e/nope/q/q/~
        DELETE /bindings/$v/e/x/q/nope/~
        DELETE /bindings/$gone/e/x/q/q/~
        GET /bindings/$gone/e/x/q/q/~
        POST /bindings/$v/e/x/q/q {"routing_key": 5}
        POST /bindings/$v/e/x/q/q {"routing_key": null}
        POST /bindings/$v/e/x/q/q {"routing_key": []}
        POST /bindings/$v/e/x/q/q {"routing_key": true}
        POST /bindings/$v/e/x/q/q
        POST /bindings/$v/e/x/q/q {"source": "nope", "destination": "nope", "destination_type": "e", "vhost": "nope"}
        GET /bindings/$v/e/x/q/q
        GET /bindings/$v/e/x/q/q/a~nope
        DELETE /bindings/$v/e/x/q/q/a~nope
        DELETE /bindings/$v/e/x/q/q/~~
        DELETE /bindings/$v/e/x/q/q/%
        DELETE /bindings/$v/e/x/q/q/%25zz
        HEAD /bindings/$v/e/x/q/q
        DELETE /bindings/$v/e/x/q/q/~ {
        DELETE /bindings/$v/e/x/q/q/~
    """)


@scenario()
def names(stage: Stage) -> None:
    """Names that must be encoded, in the address and in the location."""
    prepare(stage)
    stage.play("""
        PUT /queues/$v/a%2Fb {}
        PUT /exchanges/$v/c%20d {}
        POST /bindings/$v/e/c%20d/q/a%2Fb {"routing_key": "k"}
        POST /bindings/$v/e/c%20d/e/c%20d {"routing_key": "e/f"}
        GET /bindings/$v/e/c%20d/q/a%2Fb
        GET /bindings/$v/e/c%20d/q/a%2Fb/k
        GET /bindings/$v/e/c%20d/e/c%20d/e%252Ff
        GET /bindings/$v/e/c%20d/e/c%20d/e%2Ff
        DELETE /bindings/$v/e/c%20d/q/a%2Fb/k
    """)
