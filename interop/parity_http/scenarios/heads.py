"""What the server that RabbitMQ is built on makes of addresses, queries and headers."""

from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

TYPES = (
    *("application/json;", "application/json;charset", "application/json; charset=", "application/json;;a=b"),
    *('application/json; charset="utf-8"', "application/json ; charset=utf-8;x=y", "application/json,text/plain"),
    *("application/ json", "application/json; charset =utf-8", 'application/json; a="b', "application/json x"),
    *("a/b", "a/*", "*/*", "application", "/", "a/", "/b", "multipart/form-data; boundary=x"),
)


@scenario()
def content_types(stage: Stage) -> None:
    """Types that are written in odd ways, where any will do and where only one will."""
    stage.vhost()
    for given in TYPES:
        headers = (("content-type", given),)
        stage.play(
            [
                Step("PUT", "/queues/$v/q", "{}", headers=headers),
                Step("PUT", "/vhost-limits/$v/max-queues", '{"value": 5}', headers=headers),
                Step("POST", "/definitions/$v", "{}", headers=headers),
                Step("DELETE", "/queues/$v/q", headers=headers),
            ]
        )


ACCEPTED = (
    *("*/*;q=2", "application/json;q=x", "text/html;level=1,*/*", "*", "application/json, nonsense", "*/json", ";"),
    *("application/json;q=0.5;x=y", "application/json; q=1", "application/json;q=0.0001", "application/json;"),
    *("application/json;charset", "application/json;q=0, */*", "*/*;q=0", 'application/json;x="y"'),
    *("application/json ;q=1", "application/ json", "application/json text/html", "APPLICATION/JSON;Q=1"),
    *("a/b/c", ",,application/json,,", "application/json;q=1.000", "application/json;q=", "application/json;q=0."),
)


@scenario()
def accept(stage: Stage) -> None:
    """Types that are accepted in odd ways."""
    for accepted in ACCEPTED:
        stage.play([Step("GET", path, headers=(("accept", accepted),)) for path in ("/whoami", "/nope")])


CREDENTIALS = (
    *(
        "basic ",
        "Basic Z3Vlc3Q6Z3Vlc3Q",
        "Basic Z3Vlc3Q6Z3Vlc3Q==",
        "BasicZ3Vlc3Q6Z3Vlc3Q=",
        "Basic ====",
        "Basic 4",
    ),
    *("Basic Z3Vlc3Q6Z3 Vlc3Q=", "Basic Z3Vlc3Q6", "Basic Z3Vlc3Q6Z3Vlc3Q=, Basic Z3Vlc3Q6Z3Vlc3Q=", "Basic a=b"),
    *("Bearer a b", "Bearer abc=", "Bearer =", "Digest", "Digest a=b", 'Digest a="b", c=d', "Digest a", "nope"),
    *("nope nope=nope", "Digest a=b,", "Digest ,a=b", "Digest a=", "Token abc=", "Basic"),
)


@scenario()
def credentials(stage: Stage) -> None:
    """Headers that are credentials, and others that are none."""
    stage.play([Step("GET", "/whoami", who="nobody", headers=(("authorization", given),)) for given in CREDENTIALS])


@scenario()
def conditions(stage: Stage) -> None:
    """Conditions about a resource that is there, or is not; none has a tag."""
    stage.vhost()
    stage.play("PUT /queues/$v/q {}")
    for tags in ("*", '"x"', 'W/"x", "y"', "x", ""):
        for header in ("if-match", "if-none-match"):
            stage.play(
                [
                    Step(method, path, body, headers=((header, tags),))
                    for method, path, body in (
                        ("GET", "/whoami", ""),
                        ("HEAD", "/queues/$v/q?columns=name", ""),
                        ("GET", "/queues/$v/nope", ""),
                        ("PUT", "/queues/$v/q", "{}"),
                        ("DELETE", "/queues/$v/nope", ""),
                        ("OPTIONS", "/whoami", ""),
                        ("GET", "/nope", ""),
                        ("GET", "/overview?columns=node", ""),
                    )
                ]
            )
    stage.play("""
        PUT /queues/$v/new [if-none-match: *] {}
        PUT /queues/$v/new [if-none-match: *] {}
        PUT /queues/$v/new [if-match: *] {}
        PUT /exchanges/$v/x [if-match: *] {}
        DELETE /queues/$v/new [if-match: "x"]
        DELETE /queues/$v/new [if-none-match: *]
        DELETE /queues/$v/new [if-match: *]
        GET /whoami [if-modified-since: Mon, 30 Nov 2020 18:05:52 GMT]
        GET /whoami [if-unmodified-since: Mon, 30 Nov 2020 18:05:52 GMT]
        GET /whoami [if-modified-since: nonsense]
        wrong: GET /whoami [if-match: *]
        nobody: GET /whoami [if-none-match: *]
    """)


