"""`python -m interop.soak`: many clients of several libraries for a long time, and nothing lost or left at the end."""

import json
import logging
import sys
from pathlib import Path

import click

from interop import keeper
from interop.kit.process import allow_many_files
from interop.rabbitmq import RabbitMQUnavailable
from interop.soak.brokers import chosen
from interop.soak.report import Report
from interop.soak.run import Plan, Soak

LINE_S = 60.0
POSITIVE = click.FloatRange(0, min_open=True)


@click.command()
@click.option(
    "--minutes", default=1.0, show_default=True, type=POSITIVE, help="How long to work; the ends come on top."
)
@click.option(
    "--seed", default=1, show_default=True, help="What clients do and what is cut; not when the kernel lets them."
)
@click.option(
    "--clients", default=1, show_default=True, type=click.IntRange(1), help="How often each kind of client is there."
)
@click.option("--restart-every", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds; 0: never.")
@click.option(
    "--shift", default=5.0, show_default=True, type=POSITIVE, help="Minutes between two looks at the empty broker."
)
@click.option(
    "--cut-after", default=20.0, show_default=True, type=POSITIVE, help="Seconds a connection lives on average."
)
@click.option("--report", type=click.Path(path_type=Path), help="Where to write all figures, as JSON.")
@click.option("--rabbitmq", is_flag=True, help="A private RabbitMQ instead of amqpy.")
@click.option("--url", default="", help="A broker that runs already: no restarts, and nothing is measured.")
@click.option("--option", "options", multiple=True, help="Of `amqpy serve`, as --option=--sync=os; may be repeated.")
@click.option("--celery/--no-celery", default=True, show_default=True, help="With a Celery worker.")
def main(
    minutes: float,
    seed: int,
    clients: int,
    restart_every: float,
    shift: float,
    cut_after: float,
    report: Path | None,
    rabbitmq: bool,
    url: str,
    options: tuple[str, ...],
    celery: bool,
) -> None:
    """Let clients work, cut their connections, restart the broker, and account for everything at the end."""
    if rabbitmq and url:
        raise click.UsageError("--rabbitmq and --url exclude each other")
    restart_every_s = 0.0 if url else restart_every
    for library in ("pika", "aio_pika", "aiormq", "amqp", "kombu", "celery", "asyncio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # that connections are lost is the point
    allow_many_files()
    plan = Plan(minutes, seed, clients, restart_every_s, shift, cut_after, min(LINE_S, minutes * 60 / 6), celery)
    kind = "rabbitmq" if rabbitmq else "amqpy"
    made = Report(url or kind, seed, clients, restart_every_s)
    try:
        with chosen(kind, url, options) as broker:
            soak = Soak(broker, plan, made, click.echo)
            soak.run()
    except RabbitMQUnavailable as error:
        raise click.ClickException(str(error)) from None
    if report is not None:
        report.write_text(json.dumps(made.as_json(), indent=2) + "\n")
    for detail in made.details:
        click.echo(detail)
    if made.quiet:
        click.echo(made.as_table())
    click.echo("nothing lost, nothing left" if made.is_good else f"seed {seed}: not as it must be: {made.findings}")
    sys.exit(0 if made.is_good else 1)


if __name__ == "__main__":
    keeper.stay_behind()
    main()
