"""The failures of commands: what standard error says, and the exit code.

Source: `RabbitMQCtl`, `RabbitMQ.CLI.Core.ExitCodes`.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click

from amqpy.ctl.api import ApiError, default_node
from amqpy.ctl.failures import SOFTWARE, UNAVAILABLE, USAGE, BadArguments, Failure, Unreachable
from amqpy.ctl.options import Options
from amqpy.ctl.output import printable

UNAVAILABLE_TEXT = """\
Error: unable to perform an operation on node '{node}'. Please see diagnostics information and suggestions below.

{reason}

 * Does the broker run, as the same user? `amqpy ctl` finds it as `amqpy serve` would open its socket: by the settings
   AMQPY_DATA_DIR or AMQPY_PORT, in the environment or the files of AMQPY_CONFIG.
 * --socket PATH (AMQPY_CONTROL_SOCKET) names the socket, which the log of the broker tells.
 * --url http://USER:PASSWORD@HOST:15672 (AMQPY_URL) is for a broker on another machine."""


GIVEN: Final = "amqpy.given"
"""The arguments of a tool, in the context of its command."""


class FailingCommand(click.Command):
    """A command that fails as RabbitMQ's do."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:  # noqa: ANN401
        given = tuple(args)  # click takes them away one by one
        with failures(Options(), given, self):
            context = super().make_context(info_name, args, *more, **extra)
        context.meta[GIVEN] = given
        return context

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401
        with failures(context.ensure_object(Options), context.meta[GIVEN], self):
            return super().invoke(context)


@contextmanager
def failures(options: Options, given: Sequence[str], tool: click.Command) -> Iterator[None]:
    """Turns errors into what standard error says, and the exit code."""
    try:
        yield
    except BadArguments as mistake:
        end(mistake.text, mistake.code, hint(given, tool))
    except Failure as failure:
        end(failure.text, failure.code)
    except click.UsageError as mistake:
        end(f"Error (argument validation): {said(mistake)}", USAGE, hint(given, tool))
    except Unreachable as absent:
        node = default_node(os.environ, options.node)
        end(UNAVAILABLE_TEXT.format(node=node, reason=absent), UNAVAILABLE)
    except BrokenPipeError:
        raise  # whoever reads has read enough
    except OSError as problem:
        end(f"Error:\n{problem}", SOFTWARE)
    except ApiError as refusal:
        end(f"Error:\n{refusal.text}", SOFTWARE if refusal.status >= 500 else UNAVAILABLE)


def said(mistake: click.UsageError) -> str:
    match mistake:
        case click.NoSuchOption():
            return f"Invalid options for this command:\n{mistake.option_name} : "
        case click.BadParameter(param=click.Option() as option):
            return f"Invalid options for this command:\n{option.opts[-1]} : {mistake.message}"
    return mistake.format_message()


def hint(given: Sequence[str], tool: click.Command) -> str:
    """The arguments, and which ones there could have been."""
    known = tool.commands if isinstance(tool, click.Group) else {}
    command = next((known[each] for each in given if each in known), None)
    usage = f"amqpy {tool.name} [--node <node>] [--quiet]"
    if command is not None:
        options = [each for each in command.params if isinstance(each, click.Option) and each.expose_value]
        arguments = [str(each.metavar) for each in command.params if isinstance(each, click.Argument) and each.metavar]
        usage = " ".join([usage, str(command.name), *(f"[{each.opts[-1]}]" for each in options), *arguments])
    return f"Arguments given:\n\t{' '.join(given)}\n\n{click.style('Usage', bold=True)}\n\n{usage}"


def end(text: str, code: int, more: str = "") -> NoReturn:
    lines = ("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    click.echo("\n".join([*lines, *([more] if more else [])]), err=True, color=True)
    raise click.exceptions.Exit(code)
