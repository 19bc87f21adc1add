"""Who may do what: each tag at each address."""

from collections.abc import Iterable

from interop.parity_http import addresses
from interop.parity_http.bodies import get, message
from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

EVERYBODY = ("nobody", "wrong", "none", "management", "policymaker", "monitoring", "administrator")

READ: dict[str, Iterable[str]] = {
    "server": addresses.SERVER,
    "vhosts": addresses.VHOSTS,
    "users": addresses.USERS,
    "topology": addresses.TOPOLOGY,
    "policies": addresses.POLICIES,
    "clients": addresses.CLIENTS,
    "definitions": addresses.DEFINITIONS,
    "health": addresses.HEALTH,
}

# Every tag reads the same, so what they change is what nobody needs.
CHANGES = f"""
PUT /vhosts/$new {{}}
PUT /vhosts/$v {{}}
DELETE /vhosts/$gone
POST /vhosts/$v/start/$n {{}}
PUT /vhost-limits/$v/max-queues {{"value": 100}}
DELETE /vhost-limits/$v/max-queues
PUT /users/$new {{"tags": ""}}
DELETE /users/$new
POST /users/bulk-delete {{"users": []}}
PUT /permissions/$v/$u {{"configure": "", "write": "", "read": ""}}
DELETE /permissions/$v/$u
PUT /topic-permissions/$v/$u {{"exchange": "amq.topic", "write": "", "read": ""}}
DELETE /topic-permissions/$v/$u
PUT /user-limits/$u/max-channels {{"value": 100}}
DELETE /user-limits/$u/max-channels
PUT /exchanges/$v/x {{}}
DELETE /exchanges/$v/x
PUT /queues/$v/q {{}}
POST /bindings/$v/e/amq.direct/q/q {{}}
DELETE /bindings/$v/e/amq.direct/q/q/~
POST /exchanges/$v/amq.default/publish {message()}
POST /queues/$v/q/get {get()}
POST /queues/$v/q/actions {{"action": "nope"}}
DELETE /queues/$v/q/contents
DELETE /queues/$v/q
PUT /policies/$v/p {{"pattern": "nope", "definition": {{"max-length": 5}}}}
DELETE /policies/$v/p
PUT /operator-policies/$v/p {{"pattern": "nope", "definition": {{"max-length": 5}}}}
DELETE /operator-policies/$v/p
PUT /parameters/nope/$v/p {{"value": 5}}
DELETE /parameters/nope/$v/p
PUT /global-parameters/$g {{"value": 5}}
DELETE /global-parameters/$g
POST /definitions {{}}
POST /definitions/$v {{}}
PUT /feature-flags/quorum_queue/enable {{}}
POST /rebalance/queues {{}}
DELETE /connections/nope
DELETE /connections/username/$u
DELETE /auth/attempts/$n
GET /aliveness-test/$v
"""


@scenario(each=READ)
def reading(stage: Stage, paths: Iterable[str]) -> None:
    """All addresses, asked by users of each tag who may log in to the virtual host."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.user("u", "")
    stage.everybody("v")
    stage.play([Step("GET", path, who=who) for who in EVERYBODY for path in paths])


@scenario(each=READ)
def reading_without_permissions(stage: Stage, paths: Iterable[str]) -> None:
    """The same by users who may not."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.user("u", "")
    stage.everybody()
    stage.play(
        [Step("GET", path, who=who) for who in EVERYBODY[3:] for path in paths if "$v" in path or path.count("/") == 1]
    )


@scenario(each=EVERYBODY)
def changing(stage: Stage, who: str) -> None:
    """All kinds of changes, by users who may do everything in the virtual host."""
    play_changes(stage, who, "v")


@scenario(each=EVERYBODY[3:])
def changing_without_permissions(stage: Stage, who: str) -> None:
    """The same by users who may not even log in to it."""
    play_changes(stage, who)


def play_changes(stage: Stage, who: str, *vhosts: str) -> None:
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.user("u", "")
    stage.everybody(*vhosts)
    stage.play("\n".join(f"{who}: {line}" for line in CHANGES.strip().splitlines()))


@scenario(
    each=[
        "",
        "management",
        "administrator",
        "policymaker",
        "monitoring",
        "management,policymaker",
        "impersonator",
        "Administrator",
    ]
)
def tags(stage: Stage, tags: str) -> None:
    """Tags of all kinds, and several of them."""
    stage.vhost()
    stage.user("u", tags, "v")
    stage.play("""
        u: GET /whoami
        u: GET /nodes?columns=name
        u: GET /users/$u
        u: GET /policies/$v/nope
        u: GET /global-parameters/$g
        u: GET /vhosts?columns=name&page=1&name=v
    """)


@scenario()
def own_permissions(stage: Stage) -> None:
    """Permissions by patterns count for each operation."""
    stage.vhost()
    stage.user("u", "management")
    stage.play(f"""
        PUT /permissions/$v/$u {{"configure": "^mine", "write": "^(mine|amq.direct)", "read": "^(mine|amq.topic)"}}
        PUT /queues/$v/theirs {{}}
        u: PUT /queues/$v/mine {{}}
        u: PUT /queues/$v/other {{}}
        u: PUT /queues/$v/theirs {{}}
        u: DELETE /queues/$v/theirs
        u: DELETE /queues/$v/theirs/contents
        u: DELETE /queues/$v/mine/contents
        u: PUT /exchanges/$v/mine.x {{}}
        u: PUT /exchanges/$v/other.x {{}}
        u: DELETE /exchanges/$v/other.x
        u: DELETE /exchanges/$v/amq.direct
        u: POST /bindings/$v/e/amq.direct/q/mine {{}}
        u: POST /bindings/$v/e/amq.topic/q/mine {{}}
        u: POST /bindings/$v/e/amq.topic/q/theirs {{}}
        u: POST /bindings/$v/e/amq.topic/e/mine.x {{}}
        u: DELETE /bindings/$v/e/amq.topic/q/mine/~
        u: DELETE /bindings/$v/e/amq.direct/q/mine/~
        u: POST /exchanges/$v/amq.direct/publish {message()}
        u: POST /exchanges/$v/amq.topic/publish {message()}
        u: POST /exchanges/$v/nope/publish {message()}
        u: POST /queues/$v/theirs/get {get()}
        u: POST /queues/$v/mine/get {get()}
        u: POST /queues/$v/nope/get {get()}
        u: PUT /queues/$v/mine.dlx {{"arguments": {{"x-dead-letter-exchange": "amq.fanout"}}}}
        u: PUT /exchanges/$v/mine.ae {{"arguments": {{"alternate-exchange": "amq.fanout"}}}}
        u: GET /bindings/$v
        u: GET /queues/$v?columns=name
    """)


@scenario()
def loopback_only(stage: Stage) -> None:
    """guest comes from here, so it may."""
    stage.play("""
        GET /whoami
        GET /whoami [x-forwarded-for: 10.0.0.1]
        GET /users/guest
    """)
