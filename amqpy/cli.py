"""The `amqpy` command: turns options into a Config and every refusal into one line and an exit code.

Exit codes: 0 after an orderly stop, 2 for something wrong in what was asked (option, variable, file), 1 for
something the machine refused (a taken port, a directory that cannot be written).
"""

import gc
import json
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from amqpy import log
from amqpy.config import SETTINGS, exposure
from amqpy.config.sources import PREFIX, Settings, option_name, read
from amqpy.config.values import ConfigError, setting_info
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
            is_flag = setting.type in {bool, bool | None}
            option = option_name(name)
            command = click.option(
                f"{option}/--no-{name}" if setting.type == bool | None else option,
                help=told.doc.replace("`", ""),
                # No default and no type here: what was not given stays for the weaker places to say, and
                # the setting itself knows what it takes.
                default=None,
                is_flag=is_flag,
                multiple=setting.type == tuple[str, ...],
                metavar="|".join(told.choices) or told.option or None,
            )(command)
    return command


config_option = click.option(
    "--config",
    "config_files",
    metavar="FILE",
    envvar=f"{PREFIX}CONFIG",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Read settings from a TOML file, a rabbitmq.conf or a directory of such. More than once: the last one wins.",
)


def serve_options(command: Command) -> Command:
    """Adds the options that say what a broker is like."""
    memory = click.option("--memory", is_flag=True, help="Keep everything in memory, whatever weaker places say.")
    return setting_options(memory(config_option(command)))


def settings_of(memory: bool, config_files: Sequence[Path], options: Mapping[str, object]) -> Settings:
    """The settings of all sources, with these options of the command."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if memory and "data_dir" in given:
        raise click.UsageError("--memory and --data-dir exclude each other")
    if "listen" in given and given.keys() & {"host", "port"}:
        raise click.UsageError("--listen replaces --host and --port: give one or the other")
    if memory:
        given["data_dir"] = None
    return read_settings(given, config_files)


def read_settings(given: Mapping[str, object], config_files: Sequence[Path]) -> Settings:
    try:
        return read(given, os.environ, config_files)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def tell_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """Prints the version, and if the part in C is in use, and exits."""
    if asked:
        from amqpy.wire.scan import LANGUAGE

        click.echo(f"{context.info_name} {__version__} (scans messages in {LANGUAGE})")
        context.exit()


class Commands(click.Group):
    """The commands. Those for operators are imported when they are asked for: a broker starts without them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted([*super().list_commands(context), *OPERATORS])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in OPERATORS:
            return super().get_command(context, name)
        from amqpy.ctl import tools

        return tools.COMMANDS[name]()


OPERATORS = ("ctl", "diagnostics", "plugins", "shims", "status", "top")


@click.group(cls=Commands, no_args_is_help=False)
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
@serve_options
def serve(*, memory: bool, config_files: Sequence[Path], **options: object) -> int:
    """Run the broker until SIGINT or SIGTERM.

    Every setting can also be given as a variable (AMQPY_PORT, …) or as a key of a file; an option wins over a
    variable, a variable over a file.
    """
    settings = settings_of(memory, config_files, options)
    gc.disable()  # what is loaded now stays, and need not be searched again and again
    try:
        from amqpy import process  # after the settings are known to be good, and not for --help
    finally:
        gc.enable()

    logger = log.configure(settings.config.log_level, settings.config.log_format)
    for note in settings.notes:
        logger.log(note.level, "%s", note.text)
    with refusals():
        process.run(settings.config, logger)
    return 0


PORT = click.IntRange(0, 65535)


@cli.command("test-server")
@click.option("--port", type=PORT, default=0, metavar="PORT", help="The port of the broker; 0 takes a free one.")
@click.option("--control-port", type=PORT, default=0, metavar="PORT", help="The port for HTTP; 0 takes a free one.")
@click.option(
    "--profile",
    type=click.Choice(setting_info(SETTINGS["profile"]).choices),
    metavar="NAME",
    help="Be like this RabbitMQ.",
)
@click.option("--stop-with-parent", is_flag=True, help="Stop when the standard input ends, as it does with a parent.")
def serve_tests(*, port: int, control_port: int, profile: str | None, stop_with_parent: bool) -> int:
    """Run brokers for tests in any language, until SIGINT or SIGTERM.

    When they are ready, a line of JSON says where: amqp_url is a broker, control_url the HTTP address that moves its
    clock, makes faults and knows what happened. Both are on 127.0.0.1, for this machine only.
    """
    from amqpy import process
    from amqpy.testing import control_server

    def tell(amqp_url: str, control_url: str) -> None:
        click.echo(json.dumps({"amqp_url": amqp_url, "control_url": control_url}))

    serve = partial(
        control_server.serve,
        port=port,
        control_port=control_port,
        profile=profile,
        stops_with_stdin=stop_with_parent,
        log=log.configure("critical").getChild("control"),  # what clients do wrong is what tests make them do
        on_ready=tell,
    )
    with refusals():
        process.until_signal(serve)
    return 0


