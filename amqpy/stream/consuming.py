"""The commands of consumers: subscriptions, credit and stored offsets.

Source: `rabbit_stream_reader:handle_frame_post_auth`.
"""

from typing import Final

from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams.bloom import Wanted
from amqpy.core.streams.groups import Group
from amqpy.core.streams.places import NEXT, Place, find
from amqpy.core.streams.reader import Reader
from amqpy.stream.commands import StreamClient, handles
from amqpy.stream.partitions import partitions_of
from amqpy.stream.terms import NAME_BYTES_MAX, Refused, StreamSubscription, size_of
from amqpy.wire.stream_frames import Code, Key, OffsetSpec, OffsetType, Properties, longlong, notice, octet, short

CREDIT_ERROR: Final = 0x8000 | Key.CREDIT
FILTER: Final = "filter."
SINGLE_ACTIVE: Final = "single-active-consumer"
SUPER_STREAM: Final = "super-stream"


@handles(Key.SUBSCRIBE)
def subscribe(
    client: StreamClient,
    correlation: int,
    number: int,
    name: str,
    spec: OffsetSpec,
    credit: int,
    properties: Properties,
) -> None:
    if spec.type is OffsetType.NONE:
        client.finish()
        return
    client.check("read", name)
    stream = client.stream(name)
    if number in client.subscriptions:
        raise Refused(Code.SUBSCRIPTION_ID_ALREADY_EXISTS)
    is_single = properties.get(SINGLE_ACTIVE) == "true" and client.knows(Key.CONSUMER_UPDATE)
    if size_of(properties.get("name", "")) > NAME_BYTES_MAX or (is_single and not properties.get("name")):
        raise Refused(Code.PRECONDITION_FAILED)
    reader = Reader(stream.log, start_of(stream, spec), _wanted(client, properties))
    reserve = credit // 2 if client.broker.profile.stream_holds_credit else 0
    subscription = StreamSubscription(number, stream.native, client, reader, credit, reserve)
    subscription.stream, subscription.properties, subscription.spec = stream, properties, spec
    subscription.group, subscription.is_active = None, not is_single
    client.subscriptions[number] = subscription
    client.follow(stream)
    client.answer(Key.SUBSCRIBE, correlation)
    if is_single:
        _join(client, subscription)
    else:
        stream.native.add(subscription)


def _join(client: StreamClient, subscription: StreamSubscription) -> None:
    """Joins the group of its name, which says when it is active."""
    stream, properties = subscription.stream, subscription.properties
    name, super_stream = properties["name"], properties.get(SUPER_STREAM)
    group = stream.native.groups.get(name)
    if group is None:
        exchange = None if super_stream is None else client.place.exchanges.get(super_stream)
        partitions = [] if exchange is None else partitions_of(exchange)
        group = stream.native.groups[name] = Group(partitions.index(stream) if stream in partitions else None)
    subscription.group = group
    group.join(subscription)


@handles(Key.CONSUMER_UPDATE)
def on_consumer_update(client: StreamClient, correlation: int, code: int, spec: OffsetSpec) -> None:
    """Takes the answer of a consumer that was told that it is active, or not. Its code does not matter."""
    subscription = client.updates.pop(correlation, None)
    if subscription is None or subscription.group is None or subscription.id not in client.subscriptions:
        return
    if client.subscriptions[subscription.id] is subscription and subscription.group.answered(subscription):
        stream = subscription.stream
        offset = start_of(stream, subscription.spec if spec.type is OffsetType.NONE else spec)
        stream.native.activate(subscription, offset)


def place_of(spec: OffsetSpec) -> Place:
    """The place of an offset specification."""
    kinds: dict[OffsetType, Place] = {
        OffsetType.FIRST: Place("first"),
        OffsetType.LAST: Place("last"),
        OffsetType.OFFSET: Place("offset", spec.value),
        OffsetType.TIMESTAMP: Place("timestamp", spec.value),
    }
    return kinds.get(spec.type, NEXT)


def start_of(stream: StreamQueue, spec: OffsetSpec) -> int:
    """The offset to begin at: beyond the end it is that of the next message."""
    return min(find(stream.log, place_of(spec), 0), stream.log.next)


def _wanted(client: StreamClient, properties: Properties) -> Wanted | None:
    """The filter that a consumer asks for; None if it takes everything."""
    values = [value.encode("utf-8", "surrogateescape") for key, value in properties.items() if key.startswith(FILTER)]
    if not values or "stream-filter" in client.broker.profile.lacking_options:
        return None
    return Wanted(values, match_unfiltered=properties.get("match-unfiltered") == "true")


@handles(Key.CREDIT)
def credit(client: StreamClient, number: int, credit: int) -> None:
    subscription = client.subscriptions.get(number)
    if subscription is None:
        fields = short(Code.SUBSCRIPTION_ID_DOES_NOT_EXIST) + octet(number)
        client.outbox.write(notice(CREDIT_ERROR, fields))
        return
    subscription.add_credit(credit if credit < 0x8000 else credit - 0x10000)
    if not subscription.is_active:
        fields = short(Code.PRECONDITION_FAILED) + octet(number)
        client.outbox.write(notice(CREDIT_ERROR, fields))


@handles(Key.UNSUBSCRIBE)
def unsubscribe(client: StreamClient, correlation: int, number: int) -> None:
    subscription = client.subscriptions.pop(number, None)
    if subscription is None:
        raise Refused(Code.SUBSCRIPTION_ID_DOES_NOT_EXIST)
    client.unfollow(subscription.stream)
    client.answer(Key.UNSUBSCRIBE, correlation)
    client.forget_updates(subscription)
    subscription.leave()


@handles(Key.STORE_OFFSET)
def store_offset(client: StreamClient, reference: str, name: str, offset: int) -> None:
    """Stores an offset, or does nothing: there is no answer."""
    client.check("read" if client.broker.profile.stream_reads_offsets else "write", name)
    stream = client.stream(name)
    client.follow(stream)
    if size_of(reference) <= NAME_BYTES_MAX:
        stream.store_offset(reference, offset)


@handles(Key.QUERY_OFFSET)
def query_offset(client: StreamClient, correlation: int, reference: str, name: str) -> None:
    try:
        client.check("read", name)
        stream = client.stream(name)
        client.follow(stream)
        offset = stream.log.tracking.offsets.get(reference)
        code = Code.NO_OFFSET if offset is None else Code.OK
    except Refused as refusal:
        offset, code = None, refusal.code
    client.answer(Key.QUERY_OFFSET, correlation, code, longlong(offset or 0))
