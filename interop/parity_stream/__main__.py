"""`python -m interop.parity_stream`: hold amqpy against RabbitMQ's plugin rabbitmq_stream, frame by frame."""

import contextlib
import functools
import sys
import time
from pathlib import Path

import click

from interop import keeper
from interop.kit.program import ProgramFailed
from interop.parity.__main__ import first_line, matches, report
from interop.parity.version import version_of
from interop.parity_stream import scenarios
from interop.parity_stream.compare import Outcome, compare_all
from interop.parity_stream.scenario import SCENARIOS
from interop.parity_stream.side import amqpy_side, rabbitmq_side
from interop.rabbitmq import RabbitMQUnavailable

KNOWN = {"": "known.txt", "4.0": "known-4.0.txt"}
"""The lists of scenarios that differ, and why, by releases of RabbitMQ; the first is for the others."""


@click.command()
@click.option("--rabbitmq", metavar="VERSION", help="The private RabbitMQ, such as 4.0. Default: the installed one.")
@click.option("--alike", is_flag=True, help="Compare RabbitMQ with another RabbitMQ: no difference is expected.")
@click.option("--alone", is_flag=True, help="Play to RabbitMQ alone, and compare nothing: with --show, to look at it.")
@click.option("--only", metavar="GLOB", multiple=True, help="Only scenarios whose name matches; may be repeated.")
@click.option("--list", "list_only", is_flag=True, help="Name the scenarios and what each is for.")
@click.option("-v", "--verbose", is_flag=True, help="Name passed scenarios, too.")
@click.option("--show", is_flag=True, help="Show what the reference did, frame by frame.")
def main(
    rabbitmq: str | None,
    alike: bool,
    alone: bool,
    only: tuple[str, ...],
    list_only: bool,
    verbose: bool,
    show: bool,
) -> None:
    """Play scenarios against two servers of the stream protocol and compare every frame received."""
    scenarios.load()
    chosen = [each for name, each in sorted(SCENARIOS.items()) if matches(name, only)]
    if not chosen:
        raise click.BadParameter("no scenario matches", param_hint="--only")
    if list_only:
        for each in chosen:
            click.echo(f"{each.name}: {first_line(each)}")
        return
    try:
        with contextlib.ExitStack() as running:
            reference = running.enter_context(rabbitmq_side(rabbitmq))
            version = version_of(reference.amqp)
            subject = None
            if not alone:
                another = rabbitmq_side(rabbitmq) if alike else amqpy_side(version)
                subject = running.enter_context(another)
            known = set() if alike or alone else known_names(version)
            started = time.monotonic()
            outcomes = compare_all(
                [each for each in chosen if each.is_for(version)],
                reference,
                subject,
                functools.partial(report, verbose=verbose, show=show),
                version=version,
                alike=alike,
                steady=known,
            )
    except (RabbitMQUnavailable, ProgramFailed) as error:
        raise click.ClickException(str(error)) from None
    failed = [outcome for outcome in outcomes if not outcome.passed]
    click.echo(
        f"{len(outcomes) - len(failed)} passed, {len(failed)} failed in {time.monotonic() - started:.0f} s "
        f"against RabbitMQ {version}"
    )
    sys.exit(1 if unexpected(outcomes, known) else 0)


def known_names(version: str) -> set[str]:
    """The scenarios in which amqpy is known to differ from a version. Each has a line, with the reason."""
    name = KNOWN.get(version.rpartition(".")[0], KNOWN[""])
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return {line.partition(": ")[0] for line in lines if line and not line.startswith("#")}


def unexpected(outcomes: list[Outcome], known: set[str]) -> list[str]:
    """What is not as listed: scenarios that failed and are not known to, and those that pass although they are."""
    failed = {outcome.scenario.name for outcome in outcomes if not outcome.passed}
    stale = sorted(known & {outcome.scenario.name for outcome in outcomes if outcome.passed})
    if failed & known:
        click.echo(f"{len(failed & known)} of these are known to differ")
    for name in stale:
        click.echo(f"{name} passes: it is to be taken out of the list of those that differ")
    return sorted(failed - known) + stale


if __name__ == "__main__":
    keeper.stay_behind()
    main()
