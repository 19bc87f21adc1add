"""What all addresses have in common: paths, credentials, content types, bodies, headers."""

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.side import authorization
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


@scenario()
def redirects(stage: Stage) -> None:
    """The old addresses, before any login."""
    stage.play(
        [
            Step(method, f"!{path}", who=who)
            for path in ("/api", "/api/", "/cli", "/mgmt", "/stats", "/doc/stats.html")
            for method, who in (("GET", "nobody"), ("HEAD", ""), ("POST", ""))
        ]
    )


@scenario()
def paths(stage: Stage) -> None:
    """Slashes, letters, and what is percent-encoded."""
    stage.vhost()
    stage.play("""
        GET /whoami/
        GET /whoami//
        GET //whoami
        GET /Whoami
        GET /who%61mi
        GET /whoami%2F
        GET /vhosts/$v/
        GET /vhosts//$v
        GET /vhosts/%2F?columns=name
        GET /vhosts/%2f?columns=name
        GET /vhosts/+
        GET /vhosts/%20
        GET /vhosts/%
        GET /vhosts/%zz
        GET /vhosts/%FF
        GET /vhosts/%00
        GET /vhosts/$v?columns=name
        GET /vhosts/$v/?columns=name
        GET /vhosts/$v?nope=1&columns=name
        GET /vhosts/$v?
        GET /vhosts/$v?columns
        GET /vhosts/.
        GET /vhosts/..
        GET /./whoami
        GET /../api/whoami
        GET /exchanges/$v/amq%2Edirect
        GET /exchanges/$v/amq.default
        GET /exchanges/$v/
        GET /queues/$v/%25
        GET !/api/whoami?x
        GET !/nope.html
        GET !/api2
    """)


CREDENTIALS = {
    "none": "-",
    "empty": "",
    "only a scheme": "Basic",
    "no base64": "Basic zzz",
    "no colon": "Basic Z3Vlc3Q=",
    "empty pair": "Basic Og==",
    "empty user": authorization("", "guest"),
    "empty password": authorization("guest", ""),
    "wrong password": authorization("guest", "wrong"),
    "unknown user": authorization("nope", "guest"),
    "right": authorization("guest", "guest"),
    "lower case": authorization("guest", "guest").replace("Basic", "basic"),
    "two spaces": authorization("guest", "guest").replace(" ", "  "),
    "colon in password": authorization("guest", "a:b"),
    "not UTF-8": "Basic /////w==",
    "bearer": "Bearer abc",
    "bearer, empty": "Bearer",
    "digest": 'Digest username="guest"',
    "unknown scheme": "Negotiate abc",
}


@scenario(each=CREDENTIALS)
def credentials(stage: Stage, given: str) -> None:
    """Headers of all kinds, at an address with a login and at others."""
    headers = (("authorization", given),)
    stage.play([Step("GET", path, headers=headers) for path in ("/whoami", "/auth", "/nope", "/users")])


@scenario()
def passwords(stage: Stage) -> None:
    """Passwords with colons and beyond ASCII."""
    stage.play("""
        PUT /users/$u {"password": "a:b", "tags": "management"}
        PUT /users/$w {"password": "pässwörd", "tags": "management"}
    """)
    for label, password in (("u", "a:b"), ("u", "a"), ("w", "pässwörd"), ("w", "passwort")):
        headers = (("authorization", authorization(stage.name(label), password)),)
        shown = Step("GET", "/whoami", headers=headers)
        stage.call_it("given", headers[0][1])
        stage.play([Step(shown.method, shown.path, headers=(("authorization", "$given"),))])


@scenario()
def login(stage: Stage) -> None:
    """The form that sets a cookie."""
    form = "[content-type: application/x-www-form-urlencoded]"
    stage.play(f"""
        nobody: POST /login {form} username=guest&password=guest
        nobody: POST /login {form} username=guest&password=wrong
        nobody: POST /login {form} username=guest
        nobody: POST /login {form}
        nobody: POST /login {form} nonsense
        nobody: POST /login {{"username": "guest", "password": "guest"}}
        nobody: POST /login [content-type: text/plain] username=guest&password=guest
        POST /login {form} username=guest&password=guest
        nobody: GET /whoami [cookie: auth=Z3Vlc3Q6Z3Vlc3Q=]
    """)


