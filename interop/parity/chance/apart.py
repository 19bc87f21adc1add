"""Scripts about what newer versions of RabbitMQ do and amqpy does not; docs/compatibility.md says what that is."""

from collections.abc import Mapping
from typing import Any

from interop.parity.chance.steady import is_quorum
from interop.parity.chance.steps import Script
from interop.parity.scenario import within

HIGH_PRIORITY = 5


def is_taken_over(script: Script, version: str) -> bool:
    """Whether amqpy is to do what RabbitMQ of this version does."""
    quorum = {
        str(step["queue"]): step.arguments
        for step in script
        if step.action == "queue_declare" and is_quorum(step.arguments)
    }
    if within(version, "4.0", "") and any(leads_to(arguments, quorum) for arguments in quorum.values()):
        return False
    if within(version, "4.0", "4.3") and quorum:
        return not any(step.properties.get("priority", 0) >= HIGH_PRIORITY for step in script)
    return not (within(version, "4.3", "") and any("x-max-length-bytes" in each for each in quorum.values()))


def leads_to(arguments: Mapping[str, Any], queues: Mapping[str, object]) -> bool:
    """Whether dead letters may come to one of these queues, which takes them for delivered."""
    exchange, key = arguments.get("x-dead-letter-exchange"), arguments.get("x-dead-letter-routing-key")
    return exchange is not None and (exchange != "" or key is None or key in queues)
