"""The handlers of the management API, a module for each kind of resource.

A handler gets a `Call`, in a turn of the broker, and returns a value for JSON, a `Listing`, or an `Answer`. It raises a
`Refusal`, or what the operation of the broker raises.
"""

from amqpy.management.router import Router


def make_router() -> Router:
    """All resources."""
    from amqpy.management.resources import (
        bindings,
        channels,
        connections,
        consumers,
        definitions,
        exchanges,
        explain,
        health,
        limits,
        live,
        messages,
        moves,
        nodes,
        openapi,
        overview,
        parameters,
        permissions,
        policies,
        queues,
        server,
        stuck,
        users,
        vhosts,
    )

    router = Router()
    for module in (
        vhosts,
        exchanges,
        queues,
        bindings,
        messages,
        moves,
        explain,
        stuck,
        live,
        overview,
        nodes,
        server,
        users,
        permissions,
        limits,
        policies,
        parameters,
        definitions,
        connections,
        channels,
        consumers,
        health,
        openapi,
    ):
        module.add_to(router)
    return router