@scenario()
def paths(stage: Stage) -> None:
    """Characters that must be encoded, names with slashes, and dots that lead elsewhere."""
    stage.vhost()
    odd = [Step("GET", f"/vhosts/x{each}x?columns=name") for each in "!\"$&'()*+,;<=>@[\\]^_`{|}~:-."]
    stage.play(odd)
    stage.play("""
        GET /whoami%2F
        GET !/nope%2Fx
        GET !/nope%5Cx
        GET !/nope%00x
        POST !/nope%2Fx
        OPTIONS !/nope%2Fx
        GET /federation-links/%2F
        GET /shovels
        GET !/%61pi/whoami
        GET !/api/.
        GET !/api/./whoami
        GET !/api/vhosts/%2E%2E
        GET !/api/vhosts/%2e/$v?columns=name
        GET !/stats/x/..
        GET !/cli/
        GET !/mgmt/
        GET !/doc/./stats.html
        FOO !/api
        FOO !/x%
        PATCH /nope
        GET /whoami#fragment
        GET /vhosts/$v#?columns=name
    """)


@scenario()
def queries(stage: Stage) -> None:
    """Queries that are none, parameters without a value, and where nobody looks at them."""
    stage.vhost()
    stage.play("PUT /queues/$v/q {}")
    bad = ("=", "=x", "a&=x", "a=%", "a=%z", "%zz=1", "a=%4", "columns=name&%=1")
    good = ("", "&", "a==b", "a=b=c", "&&a", "a;b", "%FF=%FF", "disable_stats", "columns=n%61me", "columns=name+x,tags")
    stage.play([Step("GET", f"/whoami?{each}") for each in (*bad, *good)])
    stage.play([Step("PUT", f"/queues/$v/q?{each}", "{}") for each in bad])
    stage.play([Step("GET", f"/queues/$v/nope?{each}") for each in bad])
    valued = (
        "columns",
        "page",
        "page_size",
        "name",
        "use_regex",
        "sort",
        "sort_reverse",
        "lengths_age",
        "disable_stats",
    )
    stage.play([Step("GET", f"/{path}?{each}") for path in ("whoami", "users", "exchanges/$v") for each in valued])
    stage.play([Step("PUT", f"/queues/$v/q?{each}", "{}") for each in valued])


ADDRESSES = (
    *(
        "overview?columns=object_totals.nope",
        "overview?columns=queue_totals.nope",
        "overview?columns=churn_rates.nope",
    ),
    *("overview?columns=message_stats.nope", "overview?disable_stats=true&columns=object_totals.queues"),
    *("queues/$v?columns=arguments.nope", "queues/$v/q?columns=arguments.nope&disable_stats=true"),
    *(
        "exchanges/$v/x?columns=arguments.t",
        "bindings/$v?columns=arguments.nope",
        "vhosts/$v?columns=metadata.tags",
    ),
    *(
        "users/$u?columns=limits.nope",
        "policies/$v?columns=definition.nope",
        "policies/$v?columns=definition.expires",
    ),
    *("operator-policies/$v/p?columns=definition.nope", "vhost-limits/$v?columns=value.nope"),
    *("user-limits/$u?columns=value.nope", "definitions/$v?columns=queues.arguments.nope"),
    *(
        "definitions/$v?columns=policies.definition.nope",
        "definitions/$v?columns=nope",
        "cluster-name?columns=nope",
    ),
    *(
        "health/checks/port-listener/1?columns=reason",
        "health/checks/virtual-hosts?columns=nope",
        "auth?columns=nope",
    ),
    *(
        "queues/$v/q?page=1&columns=name&disable_stats=true",
        "cluster-name?page=1&columns=nope",
        "users?page=1&columns=name",
    ),
    *("users/$u?page=0", "users/$u?page=x", "whoami?page=1&page_size=501", "health/checks/alarms?page=0"),
    *("exchanges/$v?page=2&page_size=9&columns=name", "exchanges/$v?page=3&page_size=9&columns=name"),
    *("exchanges/$v?page=1&name=%C3%89", "exchanges/$v?page=1&name=%C3%A9", "exchanges/$v?columns=name..x,type."),
    *("exchanges/$v?columns=.", "bindings/$v?columns=.", "exchanges/$v?sort=.&columns=name"),
    *("exchanges/$v?sort=name.&columns=name", "exchanges/$v?sort=arguments.t&columns=name"),
    *("exchanges/$v?sort=arguments.t.u&columns=name", "exchanges/$v?sort=nope.x&columns=name"),
    *(
        "exchanges/$v?columns=name&msg_rates_age=0&msg_rates_incr=1",
        "queues/$v?columns=name&sort=&lengths_age=0&lengths_incr=1",
    ),
    *(
        "exchanges/$v?columns=name&sort=type&msg_rates_age=0&msg_rates_incr=1",
        "vhosts?columns=name&lengths_age=0&lengths_incr=1",
    ),
    *(
        "vhosts/$v?columns=name&lengths_age=0&lengths_incr=1",
        "queues/$v?disable_stats=true&lengths_age=0&lengths_incr=1",
    ),
    *(
        "channels/nope?lengths_age=0&lengths_incr=1",
        "channels/nope?disable_stats=true",
        "channels?disable_stats=true",
    ),
    *("vhosts/$v/channels?page=1", "vhosts/$v/connections?page=1", "vhosts/$v/connections?sort_reverse=x"),
    *("feature-flags?sort=name&sort_reverse=true&page=1&columns=name", "feature-flags?sort=name.x"),
    *("global-parameters/$g?columns=value.a.x", "nodes?disable_stats=true&lengths_age=0&lengths_incr=1&columns=type"),
    *(
        "exchanges/$v/x?disable_stats=true&lengths_age=0&lengths_incr=1",
        "healthchecks/node?lengths_age=0&lengths_incr=1",
    ),
    *(
        "vhosts/$v/connections?disable_stats=true&lengths_age=0&lengths_incr=1",
        "users/without-permissions?name=x&page=1",
    ),
    *(
        "connections/nope?lengths_age=0&lengths_incr=1",
        "connections/nope/channels?data_rates_age=0&data_rates_incr=1",
    ),
    *(
        "connections?data_rates_age=0&data_rates_incr=1",
        "consumers?disable_stats=true",
        "nodes?node_stats_age=0&node_stats_incr=1",
    ),
)


