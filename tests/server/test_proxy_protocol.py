"""Headers of the PROXY protocol: what they tell, in whatever parts they come, and what is none."""

import socket
import struct
from ipaddress import ip_address

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from amqpy.config.values import TcpAddress
from amqpy.server.proxy_protocol import (
    SIZE_MAX,
    V1_SIZE_MAX,
    V2_START,
    HeaderFault,
    HeaderParser,
    Relay,
    TrustedProxies,
    receive_header,
)

CLIENT, SERVER = TcpAddress("203.0.113.9", 4321), TcpAddress("203.0.113.1", 5672)
CLIENT_6, SERVER_6 = TcpAddress("2001:db8::9", 4321), TcpAddress("2001:db8::1", 5672)
LOCAL, UNKNOWN = Relay(is_relayed=False, ends=None), Relay(is_relayed=True, ends=None)

INET, INET_6, UNIX = 0x11, 0x21, 0x31
PROXY_COMMAND, LOCAL_COMMAND = 0x21, 0x20


def line(peer: TcpAddress = CLIENT, host: TcpAddress = SERVER) -> bytes:
    """A header of version 1."""
    family = "TCP6" if ":" in peer.host else "TCP4"
    return f"PROXY {family} {peer.host} {host.host} {peer.port} {host.port}\r\n".encode()


def block(content: bytes = b"", family: int = INET, command: int = PROXY_COMMAND) -> bytes:
    """A header of version 2."""
    return V2_START + struct.pack(">BBH", command, family, len(content)) + content


def content(peer: TcpAddress = CLIENT, host: TcpAddress = SERVER) -> bytes:
    return ip_address(peer.host).packed + ip_address(host.host).packed + struct.pack(">HH", peer.port, host.port)


TLV = struct.pack(">BH", 0xEA, 5) + b"vpce1"

