"""The way of an accepted socket to its session: who it is, by its own address or a proxy's word, and if it may go on.

    admit      limits in all → [header of the PROXY protocol] → limits of its address → Origin
    run        tells the log of those that were refused

A refused connection is reset, which leaves nothing of it in the kernel, and told in the log once a second at most.

Source: `rabbit_networking:handshake`, `rabbit_net:socket_ends`, `is_loopback`.
"""

import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

import trio

from amqpy.amqp.terms import Peer
from amqpy.config import Config
from amqpy.config.values import TcpAddress
from amqpy.server.admission import Admission, Limits, Refused, Visit
from amqpy.server.proxy_protocol import HeaderFault, Relay, TrustedProxies, receive_header

REPORT_S = 1
"""Seconds between two lines about refused connections."""

RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER by which a socket that is closed resets its connection."""


class Origin(NamedTuple):
    """The origin of a connection."""

    ends: Peer
    from_loopback: bool
    """True if the peer is on this machine."""

    @property
    def counted_host(self) -> str | None:
        """The address that limits are for; None for this machine's own, which have none."""
        return None if self.from_loopback else self.ends.peer_host or None

    def relayed(self, relay: Relay) -> "Origin":
        """The origin as a proxy tells it. A header may take away that a peer is on this machine, and never give it: a
        loopback address that another machine tells of is its own, and an unknown peer may be anywhere."""
        if not relay.is_relayed:
            return self
        if relay.ends is None:
            return self._replace(from_loopback=False)
        peer = relay.ends[0]
        return Origin(ends_between(*relay.ends), self.from_loopback and ip_address(peer.host).is_loopback)


def origin_of(sock: trio.socket.SocketType) -> Origin:
    """The origin as the socket tells it. Raises OSError if the peer is gone."""
    peer, host = sock.getpeername(), sock.getsockname()
    if not isinstance(peer, tuple):
        return Origin(Peer(f"unix -> {host!s}"), from_loopback=True)
    is_loopback = ip_address(peer[0].partition("%")[0]).is_loopback
    return Origin(ends_between(TcpAddress(*peer[:2]), TcpAddress(*host[:2])), is_loopback)


def ends_between(peer: TcpAddress, host: TcpAddress) -> Peer:
    return Peer(f"{peer} -> {host}", *peer, *host)


class Refusals:
    """Tells the log of refused connections, all those of a second in one line: a flood of them must not be one of
    lines."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._count = 0
        self._last = ""
        self._some = trio.Event()

    def note(self, host: str, reason: str) -> None:
        self._count += 1
        self._last = f"{host or 'a unix socket'}: {reason}"
        self._some.set()

    async def run(self) -> None:
        """Reports until cancelled."""
        while True:
            await self._some.wait()
            self._some = trio.Event()
            count, self._count = self._count, 0
            who = "a connection from" if count == 1 else f"{count} connections, the last one from"
            self._log.warning("refused %s %s", who, self._last)
            await trio.sleep(REPORT_S)


class Entrance:
    """The entrance of a broker, for all of its listeners. `now_ms` is the time of the event loop."""

    def __init__(self, config: Config, log: logging.Logger, now_ms: Callable[[], int]) -> None:
        self.admission = Admission(limits_of(config))
        self.refusals = Refusals(log)
        self._now_ms = now_ms
        self._header_timeout_s = config.handshake_timeout_ms / 1000
        self._proxies = TrustedProxies(config.proxy_trusted) if config.proxy_protocol else None

    def note_entry(self, visit: Visit, has_entered: bool) -> None:
        """A peer has logged in and entered a virtual host, or its login failed."""
        if has_entered:
            visit.note_opened()
        else:
            visit.note_login_failed(self._now_ms())

    def leave(self, visit: Visit) -> None:
        """A connection is gone, or was not let in."""
        visit.leave(self._now_ms())

    async def admit(self, sock: trio.socket.SocketType, visit: Visit, *, may_be_relayed: bool = True) -> Origin | None:
        """The origin of a connection that was accepted; None if it is refused, or gone: then all that is left to do is
        to close the socket. Only where it may be relayed does a header of the PROXY protocol count."""
        host = ""
        try:
            origin = origin_of(sock)
            host = origin.ends.peer_host
            visit.enter()
            if self._proxies is not None and may_be_relayed:
                origin = await self._relayed(sock, origin, self._proxies)
                host = origin.ends.peer_host
            visit.locate(origin.counted_host, self._now_ms())
        except Refused as refusal:
            self.refuse(sock, host, str(refusal))
            return None
        except OSError:
            # Gone before we looked.
            return None
        return origin

    def refuse(self, sock: trio.socket.SocketType, host: str, reason: str) -> None:
        """Has the close of a socket reset the connection, and tells why in the log."""
        self.refusals.note(host, reason)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    async def _relayed(self, sock: trio.socket.SocketType, origin: Origin, proxies: TrustedProxies) -> Origin:
        """The origin as the header tells it. Raises Refused, and OSError if the peer is gone."""
        if not proxies.has(origin.ends.peer_host):
            raise Refused("not a trusted proxy")
        with trio.move_on_after(self._header_timeout_s):
            try:
                relay = await receive_header(sock)
            except HeaderFault as fault:
                raise Refused(f"no header of the PROXY protocol: {fault}") from None
            if relay is None:
                raise ConnectionAbortedError
            return origin.relayed(relay)
        raise Refused("no header of the PROXY protocol in time")


def limits_of(config: Config) -> Limits:
    return Limits(
        pending=config.pending_connection_max,
        pending_per_address=config.pending_connection_max_per_address,
        connections_per_address=config.connection_max_per_address,
        new_per_s=config.connection_rate_max,
        new_per_s_per_address=config.connection_rate_max_per_address,
        login_failures_per_min_per_address=config.login_failure_max_per_address,
    )
