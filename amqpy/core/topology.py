"""Declaring, deleting and binding exchanges and queues of a virtual host.

An operation checks everything first, in RabbitMQ's order, and changes things after. It raises a ChannelFault or
ConnectionFault that says why not.

Source: `rabbit_channel:handle_method` for the checks, their order and their words.
"""

from collections.abc import Callable

from amqpy.core.arguments import CLASSIC, EXCHANGE_ARGUMENTS, QUORUM, STREAM, check_queue_arguments, compared_arguments
from amqpy.core.checks import (
    check_not_default,
    check_not_reserved,
    check_passive_permission,
    check_permission,
    check_queue_limit,
    check_topic_permission,
    find_exchange,
    find_queue,
    locked,
    open_queue,
    stripped,
)
from amqpy.core.equivalence import assert_same_arguments, assert_same_property
from amqpy.core.exchanges import Binding, Exchange, exchange_type
from amqpy.core.names import exchange_text, queue_text
from amqpy.core.ports import Client
from amqpy.core.queues.classic import ClassicQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.queues.reply_to import REPLY_TO
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams.places import interval_ms
from amqpy.core.vhost import Vhost
from amqpy.errors import AccessRefused, Denied, PreconditionFailed, erlang_atom
from amqpy.profile import Profile
from amqpy.wire.values import Field, Table, by_name, with_field

DENIED = {
    "by default": (
        "Feature `{feature}` is deprecated.\n"
        "By default, this feature is not permitted anymore.\n"
        "The feature will be removed from a future major RabbitMQ version, regardless of the configuration; actual "
        "version to be determined.\n"
        "To continue using this feature when it is not permitted by default, set the following parameter in your "
        "configuration:\n"
        '    "deprecated_features.permit.{feature} = true"'
    ),
    "by configuration": (
        "Feature `{feature}` is deprecated.\n"
        "Its use is not permitted per the configuration (overriding the default, which is permitted):\n"
        '    "deprecated_features.permit.{feature} = false"\n'
        "Its use will not be permitted by default in a future minor RabbitMQ version and the feature will be removed "
        "from a future major RabbitMQ version; actual versions to be determined."
    ),
}
"""The beginning of RabbitMQ's texts: of a reply text clients get no more than 255 bytes."""

QUEUE_TYPES: dict[str, type[Queue]] = {kind.type: kind for kind in (ClassicQueue, QuorumQueue, StreamQueue)}


