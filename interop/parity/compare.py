"""Plays a scenario against both brokers and compares what they said."""

import contextlib
import difflib
import functools
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

from interop.parity.carried import without_earlier_deliveries
from interop.parity.scenario import Scenario, Transcript
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


@dataclass(frozen=True)
class Outcome:
    scenario: Scenario
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
) -> Outcome:
    """Play on both sides. `alike` says that both are the same kind of broker, so that nothing may differ; else
    `version` is that of the reference."""
    expected, got = perform_both(scenario, reference, subject)
    complaints = [
        f"{side} {performance.failure}"
        for side, performance in (("reference:", expected), ("subject:", got))
        if performance.failure
    ]
    wanted = expected.transcript
    for differs in scenario.differs:
        if alike or not differs.holds_for(version):
            continue
        try:
            wanted = differs.applied_to(wanted)
        except AssertionError as stale:
            complaints.append(str(stale))
    if not alike:
        wanted = without_earlier_deliveries(wanted, got.transcript, version)
    return Outcome(scenario, expected, got, complaints + list(difference(wanted, got.transcript)))


def compare_again(outcome: Outcome, play: Callable[[Scenario], Outcome]) -> Outcome:
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
    report: Callable[[Outcome], None],
    *,
    alike: bool = False,
    version: str = "",
) -> list[Outcome]:
    """Compare many scenarios at once, then those that must be alone, then those that differed once more, and report
    each as it ends."""
    scenarios = list(scenarios)
    outcomes = []
    play = functools.partial(compare, reference=reference, subject=subject, alike=alike, version=version)
    with pool_of(CONCURRENT_SCENARIOS) as pool:
        together = [each for each in scenarios if not each.alone]
        running = [pool.submit(play, each) for each in together]
        for future in as_completed(running):
            outcomes.append(future.result())
            if outcomes[-1].passed:
                report(outcomes[-1])
    for each in scenarios:
        if each.alone:
            outcomes.append(play(each))
            if outcomes[-1].passed:
                report(outcomes[-1])
    passed = [outcome for outcome in outcomes if outcome.passed]
    repeated = [compare_again(outcome, play) for outcome in outcomes if not outcome.passed]
    for outcome in repeated:
        report(outcome)
    return passed + repeated