# --- the settings


@cli.group()
def config() -> None:
    """Look at the settings that `amqpy serve` would have, given the same files, variables and options."""


@config.command("check")
@serve_options
def check_config(*, memory: bool, config_files: Sequence[Path], **options: object) -> None:
    """Tell if the settings are good, and what is to be said about them."""
    settings = settings_of(memory, config_files, options)
    config = settings.config
    addresses = (*config.addresses, *(() if config.management is False else config.management_addresses))
    metrics = () if config.prometheus is False else config.prometheus_addresses
    for note in (*settings.notes, *exposure.notes(config, addresses, metrics)):
        click.echo(f"{logging.getLevelName(note.level).lower()}: {log.printable(note.text)}")
    click.echo(f"the settings are good; {len(settings.sources)} are not left at their defaults")


@config.command("show")
@click.option("--all", "everything", is_flag=True, help="Show those that are left at their defaults, too.")
@serve_options
def show_config(*, everything: bool, memory: bool, config_files: Sequence[Path], **options: object) -> None:
    """Show which settings are set, to what, and where."""
    settings = settings_of(memory, config_files, options)
    rows = [
        (name, shown(name, getattr(settings.config, name)), settings.sources.get(name, "the default"))
        for name in SETTINGS
        if everything or name in settings.sources
    ]
    echo_table([("setting", "value", "source"), *rows])


def shown(name: str, value: object) -> str:
    """A value as TOML has it, or nothing if it is not set; none of a secret."""
    if setting_info(SETTINGS[name]).secret:
        return "(hidden)"
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def echo_table(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> None:
    """Prints a table, whose columns are aligned to the left, or to the right if they have numbers."""
    printable = [[log.printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*printable, strict=True)]
    for row in printable:
        cells = [
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


# --- the store


@cli.group()
def store() -> None:
    """Look after the durable store in a data directory."""


def store_options(command: Command) -> Command:
    """Adds the options that choose a store: the one that `amqpy serve` would use."""
    return click.option("--data-dir", metavar="DIR", help="The directory of the store.")(config_option(command))


def store_directory(data_dir: str | None, config_files: Sequence[Path]) -> Path:
    config = read_settings({} if data_dir is None else {"data_dir": data_dir}, config_files).config
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
def check(*, data_dir: str | None, config_files: Sequence[Path]) -> int:
    """Read the whole store and tell what is in it, and what is wrong with it.

    A broker may be running meanwhile.
    """
    directory = store_directory(data_dir, config_files)
    from amqpy.ctl.progress import progress
    from amqpy.store import maintenance

    with refusals(), progress("checking") as tell:
        report = maintenance.check(directory, tell)
    rows = [(row.vhost, row.queue, str(row.messages), str(row.size)) for row in report.queues]
    if rows:
        echo_table([("vhost", "queue", "messages", "bytes"), *rows], numbers=(2, 3))
    for problem in report.problems:
        click.echo(f"amqpy: {problem}", err=True)
    click.echo(f"{len(report.queues)} durable queues, {len(report.problems)} problems")
    return RUNTIME_ERROR if report.problems else 0


@store.command()
@store_options
def compact(*, data_dir: str | None, config_files: Sequence[Path]) -> None:
    """Write the store anew, as small as it can be.

    No broker may be running. For a while it takes the space of the new store, too.
    """
    directory = store_directory(data_dir, config_files)
    from amqpy.ctl.progress import progress
    from amqpy.store import maintenance

    with refusals(), progress("writing the store anew"):
        before, after = maintenance.compact(directory)
    click.echo(f"{before} bytes before, {after} bytes after")


@store.command()
@click.argument("file", type=click.Path(path_type=Path))
@store_options
def backup(*, file: Path, data_dir: str | None, config_files: Sequence[Path]) -> None:
    """Copy the store, as it is at this moment, to FILE, which must not be there yet.

    A broker may be running meanwhile. To use the copy, put it as amqpy.db into an empty data directory, and
    FILE.streams, if there are streams, as streams beside it.
    """
    directory = store_directory(data_dir, config_files)
    from amqpy.ctl.progress import progress
    from amqpy.store import maintenance

    with refusals(), progress("copying") as tell:
        size = maintenance.back_up(directory, file, tell)
    click.echo(f"{size} bytes")
