"""Users, their permissions, and their limits."""

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

KNOWN_HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@scenario()
def life(stage: Stage) -> None:
    """From the first PUT to the last DELETE."""
    stage.vhost()
    stage.play("""
        GET /users/$u
        PUT /users/$u {"password": "secret", "tags": "management"}
        GET /users/$u
        u: GET /whoami
        PUT /users/$u {"password": "secret", "tags": "management,monitoring"}
        GET /users/$u
        GET /users/$u/permissions
        GET /users/$u/topic-permissions
        GET /users/without-permissions?columns=name
        PUT /permissions/$v/$u {"configure": ".*", "write": "", "read": "^q"}
        GET /users/$u/permissions
        GET /permissions/$v/$u
        GET /vhosts/$v/permissions
        PUT /users/$u {"tags": "management"}
        GET /users/$u
        u: GET /whoami
        HEAD /users/$u
        DELETE /users/$u
        GET /users/$u
        GET /permissions/$v/$u
        GET /users/$u/permissions
        GET /users/$u/topic-permissions
        DELETE /users/$u
    """)


BODIES = [
    '{"password": "secret", "tags": ""}',
    '{"password": "secret", "tags": []}',
    '{"password": "secret", "tags": "a, b,,c "}',
    '{"password": "secret", "tags": ["a", "b"]}',
    '{"password": "secret", "tags": [" a "]}',
    '{"password": "secret", "tags": "a,a"}',
    '{"password": "secret", "tags": 5}',
    '{"password": "secret", "tags": null}',
    '{"password": "secret", "tags": [5]}',
    '{"password": "secret", "tags": {}}',
    '{"password": "secret", "tags": true}',
    '{"password": "secret", "tags": "é"}',
    '{"password": "secret"}',
    '{"tags": ""}',
    '{"tags": "management"}',
    '{"password": "", "tags": ""}',
    '{"password": 5, "tags": ""}',
    '{"password": null, "tags": ""}',
    '{"password": [], "tags": ""}',
    '{"password": true, "tags": ""}',
    '{"password_hash": "", "tags": ""}',
    f'{{"password_hash": "{KNOWN_HASH}", "tags": ""}}',
    '{"password_hash": "!!!", "tags": ""}',
    '{"password_hash": "abc", "tags": ""}',
    '{"password_hash": 5, "tags": ""}',
    '{"password_hash": null, "tags": ""}',
    '{"password": "a", "password_hash": "YWJjZA==", "tags": ""}',
    '{"password": "a", "password_hash": "", "tags": ""}',
    '{"password": "", "password_hash": "YWJjZA==", "tags": ""}',
    f'{{"password_hash": "{KNOWN_HASH}", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}}',
    '{"password_hash": "YWJjZA==", "hashing_algorithm": "rabbit_password_hashing_sha512", "tags": ""}',
    '{"password_hash": "YWJjZA==", "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ""}',
    '{"password_hash": "YWJjZA==", "hashing_algorithm": "nope", "tags": ""}',
    '{"password_hash": "YWJjZA==", "hashing_algorithm": 5, "tags": ""}',
    '{"password": "a", "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ""}',
    '{"password": "a", "tags": "", "limits": {"max-connections": 5}}',
    '{"password": "a", "tags": "", "limits": {"nope": 5}}',
    '{"password": "a", "tags": "", "limits": {}}',
    '{"password": "a", "tags": "", "limits": []}',
    '{"password": "a", "tags": "", "limits": 5}',
    '{"password": "a", "administrator": true}',
    '{"password": "a", "administrator": "true", "tags": ""}',
    '{"password": "a", "administrator": "false"}',
    '{"password": "a", "tags": "", "nope": 1}',
    "",
    "[]",
    "{",
    "5",
    '"x"',
    "null",
]


