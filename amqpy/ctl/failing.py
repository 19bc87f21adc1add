"""The failures of commands: what standard error says, and the exit code.

Source: `RabbitMQCtl`, `RabbitMQ.CLI.Core.ExitCodes`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from amqpy.ctl.api import ApiError, default_node
from amqpy.ctl.failures import SOFTWARE, UNAVAILABLE, USAGE, Failure, Unreachable
from amqpy.ctl.options import Options
from amqpy.ctl.output import printable

UNAVAILABLE_TEXT = """\
Error: unable to perform an operation on node '{node}'. Please see diagnostics information and suggestions below.

{reason}

 * Does the broker run, as the same user? `amqpy ctl` finds it as `amqpy serve` would open its socket: by the settings
   AMQPY_DATA_DIR or AMQPY_PORT, in the environment or the files of AMQPY_CONFIG.
 * --socket PATH (AMQPY_CONTROL_SOCKET) names the socket, which the log of the broker tells.
 * --url http://USER:PASSWORD@HOST:15672 (AMQPY_URL) is for a broker on another machine."""


class FailingCommand(click.Command):
    """A command that fails as RabbitMQ's do."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:  # noqa: ANN401
        with failures(None):
            return super().make_context(info_name, args, *more, **extra)

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401
        with failures(context.ensure_object(Options)):
            return super().invoke(context)


@contextmanager
def failures(options: Options | None) -> Iterator[None]:
    """Turns errors into what standard error says, and the exit code."""
    try:
        yield
    except Failure as failure:
        end(failure.text, failure.code)
    except click.UsageError as mistake:
        end(f"Error (argument validation): {mistake.format_message()}", USAGE)
    except Unreachable as absent:
        node_name = default_node(os.environ, options.node if options else None)
        end(UNAVAILABLE_TEXT.format(node=node_name, reason=absent), UNAVAILABLE)
    except ApiError as refusal:
        end(f"Error:\n{refusal.text}", code_of(refusal))


def code_of(refusal: ApiError) -> int:
    return SOFTWARE if refusal.status >= 500 else UNAVAILABLE


def end(text: str, code: int) -> NoReturn:
    lines = ("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    click.echo("\n".join(lines), err=True)
    raise click.exceptions.Exit(code)
