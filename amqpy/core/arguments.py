"""Arguments and policy keys of queues and exchanges: THE table.

An option is one row: the values it takes, the queue types that know it, its policy key, how an argument and a policy
that disagree are merged, and the setting it ends in. Declaring, redeclaring, policies, the documentation and the
queues themselves all read this table. Unknown arguments are kept and shown, never compared: so an application may
declare a queue with an argument of its own on one side only.

Source: `rabbit_amqqueue:declare_args`, `rabbit_classic_queue:capabilities`, `rabbit_quorum_queue:capabilities`,
`rabbit_amqqueue_process:process_args_policy`, `rabbit_policies`, `rabbit_misc:assert_args_equivalence`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from amqpy.core.argument_validators import (
    Check,
    PolicyCheck,
    among,
    at_least,
    boolean,
    dead_letter_key,
    integer,
    is_integer,
    is_max_age,
    is_text,
    longstr,
    max_age,
    natural,
    one_of,
    positive,
    priority,
    queue_expiry,
    stream_offset,
    time_to_live,
    version_among,
)
from amqpy.errors import PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import INTEGER_KINDS, Field, Table

CLASSIC, QUORUM, STREAM = "classic", "quorum", "stream"

Definition: TypeAlias = Mapping[str, Any]
"""A policy's definition: JSON values by key."""


class PolicyKey(NamedTuple):
    """A key of policies. `noun` completes "… is not a valid …"."""

    check: PolicyCheck
    noun: str
    by: frozenset[str]
    """The queue types it applies to; a policy with a key that a type does not know is not for queues of that type."""
    operator: bool = False
    """True if an operator policy may have it."""
    greatest: bool = False
    """True if the greater value of a policy and an operator policy applies."""


# --- the table

OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
STRATEGIES = ("at-most-once", "at-least-once")
RETRIES = ("all", "failed", "returned", "disabled")
LOCATORS = ("client-local", "balanced", "random", "least-leaders")
QUEUE_TYPES_KNOWN = (CLASSIC, QUORUM, STREAM)
SEGMENT_BYTES_MAX = 3_000_000_000


class Option(NamedTuple):
    """A row. Its argument is `x-` and the name, its policy key the name itself."""

    name: str
    check: Check | None
    """None: any value is taken, as RabbitMQ does."""
    by: frozenset[str]
    """The queue types whose declaration knows the argument; empty: any, and none compares it."""
    setting: str | None = None
    """The field of Settings it sets; None: accepted, and without effect here."""
    policy: PolicyKey | None = None
    merge: Literal["argument", "policy", "least"] = "argument"
    """The one that applies when both an argument and a policy are given; or the least of them."""

    @property
    def argument(self) -> str:
        return f"x-{self.name}"


def _types(*names: str) -> frozenset[str]:
    return frozenset(names)


_C, _Q, _S = _types(CLASSIC), _types(QUORUM), _types(STREAM)
_CQ, _QS, _CQS = _C | _Q, _Q | _S, _C | _Q | _S


def _limit(name: str, check: Check, by: frozenset[str], setting: str, noun: str, low: int = 0) -> Option:
    return Option(name, check, by, setting, PolicyKey(at_least(low), noun, by, operator=True), merge="least")


