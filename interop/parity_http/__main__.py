"""`python -m interop.parity_http`: hold amqpy's management API against RabbitMQ's, answer by answer."""

import contextlib
import fnmatch
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from interop import keeper
from interop.kit.program import ProgramFailed
from interop.parity.chance.__main__ import Seeds
from interop.parity_http import scenarios
from interop.parity_http.chance import DEFAULT_STEPS, examine, scenario_of, script_of
from interop.parity_http.compare import Outcome, compare
from interop.parity_http.scenario import SCENARIOS, Scenario
from interop.parity_http.side import BASIC, Side, amqpy_side, rabbitmq_side, side_at
from interop.parity_http.stage import Stage
from interop.parity_http.steps import parse, text_of
from interop.rabbitmq import RabbitMQUnavailable

OPEN = {"": "open.txt", "4.0": "open-4.0.txt"}
"""The lists of open scenarios, by releases of RabbitMQ; the first is for the others."""


@click.command()
@click.option("--rabbitmq", metavar="VERSION", help="The private RabbitMQ, such as 4.0. Default: the installed one.")
@click.option("--reference", metavar="URL", help="The API that is right. Default: that of a private RabbitMQ.")
@click.option("--subject", metavar="URL", help="The API under test. Default: amqpy's, started for this run.")
@click.option("--alike", is_flag=True, help="Compare RabbitMQ with another RabbitMQ: no difference is expected.")
@click.option(
    "--rates-mode",
    type=click.Choice([BASIC, "detailed"]),
    default=BASIC,
    help="Brokers in another mode, and the scenarios for it.",
)
@click.option("--only", metavar="GLOB", multiple=True, help="Only scenarios whose name matches; may be repeated.")
@click.option("--list", "list_only", is_flag=True, help="Name the scenarios and what each is for.")
@click.option("--seeds", type=Seeds(), help="Scripts made by chance instead: a seed, or a range without its end.")
@click.option("--steps", default=DEFAULT_STEPS, show_default=True, help="How long scripts are made by chance.")
@click.option("--script", type=click.File(), help="Play this script instead, - for the standard input.")
@click.option("--print", "print_only", is_flag=True, help="Print the scripts of the seeds, play nothing.")
@click.option("--report", type=click.File("w"), help="Write all differences there, a line each.")
@click.option("-v", "--verbose", is_flag=True, help="Name passed scenarios, too.")
@click.option("--show", is_flag=True, help="Show what the reference answered.")
def main(
    rabbitmq: str | None,
    reference: str | None,
    subject: str | None,
    alike: bool,
    rates_mode: str,
    only: tuple[str, ...],
    list_only: bool,
    seeds: range | None,
    steps: int,
    script: TextIO | None,
    print_only: bool,
    report: TextIO | None,
    verbose: bool,
    show: bool,
) -> None:
    """Play scenarios on two management APIs and compare their answers."""
    chosen = [given(script)] if script else chosen_of(only)
    if list_only:
        for each in chosen:
            click.echo(f"{each.name}: {each.purpose.partition(chr(10))[0]}")
        return
    if seeds and print_only:
        for seed in seeds:
            click.echo(f"# seed {seed}\n{text_of(script_of(seed, steps))}")
        return
    started = time.monotonic()
    try:
        with both(rabbitmq, reference, subject, rates_mode, alike=alike) as (expected, shown):
            if seeds:
                failed = hunt(seeds, expected, shown, alike=alike, steps=steps)
            else:
                chosen = [each for each in chosen if script or each.is_for(expected.version, rates_mode)]
                outcomes = play(chosen, expected, shown, alike=alike, verbose=verbose, show=show)
                known = set() if alike or subject else open_names(expected.version)
                failed = len(unexpected(outcomes, known))
                if report:
                    report.writelines(page_of(outcomes))
            click.echo(f"{time.monotonic() - started:.0f} s against RabbitMQ {expected.version}")
    except (RabbitMQUnavailable, ProgramFailed) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(1 if failed else 0)


