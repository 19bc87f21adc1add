"""What a scenario is: a named function, registered by `@scenario`, and where amqpy may differ and why."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from interop.parity.listening import Listening
from interop.parity.script import Stage
from interop.parity.version import release

Transcript = dict[str, list[str]]


@dataclass(frozen=True)
class Differs:
    """A place where amqpy must not do what the reference does.

    `reference` are the consecutive lines the reference is expected to show, `subject` those of amqpy instead.
    A line of the reference may be cut short with `…`. It holds for the versions of RabbitMQ from `since` on, and
    `before` another one.
    """

    why: str
    reference: Sequence[str]
    subject: Sequence[str]
    since: str = ""
    before: str = ""

    def holds_for(self, version: str) -> bool:
        return within(version, self.since, self.before)

    def applied_to(self, transcript: Transcript) -> Transcript:
        """The reference's transcript as amqpy must have it. Lines that do not occur are a stale script."""
        changed = {where: replaced(lines, self.reference, self.subject) for where, lines in transcript.items()}
        if changed == transcript:
            raise AssertionError(f"the reference did not do what was to differ: {list(self.reference)}")
        return changed


def within(version: str, since: str, before: str) -> bool:
    """Whether a version is one from `since` on and `before` another; without one, there is no end on that side."""
    return release(version) >= release(since) and (not before or release(version) < release(before))


def says_why(why: str, code: str, ids: tuple[int, int], *, instead_of: Sequence[str] = (), before: str = "") -> Differs:
    """amqpy sends a connection.close with a reason, where the reference hangs up without, or with another one."""
    number, _, text = code.partition(" ")
    close = f"connection.close reply_code={number} reply_text={text!r} class_id={ids[0]} method_id={ids[1]}"
    return Differs(why, [*instead_of, "the connection ends"], [close, "the connection ends"], before=before)


CRASHED = "connection.close reply_code=541 reply_text='INTERNAL_ERROR' class_id=0 method_id=0"

CANCEL_OK_CRASHES = replace(
    says_why(
        "RabbitMQ's channel crashes on it", "503 COMMAND_INVALID - unimplemented method", (60, 31), instead_of=[CRASHED]
    ),
    since="4.3",
)


def replaced(lines: Sequence[str], old: Sequence[str], new: Sequence[str]) -> list[str]:
    result: list[str] = []
    position = 0
    while position < len(lines):
        if matches(lines[position : position + len(old)], old):
            result += new
            position += len(old)
        else:
            result.append(lines[position])
            position += 1
    return result


def matches(lines: Sequence[str], expected: Sequence[str]) -> bool:
    """Equal lines, where an expected one that ends in … may go on in any way."""
    return len(lines) == len(expected) and all(
        line.startswith(wanted[:-1]) if wanted.endswith("…") else line == wanted
        for line, wanted in zip(lines, expected, strict=True)
    )


@dataclass(frozen=True)
class Scenario:
    """`play` drives a stage; `confirms_apart` compares confirms sorted, apart from the other frames; `alone` is for
    what the whole broker notices; `listening` for a broker that listens for TLS in this way; `before` is the first
    RabbitMQ that it is not for: one that does not have what it is about, or does it in a way that is not taken over
    (docs/compatibility.md says which).

    Brokers that write to disk confirm when the disk is done: with several publishes on their way, only the
    set of confirms can be compared, not their place among deliveries and replies.
    """

    name: str
    play: Callable[[Stage], None]
    purpose: str
    differs: tuple[Differs, ...] = ()
    confirms_apart: bool = False
    alone: bool = False
    before: str = ""
    listening: Listening | None = None

    def is_for(self, version: str) -> bool:
        return within(version, "", self.before)


SCENARIOS: dict[str, Scenario] = {}

Play = Callable[..., None]
Differences = Differs | Sequence[Differs]


def scenario(
    *,
    each: Mapping[str, Any] | Sequence[Any] | None = None,
    differs: Differences | Mapping[str, Differences] = (),
    confirms_apart: bool = False,
    alone: bool = False,
    before: str | Mapping[str, str] = "",
    listening: Listening | Mapping[str, Listening] | None = None,
) -> Callable[[Play], Play]:
    """Register a function as a scenario, or as one for `each` case, its second argument then.

    Where only some cases differ, `differs` is a mapping by the cases' labels; where several things do, or versions of
    RabbitMQ do otherwise, there are several. `before` and `listening` may be such mappings, too.
    """

    def register(function: Play) -> Play:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        purpose = inspect.getdoc(function) or ""
        cases = plays(function, each)
        if isinstance(differs, Mapping) and differs.keys() - cases.keys():
            raise ValueError(f"{name} has no case {sorted(differs.keys() - cases.keys())}")
        for label, play in cases.items():
            full_name = f"{name}[{label}]" if each is not None else name
            found = differs.get(label, ()) if isinstance(differs, Mapping) else differs
            until = before.get(label, "") if isinstance(before, Mapping) else before
            differences = (found,) if isinstance(found, Differs) else tuple(found)
            if full_name in SCENARIOS:
                raise ValueError(f"two scenarios are called {full_name}")
            how = listening[label] if isinstance(listening, Mapping) else listening
            SCENARIOS[full_name] = Scenario(full_name, play, purpose, differences, confirms_apart, alone, until, how)
        return function

    return register


def plays(function: Play, each: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Callable[[Stage], None]]:
    if each is None:
        return {"": function}
    cases = each if isinstance(each, Mapping) else {str(case): case for case in each}
    return {label: bound(function, case) for label, case in cases.items()}


def bound(function: Play, case: Any) -> Callable[[Stage], None]:  # noqa: ANN401 - as the scenario likes
    return lambda stage: function(stage, case)