QUEUE_OPTIONS: Final = (
    _limit("expires", queue_expiry, _CQ, "expires_ms", "queue expiry", low=1),
    _limit("message-ttl", time_to_live, _CQ, "message_ttl_ms", "message TTL"),
    Option(
        "dead-letter-exchange",
        longstr,
        _CQ,
        "dead_letter_exchange",
        PolicyKey(is_text, "dead letter exchange name", _CQ),
    ),
    Option(
        "dead-letter-routing-key",
        dead_letter_key,
        _CQ,
        "dead_letter_routing_key",
        PolicyKey(is_text, "dead letter routing key", _CQ),
    ),
    Option(
        "dead-letter-strategy",
        one_of(STRATEGIES, "invalid_dlx_strategy"),
        _Q,
        "dead_letter_strategy",
        PolicyKey(among(*STRATEGIES), "dead letter strategy", _Q),
    ),
    _limit("max-length", natural, _CQ, "max_length", "maximum length"),
    _limit("max-length-bytes", natural, _CQS, "max_length_bytes", "maximum length in bytes"),
    Option(
        "max-in-memory-length",
        natural,
        _Q,
        policy=PolicyKey(at_least(0), "maximum memory in bytes", _CQ, operator=True),
        merge="least",
    ),
    Option(
        "max-in-memory-bytes",
        natural,
        _Q,
        policy=PolicyKey(at_least(0), "maximum memory in bytes", _CQ, operator=True),
        merge="least",
    ),
    Option("max-priority", priority, _C, "max_priority"),
    Option(
        "overflow",
        one_of(OVERFLOWS, "invalid_overflow"),
        _CQ,
        "overflow",
        PolicyKey(among(*OVERFLOWS), "overflow value", _CQ),
    ),
    Option(
        "queue-mode",
        one_of(("default", "lazy"), "\"unsupported queue mode '~'\""),
        _C,
        policy=PolicyKey(among("default", "lazy"), "queue-mode value", _C),
    ),
    Option("queue-version", version_among((1, 2)), _C, policy=PolicyKey(among(1, 2), "queue-version value", _CQS)),
    Option("single-active-consumer", boolean, _CQ, "single_active"),
    Option("queue-type", one_of(QUEUE_TYPES_KNOWN, "\"unsupported queue type '~'\""), _CQS),
    Option("quorum-initial-group-size", positive, _Q),
    Option("max-age", max_age, _S, "max_age", PolicyKey(is_max_age, "max age", _S), merge="policy"),
    Option(
        "stream-max-segment-size-bytes",
        natural,
        _S,
        "segment_bytes",
        policy=PolicyKey(at_least(0, SEGMENT_BYTES_MAX), "segment size", _S),
        merge="policy",
    ),
    Option(
        "stream-filter-size-bytes",
        None,  # looked at with the segment size, after all others
        _S,
        "filter_bytes",
        policy=PolicyKey(at_least(16, 255), "filter size. Valid range is 16-255", _CQS),
        merge="policy",
    ),
    Option("initial-cluster-size", positive, _S, policy=PolicyKey(at_least(0), "cluster size", _S)),
    Option("queue-master-locator", None, _C),
    Option(
        "queue-leader-locator",
        one_of(LOCATORS, "invalid_queue_locator_arg"),
        _QS,
        policy=PolicyKey(among(*LOCATORS), "queue leader locator value", _QS),
    ),
    Option(
        "delivery-limit",
        None,
        _Q,
        "delivery_limit",
        PolicyKey(at_least(0), "delivery limit", _Q, operator=True),
        merge="least",
    ),
    Option(
        "consumer-disconnected-timeout",
        natural,
        _Q,
        policy=PolicyKey(at_least(0), "consumer disconnected timeout", _CQS),
    ),
    Option(
        "consumer-timeout",
        natural,
        frozenset(),
        "consumer_timeout_ms",
        PolicyKey(at_least(0), "consumer timeout", _CQS),
        merge="least",
    ),
    Option(
        "delayed-retry-type",
        one_of(RETRIES, "invalid_delayed_retry_type"),
        frozenset(),
        "retry_type",
        PolicyKey(
            among(*RETRIES),
            f"delayed retry type. Must be one of: {', '.join(RETRIES)}",
            _Q,
            operator=True,
        ),
        merge="policy",
    ),
    Option(
        "delayed-retry-min",
        natural,
        frozenset(),
        "retry_min_ms",
        PolicyKey(
            at_least(1),
            "delayed retry minimum delay. Must be a positive integer",
            _Q,
            operator=True,
            greatest=True,
        ),
        merge="least",
    ),
    Option(
        "delayed-retry-max",
        natural,
        frozenset(),
        "retry_max_ms",
        PolicyKey(at_least(1), "delayed retry maximum delay. Must be a positive integer", _Q, operator=True),
        merge="least",
    ),
    Option("message-deduplication", None, frozenset(), "deduplicates"),
)

EXCHANGE_ARGUMENTS = ("alternate-exchange",)

_QUORUM_ORDER: Final = (
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dead-letter-strategy",
    "expires",
    "max-length",
    "max-length-bytes",
    "max-in-memory-length",
    "max-in-memory-bytes",
    "overflow",
    "single-active-consumer",
    "queue-type",
    "quorum-initial-group-size",
    "delivery-limit",
    "message-ttl",
    "queue-leader-locator",
)
"""The order in which the arguments of quorum queues are compared; any others come after these."""

POLICY_ONLY: Final = {
    "target-group-size": PolicyKey(at_least(1), "qq target count value", _Q, operator=True, greatest=True)
}
"""Policy keys of queues without an argument. Accepted, and without effect here."""

