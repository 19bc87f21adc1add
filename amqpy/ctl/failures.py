"""Failures of commands, each with its exit code.

Source: RabbitMQ's `exit_codes.ex`, whose numbers are those of BSD's `sysexits.h`.
"""

from typing import Final

USAGE: Final = 64
DATA_ERROR: Final = 65
NO_USER: Final = 67
UNAVAILABLE: Final = 69
SOFTWARE: Final = 70
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


def bad_arguments(text: str) -> Failure:
    """Arguments that no broker needs to be asked about."""
    return Failure(f"Error (argument validation): {text}", USAGE)
