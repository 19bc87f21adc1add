"""The commands of publishers.

What a named publisher sends again, by its publishing ids, is confirmed and not stored. A confirm is sent when the
message is durable, also that of one that was stored before.

Source: `rabbit_stream_reader:handle_frame_post_auth`.
"""

from amqpy.stream.commands import StreamClient, handles
from amqpy.stream.terms import NAME_BYTES_MAX, Publisher, Refused, size_of
from amqpy.wire.stream_frames import Code, Entry, Key, longlong, publish_error


@handles(Key.DECLARE_PUBLISHER)
def declare_publisher(client: StreamClient, correlation: int, number: int, reference: str, name: str) -> None:
    client.check("write", name)
    stream = client.stream(name)
    is_taken = number in client.publishers or any(
        reference and each.reference == reference and each.stream is stream for each in client.publishers.values()
    )
    if is_taken or size_of(reference) > NAME_BYTES_MAX or "disk" in client.broker.alarms.resources:
        raise Refused(Code.PRECONDITION_FAILED)
    client.publishers[number] = Publisher(number, reference, stream)
    client.follow(stream)
    client.answer(Key.DECLARE_PUBLISHER, correlation)


@handles(Key.DELETE_PUBLISHER)
def delete_publisher(client: StreamClient, correlation: int, number: int) -> None:
    publisher = client.publishers.pop(number, None)
    if publisher is None:
        raise Refused(Code.PUBLISHER_DOES_NOT_EXIST)
    client.unfollow(publisher.stream)
    client.answer(Key.DELETE_PUBLISHER, correlation)


@handles(Key.QUERY_PUBLISHER_SEQUENCE)
def query_publisher_sequence(client: StreamClient, correlation: int, reference: str, name: str) -> None:
    code, sequence = Code.OK, 0
    try:
        client.check("read", name)
        stream = client.stream(name)
        client.follow(stream)
        sequence = stream.log.tracking.sequences.get(reference, 0)
    except Refused as refusal:
        code = refusal.code
    client.answer(Key.QUERY_PUBLISHER_SEQUENCE, correlation, code, longlong(sequence))


@handles(Key.PUBLISH)
def publish(client: StreamClient, number: int, entries: list[Entry]) -> None:
    publisher = client.publishers.get(number)
    ids = [entry.publishing_id for entry in entries]
    if publisher is None or publisher.stream.deleted:
        client.outbox.write(publish_error(number, ids, Code.PUBLISHER_DOES_NOT_EXIST))
        return
    if not client.may("write", "queue", publisher.stream.name):
        client.outbox.write(publish_error(number, ids, Code.ACCESS_REFUSED))
        return
    # RabbitMQ stores a sub-batch without messages up to 4.2; nothing could be delivered from it.
    empty = next((place for place, entry in enumerate(entries) if not entry.records), len(entries))
    if empty < len(entries):
        client.outbox.write(publish_error(number, ids[empty:], Code.PRECONDITION_FAILED))
        entries, ids = entries[:empty], ids[:empty]
    if not entries:
        return
    new = entries
    if publisher.reference:
        tracking = publisher.stream.log.tracking
        last, new = tracking.sequences.get(publisher.reference, -1), []
        for entry in entries:
            if entry.publishing_id > last:
                last = entry.publishing_id
                new.append(entry)
    if new:
        publisher.stream.append_entries(
            [(entry.raw, entry.records, entry.filter_value) for entry in new],
            (publisher.reference, [entry.publishing_id for entry in new]) if publisher.reference else None,
        )
    client.confirms.add(number, ids)
