"""Profiles: the differences between RabbitMQ's versions, and the version that a broker behaves like.

A profile is a row of switches; code reads the switch for its decision, and never a version. The default is
`rabbitmq-3.13`, which most applications run against.

Source: RabbitMQ 3.10.8, 4.0.5 and 4.3.6 as they run, and the sources of 3.13.7.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from amqpy.features import features_of

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
    judges_copies: bool = _switch("topic permissions count for the routing keys in `CC` and `BCC`, too")
    passive_needs_permission: bool = _switch("a passive declaration needs some permission: to configure, write or read")
    token_needs_expiry: bool = _switch("a token without `exp` is refused, unless that is set")
    client_id_first: bool = _switch(
        "the user's name is in the claim `client_id` of a token before `sub`; else after it"
    )
    unknown_type_closes_channel: bool = _switch(
        "an unknown exchange type closes the channel (406), not the connection (503)"
    )
    transient_queues: bool = _switch("queues that are neither durable nor exclusive; else 541")
    global_qos: bool = _switch("`basic.qos` with `global` limits the channel, not each of its consumers")
    topic_hashes_max: int | None = _switch("most `#` in the routing key of a topic binding")
    hash_weight_max: int | None = _switch("greatest weight of a binding to an `x-consistent-hash` exchange")
    binds_reply_queues: bool = _switch("a binding to a direct reply-to name is 404 as for any queue; else 403")
    returns_replies: bool = _switch("a mandatory direct reply is returned, although it arrives")
    headers_by_type: bool = _switch("headers exchanges tell 1 from 1.0")
    headers_as_map: bool = _switch(
        "headers exchanges compare the last value of a header, timestamps in milliseconds; else the first value with "
        "the first, the second with the second"
    )
    lacking_options: tuple[str, ...] = _switch(
        "settings of queues and consumers that are not known, neither as arguments nor in policies"
    )
    quorum_options: tuple[str, ...] = _switch("settings that are for quorum queues, and refused for others")
    classic_options: tuple[str, ...] = _switch("settings that classic queues have, too")
    not_classic_keys: tuple[str, ...] = _switch("policy keys that classic queues do not have")
    more_locators: tuple[str, ...] = _switch("more that `x-queue-leader-locator` may be")
    types_that_are_none: tuple[str, ...] = _switch("what `x-queue-type` may be, and is none then")
    master_locator_denied: str = _switch("`x-queue-master-locator` is denied (541)")
    quorum_in_text: str = _switch("what the refusal of basic.get by single active consumers calls quorum queues")
    limits_come_last: bool = _switch("the limit of queues is looked at after the arguments of a new one")
    checks_queue_mode: bool = _switch("`x-queue-mode` must be `default` or `lazy`")
    queue_versions: tuple[int, ...] = _switch("what `x-queue-version` may be")
    default_type_or_classic: bool = _switch("queues that cannot have the default type get `x-queue-type` `classic`")
    always_names_type: bool = _switch("queues get an `x-queue-type` even where there is no default type")
    checks_user_id_last: bool = _switch("of what may be wrong with a message, `user_id` is told last; else first")
    any_delivery_mode: bool = _switch("any `delivery_mode` will do; else 1 or 2, or 406")
    deleted_fails_commit: bool = _switch(
        "a message for a queue that is deleted before tx.commit fails it (406), even if there is another of that name"
    )
    gone_ends_commit: bool = _switch(
        "a message for a queue of whose name there is none any more ends tx.commit, and the connection (506)"
    )
    trusts_x_death: bool = _switch("dead-lettering continues the x-death that a publisher sent")
    turns_x_death: bool = _switch("each further death turns round the order of the older ones in x-death")
    plain_deaths: bool = _switch(
        "entries of x-death keep their order, with `original-expiration` first and as a number; else they get sorted"
    )
    keeps_cc: bool = _switch("dead letters keep `CC` where their routing key is replaced")
    notes_last_death: bool = _switch("dead letters have x-last-death-reason, -queue and -exchange")
    quorum_delivery_limit: int | None = _switch("x-delivery-limit of quorum queues that have none")
    returns_in_turn: bool = _switch(
        "a channel that ends gives back to a quorum queue what its consumers had, the first one first, and then what "
        "basic.get got; else in the order of consumer tags"
    )
    unlimited_waits_first: bool = _switch(
        "what comes back to a quorum queue whose delivery limit is negative stands before the others"
    )
    quorum_counts_nacks: bool = _switch(
        "basic.nack and basic.recover count towards the delivery limit of quorum queues"
    )
    quorum_acquired_count: bool = _switch("redeliveries of quorum queues have `x-acquired-count`")
    quorum_get_counts: bool = _switch("basic.get from a quorum queue shows x-delivery-count 0")
    message_priorities: bool = _switch("quorum queues heed the priority of messages")
    quorum_priorities: bool = _switch("quorum queues heed the priority of single active consumers")
    stream_in_text: str = _switch("what refusals of basic.consume call streams")
    stream_filter_blanks: str = _switch("blanks in the refusal of an `x-stream-filter-size-bytes`, before its name")
    stream_nacks: bool = _switch(
        "basic.nack, basic.reject and basic.recover give credit to consumers of streams; else 540"
    )
    stream_headers: bool = _switch(
        "messages in streams have a header section, and headers `x-…` are annotations; else there are annotations for "
        "what the header section has"
    )
    stream_durable_by_default: bool = _switch(
        "messages in streams that do not say it are persistent to clients of AMQP"
    )
    stream_delivery_fields: bool = _switch("the header section in streams says `first-acquirer` and `delivery-count`")
    stream_trims_properties: bool = _switch("the properties section in streams ends with the last one that is set")
    stream_addresses: bool = _switch("`reply_to` is an address in streams: `/queues/` and the name")
    stream_ages_in_ms: bool = _switch("`x-max-age` is compared in milliseconds, not as text")
    stream_commands: tuple[int, ...] = _switch("the keys of clients' commands in the stream protocol that it tells")
    stream_answers_routes: bool = _switch(
        "answers to Route and Partitions are responses; else their keys are requests'"
    )
    stream_reads_offsets: bool = _switch("StoreOffset needs the permission to read; else to write")
    stream_renews_secret: bool = _switch("SaslAuthenticate renews the secret of an open connection")
    stream_holds_credit: bool = _switch(
        "a subscription that has used up its credit waits until it has more than half of its first again"
    )
    timeout_cancels: bool = _switch("consumer timeouts are for quorum queues, and end the consumer, not its channel")
    policies_by_queue_type: bool = _switch("policies can be for queues of one type only (`apply-to`)")
    mirroring: bool = _switch(
        "there is mirroring: policies may say `ha-mode`, consumers `x-cancel-on-ha-failover` (without effect here)"
    )
    more_event_properties: tuple[str, ...] = _switch(
        "what events of queues, channels, connections and virtual hosts tell, too"
    )
    tells_of_clearing: bool = _switch(
        "clearing a global parameter is told as `parameter.cleared`; else as `parameter.set`"
    )
    tells_of_topics: bool = _switch(
        "the end of a topic permission for one exchange is told as `topic.permission.deleted`; else as "
        "`permission.deleted`"
    )
    operator_keys: tuple[str, ...] = _switch("more that operator policies may say")
    negative_delivery_limit: bool = _switch("a policy's `delivery-limit` may be negative: no limit")
    counts_missing_queues: bool = _switch(
        "`publish_out` of the default exchange counts messages for a queue that does not exist"
    )
    default_queue_version: int = _switch("storage version that the management API tells of queues that ask for none")
    queue_view_keys: tuple[str, ...] = _switch("keys of queues in the management API that not all versions have")
    reduced_queue_rows: bool = _switch(
        "lists of queues in the management API are short, unless columns are named; all of it is at /queues/detailed"
    )
    web_looks_first: bool = _switch(
        "the management API tells that an exchange to publish to, or a queue to get from, is not there before anything "
        "else; else when it is used"
    )
    web_get_nacks: bool = _switch(
        "the management API returns messages one by one with `ack_requeue_true`; else as a channel that ends"
    )

    @property
    def management(self) -> frozenset[str]:
        """The features of the management API that not every version has (features.py)."""
        return features_of(self.version)


RABBITMQ_3_10 = Profile(
    version="3.10.8",
    mechanisms=("PLAIN", "AMQPLAIN"),
    offers_amqp_1=False,
    serves_amqp_0_8=True,
    frame_max_floor=4096,
    max_message_size=128 * MIB,
    memory_high_watermark=0.4,
    names_permission=False,
    judges_copies=False,
    passive_needs_permission=False,
    token_needs_expiry=False,
    client_id_first=True,
    unknown_type_closes_channel=False,
    transient_queues=True,
    global_qos=True,
    topic_hashes_max=None,
    hash_weight_max=None,
    binds_reply_queues=True,
    returns_replies=True,
    headers_by_type=False,
    headers_as_map=False,
    lacking_options=(
        "consumer-timeout",
        "consumer-disconnected-timeout",
        "stream-filter-size-bytes",
        "target-group-size",
        "stream-filter",
        "stream-match-unfiltered",
    ),
    quorum_options=(),
    classic_options=(),
    not_classic_keys=(),
    more_locators=(),
    types_that_are_none=(),
    master_locator_denied="no",
    quorum_in_text="quorum",
    limits_come_last=False,
    checks_queue_mode=True,
    queue_versions=(1, 2),
    default_type_or_classic=False,
    always_names_type=False,
    checks_user_id_last=False,
    any_delivery_mode=False,
    deleted_fails_commit=False,
    gone_ends_commit=False,
    trusts_x_death=True,
    turns_x_death=True,
    plain_deaths=False,
    keeps_cc=False,
    notes_last_death=False,
    quorum_delivery_limit=None,
    returns_in_turn=False,
    unlimited_waits_first=False,
    quorum_counts_nacks=True,
    quorum_acquired_count=False,
    quorum_get_counts=True,
    message_priorities=False,
    quorum_priorities=False,
    stream_in_text="stream queues",
    stream_filter_blanks="  ",
    stream_nacks=False,
    stream_headers=False,
    stream_durable_by_default=False,
    stream_delivery_fields=False,
    stream_trims_properties=False,
    stream_addresses=False,
    stream_ages_in_ms=False,
    stream_commands=(1, 2, 5, 6, 7, *range(9, 16), *range(22, 26)),
    stream_answers_routes=False,
    stream_reads_offsets=False,
    stream_renews_secret=False,
    stream_holds_credit=False,
    timeout_cancels=False,
    policies_by_queue_type=False,
    mirroring=True,
    more_event_properties=(),
    tells_of_clearing=False,
    tells_of_topics=False,
    operator_keys=(),
    negative_delivery_limit=False,
    counts_missing_queues=True,
    default_queue_version=1,
    queue_view_keys=(
        "backing_queue_status",
        "message_bytes_paged_out",
        "messages_paged_out",
        "recoverable_slaves",
        "single_active_consumer_ctag",
    ),
    reduced_queue_rows=False,
    web_looks_first=False,
    web_get_nacks=False,
)

RABBITMQ_3_13 = replace(
    RABBITMQ_3_10,
    version="3.13.7",
    names_permission=True,
    client_id_first=False,
    unknown_type_closes_channel=True,
    headers_by_type=True,
    headers_as_map=True,
    lacking_options=("consumer-disconnected-timeout",),
    types_that_are_none=("undefined",),
    default_type_or_classic=True,
    any_delivery_mode=True,
    deleted_fails_commit=True,
    turns_x_death=False,
    plain_deaths=True,
    keeps_cc=True,
    notes_last_death=True,
    quorum_get_counts=False,
    stream_nacks=True,
    stream_headers=True,
    stream_commands=(*RABBITMQ_3_10.stream_commands, 28, 29, 30),
    stream_answers_routes=True,
    stream_reads_offsets=True,
    stream_holds_credit=True,
    policies_by_queue_type=True,
    more_event_properties=("type", "consumer_count"),
    tells_of_clearing=True,
    tells_of_topics=True,
    operator_keys=("overflow", "queue-version"),
    counts_missing_queues=False,
    queue_view_keys=("message_bytes_paged_out", "messages_paged_out", "recoverable_slaves", "storage_version"),
    reduced_queue_rows=True,
    web_looks_first=True,
    web_get_nacks=True,
)

RABBITMQ_4_0 = replace(
    RABBITMQ_3_13,
    version="4.0.5",
    mechanisms=("ANONYMOUS", "AMQPLAIN", "PLAIN"),
    offers_amqp_1=True,
    serves_amqp_0_8=False,
    max_message_size=16 * MIB,
    judges_copies=True,
    memory_high_watermark=0.6,
    classic_options=("queue-leader-locator",),
    not_classic_keys=("max-in-memory-length", "max-in-memory-bytes"),
    more_locators=("min-masters",),
    limits_come_last=True,
    always_names_type=True,
    checks_user_id_last=True,
    trusts_x_death=False,
    quorum_delivery_limit=20,
    returns_in_turn=True,
    quorum_priorities=True,
    stream_in_text="stream",
    stream_durable_by_default=True,
    stream_delivery_fields=True,
    stream_renews_secret=True,
    mirroring=False,
    more_event_properties=("type", "leader", "members", "consumer_count"),
    negative_delivery_limit=True,
    default_queue_version=2,
    queue_view_keys=(
        "delivery_limit",
        "message_bytes_paged_out",
        "messages_paged_out",
        "messages_ready_high",
        "messages_ready_normal",
        "messages_ready_returned",
        "publishers",
        "storage_version",
    ),
)

RABBITMQ_4_3 = replace(
    RABBITMQ_4_0,
    version="4.3.6",
    mechanisms=("AMQPLAIN", "PLAIN", "ANONYMOUS"),
    frame_max_floor=8192,
    passive_needs_permission=True,
    token_needs_expiry=True,
    global_qos=False,
    topic_hashes_max=2,
    hash_weight_max=10_000,
    binds_reply_queues=False,
    returns_replies=False,
    lacking_options=(),
    quorum_options=(
        "consumer-timeout",
        "consumer-disconnected-timeout",
        "delayed-retry-type",
        "delayed-retry-min",
        "delayed-retry-max",
    ),
    types_that_are_none=("undefined", ""),
    master_locator_denied="by default",
    quorum_in_text='<<"quorum">>',
    gone_ends_commit=True,
    checks_queue_mode=False,
    queue_versions=(2,),
    unlimited_waits_first=True,
    quorum_counts_nacks=False,
    quorum_acquired_count=True,
    message_priorities=True,
    stream_filter_blanks=" ",
    stream_durable_by_default=False,
    stream_trims_properties=True,
    stream_addresses=True,
    stream_ages_in_ms=True,
    stream_commands=(*RABBITMQ_4_0.stream_commands, 31),
    timeout_cancels=True,
    more_event_properties=(
        "type",
        "leader",
        "members",
        "consumer_count",
        "protected_from_deletion",
        "peer_cert_serial_number",
    ),
    queue_view_keys=(
        "delayed_retry",
        "delivery_limit",
        "internal",
        "internal_owner",
        "messages_active_priorities",
        "messages_by_priority",
        "messages_delayed",
        "messages_ready_returned",
        "publishers",
        "storage_version",
    ),
)

PROFILES = {
    "rabbitmq-3.10": RABBITMQ_3_10,
    "rabbitmq-3.13": RABBITMQ_3_13,
    "rabbitmq-4.0": RABBITMQ_4_0,
    "rabbitmq-4.3": RABBITMQ_4_3,
}
"""By name. Each is written as what has changed since the one before it."""

LATEST = {"rabbitmq-4": "rabbitmq-4.3"}
"""Names for the newest profile of a series."""


def profile_named(name: str) -> Profile:
    return PROFILES[LATEST.get(name, name)]


def documented() -> dict[str, str]:
    """The documentation of each switch, by its name."""
    return {each.name: each.metadata["doc"] for each in fields(Profile)}
