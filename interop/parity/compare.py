"""Plays a scenario against both brokers and compares what they said."""

import contextlib
import difflib
import functools
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from interop.parity.carried import without_earlier_deliveries
from interop.parity.scenario import Differs, Scenario, Transcript
from interop.parity.script import Broker, Overdue, Stage

# Scenarios wait for delays brokers make on purpose, such as the seconds after a refused login: many at once
# keep the whole run short, and the machine has little to do meanwhile.
CONCURRENT_SCENARIOS = 16

REPEATS = 3
"""How often a scenario that differs is played again, alone, to see if the reference does what the subject did, too."""


@dataclass(frozen=True)
class Performance:
    """What one broker showed, and why it ended early if it did."""

    transcript: Transcript
    failure: str = ""


class AnyScenario(Protocol):
    """A scenario for one protocol or another."""

    @property
    def name(self) -> str: ...
    @property
    def purpose(self) -> str: ...
    @property
    def alone(self) -> bool: ...


S = TypeVar("S", bound=AnyScenario)


@dataclass(frozen=True)
class Outcome(Generic[S]):
    scenario: S
    reference: Performance
    subject: Performance
    complaints: list[str] = field(default_factory=list)
    has_two_ways: bool = False
    """True if the reference did otherwise at first, and what the subject had done when it played it again."""

    @property
    def passed(self) -> bool:
        return not self.complaints


def perform(scenario: Scenario, broker: Broker) -> Performance:
    stage = Stage(broker, confirms_apart=scenario.confirms_apart)
    failure = ""
    try:
        scenario.play(stage)
        stage.finish()
    except Overdue as overdue:
        failure = str(overdue)
    except Exception:
        # A broker that answers nonsense may break the script in any way.
        failure = traceback.format_exc(limit=-3)
    finally:
        stage.leave()
    return Performance(stage.transcript(), failure)


def perform_both(scenario: Scenario, reference: Broker, subject: Broker) -> tuple[Performance, Performance]:
    """Play on both sides: at the same time, since most of the time brokers are waited for, unless both are the same."""
    if (reference.host, reference.port) == (subject.host, subject.port):
        return perform(scenario, reference), perform(scenario, subject)
    with pool_of(1) as other:
        expected = other.submit(perform, scenario, reference)
        got = perform(scenario, subject)
        return expected.result(), got


def compare(
    scenario: Scenario, reference: Broker, subject: Broker, *, alike: bool = False, version: str = ""
) -> Outcome[Scenario]:
    """Play on both sides. `alike` says that both are the same kind of broker, so that nothing may differ; else
    `version` is that of the reference."""
    expected, got = perform_both(scenario, reference, subject)

    def adapted(wanted: Transcript) -> Transcript:
        return without_earlier_deliveries(wanted, got.transcript, version)

    complaints = judge(expected, got, () if alike else scenario.differs, version, None if alike else adapted)
    return Outcome(scenario, expected, got, complaints)


def judge(
    expected: Performance,
    got: Performance,
    differs: Iterable[Differs],
    version: str,
    adapted: Callable[[Transcript], Transcript] | None = None,
) -> list[str]:
    """What is wrong with a performance, beside what is to differ from that of a reference of this version. `adapted`
    makes of what is expected what is right as well."""
    complaints = [
        f"{side} {performance.failure}"
        for side, performance in (("reference:", expected), ("subject:", got))
        if performance.failure
    ]
    wanted = expected.transcript
    for each in differs:
        if each.holds_for(version):
            try:
                wanted = each.applied_to(wanted)
            except AssertionError as stale:
                complaints.append(str(stale))
    if adapted is not None:
        wanted = adapted(wanted)
    return complaints + list(difference(wanted, got.transcript))


def compare_again(outcome: Outcome[S], play: Callable[[S], Outcome[S]]) -> Outcome[S]:
    """Play a scenario that differed again. Some of what RabbitMQ does depends on which of its processes is faster: if
    it does what the subject did, this is right, provided that the subject does it each time."""
    for _ in range(REPEATS):
        repeated = play(outcome.scenario)
        if repeated.subject != outcome.subject:
            break
        if repeated.passed:
            return replace(repeated, has_two_ways=True)
    return outcome


def difference(expected: Transcript, got: Transcript) -> Iterator[str]:
    """Unified diffs of the channels that differ: - is the reference, + the subject."""
    for where in sorted(expected.keys() | got.keys()):
        wanted, shown = expected.get(where, []), got.get(where, [])
        if wanted != shown:
            lines = list(difflib.unified_diff(wanted, shown, lineterm="", n=3))[2:]
            yield "\n".join([where, *(line for line in lines if not line.startswith("@@"))])


@contextlib.contextmanager
def pool_of(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads. If we are interrupted, what has not begun is not begun any more."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def compare_all(
    scenarios: Iterable[Scenario],
    reference: Broker,
    subject: Broker,
    report: Callable[[Outcome[Scenario]], None],
    *,
    alike: bool = False,
    version: str = "",
) -> list[Outcome[Scenario]]:
    """Compare many scenarios; see `play_all`."""
    play = functools.partial(compare, reference=reference, subject=subject, alike=alike, version=version)
    return play_all(scenarios, play, report)


def play_all(
    scenarios: Iterable[S],
    play: Callable[[S], Outcome[S]],
    report: Callable[[Outcome[S]], None],
    *,
    at_once: int = CONCURRENT_SCENARIOS,
    steady: Collection[str] = (),
) -> list[Outcome[S]]:
    """Play many scenarios at once, then those that must be alone, then those that differed once more, unless they are
    known to (`steady`); report each as it ends."""
    scenarios = list(scenarios)
    outcomes = []
    with pool_of(at_once) as pool:
        for future in as_completed([pool.submit(play, each) for each in scenarios if not each.alone]):
            outcomes.append(future.result())
            if outcomes[-1].passed:
                report(outcomes[-1])
    for each in scenarios:
        if each.alone:
            outcomes.append(play(each))
            if outcomes[-1].passed:
                report(outcomes[-1])
    passed = [outcome for outcome in outcomes if outcome.passed]
    repeated = [
        outcome if outcome.scenario.name in steady else compare_again(outcome, play)
        for outcome in outcomes
        if not outcome.passed
    ]
    for outcome in repeated:
        report(outcome)
    return passed + repeated
