"""The argument of a handler: the broker, the user who asks, and the request."""

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from amqpy.config.values import TcpAddress, UnixAddress
from amqpy.core.broker import Broker
from amqpy.core.principals import Principal
from amqpy.core.queues.queue import Queue
from amqpy.core.users import Users
from amqpy.core.vhost import Vhost
from amqpy.features import FEATURES
from amqpy.management.answers import bad_request, missing, not_found
from amqpy.management.attempts import Attempts
from amqpy.management.idleness import Idleness
from amqpy.management.lists import is_basic
from amqpy.management.machine import Machine
from amqpy.management.request import Body, Request
from amqpy.management.turns import WebClient

if TYPE_CHECKING:
    from datetime import datetime

    from amqpy.management.statistics import Statistics
    from amqpy.server.reactor import Reactor

OF_SAMPLES: Final = re.compile(r"\w+_(?:age|incr)=")
"""Parameters that ask for samples."""


BY_NAME: Final = attrgetter("name")
FEW: Final = 100
"""New queues that are put among those in order one by one."""


class OrderedQueues:
    """The queues of a virtual host in the order of their names."""

    def __init__(self, vhost: Vhost) -> None:
        self.vhost = vhost
        self._created = -FEW - 1
        self._queues: list[Queue] = []

    def look(self, created: int) -> Sequence[Queue]:
        """Those there are now; `created` counts all queues that were ever made in the broker."""
        found, new = self.vhost.queues, created - self._created
        if new == 0 and len(found) == len(self._queues):
            return self._queues
        self._created = created
        queues = [queue for queue in self._queues if not queue.deleted]
        if new > FEW:
            queues, new = [found[name] for name in sorted(found)], 0
        for queue in islice(reversed(found.values()), new):
            place = bisect_left(queues, queue.name, key=BY_NAME)
            if place == len(queues) or queues[place] is not queue:
                queues.insert(place, queue)
        self._queues = queues
        return queues


@dataclass
class Api:
    """A broker, as the management API serves it."""

    reactor: "Reactor"
    users: Users
    log: logging.Logger
    unix_time_ms: Callable[[], int]
    listeners: list[tuple[str, TcpAddress | UnixAddress]]
    """The addresses that the broker listens on, with their protocols: `amqp`, `amqp/ssl`, `http` or `https`."""
    statistics: "Statistics"
    started_at_ms: int
    """The Unix time."""
    expiries: "Callable[[], Mapping[str, datetime]]" = dict
    """The times at which the certificates that the broker shows expire, by file."""
    attempts: Attempts = field(default_factory=Attempts)
    machine: Machine = field(default_factory=Machine)
    idleness: Idleness = field(default_factory=Idleness)
    _queues: dict[str, OrderedQueues] = field(default_factory=dict)
    """By the names of virtual hosts."""

    @property
    def broker(self) -> Broker:
        return self.reactor.broker

    def queues_of(self, vhost: Vhost) -> Sequence[Queue]:
        """The queues of a virtual host in the order of their names, which is remembered: those who watch a broker ask
        again and again."""
        ordered = self._queues.get(vhost.name)
        if ordered is None or ordered.vhost is not vhost:
            if len(self._queues) > len(self.broker.vhosts):
                self._queues.clear()
            ordered = self._queues[vhost.name] = OrderedQueues(vhost)
        return ordered.look(self.broker.events.counts.get("queue.created", 0))