HEADERS = {
    "v1": (line(), Relay(is_relayed=True, ends=(CLIENT, SERVER))),
    "v1 of version 6": (line(CLIENT_6, SERVER_6), Relay(is_relayed=True, ends=(CLIENT_6, SERVER_6))),
    "v1, the longest": (
        b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
        Relay(is_relayed=True, ends=(TcpAddress(":".join(["ffff"] * 8), 65_535),) * 2),
    ),
    "v1, mapped": (
        b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:203.0.113.1 4321 5672\r\n",
        Relay(is_relayed=True, ends=(CLIENT, SERVER)),
    ),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", UNKNOWN),
    "v1 unknown, and more": (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", UNKNOWN),
    "v1 unknown, as long as it may be": (b"PROXY UNKNOWN " + b"x" * (V1_SIZE_MAX - 16) + b"\r\n", UNKNOWN),
    "v2": (block(content()), Relay(is_relayed=True, ends=(CLIENT, SERVER))),
    "v2 of version 6": (
        block(content(CLIENT_6, SERVER_6), INET_6),
        Relay(is_relayed=True, ends=(CLIENT_6, SERVER_6)),
    ),
    "v2, mapped": (
        block(content(TcpAddress("::ffff:203.0.113.9", 4321), TcpAddress("::ffff:203.0.113.1", 5672)), INET_6),
        Relay(is_relayed=True, ends=(CLIENT, SERVER)),
    ),
    "v2 with more": (block(content() + TLV * 3), Relay(is_relayed=True, ends=(CLIENT, SERVER))),
    "v2, the longest": (
        block(content().ljust(SIZE_MAX - 16, b"\0")),
        Relay(is_relayed=True, ends=(CLIENT, SERVER)),
    ),
    "v2 local": (block(command=LOCAL_COMMAND, family=0), LOCAL),
    "v2 local, with addresses": (block(content(), command=LOCAL_COMMAND), LOCAL),
    "v2 local, of any family": (block(b"x", command=LOCAL_COMMAND, family=0xFF), LOCAL),
    "v2 of no family": (block(b"", family=0), UNKNOWN),
    "v2 of no transport": (block(content(), family=0x10), UNKNOWN),
    "v2 of a unix socket": (block(b"/run/x".ljust(216, b"\0"), UNIX), UNKNOWN),
}

FAULTS = {
    "nothing like it": b"GET / HTTP/1.1\r\n",
    "AMQP": b"AMQP\x00\x00\x09\x01",
    "TLS": b"\x16\x03\x01\x02\x00\x01",
    "small letters": b"proxy TCP4 203.0.113.9 203.0.113.1 4321 5672\r\n",
    "blank before": b" PROXY TCP4 203.0.113.9 203.0.113.1 4321 5672\r\n",
    "v1, too long by one": b"PROXY UNKNOWN " + b"x" * (V1_SIZE_MAX - 15) + b"\r\n",
    "v1 without an end": b"PROXY TCP4 " + b"1" * 200,
    "v1 with half an end": b"PROXY TCP4 203.0.113.9 203.0.113.1 4321 5672\n".ljust(V1_SIZE_MAX, b"x"),
    "v1 without a family": b"PROXY \r\n",
    "v1 of another family": b"PROXY UDP4 203.0.113.9 203.0.113.1 4321 5672\r\n",
    "v1 of the other family": b"PROXY TCP6 203.0.113.9 203.0.113.1 4321 5672\r\n",
    "v1 of both families": b"PROXY TCP4 203.0.113.9 2001:db8::1 4321 5672\r\n",
    "v1 with two blanks": b"PROXY TCP4  203.0.113.9 203.0.113.1 4321 5672\r\n",
    "v1 with too little": b"PROXY TCP4 203.0.113.9 203.0.113.1 4321\r\n",
    "v1 with too much": b"PROXY TCP4 203.0.113.9 203.0.113.1 4321 5672 1\r\n",
    "v1 with a name": b"PROXY TCP4 localhost 203.0.113.1 4321 5672\r\n",
    "v1 with a network": b"PROXY TCP4 203.0.113.0/24 203.0.113.1 4321 5672\r\n",
    "v1 with a short address": b"PROXY TCP4 203.9 203.0.113.1 4321 5672\r\n",
    "v1 with octal numbers": b"PROXY TCP4 203.0.113.011 203.0.113.1 4321 5672\r\n",
    "v1 with a zone": b"PROXY TCP6 fe80::1%eth0 2001:db8::1 4321 5672\r\n",
    "v1 with port 0": b"PROXY TCP4 203.0.113.9 203.0.113.1 0 5672\r\n",
    "v1 with port 65536": b"PROXY TCP4 203.0.113.9 203.0.113.1 4321 65536\r\n",
    "v1 with a port and a sign": b"PROXY TCP4 203.0.113.9 203.0.113.1 +4321 5672\r\n",
    "v1 with a port below 0": b"PROXY TCP4 203.0.113.9 203.0.113.1 -1 5672\r\n",
    "v1 with a port and a zero before": b"PROXY TCP4 203.0.113.9 203.0.113.1 04321 5672\r\n",
    "v1 with no port": b"PROXY TCP4 203.0.113.9 203.0.113.1  5672\r\n",
    "v1 with other digits": "PROXY TCP4 203.0.113.9 203.0.113.1 ٤٣٢١ 5672\r\n".encode(),
    "v2 with another signature": V2_START[:-1] + b"\r" + b"\x21\x11\x00\x0c" + content(),
    "version 1 in binary": block(content(), command=0x11),
    "version 3 in binary": block(content(), command=0x31),
    "v2 with another command": block(content(), command=0x22),
    "v2 of another family": block(content(), family=0x41),
    "v2 of another transport": block(content(), family=0x13),
    "v2 too short by one": block(content()[:-1]),
    "v2 of version 6, too short": block(content(), INET_6),
    "v2 of a unix socket, too short": block(content(), UNIX),
    "v2, too long by one": block(bytes(SIZE_MAX - 15)),
    "v2, as long as can be said": V2_START + b"\x21\x11\xff\xff",
}


def outcome(data: bytes, cuts: list[int]) -> tuple[Relay, bytes] | str | None:
    """The content of a header and what is behind it, a fault, or None if it is not whole, when it comes cut so."""
    parser, ends = HeaderParser(), sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    start = 0
    for end in ends:
        if end == start:
            continue
        try:
            rest = parser.feed(data[start:end])
        except HeaderFault as fault:
            return str(fault)
        if rest is not None:
            return parser.relay, rest + data[end:]
        start = end
    return None


CUTS = st.lists(st.integers(0, 300), max_size=20)


@pytest.mark.parametrize(("header", "relay"), HEADERS.values(), ids=HEADERS)
def test_headers(header: bytes, relay: Relay) -> None:
    assert outcome(header, []) == (relay, b"")
    assert outcome(header + b"AMQP\x00\x00\x09\x01", []) == (relay, b"AMQP\x00\x00\x09\x01")
    octet_by_octet = list(range(len(header)))
    assert outcome(header + b"\r\n", octet_by_octet) == (relay, b"\r\n")
    assert outcome(header[:-1], octet_by_octet) is None


@pytest.mark.parametrize("data", FAULTS.values(), ids=FAULTS)
def test_faults(data: bytes) -> None:
    assert isinstance(outcome(data, []), str)
    assert outcome(data, list(range(len(data)))) == outcome(data, [])


@given(st.sampled_from([header for header, _ in HEADERS.values()]), st.binary(max_size=50), CUTS)
def test_a_header_may_come_in_any_parts(header: bytes, rest: bytes, cuts: list[int]) -> None:
    assert outcome(header + rest, cuts) == (outcome(header, [])[0], rest)  # type: ignore[index]


addresses = st.one_of(
    st.tuples(*[st.builds(TcpAddress, st.ip_addresses(v=4).map(str), st.integers(1, 65_535))] * 2),
    st.tuples(*[st.builds(TcpAddress, st.ip_addresses(v=6).map(str), st.integers(1, 65_535))] * 2),
)


@given(addresses)
def test_both_versions_tell_the_same(ends: tuple[TcpAddress, TcpAddress]) -> None:
    family = INET_6 if ":" in ends[0].host else INET
    assert outcome(line(*ends), []) == outcome(block(content(*ends), family), [])


STARTS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", V2_START, V2_START + b"\x21\x11\x00", line(), block()]
)


