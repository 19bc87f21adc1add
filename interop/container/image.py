"""An image that can be run, whichever way it was built."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Done = subprocess.CompletedProcess[str]


class Unavailable(RuntimeError):
    """This machine has not what it takes; the text says why."""


class Container(Protocol):
    """A container that runs."""

    def lines(self) -> Iterator[str]:
        """The lines of its log, until it has ended."""

    def address(self, port: int) -> tuple[str, int]:
        """The address that leads to one of its ports."""

    def run(self, *command: str) -> Done:
        """Runs a command in it."""

    def users(self) -> set[int]:
        """The numbers of the users that its processes run as."""

    def stop(self) -> int:
        """Stops it as `docker stop` does; returns its exit code."""


class Image(Protocol):
    """An image, with the one volume that its containers get."""

    @property
    def health_check(self) -> list[str]:
        """The command that tells if a container is well."""

    def start(self, variables: Mapping[str, str], files: Mapping[str, str]) -> AbstractContextManager[Container]:
        """Starts a container with these variables, and these texts in files. It is gone at the end, the volume is
        not."""
