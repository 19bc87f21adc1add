"""The way of a message that nobody publishes: an addition to RabbitMQ's commands."""

import json

from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import BadArguments, no_such_vhost
from amqpy.ctl.options import Call, Tasks, option
from amqpy.ctl.output import printable

tasks = Tasks()


@tasks(
    "<exchange> [<routing_key>]",
    option("--headers", metavar="JSON", text="The headers of the message, as an object."),
)
def explain(call: Call, exchange: str, routing_key: str = "", *, headers: str | None) -> None:
    """Say where a message would go, and why. Nothing is published. The default exchange is amq.default."""
    asked = {"vhost": call.vhost, "exchange": exchange, "routing_key": routing_key, "headers": as_object(headers)}
    call.out.banner(f"Explaining the way of a message to exchange '{exchange}' in vhost '{call.vhost}' ...")
    try:
        told = call.api.post("explain", body=asked)
    except ApiError as refusal:
        if refusal.is_missing:
            raise no_such_vhost(call.vhost) from None
        raise
    if call.out.is_json:
        call.out.json(told)
        return
    call.out.say("\n".join(map(printable, told["text"].split("\n"))))


def as_object(text: str | None) -> object:
    """Reads JSON. Raises BadArguments for what is no object."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise BadArguments("the headers are not JSON") from None
    if not isinstance(value, dict):
        raise BadArguments("the headers should be an object")
    return value
