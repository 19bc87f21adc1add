"""The keys of rabbitmq.conf that are no setting here: those without a meaning for amqpy, and those it refuses.

To ignore a key that restricts who may do what, or how much, would open a door that somebody had closed. So would
ignoring a key that changes what clients see. Such a key is refused, unless its value asks for what amqpy does anyway.
A key that is neither a setting's (`SettingInfo.rabbitmq_keys`) nor here is unknown to RabbitMQ, too, and refused.

In a pattern, `*` is any part of a key between dots, or of a part; `**` at the end is any number of parts.

Source: the schemas of RabbitMQ 3.10, 4.0 and 4.3.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from amqpy.config.settings import SETTINGS
from amqpy.config.values import setting_info

NOT_YET = "amqpy does not support it yet"
NO_DEFINITIONS = "definitions are in the file that load_definitions names"
NO_LIMIT = "this limit is not supported yet"


class Refusal(NamedTuple):
    reason: str
    harmless: tuple[str, ...] = ()
    """Values that ask for what amqpy does anyway."""


REFUSED = {
    "ssl_options": Refusal(NOT_YET, ("none",)),
    "ssl_options.honor_cipher_order": Refusal("the broker's order of ciphers counts", ("true",)),
    "ssl_options.honor_ecc_order": Refusal("the broker's order of ciphers counts", ("true",)),
    "ssl_options.crl_check": Refusal("revoked certificates are named in the setting tls_crl", ("false",)),
    **{
        f"{plugin}.ssl.honor_{what}_order": Refusal("the broker's order of ciphers counts", ("true",))
        for plugin in ("management", "prometheus")
        for what in ("cipher", "ecc")
    },
    "management.listener.ssl": Refusal("TLS is set up with management.ssl.port and so on", ("false",)),
    "management.listener.ssl_opts": Refusal("TLS is set up with management.ssl.port and so on", ("none",)),
    "management.listener.ssl_opts.**": Refusal("TLS is set up with management.ssl.port and so on"),
    "ssl_allow_poodle_attack": Refusal("SSL 3.0 is not spoken", ("false",)),
    "trust_store.**": Refusal("certificates are trusted by their authority, tls_ca"),
    "auth_http.ssl_options.verify": Refusal("certificates are verified", ("verify_peer",)),
    "auth_oauth2.https.peer_verification": Refusal("certificates are verified", ("verify_peer",)),
    "auth_http.**": Refusal(NOT_YET),
    "auth_oauth2.**": Refusal(NOT_YET),
    "auth_cache.**": Refusal(NOT_YET),
    "auth_ldap.**": Refusal("amqpy does not ask LDAP servers"),
    "anonymous_login_*": Refusal("who may log in without a password is chosen with auth_mechanisms"),
    "credential_validator.**": Refusal(NOT_YET),
    "definitions.**": Refusal(NO_DEFINITIONS),
    "default_users.**": Refusal("there is one default user, default_user"),
    "default_policies.**": Refusal(NOT_YET),
    "default_limits.**": Refusal(NOT_YET),
    "runtime_parameters.limits.*": Refusal(NO_LIMIT),
    **dict.fromkeys(
        (
            "ranch_connection_max",
            "channel_tx_message_max",
            "vhost_max",
            "cluster_queue_limit",
            "cluster_exchange_limit",
        ),
        Refusal(NO_LIMIT, ("infinity",)),
    ),
    "message_interceptors.**": Refusal("amqpy does not change messages"),
    "queue_types.*.enabled": Refusal(NOT_YET, ("true",)),
    "exchange_types.*.enabled": Refusal(NOT_YET, ("true",)),
    "quorum_queue.property_equivalence.relaxed_checks_on_redeclaration": Refusal(NOT_YET, ("false",)),
}
"""The first pattern that matches decides. A key that is a setting's is not looked for here."""

LOG_OUTPUTS = ("console", "exchange", "file", "journald", "syslog")
LOG_CATEGORIES = ("channel", "connection", "default", "federation", "mirroring", "queue", "ra", "upgrade", "user")