@scenario()
def parameters(stage: Stage) -> None:
    """Columns inside of objects, pages of what has none, and ranges that nobody looks at."""
    stage.vhost()
    stage.user("u", "")
    stage.play(
        """
        PUT /queues/$v/q {"arguments": {"x-max-length": 5}}
        PUT /exchanges/$v/x {"arguments": {"t": {"u": 1}}}
        PUT /exchanges/$v/é {}
        POST /bindings/$v/e/x/q/q {"arguments": {"a": 1}}
        PUT /policies/$v/p {"pattern": "nope", "definition": {"max-length": 5, "expires": 9000}}
        PUT /operator-policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /vhost-limits/$v/max-queues {"value": 5}
        PUT /user-limits/$u/max-channels {"value": 5}
        PUT /global-parameters/$g {"value": {"a": {"b": 1}}}
    """.replace("é", "%C3%A9")
    )
    stage.play([Step("GET", f"/{address}") for address in ADDRESSES])


@scenario()
def limits(stage: Stage) -> None:
    """Heads that are too large."""
    stage.play(
        [
            Step("GET", "/whoami?x=" + "a" * 7000),
            Step("GET", "/whoami?x=" + "a" * 12000),
            Step("GET", "/" + "a" * 12000),
            Step("GET", "/whoami", headers=(("x-a", "b" * 3000),)),
            Step("GET", "/whoami", headers=(("x-a", "b" * 9000),)),
            Step("GET", "/whoami", headers=tuple((f"x-{number}", "b") for number in range(90))),
            Step("GET", "/whoami", headers=tuple((f"x-{number}", "b") for number in range(120))),
            Step("A" * 31, "/whoami"),
            Step("A" * 32, "/whoami"),
        ]
    )


@scenario()
def protocols(stage: Stage) -> None:
    """Names of protocols, for the check of a listener."""
    names = (
        *(
            "http1",
            "HTTP1.1",
            "amqp0_9_1",
            "amqp1-0",
            "mqtt3_1_1",
            "mqtts",
            "mqtt+tls",
            "mqtt/tls",
            "stomp",
            "stomp1.2",
        ),
        *(
            "stomp10",
            "stomp1_1",
            "stomps",
            "stomp+ssl",
            "web-mqtt",
            "webmqtt+tls",
            "web_stomp",
            "webstomp%2Fssl",
        ),
        *("https", "amqp%2Fssl", "%20amqp", "amqp%20", "%C3%89", "%FF", "%E2%82%AC"),
    )
    stage.play([Step("GET", f"/health/checks/protocol-listener/{name}") for name in names])
