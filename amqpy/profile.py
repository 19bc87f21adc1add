"""Where RabbitMQ's versions differ, and which of them a broker takes after.

A profile is a row of switches; whoever has to decide reads the switch, nobody asks for a version. The default,
`rabbitmq-3.13`, is what most applications run against.

Source: the release notes and sources of RabbitMQ 3.10, 3.13 and 4.3.
"""

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def _switch(doc: str) -> Any:  # noqa: ANN401 (a field of any type)
    return field(metadata={"doc": doc})


@dataclass(slots=True, frozen=True)
class Profile:
    """The switches. Each is a row of docs/compatibility.md."""

    version: str = _switch("version reported to clients, unless it is set")
    trusts_x_death: bool = _switch("dead-lettering continues the x-death that a publisher sent")
    notes_last_death: bool = _switch("dead letters have x-last-death-reason, -queue and -exchange")
    quorum_delivery_limit: int | None = _switch("x-delivery-limit of quorum queues that have none")
    quorum_counts_nacks: bool = _switch(
        "basic.nack and basic.recover count towards the delivery limit of quorum queues"
    )
    quorum_priorities: bool = _switch("quorum queues heed the priority of messages and of single active consumers")
    timeout_cancels: bool = _switch("consumer timeouts are for quorum queues, and end the consumer, not its channel")
    quorum_get_counts: bool = _switch("basic.get from a quorum queue shows x-delivery-count 0")
    policies_by_queue_type: bool = _switch("policies can be for queues of one type only (`apply-to`)")
    names_permission: bool = _switch("refusals name the permission that is missing: `configure access to …`")


PROFILES = {
    "rabbitmq-3.10": Profile(
        version="3.10.8",
        trusts_x_death=True,
        notes_last_death=False,
        quorum_delivery_limit=None,
        quorum_counts_nacks=True,
        quorum_priorities=False,
        timeout_cancels=False,
        quorum_get_counts=True,
        policies_by_queue_type=False,
        names_permission=False,
    ),
    "rabbitmq-3.13": Profile(
        version="3.13.7",
        trusts_x_death=True,
        notes_last_death=True,
        quorum_delivery_limit=None,
        quorum_counts_nacks=True,
        quorum_priorities=False,
        timeout_cancels=False,
        quorum_get_counts=False,
        policies_by_queue_type=True,
        names_permission=True,
    ),
    "rabbitmq-4": Profile(
        version="4.3.0",
        trusts_x_death=False,
        notes_last_death=True,
        quorum_delivery_limit=20,
        quorum_counts_nacks=False,
        quorum_priorities=True,
        timeout_cancels=True,
        quorum_get_counts=False,
        policies_by_queue_type=True,
        names_permission=True,
    ),
}


def documented() -> dict[str, str]:
    """What each switch is about, by its name."""
    return {each.name: each.metadata["doc"] for each in fields(Profile)}
