"""Profiles: the differences between RabbitMQ's versions, and the version that a broker behaves like.

A profile is a row of switches; code reads the switch for its decision, and never a version. The default is
`rabbitmq-3.13`, which most applications run against.

Source: the sources of RabbitMQ 3.10.8, 3.13.7 and 4.3.5.
"""

from dataclasses import dataclass, field, fields
from typing import Any

MIB = 1 << 20


def _switch(doc: str) -> Any:  # noqa: ANN401 (a field of any type)
    return field(metadata={"doc": doc})


@dataclass(slots=True, frozen=True, eq=False)
class Profile:
    """The switches. Each is a row of docs/compatibility.md."""

    version: str = _switch("version reported to clients, unless it is set")
    mechanisms: tuple[str, ...] = _switch("login mechanisms offered, unless they are set")
    offers_amqp_1: bool = _switch("a protocol header that is not AMQP 0-9-1's is answered with AMQP 1.0's")
    serves_amqp_0_8: bool = _switch("clients that speak AMQP 0-8 are served")
    frame_max_floor: int = _switch("least `frame_max` that a client may ask for")
    max_message_size: int = _switch("largest message body, unless it is set")
    memory_high_watermark: float = _switch("share of the memory from which publishers are blocked, unless it is set")
    names_permission: bool = _switch("refusals name the permission that is missing: `configure access to …`")
    passive_needs_permission: bool = _switch("a passive declaration needs some permission: to configure, write or read")
    unknown_type_closes_channel: bool = _switch(
        "an unknown exchange type closes the channel (406), not the connection (503)"
    )
    transient_queues: bool = _switch("queues that are neither durable nor exclusive; else 541")
    global_qos: bool = _switch("`basic.qos` with `global` limits the channel, not each of its consumers")
    topic_hashes_max: int | None = _switch("most `#` in the routing key of a topic binding")
    binds_reply_queues: bool = _switch("a binding to a direct reply-to name is 404 as for any queue; else 403")
    returns_replies: bool = _switch("a mandatory direct reply is returned, although it arrives")
    headers_by_type: bool = _switch("headers exchanges tell 1 from 1.0")
    lacking_options: tuple[str, ...] = _switch(
        "settings of queues that are not known, neither as arguments nor in policies"
    )
    quorum_options: tuple[str, ...] = _switch("settings that are for quorum queues, and refused for others")
    classic_options: tuple[str, ...] = _switch("settings that classic queues have, too")
    checks_queue_mode: bool = _switch("`x-queue-mode` must be `default` or `lazy`")
    queue_versions: tuple[int, ...] = _switch("what `x-queue-version` may be")
    default_type_or_classic: bool = _switch("queues that cannot have the default type get `x-queue-type` `classic`")
    always_names_type: bool = _switch("queues get an `x-queue-type` even where there is no default type")
    trusts_x_death: bool = _switch("dead-lettering continues the x-death that a publisher sent")
    turns_x_death: bool = _switch("each further death turns round the order of the older ones in x-death")
    notes_last_death: bool = _switch("dead letters have x-last-death-reason, -queue and -exchange")
    quorum_delivery_limit: int | None = _switch("x-delivery-limit of quorum queues that have none")
    quorum_counts_nacks: bool = _switch(
        "basic.nack and basic.recover count towards the delivery limit of quorum queues"
    )
    quorum_acquired_count: bool = _switch("redeliveries of quorum queues have `x-acquired-count`")
    quorum_get_counts: bool = _switch("basic.get from a quorum queue shows x-delivery-count 0")
    quorum_priorities: bool = _switch("quorum queues heed the priority of messages and of single active consumers")
    timeout_cancels: bool = _switch("consumer timeouts are for quorum queues, and end the consumer, not its channel")
    policies_by_queue_type: bool = _switch("policies can be for queues of one type only (`apply-to`)")
    mirroring: bool = _switch(
        "there is mirroring: policies may say `ha-mode`, consumers `x-cancel-on-ha-failover` (without effect here)"
    )
    operator_keys: tuple[str, ...] = _switch("more that operator policies may say")
    negative_delivery_limit: bool = _switch("a policy's `delivery-limit` may be negative: no limit")