def open_names(version: str) -> set[str]:
    """The scenarios in which amqpy is known to differ from a version, and that nobody has mended or judged yet."""
    name = OPEN.get(version.rpartition(".")[0], OPEN[""])
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def unexpected(outcomes: list[Outcome], known_open: set[str]) -> list[Outcome]:
    """The scenarios that failed and are not listed as open. Those that pass although they are listed are told: some
    differ only after others."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    found = [outcome for outcome in failed if outcome.scenario.name not in known_open]
    if len(found) < len(failed):
        click.echo(f"{len(failed) - len(found)} of these are listed as open, and wait to be mended")
    for outcome in outcomes:
        if outcome.passed and outcome.scenario.name in known_open:
            click.echo(f"{outcome.scenario.name} passes: perhaps it should be taken out of the list of open ones")
    return found


def chosen_of(only: tuple[str, ...]) -> list[Scenario]:
    scenarios.load()
    # Square brackets name the case of a scenario, they are no character set.
    patterns = [pattern.replace("[", "[[]") for pattern in only]
    chosen = [
        each
        for name, each in sorted(SCENARIOS.items())
        if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]
    if not chosen:
        raise click.BadParameter("no scenario matches", param_hint="--only")
    return chosen


def given(script: TextIO) -> Scenario:
    try:
        return scenario_of(parse(script.read()), script.name)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--script") from None


@contextlib.contextmanager
def both(
    rabbitmq: str | None, reference: str | None, subject: str | None, rates_mode: str, *, alike: bool
) -> Iterator[tuple[Side, Side]]:
    with contextlib.ExitStack() as running:
        expected = side_at(reference) if reference else running.enter_context(rabbitmq_side(rabbitmq, rates_mode))
        if subject:
            shown = side_at(subject, is_late=alike)
        else:
            another = rabbitmq_side(rabbitmq, rates_mode) if alike else amqpy_side(expected.version, rates_mode)
            shown = running.enter_context(another)
        for side in (expected, shown):
            prime(side)
        yield expected, shown


def prime(side: Side) -> None:
    """Let a broker have something to tell of when it is asked for all that was counted."""
    stage = Stage(side)
    try:
        stage.prime()
    finally:
        stage.leave()


def play(
    chosen: list[Scenario], reference: Side, subject: Side, *, alike: bool, verbose: bool = False, show: bool = False
) -> list[Outcome]:
    """Compare scenarios one after the other, for lists show what is there, and report."""
    outcomes = []
    for each in chosen:
        outcomes.append(compare(each, reference, subject, alike=alike))
        tell(outcomes[-1], verbose=verbose, show=show)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    click.echo(
        f"{len(outcomes) - len(failed)} passed, {len(failed)} failed "
        f"with {sum(len(outcome.differences) for outcome in failed)} differences "
        f"in {sum(len(outcome.reference.exchanges) for outcome in outcomes)} requests"
    )
    return outcomes


def page_of(outcomes: list[Outcome]) -> Iterator[str]:
    """The differences in Markdown, by the modules of their scenarios."""
    module = ""
    for outcome in outcomes:
        name = outcome.scenario.name
        for difference in outcome.differences:
            if module != name.partition(".")[0]:
                module = name.partition(".")[0]
                yield f"\n## {module}\n\n"
            yield f"- {name}: {str(difference).replace(chr(10), ' ')}\n"


def tell(outcome: Outcome, *, verbose: bool, show: bool) -> None:
    name = outcome.scenario.name
    if not outcome.passed:
        click.echo(f"FAILED {name}: {outcome.scenario.purpose.partition(chr(10))[0]}")
        for complaint in (*outcome.complaints, *map(str, outcome.differences)):
            click.echo("  " + complaint.replace("\n", "\n  "))
    elif verbose or show:
        click.echo(f"passed {name}")
    if show:
        for exchange in outcome.reference.exchanges:
            shown = exchange.shown
            click.echo(f"  {exchange.step}\n    {shown.status} {dict(shown.headers)}\n    {shown.body}")


def hunt(seeds: range, reference: Side, subject: Side, *, alike: bool, steps: int) -> int:
    differing = 0
    for seed in seeds:
        finding = examine(seed, reference, subject, alike=alike, steps=steps)
        if finding.differs:
            differing += 1
            click.echo("\n  ".join(finding.lines()) + "\n")
    click.echo(f"{len(seeds)} scripts, {differing} differ")
    return differing


if __name__ == "__main__":
    keeper.stay_behind()
    main()
