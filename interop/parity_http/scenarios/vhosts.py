"""Virtual hosts: made, described, listed, deleted."""

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


@scenario()
def life(stage: Stage) -> None:
    """From the first PUT to the last DELETE."""
    stage.play("""
        GET /vhosts/$v
        PUT /vhosts/$v
        GET /vhosts/$v
        PUT /vhosts/$v {}
        GET /vhosts/$v/permissions
        GET /vhosts/$v/topic-permissions
        GET /vhosts/$v/connections
        GET /vhosts/$v/channels
        GET /permissions/$v/guest
        PUT /vhosts/$v {"description": "words & <more>", "tags": "a, b,,c"}
        GET /vhosts/$v
        PUT /vhosts/$v {"tags": ["d"]}
        GET /vhosts/$v
        PUT /vhosts/$v {"tracing": true}
        GET /vhosts/$v
        PUT /vhosts/$v {"description": "é"}
        GET /vhosts/$v
        PUT /vhosts/$v {"tracing": "false"}
        GET /vhosts/$v
        HEAD /vhosts/$v
        DELETE /vhosts/$v
        GET /vhosts/$v
        DELETE /vhosts/$v
        GET /vhosts/$v/permissions
        GET /vhosts/$v/topic-permissions
        GET /vhosts/$v/connections
        GET /vhosts/$v/channels
    """)


VALUES = {
    "description": ["5", "null", "[]", "{}", "true", '""', '"x"', '["a"]', '"\\u0000"'],
    "tags": ["5", "null", "[]", "{}", "true", '""', '"a"', '"a,b"', '[" a "]', "[5]", "[null]", '[["a"]]', '"a,a"'],
    "tracing": ["5", "null", "[]", '"yes"', '"true"', "true", "false"],
    "defaultqueuetype": ['"quorum"', '"classic"', '"nope"', "5", "null", '""', '"rabbit_quorum_queue"'],
    "default_queue_type": ['"quorum"', "5"],
    "nope": ["1"],
}


@scenario(
    each=list(VALUES),
    differs={
        "description": [
            Differs("RabbitMQ shows null, and amqpy no words", "GET /vhosts/$v", "body*.description", "null", '""'),
            Differs("amqpy has refused to make it (`known.py`)", "* /vhosts/$v", "status", got="404 *"),
        ],
        "tags": Differs("RabbitMQ takes a list that begins with a number for a text", "GET /vhosts/$v", "*tags[0]"),
    },
)
def values(stage: Stage, key: str) -> None:
    """Values of all types for each key."""
    for value in VALUES[key]:
        stage.play(f"""
            PUT /vhosts/$v {{"{key}": {value}}}
            GET /vhosts/$v
            DELETE /vhosts/$v
        """)


@scenario(
    each=[
        "a%2Fb",
        "%20",
        "a%20b",
        "%C3%A9",
        "a%2Bb",
        "%23",
        "%25",
        "*",
        "a.b:c@d",
        "%22",
        "%3Cb%3E",
        "a%0Ab",
        "a%00b",
        "%5C",
        "~",
    ]
)
def names(stage: Stage, name: str) -> None:
    """Names that must be encoded."""
    path = f"/vhosts/$v.{name}"
    stage.play(f"""
        PUT {path} {{}}
        GET {path}
        GET /exchanges/$v.{name}/amq.direct
        PUT /queues/$v.{name}/q {{}}
        GET /vhosts?columns=name&page=1&name=$v
        DELETE {path}
    """)


@scenario(each={str(length): length for length in (255, 256, 1000, 5000)})
def long_names(stage: Stage, length: int) -> None:
    """Names up to their greatest length, and beyond."""
    name = "$v" + "x" * (length - len(stage.name("v")))
    stage.play(
        [Step("PUT", f"/vhosts/{name}", "{}"), Step("GET", f"/vhosts/{name}"), Step("DELETE", f"/vhosts/{name}")]
    )


@scenario()
def listing(stage: Stage) -> None:
    """The list as each tag sees it."""
    for label in ("v1", "v2", "v3"):
        stage.vhost(label)
    stage.everybody("v2")
    stage.user("two", "management", "v1", "v2")
    stage.play("""
        GET /vhosts
        management: GET /vhosts
        policymaker: GET /vhosts
        monitoring: GET /vhosts
        two: GET /vhosts
        none: GET /vhosts
        management: GET /vhosts/$v2
        monitoring: GET /vhosts/$v2
        management: GET /vhosts/$v2/permissions
        two: GET /vhosts?page=1&page_size=1
        two: GET /vhosts?sort=name&sort_reverse=true&columns=name
        management: GET /vhosts?columns=nope
    """)


@scenario()
def start(stage: Stage) -> None:
    """To start what runs already."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.play("""
        POST /vhosts/$v/start/$n
        POST /vhosts/$v/start/nope
        POST /vhosts/$gone/start/$n
        POST /vhosts/$v/start
        GET /vhosts/$v/start/$n
    """)


@scenario()
def deleted_with_what_is_in_it(stage: Stage) -> None:
    """All that was in it is gone, and does not come back with it."""
    stage.vhost()
    stage.user("u", "management", "v")
    stage.play("""
        PUT /queues/$v/q {"durable": true}
        PUT /exchanges/$v/x {"durable": true}
        PUT /policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /vhost-limits/$v/max-queues {"value": 5}
        PUT /topic-permissions/$v/$u {"exchange": "amq.topic", "write": "", "read": ""}
        DELETE /vhosts/$v
        GET /permissions/$v/$u
        GET /users/$u/permissions
        GET /users/$u/topic-permissions
        GET /policies/$v
        GET /policies/$v/p
        GET /queues/$v
        PUT /vhosts/$v
        GET /queues/$v
        GET /exchanges/$v/x
        GET /policies/$v
        GET /vhost-limits/$v
        GET /vhosts/$v/permissions
        u: GET /queues/$v
        u: GET /vhosts
    """)
