"""What may differ between two management APIs that do the same, and why.

A rule is for keys by their names, with those around them if need be: `garbage_collection.*` is all that is in an object
of this name, `listeners.port` the port of each of the listeners. Several rules may be about one key: the first one
counts, with all that is said of what is inside of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property

from interop.parity_http.masks import (
    Mask,
    anything,
    counted,
    left_out,
    number,
    only,
    readable,
    recent,
    shaped,
    stepped,
    text,
    type_of,
    typed,
    unordered,
    without,
    without_rate_alone,
    without_zero,
)

Path = tuple[str, ...]
"""The keys on the way to a value."""


@dataclass(frozen=True)
class Rule:
    keys: str
    mask: Mask
    why: str
    of: str = "*"
    """Patterns of the addresses that it is for, without their queries."""

    @cached_property
    def patterns(self) -> list[Path]:
        return [tuple(each.split(".")) for each in self.keys.split()]

    def is_for(self, path: Path, resource: str) -> bool:
        return any(
            len(path) >= len(pattern) and all(map(fnmatchcase, path[len(path) - len(pattern) :], pattern))
            for pattern in self.patterns
        ) and any(fnmatchcase(resource, pattern) for pattern in self.of.split())


ROOT = "$"
"""Stands for the whole value in a path."""

RULES: Sequence[Rule] = (
    # What a machine, a process and a moment are
    Rule("idle_since", left_out, "a time, which is only there while there is nothing to do"),
    Rule("connected_at timestamp uptime", typed, "times", "/[!qe]*"),
    Rule("x-death.time", recent, "a time"),
    Rule("samples", stepped, "a moment that one of them was taken in", "/queues* /exchanges* /vhosts* /channels*"),
    Rule("samples.timestamp", typed, "times"),
    Rule("peer_port port", typed, "whatever is free"),
    Rule("ports", shaped, "whatever is free, and nodes of Erlang listen for each other"),
    Rule("protocols", only("amqp", "http"), "nodes of Erlang listen for each other"),
    Rule("os_pid", typed, "the process"),
    Rule("reductions reductions_details garbage_collection memory binary", typed, "numbers of Erlang's"),
    Rule("*_details", shaped, "what the machine has, and whose last sample may be late", "/nodes*"),
    Rule("applications", shaped, "what Erlang's programs are made of", "/nodes*"),
    Rule(
        "*_details processors run_queue *_limit mem_used disk_free fd_* sockets_* proc_* gc_* context_switches "
        "io_* mnesia_* msg_store_* queue_* channel_* connection_* net_ticktime ra_open_file_metrics "
        "metrics_gc_queue_length",
        typed,
        "what the machine has, and what it did so far",
        "/nodes*",
    ),
    Rule("enabled_plugins", only("rabbitmq_management"), "amqpy has what RabbitMQ has plugins for", "/nodes*"),
    Rule("config_files log_files db_dir", type_of, "where its files are", "/nodes*"),
    Rule("$", without("amq.rabbitmq.event"), "amqpy has what RabbitMQ has a plugin for", "/exchanges"),
    Rule("$", without("amq.rabbitmq.event"), "amqpy has what RabbitMQ has a plugin for", "/exchanges/%2F"),
    Rule("object_totals.exchanges", typed, "amqpy has the exchange of RabbitMQ's plugin for events", "/overview"),
    Rule("auth_mechanisms.enabled exchange_types.description auth_mechanisms.description", typed, "settings and words"),
    Rule("auth_mechanisms", only("PLAIN", "AMQPLAIN"), "others come with plugins, or are for tests"),
    Rule("exchange_types", only("direct", "fanout", "topic", "headers"), "others come with plugins"),
    Rule("contexts.cowboy_opts contexts.ssl_opts listeners.socket_opts", anything, "options of Erlang's sockets"),
    Rule("desc doc_url", typed, "words", "/feature-flags*"),
    Rule("listeners", only("amqp", "http", key="protocol"), "nodes of Erlang listen for each other"),
    Rule("listeners.ip_address contexts.ip", typed, "addresses"),
    Rule(
        "erlang_version erlang_full_version management_version product_name product_version rabbitmq_version "
        "rabbit_version",
        typed,
        "versions",
    ),
    Rule("cluster_name", typed, "RabbitMQ makes it of the name of the machine", "/overview"),
    # What was counted
    Rule("rate avg avg_rate", typed, "times that go by between two reports"),
    Rule("auth_attempts*", typed, "each request is one, and some are repeated", "/auth/attempts/*"),
    Rule("message_stats", shaped, "of all scripts so far", "/overview"),
    Rule("churn_rates statistics_db_event_queue queue_totals", typed, "of all scripts so far", "/overview"),
    Rule("consumer_timeout", typed, "amqpy has no limit unless one is set"),
    Rule("consumer_capacity consumer_utilisation", number, "a fraction at times"),
    Rule("backing_queue_status", typed, "what RabbitMQ's queues are made of"),
    Rule("messages*_details recv_oct_details send_oct_details", without_rate_alone, "rates of a moment", "/vhosts*"),
    Rule("messages*", without_zero, "RabbitMQ shows them once something was counted", "/vhosts*"),
    Rule("recv_oct* send_oct*", counted, "the same, and packets are cut as it comes", "/vhosts*"),
    Rule("recv_cnt send_cnt recv_oct* send_oct* send_pend", typed, "packets are cut as it comes"),
    # What is made by chance, or written in Erlang's ways
    Rule("reason", text(r"\n +", ""), "a line that is broken where a node has a long name", "/vhosts/*/start/*"),
    Rule("reason", readable, "some texts are lists of their letters in Erlang"),
    Rule("password_hash", text(r"^.{48}$", "<a hash>"), "the salt"),
    Rule("properties_key", text(r"(?<=~)[\w-]+$", "<hash>"), "a hash of Erlang's terms"),
    # Lists in no order
    Rule(
        "$.users $.vhosts $.permissions $.topic_permissions $.parameters $.global_parameters $.policies $.queues "
        "$.exchanges $.bindings",
        unordered,
        "tables have no order",
        "/definitions* /all-configuration",
    ),
    Rule("$", unordered, "tables have no order", "/vhost-limits* /user-limits* /topic-permissions/*"),
    Rule(
        "incoming outgoing publishes deliveries",
        unordered,
        "tables have no order",
        "/queues/* /exchanges/* /channels/*",
    ),
    Rule("consumer_details", unordered, "tables have no order", "/queues/* /channels/*"),
)


@cache
def rule_for(path: Path, resource: str) -> Rule | None:
    return next((rule for rule in RULES if rule.is_for(path, resource)), None)
