"""The tools: commands that share their options, and how they fail.

`amqpy ctl` has what `rabbitmqctl`, `rabbitmq-queues` and `rabbitmq-upgrade` have, `amqpy diagnostics` what
`rabbitmq-diagnostics` has, and `amqpy plugins` what `rabbitmq-plugins` has.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

import click

from amqpy.ctl import (
    connections,
    definitions,
    diagnostics,
    node,
    objects,
    overview,
    permissions,
    plugins,
    policies,
    queues,
    shims,
    status,
    users,
    vhosts,
)
from amqpy.ctl.failing import FailingCommand
from amqpy.ctl.failures import USAGE, Failure
from amqpy.ctl.options import common_options


def refuse_nothing() -> None:
    """Says which commands there are, if none is given."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        raise Failure(f"\n{context.get_help()}", USAGE)


class Tool(FailingCommand, click.Group):
    """Commands with RabbitMQ's options, texts and exit codes."""

    def __init__(self, name: str, text: str, modules: Iterable[ModuleType]) -> None:
        commands = [command for module in modules for command in module.tasks.commands]
        super().__init__(
            name,
            {str(command.name): command for command in commands},
            help=text,
            params=common_options(),
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


def ctl() -> click.Command:
    modules = (users, vhosts, permissions, policies, objects, queues, connections, definitions, status, node)
    tool = Tool("ctl", "Change the broker and look at it, as rabbitmqctl does.", modules)
    for name in ("ping", "node_health_check"):
        tool.add_command(diagnostics_tool().commands[name])
    for name in ("check_if_node_is_quorum_critical", "check_if_node_is_mirror_sync_critical"):
        tool.add_command(diagnostics_tool().commands[name])
    return tool


def diagnostics_tool() -> Tool:
    tool = Tool("diagnostics", "Look if the broker is well, as rabbitmq-diagnostics does.", (diagnostics,))
    of_ctl = {str(command.name): command for module in (status, node, objects) for command in module.tasks.commands}
    for name in ("status", "cluster_status", "environment", "list_unresponsive_queues"):
        tool.add_command(of_ctl[name])
    return tool


def plugins_tool() -> click.Command:
    return Tool("plugins", "List and enable plugins, as rabbitmq-plugins does.", (plugins,))


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


def status_command() -> click.Command:
    return overview.command


COMMANDS = {
    "ctl": ctl,
    "diagnostics": diagnostics_tool,
    "plugins": plugins_tool,
    "shims": lambda: shims_command,
    "status": status_command,
}
"""The commands of `amqpy` that are for operators, each made when it is asked for."""
