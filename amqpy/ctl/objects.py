"""Lists of queues, exchanges, bindings, connections, channels and consumers.

The columns are RabbitMQ's. Of what only Erlang has, there is what is true of a single node.

Source: RabbitMQ's `list_queues_command.ex` and the others of that name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from amqpy.ctl.api import ApiError
from amqpy.ctl.options import Call, Tasks, flag
from amqpy.ctl.output import Arguments
from amqpy.ctl.tables import Column, Item, always, at, check_columns, keys_of, rows, same
from amqpy.ctl.values import process

tasks = Tasks()

Columns = Mapping[str, Column]


class Kind(NamedTuple):
    """A kind of objects that are listed."""

    path: str
    """Of the API."""
    columns: Columns
    defaults: Sequence[str]
    of_vhost: bool = True
    """True if only those of one virtual host are listed."""
    key: str = "name"
    """A key that all have. RabbitMQ shows an object as a list if none of the keys is there that are asked for."""


ARGUMENTS: Final = Column(("arguments",), lambda item: Arguments(item.get("arguments") or {}))


def process_column(name: Column) -> Column:
    return Column(("node", *name.keys), lambda item: process(str(item.get("node")), str(name.value(item))))


def queue_process(item: Item) -> object:
    return process(str(item["node"]), f"{item['vhost']}/{item['name']}")


def owner(item: Item) -> object:
    details = item.get("owner_pid_details") or {}
    return process(str(item["node"]), str(details["name"])) if "name" in details else None


def channel_of(item: Item) -> object:
    details: Mapping[str, Any] = item["channel_details"]
    return process(str(details["node"]), str(details["name"]))


QUEUES: Final = Kind(
    "queues",
    {
        **same("name", "durable", "auto_delete", "exclusive", "policy", "operator_policy", "state", "type", "vhost"),
        **same("messages", "messages_ready", "messages_unacknowledged", "messages_persistent", "messages_ram"),
        **same("messages_ready_ram", "messages_unacknowledged_ram", "message_bytes", "message_bytes_persistent"),
        **same("message_bytes_ram", "message_bytes_ready", "message_bytes_unacknowledged", "head_message_timestamp"),
        **same("messages_paged_out", "message_bytes_paged_out", "exclusive_consumer_tag", "single_active_consumer_tag"),
        **same("consumers", "consumer_utilisation", "consumer_capacity", "memory", "leader", "members", "online"),
        **same("messages_dlx", "message_bytes_dlx", "backing_queue_status"),
        "arguments": ARGUMENTS,
        "pid": Column(("node", "vhost", "name"), queue_process),
        "owner_pid": Column(("node", "owner_pid_details"), owner),
        "exclusive_consumer_pid": always(None),
        **same("effective_policy_definition"),
        "disk_reads": at("message_stats", "disk_reads", absent=0),
        "disk_writes": at("message_stats", "disk_writes", absent=0),
        **{f"{each}pids": always([]) for each in ("slave_", "synchronised_slave_", "mirror_", "synchronised_mirror_")},
        "recoverable_slaves": always(None),
        "recoverable_mirrors": always(None),
    },
    ("name", "messages"),
)
EXCHANGES: Final = Kind(
    "exchanges",
    {
        **same("name", "type", "durable", "auto_delete", "internal", "policy", "user_who_performed_action"),
        "arguments": ARGUMENTS,
    },
    ("name", "type"),
)
BINDINGS: Final = Kind(
    "bindings",
    {
        "source_name": at("source"),
        "source_kind": always("exchange"),
        "destination_name": at("destination"),
        "destination_kind": at("destination_type"),
        "routing_key": at("routing_key"),
        "arguments": ARGUMENTS,
        "vhost": at("vhost"),
    },
    ("source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"),
    key="source",
)
CONNECTIONS: Final = Kind(
    "connections",
    {
        **same("name", "port", "host", "peer_port", "peer_host", "ssl", "ssl_protocol", "ssl_key_exchange"),
        **same("ssl_cipher", "ssl_hash", "peer_cert_subject", "peer_cert_issuer", "peer_cert_validity", "state"),
        **same("channels", "auth_mechanism", "user", "vhost", "timeout", "frame_max", "channel_max", "connected_at"),
        **same("recv_oct", "recv_cnt", "send_oct", "send_cnt", "send_pend", "node", "reductions"),
        **same("user_provided_name", "user_who_performed_action", "type"),
        "pid": process_column(at("name")),
        "protocol": Column(("protocol",), lambda item: protocol(str(item.get("protocol", "")))),
        "client_properties": Column(
            ("client_properties",), lambda item: Arguments(item.get("client_properties") or {})
        ),
    },
    ("user", "peer_host", "peer_port", "state"),
    of_vhost=False,
)
CHANNELS: Final = Kind(
    "channels",
    {
        **same("name", "number", "user", "vhost", "transactional", "confirm", "consumer_count", "state"),
        **same("messages_unacknowledged", "messages_uncommitted", "acks_uncommitted", "messages_unconfirmed"),
        **same("prefetch_count", "global_prefetch_count", "user_who_performed_action", "reductions"),
        "pid": process_column(at("name")),
        "connection": process_column(at("connection_details", "name")),
    },
    ("pid", "user", "consumer_count", "messages_unacknowledged"),
    of_vhost=False,
)
CONSUMERS: Final = Kind(
    "consumers",
    {
        **same("consumer_tag", "ack_required", "exclusive", "prefetch_count", "active", "activity_status"),
        "queue_name": at("queue", "name"),
        "channel_pid": Column(("channel_details",), channel_of),
        "arguments": ARGUMENTS,
    },
    ("queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"),
    key="consumer_tag",
)


def protocol(name: str) -> str:
    """The version of a protocol as Erlang prints it: `AMQP 0-9-1` is `{0,9,1}`."""
    numbers = name.removeprefix("AMQP ").split("-")
    return f"{{{','.join([*numbers, '0'][:3])}}}" if name.startswith("AMQP ") else name


def items_of(call: Call, kind: Kind, asked: Sequence[str]) -> list[Item]:
    """The objects of a virtual host, or of all, with what these columns need. In a virtual host that does not exist
    there are none."""
    columns = ",".join(dict.fromkeys([kind.key, *keys_of(kind.columns, asked)]))
    try:
        found: list[Item] = call.api.get(kind.path, *([call.vhost] if kind.of_vhost else []), columns=columns)
    except ApiError as refusal:
        if refusal.is_missing:
            return []
        raise
    return found


def show(call: Call, kind: Kind, asked: Sequence[str], items: list[Item] | None = None) -> None:
    found = items_of(call, kind, asked) if items is None else items
    call.out.rows(asked, rows(found, kind.columns, asked), is_stream=True)


@tasks(
    "[<column> ...]",
    flag("--online", text="Only those that run."),
    flag("--offline", text="Only those that do not."),
    flag("--local", text="Only those of this node."),
)
def list_queues(call: Call, *columns: str, online: bool, offline: bool, local: bool) -> None:
    """List queues, with these columns; by default the name and the number of messages."""
    asked = check_columns(columns, QUEUES.columns) or QUEUES.defaults
    call.out.banner(call.timeout_text, f"Listing queues for vhost {call.vhost} ...")
    # All run: those that do not are of nodes that are down, and there is one.
    show(call, QUEUES, asked, [] if offline and not online else None)


@tasks("[<column> ...]")
def list_exchanges(call: Call, *columns: str) -> None:
    """List exchanges, with these columns; by default the name and the type."""
    asked = check_columns(columns, EXCHANGES.columns) or EXCHANGES.defaults
    call.out.banner(f"Listing exchanges for vhost {call.vhost} ...")
    show(call, EXCHANGES, asked)


@tasks("[<column> ...]")
def list_bindings(call: Call, *columns: str) -> None:
    """List bindings, with these columns."""
    asked = check_columns(columns, BINDINGS.columns) or BINDINGS.defaults
    call.out.banner(f"Listing bindings for vhost {call.vhost}...")
    show(call, BINDINGS, asked)


@tasks("[<column> ...]")
def list_connections(call: Call, *columns: str) -> None:
    """List connections, with these columns; by default the user, its address and the state."""
    asked = check_columns(columns, CONNECTIONS.columns) or CONNECTIONS.defaults
    call.out.banner("Listing connections ...")
    show(call, CONNECTIONS, asked)


@tasks("[<column> ...]")
def list_channels(call: Call, *columns: str) -> None:
    """List channels, with these columns."""
    asked = check_columns(columns, CHANNELS.columns) or CHANNELS.defaults
    call.out.banner("Listing channels ...")
    show(call, CHANNELS, asked)


@tasks("[<column> ...]")
def list_consumers(call: Call, *columns: str) -> None:
    """List the consumers of a virtual host, with these columns."""
    asked = check_columns(columns, CONSUMERS.columns) or CONSUMERS.defaults
    call.out.banner(f"Listing consumers in vhost {call.vhost} ...")
    show(call, CONSUMERS, asked)


@tasks("[<column> ...]", flag("--local"), name="list_unresponsive_queues")
def list_unresponsive_queues(call: Call, *columns: str, local: bool) -> None:
    """List queues that do not answer. Here all do."""
    asked = check_columns(columns, QUEUES.columns) or ("name",)
    call.out.banner(f"Listing unresponsive queues for vhost {call.vhost} ...")
    show(call, QUEUES, asked, [])
