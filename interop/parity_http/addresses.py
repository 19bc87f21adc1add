"""All addresses of the API of RabbitMQ 3.10, with names that a scenario makes, or that are of nobody."""

SERVER = [
    "/overview",
    "/cluster-name",
    "/extensions",
    "/whoami",
    "/auth",
    "/login",
    "/nodes",
    "/nodes/$n",
    "/nodes/$n/memory",
    "/nodes/$n/memory/relative",
    "/feature-flags",
    "/feature-flags/$f/enable",
    "/reset",
    "/reset/$n",
    "/rebalance/queues",
    "/auth/attempts/$n",
    "/auth/attempts/$n/source",
]

VHOSTS = [
    "/vhosts",
    "/vhosts/$v",
    "/vhosts/$v/start/$n",
    "/vhosts/$v/permissions",
    "/vhosts/$v/topic-permissions",
    "/vhosts/$v/connections",
    "/vhosts/$v/channels",
    "/vhost-limits",
    "/vhost-limits/$v",
    "/vhost-limits/$v/max-queues",
]

USERS = [
    "/users",
    "/users/",
    "/users/$u",
    "/users/without-permissions",
    "/users/bulk-delete",
    "/users/$u/permissions",
    "/users/$u/topic-permissions",
    "/permissions",
    "/permissions/$v/$u",
    "/topic-permissions",
    "/topic-permissions/$v/$u",
    "/topic-permissions/$v/$u/x",
    "/user-limits",
    "/user-limits/$u",
    "/user-limits/$u/max-channels",
]

TOPOLOGY = [
    "/exchanges",
    "/exchanges/$v",
    "/exchanges/$v/x",
    "/exchanges/$v/x/bindings/source",
    "/exchanges/$v/x/bindings/destination",
    "/exchanges/$v/x/publish",
    "/queues",
    "/queues/$v",
    "/queues/$v/q",
    "/queues/$v/q/bindings",
    "/queues/$v/q/contents",
    "/queues/$v/q/get",
    "/queues/$v/q/actions",
    "/bindings",
    "/bindings/$v",
    "/bindings/$v/e/x/q/q",
    "/bindings/$v/e/x/q/q/~",
    "/bindings/$v/e/x/e/y",
    "/bindings/$v/e/x/e/y/~",
]

POLICIES = [
    "/policies",
    "/policies/$v",
    "/policies/$v/p",
    "/operator-policies",
    "/operator-policies/$v",
    "/operator-policies/$v/p",
    "/parameters",
    "/parameters/c",
    "/parameters/c/$v",
    "/parameters/c/$v/n",
    "/global-parameters",
    "/global-parameters/$g",
]

CLIENTS = [
    "/connections",
    "/connections/c",
    "/connections/c/channels",
    "/connections/username/$u",
    "/channels",
    "/channels/c",
    "/consumers",
    "/consumers/$v",
]

DEFINITIONS = ["/definitions", "/all-configuration", "/definitions/$v"]

HEALTH = [
    "/aliveness-test/$v",
    "/healthchecks/node",
    "/healthchecks/node/$n",
    "/health/checks/alarms",
    "/health/checks/local-alarms",
    "/health/checks/port-listener/1",
    "/health/checks/protocol-listener/amqp",
    "/health/checks/virtual-hosts",
    "/health/checks/certificate-expiration/1/weeks",
    "/health/checks/node-is-quorum-critical",
    "/health/checks/node-is-mirror-sync-critical",
]

NONE = [
    "/nope",
    "/queues/$v/q/nope",
    "/queues//q",
    "/vhosts/$v/nope",
    "/users/$u/nope",
    "/health",
    "/health/checks",
    "/health/checks/nope",
    "/Overview",
    "/bindings/$v/e/x",
    "/bindings/$v/e",
    "/permissions/$v",
    "/topic-permissions/$v",
    "/connections/c/nope",
    "/shovels",
    "/federation-links",
    "/traces",
    "/top/x",
    "/stream/connections",
    "/version",
    "/deprecated-features",
    "/auth/hash_password/x",
]
"""Where nothing is, or is only with plugins, or in newer versions."""

ALL = [*SERVER, *VHOSTS, *USERS, *TOPOLOGY, *POLICIES, *CLIENTS, *DEFINITIONS, *HEALTH, *NONE]
