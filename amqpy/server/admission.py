"""Limits of connections before anybody has said who they are: in all, and by the address that they come from.

A `Visit` is a connection from accept to its end:

    enter     accepted; its address may still be unknown, if a header of the PROXY protocol is to come
    locate    its address is known
    opened    it has logged in and entered a virtual host: not pending any more
    leave     it is gone

Loopback addresses and unix sockets are counted in all, and not by address. A limit of 0 is none.

Nothing here waits or reads a clock, and memory is bounded: an address is known while it has connections, and beyond
that only as long as its failures or its haste count, the last `ADDRESSES_MAX` of these.

RabbitMQ has no such limits (what it has is checked when a connection is opened: `amqp.handshake.enter`). OpenSSH's
MaxStartups, PerSourceMaxStartups and PerSourcePenalties are the model.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

ADDRESSES_MAX = 10_000
"""Addresses without connections that are remembered."""

SITE_BITS = 64
"""The part of an IPv6 address that is one address here: who has one of them has the whole network."""


class Refused(Exception):
    """A connection that must not go on. The text is for our log: the peer gets no reason."""


class Allowance(NamedTuple):
    """So many events in so much time; no limit if `most` is 0.

    An event takes its share of the time. All there is to keep is one number, the time at which the shares of all
    events are over: in microseconds, so that they come out even. It is the generic cell rate algorithm (ITU-T I.371).
    """

    most: int
    span_ms: int

    @property
    def share_us(self) -> int:
        return self.span_ms * 1000 // self.most if self.most else 0

    def is_spent(self, over_at_us: int, now_ms: int) -> bool:
        """True if no event is allowed now."""
        return over_at_us - now_ms * 1000 > max(self.most - 1, 0) * self.share_us

    def after(self, over_at_us: int, now_ms: int) -> int:
        """The number to keep after an event."""
        return max(over_at_us, now_ms * 1000) + self.share_us


class Limits(NamedTuple):
    """The limits of a broker."""

    pending: int = 0
    pending_per_address: int = 0
    connections_per_address: int = 0
    new_per_s: int = 0
    new_per_s_per_address: int = 0
    login_failures_per_min_per_address: int = 0


class Site:
    """An address, or an IPv6 network, that connections come from."""

    __slots__ = ("connections", "failures_over_at_us", "name", "new_over_at_us", "pending")

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections = 0
        self.pending = 0
        self.new_over_at_us = 0
        self.failures_over_at_us = 0

    def counts_for_nothing(self, now_ms: int) -> bool:
        return max(self.new_over_at_us, self.failures_over_at_us) <= now_ms * 1000


class Admission:
    """All connections of a broker, and the addresses that they come from."""

    def __init__(self, limits: Limits, addresses_max: int = ADDRESSES_MAX) -> None:
        self.limits = limits
        self.pending = 0
        self.new = Allowance(limits.new_per_s, 1000)
        self.new_of_site = Allowance(limits.new_per_s_per_address, 1000)
        self.failures_of_site = Allowance(limits.login_failures_per_min_per_address, 60_000)
        self._new_over_at_us = 0
        self._sites: dict[str, Site] = {}
        """Those that have connections."""
        self._left: OrderedDict[str, Site] = OrderedDict()
        """Those that have none, and count for something: the one that is left for longest comes first."""
        self._addresses_max = addresses_max

    @property
    def addresses_known(self) -> int:
        return len(self._sites) + len(self._left)

    def add(self, site: Site | None, now_ms: int) -> None:
        """Counts a new connection. Raises Refused if it must not be."""
        limits = self.limits
        if site is not None:
            self._check(site, now_ms)
        if self.new.is_spent(self._new_over_at_us, now_ms):
            raise Refused(f"too many new connections ({limits.new_per_s} a second)")
        self._new_over_at_us = self.new.after(self._new_over_at_us, now_ms)
        if site is not None:
            site.new_over_at_us = self.new_of_site.after(site.new_over_at_us, now_ms)
            site.connections += 1
            site.pending += 1
            self._left.pop(site.name, None)
            self._sites[site.name] = site

    def _check(self, site: Site, now_ms: int) -> None:
        limits = self.limits
        self._check_failures(site, now_ms)
        if 0 < limits.connections_per_address <= site.connections:
            raise Refused(f"too many connections from there ({limits.connections_per_address})")
        if 0 < limits.pending_per_address <= site.pending:
            raise Refused(f"too many connections from there that are not open ({limits.pending_per_address})")
        if self.new_of_site.is_spent(site.new_over_at_us, now_ms):
            raise Refused(f"too many new connections from there ({limits.new_per_s_per_address} a second)")

    def site(self, host: str) -> Site:
        """Finds the site of an address; one that is not known is only known once it is added to."""
        name = site_name(host)
        return self._sites.get(name) or self._left.get(name) or Site(name)

    def check_login(self, host: str, now_ms: int) -> None:
        """Raises Refused if too many logins have failed from there. For logins on a connection that goes on."""
        self._check_failures(self.site(host), now_ms)

    def _check_failures(self, site: Site, now_ms: int) -> None:
        if self.failures_of_site.is_spent(site.failures_over_at_us, now_ms):
            per_min = self.limits.login_failures_per_min_per_address
            raise Refused(f"too many failed logins from there ({per_min} a minute)")

    def note_login_failed(self, site: Site, now_ms: int) -> None:
        site.failures_over_at_us = self.failures_of_site.after(site.failures_over_at_us, now_ms)

    def remove(self, site: Site, now_ms: int) -> None:
        """A connection of a site is gone."""
        site.connections -= 1
        if site.connections:
            return
        del self._sites[site.name]
        left = self._left
        left[site.name] = site
        while left and (len(left) > self._addresses_max or next(iter(left.values())).counts_for_nothing(now_ms)):
            left.popitem(last=False)


class Visit:
    """One connection."""

    __slots__ = ("_admission", "_is_pending", "_site")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._site: Site | None = None
        self._is_pending = False

    def enter(self) -> None:
        """Raises Refused."""
        admission = self._admission
        if 0 < admission.limits.pending <= admission.pending:
            raise Refused(f"too many connections that are not open ({admission.limits.pending})")
        admission.pending += 1
        self._is_pending = True

    def locate(self, host: str | None, now_ms: int) -> None:
        """Counts it for the address of its peer, with None for no address. Raises Refused."""
        site = None if host is None else self._admission.site(host)
        self._admission.add(site, now_ms)
        self._site = site

    def note_opened(self) -> None:
        """It is pending no more."""
        if self._is_pending:
            self._is_pending = False
            self._admission.pending -= 1
            if self._site is not None:
                self._site.pending -= 1

    def note_login_failed(self, now_ms: int) -> None:
        if self._site is not None:
            self._admission.note_login_failed(self._site, now_ms)

    def leave(self, now_ms: int) -> None:
        """Nothing of it is counted any more, wherever it had come to. To be called once."""
        self.note_opened()
        if self._site is not None:
            self._admission.remove(self._site, now_ms)


def site_name(host: str) -> str:
    """The name of the site that an address belongs to."""
    address = ip_address(host.partition("%")[0])
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), SITE_BITS), strict=False))
