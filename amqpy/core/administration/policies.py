"""Policies: settings for queues and exchanges by name, which an administrator changes while they are in use.

Of the policies that match a name, one counts: the one with the highest priority (of equals, the first by name). Of
the operator policies, one more; where both say something, `arguments.merged` decides. What a policy may say of queues
is in the table of `arguments`; nothing here knows what any key means, but for `alternate-exchange`.

Matching is done when a policy or a queue changes, never for a message.

Source: `rabbit_policy`, `rabbit_policies`, `rabbit_amqqueue:is_policy_applicable`, `rabbit_mirror_queue_misc`,
`rabbit_federation_parameters`, `rabbit_sharding_policy_validator`, `rabbit_queue_location_validator`.
"""

import re
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amqpy.core.administration.policy_features import CLASSIC_KEYS, FEATURES, Feature
from amqpy.core.administration.validation import (
    Term,
    as_erlang_pairs,
    as_erlang_term,
    check,
    compile_pattern,
    judge_object,
    number,
)
from amqpy.core.arguments import (
    CLASSIC,
    POLICY_KEYS,
    POLICY_ONLY,
    QUEUE_TYPES_KNOWN,
    QUORUM,
    STREAM,
    Definition,
    PolicyKey,
    merged,
    options_of,
    settings_of,
)
from amqpy.core.option_values import is_text
from amqpy.profile import Profile

if TYPE_CHECKING:
    from amqpy.core.exchanges import Exchange
    from amqpy.core.queues.queue import Queue

EXCHANGE: Final = "exchange"
"""What an exchange is to `apply-to`, beside the types of queues."""

APPLY_TO: Final = {
    "all": frozenset((*QUEUE_TYPES_KNOWN, EXCHANGE)),
    "queues": frozenset(QUEUE_TYPES_KNOWN),
    "exchanges": frozenset((EXCHANGE,)),
    "classic_queues": frozenset((CLASSIC,)),
    "quorum_queues": frozenset((QUORUM,)),
    "streams": frozenset((STREAM,)),
}

EXCHANGE_KEYS: Final = {"alternate-exchange": PolicyKey(is_text, "alternate exchange name", APPLY_TO["all"])}

_TYPES: Final = {name: key.by for name, key in POLICY_KEYS.items()} | dict.fromkeys(CLASSIC_KEYS, frozenset((CLASSIC,)))
"""The types of queues that can have a key. A policy with a key that a type cannot have is not for such queues."""


class Policy(NamedTuple):
    name: str
    pattern: str
    apply_to: str
    priority: float
    definition: Definition


# --- what may be said


def check_policy(name: str, value: object, profile: Profile, *, operator: bool) -> Policy:
    """The policy that a JSON object describes. Raises AdministrationError."""
    terms = (
        Term("priority", number, mandatory=True),
        Term("pattern", _judge_pattern, mandatory=True),
        Term("apply-to", _judge_apply_to if profile.policies_by_queue_type else _judge_apply_to_all_types),
        Term("definition", partial(_judge_definition, _features(profile, operator=operator)), mandatory=True),
    )
    check(judge_object(name, terms, value))
    assert isinstance(value, dict)
    return Policy(name, value["pattern"], value.get("apply-to", "all"), value["priority"], dict(value["definition"]))


def _judge_pattern(key: str, value: Any) -> str | None:  # noqa: ANN401 (any JSON)
    if not isinstance(value, str):
        return f"{key} should be a binary but was {as_erlang_term(value)}"
    try:
        compile_pattern(value)
    except ValueError as error:
        return f"{key} should be regular expression but is invalid: {error}"
    return None


def _judge_apply_to(key: str, value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, str) and value in APPLY_TO:
        return None
    known = "'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'"
    shown = value if isinstance(value, str) else as_erlang_term(value)
    return f"apply-to '{shown}' unrecognised; should be one of: {known}"


def _judge_apply_to_all_types(key: str, value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, str) and value in {"all", "queues", "exchanges"}:
        return None
    shown = value if isinstance(value, str) else as_erlang_term(value)
    return f"apply-to '{shown}' unrecognised; should be 'queues', 'exchanges' or 'all'"


def _judge_definition(features: Iterable[Feature], key: str, definition: Any) -> str | None:  # noqa: ANN401
    """What is wrong first. Each part of RabbitMQ judges the keys it knows; then comes what nobody knows."""
    if not isinstance(definition, dict):
        return f"definition must be a dictionary: {as_erlang_term(definition)}"
    if not definition:
        return "no policy provided"
    unknown = dict(definition)
    for feature in features:
        known = {key: unknown.pop(key) for key in sorted(feature.keys & unknown.keys())}
        if known and (error := feature.judge(known)) is not None:
            return error
    return f"{as_erlang_pairs(unknown)} are not recognised policy settings" if unknown else None


def _features(profile: Profile, *, operator: bool) -> Iterable[Feature]:
    before, after = FEATURES
    own = _own(policy_keys(profile, operator=operator))
    if operator:
        return (own,)
    return (*before, own, *(after if profile.mirroring else ()))


