"""Programs of RabbitMQ's names that call amqpy: for scripts, health checks and images that were made for RabbitMQ."""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

TOOLS: Final = {
    "rabbitmqctl": "ctl",
    "rabbitmq-diagnostics": "diagnostics",
    "rabbitmq-plugins": "plugins",
    "rabbitmq-queues": "ctl",
    "rabbitmq-upgrade": "ctl",
}
"""RabbitMQ's programs, and the commands that do what they do."""

MARK: Final = "# made by amqpy shims"


def write(directory: Path, *, force: bool = False) -> list[Path]:
    """Writes the programs. Raises OSError, and FileExistsError for one of that name that somebody else made."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {tool: directory / tool for tool in TOOLS}
    for path in paths.values():
        if not force and (path.exists() or path.is_symlink()) and not is_ours(path):
            raise FileExistsError(f"{path} is there already, and is another program")
    for tool, path in paths.items():
        _write(path, text_of(tool))
    return list(paths.values())


def is_ours(path: Path) -> bool:
    try:
        return MARK in path.read_text(errors="replace")[:200]
    except OSError:
        return False


def text_of(tool: str) -> str:
    # -P: a directory of the same name where somebody happens to be is not this package.
    python = f"exec {shlex.quote(sys.executable)} -P -m"
    return (
        f"#!/bin/sh\n{MARK}\n"
        f'[ -z "${variable_of(tool)}" ] || {python} amqpy.ctl.completion {tool}\n'
        f'{python} amqpy {TOOLS[tool]} "$@"\n'
    )


def variable_of(tool: str) -> str:
    """The variable by which click is asked for completions of a program."""
    return f"_{tool.replace('-', '_')}_COMPLETE".upper()


def _write(path: Path, text: str) -> None:
    """Replaces a file at once: somebody may be running it."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.chmod(0o755)
    os.replace(new, path)
