"""Plays a scenario on both sides and compares their answers, one after the other."""

import json
import re
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from interop.parity_http.client import HANGS_UP
from interop.parity_http.known import KNOWN
from interop.parity_http.normalise import Shown
from interop.parity_http.scenario import Differs, Scenario
from interop.parity_http.side import Side
from interop.parity_http.stage import Exchange, Stage

NOTHING = "nothing"
LONG = 400
LONG_STEP = 200

IS_HEAD = re.compile(r"(\w+: )?HEAD ")
"""A step whose answer has no body, and so no reason."""

CRASHED = frozenset({500, HANGS_UP})
CRASHED_ELSEWHERE = "Request to node <node> failed with {'EXIT'"
"""The reason of a 400 with the stack of a process that has crashed."""


@dataclass(frozen=True)
class Performance:
    """The answers of one broker, and why the scenario ended early if it did."""

    exchanges: Sequence[Exchange] = ()
    failure: str = ""


@dataclass(frozen=True)
class Difference:
    """One thing in which two answers differ."""

    step: str
    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        step = self.step if len(self.step) <= LONG_STEP else f"{self.step[:LONG_STEP]}…"
        said = f"{step}: {self.where}: expected {self.expected}, got {self.got}"
        return said.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Outcome:
    scenario: Scenario
    reference: Performance
    differences: Sequence[Difference] = ()
    complaints: list[str] = field(default_factory=list)
    """What is wrong with the script."""

    @property
    def passed(self) -> bool:
        return not self.differences and not self.complaints


def perform(scenario: Scenario, side: Side) -> Performance:
    stage = Stage(side)
    failure = ""
    try:
        scenario.play(stage)
    except Exception:
        # A broker that answers nonsense may break the script in any way.
        failure = traceback.format_exc(limit=-3)
    finally:
        stage.leave()
    return Performance(stage.exchanges, failure)


def compare(scenario: Scenario, reference: Side, subject: Side, *, alike: bool = False) -> Outcome:
    """Play on both sides at once. `alike` says that both are the same kind of broker, so that nothing may differ."""
    with ThreadPoolExecutor(2) as pool:
        playing = [pool.submit(perform, scenario, side) for side in (reference, subject)]
        expected, got = (each.result() for each in playing)
    complaints = [f"reference: {expected.failure}"] if expected.failure else []
    found = list(differences(expected, got, alike=alike))
    if not alike:
        for differs in KNOWN:
            if not differs.holds_for(reference.version):
                continue
            found, _ = excused(found, differs)
        for differs in scenario.differs:
            if differs.holds_for(reference.version):
                found, stale = excused(found, differs)
                complaints += [f"no longer so: {differs.step}: {differs.where}"] if stale else []
    return Outcome(scenario, expected, found, complaints)


def excused(found: list[Difference], differs: Differs) -> tuple[list[Difference], bool]:
    """The differences that are left, and whether there was none of this kind."""
    left = [each for each in found if not differs.is_about(each.step, each.where, each.expected, each.got)]
    return left, len(left) == len(found)


def differences(expected: Performance, got: Performance, *, alike: bool = False) -> Iterator[Difference]:
    for wanted, shown in zip(expected.exchanges, got.exchanges, strict=False):
        if wanted.step != shown.step:
            yield Difference(wanted.step, "the script", "this request", shown.step)
            return
        yield from of_answers(wanted, shown, alike=alike)
    if got.failure != expected.failure and (got.failure or not expected.failure):
        step = got.exchanges[-1].step if got.exchanges else "the beginning"
        yield Difference(step, "the script", "to go on", got.failure.strip())
    elif len(expected.exchanges) != len(got.exchanges):
        yield Difference("the end", "the script", f"{len(expected.exchanges)} requests", str(len(got.exchanges)))


def of_answers(expected: Exchange, got: Exchange, *, alike: bool = False) -> Iterator[Difference]:
    step, wanted, shown = expected.step, expected.shown, got.shown
    if has_crashed(wanted) and not alike:
        # There is nothing to be like: the request is bad, which amqpy is to say in any way.
        if not 400 <= shown.status < 500 or not (is_reasoned(shown) or IS_HEAD.match(step)):
            yield Difference(step, "status", "4xx with a reason, as RabbitMQ crashes", brief(shown))
        return
    if wanted.status != shown.status:
        yield Difference(step, "status", brief(wanted), brief(shown))
        return
    for where, one, other in unlike(dict(wanted.headers), dict(shown.headers), "header"):
        yield Difference(step, where, one, other)
    for where, one, other in unlike(wanted.body, shown.body, "body"):
        yield Difference(step, where, one, other)
    if wanted.form != shown.form:
        yield Difference(step, "form", wanted.form or "compact", shown.form or "compact")


def has_crashed(shown: Shown) -> bool:
    """Whether the broker has met a bug, also if it tells that in a reason."""
    reason = shown.body.get("reason") if isinstance(shown.body, dict) else None
    return shown.status in CRASHED or (isinstance(reason, str) and reason.startswith(CRASHED_ELSEWHERE))


def is_reasoned(shown: Shown) -> bool:
    return isinstance(shown.body, dict) and bool(shown.body.get("error") and shown.body.get("reason"))


def brief(shown: Shown) -> str:
    return f"{shown.status} {abridged(shown.body) if shown.body != '' else ''}".rstrip()


def unlike(expected: Any, got: Any, where: str) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 - any JSON
    """The places in which two values differ, with what is there. An integer and a fraction differ in any case."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            if key not in got:
                yield f"{where}.{key}", abridged(expected[key]), NOTHING
            elif key not in expected:
                yield f"{where}.{key}", NOTHING, abridged(got[key])
            else:
                yield from unlike(expected[key], got[key], f"{where}.{key}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for number, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from unlike(one, other, f"{where}[{number}]")
    elif type(expected) is not type(got) or expected != got:
        one, other = abridged(expected), abridged(got)
        if one == other and isinstance(expected, list) and isinstance(got, list):
            where, one, other = f"{where}.length", str(len(expected)), str(len(got))
        yield where, one, other


def abridged(value: object) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= LONG else f"{said[:LONG]}…"