@dataclass
class Call:
    """A request of a user who has logged in, as a handler gets it."""

    api: Api
    request: Request
    client: WebClient
    names: Mapping[str, str]
    """The variables in the path."""

    @property
    def user(self) -> Principal:
        return self.client.user

    @property
    def broker(self) -> Broker:
        return self.api.broker

    @cached_property
    def body(self) -> Body:
        return self.request.json(lenient=self.has("lenient-json"))

    @property
    def tags(self) -> tuple[str, ...]:
        return self.client.user.tags

    @property
    def is_administrator(self) -> bool:
        return "administrator" in self.tags

    @property
    def is_monitor(self) -> bool:
        return self.is_administrator or "monitoring" in self.tags

    @property
    def without_stats(self) -> bool:
        """True if objects are to be shown without statistics."""
        return self.broker.config.management_disable_stats or self.request.is_true("disable_stats")

    def of_list(self, basic: Set[str]) -> "Call":
        """The call of a list. If nothing is shown but these keys, nobody looks at the samples that it asks for. Raises
        Refusal if these cannot be."""
        request = self.request
        if self.without_stats or is_basic(request.query, basic, sorts=self.has("basic-order")):
            kept = [each for each in request.query_string.split("&") if not OF_SAMPLES.match(each)]
            return replace(self, request=replace(request, query_string="&".join(kept)))
        self.api.statistics.check_list(request.query)
        return self

    def has(self, feature: str) -> bool:
        """True if the management API has something, by the profile."""
        assert feature in FEATURES
        return feature in self.broker.profile.management

    def may_enter(self, vhost: Vhost) -> bool:
        """True if the user may log in to this virtual host."""
        return bool(self.user.may_enter(vhost, self.request.peer_host))

    @property
    def with_queue_totals(self) -> bool:
        """True if even then the lengths of queues are to be shown."""
        return self.broker.config.management_enable_queue_totals or self.request.is_true("enable_queue_totals")

    # --- virtual hosts

    @property
    def named_vhost(self) -> str | None:
        """The virtual host that a request is about: the one in its path, or in its header `X-Vhost`."""
        return self.names.get("vhost") or self._vhost_in_header or None

    @property
    def _vhost_in_header(self) -> str:
        return self.request.headers.get("x-vhost", "").encode("latin-1").decode("utf-8", "surrogateescape")

    @property
    def vhost(self) -> Vhost:
        """The virtual host in the path. Raises Refusal if there is none of this name."""
        vhost = self.broker.vhosts.get(self.names["vhost"])
        if vhost is None:
            raise not_found()
        return vhost

    @property
    def target_vhost(self) -> Vhost:
        """The same for a change in it, by the client: what is refused is the operation."""
        vhost = self.broker.vhosts.get(self.names["vhost"])
        if vhost is None:
            raise missing("vhost_not_found")
        self.client.vhost = vhost
        return vhost

    def check_vhost_in_header(self) -> None:
        """Raises Refusal if the header names no virtual host that there is: where RabbitMQ cannot do without one."""
        self.check_header()
        name = self._vhost_in_header
        if name and "vhost" not in self.names and name not in self.broker.vhosts:
            raise bad_request(["no_such_vhost", name])

    def visible_vhosts(self) -> Iterator[Vhost]:
        """The same as `vhosts`, but a monitor sees all, too."""
        self.check_header()
        return self._vhosts(sees_all=self.is_monitor)

    def vhosts(self, *, heeds_header: bool = True) -> Iterator[Vhost]:
        """The virtual hosts that a list is about, in the order of their names: the one in the path, which must exist,
        or the one in the header, or those that the user may log in to; an administrator sees all. The one in the header
        must exist, too, by profile."""
        if heeds_header:
            self.check_header()
        return self._vhosts(sees_all=self.is_administrator, heeds_header=heeds_header)

    def check_header(self) -> None:
        """Raises Refusal, by profile, if the header names a virtual host that does not exist."""
        name = self._vhost_in_header
        if "vhost" not in self.names and name and name not in self.broker.vhosts and self.has("strict-x-vhost"):
            raise not_found()

    def _vhosts(self, *, sees_all: bool, heeds_header: bool = True) -> Iterator[Vhost]:
        if "vhost" in self.names:
            yield self.vhost
            return
        only = self._vhost_in_header if heeds_header else ""
        for name in sorted(self.broker.vhosts) if not only else [only]:
            vhost = self.broker.vhosts.get(name)
            if vhost is not None and (sees_all or self.may_enter(vhost)):
                yield vhost

    def vhosts_of_clients(self) -> Iterator[Vhost]:
        """The virtual hosts that a list of connections, channels or consumers is about: also those that the user may
        not log in to any more, where it still has some."""
        if "vhost" in self.names:
            yield self.vhost
            return
        only = self._vhost_in_header
        for name in sorted(self.broker.vhosts) if not only else [only]:
            if (vhost := self.broker.vhosts.get(name)) is not None:
                yield vhost
