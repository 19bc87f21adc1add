"""`python -m interop.parity`: hold amqpy against RabbitMQ, frame by frame."""

import contextlib
import fnmatch
import functools
import sys
import time
from collections.abc import Callable

import click

from interop import keeper
from interop.kit.program import ProgramFailed
from interop.parity import back_ends, scenarios
from interop.parity.amqpy import running_amqpy
from interop.parity.back_ends import BackEnds
from interop.parity.compare import AnyScenario, Outcome, S, compare_all
from interop.parity.listening import RABBITMQ_CONF, Secured, two_listeners
from interop.parity.management import Management
from interop.parity.scenario import SCENARIOS, Scenario
from interop.parity.script import Broker
from interop.parity.version import comparable, profile_for, version_of
from interop.rabbitmq import MANAGEMENT, RabbitMQ, RabbitMQUnavailable, running_rabbitmq

PLUGINS = [
    MANAGEMENT,
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_event_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
]
"""What the scenarios need of RabbitMQ that it does not do without plugins."""

EXTERNAL = "rabbitmq_auth_mechanism_ssl"
"""The plugin with the login mechanism of this name."""

NO_BACK_ENDS = BackEnds("", "")

Tell = Callable[[Outcome[Scenario]], None]
"""Reports the outcome of a scenario."""


@click.command()
@click.option("--rabbitmq", metavar="VERSION", help="The private RabbitMQ, such as 4.0. Default: the installed one.")
@click.option("--reference", metavar="URL", help="The broker that is right. Default: a private RabbitMQ.")
@click.option("--subject", metavar="URL", help="The broker under test. Default: amqpy, started for this run.")
@click.option("--reference-admin", metavar="URL", help="The HTTP API of that RabbitMQ, for policies and the like.")
@click.option("--subject-admin", metavar="URL", help="The same if --subject is a RabbitMQ, too.")
@click.option("--only", metavar="GLOB", multiple=True, help="Only scenarios whose name matches; may be repeated.")
@click.option("--alike", is_flag=True, help="Both sides are the same kind of broker: no difference is expected.")
@click.option("--list", "list_only", is_flag=True, help="Name the scenarios and what each is for.")
@click.option("-v", "--verbose", is_flag=True, help="Name passed scenarios, too.")
@click.option("--show", is_flag=True, help="Show what the reference did, frame by frame.")
def main(
    rabbitmq: str | None,
    reference: str | None,
    subject: str | None,
    reference_admin: str | None,
    subject_admin: str | None,
    only: tuple[str, ...],
    alike: bool,
    list_only: bool,
    verbose: bool,
    show: bool,
) -> None:
    """Play scenarios against two brokers and compare every frame received."""
    scenarios.load()
    tell = functools.partial(report, verbose=verbose, show=show)
    chosen = [each for name, each in sorted(SCENARIOS.items()) if matches(name, only)]
    if not chosen:
        raise click.BadParameter("no scenario matches", param_hint="--only")
    if list_only:
        for each in chosen:
            click.echo(f"{each.name}: {first_line(each)}")
        return
    try:
        # What both brokers must be started with is not for brokers that run already.
        are_ours = not (reference or subject)
        with back_ends.serving() as settings:
            with contextlib.ExitStack() as running:
                expected = known(reference, reference_admin) or administered(
                    running.enter_context(reference_rabbitmq(rabbitmq, NO_BACK_ENDS))
                )
                version = version_of(expected)
                shown = known(subject, subject_admin) or running.enter_context(
                    running_amqpy(profile=profile_for(version))
                )
                started = time.monotonic()
                chosen = [each for each in chosen if each.is_for(version)]
                outcomes = compare_all(
                    [each for each in chosen if each.listening is None and not is_of_back_ends(each)],
                    expected,
                    shown if alike else comparable(shown, version),
                    tell,
                    alike=alike,
                    version=version,
                )
            of_back_ends = [each for each in chosen if each.listening is None and is_of_back_ends(each)]
            if of_back_ends and are_ours:
                outcomes += compare_with_back_ends(of_back_ends, tell, version, rabbitmq, settings)
            in_tls = [each for each in chosen if each.listening is not None]
            if in_tls and are_ours:
                outcomes += compare_by_listening(in_tls, tell, version, rabbitmq, settings)
            elif in_tls:
                click.echo(f"{len(in_tls)} left out: they need brokers that are started for them")
    except (RabbitMQUnavailable, ProgramFailed) as error:
        raise click.ClickException(str(error)) from None
    failed = sum(not outcome.passed for outcome in outcomes)
    click.echo(
        f"{len(outcomes) - failed} passed, {failed} failed in {time.monotonic() - started:.0f} s "
        f"against RabbitMQ {version}"
    )
    sys.exit(1 if failed else 0)


