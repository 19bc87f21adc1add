"""Where connections come from: addresses, unix sockets, and what cannot be listened on."""

import socket
from pathlib import Path

import pytest
import trio
from pamqp.commands import Queue

from amqpy.config import Config
from amqpy.server.listener import address_of, open_listeners

from .peer import Peer
from .test_sockets import Listening

needs_unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")


async def close(listeners: list[trio.SocketListener]) -> None:
    for each in listeners:
        await each.aclose()


async def test_port_0_is_a_free_port_and_told() -> None:
    one, other = await open_listeners(Config(port=0)), await open_listeners(Config(port=0))
    addresses = {str(address_of(each)) for each in one + other}
    assert len(addresses) == 2
    assert all(each.startswith("127.0.0.1:") and not each.endswith(":0") for each in addresses)
    await close(one + other)


async def test_several_addresses(tmp_path: Path) -> None:
    listeners = await open_listeners(Config(listen=("127.0.0.1:0", "localhost:0", f"unix:{tmp_path}/s")))
    assert len(listeners) >= 3
    assert str(address_of(listeners[-1])) == f"unix:{tmp_path}/s"
    await close(listeners)


async def test_ipv6() -> None:
    try:
        listeners = await open_listeners(Config(listen=("[::1]:0",)))
    except OSError:
        pytest.skip("this system has no IPv6")
    assert str(address_of(listeners[0])).startswith("[::1]:")
    await close(listeners)


async def test_a_taken_port_is_told_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as spare:
        port, free = taken.getsockname()[1], spare.getsockname()[1]
        spare.close()
        with pytest.raises(OSError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
            await open_listeners(Config(listen=(f"127.0.0.1:{free}", f"127.0.0.1:{port}")))
        await close(await open_listeners(Config(port=free)))


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("192.0.2.1:5672", "^cannot listen on 192.0.2.1:5672: [^\n]+$"),
        ("unix:/nowhere/at/all", "^cannot listen on unix:/nowhere/at/all: No such file or directory$"),
        ("unix:/" + "x" * 200, "^cannot listen on unix:/x+: AF_UNIX path too long$"),
    ],
)
async def test_an_address_that_cannot_be_listened_on_is_told_in_one_line(address: str, text: str) -> None:
    with pytest.raises(OSError, match=text):
        await open_listeners(Config(listen=(address,)))


class NoNames:
    """A resolver that knows nobody, and asks nobody."""

    async def getaddrinfo(self, *arguments: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *arguments: object) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_host_that_nobody_knows_is_told_in_one_line() -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    with pytest.raises(OSError, match=r"^cannot listen on nowhere.invalid:5672: [^\n]*Name or service not known$"):
        await open_listeners(Config(listen=("nowhere.invalid:5672",)))


# --- unix sockets


@needs_unix_sockets
async def test_a_unix_socket_serves_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "amqp"
    config = Config(listen=(f"unix:{path}",), strict=True)
    async with trio.open_nursery() as nursery:
        server = Listening(config)
        await nursery.start(server.serve, config)
        peer = Peer(await trio.open_unix_socket(path))
        await peer.open(1)
        await peer.ask(Queue.Declare(queue="q"))
        (connection,) = server.reactor.connections
        assert connection.name == f"unix -> {path}"
        await peer.vanish()
        nursery.cancel_scope.cancel()
    assert not path.exists()


@needs_unix_sockets
async def test_a_unix_socket_of_a_broker_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "amqp"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    assert path.exists()
    await close(await open_listeners(Config(listen=(f"unix:{path}",))))


@needs_unix_sockets
async def test_a_unix_socket_that_somebody_serves_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "amqp"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(OSError, match=f"^cannot listen on unix:{path}: Address already in use$"):
            await open_listeners(Config(listen=(f"unix:{path}",)))
        assert path.exists()


@needs_unix_sockets
async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(OSError, match="Address already in use"):
        await open_listeners(Config(listen=(f"unix:{path}",)))
    assert path.read_text() == "data"
