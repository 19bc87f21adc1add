"""The differences between versions of RabbitMQ's management API, and their feature flags.

Source: `rabbit_core_ff`, `rabbit_deprecated_features`; RabbitMQ 3.10.8, 4.0.5 and 4.3.6 as they run, and the sources of
3.13.7.
"""

from functools import cache
from typing import Final, NamedTuple

FEATURES: Final = {
    "auth": "3.10 3.13 4.0",
    "basic-order": "3.13 4.0 4.3",
    "being_drained": "4.0 4.3",
    "bulk-delete-stops": "3.10",
    "cached_segments": "4.3",
    "cluster_tags": "4.0 4.3",
    "compressing": "4.0 4.3",
    "consumer_timeout": "4.0 4.3",
    "cookie": "3.10 3.13 4.0",
    "cookie-version": "3.10",
    "counted-exchange": "3.10",
    "crypto_lib_version": "4.3",
    "deletion-protection": "4.3",
    "deprecated-features": "3.13 4.0 4.3",
    "disk-stats": "3.10 3.13 4.0 4.3",
    "escaped-html": "3.10 3.13 4.0",
    "feature-levels": "4.3",
    "fixed-queue-type": "3.10",
    "global_prefetch_count": "3.10 3.13",
    "hash_password": "3.13 4.0 4.3",
    "is_internal_user": "4.0 4.3",
    "is_op_policy_updating_enabled": "3.13 4.0 4.3",
    "late-ackmode": "3.10",
    "lenient-json": "3.10",
    "limits-as-pairs": "3.10",
    "listed-headers": "3.10",
    "login-in-query": "3.10 3.13",
    "many-protocols": "4.3",
    "metadata_store": "4.0 4.3",
    "mirror-sync": "3.10 3.13",
    "more-checks": "4.3",
    "named-definitions": "4.0 4.3",
    "no-realm": "4.0 4.3",
    "node-versions": "4.3",
    "Not_Authorized": "3.13 4.0 4.3",
    "old-imports": "3.10",
    "old-vhosts": "3.10",
    "open-attempts": "4.3",
    "open-features": "3.13 4.0 4.3",
    "paged-users": "4.0 4.3",
    "private-user-limits": "4.3",
    "queue_slave_procs": "3.10 3.13",
    "release_series_support_status": "3.10 3.13",
    "sessions": "4.3",
    "short-bindings": "4.0 4.3",
    "short-queue-types": "3.13 4.0",
    "sockets": "3.10 3.13 4.0 4.3",
    "strict-order": "3.10 3.13 4.0",
    "strict-x-vhost": "3.13 4.0 4.3",
    "tls-listeners": "4.3",
    "token": "4.3",
    "uaa": "3.10",
    "unordered": "3.10",
    "version": "4.0 4.3",
    "vhost-metadata-definitions": "3.13 4.0",
    "visible-consumers": "4.3",
    "whole-aliveness-test": "3.10 3.13 4.0",
    "whole-definitions": "4.3",
    "whole-vhosts": "4.0",
}
"""The features of the management API that not every version has, and the versions that have them."""


@cache
def features_of(version: str) -> frozenset[str]:
    """The features that a version such as `3.10.8` has."""
    release = version.rpartition(".")[0]
    return frozenset(feature for feature, versions in FEATURES.items() if release in versions.split())


class Flags(NamedTuple):
    """The feature flags and the deprecated features of a version, as the management API shows them."""

    required: tuple[str, ...]
    """Feature flags that cannot be off."""
    stable: tuple[str, ...]
    """Those that might be off, but are on."""
    permitted: tuple[str, ...]
    """Deprecated features that are permitted by default."""
    denied: tuple[str, ...]
    """Those that are denied by default."""
    removed: tuple[str, ...]
    """Those that are gone."""


