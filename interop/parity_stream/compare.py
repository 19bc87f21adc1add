"""Plays a scenario against both brokers and compares what they said."""

import functools
import traceback
from collections.abc import Callable, Collection, Iterable

from interop.parity.compare import Outcome as AnyOutcome
from interop.parity.compare import Performance, judge, play_all, pool_of
from interop.parity.connection import Overdue
from interop.parity.scenario import Transcript
from interop.parity_stream.scenario import Scenario
from interop.parity_stream.side import Side
from interop.parity_stream.stage import Stage
from interop.stream import connection

CONCURRENT_SCENARIOS = 8
END = "the connection ends"

Outcome = AnyOutcome[Scenario]


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

    def adapted(wanted: Transcript) -> Transcript:
        return {where: with_reason(lines, got.transcript.get(where, [])) for where, lines in wanted.items()}

    complaints = judge(expected, got, () if alike else scenario.differs, version, None if alike else adapted)
    return Outcome(scenario, expected, got, complaints)


def with_reason(expected: list[str], got: list[str]) -> list[str]:
    """The lines of RabbitMQ as amqpy must have them: where it ends a connection without a word, amqpy may say why."""
    says_why = len(got) > 1 and got[-1] == END and got[-2].startswith("Close #")
    return got if says_why and expected == [*got[:-2], END] else expected


def play_alone(scenario: Scenario, reference: Side) -> Outcome:
    """Play to one side, for its transcript."""
    performance = perform(scenario, reference)
    complaints = [f"reference: {performance.failure}"] if performance.failure else []
    return Outcome(scenario, performance, performance, complaints)


def compare_all(
    scenarios: Iterable[Scenario],
    reference: Side,
    subject: Side | None,
    report: Callable[[Outcome], None],
    *,
    version: str = "",
    alike: bool = False,
    steady: Collection[str] = (),
) -> list[Outcome]:
    """Compare many scenarios, of which the `steady` are known to differ. Without a subject they are just played."""
    play: Callable[[Scenario], Outcome]
    if subject is None:
        play = functools.partial(play_alone, reference=reference)
    else:
        play = functools.partial(compare, reference=reference, subject=subject, version=version, alike=alike)
    return play_all(scenarios, play, report, at_once=CONCURRENT_SCENARIOS, steady=steady)
