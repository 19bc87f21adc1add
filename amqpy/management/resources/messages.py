"""Messages: published to an exchange, and taken from a queue or just looked at there.

A request may ask for many messages of a large queue. They are taken bit by bit (`core.jobs`), and given back together
at the end, so that each has its old position again.

Source: `rabbit_mgmt_wm_exchange_publish`, `rabbit_mgmt_wm_queue_get`, `rabbit_mgmt_wm_queue_purge`.
"""

from typing import Final, NamedTuple

from amqpy.amqp.message_properties import inspect
from amqpy.core.checks import check_permission, open_queue
from amqpy.core.jobs import Steps
from amqpy.core.message import address_of
from amqpy.core.message_filter import MessageFilter
from amqpy.core.publishing import find_route, publish
from amqpy.core.queues.queue import Queue
from amqpy.core.users import IMPERSONATOR
from amqpy.errors import AmqpFault, PreconditionFailed
from amqpy.management import access
from amqpy.management.answers import ACCESS_REFUSED, DONE, Answer, bad_request, not_entitled
from amqpy.management.call import Call
from amqpy.management.checks import check_length
from amqpy.management.contents import body_of, encoded_properties
from amqpy.management.json_reader import read_json
from amqpy.management.lists import Listing, Query, View, Work
from amqpy.management.looking import Form, Looking, Place, Searching, check_encoding, filter_of, shown_message, size_of
from amqpy.management.request import integer, require, text
from amqpy.management.resources.exchanges import find_exchange_first, name_in_path
from amqpy.management.resources.queues import find_queue, find_queue_first
from amqpy.management.router import Router
from amqpy.management.web_channel import WebChannel, refusal_on_get, refusal_on_publish
from amqpy.wire.properties import content_header
from amqpy.wire.scan import judge

ACK_MODES: Final = ("ack_requeue_true", "ack_requeue_false", "reject_requeue_true", "reject_requeue_false")

GET_UNITS: Final = 4
"""The cost of getting a message, in the units of `jobs`."""
SHOWN_PER_UNIT: Final = 1024
"""Octets of a payload that are shown for one unit more."""
GET_BYTES_MAX: Final = 64 * 1024 * 1024
"""Octets of messages after which no more are got, however many were asked for: they are all in memory until the answer
is sent."""

FRAME_OVERHEAD: Final = 8
"""Octets of a frame around its payload."""


def add_to(router: Router) -> None:
    router.post("/exchanges/{vhost}/{exchange}/publish", access.of_vhost, exists=find_exchange_first)(publish_message)
    router.post("/queues/{vhost}/{queue}/get", access.of_vhost, exists=find_queue_first)(get_messages)
    router.get("/queues/{vhost}/{queue}/peek", access.of_vhost)(peek_at_messages)
    router.get("/queues/{vhost}/{queue}/search", access.of_vhost)(search_messages)
    router.delete("/queues/{vhost}/{queue}/contents", access.of_vhost)(purge)


# --- publishing


def publish_message(call: Call) -> View:
    exchange = name_in_path(call)
    routing_key, properties, payload, encoding = require(
        call.body, "routing_key", "properties", "payload", "payload_encoding"
    )
    if not isinstance(payload, str):
        raise bad_request("payload_not_string")
    channel = WebChannel.of(call)
    parts = encoded_properties(properties, call.broker.profile)
    body = body_of(payload, encoding)
    try:
        if not isinstance(routing_key, str):
            # RabbitMQ does not look at it before it looks for the exchange.
            find_route(call.client, channel.vhost, exchange, "", mandatory=False)
        check_length("routing_key", text(routing_key, "routing_key"))
        is_routed = _publish(channel, exchange, routing_key, content_header(len(body), parts), body)
    except AmqpFault as fault:
        raise refusal_on_publish(fault) from None
    return {"routed": is_routed}


def _publish(channel: WebChannel, exchange: str, routing_key: str, header: bytes, body: bytes) -> bool:
    """Publishes a message, mandatory and with a confirm. Returns True if it was routed. Raises what refuses it, in
    RabbitMQ's order: a fault, or Refusal."""
    call, vhost = channel.call, channel.vhost
    broker, client = call.broker, call.client
    if len(body) > broker.max_message_size:
        limit = broker.max_message_size
        raise PreconditionFailed(f"message size {len(body)} is larger than configured max size {limit}")
    find_route(client, vhost, exchange, routing_key, mandatory=True)
    user_name = None if IMPERSONATOR in call.tags else call.user.name
    kind, special = inspect(header, judge(header), broker.profile, user_name, None)
    address, now_ms = address_of(exchange, routing_key), broker.scheduler.now_ms
    message = kind(address, header, body) if special is None else special.message(kind, address, body, now_ms)
    if len(message.header) + FRAME_OVERHEAD > broker.config.frame_max:
        raise bad_request("the properties are larger than a frame")
    channel.open()
    try:
        result = publish(client, vhost, exchange, routing_key, message, mandatory=True, origin=channel.unacked.origin)
        channel.published += 1
        channel.confirmed += not result.refused_by
        channel.unacked.counts.return_unroutable += result.is_returned
    finally:
        channel.close()
    if result.refused_by:
        raise bad_request("rejected Unable to publish message. Check queue limits.")
    return not result.is_returned


# --- getting


class Wanted(NamedTuple):
    """The messages that a request asks for."""

    most: int
    """The most messages. A negative one is all there are."""
    encoding: str
    truncate: int | None
    ack_mode: str


