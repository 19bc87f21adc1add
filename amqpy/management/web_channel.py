"""The connection, and the channel in it, that a request to publish or to get messages is carried out on.

RabbitMQ opens both for each such request, and so their limits, permissions and counters apply. Here they are no more
than what the core needs of a channel.

Source: `rabbit_mgmt_util:with_channel`, `rabbit_direct:connect`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from amqpy.core.checks import check_connection_limit
from amqpy.core.consumer import Delivery
from amqpy.core.ports import Origin
from amqpy.core.statistics import Counts
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault
from amqpy.management.answers import ACCESS_REFUSED, Refusal, bad_request, missing, not_entitled
from amqpy.management.call import Call

if TYPE_CHECKING:
    from amqpy.core.confirms import Confirms

CHURN: Final = ("connection.created", "channel.created", "channel.closed", "connection.closed")


class WebChannel:
    """A channel of one request. A `core.vhost.OpenChannel`."""

    def __init__(self, call: Call, vhost: Vhost) -> None:
        self.call = call
        self.vhost = vhost
        pid = call.broker.new_pid()
        self.unacked = vhost.new_unacked(Origin(pid, 1, call.user.name, pid))
        self.published = self.confirmed = 0
        self.confirms: Confirms | None = None
        """None: a message is confirmed at once."""

    @classmethod
    def of(cls, call: Call) -> "WebChannel":
        """A channel in the virtual host in the path. Raises Refusal or NotAllowed if the user may not connect to it."""
        vhost = call.broker.vhosts.get(call.names["vhost"])
        if vhost is None or not call.may_enter(vhost):
            raise not_entitled(ACCESS_REFUSED)
        check_connection_limit(vhost, call.user.name)
        call.user.check_connection()
        call.client.vhost = vhost
        return cls(call, vhost)

    def open(self) -> None:
        self.vhost.begin_channel(self)

    def close(self) -> None:
        """Keeps its counters. What was delivered on it must be settled already."""
        self.vhost.end_channel(self)
        counts = self.call.broker.events.counts
        for name in CHURN:
            counts[name] = counts.get(name, 0) + 1

    def message_stats(self) -> Counts:
        return {
            "publish": self.published,
            "confirm": self.confirmed,
            "drop_unroutable": 0,
            "return_unroutable": self.unacked.counts.return_unroutable,
            **self.unacked.message_stats(),
        }

    def deliveries(self) -> Iterable[Delivery]:
        return self.unacked.by_tag.values()


def refusal_on_publish(fault: AmqpFault) -> Refusal:
    """The refusal of a publish: that the channel, or even the connection, was closed."""
    return bad_request(f"{fault.code} {fault.reply_text}")


def refusal_on_get(fault: AmqpFault) -> Refusal:
    if fault.code == 404:
        return missing(fault.reply_text)
    return not_entitled(fault.reply_text) if fault.code == 403 else refusal_on_publish(fault)
