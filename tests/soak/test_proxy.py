"""The proxy between a client and a broker that are plain sockets."""

import itertools
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from interop.kit.address import Address
from interop.parity import codec
from interop.soak.cutting import Close, Place
from interop.soak.proxy import Doom, Proxy, Way, dooms

FRAME = codec.frame(codec.BODY, 1, b"12345")
CLOSE = codec.frame(codec.METHOD, 0, codec.method_payload("connection.close", reply_code=504, reply_text="why"))
TIMEOUT_S = 20
NEVER_S = 1e6


class Broker:
    """Accepts one connection, and notes what came until its end."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ended: queue.Queue[tuple[bytes, type[Exception] | None]] = queue.Queue()
        self.connections: queue.Queue[socket.socket] = queue.Queue()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.listener.getsockname()[1], "guest", "guest", "/")

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection:
            self.connections.put(connection)
            self.ended.put(read_to_end(connection))


def read_to_end(connection: socket.socket) -> tuple[bytes, type[Exception] | None]:
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionError as error:
        return received, type(error)
    return received, None


@contextmanager
def between(doom: Doom) -> Iterator[tuple[Broker, Proxy, socket.socket, list[Close]]]:
    broker, closes = Broker(), list[Close]()
    with (
        broker.listener,
        Proxy(broker.address, itertools.repeat(doom), closes.append) as proxy,
        socket.create_connection((proxy.address.host, proxy.address.port), TIMEOUT_S) as client,
    ):
        client.settimeout(TIMEOUT_S)
        yield broker, proxy, client, closes
    broker.thread.join(TIMEOUT_S)


def doom(place: Place, way: Way) -> Doom:
    return Doom(0.0, place, way, by_client=True)


def send_until_cut(client: socket.socket) -> None:
    """One frame at a time: each is answered, or the connection ends."""
    client.sendall(codec.PROTOCOL_HEADER)
    try:
        for _ in range(100_000):
            client.sendall(FRAME)
    except ConnectionError:
        return
    raise AssertionError("nothing was cut")


def test_everything_passes() -> None:
    with between(Doom(NEVER_S, Place.BOUNDARY, Way.RESET, by_client=True)) as (broker, proxy, client, closes):
        client.sendall(codec.PROTOCOL_HEADER + FRAME * 1000)
        server = broker.connections.get(timeout=TIMEOUT_S)
        server.sendall(FRAME + CLOSE)
        client.shutdown(socket.SHUT_WR)
        assert broker.ended.get(timeout=TIMEOUT_S) == (codec.PROTOCOL_HEADER + FRAME * 1000, None)
        assert read_to_end(client) == (FRAME + CLOSE, None)
        assert closes == [Close("connection.close", 504, "why")]
        assert not proxy.cuts


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("way", [Way.RESET, Way.END])
def test_it_cuts_where_it_should(place: Place, way: Way) -> None:
    with between(doom(place, way)) as (broker, proxy, client, _):
        send_until_cut(client)
        received, error = broker.ended.get(timeout=TIMEOUT_S)
        assert error in ((None, ConnectionResetError) if way is Way.RESET else (None,))
        if way is Way.END:  # a reset takes with it what was not read yet
            length = len(received) - len(codec.PROTOCOL_HEADER)
            assert (length % len(FRAME) == 0) == (place is Place.BOUNDARY)
        assert proxy.cuts == {f"{way.value} {place.value}": 1}


def test_silence_ends_when_all_is_calm() -> None:
    with between(doom(Place.BOUNDARY, Way.SILENCE)) as (broker, proxy, client, _):
        client.sendall(codec.PROTOCOL_HEADER)
        client.settimeout(0.001)
        while not proxy.cuts:
            client.sendall(FRAME)
        proxy.calm()
        client.settimeout(TIMEOUT_S)
        assert read_to_end(client)[1] is ConnectionResetError
        assert broker.ended.get(timeout=TIMEOUT_S)[1] in (None, ConnectionResetError)


def test_nothing_is_cut_while_it_is_calm() -> None:
    with between(doom(Place.INSIDE, Way.RESET)) as (broker, proxy, client, _):
        proxy.calm()
        client.sendall(codec.PROTOCOL_HEADER + FRAME * 10_000)
        client.shutdown(socket.SHUT_WR)
        assert broker.ended.get(timeout=TIMEOUT_S)[0] == codec.PROTOCOL_HEADER + FRAME * 10_000
        assert not proxy.cuts


def test_who_finds_no_broker_is_turned_away() -> None:
    broker = Broker()
    socket.create_connection(broker.listener.getsockname(), TIMEOUT_S).close()
    broker.thread.join(TIMEOUT_S)
    broker.listener.close()
    gone = Address("127.0.0.1", free_port(), "guest", "guest", "/")
    with (
        Proxy(gone, dooms("1", NEVER_S), lambda close: None) as proxy,
        socket.create_connection((proxy.address.host, proxy.address.port), TIMEOUT_S) as client,
    ):
        client.settimeout(TIMEOUT_S)
        assert read_to_end(client)[0] == b""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_what_is_cut_comes_from_the_seed() -> None:
    first, again, other = (list(itertools.islice(dooms(seed, 20.0), 50)) for seed in ("1", "1", "2"))
    assert first == again != other
    assert {each.place for each in first} == set(Place)
    assert {each.way for each in first} == set(Way)
