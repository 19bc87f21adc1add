"""Closing connections.

Source: RabbitMQ's `close_connection_command.ex`, `close_all_connections_command.ex`,
`close_all_user_connections_command.ex`.
"""

import re
import time
from collections.abc import Iterable
from typing import Any

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.values import process

tasks = Tasks()


def close(call: Call, names: Iterable[str], reason: str) -> int:
    """Closes connections, and tells how many there were."""
    text = reason.translate(dict.fromkeys(range(32), " ")).encode("utf-8", "surrogateescape").decode("latin-1")
    count = 0
    for name in names:
        try:
            call.api.delete("connections", name, headers={"X-Reason": text})
        except ApiError as refusal:
            if not refusal.is_missing:  # it has gone by itself
                raise
        else:
            count += 1
    return count


def process_of(connection: dict[str, Any]) -> str:
    return process(connection["node"], connection["name"])


@tasks("<connection> <reason>")
def close_connection(call: Call, wanted: str, reason: str) -> None:
    """Close a connection, of this pid or name; the reason is told to the client. One that has gone is no error."""
    call.out.banner(f"Closing connection {wanted}, reason: {reason}...")
    connections = call.api.get("connections", columns="name,node")
    names = [each["name"] for each in connections if wanted in {each["name"], process_of(each)}]
    if not names and not re.fullmatch(r"<.+\.\d+\.\d+\.\d+>", wanted):
        raise error(f'Error:\n{{:invalid_pid_syntax, "{wanted}"}}')
    close(call, names, reason)


@tasks(
    "<reason>",
    flag("--global", text="Those in all virtual hosts."),
    option("--per-connection-delay", type=int, default=0, metavar="MS", text="Milliseconds between two of them."),
    option("--limit", type=int, default=0, metavar="N", text="At most so many."),
)
def close_all_connections(
    call: Call, reason: str, *, per_connection_delay: int, limit: int, **everywhere: bool
) -> None:
    """Close the connections in a virtual host, or all."""
    if everywhere["global"]:
        call.out.banner(f"Closing all connections to node {call.node} (across all vhosts), reason: {reason}...")
        found = call.api.get("connections", columns="name,vhost")
    else:
        call.out.banner(f"Closing {limit or 'all'} connections in vhost {call.vhost}, reason: {reason}...")
        found = [each for each in call.api.get("connections", columns="name,vhost") if each["vhost"] == call.vhost]
    names = [each["name"] for each in found]
    count = close(call, _slowly(names[: limit or None], per_connection_delay), reason)
    call.out.say(f"Closed {count} connections")


def _slowly(names: list[str], delay_ms: int) -> Iterable[str]:
    for number, name in enumerate(names):
        if number and delay_ms:
            time.sleep(delay_ms / 1000)
        yield name


@tasks("<username> <reason>")
def close_all_user_connections(call: Call, user: str, reason: str) -> None:
    """Close the connections of a user."""
    call.out.banner(f"Closing connections of user {user}, reason: {reason}...")
    found = call.api.get("connections", columns="name,user")
    close(call, [each["name"] for each in found if each["user"] == user], reason)
