"""`python -m interop.matrix`: sizes, readers and features, each cell on RabbitMQ and amqpy."""

import contextlib
import sys
import time

import click

from interop import keeper
from interop.kit.program import ProgramFailed
from interop.matrix import features
from interop.matrix.brokers import STORES, Player, running_amqpy, running_rabbitmq
from interop.matrix.cells import READERS, SIZES
from interop.matrix.registry import FEATURES, cells, quick_cells
from interop.matrix.report import line_of, table
from interop.matrix.run import Outcome, play_all
from interop.matrix.scene import DEADLINE_S
from interop.rabbitmq import RabbitMQUnavailable


@click.command()
@click.option("--only", metavar="GLOB", multiple=True, help="Only features whose name matches; may be repeated.")
@click.option("--sizes", metavar="LIST", default="", help=f"Of {','.join(SIZES)}; default: all.")
@click.option("--readers", metavar="LIST", default="", help=f"Of {','.join(READERS)}; default: all.")
@click.option("--quick", is_flag=True, help="Only the cells that are in interop.parity, too.")
@click.option("--store", type=click.Choice([*STORES, "both"]), default="both", show_default=True, help="Of amqpy.")
@click.option("--url", help="A broker to try instead of amqpy.")
@click.option(
    "--rabbitmq", "rabbitmq_url", metavar="URL", help="The broker that is right. Default: a private RabbitMQ."
)
@click.option("--deadline", default=DEADLINE_S, show_default=True, help="Seconds that a cell may wait in vain.")
@click.option("--alike", is_flag=True, help="RabbitMQ against RabbitMQ: what differs is a fault of the cell.")
@click.option("--list", "list_only", is_flag=True, help="Name the features and what each is for.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of every cell what it cost and what may differ.")
def main(
    only: tuple[str, ...],
    sizes: str,
    readers: str,
    quick: bool,
    store: str,
    url: str | None,
    rabbitmq_url: str | None,
    deadline: float,
    alike: bool,
    list_only: bool,
    verbose: bool,
) -> None:
    """Play the matrix, and compare what each broker made of it. The exit code is 1 if anything differs."""
    features.load()
    chosen = list(cells(only, listed(sizes, SIZES, "--sizes"), listed(readers, READERS, "--readers")))
    if quick:
        chosen = [cell for cell in quick_cells() if cell in chosen]
    if not chosen:
        raise click.BadParameter("no feature matches", param_hint="--only")
    if list_only:
        for name in sorted({cell.feature for cell in chosen}):
            click.echo(f"{name}: {FEATURES[name].purpose}")
        return
    started = time.monotonic()
    outcomes = []
    try:
        with contextlib.ExitStack() as running:
            players = brokers(running, store, url, rabbitmq_url, alike=alike)
            for outcome in play_all(chosen, players, deadline):
                outcomes.append(outcome)
                report(outcome, verbose=verbose)
    except (RabbitMQUnavailable, ProgramFailed) as error:
        raise click.ClickException(str(error)) from None
    failed = sum(not outcome.passed for outcome in outcomes)
    click.echo(table(outcomes))
    click.echo(f"{len(outcomes) - failed} passed, {failed} failed in {time.monotonic() - started:.0f} s")
    sys.exit(1 if failed else 0)


def listed(text: str, known: tuple[str, ...] | dict[str, int], option: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"there is no {', '.join(sorted(unknown))}", param_hint=option)
    return names


def brokers(
    running: contextlib.ExitStack, store: str, url: str | None, rabbitmq_url: str | None, *, alike: bool
) -> list[Player]:
    """The reference, then those held against it."""
    reference = Player("RabbitMQ", rabbitmq_url) if rabbitmq_url else running.enter_context(running_rabbitmq())
    if alike:
        return [reference, Player("RabbitMQ again", reference.url)]
    if url:
        return [reference, Player("broker", url)]
    stores = STORES if store == "both" else (store,)
    return [reference, *(running.enter_context(running_amqpy(each)) for each in stores)]


def report(outcome: Outcome, *, verbose: bool) -> None:
    if verbose or not outcome.passed:
        click.echo(line_of(outcome))
    if not outcome.passed:
        click.echo(f"  {FEATURES[outcome.cell.feature].purpose}")
    for complaint in outcome.complaints:
        click.echo("  " + complaint.replace("\n", "\n    "))
    if verbose:
        for name, told in outcome.told.items():
            for aside in told.asides:
                click.echo(f"  {name} {aside}")


if __name__ == "__main__":
    keeper.stay_behind()
    main()