class Topology:
    """The operations on exchanges, queues and bindings. `new_name` makes the random part of a server-made name."""

    def __init__(self, new_name: Callable[[], str]) -> None:
        self._new_name = new_name

    # --- exchanges

    def declare_exchange(
        self,
        client: Client,
        vhost: Vhost,
        name: str,
        kind: str,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        """Creates the exchange, or checks that it is as declared (exchange.declare)."""
        kind_of_exchange = exchange_type(kind, vhost.profile)
        name = stripped(name)
        check_not_default(name)
        check_permission(client, vhost, "configure", "exchange", name)
        exchange = vhost.exchanges.get(name)
        if exchange is None:
            check_not_reserved("exchange", name)
            alternate = arguments.get("alternate-exchange")
            if alternate is not None:
                if alternate.kind != "longstr":
                    raise PreconditionFailed(
                        f"invalid type '{alternate.kind}' for arg 'alternate-exchange' in {exchange_text(vhost, name)}"
                    )
                check_permission(client, vhost, "read", "exchange", name)
                check_permission(client, vhost, "write", "exchange", alternate.value)
            kind_of_exchange.check_arguments(arguments, vhost.profile)
            vhost.add_exchange(
                kind_of_exchange(
                    vhost, name, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
                ),
                client.user_name,
            )
            return
        what = exchange_text(vhost, name)
        assert_same_property(what, "type", erlang_atom(exchange.type), erlang_atom(kind))
        assert_same_property(what, "durable", exchange.durable, durable)
        assert_same_property(what, "auto_delete", exchange.auto_delete, auto_delete)
        assert_same_property(what, "internal", exchange.internal, internal)
        assert_same_arguments(what, EXCHANGE_ARGUMENTS, exchange.arguments, arguments)

    def check_exchange(self, client: Client, vhost: Vhost, name: str) -> None:
        """Checks that the exchange exists (exchange.declare with passive)."""
        name = stripped(name)
        check_not_default(name)
        check_passive_permission(client, vhost, "exchange", name)
        find_exchange(vhost, name)

    def delete_exchange(self, client: Client, vhost: Vhost, name: str, *, if_unused: bool) -> None:
        """Deletes the exchange, if it exists (exchange.delete)."""
        name = stripped(name)
        check_not_default(name)
        if name.startswith("amq."):
            raise AccessRefused(f"deletion of system {exchange_text(vhost, name)} not allowed")
        check_permission(client, vhost, "configure", "exchange", name)
        exchange = vhost.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{exchange_text(vhost, name)} in use")
        vhost.remove_exchange(exchange, client.user_name)

    # --- queues

    def declare_queue(
        self,
        client: Client,
        vhost: Vhost,
        name: str,
        *,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> Queue:
        """Creates the queue, with a made name if none is given, or checks that it is as declared (queue.declare)."""
        name = stripped(name)
        durable = durable and not exclusive
        arguments = with_default_type(vhost, arguments, fits=durable and not auto_delete)
        if name:
            check_not_reserved("queue", name)
        else:
            kind = arguments.get("x-queue-type")
            if kind is not None and kind.value in {QUORUM, STREAM}:
                raise PreconditionFailed(f"Cannot declare a server-named queue for type rabbit_{kind.value}_queue")
            # The same as before, if this is done again because a permission had to be asked for.
            name = client.made_name = client.made_name or f"amq.gen-{self._new_name()}"
        check_permission(client, vhost, "configure", "queue", name)
        vhost.statistics.declared += 1
        queue = vhost.queues.get(name)
        if queue is None:
            if not vhost.profile.limits_come_last:
                check_queue_limit(vhost, name)
            kind_of_queue = self._check_new_queue(
                client, vhost, name, durable=durable, exclusive=exclusive, auto_delete=auto_delete, arguments=arguments
            )
            if vhost.profile.limits_come_last:
                check_queue_limit(vhost, name)
            client.made_name = ""
            return vhost.add_queue(
                name,
                kind_of_queue,
                durable=durable,
                auto_delete=auto_delete,
                owner=client if exclusive else None,
                arguments=arguments,
                actor=client.user_name,
            )
        if queue.owner is not (client if exclusive else None):
            raise locked(vhost, name)
        what = queue_text(vhost, name)
        assert_same_property(what, "durable", queue.durable, durable)
        assert_same_property(what, "auto_delete", queue.auto_delete, auto_delete)
        current, received = queue.arguments, arguments
        if vhost.profile.stream_ages_in_ms:
            current, received = in_milliseconds(current), in_milliseconds(received)
        assert_same_arguments(what, compared_arguments(queue.type, vhost.profile), current, received)
        return queue

    def _check_new_queue(
        self,
        client: Client,
        vhost: Vhost,
        name: str,
        *,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> type[Queue]:
        """Checks that the queue may be created, and returns its class."""
        what = queue_text(vhost, name)
        dead_letter_exchange = arguments.get("x-dead-letter-exchange")
        if dead_letter_exchange is not None:
            if dead_letter_exchange.kind != "longstr":
                raise PreconditionFailed(
                    f"invalid type '{dead_letter_exchange.kind}' for arg 'x-dead-letter-exchange' in {what}"
                )
            check_permission(client, vhost, "read", "queue", name)
            check_permission(client, vhost, "write", "exchange", dead_letter_exchange.value)
        return kind_of_queue(
            what, vhost.profile, arguments, durable=durable, exclusive=exclusive, auto_delete=auto_delete
        )

    def stat(self, queue: Queue) -> tuple[int, int]:
        """The numbers of ready messages and of consumers. Counts as a use of the queue (x-expires)."""
        queue.use()
        return queue.ready_count, queue.declared_consumer_count

    def check_queue(self, client: Client, vhost: Vhost, name: str) -> Queue:
        """Finds the queue (queue.declare with passive)."""
        name = stripped(name)
        check_passive_permission(client, vhost, "queue", name)
        return open_queue(client, vhost, name)

    def delete_queue(self, client: Client, vhost: Vhost, name: str, *, if_unused: bool, if_empty: bool) -> int:
        """Deletes the queue, if it exists (queue.delete); returns the number of its ready messages."""
        name = stripped(name)
        check_permission(client, vhost, "configure", "queue", name)
        if name not in vhost.queues:
            return 0
        queue = open_queue(client, vhost, name)
        queue.check_delete(if_unused=if_unused, if_empty=if_empty)
        count = queue.ready_count if queue.counts_what_is_deleted else 0
        vhost.remove_queue(queue, client.user_name)
        return count

    def purge_queue(self, client: Client, vhost: Vhost, name: str) -> int:
        """Drops the ready messages (queue.purge) and returns their number. Unacknowledged ones stay."""
        check_permission(client, vhost, "read", "queue", name)
        queue = open_queue(client, vhost, name)
        queue.check_purge()
        return queue.purge()

    # --- bindings

    def bind_queue(
        self, client: Client, vhost: Vhost, queue: str, exchange: str, routing_key: str, arguments: Table
    ) -> None:
        """Binds a queue to an exchange (queue.bind)."""
        queue, exchange = self._check_queue_binding(client, vhost, queue, exchange, routing_key)
        source = find_exchange(vhost, exchange)
        binding = Binding(source, find_queue(vhost, queue), routing_key, arguments)
        source.check_binding(binding)
        open_queue(client, vhost, queue)
        vhost.add_binding(binding, client.user_name)

    def unbind_queue(
        self, client: Client, vhost: Vhost, queue: str, exchange: str, routing_key: str, arguments: Table
    ) -> None:
        """Removes a binding of a queue, if it exists (queue.unbind)."""
        queue, exchange = self._check_queue_binding(client, vhost, queue, exchange, routing_key)
        self._unbind(client, vhost, exchange, vhost.queues.get(queue), routing_key, arguments)

    def bind_exchange(
        self, client: Client, vhost: Vhost, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Binds an exchange to another one (exchange.bind)."""
        destination, source = self._check_exchange_binding(client, vhost, destination, source, routing_key)
        exchange = find_exchange(vhost, source)
        binding = Binding(exchange, find_exchange(vhost, destination), routing_key, arguments)
        exchange.check_binding(binding)
        vhost.add_binding(binding, client.user_name)

    def unbind_exchange(
        self, client: Client, vhost: Vhost, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """Removes a binding of an exchange, if it exists (exchange.unbind)."""
        destination, source = self._check_exchange_binding(client, vhost, destination, source, routing_key)
        self._unbind(client, vhost, source, vhost.exchanges.get(destination), routing_key, arguments)

    def _check_queue_binding(
        self, client: Client, vhost: Vhost, queue: str, exchange: str, routing_key: str
    ) -> tuple[str, str]:
        queue, exchange = stripped(queue), stripped(exchange)
        if queue.startswith(f"{REPLY_TO}.") and not vhost.profile.binds_reply_queues:
            raise AccessRefused("cannot bind or unbind to a volatile (direct reply-to) queue")
        check_permission(client, vhost, "write", "queue", queue)
        check_not_default(exchange)
        self._check_source(client, vhost, exchange, routing_key)
        return queue, exchange

    def _check_exchange_binding(
        self, client: Client, vhost: Vhost, destination: str, source: str, routing_key: str
    ) -> tuple[str, str]:
        destination, source = stripped(destination), stripped(source)
        check_permission(client, vhost, "write", "exchange", destination)
        check_not_default(destination)
        check_not_default(source)
        self._check_source(client, vhost, source, routing_key)
        return destination, source

    def _check_source(self, client: Client, vhost: Vhost, source: str, routing_key: str) -> None:
        check_permission(client, vhost, "read", "exchange", source)
        exchange = vhost.exchanges.get(source)
        if exchange is not None:
            check_topic_permission(client, vhost, "read", exchange, routing_key)

    def _unbind(
        self,
        client: Client,
        vhost: Vhost,
        source: str,
        destination: Queue | Exchange | None,
        routing_key: str,
        arguments: Table,
    ) -> None:
        exchange = vhost.exchanges.get(source)
        if exchange is None or destination is None:
            return
        bound = exchange.bindings.get(Binding(exchange, destination, routing_key, arguments).identity)
        if bound is None:
            return
        if isinstance(destination, Queue):
            open_queue(client, vhost, destination.name)
        vhost.remove_binding(bound, client.user_name)


def kind_of_queue(
    what: str, profile: Profile, arguments: Table, *, durable: bool, exclusive: bool, auto_delete: bool
) -> type[Queue]:
    """Checks the properties of a new queue, and returns its class. `what` is `queue 'q' in vhost '/'`."""
    name_of_kind = check_queue_arguments(what, arguments, CLASSIC, profile)
    if not (durable or exclusive or profile.transient_queues):
        raise Denied(DENIED["by configuration"].format(feature="transient_nonexcl_queues"))
    denied = DENIED.get(profile.master_locator_denied)
    if denied is not None and name_of_kind == CLASSIC and "x-queue-master-locator" in arguments:
        raise Denied(denied.format(feature="queue_master_locator"))
    kind = QUEUE_TYPES[name_of_kind]
    kind.check_properties(what, durable=durable, exclusive=exclusive, auto_delete=auto_delete)
    kind.check_sizes(arguments, profile)
    return kind


def in_milliseconds(arguments: Table) -> Table:
    """The arguments with the number of milliseconds in place of the text of `x-max-age`."""
    field = arguments.get("x-max-age")
    age_ms = None if field is None or field.kind != "longstr" else interval_ms(field.value)
    return arguments if age_ms is None else {**arguments, "x-max-age": Field("long", age_ms)}


def with_default_type(vhost: Vhost, arguments: Table, *, fits: bool) -> Table:
    """Adds the virtual host's default queue type to the arguments, if none is given. Only a durable queue that is
    neither exclusive nor auto-delete fits any type; the others are classic, whatever the default is."""
    profile = vhost.profile
    kind = vhost.metadata.default_queue_type or (CLASSIC if profile.always_names_type else None)
    if kind is None or "x-queue-type" in arguments:
        return arguments
    if not fits and kind != CLASSIC:
        if not profile.default_type_or_classic:
            return arguments
        kind = CLASSIC
    return by_name(with_field(arguments, "x-queue-type", Field("longstr", kind)))