IGNORED = (
    # Erlang, the cluster, and how RabbitMQ itself does its work.
    *("nodename", "distributed_cookie", "erlang.**", "net_ticktime", "distribution.**", "sysmon_handler.**"),
    *("cluster_formation.**", "cluster_partition_handling.**", "cluster_keepalive_interval", "cluster_tags.*"),
    *("node_tags.*", "queue_master_locator", "queue_leader_locator", "mirroring_sync_*", "metadata_store.**"),
    *("raft.**", "quorum_queue.**", "classic_queue.**", "prevent_startup_if_node_was_reset", "vhost_restart_strategy"),
    *("mnesia_table_loading_retry_*", "message_store_shutdown_timeout", "queue_index_embed_msgs_below"),
    *("num_acceptors.*", "tcp_listen_options.**", "socket_writer.*", "listeners.startup_delay", "reverse_dns_lookups"),
    *("hipe_compile", "background_gc_*", "delegate_count", "default_worker_pool_size", "initial_frame_max"),
    *("vm_memory_calculation_strategy", "vm_memory_high_watermark_paging_ratio", "memory_monitor_interval"),
    *("collect_statistics", "collect_statistics_interval", "motd_file", "consumer_disconnected_timeout"),
    *("deprecated_features.permit.*", "credentials_obfuscation.*"),
    *("channel_interceptor.priorities.*", "session_max_per_connection", "link_max_per_session"),
    # Where RabbitMQ's log goes: ours goes to stderr.
    *("log.dir", "log.summarize_process_state", "log.error_logger_format_depth", "log.console.stdio"),
    *(f"log.{output}" for output in LOG_OUTPUTS),
    *(f"log.{output}.level" for output in LOG_OUTPUTS),
    *(f"log.{output}.formatter" for output in LOG_OUTPUTS),
    *(f"log.{output}.formatter.**" for output in LOG_OUTPUTS),
    *("log.console.use_colors", "log.console.color_esc_seqs.*", "log.file.rotation.*", "log.journald.fields"),
    *("log.syslog.identity", "log.syslog.facility", "log.syslog.multiline_mode", "log.syslog.ip", "log.syslog.host"),
    *("log.syslog.port", "log.syslog.transport", "log.syslog.protocol", "log.syslog.ssl_options.**"),
    *(f"log.{category}.level" for category in LOG_CATEGORIES),
    *(f"log.{category}.file" for category in LOG_CATEGORIES),
    *(f"log.{category}.rotation.*" for category in LOG_CATEGORIES),
    # TLS: renegotiation is off, chains may be as long as they are, and errors are in the log in any case.
    *("ssl_options.client_renegotiation", "ssl_options.secure_renegotiate", "ssl_options.reuse_sessions"),
    *("ssl_options.depth", "ssl_options.dhfile", "ssl_options.log_alert", "ssl_options.log_level"),
    # Plugins, whose listeners are not there.
    *("management.**", "management_agent.**", "http_dispatch.**", "prometheus.**", "mqtt.**", "web_mqtt.**"),
    *("stomp.**", "web_stomp.**", "amqp1_0.**", "amqp_client.**", "amqp10_client.**", "shovel.**"),
    *("stream.initial_credits", "stream.credits_required_for_unblocking", "stream.tcp_listen_options.**"),
    *("stream.proxy_protocol",),
    *("federation.**", "event_exchange.*", "tracing.*", "aws.*"),
)
"""Of what these say, nothing matters here: whatever it is, clients see the same."""


def find(patterns: Iterable[str], key: tuple[str, ...]) -> str | None:
    """Finds the first pattern that a key matches."""
    return next((pattern for pattern in patterns if matches(pattern, key)), None)


def matches(pattern: str, key: tuple[str, ...]) -> bool:
    *parts, last = pattern.split(".")
    if last != "**":
        parts.append(last)
        if len(parts) != len(key):
            return False
    return len(parts) <= len(key) and all(map(fnmatchcase, key, parts))


@cache
def setting_keys() -> dict[str, str]:
    """The names of the settings by the patterns of their keys."""
    return {key: name for name, setting in SETTINGS.items() for key in setting_info(setting).rabbitmq_keys}


def has_meaning(key: tuple[str, ...]) -> bool:
    """Tells if a key that is known has a meaning here."""
    return find((*setting_keys(), *REFUSED), key) is not None


def known_keys() -> list[str]:
    """Every key that there is, for a suggestion: patterns as far as they have no wildcard."""
    return [pattern.partition("*")[0].rstrip(".") for pattern in (*setting_keys(), *REFUSED, *IGNORED)]
