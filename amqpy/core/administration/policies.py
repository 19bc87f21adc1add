"""Policies: settings for queues and exchanges by name, which an administrator changes while they are in use.

Of the policies that match a name, one applies: the one with the highest priority (of equals, the first by name). Of
the operator policies, one more; where both have a key, `arguments.merged` decides. The keys for queues are in the table
of `arguments`; nothing here knows what any key means, but for `alternate-exchange`.

Matching is done when a policy or a queue changes, never for a message.

Source: `rabbit_policy`, `rabbit_policies`, `rabbit_amqqueue:is_policy_applicable`, `rabbit_mirror_queue_misc`,
`rabbit_federation_parameters`, `rabbit_sharding_policy_validator`, `rabbit_queue_location_validator`.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Final, NamedTuple

from amqpy.core.administration.erlang_terms import Atom, as_text, pairs, with_term
from amqpy.core.administration.ignored_policy_keys import CLASSIC_KEYS, FEATURES, Feature, locator
from amqpy.core.administration.validation import (
    Term,
    check,
    compile_pattern,
    errors_in_object,
    number,
)
from amqpy.core.argument_validators import is_text
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
    options_for,
    options_of,
    settings_of,
)
from amqpy.core.effective_policy import NO_POLICY, EffectivePolicy
from amqpy.core.exchanges import Exchange
from amqpy.core.queues.queue import Queue
from amqpy.patterns import Program, restored_pattern
from amqpy.profile import Profile

EXCHANGE: Final = "exchange"
"""The name of exchanges in `APPLY_TO`, beside the queue types."""

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
"""The queue types that can have a key. A policy with a key that a type cannot have does not apply to such queues."""


class Policy(NamedTuple):
    name: str
    pattern: str
    apply_to: str
    priority: float
    definition: Definition


# --- checks


def check_policy(name: str, value: object, profile: Profile, *, operator: bool) -> Policy:
    """Makes a policy of a JSON object. Raises AdministrationError."""
    terms = (
        Term("priority", number, mandatory=True),
        Term("pattern", _judge_pattern, mandatory=True),
        Term("apply-to", _judge_apply_to if profile.policies_by_queue_type else _judge_apply_to_all_types),
        Term("definition", partial(_judge_definition, _features(profile, operator=operator)), mandatory=True),
    )
    check(errors_in_object(name, terms, value))
    assert isinstance(value, dict)
    return Policy(name, value["pattern"], value.get("apply-to", "all"), value["priority"], dict(value["definition"]))


def _judge_pattern(key: str, value: Any) -> str | None:  # noqa: ANN401 (any JSON)
    if not isinstance(value, str) or isinstance(value, Atom):
        return with_term(f"{key} should be a binary but was ", value)
    try:
        compile_pattern(value)
    except ValueError as error:
        return with_term(f"{key} should be regular expression but is invalid: ", error.args[0])
    return None


def _judge_apply_to(key: str, value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, str) and value in APPLY_TO:
        return None
    known = "'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', or 'all'"
    return f"apply-to '{as_text(value)}' unrecognised; should be one of: {known}"


def _judge_apply_to_all_types(key: str, value: Any) -> str | None:  # noqa: ANN401
    if isinstance(value, str) and value in {"all", "queues", "exchanges"}:
        return None
    return f"apply-to '{as_text(value)}' unrecognised; should be 'queues', 'exchanges' or 'all'"


def _judge_definition(features: Iterable[Feature], key: str, definition: Any) -> str | None:  # noqa: ANN401
    """The first error in a definition, or None. Each part of RabbitMQ checks its own keys; then unknown keys are
    refused."""
    if isinstance(definition, Atom):
        return f"parse error while reading policy definition: {definition}. Validator: policy_validator."
    if not isinstance(definition, dict):
        return with_term("definition must be a dictionary: ", definition)
    if not definition:
        return "no policy provided"
    unknown = dict(definition)
    for feature in features:
        known = {key: unknown.pop(key) for key in sorted(feature.keys & unknown.keys())}
        if known and (error := feature.error_in(known)) is not None:
            return error
    return with_term("", pairs(unknown), " are not recognised policy settings") if unknown else None


def _features(profile: Profile, *, operator: bool) -> Iterable[Feature]:
    before, after = FEATURES
    own = _own(policy_keys(profile, operator=operator))
    if profile.mirroring:
        return (own,) if operator else (*before, own, *after)
    return (locator(profile), own) if operator else (locator(profile), *before, own)


def policy_keys(profile: Profile, *, operator: bool = False) -> Mapping[str, PolicyKey]:
    """The keys of policies, or of operator policies, for queues and exchanges."""
    keys = {option.name: option.policy for option in options_of(profile) if option.policy is not None} | EXCHANGE_KEYS
    keys |= {name: key for name, key in POLICY_ONLY.items() if name not in profile.lacking_options}
    if not operator:
        return keys
    return {name: key for name, key in keys.items() if key.operator or name in profile.operator_keys}


def _own(keys: Mapping[str, PolicyKey]) -> Feature:
    def judge(definition: Definition) -> str | None:
        for name, value in definition.items():
            if not keys[name].check(value):
                return with_term("", value, f" is not a valid {keys[name].noun}")
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


# --- matching


class _Rule(NamedTuple):
    """A policy prepared for matching. Rules are sorted: the first that matches applies."""

    rank: float
    name: str
    policy: Policy
    pattern: Program
    kinds: frozenset[str]
    """The queue types it applies to, and EXCHANGE."""


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
    """The policies of one kind in a virtual host. `spend` is told the units of work that long searches take."""

    def __init__(
        self, types: Mapping[str, frozenset[str]] = _TYPES, spend: Callable[[int], object] | None = None
    ) -> None:
        self._rules: list[_Rule] = []
        self._types = types
        self._spend = spend

    def __iter__(self) -> Iterator[Policy]:
        """Yields the policies in the order of matching."""
        return (rule.policy for rule in self._rules)

    def copy(self) -> "Policies":
        """A copy that does not change with these."""
        copied = Policies(self._types, self._spend)
        copied._rules = list(self._rules)
        return copied

    def find(self, name: str) -> Policy | None:
        return next((policy for policy in self if policy.name == name), None)

    def put(self, policy: Policy) -> None:
        """Adds a policy, or replaces the one of the same name."""
        self.remove(policy.name)
        kinds = APPLY_TO[policy.apply_to]
        for key in policy.definition:
            kinds = kinds & (self._types.get(key, kinds) | {EXCHANGE})
        insort(self._rules, _Rule(-policy.priority, policy.name, policy, restored_pattern(policy.pattern), kinds))

    def remove(self, name: str) -> None:
        self._rules = [rule for rule in self._rules if rule.name != name]

    def match(self, kind: str, name: str) -> Policy | None:
        """The policy that applies to a queue of this type, or to an EXCHANGE; None if none does."""
        for rule in self._rules:
            if kind in rule.kinds and rule.pattern.search(name, self._spend):
                return rule.policy
        return None


class PolicySet:
    """Both kinds of policies of a virtual host."""

    def __init__(self, profile: Profile, spend: Callable[[int], object]) -> None:
        types = _types_of(profile)
        self.policies = Policies(types, spend)
        self.operator_policies = Policies(types, spend)

    def apply_to_queue(self, queue: Queue, *, new: bool = False) -> None:
        """Configures the queue, if it is new or its merged definition has changed."""
        before, queue.policy = queue.policy, self._rule(queue.type, queue.name)
        if new or queue.policy.definition != before.definition:
            options = options_for(queue.type, queue.vhost.profile)
            queue.configure(settings_of(queue.arguments, queue.policy.definition, options))

    def apply_to_exchange(self, exchange: Exchange) -> bool:
        """Configures the exchange, if its merged definition has changed. True if it has."""
        before, exchange.policy = exchange.policy, self._rule(EXCHANGE, exchange.name)
        if exchange.policy.definition == before.definition:
            return False
        exchange.configure(exchange.policy.definition)
        return True

    def _rule(self, kind: str, name: str) -> EffectivePolicy:
        policy = self.policies.match(kind, name)
        operator_policy = self.operator_policies.match(kind, name)
        if policy is None and operator_policy is None:
            return NO_POLICY
        return EffectivePolicy(
            policy and policy.name,
            operator_policy and operator_policy.name,
            merged(policy.definition if policy else {}, operator_policy.definition if operator_policy else {}),
        )
