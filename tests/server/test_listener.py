"""Where connections come from: addresses, unix sockets, and what cannot be listened on."""

import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from pamqp.commands import Queue

from amqpy.amqp.state import InputState
from amqpy.config import Config
from amqpy.server.listener import Listener, open_listeners, serve
from amqpy.wire.outbox import Outbox

from .peer import Peer
from .test_sockets import Listening

needs_unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")


async def close(listeners: list[Listener]) -> None:
    for each in listeners:
        await each.accepting.aclose()


async def test_port_0_is_a_free_port_and_told() -> None:
    one, other = await open_listeners(Config(port=0)), await open_listeners(Config(port=0))
    addresses = {str(each.address) for each in one + other}
    assert len(addresses) == 2
    assert all(each.startswith("127.0.0.1:") and not each.endswith(":0") for each in addresses)
    await close(one + other)


async def test_several_addresses(tmp_path: Path) -> None:
    listeners = await open_listeners(Config(listen=("127.0.0.1:0", "localhost:0", f"unix:{tmp_path}/s")))
    assert len(listeners) >= 3
    assert str(listeners[-1].address) == f"unix:{tmp_path}/s"
    await close(listeners)


async def test_ipv6() -> None:
    try:
        listeners = await open_listeners(Config(listen=("[::1]:0",)))
    except OSError:
        pytest.skip("this system has no IPv6")
    assert str(listeners[0].address).startswith("[::1]:")
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


class NoNames(trio.abc.HostnameResolver):
    """A resolver that knows nobody, and asks nobody."""

    async def getaddrinfo(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        raise NotImplementedError


async def test_a_host_that_nobody_knows_is_told_in_one_line() -> None:
    trio.socket.set_custom_hostname_resolver(NoNames())
    with pytest.raises(OSError, match=r"^cannot listen on nowhere.invalid:5672: [^\n]*Name or service not known$"):
        await open_listeners(Config(listen=("nowhere.invalid:5672",)))


# --- what is served


class Echo:
    """A session of another protocol: it says what it hears, up to a full stop, in its own time."""

    paused = False
    held_size = 0
    is_amid_large_frame = False

    def __init__(
        self, *, log: logging.LoggerAdapter[logging.Logger], wake: Callable[[], object], **rest: object
    ) -> None:
        self.log = log
        self.outbox = Outbox(wake)
        self.next_at_ms: int | None = None
        self.is_closed = False
        self.rest = rest

    @property
    def input_state(self) -> InputState:
        return InputState.CLOSED if self.is_closed else InputState.READ

    def receive(self, data: bytes, now_ms: int) -> None:
        self.outbox.write(data)
        self.is_closed = data.endswith(b".")
        self.next_at_ms = None if self.is_closed else now_ms

    def on_timer(self, now_ms: int) -> None:
        self.outbox.write(b"!")
        self.next_at_ms = None

    def lost(self, reason: str = "") -> None:
        self.is_closed = True

    def detach(self) -> None:
        self.outbox.wake = lambda: None


async def read(stream: trio.abc.ReceiveStream, size: int) -> bytes:
    """So many bytes, or all up to the end."""
    data = bytearray()
    while len(data) < size and (part := await stream.receive_some(size - len(data))):
        data += part
    return bytes(data)


async def test_each_listener_serves_what_its_factory_makes() -> None:
    config = Config(port=0, strict=True)
    (listening,) = await open_listeners(config)
    sessions: list[Echo] = []

    def make_echo(**given: Any) -> Any:  # noqa: ANN401 (a factory's arguments; no client of a broker)
        sessions.append(Echo(**given))
        return sessions[-1]

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            server = Listening(config)
            await nursery.start(server.serve, config)
            nursery.start_soon(serve, [listening], server.reactor, make_echo)
            async with await trio.open_tcp_stream(*listening.address[:2]) as stream:
                for word in (b"one", b"two"):
                    await stream.send_all(word)
                    assert await read(stream, 4) == word + b"!"
                amqp = await server.joined(1)
                await amqp.ask(Queue.Declare(queue="q"))
                await amqp.vanish()
                await stream.send_all(b"end.")
                assert await read(stream, 5) == b"end."
            assert sessions[0].rest["from_loopback"] is True
            nursery.cancel_scope.cancel()


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