@scenario(each={str(number): body for number, body in enumerate(BODIES)})
def bodies(stage: Stage, body: str) -> None:
    """All kinds of bodies, for a user that is not there and one that is."""
    stage.play(
        [
            Step("PUT", "/users/$u", body),
            Step("GET", "/users/$u"),
            Step("PUT", "/users/$u", body),
            Step("PUT", "/users/$u", '{"password": "x", "tags": "management"}'),
            Step("PUT", "/users/$u", body),
            Step("GET", "/users/$u"),
        ]
    )


@scenario(each=["a%2Fb", "a%20b", "%C3%A9", "a%3Ab", "%23", "a+b", "%25", "a%0Ab", "a%00b", "%3Cb%3E", "a%FFb"])
def names(stage: Stage, name: str) -> None:
    """Names that must be encoded."""
    stage.vhost()
    path = f"$u.{name}"
    stage.play(f"""
        PUT /users/{path} {{"password": "x", "tags": "management"}}
        GET /users/{path}
        PUT /permissions/$v/{path} {{"configure": ".*", "write": ".*", "read": ".*"}}
        GET /users/{path}/permissions
        GET /vhosts/$v/permissions
        DELETE /users/{path}
    """)


@scenario()
def listing(stage: Stage) -> None:
    """The list, in its order, and those without permissions."""
    stage.vhost()
    for name in ("b.$u", "a.$u", "Z.$u"):
        stage.play(f'PUT /users/{name} {{"password": "x", "tags": ["{name[0]}"]}}')
    stage.play("""
        PUT /permissions/$v/a.$u {"configure": "", "write": "", "read": ""}
        GET /users
        GET /users/
        GET /users?columns=name,tags
        GET /users?sort=name&sort_reverse=true&columns=name
        GET /users?sort=tags&columns=name
        GET /users?page=1&page_size=1&columns=name
        GET /users/without-permissions
        GET /users/without-permissions?columns=name
        GET /users/without-permissions/
    """)


@scenario()
def bulk_delete(stage: Stage) -> None:
    """Several at once."""
    for label in ("a", "b", "c", "d"):
        stage.user(label, "")
    stage.play("""
        POST /users/bulk-delete {"users": ["$a", "$gone", "$b"]}
        GET /users/$a?columns=name
        GET /users/$b?columns=name
        POST /users/bulk-delete {"users": ["$c", "$b"]}
        GET /users/$c?columns=name
        GET /users/$b?columns=name
        POST /users/bulk-delete {"users": ["$d", "$d"]}
        POST /users/bulk-delete {"users": []}
        POST /users/bulk-delete {"users": "x"}
        POST /users/bulk-delete {"users": 5}
        POST /users/bulk-delete {"users": null}
        POST /users/bulk-delete {"users": [5]}
        POST /users/bulk-delete {"users": {}}
        POST /users/bulk-delete {}
        POST /users/bulk-delete
        POST /users/bulk-delete []
        GET /users?columns=name
    """)


PERMISSIONS = [
    '{"configure": ".*", "write": ".*", "read": ".*"}',
    '{"configure": "", "write": "", "read": ""}',
    '{"configure": "^é", "write": "a|b", "read": "\\\\d"}',
    '{"configure": "(", "write": "", "read": ""}',
    '{"configure": "", "write": "*", "read": ""}',
    '{"configure": "", "write": "", "read": "[z-a]"}',
    '{"configure": "(", "write": "(", "read": "("}',
    '{"configure": 5, "write": "", "read": ""}',
    '{"configure": "", "write": null, "read": ""}',
    '{"configure": "", "write": "", "read": []}',
    '{"configure": "", "write": "", "read": {}}',
    '{"configure": "", "write": "", "read": true}',
    '{"configure": "", "write": ""}',
    '{"write": "", "read": ""}',
    "{}",
    "",
    "[]",
    "5",
    '"x"',
    "{",
    '{"configure": "", "write": "", "read": "", "scope": "client"}',
    '{"configure": "(?=a)b", "write": "\\\\p{L}", "read": "\\\\1"}',
]


