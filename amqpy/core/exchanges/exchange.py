"""The base class of exchanges, bindings, and the registry of exchange types.

A type keeps an index that makes the cost of `match` independent of the number of bindings. Its `per_message` is true if
the result depends on more than the routing keys (only then is it called for each message; else the route is
remembered). A type can also be asked where a message would go, and why, without any being published (`matching`,
`explain`): see `core.explain`.

Source: AMQP 0-9-1 section 3.1.3; RabbitMQ's `rabbit_exchange`, `rabbit_exchange_type`, `rabbit_binding`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

from amqpy.core.arguments import Definition
from amqpy.core.effective_policy import NO_POLICY
from amqpy.core.message import Keys, Message, MessageView, Target
from amqpy.core.nearness import similarity
from amqpy.core.scheduler import Scheduler
from amqpy.errors import CommandInvalid, PreconditionFailed
from amqpy.profile import Profile
from amqpy.wire.values import Table, entries_of, join_table

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue

Destination: TypeAlias = "Queue | Exchange"

Identity: TypeAlias = tuple[Destination, str, bytes]

EXCHANGE_TYPES: dict[str, type["Exchange"]] = {}


WORDS = frozenset(
    {
        *("", "false", "null", "true", "undefined"),
        *("all", "any", "classic", "default", "exchange", "header", "match", "queue", "quorum", "stream"),
    }
)
"""Names that RabbitMQ calls an invalid type, not an unknown one. It does so with every atom of its virtual machine;
these always exist, and might be taken for types. The others depend on the modules that are loaded."""


def exchange_type(name: str, profile: Profile) -> "type[Exchange]":
    """Finds the class of an exchange type. Raises PreconditionFailed or CommandInvalid."""
    found = EXCHANGE_TYPES.get(name)
    if found is None:
        refusal = PreconditionFailed if profile.unknown_type_closes_channel else CommandInvalid
        raise refusal(f"{'invalid' if name in WORDS else 'unknown'} exchange type '{name}'")
    return found


class Binding:
    """A rule of an exchange: messages that match `routing_key` and `arguments` go to `destination`."""

    __slots__ = ("arguments", "destination", "identity", "routing_key", "source")

    def __init__(self, source: "Exchange", destination: Destination, routing_key: str, arguments: Table) -> None:
        self.source = source
        self.destination = destination
        self.routing_key = routing_key
        self.arguments = arguments
        self.identity: Identity = (destination, routing_key, join_table(entries_of(arguments)))
        """Equal for two bindings of one exchange that are the same. Arguments count, whatever their order."""

    @property
    def destination_kind(self) -> str:
        return "exchange" if isinstance(self.destination, Exchange) else "queue"

    @property
    def durable(self) -> bool:
        """True if both its ends are durable."""
        return self.source.durable and self.destination.durable


class ExchangeHost(Protocol):
    """The virtual host of an exchange, as the exchange sees it."""

    @property
    def name(self) -> str: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def scheduler(self) -> Scheduler: ...
    @property
    def choose(self) -> Callable[[int], int]:
        """Makes a random number below the one it is given."""

    def publish(self, exchange: "Exchange", message: Message) -> object:
        """Publishes a message of the broker's own."""

    def deliver_own(self, targets: Sequence[Target], message: Message) -> object:
        """Gives a message of the broker's own to these targets."""

    def settle_counts(self, exchange: "Exchange") -> None:
        """Brings the counters of one of its exchanges up to date."""


class Exchange:
    """An exchange of a vhost and the bindings it is the source of."""

    type: ClassVar[str]
    per_message: bool = False
    is_random: bool = False
    """True if a message goes by one of the bindings that match, chosen at random, and not by all."""

    def __init_subclass__(cls) -> None:
        if "type" in vars(cls):
            EXCHANGE_TYPES[cls.type] = cls

    def __init__(
        self,
        vhost: ExchangeHost,
        name: str,
        *,
        durable: bool,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Table,
    ) -> None:
        self.vhost = vhost
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.policy = NO_POLICY
        self.deleted = False
        self.declared_by = ""
        """The user who declared it in this run of the broker, or nothing."""
        self.published_in = self.published_out = 0
        """Messages that clients published here, and the copies of them that went to queues. Those of remembered routes
        are counted later (`Router.settle_counts`)."""
        self.dropped = self.returned = 0
        """Those of them that found no queue."""
        self.configure({})
        self.bindings: dict[Identity, Binding] = {}
        self.prepare()

    def configure(self, definition: Definition) -> None:
        """Applies a policy's definition; arguments take precedence."""
        alternate = self.arguments.get("alternate-exchange")
        self.alternate: str | None = alternate.value if alternate else definition.get("alternate-exchange")

    def prepare(self) -> None:
        """Sets up the state that this type keeps besides its bindings."""

    @classmethod
    def check_arguments(cls, arguments: Table, profile: Profile) -> None:
        """Raises the fault that refuses an exchange of this type with these arguments."""

    def check_binding(self, binding: Binding) -> None:
        """Raises PreconditionFailed when this exchange cannot have such a binding."""

    def add(self, binding: Binding) -> None:
        self.bindings[binding.identity] = binding
        self.index(binding)

    def remove(self, binding: Binding) -> None:
        del self.bindings[binding.identity]
        self.unindex(binding)

    def index(self, binding: Binding) -> None:
        """Adds a new binding to the index."""
        raise NotImplementedError

    def unindex(self, binding: Binding) -> None:
        raise NotImplementedError

    def matching(self, keys: Keys, view: MessageView) -> Iterable[Binding]:
        """Finds the bindings that match a message with these routing keys (its own; then those of CC and BCC). Nothing
        changes by it: nothing is kept of the message, and no lot is drawn.

        A destination may occur more than once. Only types that are `per_message` may look at the view.
        """
        raise NotImplementedError

    def match(self, keys: Keys, view: MessageView) -> Iterable["Exchange | Target"]:
        """Finds the destinations of a message that is published. Types that are `per_message` are called once for each
        message, and so may keep it."""
        return [binding.destination for binding in self.matching(keys, view)]

    # --- explanations

    def explain(self, binding: Binding, keys: Keys, view: MessageView, *, matched: bool) -> str:
        """Says why a binding matches such a message, or why not, in a few words."""
        raise NotImplementedError

    def remark(self, keys: Keys, view: MessageView) -> str:
        """Says what this exchange does with such a message, beyond what bindings say; nothing if there is no more."""
        return ""

    def nearness(self, binding: Binding, keys: Keys, view: MessageView) -> float:
        """The likeness of such a message to one that the binding matches: the nearest are told first. Cheap."""
        return max(similarity(key, binding.routing_key) for key in keys)

    def delay_ms(self, view: MessageView) -> int:
        """The time that such a message waits here before it is routed."""
        return 0

    # --- messages

    def count_published(self, targets: Sequence[Target], count: int = 1, *, mandatory: bool = False) -> None:
        """Counts messages that were published here and went to these targets; if there are none, mandatory ones were
        returned. The default exchange names a queue for each message, which counts by profile even if there is no such
        queue."""
        copies = len(targets) or (not self.name and self.vhost.profile.counts_missing_queues)
        for target in targets:
            if target.is_reply_queue or not target.name:
                copies -= 1
        self.published_in += count
        self.published_out += count * copies
        if targets:
            return
        if mandatory:
            self.returned += count
        else:
            self.dropped += count

    def message_count(self) -> int:
        """The number of messages that this exchange itself keeps."""
        return 0

    def discard(self) -> None:
        """Drops the messages that it keeps: the exchange is deleted."""
