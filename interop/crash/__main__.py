"""`python -m interop.crash`: kill a broker again and again, and look whether it keeps what it promised."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from interop import keeper
from interop.crash.play import Play
from interop.kit.brokers import Broker, private_amqpy, private_rabbitmq
from interop.kit.program import ProgramFailed
from interop.rabbitmq import RabbitMQUnavailable


@click.command()
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True, help="What the clients do; not when the kernel lets them.")
@click.option("--broker", type=click.Choice(["amqpy", "rabbitmq"]), default="amqpy", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), help="For amqpy; stays. Default: one that goes.")
@click.option("--option", "options", multiple=True, help="Of `amqpy serve`, as --option=--sync=os; may be repeated.")
@click.option("--go-on", is_flag=True, help="Do not end with the first round that finds something.")
def main(rounds: int, seed: int, broker: str, data_dir: Path | None, options: tuple[str, ...], go_on: bool) -> None:
    """Play rounds with a broker that is killed or stopped at their end, and report all that is lost or too much.

    RabbitMQ is no model here: it loses what amqpy must not, as a dead letter that was on its way.
    """
    started_at = time.monotonic()
    done = 0
    try:
        with chosen(broker, data_dir, options) as played:
            play = Play(played, seed, click.echo)
            for done in range(1, rounds + 1):
                play.round(done)
                if play.history.findings and not go_on:
                    break
            play.last_look()
            if play.history.findings:
                click.echo(played.log())
    except (ProgramFailed, RabbitMQUnavailable) as error:
        raise click.ClickException(f"seed {seed}, round {done}: {error}") from None
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(play.history.counts.items()))
    ends = ", ".join(f"{count} {end}" for end, count in sorted(play.ends.items()))
    click.echo(f"{done} rounds in {time.monotonic() - started_at:.0f} s: {ends}; {counts}")
    sys.exit(1 if play.history.findings else 0)


@contextlib.contextmanager
def chosen(kind: str, data_dir: Path | None, options: tuple[str, ...]) -> Iterator[Broker]:
    """On a directory of its own, or on this one, which stays."""
    if kind == "rabbitmq":
        with private_rabbitmq() as rabbitmq:
            yield rabbitmq
    else:
        with private_amqpy(("--strict", *options), data_dir=data_dir, managed=True) as amqpy:
            yield amqpy


if __name__ == "__main__":
    keeper.stay_behind()
    main()
