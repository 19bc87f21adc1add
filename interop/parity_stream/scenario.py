"""A scenario: a named function, registered by `@scenario`, that does something to a server of the stream protocol."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interop.parity.scenario import Differs, plays, within
from interop.parity_stream.stage import Stage


@dataclass(frozen=True)
class Scenario:
    """`play` drives a stage; it is for the versions of RabbitMQ from `since` on; `alone` what a whole
    broker notices."""

    name: str
    play: Callable[[Stage], None]
    purpose: str
    differs: tuple[Differs, ...] = ()
    since: str = ""
    alone: bool = False

    def is_for(self, version: str) -> bool:
        return within(version, self.since, "")


SCENARIOS: dict[str, Scenario] = {}

Play = Callable[..., None]
Differences = Differs | Sequence[Differs]


def scenario(
    *,
    each: Mapping[str, Any] | Sequence[Any] | None = None,
    differs: Differences | Mapping[str, Differences] = (),
    since: str = "",
    alone: bool = False,
) -> Callable[[Play], Play]:
    """Register a function as a scenario, or as one for `each` case, its second argument then. `differs` may be a
    mapping by the labels of cases."""

    def register(function: Play) -> Play:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        cases = plays(function, each)
        if isinstance(differs, Mapping) and differs.keys() - cases.keys():
            raise ValueError(f"{name} has no case {sorted(differs.keys() - cases.keys())}")
        for label, play in cases.items():
            full_name = f"{name}[{label}]" if each is not None else name
            found = differs.get(label, ()) if isinstance(differs, Mapping) else differs
            differences = (found,) if isinstance(found, Differs) else tuple(found)
            if full_name in SCENARIOS:
                raise ValueError(f"two scenarios are called {full_name}")
            SCENARIOS[full_name] = Scenario(full_name, play, inspect.getdoc(function) or "", differences, since, alone)
        return function

    return register