@scenario(each={str(number): body for number, body in enumerate(PERMISSIONS)})
def permissions(stage: Stage, body: str) -> None:
    """Patterns that are good, and others."""
    stage.vhost()
    stage.user("u", "")
    stage.play(
        [
            Step("PUT", "/permissions/$v/$u", body),
            Step("GET", "/permissions/$v/$u"),
            Step("PUT", "/permissions/$v/$u", body),
            Step("PUT", "/permissions/$gone/$u", body),
            Step("PUT", "/permissions/$v/$gone", body),
            Step("GET", "/vhosts/$v/permissions"),
            Step("GET", "/users/$u/permissions"),
        ]
    )


@scenario()
def permissions_life(stage: Stage) -> None:
    """Set, shown, cleared."""
    stage.vhost()
    stage.user("u", "")
    stage.user("t", "")
    stage.play("""
        GET /permissions/$v/$u
        DELETE /permissions/$v/$u
        PUT /permissions/$v/$u {"configure": "a", "write": "b", "read": "c"}
        PUT /permissions/$v/$u {"configure": "d", "write": "e", "read": "f"}
        PUT /permissions/$v/$t {"configure": "", "write": "", "read": ""}
        GET /permissions/$v/$u
        GET /permissions
        GET /permissions?columns=user,vhost
        GET /permissions?sort=user&columns=user
        HEAD /permissions/$v/$u
        GET /permissions/$v
        GET /permissions/$gone/$u
        GET /permissions/$v/$gone
        DELETE /permissions/$gone/$u
        DELETE /permissions/$v/$gone
        DELETE /permissions/$v/$u
        DELETE /permissions/$v/$u
        GET /vhosts/$v/permissions
        GET /users/$u/permissions
        GET /vhosts/$gone/permissions
        GET /users/$gone/permissions
    """)


@scenario(
    differs=Differs("RabbitMQ keeps exchanges that are no texts", "GET /topic-permissions/$v/$u", "body", "*: 5,*")
)
def topic_permissions(stage: Stage) -> None:
    """Set, shown, cleared, one exchange or all."""
    stage.vhost()
    stage.user("u", "")
    stage.user("t", "", "v")
    stage.play("""
        GET /topic-permissions/$v/$u
        DELETE /topic-permissions/$v/$u
        PUT /topic-permissions/$v/$u {"exchange": "amq.topic", "write": "^a", "read": "^b"}
        PUT /topic-permissions/$v/$u {"exchange": "amq.topic", "write": "^c", "read": "^d"}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": "^e", "read": "^f"}
        PUT /topic-permissions/$v/$t {"exchange": "", "write": "", "read": ""}
        GET /topic-permissions/$v/$u
        GET /topic-permissions/$v/$u/x
        GET /topic-permissions/$v/$u/nope
        GET /topic-permissions/$v/$t
        GET /topic-permissions
        GET /vhosts/$v/topic-permissions
        GET /users/$u/topic-permissions
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": "(", "read": ""}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": "", "read": "("}
        PUT /topic-permissions/$v/$u {"exchange": 5, "write": "", "read": ""}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": 5, "read": ""}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": null, "read": ""}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": ""}
        PUT /topic-permissions/$v/$u
        PUT /topic-permissions/$v/$u/x {"exchange": "x", "write": "", "read": ""}
        PUT /topic-permissions/$gone/$u {"exchange": "x", "write": "", "read": ""}
        PUT /topic-permissions/$v/$gone {"exchange": "x", "write": "", "read": ""}
        GET /topic-permissions/$gone/$u
        GET /topic-permissions/$v/$gone
        DELETE /topic-permissions/$v/$u/nope
        DELETE /topic-permissions/$v/$u/x
        GET /topic-permissions/$v/$u
        DELETE /topic-permissions/$v/$u
        GET /topic-permissions/$v/$u
        GET /users/$u/topic-permissions
        DELETE /topic-permissions/$gone/$u
        DELETE /topic-permissions/$v/$gone
        GET /vhosts/$gone/topic-permissions
        GET /users/$gone/topic-permissions
    """)
