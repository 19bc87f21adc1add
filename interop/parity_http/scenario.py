"""A scenario: a named function, registered by `@scenario`, and where amqpy may differ and why."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from interop.parity.scenario import within
from interop.parity_http.side import BASIC
from interop.parity_http.stage import Stage

Play = Callable[..., None]


@dataclass(frozen=True)
class Differs:
    """A place where amqpy must not answer as RabbitMQ. All but `why` may have wildcards.

    `step` is the request and `where` the place in the answer, as differences are printed. It holds for the versions of
    RabbitMQ from `since` on, and `before` another one.
    """

    why: str
    step: str
    where: str
    expected: str = "*"
    got: str = "*"
    since: str = ""
    before: str = ""

    def holds_for(self, version: str) -> bool:
        return within(version, self.since, self.before)

    def is_about(self, step: str, where: str, expected: str, got: str) -> bool:
        pairs = [(step, self.step), (where, self.where), (expected, self.expected), (got, self.got)]
        return all(fnmatchcase(said, pattern.replace("[", "[[]")) for said, pattern in pairs)


@dataclass(frozen=True)
class Scenario:
    """`play` drives a stage. It is for the versions of RabbitMQ from `since` on, and `before` another one."""

    name: str
    play: Callable[[Stage], None]
    purpose: str = ""
    differs: tuple[Differs, ...] = ()
    since: str = ""
    before: str = ""
    rates_mode: str = BASIC
    """The rates mode that the brokers must have."""

    def is_for(self, version: str, rates_mode: str = BASIC) -> bool:
        return rates_mode == self.rates_mode and within(version, self.since, self.before)


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *,
    each: Mapping[str, Any] | Sequence[str] | None = None,
    differs: Differs | Sequence[Differs] | Mapping[str, Differs | Sequence[Differs]] = (),
    since: str = "",
    before: str = "",
    rates_mode: str = BASIC,
) -> Callable[[Play], Play]:
    """Register a function as a scenario, or as one for `each` case, its second argument then.

    Where only some cases differ, `differs` is a mapping by the cases' labels.
    """

    def register(function: Play) -> Play:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        purpose = inspect.getdoc(function) or ""
        for label, play in cases_of(function, each).items():
            full_name = f"{name}[{label}]" if each is not None else name
            found = differs.get(label, ()) if isinstance(differs, Mapping) else differs
            if full_name in SCENARIOS:
                raise ValueError(f"two scenarios are called {full_name}")
            places = (found,) if isinstance(found, Differs) else tuple(found)
            SCENARIOS[full_name] = Scenario(full_name, play, purpose, places, since, before, rates_mode)
        return function

    return register


def cases_of(function: Play, each: Mapping[str, Any] | Sequence[str] | None) -> dict[str, Callable[[Stage], None]]:
    if each is None:
        return {"": function}
    cases = each if isinstance(each, Mapping) else {case: case for case in each}
    return {label: partial(with_case, function, case) for label, case in cases.items()}


def with_case(function: Play, case: Any, stage: Stage) -> None:  # noqa: ANN401 - as the scenario likes
    function(stage, case)