def policy_keys(profile: Profile, *, operator: bool = False) -> Mapping[str, PolicyKey]:
    """What policies, or operator policies, may say of queues and exchanges."""
    keys = {option.name: option.policy for option in options_of(profile) if option.policy is not None} | EXCHANGE_KEYS
    keys |= {name: key for name, key in POLICY_ONLY.items() if name not in profile.lacking_options}
    if not operator:
        return keys
    return {name: key for name, key in keys.items() if key.operator or name in profile.operator_keys}


def _own(keys: Mapping[str, PolicyKey]) -> Feature:
    def judge(definition: Definition) -> str | None:
        for name, value in definition.items():
            if not keys[name].check(value):
                return f"{as_erlang_term(value)} is not a valid {keys[name].noun}"
        return _retry_conflict(definition)

    return Feature(frozenset(keys), judge)


def _retry_conflict(definition: Definition) -> str | None:
    kind = definition.get("delayed-retry-type", "disabled")
    least, most = definition.get("delayed-retry-min"), definition.get("delayed-retry-max")
    if kind != "disabled" and least is None:
        return f"delayed-retry-min is required when delayed-retry-type is {kind}"
    if least is not None and most is not None and most < least:
        return f"delayed-retry-max ({most}) must not be smaller than delayed-retry-min ({least})"
    return None


# --- which one counts


class _Rule(NamedTuple):
    """A policy, ready to be asked. Rules are sorted by what comes first."""

    rank: float
    name: str
    policy: Policy
    pattern: re.Pattern[str]
    kinds: frozenset[str]
    """The types of queues it is for, and EXCHANGE."""


@cache
def _types_of(profile: Profile) -> Mapping[str, frozenset[str]]:
    """The same as a profile has it."""
    types = dict(_TYPES)
    for key in profile.classic_options:
        types[key] = types[key] | {CLASSIC}
    for key in profile.not_classic_keys:
        types[key] = types[key] - {CLASSIC}
    return types


class Policies:
    """The policies of one kind in a virtual host."""

    def __init__(self, types: Mapping[str, frozenset[str]] = _TYPES) -> None:
        self._rules: list[_Rule] = []
        self._types = types

    def __iter__(self) -> Iterator[Policy]:
        """In the order in which they are asked."""
        return (rule.policy for rule in self._rules)

    def copy(self) -> "Policies":
        """The same policies, whatever happens to these."""
        copied = Policies(self._types)
        copied._rules = list(self._rules)
        return copied

    def find(self, name: str) -> Policy | None:
        return next((policy for policy in self if policy.name == name), None)

    def put(self, policy: Policy) -> None:
        """A new policy, or one instead of the policy of the same name."""
        self.remove(policy.name)
        kinds = APPLY_TO[policy.apply_to]
        for key in policy.definition:
            kinds = kinds & (self._types.get(key, kinds) | {EXCHANGE})
        insort(self._rules, _Rule(-policy.priority, policy.name, policy, compile_pattern(policy.pattern), kinds))

    def remove(self, name: str) -> None:
        self._rules = [rule for rule in self._rules if rule.name != name]

    def match(self, kind: str, name: str) -> Policy | None:
        """The policy that counts for a queue of this type, or for an EXCHANGE."""
        for rule in self._rules:
            if kind in rule.kinds and rule.pattern.search(name):
                return rule.policy
        return None


class Ruling(NamedTuple):
    """Which policies count for a queue or an exchange, and what they say together."""

    policy: str | None
    operator_policy: str | None
    definition: Definition


NO_RULING: Final = Ruling(None, None, {})


class Rules:
    """Both kinds of policies of a virtual host, and what they come to."""

    def __init__(self, profile: Profile) -> None:
        types = _types_of(profile)
        self.policies = Policies(types)
        self.operator_policies = Policies(types)

    def govern_queue(self, queue: "Queue", *, new: bool = False) -> None:
        """Tells the queue its settings, if it is new or what policies say of it has changed."""
        before, queue.ruling = queue.ruling, self._rule(queue.type, queue.name)
        if new or queue.ruling.definition != before.definition:
            options = options_of(queue.vhost.profile)
            queue.configure(settings_of(queue.arguments, queue.ruling.definition, options))

    def govern_exchange(self, exchange: "Exchange") -> bool:
        """Whether there is anything new for the exchange."""
        before, exchange.ruling = exchange.ruling, self._rule(EXCHANGE, exchange.name)
        if exchange.ruling.definition == before.definition:
            return False
        exchange.configure(exchange.ruling.definition)
        return True

    def _rule(self, kind: str, name: str) -> Ruling:
        policy = self.policies.match(kind, name)
        operator_policy = self.operator_policies.match(kind, name)
        if policy is None and operator_policy is None:
            return NO_RULING
        return Ruling(
            policy and policy.name,
            operator_policy and operator_policy.name,
            merged(policy.definition if policy else {}, operator_policy.definition if operator_policy else {}),
        )