@given(STARTS, st.binary(max_size=150), CUTS)
@example(b"PROX", b"GET", [4])
def test_garbage_is_the_same_garbage_in_any_parts(start: bytes, more: bytes, cuts: list[int]) -> None:
    assert outcome(start + more, cuts) == outcome(start + more, [])


@given(st.sampled_from([header for header, _ in HEADERS.values()]), st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_header_raises_nothing_else(header: bytes, position: int, octet: int) -> None:
    damaged = bytearray(header)
    damaged[position % len(header)] = octet
    outcome(bytes(damaged) + bytes(SIZE_MAX), [])


# --- from a socket


@pytest.mark.parametrize("parts", ["at once", "octet by octet"])
@pytest.mark.parametrize(("header", "relay"), [HEADERS[name] for name in ("v1", "v2 with more", "v2, the longest")])
async def test_nothing_behind_the_header_is_taken(header: bytes, relay: Relay, parts: str) -> None:
    ours, theirs = (trio.socket.from_stdlib_socket(each) for each in socket.socketpair())
    rest = b"AMQP\x00\x00\x09\x01" + bytes(1000)

    async def send() -> None:
        if parts == "at once":
            await theirs.send(header + rest)
        else:
            for octet in header:
                await theirs.send(bytes((octet,)))
                await wait_all_tasks_blocked()
            await theirs.send(rest)

    with ours, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            assert await receive_header(ours) == relay
        assert await ours.recv(10_000) == rest


@pytest.mark.parametrize("sent", [0, 1, 20, len(line()) - 1])
async def test_who_leaves_within_the_header(sent: int) -> None:
    ours, theirs = (trio.socket.from_stdlib_socket(each) for each in socket.socketpair())
    with ours, theirs:
        if sent:
            await theirs.send(line()[:sent])
        theirs.close()
        assert await receive_header(ours) is None


# --- who is believed


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0", True),
        ("", True),
    ],
)
def test_trusted_proxies(host: str, trusted: bool) -> None:
    proxies = TrustedProxies(("10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fe80::/10"))
    assert proxies.has(host) is trusted


def test_nobody_is_trusted_but_unix_sockets() -> None:
    assert not TrustedProxies(()).has("127.0.0.1")
    assert TrustedProxies(()).has("")
