"""The metrics of RabbitMQ that outlive queues, channels and connections: by protocol, by type of queue, and by the way
of dead letters.

Source: `rabbit_global_counters`.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from amqpy.management.prometheus.exposition import Family, labels

PROTOCOL: Final = "amqp091"
AT_MOST_ONCE: Final = ("disabled", "at_most_once")
AT_LEAST_ONCE: Final = "at_least_once"

OF_PROTOCOL: Final = (
    (Family("messages_received_total", "counter", "Total number of messages received from publishers"), "publish"),
    (
        Family(
            "messages_received_confirm_total",
            "counter",
            "Total number of messages received from publishers expecting confirmations",
        ),
        "publish_confirm",
    ),
    (Family("messages_routed_total", "counter", "Total number of messages routed to queues or streams"), "routed"),
    (
        Family(
            "messages_unroutable_dropped_total",
            "counter",
            "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
        ),
        "drop_unroutable",
    ),
    (
        Family(
            "messages_unroutable_returned_total",
            "counter",
            "Total number of messages published as mandatory into an exchange and returned to the publisher as "
            "unroutable",
        ),
        "return_unroutable",
    ),
    (Family("messages_confirmed_total", "counter", "Total number of messages confirmed to publishers"), "confirm"),
    (Family("publishers", "gauge", "Current number of publishers"), "publishers"),
    (Family("consumers", "gauge", "Current number of consumers"), "consumers"),
)
"""Families, and the names of the counters that they show."""

_TO_CONSUMERS: Final = "Total number of messages delivered to consumers"

OF_QUEUE_TYPE: Final = (
    (Family("messages_delivered_total", "counter", _TO_CONSUMERS), "deliver_get"),
    (
        Family(
            "messages_delivered_consume_manual_ack_total",
            "counter",
            f"{_TO_CONSUMERS} using basic.consume with manual acknowledgment",
        ),
        "deliver",
    ),
    (
        Family(
            "messages_delivered_consume_auto_ack_total",
            "counter",
            f"{_TO_CONSUMERS} using basic.consume with automatic acknowledgment",
        ),
        "deliver_no_ack",
    ),
    (
        Family(
            "messages_delivered_get_manual_ack_total",
            "counter",
            f"{_TO_CONSUMERS} using basic.get with manual acknowledgment",
        ),
        "get",
    ),
    (
        Family(
            "messages_delivered_get_auto_ack_total",
            "counter",
            f"{_TO_CONSUMERS} using basic.get with automatic acknowledgment",
        ),
        "get_no_ack",
    ),
    (
        Family(
            "messages_get_empty_total",
            "counter",
            "Total number of times basic.get operations fetched no message",
        ),
        "get_empty",
    ),
    (Family("messages_redelivered_total", "counter", "Total number of messages redelivered to consumers"), "redeliver"),
    (Family("messages_acknowledged_total", "counter", "Total number of messages acknowledged by consumers"), "ack"),
)

QUEUE_TYPES: Final = ("classic", "quorum", "stream")

_DEAD: Final = "Total number of messages dead-lettered"
_FAMILY_OF: Final = {
    "maxlen": Family(
        "messages_dead_lettered_maxlen_total",
        "counter",
        f"{_DEAD} due to overflow drop-head or reject-publish-dlx",
    ),
    "expired": Family("messages_dead_lettered_expired_total", "counter", f"{_DEAD} due to message TTL exceeded"),
    "rejected": Family(
        "messages_dead_lettered_rejected_total", "counter", f"{_DEAD} due to basic.reject or basic.nack"
    ),
    "delivery_limit": Family(
        "messages_dead_lettered_delivery_limit_total", "counter", f"{_DEAD} due to delivery-limit exceeded"
    ),
    "confirmed": Family("messages_dead_lettered_confirmed_total", "counter", f"{_DEAD} and confirmed by target queues"),
}

OF_DEAD_LETTERS: Final = (
    (
        _FAMILY_OF["maxlen"],
        "maxlen",
        (*(("classic", each) for each in AT_MOST_ONCE), *(("quorum", each) for each in AT_MOST_ONCE)),
    ),
    *(
        (
            _FAMILY_OF[reason],
            reason,
            (
                *(("classic", each) for each in AT_MOST_ONCE),
                *(("quorum", each) for each in (*AT_MOST_ONCE, AT_LEAST_ONCE)),
            ),
        )
        for reason in ("expired", "rejected")
    ),
    (
        _FAMILY_OF["delivery_limit"],
        "delivery_limit",
        tuple(("quorum", each) for each in (*AT_MOST_ONCE, AT_LEAST_ONCE)),
    ),
    (_FAMILY_OF["confirmed"], "confirmed", (("quorum", AT_LEAST_ONCE),)),
)
"""Families, the reasons that they count, and the types of queues and strategies for which they do."""


def at_least_once(queues: Mapping[tuple[str, str], int]) -> int:
    """The dead letters of that strategy, for any reason."""
    return sum(count for (_, name), count in queues.items() if name.startswith(f"dead_lettered_{AT_LEAST_ONCE}_"))


class GlobalSeries(NamedTuple):
    family: Family
    labels: str
    value: int


def global_series(protocol: Mapping[str, int], queues: Mapping[tuple[str, str], int]) -> Iterator[list[GlobalSeries]]:
    """The series of each family, of the counters of the protocol and of those by type of queue and name."""
    for family, name in OF_PROTOCOL:
        yield [GlobalSeries(family, labels(protocol=PROTOCOL), protocol.get(name, 0))]
    for family, name in OF_QUEUE_TYPE:
        yield [
            GlobalSeries(
                family, labels(protocol=PROTOCOL, queue_type=f"rabbit_{kind}_queue"), queues.get((kind, name), 0)
            )
            for kind in QUEUE_TYPES
        ]
    for family, reason, places in OF_DEAD_LETTERS:
        yield [
            GlobalSeries(
                family,
                labels(queue_type=f"rabbit_{kind}_queue", dead_letter_strategy=strategy),
                queues.get((kind, f"dead_lettered_{strategy}_{reason}"), 0),
            )
            for kind, strategy in places
        ]
