"""Queues.

Source: `rabbit_mgmt_wm_queues`, `rabbit_mgmt_wm_queue`, `rabbit_mgmt_wm_queue_actions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Final

from amqpy.core.consumer import DeliveryQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.reply_to import REPLY_TO
from amqpy.core.statistics import Sizes
from amqpy.management import access, pair_views, queue_views
from amqpy.management.answers import DONE, Answer, bad_request, not_found, put
from amqpy.management.call import Call
from amqpy.management.checks import check_length, check_node, look_first
from amqpy.management.lists import Listing, View, columns_of
from amqpy.management.request import flag, require, switch
from amqpy.management.resources.consumers import view as consumer_view
from amqpy.management.router import Router
from amqpy.management.tables import arguments_of

ACTIONS: Final = ("sync", "cancel_sync")
"""They are for mirrors, of which there are none here."""

CONSUMERS_MAX: Final = 1000
"""The most consumers that are shown with their queue: a few milliseconds of work. A list of consumers has all."""

BASIC: Final = frozenset(("vhost", "name", "durable", "auto_delete", "exclusive", "owner_pid", "arguments", "state"))
"""Keys that are known without statistics."""


def add_to(router: Router) -> None:
    router.get("/queues", access.of_vhost)(list_queues)
    router.get("/queues/detailed", lambda call: access.of_vhost(_of_detailed(call)))(list_detailed)
    router.get("/queues/{vhost}", access.of_vhost)(list_queues)
    router.get("/queues/{vhost}/{queue}", access.of_vhost)(show_queue)
    router.put("/queues/{vhost}/{queue}", access.of_vhost)(declare_queue)
    router.delete("/queues/{vhost}/{queue}", access.of_vhost)(delete_queue)
    router.post("/queues/{vhost}/{queue}/actions", access.administrator, exists=find_queue_first)(act)


def find_queue(call: Call) -> Queue:
    queue = call.vhost.queues.get(call.names["queue"])
    if queue is None:
        raise not_found()
    return queue


def find_queue_first(call: Call) -> None:
    look_first(call, "queue", call.names["queue"])


# --- views


def view(call: Call, queue: Queue, unacked: Mapping[DeliveryQueue, Sizes] | None = None) -> View:
    """A queue with all that lists show, unless statistics are disabled. In a list, `unacked` are the sizes of the
    unacknowledged deliveries of its virtual host."""
    if call.without_stats:
        return queue_views.basic(queue, call.broker.node, has_totals=call.with_queue_totals)
    node, idle_since_ms = call.broker.node, call.api.idleness.look(queue, call.api.unix_time_ms())
    if unacked is not None:
        shown = queue_views.full(queue, node, unacked, idle_since_ms, count_max=queue_views.SIZED_IN_ROWS_MAX)
    else:
        unacked = queue_views.unacked_sizes(call.broker.vhosts[queue.vhost.name])
        shown = queue_views.full(queue, node, unacked, idle_since_ms)
    return call.api.statistics.of_queue(shown, queue, call.request.query)


class Rows:
    """Makes the rows of a list of queues."""

    def __init__(self, call: Call, *, reduced: bool) -> None:
        self._call = call
        self._reduced = reduced and not call.without_stats
        self._unacked: dict[str, Mapping[DeliveryQueue, Sizes]] = {}
        """The sizes of unacknowledged deliveries, by virtual host."""
        columns = columns_of(call.request.query)
        shown = {path[0] for path in columns or () if path} | {call.request.query.get("sort", "").partition(".")[0]}
        self._has_sizes = columns is None or not queue_views.SIZES.isdisjoint(shown)

    def __call__(self, queue: Queue) -> View:
        shown = view(self._call, queue, self._unacked_of(queue.vhost.name))
        return queue_views.reduced(shown) if self._reduced else shown

    def _unacked_of(self, vhost: str) -> Mapping[DeliveryQueue, Sizes]:
        if not self._has_sizes:
            return {}
        if vhost not in self._unacked:
            found = self._call.broker.vhosts.get(vhost)
            self._unacked[vhost] = {} if found is None else queue_views.unacked_sizes(found)
        return self._unacked[vhost]


def list_queues(call: Call, *, detailed: bool = False) -> Listing:
    call = call.of_list(BASIC)
    items = list(chain.from_iterable(map(call.api.queues_of, call.vhosts())))
    reduced = call.broker.profile.reduced_queue_rows and not detailed and "columns" not in call.request.query
    return Listing(items, Rows(call, reduced=reduced), paged=lambda queue: queue.name)


def list_detailed(call: Call) -> Listing:
    return list_queues(_of_detailed(call), detailed=True)


def _of_detailed(call: Call) -> Call:
    """The call, of which versions without reduced rows think that it is about a virtual host of this name."""
    return call if call.broker.profile.reduced_queue_rows else replace(call, names={"vhost": "detailed"})


def show_queue(call: Call) -> View:
    queue = find_queue(call)
    if call.without_stats:
        has_totals = call.with_queue_totals and call.broker.profile.reduced_queue_rows
        shown = queue_views.basic(queue, call.broker.node, has_totals=has_totals)
        if "operator_policy" not in shown:
            # Lists tell a policy that applies, and one queue none.
            shown.pop("policy", None)
        return shown
    shown = view(call, queue)
    consumers = [consumer_view(call, each) for each in islice(queue.consumers, CONSUMERS_MAX)]
    details = {"consumer_details": consumers, **pair_views.of_queue(call, queue)}
    return {**shown, **queue_views.owner(queue), **details}


# --- changes


def declare_queue(call: Call) -> Answer:
    name = call.names["queue"]
    check_length("queue", name)
    vhost, body = call.target_vhost, call.body
    is_new, topology = name not in vhost.queues, call.broker.topology
    auto_delete, durable = (flag(body, key) for key in ("auto_delete", "durable"))
    arguments = arguments_of(body)
    check_node(call, body)
    is_passive, is_exclusive = switch(body, "passive"), switch(body, "exclusive")
    if name.startswith(REPLY_TO):
        call.broker.check_reply_queue(vhost, name)
    elif is_passive:
        topology.check_queue(call.client, vhost, name)
    else:
        # There is no connection that an exclusive queue could be of: it is one that does not survive a restart.
        durable = durable and not is_exclusive
        topology.declare_queue(
            call.client, vhost, name, durable=durable, exclusive=False, auto_delete=auto_delete, arguments=arguments
        )
    return put(is_new)


def delete_queue(call: Call) -> Answer:
    find_queue(call)
    check_node(call, call.body)
    if_unused, if_empty = call.request.is_true("if-unused"), call.request.is_true("if-empty")
    call.broker.topology.delete_queue(
        call.client, call.target_vhost, call.names["queue"], if_unused=if_unused, if_empty=if_empty
    )
    return DONE


def act(call: Call) -> Answer:
    """Accepts what there is nothing to do about."""
    find_queue(call)
    (action,) = require(call.body, "action")
    if action not in ACTIONS or not call.broker.profile.mirroring:
        raise bad_request(["unknown", action])
    return DONE
