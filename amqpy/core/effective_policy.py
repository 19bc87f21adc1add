"""The policy that applies to a queue or an exchange (`effective_policy_definition` in RabbitMQ's management API)."""

from typing import Final, NamedTuple

from amqpy.core.arguments import Definition


class EffectivePolicy(NamedTuple):
    """The names of the policies that apply to a queue or an exchange, and their merged definition."""

    policy: str | None
    operator_policy: str | None
    definition: Definition


NO_POLICY: Final = EffectivePolicy(None, None, {})
