"""Policy keys without effect here: those of mirroring, federation and sharding.

RabbitMQ has them, and so have existing definitions that are imported. They are checked as RabbitMQ checks them, kept
and shown, without effect. A feature checks its keys together, because they depend on each other.

Source: `rabbit_mirror_queue_misc`, `rabbit_mirror_queue_mode_*`, `rabbit_queue_location_validator`,
`rabbit_federation_parameters`, `rabbit_sharding_policy_validator`.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from amqpy.core.administration.erlang_terms import Atom, with_term
from amqpy.core.administration.validation import compile_pattern, number, text
from amqpy.core.arguments import LOCATORS, Definition
from amqpy.profile import Profile

MIRRORING_KEYS: Final = (
    "ha-mode",
    "ha-params",
    "ha-sync-mode",
    "ha-sync-batch-size",
    "ha-promote-on-shutdown",
    "ha-promote-on-failure",
)

CLASSIC_KEYS: Final = frozenset((*MIRRORING_KEYS, "queue-master-locator")) - {"ha-sync-batch-size"}
"""A policy with one of these applies to classic queues only."""


class Feature(NamedTuple):
    """Policy keys and their check: `error_in` gets those that are set, and returns the first error, or None."""

    keys: frozenset[str]
    error_in: Callable[[Definition], str | None]


def _judge_locator(definition: Definition) -> str | None:
    value = definition["queue-master-locator"]
    known = value in {"min-masters", "client-local", "random"} if isinstance(value, str) else False
    return None if known else with_term("", value, " invalid queue-master-locator value")


def locator(profile: Profile) -> Feature:
    """The locator in versions in which classic queues look at it, in policies of the operator, too."""

    def judge(definition: Definition) -> str | None:
        value = definition["queue-master-locator"]
        if profile.master_locator_denied != "no":
            return "use of deprecated queue-master-locator argument is not permitted"
        known = value in {*LOCATORS, "min-masters"} if isinstance(value, str) else False
        return None if known else with_term("", value, " is not a valid master locator")

    return Feature(frozenset(("queue-master-locator",)), judge)


def _judge_sharding(definition: Definition) -> str | None:
    if "shards-per-node" not in definition:
        return "shards-per-node must be specified"
    shards = definition["shards-per-node"]
    if (error := number("shards-per-node", shards)) is not None:
        return error
    if shards < 0:
        return f"shards-per-node should be greater than 0, actually was {shards}"
    return text("routing-key", definition["routing-key"]) if "routing-key" in definition else None


def _judge_federation(definition: Definition) -> str | None:
    if len(definition) > 1:
        return "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together"
    ((key, value),) = definition.items()
    if not isinstance(value, str):
        noun = {"federation-upstream-set": "upstream set", "federation-upstream-pattern": "upstream pattern"}
        return with_term("", value, f" is not a valid federation {noun.get(key, 'upstream')} name")
    if key == "federation-upstream-pattern":
        try:
            compile_pattern(value)
        except ValueError as error:
            return with_term(f"could not compile pattern {value} to a regular expression. Error: ", error.args[0])
    return None


def _judge_mirroring(definition: Definition) -> str | None:
    if "ha-mode" not in definition:
        return "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown"
    return _judge_mode(definition) or next(filter(None, _judge_synchronising(definition)), None)


def _judge_mode(definition: Definition) -> str | None:
    mode, parameters = definition["ha-mode"], definition.get("ha-params")
    given = parameters if "ha-params" in definition else Atom("none")
    match mode:
        case "all":
            return 'ha-mode="all" does not take parameters' if "ha-params" in definition else None
        case "exactly":
            wanted, fits = "an integer", type(parameters) is int and parameters > 0
        case "nodes":
            wanted, fits = "a list", isinstance(parameters, list) and bool(parameters)
        case _:
            return with_term("", mode, " is not a valid ha-mode value")
    return None if fits else with_term(f'ha-mode="{mode}" takes {wanted}, ', given, " given")


def _judge_synchronising(definition: Definition) -> Iterable[str | None]:
    yield _one_of("ha-sync-mode", ("manual", "automatic"), definition)
    size = definition.get("ha-sync-batch-size", 1)
    if type(size) is not int or size < 1:
        yield with_term("ha-sync-batch-size takes an integer greater than 0, ", size, " given")
    yield _one_of("ha-promote-on-shutdown", ("always", "when-synced"), definition)
    yield _one_of("ha-promote-on-failure", ("always", "when-synced"), definition)


def _one_of(key: str, known: tuple[str, str], definition: Definition) -> str | None:
    if key not in definition or definition[key] in known:
        return None
    one, other = known
    return with_term(f'{key} must be "{one}" or "{other}", got ', definition[key])


FEDERATION_KEYS = frozenset(("federation-upstream", "federation-upstream-set", "federation-upstream-pattern"))

FEATURES: Final = (
    (
        Feature(frozenset(("queue-master-locator",)), _judge_locator),
        Feature(frozenset(("shards-per-node", "routing-key")), _judge_sharding),
        Feature(FEDERATION_KEYS, _judge_federation),
    ),
    (Feature(frozenset(MIRRORING_KEYS), _judge_mirroring),),
)
"""The features whose keys RabbitMQ checks before its own keys, and those after them."""