_FLAGS: Final = {
    "3.10": Flags(
        required=(),
        stable=(
            "classic_mirrored_queue_version",
            "drop_unroutable_metric",
            "empty_basic_get_metric",
            "implicit_default_bindings",
            "maintenance_mode_status",
            "quorum_queue",
            "stream_queue",
            "user_limits",
            "virtual_host_metadata",
        ),
        permitted=(),
        denied=(),
        removed=(),
    ),
    "3.13": Flags(
        required=(
            "classic_mirrored_queue_version",
            "drop_unroutable_metric",
            "empty_basic_get_metric",
            "implicit_default_bindings",
            "maintenance_mode_status",
            "quorum_queue",
            "stream_queue",
            "user_limits",
            "virtual_host_metadata",
            "classic_queue_type_delivery_support",
            "direct_exchange_routing_v2",
            "feature_flags_v2",
            "listener_records_in_ets",
            "stream_single_active_consumer",
            "tracking_records_in_ets",
        ),
        stable=(
            "detailed_queues_endpoint",
            "message_containers",
            "restart_streams",
            "stream_filtering",
            "stream_sac_coordinator_unblock_group",
            "stream_update_config_command",
        ),
        permitted=(
            "classic_queue_mirroring",
            "global_qos",
            "management_metrics_collection",
            "ram_node_type",
            "transient_nonexcl_queues",
        ),
        denied=(),
        removed=(),
    ),
    "4.0": Flags(
        required=(
            "classic_mirrored_queue_version",
            "drop_unroutable_metric",
            "empty_basic_get_metric",
            "implicit_default_bindings",
            "maintenance_mode_status",
            "quorum_queue",
            "stream_queue",
            "user_limits",
            "virtual_host_metadata",
            "classic_queue_type_delivery_support",
            "direct_exchange_routing_v2",
            "feature_flags_v2",
            "listener_records_in_ets",
            "stream_single_active_consumer",
            "tracking_records_in_ets",
            "message_containers",
            "restart_streams",
            "stream_filtering",
            "stream_sac_coordinator_unblock_group",
            "stream_update_config_command",
        ),
        stable=(
            "detailed_queues_endpoint",
            "message_containers_deaths_v2",
            "quorum_queue_non_voters",
            "rabbit_exchange_type_local_random",
            "rabbitmq_4.0.0",
        ),
        permitted=(
            "amqp_address_v1",
            "global_qos",
            "management_metrics_collection",
            "queue_master_locator",
            "ram_node_type",
            "transient_nonexcl_queues",
        ),
        denied=(),
        removed=("classic_queue_mirroring",),
    ),
    "4.3": Flags(
        required=(
            "classic_mirrored_queue_version",
            "drop_unroutable_metric",
            "empty_basic_get_metric",
            "implicit_default_bindings",
            "maintenance_mode_status",
            "quorum_queue",
            "stream_queue",
            "user_limits",
            "virtual_host_metadata",
            "classic_queue_type_delivery_support",
            "direct_exchange_routing_v2",
            "feature_flags_v2",
            "listener_records_in_ets",
            "stream_single_active_consumer",
            "tracking_records_in_ets",
            "message_containers",
            "restart_streams",
            "stream_filtering",
            "stream_sac_coordinator_unblock_group",
            "stream_update_config_command",
            "detailed_queues_endpoint",
            "message_containers_deaths_v2",
            "quorum_queue_non_voters",
            "rabbit_exchange_type_local_random",
            "rabbitmq_4.0.0",
            "khepri_db",
            "rabbitmq_4.1.0",
            "rabbitmq_4.2.0",
        ),
        stable=(
            "rabbitmq_4.3.0",
            "tie_binding_to_dest_with_keep_while_cond",
            "topic_binding_projection_v4",
            "topic_binding_projection_v5",
            "track_qq_members_uids",
        ),
        permitted=(
            "management_metrics_collection",
            "transient_nonexcl_queues",
        ),
        denied=(
            "amqp_address_v1",
            "amqp_filter_set_bug",
            "global_qos",
            "queue_master_locator",
        ),
        removed=(
            "classic_queue_mirroring",
            "ram_node_type",
        ),
    ),
}


def flags_of(version: str) -> Flags:
    """The flags of a version such as `3.10.8`."""
    return _FLAGS[version.rpartition(".")[0]]
