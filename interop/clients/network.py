"""A network of its own for a command that knows no other ports than the standard ones.

Whoever uses such a port on this machine is not disturbed, nor are other runs: the command is alone with its 127.0.0.1,
where the ports it knows lead to addresses outside. This is a network namespace of Linux, which goes with the last of
its processes. There, this file is the program that makes the listeners, hands them out to the runner, and becomes the
command: a socket stays in the network it was made in, whoever accepts its connections.
"""

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache

SIOCSIFFLAGS = 0x8914
IFF_UP = 1
BACKLOG = 128
WAYS = (("unshare", "--net"), ("unshare", "--user", "--map-root-user", "--net"))
"""For those who may, and for others, who are root in their own eyes then."""

Lead = Callable[[socket.socket], contextlib.AbstractContextManager[object]]
"""Lead the connections of a listener somewhere else, until the end."""


@cache
def way_in() -> tuple[str, ...]:
    """What makes a network for the command behind it. Raises OSError, which says why there is none here."""
    said = []
    for way in WAYS:
        try:
            done = subprocess.run([*way, "true"], capture_output=True, text=True, check=False)
        except OSError as error:
            raise OSError(f"no network namespaces: {error}") from error
        if done.returncode == 0:
            return way
        said.append(done.stderr.strip())
    raise OSError(f"no network namespaces: {'; '.join(said)}")


@contextlib.contextmanager
def leading_out(ports: Mapping[int, Lead]) -> Iterator[tuple[str, ...]]:
    """Give the caller what is put before a command, so that these ports are there and lead out. Raises OSError."""
    way = way_in()
    with (
        tempfile.TemporaryDirectory(prefix="amqpy-network-") as folder,
        contextlib.ExitStack() as leads,
        socket.socket(socket.AF_UNIX) as door,
    ):
        path = f"{folder}/door"
        door.bind(path)
        door.listen()

        def lead() -> None:
            with contextlib.suppress(OSError), door.accept()[0] as caller:
                _, descriptors, _, _ = socket.recv_fds(caller, 1, len(ports))
                for lead_out, descriptor in zip(ports.values(), descriptors, strict=True):
                    leads.enter_context(lead_out(socket.socket(fileno=descriptor)))

        leading = threading.Thread(target=lead)
        leading.start()
        try:
            yield (*way, sys.executable, "-I", __file__, path, ",".join(map(str, ports)))
        finally:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)
            leading.join()


def enter(path: str, ports: list[int], command: list[str]) -> None:
    """Become the command, once the listeners are there and the runner has them."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    with socket.socket(socket.AF_UNIX) as door, contextlib.ExitStack() as listeners:
        door.connect(path)
        made = [listeners.enter_context(socket.create_server(("127.0.0.1", port), backlog=BACKLOG)) for port in ports]
        socket.send_fds(door, [b"."], [each.fileno() for each in made])
    os.execvp(command[0], command)


if __name__ == "__main__":
    enter(sys.argv[1], [int(port) for port in sys.argv[2].split(",")], sys.argv[3:])
