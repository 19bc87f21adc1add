"""A network of one's own: the port one knows is there, whoever else has it."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from interop.clients import network
from interop.clients.proxy import Proxy
from interop.kit.address import Address


def available() -> bool:
    with contextlib.suppress(OSError):
        return bool(network.way_in())
    return False


needs_network = pytest.mark.skipif(not available(), reason="no network namespaces here")
ASKS = "import socket, sys; print(socket.create_connection(('localhost', int(sys.argv[1]))).recv(99).decode())"
DEADLINE_S = 30


@contextlib.contextmanager
def server(says: bytes) -> Iterator[int]:
    """Listens on a free port, and says something to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listening.accept()[0] as caller:
                        caller.sendall(says)

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def asked(port: int, before: tuple[str, ...] = ()) -> str:
    command = [*before, sys.executable, "-c", ASKS, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S).stdout.strip()


@needs_network
def test_two_find_different_brokers_on_the_port_that_a_third_has() -> None:
    with contextlib.ExitStack() as stack:
        taken, one, other = (stack.enter_context(server(says)) for says in (b"taken", b"one", b"other"))
        to_one, to_other = (
            stack.enter_context(network.leading_out({taken: partial(Proxy, Address("127.0.0.1", port))}))
            for port in (one, other)
        )
        assert [asked(taken), asked(taken, to_one), asked(taken, to_other)] == ["taken", "one", "other"]


@needs_network
def test_nothing_else_is_there() -> None:
    with (
        server(b"of the machine") as port,
        network.leading_out({1: partial(Proxy, Address("127.0.0.1", port))}) as before,
    ):
        assert asked(port, before) == ""
        assert asked(port) == "of the machine"


@needs_network
def test_a_command_that_never_comes() -> None:
    with network.leading_out({1: partial(Proxy, Address("127.0.0.1", 1))}):
        pass


def test_where_there_is_none_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WAYS", ((sys.executable, "-c", "import sys; sys.exit('not allowed')"),))
    network.way_in.cache_clear()
    with pytest.raises(OSError, match=r"^no network namespaces: not allowed$"):
        network.way_in()
    monkeypatch.setattr(network, "WAYS", (("no-such-program",),))
    with pytest.raises(OSError, match=r"^no network namespaces: .*no-such-program"):
        network.way_in()
    network.way_in.cache_clear()
