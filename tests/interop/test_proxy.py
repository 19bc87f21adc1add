"""The proxy between programs and brokers, with sockets in the place of both."""

import socket
from collections.abc import Iterator

import pytest

from interop.clients.proxy import CLOSE, CLOSE_OK, OLD_CLOSE, OLD_CLOSE_OK, Proxy
from interop.kit.address import Address

DEADLINE_S = 10
FRAME = b"\x01\x00\x01\x00\x00\x00\x02ab\xce"
START = {
    version: b"\x01\x00\x00\x00\x00\x00\x06\x00\x0a\x00\x0a" + version + b"\xce" for version in (b"\0\x09", b"\x08\0")
}


class Ends:
    """Both ends of a way through a proxy: what a client has, and what a broker has."""

    def __init__(self, proxy: Proxy, broker: socket.socket) -> None:
        self._proxy = proxy
        self.client = socket.create_connection(("127.0.0.1", proxy.address.port), timeout=DEADLINE_S)
        self.broker, _ = broker.accept()
        self.broker.settimeout(DEADLINE_S)

    def command(self, word: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._proxy.control_port), timeout=DEADLINE_S) as control:
            control.sendall(word + b"\n")
            assert control.recv(16) == b"done\n"


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as broker, Proxy(Address(*broker.getsockname())) as proxy:
        both = Ends(proxy, broker)
        yield both
        both.client.close()
        both.broker.close()


def received(end: socket.socket, count: int) -> bytes:
    return b"".join(end.recv(1) for _ in range(count))


def test_octets_go_both_ways(ends: Ends) -> None:
    ends.client.sendall(b"AMQP")
    assert received(ends.broker, 4) == b"AMQP"
    ends.broker.sendall(FRAME[:3])
    ends.broker.sendall(FRAME[3:] + FRAME)
    assert received(ends.client, 2 * len(FRAME)) == 2 * FRAME


def test_the_answer_to_a_bad_header_is_no_frame(ends: Ends) -> None:
    ends.broker.sendall(b"AMQP\0\0\x09\x01")
    assert received(ends.client, 8) == b"AMQP\0\0\x09\x01"


def test_a_cut_ends_both_connections(ends: Ends) -> None:
    ends.broker.sendall(FRAME)
    assert received(ends.client, len(FRAME)) == FRAME
    ends.command(b"cut")
    assert ends.client.recv(1) == b""
    assert ends.broker.recv(1) == b""


def test_an_operator_closes_between_two_frames(ends: Ends) -> None:
    ends.broker.sendall(FRAME + FRAME[:5])
    assert received(ends.client, len(FRAME)) == FRAME
    ends.command(b"close")
    assert ends.broker.recv(1) == b""
    assert received(ends.client, len(CLOSE)) == CLOSE
    ends.client.sendall(b"late")
    ends.client.sendall(CLOSE_OK)
    assert ends.client.recv(1) == b""


@pytest.mark.parametrize(
    ("version", "close", "close_ok"), [(b"\0\x09", CLOSE, CLOSE_OK), (b"\x08\0", OLD_CLOSE, OLD_CLOSE_OK)]
)
def test_an_operator_closes_as_the_version_has_it(ends: Ends, version: bytes, close: bytes, close_ok: bytes) -> None:
    ends.broker.sendall(START[version])
    assert received(ends.client, len(START[version])) == START[version]
    ends.command(b"close")
    assert received(ends.client, len(close)) == close
    ends.client.sendall(close_ok)
    assert ends.client.recv(1) == b""
    assert (close[8], close[10], close_ok[10]) == (10, 50 if close is CLOSE else 60, 51 if close is CLOSE else 61)


def test_who_does_not_answer_an_operator_is_cut(ends: Ends) -> None:
    ends.broker.sendall(FRAME)
    assert received(ends.client, len(FRAME)) == FRAME
    ends.command(b"close")
    assert received(ends.client, len(CLOSE)) == CLOSE
    assert ends.client.recv(1) == b""


@pytest.mark.parametrize(("first", "other"), [("client", "broker"), ("broker", "client")])
def test_an_end_is_passed_on(ends: Ends, first: str, other: str) -> None:
    getattr(ends, first).shutdown(socket.SHUT_WR)
    assert getattr(ends, other).recv(1) == b""


@pytest.mark.parametrize(("first", "other"), [("client", "broker"), ("broker", "client")])
def test_one_that_ended_still_hears_the_other(ends: Ends, first: str, other: str) -> None:
    getattr(ends, first).shutdown(socket.SHUT_WR)
    assert getattr(ends, other).recv(1) == b""
    getattr(ends, other).sendall(FRAME)
    assert received(getattr(ends, first), len(FRAME)) == FRAME
