"""The place of the control socket, on which `amqpy serve` and `amqpy ctl` must agree without asking each other.

Whoever may open the socket is an administrator. So it is for its owner only, and in a directory in which nobody else
could put another one in its place.
"""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amqpy.config.management import AUTO
from amqpy.config.settings import Config

IN_DATA_DIR: Final = "control.sock"
SOCKET_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


def control_path(config: Config, port: int | None, environ: Mapping[str, str]) -> Path | None:
    """The path of the control socket of `amqpy serve`; None if it has none. `port` is its first for AMQP."""
    if config.control_socket != AUTO:
        return Path(config.control_socket) if config.control_socket else None
    if config.data_dir is not None:
        return Path(config.data_dir) / IN_DATA_DIR
    return None if port is None or sys.platform == "win32" else runtime_directory(environ) / f"{port}.sock"


def runtime_directory(environ: Mapping[str, str]) -> Path:
    """The directory for the sockets of brokers without a data directory."""
    if base := environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "amqpy"
    return Path(environ.get("TMPDIR") or "/tmp") / f"amqpy-{os.geteuid()}"


def make_runtime_directory(directory: Path) -> None:
    """Makes the directory of a socket, if it is not there, for its owner only. Raises OSError if it is somebody's."""
    directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    told = directory.lstat()
    if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.geteuid() or stat.S_IMODE(told.st_mode) & 0o077:
        raise PermissionError(f"{directory} is not a directory for us only")


def check_directory(directory: Path) -> None:
    """Raises OSError if somebody else (but root) could put something into a directory."""
    if sys.platform == "win32":
        return
    told = directory.stat()
    if told.st_uid not in {os.geteuid(), 0}:
        raise PermissionError(f"{directory} belongs to somebody else")
    if told.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others may write to {directory}")
