"""The PROXY protocol: a header before anything else, by which a proxy tells whose connection it passes on.

    version 1   `PROXY TCP4 203.0.113.9 203.0.113.1 4321 5672` and CR LF
    version 2   a signature of twelve octets; version and command, family, size; the addresses; more, which is skipped

The parser is pure. What is behind the header is AMQP, or TLS, and for others to read: so the header is looked at where
it lies, in the kernel's buffer, and only its own octets are taken from there.

Source: HAProxy's doc/proxy-protocol.txt, sections 2.1 and 2.2; `ranch_proxy_header`; `rabbit_networking:handshake`.
"""

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

import trio

from amqpy.config.values import TcpAddress, parse_integer

V1_START: Final = b"PROXY "
V1_SIZE_MAX: Final = 107
"""Octets of a header of version 1, its line end included."""

V2_START: Final = b"\r\n\r\n\0\r\nQUIT\n"
V2_HEAD: Final = struct.Struct(">12sBBH")
SIZE_MAX: Final = 4096
"""Octets of a header of version 2, with all that a proxy may tell beside the addresses."""

_LOCAL, _PROXY = 0x20, 0x21
"""Version 2 and its commands, in one octet."""
_INET: Final = {1: struct.Struct(">4s4sHH"), 2: struct.Struct(">16s16sHH")}
"""The addresses and ports of a family: first the client's, then its destination's."""
_UNIX, _UNIX_SIZE = 3, 216
_TRANSPORT_MAX: Final = 2


class HeaderFault(ValueError):
    """Octets that are no header of the PROXY protocol."""


class Relay(NamedTuple):
    """The content of a header."""

    is_relayed: bool
    """False for a connection that the proxy makes for itself, as to see if the broker lives."""
    ends: tuple[TcpAddress, TcpAddress] | None
    """The client, and the address it connected to; None if the proxy does not tell."""


class HeaderParser:
    """Parses one header, in whatever parts it comes."""

    relay: Relay
    """The content, once the header is whole."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes | None:
        """Takes the next octets. Returns those that do not belong to the header once it is whole, else None. Raises
        HeaderFault as soon as no header can come of it."""
        held = self._held = self._held + data
        size = _size_of(held)
        if size is None or len(held) < size:
            return None
        parse = _parse_line if held.startswith(V1_START) else _parse_block
        self.relay = parse(held[:size])
        return held[size:]


def _size_of(data: bytes) -> int | None:
    """The size of the header that begins so; None as long as that cannot be told. Raises HeaderFault."""
    if V1_START.startswith(data[: len(V1_START)]):
        end = data.find(b"\r\n", 0, V1_SIZE_MAX)
        if end < 0 and len(data) >= V1_SIZE_MAX:
            raise HeaderFault("a line without an end")
        return None if end < 0 else end + 2
    if V2_START.startswith(data[: len(V2_START)]):
        if len(data) < V2_HEAD.size:
            return None
        size: int = V2_HEAD.size + V2_HEAD.unpack_from(data)[3]
        if size > SIZE_MAX:
            raise HeaderFault(f"{size} octets")
        return size
    raise HeaderFault("there is none")


def _parse_line(line: bytes) -> Relay:
    words = line[:-2].decode("ascii", errors="replace").split(" ")
    if words[1] == "UNKNOWN":
        return Relay(is_relayed=True, ends=None)
    if len(words) != 6 or words[1] not in {"TCP4", "TCP6"}:
        raise HeaderFault("a line of another form")
    version = int(words[1][-1])
    peer, host = (_address_in_text(words[at], words[at + 2], version) for at in (2, 3))
    return Relay(is_relayed=True, ends=(peer, host))


def _address_in_text(host: str, port: str, version: int) -> TcpAddress:
    try:
        address, number = ip_address(host), parse_integer(port)
    except ValueError:
        raise HeaderFault("an address that is none") from None
    # The library lets an address of version 6 have a zone, which is of no use on another machine.
    if address.version != version or "%" in host or not 1 <= number <= 65_535 or port.startswith("0"):
        raise HeaderFault("an address that is none")
    return TcpAddress(plain(address), number)


def _parse_block(block: bytes) -> Relay:
    _, command, family, _ = V2_HEAD.unpack_from(block)
    if command == _LOCAL:
        return Relay(is_relayed=False, ends=None)
    if command != _PROXY:
        raise HeaderFault("another version or command")
    family, transport = divmod(family, 16)
    content = block[V2_HEAD.size :]
    layout = _INET.get(family)
    if family > _UNIX or transport > _TRANSPORT_MAX:
        raise HeaderFault("another family or transport")
    if transport == 0 or family == 0:
        return Relay(is_relayed=True, ends=None)
    if len(content) < (_UNIX_SIZE if layout is None else layout.size):
        raise HeaderFault("addresses that are cut short")
    if layout is None:
        return Relay(is_relayed=True, ends=None)
    peer, host, peer_port, port = layout.unpack_from(content)
    ends = TcpAddress(plain(ip_address(peer)), peer_port), TcpAddress(plain(ip_address(host)), port)
    return Relay(is_relayed=True, ends=ends)


def plain(address: IPv4Address | IPv6Address) -> str:
    """The text of an address, of version 4 where one of version 6 only stands for it."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class TrustedProxies:
    """The proxies whose headers are believed."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = [ip_network(each) for each in networks]

    def has(self, host: str) -> bool:
        """True for an address in one of the networks, and for a unix socket, which has none: its file's permissions say
        who may connect."""
        if not host:
            return True
        address = ip_address(plain(ip_address(host.partition("%")[0])))
        return any(address in each for each in self._networks)


async def receive_header(sock: trio.socket.SocketType) -> Relay | None:
    """Receives a header, and no octet of what is behind it; None if the peer leaves before. Raises HeaderFault, and
    OSError as the socket does."""
    parser = HeaderParser()
    while data := await sock.recv(SIZE_MAX, socket.MSG_PEEK):
        rest = parser.feed(data)
        await sock.recv(len(data) - len(rest or b""))
        if rest is not None:
            return parser.relay
    return None
