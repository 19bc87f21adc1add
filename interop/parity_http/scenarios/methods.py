"""Methods: those an address has, and what comes before any login."""

from interop.parity_http import addresses
from interop.parity_http.scenario import scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

METHODS = ("OPTIONS", "HEAD", "GET", "PUT", "POST", "DELETE")


@scenario(each=METHODS)
def without_credentials(stage: Stage, method: str) -> None:
    """An address that is not there and a method that it does not have come before the login, and so do OPTIONS."""
    stage.call_it("n", stage.side.names[0])
    stage.play([Step(method, path, who="nobody") for path in addresses.ALL])


@scenario(each=["FOO", "PATCH", "TRACE", "CONNECT", "get"])
def unknown(stage: Stage, method: str) -> None:
    """Methods that no address has."""
    stage.vhost()
    paths = ("/whoami", "/nope", "/queues/$v/q", "!/")
    stage.play([Step(method, path, who=who) for path in paths for who in ("", "nobody") if method.isupper()])


@scenario()
def wrong_method_with_login(stage: Stage) -> None:
    """405 for an administrator as well."""
    stage.vhost()
    stage.play("""
        POST /whoami {}
        PUT /whoami {}
        DELETE /overview
        PUT /nodes
        POST /queues/$v/q {}
        PUT /queues/$v {}
        DELETE /queues
        GET /queues/$v/q/contents
        GET /queues/$v/q/get
        GET /exchanges/$v/amq.direct/publish
        PUT /bindings/$v/e/amq.direct/q/q {}
        POST /bindings/$v/e/amq.direct/q/q/~ {}
        PUT /bindings {}
        DELETE /users
        POST /users/$u {}
        GET /users/bulk-delete
        GET /rebalance/queues
        GET /reset
        GET /login
        HEAD /vhost-limits
        HEAD /user-limits
        HEAD /vhost-limits/$v
        GET /vhost-limits/$v/max-queues
        GET /user-limits/guest/max-channels
        POST /policies/$v/p {}
        DELETE /parameters
        POST /global-parameters {}
        PUT /definitions {}
        DELETE /definitions
        POST /health/checks/alarms {}
        PUT /connections {}
        DELETE /channels
        PUT /consumers {}
        POST /aliveness-test/$v {}
    """)


@scenario(each=["/whoami", "/overview", "/vhosts", "/queues", "/users", "/exchanges/$v/amq.direct", "/nodes", "/nope"])
def head(stage: Stage, path: str) -> None:
    """HEAD answers as GET does."""
    stage.vhost()
    stage.play(f"""
        HEAD {path}
        GET {path}
    """)


@scenario()
def options(stage: Stage) -> None:
    """OPTIONS of whoever asks, wherever."""
    stage.vhost()
    stage.play("""
        OPTIONS /queues/$v/q
        OPTIONS /queues/$gone/q
        OPTIONS /nope
        wrong: OPTIONS /queues/$v/q
        nobody: OPTIONS !/api
        nobody: OPTIONS !/api/
        nobody: OPTIONS /queues/$v/q [origin: http://example.com] [access-control-request-method: PUT]
        nobody: OPTIONS /queues/$v/q [origin: http://example.com] [access-control-request-headers: authorization]
        OPTIONS /queues/$v/q [accept: text/html]
    """)