@scenario(
    each=[
        "text/html",
        "application/json",
        "application/*",
        "*/*",
        "application/bert",
        "text/*;q=0.5",
        "nonsense",
        "",
        "application/json;q=0",
        "text/html, application/json;q=0.1",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/xml, */*;q=0.1",
    ]
)
def accept(stage: Stage, accepted: str) -> None:
    """Types that a client can read."""
    if accepted == "application/bert":
        return  # Erlang's own
    headers = (("accept", accepted),)
    stage.vhost()
    stage.play([Step("GET", path, headers=headers) for path in ("/whoami", "/vhosts/$gone", "/nope")])
    stage.play(
        [
            Step("PUT", "/queues/$v/q", "{}", headers=headers),
            Step("DELETE", "/queues/$v/q", headers=headers),
            Step("DELETE", "/queues/$v/q", headers=headers),
        ]
    )


@scenario(
    each=[
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "-",
        "nonsense",
        "",
        "application/json; charset=utf-8",
        "multipart/form-data",
        "APPLICATION/JSON",
    ]
)
def content_types(stage: Stage, given: str) -> None:
    """Most addresses take any, some one."""
    headers = (("content-type", given),)
    stage.vhost()
    stage.user("u", "")
    policy = '{"pattern": "^q", "definition": {"max-length": 5}}'
    stage.play(
        [
            Step("PUT", "/queues/$v/q", "{}", headers=headers),
            Step("PUT", "/exchanges/$v/x", "{}", headers=headers),
            Step("POST", "/bindings/$v/e/x/q/q", "{}", headers=headers),
            Step("PUT", "/vhosts/$v", "{}", headers=headers),
            Step("PUT", "/users/$u", '{"tags": ""}', headers=headers),
            Step("PUT", "/permissions/$v/$u", '{"configure": "", "write": "", "read": ""}', headers=headers),
            Step("PUT", "/topic-permissions/$v/$u", '{"exchange": "", "write": "", "read": ""}', headers=headers),
            Step("PUT", "/policies/$v/p", policy, headers=headers),
            Step("PUT", "/operator-policies/$v/p", policy, headers=headers),
            Step("PUT", "/parameters/operator_policy/$v/p", f'{{"value": {policy}}}', headers=headers),
            Step("PUT", "/global-parameters/$g", '{"value": 1}', headers=headers),
            Step("PUT", "/vhost-limits/$v/max-queues", '{"value": 5}', headers=headers),
            Step("PUT", "/user-limits/$u/max-channels", '{"value": 5}', headers=headers),
            Step("PUT", "/feature-flags/quorum_queue/enable", "{}", headers=headers),
            Step("POST", "/definitions", "{}", headers=headers),
            Step("POST", "/definitions/$v", "{}", headers=headers),
            Step("POST", "/users/bulk-delete", '{"users": []}', headers=headers),
            Step(
                "POST",
                "/queues/$v/q/get",
                '{"count": 1, "ackmode": "x", "encoding": "auto"}'.replace("x", "ack_requeue_true"),
                headers=headers,
            ),
            Step("DELETE", "/queues/$v/q", "{}", headers=headers),
        ]
    )


BODIES = {
    "nothing": "",
    "space": "   ",
    "null": "null",
    "undefined": "undefined",
    "true": "true",
    "false": "false",
    "object": "{}",
    "spaces": " { } ",
    "unknown keys": '{"nope": 1}',
    "list": "[]",
    "list with things": "[1]",
    "number": "7",
    "fraction": "1.5",
    "text": '"x"',
    "empty text": '""',
    "broken": "{",
    "trailing comma": '{"a": 1,}',
    "two": "{} {}",
    "single quotes": "{'a': 1}",
    "NaN": '{"a": NaN}',
    "Infinity": '{"durable": Infinity}',
    "twice": '{"durable": true, "durable": false}',
    "control characters": '{"arguments": {"a": "\t"}}',
    "escaped": '{"arguments": {"\\u00e9\\ud83d\\ude00": "\\u0000\\n"}}',
    "half a surrogate": '{"arguments": {"a": "\\ud800"}}',
    "not UTF-8": '{"arguments": {"a": "\udcff"}}',
    "byte order mark": "\ufeff{}",
    "comment": "{/* x */}",
    "deep": '{"arguments": {"a": ' + "[" * 30 + "]" * 30 + "}}",
    "large number": '{"arguments": {"a": 123456789012345678901234567890}}',
    "int64": '{"arguments": {"a": 9223372036854775807, "b": -9223372036854775808}}',
    "beyond int64": '{"arguments": {"a": 9223372036854775808}}',
    "exponent": '{"arguments": {"a": 1e3, "b": 1E400}}',
    "minus zero": '{"arguments": {"a": -0, "b": -0.0}}',
    "leading zero": '{"arguments": {"a": 01}}',
    "long key": '{"arguments": {"' + "k" * 256 + '": 1}}',
}


REFUSED = "what AMQP has no room for is refused, and so is not there"
NOT_THERE = (
    Differs(REFUSED, "*", "status", "20*", '404 {"error": "Object Not Found", *'),
    Differs(REFUSED, "GET /queues/$v/q/bindings", "body"),
)


