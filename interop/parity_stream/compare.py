"""Plays a scenario against both brokers and compares what they said."""

import functools
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass, field

from interop.parity.compare import Performance, difference, pool_of
from interop.parity.connection import Overdue
from interop.parity_stream.scenario import Scenario
from interop.parity_stream.side import Side
from interop.parity_stream.stage import Stage
from interop.stream import connection

CONCURRENT_SCENARIOS = 8
END = "the connection ends"


@dataclass(frozen=True)
class Outcome:
    scenario: Scenario
    reference: Performance
    complaints: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.complaints


def perform(scenario: Scenario, side: Side) -> Performance:
    stage = Stage(side)
    failure = ""
    try:
        scenario.play(stage)
        stage.finish()
    except (Overdue, connection.Overdue) as overdue:
        failure = str(overdue)
    except Exception:
        # A broker that answers nonsense may break the script in any way.
        failure = traceback.format_exc(limit=-3)
    finally:
        stage.leave()
    return Performance(stage.transcript(), failure)


def compare(scenario: Scenario, reference: Side, subject: Side, *, version: str = "", alike: bool = False) -> Outcome:
    """Play on both sides at once. `alike` says that both are the same kind of broker, so that nothing may differ."""
    with pool_of(1) as other:
        expecting = other.submit(perform, scenario, reference)
        got = perform(scenario, subject)
        expected = expecting.result()
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
        wanted = {where: with_reason(lines, got.transcript.get(where, [])) for where, lines in wanted.items()}
    return Outcome(scenario, expected, complaints + list(difference(wanted, got.transcript)))


def with_reason(expected: list[str], got: list[str]) -> list[str]:
    """The lines of RabbitMQ as amqpy must have them: where it ends a connection without a word, amqpy may say why."""
    says_why = len(got) > 1 and got[-1] == END and got[-2].startswith("Close #")
    return got if says_why and expected == [*got[:-2], END] else expected


def play_alone(scenario: Scenario, reference: Side) -> Outcome:
    """Play to one side, for its transcript."""
    performance = perform(scenario, reference)
    return Outcome(scenario, performance, [f"reference: {performance.failure}"] if performance.failure else [])


def compare_all(
    scenarios: Iterable[Scenario],
    reference: Side,
    subject: Side | None,
    report: Callable[[Outcome], None],
    *,
    version: str = "",
    alike: bool = False,
) -> list[Outcome]:
    """Compare many scenarios at once, then those that must be alone, and report each as it ends. Without a subject they
    are just played."""
    play: Callable[[Scenario], Outcome]
    if subject is None:
        play = functools.partial(play_alone, reference=reference)
    else:
        play = functools.partial(compare, reference=reference, subject=subject, version=version, alike=alike)
    scenarios = list(scenarios)
    outcomes = []
    with pool_of(CONCURRENT_SCENARIOS) as pool:
        for future in as_completed([pool.submit(play, each) for each in scenarios if not each.alone]):
            outcomes.append(future.result())
            report(outcomes[-1])
    for each in scenarios:
        if each.alone:
            outcomes.append(play(each))
            report(outcomes[-1])
    return outcomes
