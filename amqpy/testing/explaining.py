"""The texts of failing assertions: what was wanted, what was near, and why that was not it."""

import json
from collections.abc import Callable, Iterable, Sequence
from difflib import ndiff
from typing import Any, Final

from amqpy.testing.events import Event, describe
from amqpy.testing.matching import NOTHING, Match, found_in, shown

NEAREST_MAX: Final = 2
"""Events that are shown because they are near."""

LINES_MAX: Final = 20

Bindings = Callable[[Event], str]
"""Tells what is bound to the exchange of an event; empty if there is nothing to tell."""


class ExplanationText(str):
    """The text of an explanation (`amqpy.core.explain`)."""

    queues: list[str]
    """The names of the queues that a message would reach."""


class Found(list[Event]):
    """The events that met the conditions. If there are none, its repr says what was near."""

    def __init__(self, events: Iterable[Event], explain: Callable[[], str]) -> None:
        super().__init__(events)
        self._explain = explain

    def __repr__(self) -> str:
        return super().__repr__() if self else f"[]\n{self._explain()}"


def times_text(times: int | None) -> str:
    match times:
        case None:
            return ""
        case 1:
            return " once"
        case 2:
            return " twice"
    return f" {times} times"


def wanted_text(kind: str, match: Match, *, times: int | None = None, negated: bool = False) -> str:
    """`expected to be published once: exchange='orders'`"""
    verb = f"expected {'not ' if negated else ''}to be {kind}{times_text(times)}"
    return f"{verb}: {match}" if match.conditions else verb


def near_text(kind: str, match: Match, events: Sequence[Event], count: int, bindings: Bindings) -> str:
    """The number that was found, and the nearest with what was wrong with them."""
    of_kind = [event for event in events if event.kind == kind]
    if not of_kind:
        return f"nothing was {kind}" + (f"; there are {len(events)} events of other kinds" if events else "")
    head = f"found {count} of {len(of_kind)} {kind}"
    others = [event for event in of_kind if not match(event)]
    if not others:
        return head
    ranked = sorted(others, key=lambda event: -sum(match.holds(name, event) for name in match.conditions))
    lines = [f"{head}; nearest:"]
    for event in ranked[:NEAREST_MAX]:
        lines.append(f"  {describe(event)}")
        for name in match.conditions:
            if not match.holds(name, event):
                lines += [f"    {line}" for line in _difference(name, match.conditions[name], event, bindings)]
    return "\n".join(lines)


def _difference(name: str, wanted: object, event: Event, bindings: Bindings) -> list[str]:
    found = found_in(event, name) if name != "where" else NOTHING
    if name == "where":
        return [f"where: {shown(wanted)} was not true"]
    if name == "json":
        if found is NOTHING:
            return [f"json: the body is none: {_short(event.body)}"]
        return _json_difference(wanted, found)
    if name in {"headers", "properties"} and isinstance(wanted, dict):
        there = found if isinstance(found, dict) else {}
        missing = object()
        return [
            f"{name}: wanted {key!r}: {shown(value)}, was {repr(there[key]) if key in there else 'not there'}"
            for key, value in wanted.items()
            if there.get(key, missing) != value
        ]
    was = "None" if found is NOTHING else _short(found)
    told = bindings(event) if name == "routing_key" else ""
    return [f"{name}: wanted {shown(wanted)}, was {was}{told}"]


def _json_difference(wanted: object, found: object) -> list[str]:
    before, after = (json.dumps(each, indent=2, sort_keys=True, default=repr).splitlines() for each in (wanted, found))
    lines = [line for line in ndiff(before, after) if line[0] in "-+"]
    shown_lines = [f"{line[0]}{line[2:].rstrip(',')}" for line in lines][:LINES_MAX]
    if len(lines) > LINES_MAX:
        shown_lines.append(f"… {len(lines) - LINES_MAX} lines more")
    return [f"json:   {shown_lines[0]}", *(f"        {line}" for line in shown_lines[1:])] if shown_lines else ["json"]


def _short(value: Any) -> str:  # noqa: ANN401
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"
