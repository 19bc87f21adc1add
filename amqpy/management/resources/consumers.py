"""Consumers of queues.

Source: `rabbit_mgmt_wm_consumers`, `rabbit_mgmt_db:augment_consumer`.
"""

from amqpy.core import views
from amqpy.core.consumer import Consumer
from amqpy.management import access
from amqpy.management.answers import bad_request
from amqpy.management.call import Call
from amqpy.management.lists import NAMES, Listing, View
from amqpy.management.router import Router
from amqpy.wire.values import INTEGER_KINDS


def add_to(router: Router) -> None:
    router.get("/consumers", access.anyone)(list_consumers)
    router.get("/consumers/{vhost}", may_list)(list_consumers)


def may_list(call: Call) -> str | None:
    """The rule for those of one virtual host. Anybody sees its own ones only; but newer versions want that it may
    enter."""
    return access.visible(call) if call.has("visible-consumers") else None


def check_stats(call: Call) -> None:
    """Raises Refusal where there are no statistics: without them, there are no channels and no consumers."""
    if call.without_stats:
        raise bad_request("Stats in management UI are disabled on this node")


def list_consumers(call: Call) -> Listing:
    """Those of queues in one virtual host, or in all. A user who is no monitor sees its own ones only."""
    check_stats(call)
    call.check_header()
    found = [
        consumer
        for vhost in call.vhosts_of_clients()
        for _, queue in sorted(vhost.queues.items())
        for consumer in queue.consumers
        if call.is_monitor or consumer.unacked.origin.user == call.user.name
    ]
    return Listing(found, lambda consumer: view(call, consumer), by=NAMES)


def view(call: Call, consumer: Consumer) -> View:
    origin = consumer.unacked.origin
    shown: View = {
        **views.consumer(consumer),
        "channel_details": {**views.channel_details(origin), "node": call.broker.node},
    }
    if call.has("consumer_timeout"):
        shown["consumer_timeout"] = _timeout_of(call, consumer)
    return shown


def _timeout_of(call: Call, consumer: Consumer) -> int:
    """Milliseconds in which deliveries must be acknowledged; 0 without a limit."""
    given = consumer.arguments.get("x-consumer-timeout")
    if given is not None and given.kind in INTEGER_KINDS:
        return int(given.value)
    return consumer.queue.settings.consumer_timeout_ms or call.broker.config.consumer_timeout_ms or 0