@scenario(each=BODIES, differs=dict.fromkeys(("beyond int64", "large number", "long key"), NOT_THERE))
def bodies(stage: Stage, body: str) -> None:
    """Bodies that are an object, as good as one, or none."""
    stage.vhost()
    stage.play(
        [
            Step("PUT", "/queues/$v/q", body),
            Step("GET", "/queues/$v/q?disable_stats=true"),
            Step("PUT", "/exchanges/$v/x", body),
            Step("POST", "/bindings/$v/e/amq.direct/q/q", body),
            Step("GET", "/queues/$v/q/bindings"),
            Step("PUT", "/vhosts/$v", body),
            Step("DELETE", "/queues/$v/q/contents", body),
            Step("DELETE", "/exchanges/$v/x", body),
            Step("DELETE", "/queues/$v/q", body),
            Step("PUT", "/permissions/$v/guest", body),
            Step("POST", "/definitions/$v", body),
            Step("POST", "/queues/$v/q/get", body),
        ]
    )


@scenario()
def booleans(stage: Stage) -> None:
    """Texts stand for booleans; other values are refused."""
    stage.vhost()
    for number, value in enumerate(
        ['"true"', '"false"', "true", "null", '"yes"', '""', "1", "0", "[]", "{}", '"True"', "1.5"]
    ):
        stage.play(f"""
            PUT /queues/$v/q{number} {{"durable": {value}}}
            PUT /exchanges/$v/x{number} {{"auto_delete": {value}}}
            PUT /exchanges/$v/y{number} {{"internal": {value}}}
            PUT /vhosts/$v {{"tracing": {value}}}
        """)
    stage.play("GET /exchanges/$v?columns=name,auto_delete,internal,durable")


@scenario()
def missing_keys(stage: Stage) -> None:
    """The list of them, as Erlang prints it."""
    stage.vhost()
    stage.user("u", "")
    stage.play("""
        PUT /permissions/$v/$u {}
        PUT /permissions/$v/$u {"configure": ""}
        PUT /permissions/$v/$u {"write": "", "configure": ""}
        PUT /topic-permissions/$v/$u {}
        PUT /topic-permissions/$v/$u {"exchange": ""}
        PUT /policies/$v/p {}
        PUT /policies/$v/p {"pattern": "x"}
        PUT /operator-policies/$v/p {}
        PUT /parameters/operator_policy/$v/p {}
        PUT /global-parameters/$g {}
        PUT /cluster-name {}
        PUT /users/$u {}
        POST /users/bulk-delete {}
        PUT /vhost-limits/$v/max-queues {}
        PUT /user-limits/$u/max-channels {}
        POST /exchanges/$v/amq.direct/publish {}
        POST /exchanges/$v/amq.direct/publish {"payload": ""}
        POST /exchanges/$v/amq.direct/publish {"properties": {}, "routing_key": "", "payload": ""}
        PUT /queues/$v/q {}
        POST /queues/$v/q/get {}
        POST /queues/$v/q/get {"count": 1}
        POST /queues/$v/q/get {"count": 1, "encoding": "auto"}
        POST /queues/$v/q/actions {}
        POST /queues/$v/q/actions {"action": "nope"}
        POST /queues/$v/q/actions {"action": "sync"}
        POST /queues/$v/q/actions {"action": "cancel_sync"}
        POST /queues/$v/nope/actions {"action": "sync"}
    """)


@scenario()
def origins(stage: Stage) -> None:
    """Other origins, which nobody has allowed."""
    stage.vhost()
    stage.play("""
        GET /whoami [origin: http://example.com]
        PUT /queues/$v/q [origin: http://example.com] {}
        nobody: GET /whoami [origin: http://example.com]
        GET /nope [origin: http://example.com]
        GET /whoami [origin: null]
    """)


@scenario()
def x_vhost(stage: Stage) -> None:
    """The header that lists are restricted by."""
    stage.vhost()
    stage.vhost("w")
    stage.user("u", "management", "v")
    stage.play("""
        PUT /exchanges/$v/x {}
        PUT /queues/$v/q {}
        PUT /policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /operator-policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /vhost-limits/$v/max-queues {"value": 5}
    """)
    vhosts = ("$v", "$w", "$gone", "", "%2F")
    lists = (
        "/exchanges?columns=name,vhost",
        "/queues?columns=name,vhost",
        "/bindings",
        "/policies",
        "/operator-policies",
        "/parameters",
        "/parameters/operator_policy",
        "/connections",
        "/channels",
        "/consumers",
        "/vhost-limits",
        "/exchanges/$w?columns=name,vhost",
        "/definitions",
        "/vhosts?columns=name&name=v&page=1",
        "/overview?columns=node",
    )
    users = ("", "u")
    stage.play(
        [
            Step("GET", path, who=who, headers=(("x-vhost", vhost),))
            for path in lists
            for vhost in vhosts
            for who in users
            if not (vhost in {"", "%2F"} and path in {"/parameters", "/definitions"})
        ]
    )