def compare_with_back_ends(
    chosen: list[Scenario],
    tell: Tell,
    version: str,
    rabbitmq: str | None,
    settings: BackEnds,
) -> list[Outcome[Scenario]]:
    """Compare scenarios that ask others about users. RabbitMQ 4 offers its mechanisms in another order with the plugins
    for that, so it is not the one that the others are played to."""
    with (
        reference_rabbitmq(rabbitmq, settings) as running,
        running_amqpy(profile=profile_for(version), settings=settings.toml) as shown,
    ):
        return compare_all(chosen, administered(running), comparable(shown, version), tell, version=version)


def compare_by_listening(
    chosen: list[Scenario],
    tell: Tell,
    version: str,
    rabbitmq: str | None,
    settings: BackEnds,
) -> list[Outcome[Scenario]]:
    """Compare scenarios that want a certain way of listening. One RabbitMQ learns to listen in all of these ways."""
    outcomes = []
    # Not the one that the others are played to: with the plugin, RabbitMQ offers mechanisms in another order.
    with reference_rabbitmq(rabbitmq, settings, EXTERNAL, RABBITMQ_CONF) as running:
        for listening in dict.fromkeys(each.listening for each in chosen if each.listening):
            with (
                two_listeners(listening) as (theirs, ours),
                running_amqpy(
                    profile=profile_for(version), settings=settings.toml, listening=listening, secured=ours
                ) as shown,
            ):
                if refusal := running.control("eval", listening.erlang(theirs.tls)):
                    raise RabbitMQUnavailable(f"RabbitMQ does not listen for TLS: {refusal}")
                scenarios = [each for each in chosen if each.listening == listening]
                expected = administered(running, theirs)
                outcomes += compare_all(scenarios, expected, comparable(shown, version), tell, version=version)
    return outcomes


def known(url: str | None, admin_url: str | None) -> Broker | None:
    """The broker somebody else runs, if any."""
    return Broker.at(url, Management(admin_url) if admin_url else None) if url else None


def reference_rabbitmq(
    version: str | None, settings: BackEnds, plugin: str | None = None, more_settings: str = ""
) -> contextlib.AbstractContextManager[RabbitMQ]:
    plugins = [*PLUGINS, *(back_ends.PLUGINS if settings.rabbitmq_conf else ()), *([plugin] if plugin else ())]
    return running_rabbitmq(version=version, plugins=plugins, extra_config=f"{settings.rabbitmq_conf}\n{more_settings}")


def administered(running: RabbitMQ, secured: Secured | None = None) -> Broker:
    assert running.management_url is not None
    return Broker.at(running.url, Management(running.management_url, running.control), secured)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    # Square brackets name the case of a scenario, they are no character set.
    return not patterns or any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def is_of_back_ends(scenario: Scenario) -> bool:
    return scenario.name.startswith("back_ends.")


def first_line(scenario: AnyScenario) -> str:
    return scenario.purpose.partition("\n")[0]


def report(outcome: Outcome[S], *, verbose: bool, show: bool) -> None:
    scenario = outcome.scenario
    if not outcome.passed:
        click.echo(f"FAILED {scenario.name}: {first_line(scenario)}")
        for complaint in outcome.complaints:
            click.echo("  " + complaint.replace("\n", "\n  "))
    elif outcome.has_two_ways:
        click.echo(f"passed {scenario.name}: the reference does it in two ways")
    elif verbose or show:
        click.echo(f"passed {scenario.name}")
    if show:
        for where, lines in outcome.reference.transcript.items():
            click.echo("\n    ".join([f"  {where}", *lines]))


if __name__ == "__main__":
    keeper.stay_behind()
    main()
