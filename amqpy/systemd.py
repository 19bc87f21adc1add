"""Messages to systemd about the broker: that it serves, that it is alive, that it is about to stop.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).
"""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Final, Self

import trio

SEND_S: Final = 1.0
"""Seconds that a full socket is waited for. The broker is more important than what is told of it."""


class Systemd:
    """The service manager at a socket, whose name may be abstract (`@…`). It wants a sign of life at least every
    `watchdog_s` seconds."""

    def __init__(self, path: str, watchdog_s: float = inf) -> None:
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self.interval_s = watchdog_s / 2
        """Seconds between two signs of life."""

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> Self | None:
        """The one that has started this process, or None."""
        path = environ.get("NOTIFY_SOCKET", "")
        if not path.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
            return None
        microseconds = environ.get("WATCHDOG_USEC", "")
        is_meant = environ.get("WATCHDOG_PID") in {None, str(pid)} and microseconds.isdecimal()
        return cls(path, int(microseconds) / 1e6 if is_meant and int(microseconds) else inf)

    def tell(self, *lines: str) -> None:
        """Sends variables. What cannot be sent is lost."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_S)
            sender.connect(self._address)
            sender.send("\n".join(lines).encode())

    async def attend(self, status: str, stop: trio.Event) -> None:
        """Tells that the broker serves, then that it lives, and once it is to stop, that, too. Until cancelled."""
        self.tell("READY=1", f"STATUS={status}")
        await self._live_until(stop)
        self.tell("STOPPING=1")
        await self._live_until(trio.Event())

    async def _live_until(self, end: trio.Event) -> None:
        while True:
            with trio.move_on_after(self.interval_s):
                await end.wait()
                return
            self.tell("WATCHDOG=1")

    def reload(self, read: Callable[[], object]) -> None:
        """Reads something anew, between two messages that say so."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        read()
        self.tell("READY=1")
