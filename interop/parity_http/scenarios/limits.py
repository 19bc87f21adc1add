"""Limits of virtual hosts and users."""

from interop.parity_http.bodies import get, message
from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage

VALUES = ["5", "0", "-1", "-5", '"x"', '"5"', "1.5", "null", "true", "[]", "{}", "12345678901234567890123"]


@scenario(each=VALUES)
def values(stage: Stage, value: str) -> None:
    """Values of all types."""
    stage.vhost()
    stage.user("u", "")
    for path in (
        "/vhost-limits/$v/max-queues",
        "/vhost-limits/$v/max-connections",
        "/vhost-limits/$v/nope",
        "/user-limits/$u/max-connections",
        "/user-limits/$u/max-channels",
        "/user-limits/$u/nope",
    ):
        stage.play(f'PUT {path} {{"value": {value}}}')
    stage.play("""
        GET /vhost-limits/$v
        GET /user-limits/$u
        GET /parameters/vhost-limits/$v
        GET /users/$u
    """)


@scenario()
def of_vhosts(stage: Stage) -> None:
    """Set, shown, cleared."""
    stage.vhost()
    stage.vhost("w")
    stage.everybody("v")
    stage.play("""
        GET /vhost-limits/$v
        DELETE /vhost-limits/$v/max-queues
        PUT /vhost-limits/$v/max-queues {"value": 5}
        PUT /vhost-limits/$v/max-connections {"value": 7}
        GET /vhost-limits/$v
        PUT /vhost-limits/$v/max-queues {"value": 6}
        PUT /vhost-limits/$w/max-queues {"value": 1}
        GET /vhost-limits
        management: GET /vhost-limits
        management: GET /vhost-limits/$v
        management: GET /vhost-limits/$w
        monitoring: GET /vhost-limits
        monitoring: GET /vhost-limits/$w
        policymaker: PUT /vhost-limits/$v/max-queues {"value": 1}
        GET /parameters/vhost-limits/$v
        GET /parameters/vhost-limits/$v/limits
        DELETE /vhost-limits/$v/nope
        DELETE /vhost-limits/$v/max-queues
        GET /vhost-limits/$v
        DELETE /vhost-limits/$v/max-connections
        GET /vhost-limits/$v
        DELETE /vhost-limits/$v/max-connections
        GET /vhost-limits/$gone
        PUT /vhost-limits/$gone/max-queues {"value": 5}
        DELETE /vhost-limits/$gone/max-queues
        PUT /vhost-limits/$v/max-queues {"nope": 5}
        PUT /vhost-limits/$v/max-queues
        PUT /vhost-limits/$v/max-queues []
        PUT /vhost-limits/$v {"max-queues": 5}
        GET /vhost-limits/$v?columns=vhost
        GET /vhost-limits/$v?columns=value.max-queues
    """)


@scenario()
def of_users(stage: Stage) -> None:
    """Set, shown, cleared."""
    stage.vhost()
    stage.user("u", "management")
    stage.everybody("v")
    stage.play("""
        GET /user-limits/$u
        DELETE /user-limits/$u/max-channels
        PUT /user-limits/$u/max-channels {"value": 5}
        PUT /user-limits/$u/max-connections {"value": 7}
        GET /user-limits/$u
        GET /users/$u
        PUT /user-limits/$u/max-channels {"value": 6}
        GET /user-limits
        management: GET /user-limits
        u: GET /user-limits
        u: GET /user-limits/$u
        management: GET /user-limits/$u
        monitoring: GET /user-limits/$u
        policymaker: PUT /user-limits/$u/max-channels {"value": 1}
        DELETE /user-limits/$u/nope
        DELETE /user-limits/$u/max-channels
        GET /user-limits/$u
        DELETE /user-limits/$u/max-connections
        GET /user-limits/$u
        GET /users/$u
        GET /user-limits/$gone
        PUT /user-limits/$gone/max-channels {"value": 5}
        DELETE /user-limits/$gone/max-channels
        PUT /user-limits/$u/max-channels {"nope": 5}
        PUT /user-limits/$u/max-channels
        PUT /user-limits/$u {"max-channels": 5}
        PUT /user-limits/$u/max-channels {"value": 5}
        PUT /users/$u {"password": "secret", "tags": "management"}
        GET /user-limits/$u
        DELETE /users/$u
        GET /user-limits/$u
    """)


@scenario()
def that_bind(stage: Stage) -> None:
    """Limits are limits for this API as well."""
    stage.vhost()
    stage.vhost("w")
    stage.play(f"""
        PUT /queues/$v/q1 {{}}
        PUT /vhost-limits/$v/max-queues {{"value": 1}}
        PUT /queues/$v/q2 {{}}
        PUT /queues/$v/q1 {{}}
        GET /queues/$v?columns=name
        PUT /vhost-limits/$v/max-queues {{"value": -1}}
        PUT /queues/$v/q2 {{}}
        PUT /vhost-limits/$w/max-connections {{"value": 0}}
        PUT /queues/$w/q {{}}
        POST /exchanges/$w/amq.default/publish {message()}
        POST /queues/$w/q/get {get()}
        GET /aliveness-test/$w
    """)