PROFILES = {
    "rabbitmq-3.10": Profile(
        version="3.10.8",
        mechanisms=("PLAIN", "AMQPLAIN"),
        offers_amqp_1=False,
        serves_amqp_0_8=True,
        frame_max_floor=4096,
        max_message_size=128 * MIB,
        memory_high_watermark=0.4,
        names_permission=False,
        passive_needs_permission=False,
        unknown_type_closes_channel=False,
        transient_queues=True,
        global_qos=True,
        topic_hashes_max=None,
        binds_reply_queues=True,
        returns_replies=True,
        headers_by_type=False,
        lacking_options=(
            "consumer-timeout",
            "consumer-disconnected-timeout",
            "stream-filter-size-bytes",
            "target-group-size",
        ),
        quorum_options=(),
        classic_options=(),
        checks_queue_mode=True,
        queue_versions=(1, 2),
        default_type_or_classic=False,
        always_names_type=False,
        trusts_x_death=True,
        turns_x_death=True,
        notes_last_death=False,
        quorum_delivery_limit=None,
        quorum_counts_nacks=True,
        quorum_acquired_count=False,
        quorum_get_counts=True,
        quorum_priorities=False,
        timeout_cancels=False,
        policies_by_queue_type=False,
        mirroring=True,
        operator_keys=(),
        negative_delivery_limit=False,
    ),
    "rabbitmq-3.13": Profile(
        version="3.13.7",
        mechanisms=("PLAIN", "AMQPLAIN"),
        offers_amqp_1=False,
        serves_amqp_0_8=True,
        frame_max_floor=4096,
        max_message_size=128 * MIB,
        memory_high_watermark=0.4,
        names_permission=True,
        passive_needs_permission=False,
        unknown_type_closes_channel=True,
        transient_queues=True,
        global_qos=True,
        topic_hashes_max=None,
        binds_reply_queues=True,
        returns_replies=True,
        headers_by_type=True,
        lacking_options=("consumer-disconnected-timeout",),
        quorum_options=(),
        classic_options=(),
        checks_queue_mode=True,
        queue_versions=(1, 2),
        default_type_or_classic=True,
        always_names_type=False,
        trusts_x_death=True,
        turns_x_death=False,
        notes_last_death=True,
        quorum_delivery_limit=None,
        quorum_counts_nacks=True,
        quorum_acquired_count=False,
        quorum_get_counts=False,
        quorum_priorities=False,
        timeout_cancels=False,
        policies_by_queue_type=True,
        mirroring=True,
        operator_keys=("overflow", "queue-version"),
        negative_delivery_limit=False,
    ),
    "rabbitmq-4": Profile(
        version="4.3.0",
        mechanisms=("PLAIN", "AMQPLAIN", "ANONYMOUS"),
        offers_amqp_1=True,
        serves_amqp_0_8=False,
        frame_max_floor=8192,
        max_message_size=16 * MIB,
        memory_high_watermark=0.6,
        names_permission=True,
        passive_needs_permission=True,
        unknown_type_closes_channel=True,
        transient_queues=False,
        global_qos=False,
        topic_hashes_max=2,
        binds_reply_queues=False,
        returns_replies=False,
        headers_by_type=True,
        lacking_options=(),
        quorum_options=(
            "consumer-timeout",
            "consumer-disconnected-timeout",
            "delayed-retry-type",
            "delayed-retry-min",
            "delayed-retry-max",
        ),
        classic_options=("queue-leader-locator",),
        checks_queue_mode=False,
        queue_versions=(2,),
        default_type_or_classic=True,
        always_names_type=True,
        trusts_x_death=False,
        turns_x_death=False,
        notes_last_death=True,
        quorum_delivery_limit=20,
        quorum_counts_nacks=False,
        quorum_acquired_count=True,
        quorum_get_counts=False,
        quorum_priorities=True,
        timeout_cancels=True,
        policies_by_queue_type=True,
        mirroring=False,
        operator_keys=("overflow", "queue-version"),
        negative_delivery_limit=True,
    ),
}


def documented() -> dict[str, str]:
    """The documentation of each switch, by its name."""
    return {each.name: each.metadata["doc"] for each in fields(Profile)}
