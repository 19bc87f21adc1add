"""Everything that is known, for whoever is to help.

Source: RabbitMQ's `report_command.ex`.
"""

from amqpy.ctl.objects import (
    CHANNELS,
    CONNECTIONS,
    list_bindings,
    list_channels,
    list_connections,
    list_consumers,
    list_exchanges,
    list_queues,
)
from amqpy.ctl.options import Call, Tasks
from amqpy.ctl.permissions import list_permissions
from amqpy.ctl.policies import list_global_parameters, list_parameters, list_policies
from amqpy.ctl.status import cluster_status, environment, status

tasks = Tasks()

QUEUE = ("name", "type", "durable", "auto_delete", "arguments", "policy", "messages_ready", "messages_unacknowledged")


@tasks()
def report(call: Call) -> None:
    """Show the status, the settings, and all that there is."""
    call.out.banner(f"Reporting server status of node {call.node} ...", "")
    for show in (status, cluster_status, environment, list_global_parameters):
        show(call, **({"unit": "gb"} if show is status else {}))
        call.out.say("")
    list_connections(call, *CONNECTIONS.columns)
    call.out.say("")
    list_channels(call, *CHANNELS.columns)
    for vhost in call.api.get("vhosts", columns="name"):
        inside = call.within(vhost["name"])
        call.out.say("")
        list_queues(inside, *QUEUE, "consumers", online=False, offline=False, local=False)
        for each in (list_exchanges, list_bindings, list_consumers, list_permissions, list_policies, list_parameters):
            call.out.say("")
            each(inside)
