"""The tools: commands that share their options, and how they fail.

`amqpy ctl` has what `rabbitmqctl`, `rabbitmq-queues` and `rabbitmq-upgrade` have, `amqpy diagnostics` what
`rabbitmq-diagnostics` has, and `amqpy plugins` what `rabbitmq-plugins` has.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Final

import click

from amqpy.ctl import (
    connections,
    definitions,
    diagnostics,
    explain,
    messages,
    node,
    objects,
    overview,
    permissions,
    plugins,
    policies,
    queues,
    report,
    shims,
    status,
    stuck,
    top,
    users,
    vhosts,
)
from amqpy.ctl.failing import FailingCommand
from amqpy.ctl.failures import USAGE, Failure
from amqpy.ctl.options import common_options


def tell_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(node.version_text())
        context.exit()


version_option = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=tell_version,
    help="As the command version.",
)


def refuse_nothing() -> None:
    """Says which commands there are, if none is given."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        raise Failure(f"\n{context.get_help()}", USAGE)


@click.command("help", short_help="Show what a command does.")
@click.argument("command", required=False)
def help_command(*, command: str | None) -> None:
    """Show what a command does, or which there are."""
    tool = click.get_current_context().parent
    assert tool is not None
    if command is None:
        click.echo(tool.get_help())
        return
    assert isinstance(tool.command, click.Group)
    found = tool.command.get_command(tool, command)
    if found is None:
        raise Failure(f"\nCommand '{command}' not found. \n", USAGE)
    click.echo(found.get_help(click.Context(found, info_name=command, parent=tool)))


class Tool(FailingCommand, click.Group):
    """Commands with RabbitMQ's options, texts and exit codes."""

    def __init__(self, name: str, text: str, commands: dict[str, click.Command]) -> None:
        super().__init__(
            name,
            {**commands, "help": help_command},
            help=text,
            params=[*common_options(), version_option],
            no_args_is_help=False,
            invoke_without_command=True,
            callback=refuse_nothing,
        )

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if self.get_command(context, name) is None and not context.resilient_parsing:
            close = get_close_matches(name, self.commands, n=1, cutoff=0.8)
            more = f"Did you mean '{close[0]}'? \n" if close else f"\n{context.get_help()}"
            raise Failure(f"\nCommand '{name}' not found. \n{more}", USAGE)
        return super().resolve_command(context, arguments)


def commands_of(*modules: ModuleType) -> dict[str, click.Command]:
    return {str(command.name): command for module in modules for command in module.tasks.commands}


OF_CTL: Final = (
    *(users, vhosts, permissions, policies, objects, queues, explain, messages, stuck),
    *(connections, definitions, status, report, node),
)
OF_BOTH: Final = ("cluster_status", "environment", "quorum_status", "report", "status", "version", "wait")
"""The commands of `ctl` that `diagnostics` has, too; beside those that list something."""


def ctl() -> click.Command:
    tool = Tool("ctl", "Change the broker and look at it, as rabbitmqctl does.", commands_of(*OF_CTL))
    checks = commands_of(diagnostics)
    for name in ("ping", "node_health_check", "list_node_auth_attempt_stats", *filter(is_of_queues, checks)):
        tool.add_command(checks[name])
    return tool


def is_of_queues(name: str) -> bool:
    """True for checks that `rabbitmq-queues` has."""
    return name.startswith("check_if_node_is_")


def diagnostics_tool() -> click.Command:
    shared = {name: command for name, command in commands_of(*OF_CTL).items() if is_of_both(name)}
    return Tool(
        "diagnostics", "Look if the broker is well, as rabbitmq-diagnostics does.", shared | commands_of(diagnostics)
    )


def is_of_both(name: str) -> bool:
    return name in OF_BOTH or name.startswith("list_")


def plugins_tool() -> click.Command:
    return Tool("plugins", "List and enable plugins, as rabbitmq-plugins does.", commands_of(plugins))


@click.command("shims")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace other programs of these names.")
def shims_command(*, directory: Path, force: bool) -> None:
    """Write programs of RabbitMQ's names into a directory, which call amqpy."""
    try:
        for path in shims.write(directory, force=force):
            click.echo(path)
    except OSError as error:
        raise click.ClickException(str(error)) from None


COMMANDS: Final[Mapping[str, Callable[[], click.Command]]] = {
    "ctl": ctl,
    "diagnostics": diagnostics_tool,
    "plugins": plugins_tool,
    "shims": lambda: shims_command,
    "status": lambda: overview.command,
    "top": lambda: top.command,
}
"""The commands of `amqpy` that are for operators, each made when it is asked for."""
