"""Reasons why messages do not get on, as far as they are to be found in a broker, the gravest first.

Nothing is noted for it while messages pass. Most of it can be seen at once: queues without consumers, consumers without
credit. The age of deliveries that are unacknowledged is noted from when somebody first asks until some minutes after
somebody has asked last (`consumer_timeout`). What has changed lately comes from samples of counters, if somebody takes
them (`findings.finding.History`).

A broker may have very many queues and deliveries. So it is a job.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from amqpy.core.broker import Broker
from amqpy.core.findings.finding import Finding, Findings, History, NoHistory, Thresholds
from amqpy.core.findings.of_clients import (
    ChannelCount,
    ConnectionState,
    look_at_alarms,
    look_at_connection,
    size_text,
)
from amqpy.core.findings.of_queues import Debt, QueueFindings, look_at_exchange
from amqpy.core.jobs import LOT, Steps, each
from amqpy.core.ports import Client
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer, DeliveryQueue

QUEUE_UNITS: Final = 20
EXCHANGE_UNITS: Final = 3
CHANNEL_UNITS: Final = 5
CONNECTION_UNITS: Final = 5
"""The costs of looking at one of each, in the units of `jobs`."""

DEFAULTS: Final = Thresholds()
NO_HISTORY: Final = NoHistory()


class Looking:
    """The search for findings. Once its `steps` are done it has `found`."""

    def __init__(
        self,
        broker: Broker,
        vhosts: Sequence[Vhost],
        describe: Callable[[Client], ConnectionState | None],
        thresholds: Thresholds = DEFAULTS,
        history: History = NO_HISTORY,
        *,
        store_waiting: int = 0,
    ) -> None:
        """Looks at these virtual hosts. `describe` tells the state of a connection, None of one that may not be seen;
        `store_waiting` are bytes that wait to be written, if those who publish must wait for that."""
        self.found: list[Finding] = []
        self._broker = broker
        self._vhosts = vhosts
        self._describe = describe
        self._thresholds = thresholds
        self._history = history
        self._store_waiting = store_waiting
        self._findings = Findings(thresholds.limit)
        self._debts: dict[DeliveryQueue, dict[Consumer | UnackedDeliveries, Debt]] = {}

    def steps(self) -> Steps:
        """All of it: a job."""
        broker, findings = self._broker, self._findings
        broker.consumer_timeouts.note_ages()
        look_at_alarms(broker.alarms.resources, broker.resources, findings)
        if self._store_waiting:
            text = f"The store is behind, and publishers must wait: {size_text(self._store_waiting)} are to be written."
            findings.add("flow", "", "store", text, self._store_waiting, waiting=self._store_waiting)
        for vhost in self._vhosts:
            yield from self._look_at_clients(vhost)
            yield from self._look_at_queues(vhost)
            yield from self._look_at_exchanges(vhost)
        self.found = findings.in_order()

    def _look_at_clients(self, vhost: Vhost) -> Steps:
        """The connections with their channels; and whose deliveries are unacknowledged."""
        channels: dict[str, ChannelCount] = {}
        for client in each(vhost.clients):
            state = self._describe(client)
            if state is not None:
                channels[state.name] = ChannelCount()
                look_at_connection(state, self._findings, self._history)
            yield CONNECTION_UNITS
        for channel in each(vhost.channels):
            if channel not in vhost.channels:
                continue
            count = channels.get(channel.unacked.origin.connection)
            if count is not None:
                count.add(channel, self._thresholds.window, self._history)
            yield CHANNEL_UNITS
            yield from self._look_at_deliveries(channel.unacked)
        for name, count in channels.items():
            count.tell(name, vhost.name, self._findings, self._thresholds)

    def _look_at_deliveries(self, unacked: UnackedDeliveries) -> Steps:
        deliveries = iter(list(unacked.by_tag.items()))
        while lot := list(islice(deliveries, LOT)):
            for tag, (queue, _, message, consumer) in lot:
                debts = self._debts.setdefault(queue, {})
                holder = unacked if consumer is None else consumer
                debt = debts.get(holder)
                if debt is None:
                    debt = debts[holder] = Debt(unacked, tag)
                debt.count += 1
                debt.failed = max(debt.failed, message.delivery_count)
            yield len(lot)

    def _look_at_queues(self, vhost: Vhost) -> Steps:
        unix_time_ms = self._broker.unix_time_ms()
        queues = QueueFindings(self._findings, self._thresholds, self._history, unix_time_ms, self._age_of)
        for queue in each(vhost.queues.values()):
            if not queue.deleted:
                queues.look(queue, self._debts.pop(queue, {}))
            yield QUEUE_UNITS

    def _age_of(self, unacked: UnackedDeliveries, tag: int) -> int | None:
        since_ms = self._broker.consumer_timeouts.since_ms(unacked, tag)
        return None if since_ms is None else self._broker.scheduler.now_ms - since_ms

    def _look_at_exchanges(self, vhost: Vhost) -> Steps:
        for exchange in each(vhost.exchanges.values()):
            if not exchange.deleted:
                vhost.settle_counts(exchange)
                look_at_exchange(exchange, vhost.name, self._findings, self._thresholds, self._history)
            yield EXCHANGE_UNITS