def _wanted(call: Call, ack_mode: object, count: object, encoding: object) -> Wanted:
    """Raises Refusal."""
    is_late = call.has("late-ackmode") and isinstance(ack_mode, str)
    if not is_late:
        _check_ack_mode(ack_mode)
    number = integer(count)
    check_encoding(encoding)
    truncate = integer(call.body["truncate"]) if "truncate" in call.body else None
    if is_late and number:
        _check_ack_mode(ack_mode)
    return Wanted(number, str(encoding), truncate, str(ack_mode))


def _check_ack_mode(ack_mode: object) -> None:
    if ack_mode not in ACK_MODES:
        raise bad_request(f"Invalid ackmode value: {ack_mode}. Valid values are: {', '.join(ACK_MODES)}")


def get_messages(call: Call) -> Listing:
    ack_mode, count, encoding = require(call.body, "ackmode", "count", "encoding")
    channel = WebChannel.of(call)
    wanted = _wanted(call, ack_mode, count, encoding)
    if not wanted.most:
        return Listing([], dict)
    try:
        queue = call.broker.queue_to_get_from(call.client, channel.vhost, call.names["queue"])
    except AmqpFault as fault:
        raise refusal_on_get(fault) from None
    if queue.ready_count and wanted.truncate is not None:
        size_of(wanted.truncate)
    getting = Getting(channel, queue, wanted)
    call.broker.scheduler.jobs.do(getting.steps())
    return Listing(getting.got, dict)


class Getting:
    """Messages on their way out of a queue, and perhaps back."""

    def __init__(self, channel: WebChannel, queue: Queue, wanted: Wanted) -> None:
        self.got: list[View] = []
        """The messages as they are shown."""
        self._channel = channel
        self._queue = queue
        self._wanted = wanted
        self._size = 0

    def steps(self) -> Steps:
        """All of it: a job."""
        self._channel.open()
        while len(self.got) != self._wanted.most and self._size < GET_BYTES_MAX:
            yield from self._queue.expire()
            if not (units := self._take()):
                break
            yield units
        broker, channel = self._channel.call.broker, self._channel
        yield from self._settle()
        # What is put back by a job of its own must be counted.
        broker.scheduler.jobs.then(channel.close)

    def _take(self) -> int:
        """Gets the next message. Returns what it cost, 0 when there is none."""
        queue, channel, wanted = self._queue, self._channel, self._wanted
        if queue.deleted:
            return 0
        no_ack = wanted.ack_mode == "ack_requeue_false"
        taken = channel.call.broker.get_from(queue, channel.vhost, channel.unacked, no_ack=no_ack)
        if taken is None:
            return 0
        _, redelivered, message, left = taken
        form = Form(wanted.encoding, wanted.truncate)
        self.got.append(shown_message(message, form, redelivered=redelivered, left=left))
        self._size += len(message.body) + len(message.header)
        return GET_UNITS + len(self.got[-1]["payload"]) // SHOWN_PER_UNIT

    def _settle(self) -> Steps:
        """Gives back, or away, what is unacknowledged."""
        broker, unacked, mode = self._channel.call.broker, self._channel.unacked, self._wanted.ack_mode
        if not unacked.by_tag:
            return
        if mode == "reject_requeue_false":
            broker.reject(unacked.withdraw(0, multiple=True))
        elif mode == "reject_requeue_true":
            broker.requeue(unacked.withdraw(0, multiple=True), "reject")
        elif broker.profile.web_get_nacks:
            broker.requeue(unacked.withdraw(0, multiple=True), "nack")
        else:
            yield from broker.close_channel(self._channel.vhost, unacked, [])


# --- looking


def peek_at_messages(call: Call) -> Work:
    """Messages of a queue, of which the queue notices nothing: an addition to RabbitMQ's API."""
    place, form = Place.of(call.request.query), _form_in(call.request.query)
    looking = Looking(call, _queue_to_look_at(call), place, form)
    return Work(looking.steps(), lambda: Listing(looking.rows, dict))


def search_messages(call: Call) -> Work:
    """Those of them that a filter lets pass, with the offset at which the search may go on: an addition, too."""
    query = call.request.query
    place, form = Place.of({"count": "100", **query}), _form_in(query)
    searching = Searching(call, _queue_to_look_at(call), place, form, filter_in_query(query))
    return Work(searching.steps(), lambda: searching.result)


def _form_in(query: Query) -> Form:
    return Form.of(query.get("encoding", "auto"), query.get("truncate"))


def filter_in_query(query: Query) -> MessageFilter:
    """Raises Refusal, AdministrationError."""
    try:
        return filter_of(read_json(query["filter"].encode("utf-8", "surrogateescape")) if "filter" in query else None)
    except ValueError:
        raise bad_request("not_json") from None


def _queue_to_look_at(call: Call) -> Queue:
    """The queue in the path. Raises Refusal if the user may not get its messages."""
    queue = find_queue(call)
    vhost = call.target_vhost
    if not call.may_enter(vhost):
        raise not_entitled(ACCESS_REFUSED)
    try:
        check_permission(call.client, vhost, "read", "queue", queue.name)
        open_queue(call.client, vhost, queue.name)
    except AmqpFault as fault:
        raise refusal_on_get(fault) from None
    return queue


def purge(call: Call) -> Answer:
    find_queue(call)
    _ = call.body  # read, and that is all
    call.broker.topology.purge_queue(call.client, call.target_vhost, call.names["queue"])
    return DONE