POLICY_KEYS: Final = {option.name: option.policy for option in QUEUE_OPTIONS if option.policy is not None} | POLICY_ONLY
"""All policy keys of queues."""


# --- the table as a profile has it


@cache
def options_of(profile: Profile) -> tuple[Option, ...]:
    """The rows of the table as a profile has them."""
    return tuple(_option(option, profile) for option in QUEUE_OPTIONS if option.name not in profile.lacking_options)


@cache
def options_for(kind: str, profile: Profile) -> tuple[Option, ...]:
    """The rows of the table for the settings of queues of a type: a policy wins over the arguments of a stream."""
    options = options_of(profile)
    return tuple(option._replace(merge="policy") for option in options) if kind == STREAM else options


def _option(option: Option, profile: Profile) -> Option:
    if option.name in profile.quorum_options:
        option = option._replace(by=_Q)
    elif option.name in profile.classic_options:
        option = option._replace(by=option.by | _C)
    match option:
        case Option("queue-mode") if not profile.checks_queue_mode:
            return option._replace(check=None)
        case Option("queue-leader-locator"):
            locators = (*LOCATORS, *profile.more_locators)
            return option._replace(check=one_of(locators, "invalid_queue_locator_arg"))
        case Option("queue-type"):
            known = (*QUEUE_TYPES_KNOWN, *profile.types_that_are_none)
            return option._replace(check=one_of(known, "\"unsupported queue type '~'\""))
        case Option("queue-version"):
            return option._replace(check=version_among(profile.queue_versions))
        case Option("consumer-timeout") if QUORUM not in option.by:
            return option._replace(check=None)
        case Option(name) if name.startswith("delayed-retry") and name not in profile.quorum_options:
            # Versions that do not know it accept it as an argument, and refuse it in a policy.
            return option._replace(policy=None)
        case Option("delivery-limit", policy=PolicyKey() as key) if profile.negative_delivery_limit:
            return option._replace(policy=key._replace(check=is_integer))
    return option


@cache
def compared_arguments(kind: str, profile: Profile) -> tuple[str, ...]:
    """The arguments of a queue type that a redeclaration must repeat, in the order in which they are compared."""
    names = [option.name for option in options_of(profile) if kind in option.by]
    if kind == QUORUM:
        names = [*_QUORUM_ORDER, *(name for name in names if name not in _QUORUM_ORDER)]
    return tuple(f"x-{name}" for name in names)


@cache
def _foreign_arguments(kind: str, profile: Profile) -> frozenset[str]:
    return frozenset(option.argument for option in options_of(profile) if option.by and kind not in option.by)


@cache
def _consumer_options_of(profile: Profile) -> tuple[Option, ...]:
    of_streams = ("stream-filter", "stream-match-unfiltered")
    return (
        Option("priority", integer, _CQ),
        *((Option("cancel-on-ha-failover", boolean, _C),) if profile.mirroring else ()),
        *((Option("consumer-timeout", natural, _Q),) if profile.timeout_cancels else ()),
        Option("stream-offset", stream_offset, _S),
        *(Option(name, None, _S) for name in of_streams if name not in profile.lacking_options),
    )


# --- settings


class Settings(NamedTuple):
    """The settings of one queue, from arguments and policies together. None is no limit."""

    expires_ms: int | None = None
    message_ttl_ms: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    dead_letter_strategy: str = "at-most-once"
    max_length: int | None = None
    max_length_bytes: int | None = None
    overflow: str = "drop-head"
    max_priority: int | None = None
    single_active: bool = False
    delivery_limit: int | None = None
    consumer_timeout_ms: int | None = None
    retry_type: str = "disabled"
    retry_min_ms: int | None = None
    retry_max_ms: int | None = None
    deduplicates: bool = False
    max_age: str | None = None
    segment_bytes: int | None = None
    filter_bytes: int | None = None

    @property
    def concern_publish(self) -> bool:
        """True if a publish must look at them: any that is set does, unless it is one of `NOT_OF_PUBLISH`."""
        if self is NO_SETTINGS:
            return False
        pairs = zip(self._fields, self, NO_SETTINGS, strict=True)
        return any(value != default and name not in NOT_OF_PUBLISH for name, value, default in pairs)


NO_SETTINGS = Settings()
"""The settings of a queue without arguments and policies."""

