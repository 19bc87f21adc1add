"""Completion in a shell for the programs of RabbitMQ's names.

Each is one tool, and not a command of `amqpy`. So click is asked with that tool as the program: the variables in which
a shell asks it (`_RABBITMQCTL_COMPLETE=bash_source`, …) have the program's name.
"""

import sys

from amqpy.ctl.shims import TOOLS
from amqpy.ctl.tools import COMMANDS


def complete(program: str) -> None:
    """Answers what a shell asks about a program. Raises SystemExit."""
    COMMANDS[TOOLS[program]]().main([], prog_name=program)


if __name__ == "__main__":
    complete(sys.argv[1])
