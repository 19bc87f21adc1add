"""Operations on queues.

Source: RabbitMQ's `purge_queue_command.ex`, `delete_queue_command.ex`, `peek_command.ex`, `quorum_status_command.ex`.
"""

from typing import Any

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import DATA_ERROR, USAGE, BadArguments, Failure, error
from amqpy.ctl.options import Call, Tasks, flag
from amqpy.ctl.output import as_text
from amqpy.ctl.tables import Item

tasks = Tasks()

SHOWN = 64
"""Bytes of a body that are shown."""

MEMBER = ("Node Name", "Raft State", "Log Index", "Commit Index", "Snapshot Index", "Term", "Machine Version")


def find_queue(call: Call, name: str, failure: Failure) -> Item:
    try:
        found: Item = call.api.get("queues", call.vhost, name)
    except ApiError as refusal:
        if refusal.is_missing:
            raise failure from None
        raise
    return found


@tasks("<queue>")
def purge_queue(call: Call, name: str) -> None:
    """Drop all ready messages of a queue."""
    call.out.banner(f"Purging queue '{name}' in vhost '{call.vhost}' ...")
    find_queue(call, name, error("not_found"))
    call.api.delete("queues", call.vhost, name, "contents")


@tasks(
    "<queue>",
    flag("-e", "--if-empty", text="Only if it has no messages."),
    flag("-u", "--if-unused", text="Only if it has no consumers."),
)
def delete_queue(call: Call, name: str, *, if_empty: bool, if_unused: bool) -> None:
    """Delete a queue."""
    asked = [f"if queue is {word} " for word, asked in (("empty", if_empty), ("unused", if_unused)) if asked]
    call.out.banner(f"Deleting queue '{name}' on vhost '{call.vhost}' {'and '.join(asked)}...")
    queue = find_queue(call, name, error("Queue not found", USAGE))
    query: dict[str, Any] = {key: True for key, asked in (("if-empty", if_empty), ("if-unused", if_unused)) if asked}
    try:
        call.api.delete("queues", call.vhost, name, **query)
    except ApiError as refusal:
        if refusal.is_missing:
            raise error("Queue not found", USAGE) from None
        for reason, text in (("in use", "Queue is in use"), ("not empty", "Queue is not empty")):
            if refusal.text.endswith(reason):
                raise error(text, USAGE) from None
        raise
    ready = queue.get("messages_ready", 0)
    call.out.say(f"Queue was successfully deleted with {ready} ready messages")


@tasks("<queue>")
def sync_queue(call: Call, name: str) -> None:
    """Synchronise the mirrors of a queue. There are none."""
    call.out.banner(f"Synchronising queue '{name}' in vhost '{call.vhost}' ...")
    find_queue(call, name, error("not_found"))
    raise error("not_mirrored")


@tasks("<queue>")
def cancel_sync_queue(call: Call, name: str) -> None:
    """Stop that."""
    call.out.banner(f"Stopping synchronising queue '{name}' in vhost '{call.vhost}' ...")
    find_queue(call, name, error("not_found"))
    call.out.say("not_syncing")


@tasks("<queue> <position>")
def peek(call: Call, name: str, position: str) -> None:
    """Show the message at a position of a queue, of which the first is 1. It stays there."""
    if not position.isdecimal() or int(position) < 1:
        raise BadArguments("position value must be a positive integer", DATA_ERROR)
    call.out.banner(f"Peeking at quorum queue {name} at position {position} on node {call.node} ...")
    find_queue(call, name, error(f"Target queue was not found in virtual host '{call.vhost}'"))
    query = {"offset": int(position) - 1, "truncate": SHOWN}
    messages: list[dict[str, Any]] = call.api.get("queues", call.vhost, name, "peek", **query)
    if not messages:
        raise error("Target queue does not have a message at that position")
    shown = shown_message(messages[0])
    if call.out.is_json:
        call.out.json({"result": "ok", "message": shown})
        return
    rows = ({"keys": key, "values": as_text(value)} for key, value in shown.items())
    call.out.rows(("keys", "values"), rows, formatter="pretty_table")


def shown_message(message: dict[str, Any]) -> dict[str, Any]:
    properties = dict(message["properties"] or {})
    headers = properties.pop("headers", {})
    return {
        "routing_keys": [message["routing_key"]],
        "exchange": message["exchange"],
        f"payload (max {SHOWN} bytes)": message["payload"],
        **properties,
        **{f"header.{key}": value for key, value in headers.items()},
    }


@tasks("<type>", flag("--vhost-pattern"), flag("--queue-pattern"))
def rebalance(call: Call, kind: str, **patterns: bool) -> None:
    """Move queues so that each node has as many. Here there is one node."""
    if kind not in {"all", "classic", "quorum", "stream"}:
        raise BadArguments(f"type {kind} is not supported. Try one of all, classic, quorum.")
    call.out.banner(f"Re-balancing leaders of {kind} queues...")
    call.api.post("rebalance", "queues", body={})


@tasks("<queue>")
def quorum_status(call: Call, name: str) -> None:
    """Show the members of a quorum queue: this node."""
    call.out.banner(f"Status of quorum queue {name} on node {call.node} ...")
    queue = find_queue(call, name, error("not_found"))
    if queue.get("type") != "quorum":
        raise error("Cannot get quorum status of a classic queue")
    member = [queue["node"], "leader", 0, 0, "undefined", 1, 1]
    call.out.rows(MEMBER, [dict(zip(MEMBER, member, strict=True))], formatter="pretty_table")
