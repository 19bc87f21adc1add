"""Failures of commands, each with its exit code.

Source: RabbitMQ's `exit_codes.ex`, whose numbers are those of BSD's `sysexits.h`.
"""

from typing import Final

USAGE: Final = 64
DATA_ERROR: Final = 65
NO_USER: Final = 67
UNAVAILABLE: Final = 69
SOFTWARE: Final = 70
TEMPORARY: Final = 75
CONFIG: Final = 78


class Failure(Exception):
    """A command that has failed: what standard error says, and the exit code."""

    def __init__(self, text: str, code: int = UNAVAILABLE) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Unreachable(Exception):
    """No broker answers; the text says where it was sought and why it is not there."""


def error(text: str, code: int = UNAVAILABLE) -> Failure:
    """A failure in the form that most have."""
    return Failure(f"Error:\n{text}", code)


def no_such_vhost(name: str) -> Failure:
    """The failure of most commands in a virtual host that does not exist."""
    return Failure(f"Virtual host '{name}' does not exist", DATA_ERROR)


class BadArguments(Failure):
    """Arguments that no broker needs to be asked about."""

    def __init__(self, text: str, code: int = USAGE) -> None:
        super().__init__(f"Error (argument validation): {text}", code)


class TimedOut(Failure):
    """A command that has waited for too long."""

    def __init__(self, command: str, node: str, seconds: float) -> None:
        waited_ms = round(seconds * 1000)
        super().__init__(
            f"Error: operation {command} on node {node} timed out. Timeout value used: {waited_ms}", TEMPORARY
        )
