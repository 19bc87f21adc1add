"""The options of all commands, and what a command works with.

RabbitMQ's tools take them before and after the command's name. So each is an option of the tool and of every command.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeVar

import click

from amqpy.ctl.api import TIMEOUT_S, Api, ApiError, default_node, find_address
from amqpy.ctl.failures import BadArguments, Failure, Unreachable
from amqpy.ctl.output import FORMATTERS, Output

Function = TypeVar("Function", bound=Callable[..., Any])
FOREVER_S: Final = 1e9
"""A timeout of more seconds, such as `infinity`, is none."""

Connect = Callable[["Options"], Api]


def connect(options: "Options") -> Api:
    """Finds the broker. Raises Failure, Unreachable."""
    address = find_address(options.url, options.socket, os.environ)
    timeout_s = options.timeout or TIMEOUT_S
    return Api(address, timeout_s if timeout_s < FOREVER_S else None)


@dataclass
class Options:
    """The options of all commands."""

    quiet: bool = False
    silent: bool = False
    vhost: str | None = None
    node: str | None = None
    timeout: float | None = None
    formatter: str | None = None
    table_headers: bool = True
    url: str | None = None
    socket: str | None = None
    connect: Connect = connect


def note(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
    """Keeps an option that is given: one behind the command's name wins over one before it."""
    options = context.ensure_object(Options)
    if (
        value is not None
        and context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    ):
        setattr(options, str(parameter.name), value)


def common_options() -> list[click.Parameter]:
    def option(*names: str, text: str, **more: Any) -> click.Option:  # noqa: ANN401
        return click.Option([*names], help=text, expose_value=False, callback=note, **more)

    return [
        option("-q", "--quiet", is_flag=True, text="Say only what was asked for."),
        option("-s", "--silent", is_flag=True, text="The same, and tables without a header row."),
        option("-p", "--vhost", metavar="VHOST", text="The virtual host, by default /."),
        option("-n", "--node", metavar="NODE", text="The node's name, for texts: there is one."),
        option(
            "-t",
            "--timeout",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            text="Seconds to wait for an answer.",
        ),
        option("--formatter", type=click.Choice(FORMATTERS), text="The form of the output."),
        option("--table-headers/--no-table-headers", text="Tables with or without a header row."),
        option("--url", metavar="URL", text="The management API, http://USER:PASSWORD@HOST:15672 (AMQPY_URL)."),
        option("--socket", metavar="PATH", text="The broker's control socket (AMQPY_CONTROL_SOCKET)."),
        # Those that mean nothing here, and that scripts give.
        option("-l", "--longnames", is_flag=True, text="", hidden=True),
        option("--erlang-cookie", text="", hidden=True),
        option("--print-stacktrace", is_flag=True, text="", hidden=True),
        option("--script-name", text="", hidden=True),
    ]


def echo(text: str) -> None:
    """Prints a line, also of octets that are not UTF-8, which an argument or a name may have."""
    # In colour, that is bold, even where it is no terminal: RabbitMQ's tools do so.
    click.echo(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), color=True)


class Call:
    """A command that is run: its options, the broker, and its output."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.out = Output(
            echo,
            formatter=options.formatter,
            quiet=options.quiet,
            silent=options.silent,
            headers=options.table_headers,
        )

    @cached_property
    def api(self) -> Api:
        """The broker. Raises Failure, Unreachable."""
        return self.options.connect(self.options)

    def within(self, vhost: str) -> "Call":
        """The same command in a virtual host, on the same connection."""
        inside = Call(replace(self.options, vhost=vhost))
        inside.api, inside.node = self.api, self.node
        return inside

    def be_patient(self) -> None:
        """Waits for answers from now on for as long as they take, unless a timeout is given."""
        if self.options.timeout is None:
            self.disconnect()
            self.options = replace(self.options, timeout=FOREVER_S)

    def disconnect(self) -> None:
        """Closes the connection, if there is one: whatever asks next makes another."""
        if "api" in vars(self):
            self.api.close()
            del self.api

    @property
    def vhost(self) -> str:
        return self.options.vhost or "/"

    @cached_property
    def node(self) -> str:
        """The name of the node: the one that is given, or that of the broker, or a guess if that is not there."""
        if self.options.node:
            return default_node(os.environ, self.options.node)
        try:
            return str(self.api.get("overview", columns="node")["node"])
        except (ApiError, Failure, KeyError, TypeError, Unreachable):
            return default_node(os.environ)

    @property
    def timeout_text(self) -> str:
        return f"Timeout: {float(self.options.timeout or TIMEOUT_S)} seconds ..."

    def standard_input(self) -> str:
        """The first line of standard input: a password."""
        return sys.stdin.readline().rstrip("\n")


@dataclass(frozen=True)
class Arity:
    """The number of arguments that a command takes."""

    least: int
    most: int | None

    @staticmethod
    def of(usage: str) -> "Arity":
        """Counts them in a usage text: `<name> [<optional>] [<more> ...]`."""
        words = usage.split()
        least = sum(1 for word in words if word.startswith("<"))
        most = sum(1 for word in words if word.startswith(("<", "[<")))
        return Arity(least, None if "..." in usage else most)

    def check(self, arguments: tuple[str, ...]) -> None:
        """Raises Failure."""
        if len(arguments) < self.least:
            raise BadArguments("not enough arguments.")
        if self.most is not None and len(arguments) > self.most:
            raise BadArguments("too many arguments.")


class Tasks:
    """The commands of a module, each a function that gets a `Call` and the arguments."""

    def __init__(self) -> None:
        self.commands: list[click.Command] = []

    def __call__(
        self, usage: str = "", *options: click.Parameter, name: str | None = None, needs_broker: bool = True
    ) -> Callable[[Function], Function]:
        """A command with the name of the function, and arguments as the usage text says. One that needs a broker says
        nothing without one."""
        arity = Arity.of(usage)

        def add(function: Function) -> Function:
            def run(arguments: tuple[str, ...] = (), **values: object) -> object:
                context = click.get_current_context()
                call = Call(context.ensure_object(Options))
                context.call_on_close(call.disconnect)
                arity.check(arguments)
                if needs_broker:
                    call.api.check()
                code = function(call, *arguments, **values)
                if call.out.is_json and not call.out.has_said:
                    call.out.json({"node": call.node, "result": "ok"})
                return code

            argument = click.Argument(["arguments"], nargs=-1, metavar=usage)
            self.commands.append(
                click.Command(
                    name or function.__name__,
                    callback=run,
                    help=function.__doc__,
                    params=[argument, *options, *common_options()],
                    short_help=(function.__doc__ or "").partition("\n")[0],
                )
            )
            return function

        return add


def flag(*names: str, text: str = "") -> click.Option:
    return click.Option([*names], is_flag=True, help=text)


def option(*names: str, text: str = "", **more: Any) -> click.Option:  # noqa: ANN401 (those of click)
    return click.Option([*names], help=text, **more)


def settings_of(**values: object) -> Mapping[str, object]:
    """The values that are given."""
    return {name: value for name, value in values.items() if value is not None}
