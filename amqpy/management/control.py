"""The control socket: the management API for whoever may open a unix socket, as an administrator without a password.

This is to `amqpy ctl` what the Erlang cookie is to RabbitMQ's tools.
"""

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from amqpy.config import Config
from amqpy.config.control import SOCKET_MODE, check_directory, control_path, make_runtime_directory
from amqpy.config.management import AUTO
from amqpy.management.server import HttpListener
from amqpy.server.listener import open_unix

if TYPE_CHECKING:
    from amqpy.management.application import Application
    from amqpy.management.heads import Scope
    from amqpy.management.responses import Receive, Send

MISSING: Final = "the control socket needs the package hypercorn: pip install 'amqpy-broker[management]'"

ANY_CREDENTIALS: Final = (b"authorization", b"Basic cm1xLWNsaTo=")
"""The header of a user whom nobody asks for a password (`login.ControlLogins`)."""

RATE: Final = b"_details"
"""The end of the names under which rates are, in a query for columns or their order."""
FINDINGS: Final = b"/api/stuck"
"""A part of paths at which it is told what has changed lately."""


class ControlListener(HttpListener):
    """The control socket, which is there as long as it is listened on."""

    def __init__(self, accepting: trio.SocketListener, path: Path) -> None:
        super().__init__(accepting, tls=False)
        self.path = path

    def close(self) -> None:
        super().close()
        self.path.unlink(missing_ok=True)


def open_control(config: Config, port: int | None, log: logging.Logger, *, by_default: bool) -> list[ControlListener]:
    """Listens on the control socket, if the settings ask for one, or else by default. Raises OSError; by default what
    is in the way is no more than logged. `port` is the first for AMQP."""
    is_asked_for = config.control_socket not in {AUTO, ""}
    path = control_path(config, port, os.environ) if is_asked_for or by_default else None
    if path is None:
        return []
    if find_spec("hypercorn") is None:
        if is_asked_for:
            raise OSError(MISSING)
        log.info("%s", MISSING)
        return []
    try:
        if not is_asked_for and config.data_dir is None:
            make_runtime_directory(path.parent)
        check_directory(path.parent)
        return [ControlListener(open_unix(path, SOCKET_MODE), path)]
    except OSError as error:
        if is_asked_for:
            raise OSError(f"no control socket at {path}: {error.strerror or error}") from error
        log.warning("there is no control socket: %s", error)
        return []


class ControlApplication:
    """The management API without credentials. Whoever gives some anyway is that user, as elsewhere: `authenticate_user`
    tries passwords so."""

    def __init__(self, trusting: "Application", asking: "Application") -> None:
        self._trusting = trusting
        self._asking = asking
        self._rates_are_wanted = trio.Event()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if RATE in scope.get("query_string", b"") or FINDINGS in scope.get("raw_path", b""):
            self._rates_are_wanted.set()
        if any(name.lower() == b"authorization" for name, _ in scope.get("headers", ())):
            await self._asking(scope, receive, send)
        elif scope["type"] == "http":
            await self._trusting({**scope, "headers": [*scope["headers"], ANY_CREDENTIALS]}, receive, send)

    async def run(self) -> None:
        """Takes samples once somebody has asked for a rate by its name, or for findings: most ask once, and for
        neither."""
        await self._rates_are_wanted.wait()
        await self._trusting.run()