NOT_OF_PUBLISH: Final = frozenset(
    (
        "expires_ms",
        *("dead_letter_exchange", "dead_letter_routing_key", "dead_letter_strategy"),
        "overflow",  # without a limit
        "single_active",
        "delivery_limit",
        "consumer_timeout_ms",
        "retry_type",
        "retry_min_ms",
        "retry_max_ms",
        *("max_age", "segment_bytes", "filter_bytes"),
    )
)
"""Settings without a say where a message is published. What is not named here goes the careful way: so a new setting
cannot be forgotten on the fast one."""


def settings_of(arguments: Table, policy: Definition, options: Iterable[Option] = QUEUE_OPTIONS) -> Settings:
    """The settings of a queue with these (checked) arguments, under a policy's definition (see `merged`)."""
    if not arguments and not policy:
        return NO_SETTINGS
    found: dict[str, Any] = {}
    for option in options:
        if option.setting is None:
            continue
        field = arguments.get(option.argument)
        said = None if option.policy is None else policy.get(option.name)
        if field is None and said is None:
            continue
        value = _setting(option.setting, field) if field is not None else None
        if value is None:
            value = said
        elif said is not None and option.merge == "least":
            value = min(value, said)
        elif said is not None and option.merge == "policy":
            value = said
        if value is not None:
            found[option.setting] = value
    return Settings(**found)


def _setting(name: str, field: Field) -> Any:  # noqa: ANN401 (as the setting has it)
    """The value of an argument; None if its type does not fit (only for arguments that are not checked)."""
    wanted = type(Settings._field_defaults[name])
    if wanted is bool:
        return field.value is True
    if field.kind in INTEGER_KINDS or field.kind == "longstr":
        return field.value if (field.kind == "longstr") == (name in _TEXTS) else None
    return None


_TEXTS = frozenset(
    ("dead_letter_exchange", "dead_letter_routing_key", "dead_letter_strategy", "overflow", "retry_type", "max_age")
)


def merged(policy: Definition, operator: Definition) -> dict[str, Any]:
    """Merges the definitions of a policy and an operator policy: where both have a key, the operator's value applies,
    or for some keys the least or the greatest. Less than 0 is no limit, and so more than any."""
    result = dict(policy)
    greatest = {name for name, key in POLICY_KEYS.items() if key.greatest}
    least = {option.name for option in QUEUE_OPTIONS if option.merge == "least"} - greatest
    for key, value in operator.items():
        ours = result.get(key)
        if key in least and ours is not None:
            value = max(ours, value) if min(ours, value) < 0 else min(ours, value)
        elif key in greatest and ours is not None:
            value = max(ours, value)
        result[key] = value
    return result


# --- declaring


def check_queue_arguments(what: str, arguments: Table, default_type: str, profile: Profile) -> str:
    """Checks a queue's arguments and returns its type. Raises PreconditionFailed, in RabbitMQ's order.

    `what` is `queue 'q' in vhost '/'`.
    """
    if not arguments:
        return default_type
    options = options_of(profile)
    _check_values(what, arguments, (option for option in options if option.name == "queue-type"))
    field = arguments.get("x-queue-type")
    kind: str = default_type if field is None or field.value in profile.types_that_are_none else field.value
    _check_values(what, arguments, (option for option in options if not option.by or kind in option.by))
    _check_foreign(what, kind, arguments, _foreign_arguments(kind, profile))
    return kind


def check_consumer_arguments(what: str, kind: str, arguments: Table, profile: Profile) -> int:
    """Checks a consumer's arguments and returns its priority. Raises PreconditionFailed. `kind` is the queue's type."""
    if not arguments:
        return 0
    options = _consumer_options_of(profile)
    _check_values(what, arguments, (option for option in options if kind in option.by))
    _check_foreign(what, kind, arguments, frozenset(option.argument for option in options if kind not in option.by))
    field = arguments.get("x-priority")
    return 0 if field is None else int(field.value)


def _check_foreign(what: str, kind: str, arguments: Table, foreign: frozenset[str]) -> None:
    for argument in arguments:
        if argument in foreign:
            raise PreconditionFailed(f"invalid arg '{argument}' for {what} of queue type rabbit_{kind}_queue")


def _check_values(what: str, arguments: Table, options: Iterable[Option]) -> None:
    for option in options:
        field = arguments.get(option.argument)
        if field is None or option.check is None:
            continue
        term = option.check(field, arguments)
        if term is not None:
            raise PreconditionFailed(f"invalid arg '{option.argument}' for {what}: {term}")


# --- declaring again
