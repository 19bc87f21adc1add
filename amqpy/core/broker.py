"""The broker: the operations that clients may ask for.

An operation checks everything first, in RabbitMQ's order, and changes things after; so it is done whole or not at
all. It raises a ChannelFault or ConnectionFault that says why not. Operations note the queues that may now have
something to deliver; `settle` drains them, and must be called at the end of each turn.

Source: `rabbit_channel:handle_method` for the checks, their order and their words.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from amqpy.config import Config
from amqpy.core.acknowledgements import Acknowledgements
from amqpy.core.administration.administration import Administration
from amqpy.core.alarms import Alarms
from amqpy.core.arguments import CLASSIC, check_consumer_arguments
from amqpy.core.checks import check_permission, open_queue
from amqpy.core.consumer import Consumer
from amqpy.core.consumer_timeout import RETURNED, ConsumerTimeouts
from amqpy.core.dead_letter import send_dead_letter
from amqpy.core.durability import recovery
from amqpy.core.durability.journal import Journal
from amqpy.core.durability.records import Record
from amqpy.core.events import event_properties
from amqpy.core.events.events import INTERNAL_USER, Events
from amqpy.core.events.internal_publisher import InternalPublisher
from amqpy.core.jobs import Steps, each
from amqpy.core.message import Message
from amqpy.core.names import queue_text
from amqpy.core.portions import Taken
from amqpy.core.ports import Client, DeliveryTarget
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.reply_to import REPLY_TO, ReplyQueue
from amqpy.core.resources import Resources
from amqpy.core.scheduler import Scheduler
from amqpy.core.topology import Topology
from amqpy.core.unacked import UnackedDeliveries, in_lots
from amqpy.core.vhost import Vhost
from amqpy.core.vhosts import Vhosts
from amqpy.errors import NotFound
from amqpy.sizes import Limit, parse_limit
from amqpy.wire.values import Table

READ_UNIT = 8 * 1024
"""Bytes of bodies that are read from the store for a unit of work."""

CLUSTER_NAME = "cluster_name"
"""The global parameter with the name of the cluster, once an administrator has changed it."""

WORK_MAX = 500
"""Dead letters that are published in one turn (a few milliseconds of work)."""


class Broker(Acknowledgements):
    """All virtual hosts and the operations on them.

    `new_name` makes the random part of a server-made name; `choose` a random number below the one it is given.
    With a journal, everything durable is recorded there; `recorded` holds the records of an earlier broker, in the
    order of a store. `now_ms` is the time of the first turn.
    """

    def __init__(
        self,
        config: Config,
        new_name: Callable[[], str],
        choose: Callable[[int], int],
        unix_time_ms: Callable[[], int] = lambda: 0,
        *,
        log: logging.Logger,
        journal: Journal | None = None,
        recorded: Sequence[Record] = (),
        now_ms: int = 0,
    ) -> None:
        self.config = config
        self.profile = config.switches
        size = config.max_message_size
        self.max_message_size = self.profile.max_message_size if size is None else size
        # A smaller frame_max of ours must not lock out every client.
        self.frame_max_floor = min(self.profile.frame_max_floor, config.frame_max)
        self.new_name = new_name
        self.choose = choose
        self.unix_time_ms = unix_time_ms
        self.node = config.cluster_name or "rabbit@localhost"
        self._pids = count(1)
        self.scheduler = Scheduler()
        self.scheduler.now_ms = now_ms
        self.scheduler.unix_time_ms = unix_time_ms
        self.scheduler.journal = journal
        self.internal_publisher = InternalPublisher(self.scheduler)
        self.events = Events(self.internal_publisher, unix_time_ms, self.node)
        self.vhosts = Vhosts(config, self.scheduler, self.events, choose)
        self.consumer_timeouts = ConsumerTimeouts(
            self.scheduler, self.profile, config.consumer_timeout_ms, self._end_consumer
        )
        self.scheduler.consumer_timeouts = self.consumer_timeouts
        self.topology = Topology(new_name)
        self.alarms = Alarms(self.node, self.events, self._clients, log)
        self.resources = Resources(self.alarms, self._memory_limit(), parse_limit(config.disk_free_limit), log)
        self.administration = Administration(
            self.vhosts, self.scheduler, self.events, self.internal_publisher, self.resources, self.settle
        )
        recovery.restore(self.vhosts, self.administration, recorded)
        if recovery.is_new(recorded):
            metadata = self.vhosts.default_metadata._replace(description="Default virtual host")
            self.vhosts.add(config.default_vhost, metadata)

    @property
    def cluster_name(self) -> str:
        """The name that clients are told, which an administrator may change."""
        name = self.administration.global_parameter(CLUSTER_NAME)
        return name if isinstance(name, str) else self.node

    def _memory_limit(self) -> Limit | None:
        watermark = self.config.memory_high_watermark
        return Limit(share=self.profile.memory_high_watermark) if watermark is None else parse_limit(watermark)

    def _clients(self) -> Iterator[Client]:
        return (client for vhost in self.vhosts.values() for client in vhost.clients)

    @property
    def transport_now_ms(self) -> int:
        """The time of the current turn for heartbeats, and for what else a connection waits for."""
        return self.scheduler.now_ms

    def new_pid(self) -> str:
        """Makes the name of a connection or a channel in events: RabbitMQ's process id. Here it is only a name."""
        return f"<{self.node}.{next(self._pids)}.0>"

    @property
    def _read_size(self) -> int:
        return 0 if self.scheduler.journal is None else self.scheduler.journal.read_size

    # --- turns

    def settle(self) -> None:
        """Does what operations have left to do: notifies consumers that their queue is gone, drops messages that have
        expired, and drains every queue that has both messages and consumers again."""
        scheduler = self.scheduler
        if scheduler.requeues:
            self._take_back()
        if scheduler.cancelled_consumers:
            for consumer in scheduler.cancelled_consumers:
                consumer.target.cancelled()
                self.events.tell("consumer.deleted", event_properties.of_consumer_gone, consumer, None)
            scheduler.cancelled_consumers.clear()
        if scheduler.deadlines or scheduler.dead_letters:
            self._let_time_pass()
        if scheduler.queues_to_drain:
            while dirty := scheduler.queues_to_drain:
                # In the order they were noted: of the queues that one channel's limit blocked, none may starve.
                for queue in tuple(dirty):
                    if queue in dirty:
                        del dirty[queue]
                        queue.drain()
            if scheduler.deadlines or scheduler.dead_letters:
                self._let_time_pass()

    def _let_time_pass(self) -> None:
        """Runs timers that are due, and publishes dead letters, which may dead-letter others and set more timers. It is
        a loop and no recursion, however long a chain of queues is; work beyond `WORK_MAX` is left for the next
        turn."""
        scheduler = self.scheduler
        work = WORK_MAX
        while work > 0:
            if scheduler.dead_letters:
                queue, position, message, reason = scheduler.dead_letters.popleft()
                vhost, time_s = self.vhosts.get(queue.vhost.name), self.unix_time_ms() // 1000
                is_sent = False
                if vhost is not None and vhost is queue.vhost:  # and not a new one of that name
                    is_sent = send_dead_letter(vhost, queue, message, reason, time_s, self.profile)
                if is_sent or not queue.retry_dead_letter(position, message, reason):
                    queue.dead_lettered(position, message)
                # A long history takes long to write.
                work -= 1 + len(message.header) // 256
            elif (timed := scheduler.deadlines.pop_due(scheduler.now_ms)) is not None:
                client, scheduler.jobs.client = scheduler.jobs.client, None
                timed.on_timer()
                scheduler.jobs.client = client
                work -= 10
            elif scheduler.requeues:
                self._take_back()
            elif scheduler.queues_to_drain:
                scheduler.queues_to_drain.popitem()[0].drain()
            else:
                return

    def advance(self, now_ms: int) -> None:
        """Begins a turn: sets the time, and drops what expired since the last turn before any client can see it."""
        scheduler = self.scheduler
        scheduler.now_ms = now_ms
        scheduler.jobs.spent = 0
        if scheduler.queues_to_drain_further:
            scheduler.queues_to_drain |= scheduler.queues_to_drain_further
            scheduler.queues_to_drain_further.clear()
        first_at_ms = self.next_at_ms()
        if first_at_ms is not None and first_at_ms <= now_ms:
            self.settle()

    def next_at_ms(self) -> int | None:
        """The time at which `advance` must be called even without input, or None."""
        scheduler = self.scheduler
        is_busy = (
            scheduler.dead_letters
            or scheduler.queues_to_drain
            or scheduler.queues_to_drain_further
            or scheduler.requeues
            or scheduler.jobs.lines
        )
        return scheduler.now_ms if is_busy else scheduler.deadlines.first_at_ms()

    def work(self) -> None:
        """Does one turn of the large work that is under way, and settles."""
        if self.scheduler.jobs:
            self.scheduler.jobs.work()
            self.settle()

    def finish(self) -> None:
        """Does all large work that is left. Called when the broker stops."""
        while self.scheduler.jobs:
            self.work()

    def message_count(self) -> int:
        """The number of messages, ready or unacknowledged, in all queues, and of those that exchanges keep."""
        return sum(vhost.message_count() for vhost in self.vhosts.values())

    def messages_in_memory(self) -> int:
        """Like `message_count`, without messages that are only on disk."""
        return sum(vhost.messages_in_memory() for vhost in self.vhosts.values())

    def sweep(self, count: int) -> None:
        """Frees up to `count` messages of those that were purged or deleted.

        Freeing a million messages takes a tenth of a second, and no client should have to wait for it.
        """
        while self.scheduler.discarded and count > 0:
            messages = self.scheduler.discarded[0]
            for _ in range(min(count, len(messages))):
                messages.pop()
                count -= 1
            if not messages:
                self.scheduler.discarded.popleft()

    # --- consuming

    def consume(
        self,
        client: Client,
        vhost: Vhost,
        queue_name: str,
        unacked: UnackedDeliveries,
        target: DeliveryTarget,
        *,
        tag: str,
        no_ack: bool,
        exclusive: bool,
        prefetch: int,
        arguments: Table,
    ) -> Consumer:
        """Starts a consumer (basic.consume). Nothing is delivered to it before the next `settle`."""
        check_permission(client, vhost, "read", "queue", queue_name)
        queue = open_queue(client, vhost, queue_name)
        priority = check_consumer_arguments(queue_text(vhost, queue_name), queue.type, arguments, self.profile)
        queue.check_consume(unacked, exclusive=exclusive, no_ack=no_ack, prefetch=prefetch)
        consumer = queue.consumer_type(
            tag,
            queue,
            unacked,
            target,
            no_ack=no_ack,
            exclusive=exclusive,
            prefetch=prefetch or queue.prefetch,
            arguments=arguments,
            priority=priority,
        )
        consumer.prefetch = prefetch
        for watcher in vhost.watchers:
            watcher.attach(consumer)
        queue.add_consumer(consumer)
        if self.profile.timeout_cancels and "x-consumer-timeout" in arguments:
            self.consumer_timeouts.start()
        self.events.tell("consumer.created", event_properties.of_consumer, consumer, prefetch, client.user_name)
        return consumer

    def consume_replies(
        self, vhost: Vhost, unacked: UnackedDeliveries, target: DeliveryTarget, *, tag: str
    ) -> ReplyQueue:
        """Consumes from the direct reply-to pseudo-queue; returns the queue of this consumer's replies."""
        name = f"{REPLY_TO}.{self.new_name()}"
        for watcher in vhost.watchers:
            target = watcher.attach_replies(target, name, unacked)
        queue = ReplyQueue(name, tag, unacked, target)
        vhost.add_reply_queue(queue)
        return queue

    def check_reply_queue(self, vhost: Vhost, name: str) -> None:
        """Checks queue.declare of the pseudo-queue, which always exists, or of a reply queue. Raises NotFound."""
        if name != REPLY_TO and name not in vhost.reply_queues:
            raise NotFound(f"no {queue_text(vhost, name)}")

    def cancel(self, vhost: Vhost, consumer: Consumer) -> None:
        """Cancels a consumer (basic.cancel). Its unacknowledged messages stay with the channel; an auto-delete queue
        is deleted with its last consumer."""
        queue = consumer.queue
        queue.remove_consumer(consumer)
        actor = consumer.unacked.origin.user if queue.type == CLASSIC else INTERNAL_USER
        self.events.tell("consumer.deleted", event_properties.of_consumer_gone, consumer, actor)
        if queue.auto_delete and not queue.consumers and not queue.deleted:
            self.scheduler.jobs.do(queue.delete())

    def get(
        self, client: Client, vhost: Vhost, queue_name: str, unacked: UnackedDeliveries, *, no_ack: bool
    ) -> tuple[int, bool, Message, int] | None:
        """Gets one message (basic.get): delivery tag, redelivered, message, messages left; None when there is none."""
        return self.get_from(self.queue_to_get_from(client, vhost, queue_name), vhost, unacked, no_ack=no_ack)

    def queue_to_get_from(self, client: Client, vhost: Vhost, name: str) -> Queue:
        """Finds the queue of basic.get. Raises what refuses it."""
        check_permission(client, vhost, "read", "queue", name)
        queue = open_queue(client, vhost, name)
        queue.check_get()
        return queue

    def get_from(
        self, queue: Queue, vhost: Vhost, unacked: UnackedDeliveries, *, no_ack: bool
    ) -> tuple[int, bool, Message, int] | None:
        """`get` once the queue is found."""
        queue.use(by_get=True)
        read_before = self._read_size
        taken = queue.take(no_ack=no_ack)
        self.scheduler.jobs.spend((self._read_size - read_before) // READ_UNIT)
        counts, mine = queue.counts, unacked.counts
        if taken is None:
            counts.got_empty += 1
            mine.got_empty += 1
            for watcher in vhost.watchers:
                watcher.got_nothing(queue.name, unacked)
            return None
        position, message, redelivered = taken
        if redelivered:
            counts.redelivered += 1
            mine.redelivered += 1
        if no_ack:
            counts.got_no_ack += 1
            mine.got_no_ack += 1
            tag = unacked.next_tag()
            if queue.tracks_settlement:
                queue.settled(position, message)
        else:
            counts.got += 1
            mine.got += 1
            queue.delivered_count += 1
            tag = unacked.add(queue, position, message, None)
        message = queue.shown(message, by_get=True)
        for watcher in vhost.watchers:
            watcher.got(queue.name, redelivered, message, unacked, tag)
        return tag, redelivered, message, queue.ready_count

    # --- endings

    def _end_consumer(self, unacked: UnackedDeliveries, consumer: Consumer | None, overdue: Taken) -> None:
        """Ends a consumer whose deliveries timed out: requeues the overdue ones and cancels it. Its other unacked
        messages stay with the channel."""
        if consumer is not None and consumer in consumer.queue.consumers:
            consumer.queue.remove_consumer(consumer)
            self.events.tell("consumer.deleted", event_properties.of_consumer_gone, consumer, INTERNAL_USER)
            consumer.target.cancelled()
        unacked.by_tag |= dict.fromkeys((tag for tag, _ in overdue), RETURNED)
        self.requeue(in_lots(overdue, len(overdue)), "nack")

    def connection_lost(self, client: Client, vhost: Vhost) -> Steps:
        """Deletes the exclusive queues of a connection that is closed, after its channels. A job."""
        vhost.clients.pop(client, None)
        for queue in each(vhost.owned.get(client, ())):
            if not queue.deleted:
                yield from vhost.take_queue(queue)
