"""Pairs of channels, exchanges and queues, as they are shown with one of their ends: none, unless the rates mode is
`detailed`.

Source: `rabbit_mgmt_db`: `detail_stats`, `format_detail_id`.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from amqpy.amqp.channel import ChannelSession
from amqpy.core import views
from amqpy.core.detailed_statistics import Pair
from amqpy.core.exchanges import Exchange
from amqpy.core.ports import Origin
from amqpy.core.queues.queue import Queue
from amqpy.management.call import Call
from amqpy.management.lists import View

PAIRS_MAX: Final = 1000
"""The most pairs that are shown in a list: some milliseconds of work."""


def of_queue(call: Call, queue: Queue) -> View:
    detailed, vhost = call.vhost.detailed, call.vhost.name
    if detailed is None:
        return {"incoming": [], "deliveries": []}
    return {
        "incoming": _rows(
            call, ((_end("exchange", pair.exchange.name, vhost), pair) for pair in detailed.routes_to(queue))
        ),
        "deliveries": _rows(call, ((_channel(call, origin), pair) for origin, pair in detailed.deliveries_from(queue))),
    }


def of_exchange(call: Call, exchange: Exchange) -> View:
    detailed, vhost = call.vhost.detailed, call.vhost.name
    if detailed is None:
        return {"incoming": [], "outgoing": []}
    return {
        "incoming": _rows(call, ((_channel(call, origin), pair) for origin, pair in detailed.publishes_to(exchange))),
        "outgoing": _rows(
            call, ((_end("queue", pair.queue.name, vhost), pair) for pair in detailed.routes_from(exchange))
        ),
    }


def of_channel(call: Call, channel: ChannelSession) -> View:
    detailed, vhost = channel.vhost.detailed, channel.vhost.name
    if detailed is None or (pairs := detailed.channels.get(channel.origin)) is None:
        return {"publishes": [], "deliveries": []}
    pairs.settle_confirms()
    return {
        "publishes": _rows(call, ((_end("exchange", pair.exchange.name, vhost), pair) for pair in pairs.publishes)),
        "deliveries": _rows(call, ((_end("queue", pair.queue.name, vhost), pair) for pair in pairs.deliveries)),
    }


def _rows(call: Call, pairs: Iterable[tuple[View, Pair]]) -> list[View]:
    """The pairs for which anything was counted, with their other ends."""
    counted = ((end, pair) for end, pair in pairs if any(pair.message_stats().values()))
    return [
        {"stats": call.api.statistics.of_pair(pair, call.request.query), **end}
        for end, pair in islice(counted, PAIRS_MAX)
    ]


def _channel(call: Call, origin: Origin) -> View:
    return {"channel_details": {**views.channel_details(origin), "node": call.broker.node}}


def _end(kind: str, name: str, vhost: str) -> View:
    return {kind: {"name": name, "vhost": vhost}}
