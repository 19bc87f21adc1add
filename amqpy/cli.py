"""The `amqpy` command: turns options into a Config and every refusal into one line and an exit code.

Exit codes: 0 after an orderly stop, 2 for something wrong in what was asked (option, variable, file), 1 for
something the machine refused (a taken port, a directory that cannot be written).
"""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from amqpy.config import PREFIX, SETTINGS, ConfigError, setting_info
from amqpy.config_sources import load, option_name, unknown_variables
from amqpy.version import __version__

Command = Callable[..., Any]

USAGE_ERROR = 2
RUNTIME_ERROR = 1


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        # click's own standalone mode would print the usage beside every refusal; one line is enough.
        return cli.main(arguments, prog_name="amqpy", standalone_mode=False) or 0
    except click.ClickException as refusal:
        click.echo(f"amqpy: {refusal.format_message()}", err=True)
        return refusal.exit_code
    except click.Abort:  # click's name for KeyboardInterrupt
        return 130


def setting_options(command: Command) -> Command:
    """The options of the settings that have one, in the order of the settings."""
    for name, setting in reversed(SETTINGS.items()):
        told = setting_info(setting)
        if told.option is not None:
            command = click.option(
                option_name(name),
                help=told.doc.replace("`", ""),
                # No default and no type here: what was not given stays for the weaker places to say, and
                # the setting itself knows what it takes.
                default=None,
                is_flag=setting.type is bool,
                multiple=setting.type == tuple[str, ...],
                metavar="|".join(told.choices) or told.option or None,
            )(command)
    return command


config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    envvar=f"{PREFIX}CONFIG",
    type=click.Path(path_type=Path),
    help="Read settings from a TOML file.",
)


def tell_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """Prints the version, and if the part in C is in use, and exits."""
    if asked:
        from amqpy.wire.scan import LANGUAGE

        click.echo(f"{context.info_name} {__version__} (scans messages in {LANGUAGE})")
        context.exit()


@click.group(no_args_is_help=False)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=tell_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """A RabbitMQ-compatible AMQP 0-9-1 broker."""


@cli.command()
@setting_options
@click.option("--memory", is_flag=True, help="Keep everything in memory, whatever weaker places say.")
@config_option
def serve(*, memory: bool, config_file: Path | None, **options: object) -> int:
    """Run the broker until SIGINT or SIGTERM.

    Every setting can also be given as a variable (AMQPY_PORT, …) or as a key of the TOML file; an option wins
    over a variable, a variable over the file.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if memory and "data_dir" in given:
        raise click.UsageError("--memory and --data-dir exclude each other")
    if "listen" in given and given.keys() & {"host", "port"}:
        raise click.UsageError("--listen replaces --host and --port: give one or the other")
    if memory:
        given["data_dir"] = None
    try:
        config = load(given, os.environ, config_file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None

    gc.disable()  # what is loaded now stays, and need not be searched again and again
    try:
        from amqpy import log, process  # after the settings are known to be good, and not for --help
    finally:
        gc.enable()

    logger = log.configure(config.log_level)
    for variable in unknown_variables(os.environ):
        logger.warning("%s is not a setting and has no effect", variable)
    with refusals():
        process.run(config, logger)
    return 0


# --- the store


@cli.group()
def store() -> None:
    """Look after the durable store in a data directory."""


def store_options(command: Command) -> Command:
    """Adds the options that choose a store: the one that `amqpy serve` would use."""
    return click.option("--data-dir", metavar="DIR", help="The directory of the store.")(config_option(command))


def store_directory(data_dir: str | None, config_file: Path | None) -> Path:
    try:
        config = load({} if data_dir is None else {"data_dir": data_dir}, os.environ, config_file)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if config.data_dir is None:
        raise click.UsageError("which store? give --data-dir")
    # SQLite reads this once: where it puts its temporary files, which may be as large as the store.
    os.environ.setdefault("SQLITE_TMPDIR", str(Path(config.data_dir).absolute()))
    return Path(config.data_dir)


@contextmanager
def refusals() -> Iterator[None]:
    """Turns errors of settings and the store into the command's error text, of one line."""
    from amqpy.store.store import StoreError

    try:
        yield
    except (OSError, ConfigError, StoreError) as error:
        raise click.ClickException(str(error)) from None


@store.command()
@store_options
def check(*, data_dir: str | None, config_file: Path | None) -> int:
    """Read the whole store and tell what is in it, and what is wrong with it.

    A broker may be running meanwhile.
    """
    directory = store_directory(data_dir, config_file)
    from amqpy.log import printable
    from amqpy.store import maintenance

    with refusals():
        report = maintenance.check(directory)
    rows = [("vhost", "queue", "messages", "bytes")]
    rows += [(printable(row.vhost), printable(row.queue), str(row.messages), str(row.size)) for row in report.queues]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for vhost, queue, messages, size in rows if len(rows) > 1 else []:
        click.echo(f"{vhost:{widths[0]}}  {queue:{widths[1]}}  {messages:>{widths[2]}}  {size:>{widths[3]}}")
    for problem in report.problems:
        click.echo(f"amqpy: {problem}", err=True)
    click.echo(f"{len(report.queues)} durable queues, {len(report.problems)} problems")
    return RUNTIME_ERROR if report.problems else 0


@store.command()
@store_options
def compact(*, data_dir: str | None, config_file: Path | None) -> None:
    """Write the store anew, as small as it can be.

    No broker may be running. For a while it takes the space of the new store, too.
    """
    directory = store_directory(data_dir, config_file)
    from amqpy.store import maintenance

    with refusals():
        before, after = maintenance.compact(directory)
    click.echo(f"{before} bytes before, {after} bytes after")


@store.command()
@click.argument("file", type=click.Path(path_type=Path))
@store_options
def backup(*, file: Path, data_dir: str | None, config_file: Path | None) -> None:
    """Copy the store, as it is at this moment, to FILE, which must not be there yet.

    A broker may be running meanwhile. To use the copy, put it as amqpy.db into an empty data directory.
    """
    directory = store_directory(data_dir, config_file)
    from amqpy.store import maintenance

    with refusals():
        size = maintenance.back_up(directory, file)
    click.echo(f"{size} bytes")
