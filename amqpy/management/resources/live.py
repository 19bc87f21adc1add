"""Live pages: what changes, as it changes. An addition to RabbitMQ's API."""

from amqpy.management import access
from amqpy.management.call import Call
from amqpy.management.live.live import EVENT_STREAM
from amqpy.management.live.subscription import Subscription, subscription_of
from amqpy.management.router import Router


def add_to(router: Router) -> None:
    router.get("/live", access.anyone, head=False, produces=EVENT_STREAM)(show_changes)


def show_changes(call: Call) -> Subscription:
    """Sends what it is asked for as server-sent events, as long as the client listens.

    `answer`: the answer of a `get`, once it is made and whenever it has changed. `event`: something happened in the
    broker. `message`: a message passes what is tapped. `skipped`: so many were left out, for the client is too slow, or
    they are too many. `state`: whether the events or a tap may be seen.
    """
    return subscription_of(call.request)
