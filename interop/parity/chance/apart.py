"""Scripts about what newer versions of RabbitMQ do and amqpy does not; docs/compatibility.md says what that is."""

from collections.abc import Mapping
from typing import Any

from interop.parity.chance.steady import has_soon, is_quorum, is_short_lived
from interop.parity.chance.steps import Script
from interop.parity.scenario import within

HIGH_PRIORITY = 5


def is_taken_over(script: Script, version: str) -> bool:
    """Whether amqpy is to do what RabbitMQ of this version does."""
    declared = [(str(step["queue"]), step.arguments) for step in script if step.action == "queue_declare"]
    quorum = {queue: arguments for queue, arguments in declared if is_quorum(arguments)}
    for _, arguments in declared if quorum else ():
        # Quorum queues tell the next one that a dead letter was delivered, all queues do from 4.3 on.
        since = "4.0" if is_quorum(arguments) else "4.3"
        if within(version, since, "") and leads_to(arguments, quorum):
            return False
    if within(version, "4.0", "4.3") and quorum:
        return not any(step.properties.get("priority", 0) >= HIGH_PRIORITY for step in script)
    if within(version, "4.3", "") and quorum:
        if any("x-single-active-consumer" in each for each in quorum.values()) and any(
            "x-priority" in step.arguments for step in script
        ):
            return False
        has_levels = any("priority" in step.properties for step in script)
        may_expire = any(map(has_soon, script)) or any(map(is_short_lived, quorum.values()))
        return not (has_levels and may_expire) and not any("x-max-length-bytes" in each for each in quorum.values())
    return True


def leads_to(arguments: Mapping[str, Any], queues: Mapping[str, object]) -> bool:
    """Whether dead letters may come to one of these queues."""
    exchange, key = arguments.get("x-dead-letter-exchange"), arguments.get("x-dead-letter-routing-key")
    return exchange is not None and (exchange != "" or key is None or key in queues)
