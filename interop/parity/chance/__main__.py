"""`python -m interop.parity.chance`: play scripts made by chance on two brokers, and compare."""

import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import as_completed
from typing import TextIO

import click

from interop import keeper
from interop.kit.program import ProgramFailed
from interop.parity.amqpy import running_amqpy
from interop.parity.chance.apart import is_taken_over
from interop.parity.chance.generator import DEFAULT_STEPS, script_of
from interop.parity.chance.hunt import Finding, Hunt, summary
from interop.parity.chance.steps import Script, parse, text_of
from interop.parity.compare import pool_of
from interop.parity.connection import Broker
from interop.parity.version import comparable, profile_for, version_of
from interop.rabbitmq import RabbitMQUnavailable, running_rabbitmq

# Most of the time, a script waits: for disks, and for time to be over.
CONCURRENT_SCRIPTS = 24


class Seeds(click.ParamType[range]):
    """One seed, or a range without its end: `7`, `0:500`."""

    name = "seeds"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> range:
        first, colon, end = value.partition(":")
        if not first.isdigit() or (colon and not end.isdigit()):
            self.fail(f"{value} is neither a number nor a range as 0:500", param, ctx)
        return range(int(first), int(end) if colon else int(first) + 1)


@click.command()
@click.option("--seeds", type=Seeds(), default="0:60", show_default=True, help="A seed, or a range without its end.")
@click.option("--steps", default=DEFAULT_STEPS, show_default=True, help="How long scripts are made.")
@click.option("--script", type=click.File(), help="Play this printed script instead, - for the standard input.")
@click.option("--rabbitmq", metavar="VERSION", help="The private RabbitMQ, such as 4.0. Default: the installed one.")
@click.option("--reference", metavar="URL", help="The broker that is right. Default: a private RabbitMQ.")
@click.option("--subject", metavar="URL", help="The broker under test. Default: amqpy, started for this run.")
@click.option("--no-shrink", is_flag=True, help="Show differing scripts as they were made.")
@click.option("--print", "print_only", is_flag=True, help="Print the scripts, play nothing.")
@click.option("--show", is_flag=True, help="Show what the reference did.")
def main(
    seeds: range,
    steps: int,
    script: TextIO | None,
    rabbitmq: str | None,
    reference: str | None,
    subject: str | None,
    no_shrink: bool,
    print_only: bool,
    show: bool,
) -> None:
    """Make scripts by chance, play each on two brokers, and shorten those that show a difference.

    RabbitMQ against itself must never differ, or the scripts are at fault.
    """
    scripts: dict[str, Script] = given(script) if script else {f"seed {seed}": script_of(seed, steps) for seed in seeds}
    if print_only:
        for label, each in scripts.items():
            click.echo(f"# {label}\n{text_of(each)}")
        return
    try:
        with both(rabbitmq, reference, subject) as (expected, shown, version):
            hunt = Hunt(expected, shown, shrink=not no_shrink, version=version)
            played = {label: each for label, each in scripts.items() if script or is_taken_over(each, version)}
            if len(played) < len(scripts):
                click.echo(f"{len(scripts) - len(played)} left out: they are about what is not taken over")
            findings = hunted(played, hunt, show=show)
    except (RabbitMQUnavailable, ProgramFailed) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(any(finding.differs for finding in findings))


def given(script: TextIO) -> dict[str, Script]:
    try:
        return {script.name: parse(script.read())}
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--script") from None


@contextlib.contextmanager
def both(rabbitmq: str | None, reference: str | None, subject: str | None) -> Iterator[tuple[Broker, Broker, str]]:
    with contextlib.ExitStack() as running:
        expected = Broker.at(reference or running.enter_context(running_rabbitmq(version=rabbitmq)).url)
        version = version_of(expected)
        click.echo(f"against RabbitMQ {version}")
        amqpy = running_amqpy(profile=profile_for(version))
        shown = Broker.at(subject) if subject else running.enter_context(amqpy)
        yield expected, comparable(shown, version), version


def hunted(scripts: dict[str, Script], hunt: Hunt, *, show: bool) -> list[Finding]:
    started = time.monotonic()
    findings = []
    with pool_of(CONCURRENT_SCRIPTS) as pool:
        running = [pool.submit(hunt.examine, script, label) for label, script in scripts.items()]
        for future in as_completed(running):
            findings.append(finding := future.result())
            if finding.differs:
                click.echo("\n  ".join(finding.lines()) + "\n")
            if show:
                click.echo("\n".join([finding.label, *finding.notes]))
    for line in summary(findings):
        click.echo(line)
    click.echo(f"{time.monotonic() - started:.0f} s")
    return findings


if __name__ == "__main__":
    keeper.stay_behind()
    main()
