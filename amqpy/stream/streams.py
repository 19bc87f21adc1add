"""The commands about streams: create, delete, and what is known of them.

Source: `rabbit_stream_reader`, `rabbit_stream_manager`.
"""

from typing import Final

from amqpy.core.checks import stripped
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams.places import interval_ms
from amqpy.errors import AmqpFault
from amqpy.stream.commands import StreamClient, handles
from amqpy.stream.consuming import start_of
from amqpy.stream.handshake import advertised
from amqpy.stream.terms import NAME_BYTES_MAX, Refused, size_of
from amqpy.wire.stream_frames import (
    Code,
    Key,
    OffsetSpec,
    OffsetType,
    Properties,
    array,
    long,
    longlong,
    metadata,
    short,
    signed,
    string,
)
from amqpy.wire.values import Field, Table

INTEGERS: Final = (
    "max-length-bytes",
    "stream-max-segment-size-bytes",
    "initial-cluster-size",
    "stream-filter-size-bytes",
)
TEXTS: Final = ("max-age", "queue-leader-locator")
NO_REFERENCE: Final = 0xFFFF
"""The reference of a broker that stands for none."""


def arguments_of(given: Properties) -> Table:
    """The arguments of a queue that a stream is created with. Raises Refused."""
    found = {"x-queue-type": Field("longstr", "stream")}
    for name in INTEGERS:
        if name in given:
            text = given[name]
            if not (text.isascii() and text.isdigit() and len(text) < 19):
                raise Refused(Code.PRECONDITION_FAILED)
            found[f"x-{name}"] = Field("long", int(text))
    for name in TEXTS:
        if name in given:
            found[f"x-{name}"] = Field("longstr", given[name])
    if "max-age" in given and interval_ms(given["max-age"]) is None:
        raise Refused(Code.PRECONDITION_FAILED)
    return found


def declare(client: StreamClient, name: str, arguments: Table) -> None:
    """Declares a stream. Raises Refused."""
    if not name or size_of(name) > NAME_BYTES_MAX:
        raise Refused(Code.PRECONDITION_FAILED)
    exists = name in client.place.queues
    try:
        client.broker.topology.declare_queue(
            client, client.place, name, durable=True, exclusive=False, auto_delete=False, arguments=arguments
        )
    except AmqpFault:
        raise Refused(Code.PRECONDITION_FAILED) from None
    if exists:
        raise Refused(Code.STREAM_ALREADY_EXISTS)


@handles(Key.CREATE)
def create(client: StreamClient, correlation: int, name: str, given: Properties) -> None:
    name = stripped(name)
    client.check("configure", name)
    declare(client, name, arguments_of(given))
    client.answer_when_durable(Key.CREATE, correlation)


@handles(Key.DELETE)
def delete(client: StreamClient, correlation: int, name: str) -> None:
    client.check("configure", name)
    stream = client.stream(name)
    client.place.remove_queue(stream, client.user_name)
    client.answer_when_durable(Key.DELETE, correlation)


@handles(Key.METADATA)
def tell_metadata(client: StreamClient, correlation: int, names: list[str]) -> None:
    host, port = advertised(client)
    known = {name: isinstance(client.place.queues.get(name), StreamQueue) for name in names}
    brokers = [short(0) + string(host) + long(port)] if any(known.values()) else []
    described = [
        string(name) + (short(Code.OK) + short(0) + array([]))
        if exists
        else string(name) + short(Code.STREAM_DOES_NOT_EXIST) + short(NO_REFERENCE) + array([])
        for name, exists in known.items()
    ]
    client.outbox.write(metadata(correlation, array(brokers) + array(described)))


@handles(Key.STREAM_STATS)
def stream_stats(client: StreamClient, correlation: int, name: str) -> None:
    client.check("read", name)
    log = client.stream(name).log
    is_empty = not log.length
    committed = -1 if is_empty else log.last_chunk
    stats = {"first_chunk_id": -1 if is_empty else log.first, "last_chunk_id": committed}
    stats["committed_chunk_id"] = committed
    if Key.RESOLVE_OFFSET_SPEC in client.broker.profile.stream_commands:  # both came with 4.3
        stats["committed_offset"] = log.committed - 1
    fields = array(string(key) + signed(value) for key, value in stats.items())
    client.answer(Key.STREAM_STATS, correlation, fields=fields)


@handles(Key.RESOLVE_OFFSET_SPEC)
def resolve_offset_spec(
    client: StreamClient, correlation: int, name: str, spec: OffsetSpec, properties: Properties
) -> None:
    client.check("read", name)
    offset = start_of(client.stream(name), spec)
    client.answer(Key.RESOLVE_OFFSET_SPEC, correlation, fields=short(OffsetType.OFFSET) + longlong(offset))


@handles(Key.EXCHANGE_COMMAND_VERSIONS)
def exchange_command_versions(client: StreamClient, correlation: int, given: dict[int, tuple[int, int]]) -> None:
    client.delivers_committed = given.get(Key.DELIVER, (1, 1))[1] >= 2
    known = client.broker.profile.stream_commands
    fields = array(
        short(key) + short(1) + short(2 if key == Key.PUBLISH and Key.CREATE_SUPER_STREAM in known else 1)
        for key in known
    )
    client.answer(Key.EXCHANGE_COMMAND_VERSIONS, correlation, fields=fields)
