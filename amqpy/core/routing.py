"""Routing: the queues that a message goes to, and the routes that are remembered.

A route is what is known of a publish before its message: exchange, routing key and, unless an exchange on the way must
see each message (`per_message`), the queues. Whatever changes the topology or a permission forgets all of them.

Source: `rabbit_exchange:route`.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import partial
from typing import Final

from amqpy.core.exchanges import Exchange
from amqpy.core.message import Keys, Message, MessageView, Target, address_of, deliver, deliver_all

ROUTES_MAX: Final = 10_000
"""Routes remembered per vhost and user; more (a routing key per message, say) start over."""

NO_MESSAGE: Final = MessageView(Message(b"", b"", b""))
"""Stands for a message while a route is looked for that holds for every message."""


class Route:
    """The way of all messages with this exchange, routing key and mandatory flag.

    `deliver` gives a message to the targets, and is true if one of them refused it; `deliver_all` gives them several
    and returns the indices of those refused. With a single target both are that target's own methods, so that the most
    common publish costs no call more.
    """

    __slots__ = (
        "address",
        "count",
        "deliver",
        "deliver_all",
        "exchange",
        "is_unroutable",
        "mandatory",
        "routing_key",
        "targets",
    )

    def __init__(self, exchange: Exchange, routing_key: str, *, mandatory: bool) -> None:
        self.address = address_of(exchange.name, routing_key)
        self.exchange = exchange
        self.routing_key = routing_key
        self.mandatory = mandatory
        self.targets: tuple[Target, ...] | None = None
        """None if each message must be looked at, because an exchange on the way asks for that."""
        self.is_unroutable = False
        """True if messages of this route go back to the publisher if they are mandatory, and else are dropped."""
        self.count = 0
        """Messages that were given to the targets and that the exchange has not counted yet."""
        self.deliver: Callable[[Message], object] = _nowhere
        self.deliver_all: Callable[[list[Message]], Collection[int]] = _all_nowhere

    def lead_to(self, targets: tuple[Target, ...], *, is_unroutable: bool) -> None:
        """Sets the targets of every message of this route."""
        self.targets = targets
        self.is_unroutable = is_unroutable
        if len(targets) == 1:
            self.deliver, self.deliver_all = targets[0].publish, targets[0].publish_all
        elif targets:
            self.deliver, self.deliver_all = partial(deliver, targets), partial(deliver_all, targets)

    def settle_count(self) -> None:
        """Lets the exchange count what went this way."""
        if self.count and self.targets is not None:
            self.exchange.count_published(self.targets, self.count, mandatory=self.mandatory)
            self.count = 0


def _nowhere(message: Message) -> bool:
    return False


def _all_nowhere(messages: list[Message]) -> Collection[int]:
    return ()


class Router:
    """Finds and remembers the routes in one virtual host, whose exchanges and queues it looks at by their names."""

    def __init__(
        self,
        exchanges: Mapping[str, Exchange],
        queues: Mapping[str, Target],
        reply_queues: Mapping[str, Target],
        *,
        returns_replies: bool,
    ) -> None:
        self._exchanges = exchanges
        self._queues = queues
        self._reply_queues = reply_queues
        self._returns_replies = returns_replies
        self._by_user: dict[Hashable, dict[Hashable, Route]] = {}
        """By `Principal.key`: all of one key have the same permissions."""
        self._by_exchange: dict[Exchange, list[Route]] | None = None
        """The same routes, while somebody looks at counters; None once there is another one."""
        self._internal: dict[tuple[Exchange, bytes], tuple[Target, ...] | None] = {}
        """Targets of messages that the broker itself publishes, by exchange and address."""

    def remembered(self, user: Hashable) -> dict[Hashable, Route]:
        """The routes remembered for a user, by what a front end recognises a publish by (see `remember`).

        The dict stays the same one for good and is emptied when the topology or a permission changes.
        """
        return self._by_user.setdefault(user, {})

    def remember(self, user: Hashable, key: Hashable, route: Route) -> None:
        routes = self._by_user[user]
        if len(routes) >= ROUTES_MAX:
            _settle_counts(routes)
            routes.clear()
        routes[key] = route
        self._by_exchange = None

    def forget(self) -> None:
        """Forgets all routes: something they depend on has changed."""
        for routes in self._by_user.values():
            _settle_counts(routes)
            routes.clear()
        self._by_exchange = None
        self._internal.clear()

    def forget_user(self, user: Hashable, *, for_good: bool) -> None:
        """Forgets a user's routes: its permissions have changed, or it has left `for_good`."""
        routes = self._by_user.get(user, {})
        _settle_counts(routes)
        routes.clear()
        self._by_exchange = None
        if for_good:
            self._by_user.pop(user, None)

    def settle_counts(self, exchange: Exchange) -> None:
        """Brings the counters of an exchange up to date. Of many exchanges in one turn, all routes are looked at once,
        and then those of each."""
        if self._by_exchange is None:
            self._by_exchange = {}
            for routes in self._by_user.values():
                for route in routes.values():
                    self._by_exchange.setdefault(route.exchange, []).append(route)
        for route in self._by_exchange.get(exchange, ()):
            route.settle_count()

    def targets_of_all(self, exchange: Exchange, routing_key: str) -> tuple[Target, ...] | None:
        """The targets of every message with this routing key, or None if that depends on the message."""
        return self._walk(exchange, (routing_key,), NO_MESSAGE)

    def targets_of(self, exchange: Exchange, message: Message) -> tuple[Target, ...]:
        """The targets of a message that is published to the exchange.

        To be called once for each message that is published: some exchanges take note of those they see.
        """
        if not message.more_keys:
            key = (exchange, message.address)
            try:
                targets = self._internal[key]
            except KeyError:
                if len(self._internal) >= ROUTES_MAX:
                    self._internal.clear()
                targets = self._internal[key] = self._walk(exchange, (message.routing_key,), NO_MESSAGE)
            if targets is not None:
                return targets
        return self._walk(exchange, (message.routing_key, *message.more_keys), MessageView(message)) or ()

    def foresee(self, exchange: Exchange, message: Message) -> tuple[Target, ...]:
        """The targets of a message if it was published to the exchange: those after a delay, and where chance decides,
        all that it may choose. Nothing changes by it."""
        view = MessageView(message)
        return self._walk(exchange, (message.routing_key, *message.more_keys), view, only_looks=True) or ()

    def is_unroutable(self, targets: tuple[Target, ...] | list[Target]) -> bool:
        """True if a mandatory message with these targets is returned to its publisher."""
        if targets and not (self._returns_replies and targets[0].is_reply_queue):
            return False
        return all(target.is_reply_queue for target in targets)

    def _walk(
        self, first: Exchange, keys: Keys, view: MessageView, *, only_looks: bool = False
    ) -> tuple[Target, ...] | None:
        """Follows exchange-to-exchange bindings and alternates, each exchange once (cycles are legal)."""
        if first.name == "":
            named = (self._queues.get(key) or self._reply_queues.get(key) for key in keys)
            return tuple(dict.fromkeys(queue for queue in named if queue is not None))
        targets: dict[Target, None] = {}
        seen = {first}
        work = [first]
        while work:
            exchange = work.pop()
            if exchange.per_message and view is NO_MESSAGE:
                return None
            # What was deleted may still be bound for a while.
            found = _matching(exchange, keys, view) if only_looks else exchange.match(keys, view)
            destinations = [each for each in found if not each.deleted]
            if not destinations and exchange.alternate is not None:
                alternate = self._exchanges.get(exchange.alternate)
                destinations = [] if alternate is None else [alternate]
            for destination in destinations:
                if not isinstance(destination, Exchange):
                    targets[destination] = None
                elif destination not in seen:
                    seen.add(destination)
                    work.append(destination)
        return tuple(targets)


def _matching(exchange: Exchange, keys: Keys, view: MessageView) -> Iterable[Exchange | Target]:
    """`Exchange.match`, of which nothing changes."""
    return [binding.destination for binding in exchange.matching(keys, view)]


def _settle_counts(routes: Mapping[Hashable, Route]) -> None:
    for route in routes.values():
        route.settle_count()
