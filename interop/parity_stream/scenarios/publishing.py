"""Publishers: declaring them, publishing, errors, deduplication."""

import gzip

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Stage, data
from interop.stream.codec import sub_batch

M = [data(b"m%d" % number) for number in range(10)]


@scenario()
def declare(stage: Stage) -> None:
    """A publisher is declared, and deleted."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream, publisher=3)
    client.call("DeletePublisher", publisher=3)
    client.call("DeletePublisher", publisher=3)


@scenario()
def declare_twice(stage: Stage) -> None:
    """17 for an id that is taken, and for a reference that this connection has on the stream."""
    stream, other = stage.stream(), stage.stream("other")
    client, second = stage.client(), stage.client()
    client.declare(stream, publisher=0, reference="r")
    client.declare(stream, publisher=0, reference="q")
    client.declare(stream, publisher=1, reference="r")
    client.declare(other, publisher=1, reference="r")
    client.declare(stream, publisher=2)
    client.declare(stream, publisher=3)
    second.declare(stream, publisher=0, reference="r")


@scenario(each={"missing": None, "empty": ""})
def declare_for_no_stream(stage: Stage, name: str | None) -> None:
    """2."""
    client = stage.client()
    client.declare(stage.name() if name is None else name)


@scenario()
def declare_for_a_queue(stage: Stage) -> None:
    """2: a classic queue is no stream."""
    queue = stage.channel().declare(stage.name(), durable=True)
    client = stage.client()
    client.declare(queue)


@scenario(each={"null": None, "of 255 bytes": "r" * 255, "of 256 bytes": "r" * 256, "unicode": "ä"})
def references(stage: Stage, reference: str | None) -> None:
    """Up to 255 bytes."""
    stream = stage.stream()
    client = stage.client()
    client.call("DeclarePublisher", publisher=0, reference=reference, stream=stream)
    client.call("QueryPublisherSequence", reference=reference, stream=stream)


@scenario(each={"one frame": 1, "two": 2, "three": 3})
def publish(stage: Stage, frames: int) -> None:
    """All that is confirmed is in the stream, in its order."""
    stream = stage.stream()
    client, reader = stage.client(), stage.client()
    reader.chunks_told = False
    client.declare(stream)
    for number in range(frames):
        client.publish(M[number * 3 : number * 3 + 3], first=number * 3)
    reader.subscribe(stream)
    reader.wait_records(0, frames * 3)


@scenario()
def ids_of_the_clients(stage: Stage) -> None:
    """Ids are the client's: any, in any order, more than once."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    for number in (7, 3, 3, 0, 2**64 - 1, 2**63):
        client.publish([M[0]], first=number)
    reader = stage.client()
    reader.subscribe(stream)
    reader.wait_records(0, 6)


@scenario()
def publish_undeclared(stage: Stage) -> None:
    """18 for each."""
    client = stage.client()
    client.publish(M[:3], publisher=9, first=5)


@scenario()
def publish_after_delete(stage: Stage) -> None:
    """18 when the publisher is gone."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.publish(M[:1])
    client.call("DeletePublisher", publisher=0)
    client.publish(M[:1], first=1)
    client.declare(stream)
    client.publish(M[:1], first=2)


@scenario()
def publish_to_deleted_stream(stage: Stage) -> None:
    """A MetadataUpdate, then 18."""
    stream = stage.stream()
    client, other = stage.client(), stage.client()
    client.declare(stream)
    client.publish(M[:1])
    other.call("Delete", stream=stream)
    client.wait_for("MetadataUpdate")
    client.publish(M[:1], first=1)
    client.call("DeletePublisher", publisher=0)
    client.declare(stream)


@scenario(each={"empty": b"", "no AMQP": b"\xff\xfe", "large": b"x" * 100_000, "zeros": bytes(40)})
def messages(stage: Stage, message: bytes) -> None:
    """Kept and delivered as they came."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.publish([message])
    client.subscribe(stream)
    client.wait_records(0, 1)


@scenario()
def two_publishers(stage: Stage) -> None:
    """Of one connection, each with ids of its own."""
    first, second = stage.stream(), stage.stream("other")
    client = stage.client()
    client.declare(first, publisher=0)
    client.declare(second, publisher=255)
    client.publish(M[:1], publisher=0)
    client.publish(M[1:2], publisher=255)
    client.subscribe(first, subscription=0)
    client.subscribe(second, subscription=255)
    client.wait_records(0, 1)
    client.wait_records(255, 1)


# --- deduplication


@scenario()
def deduplication(stage: Stage) -> None:
    """What is not above the highest id is confirmed and not kept, also for another connection."""
    stream = stage.stream()
    client, second = stage.client(), stage.client()
    client.declare(stream, reference="r")
    client.publish_one_by_one(M[:2], first=5)
    client.publish(M[:1], first=5)
    client.publish(M[:1], first=3)
    client.publish([M[2]], first=10)
    client.call("QueryPublisherSequence", reference="r", stream=stream)
    second.declare(stream, reference="r")
    second.publish(M[:1], first=10)
    second.publish([M[3]], first=11)
    second.call("QueryPublisherSequence", reference="r", stream=stream)
    client.subscribe(stream)
    client.wait_records(0, 4)


@scenario()
def deduplication_in_a_frame(stage: Stage) -> None:
    """Old and new ones together."""
    stream = stage.stream()
    client = stage.client()
    client.chunks_told = False
    client.declare(stream, reference="r")
    client.publish(M[:3], first=0)
    client.publish(M[:6], first=0)
    client.subscribe(stream)
    client.wait_records(0, 6)


@scenario()
def deduplication_by_reference(stage: Stage) -> None:
    """Each reference, and each stream, has an id of its own; none is not deduplicated."""
    stream, other = stage.stream(), stage.stream("other")
    client = stage.client()
    client.declare(stream, publisher=0, reference="a")
    client.declare(stream, publisher=1, reference="b")
    client.declare(stream, publisher=2)
    client.declare(other, publisher=3, reference="a")
    for publisher in (0, 0, 1, 2, 2, 3):
        client.publish([M[publisher]], publisher=publisher, first=4)
    client.subscribe(stream)
    client.wait_records(0, 4)
    for name in ("a", "b", ""):
        client.call("QueryPublisherSequence", reference=name, stream=stream)


@scenario()
def sequence(stage: Stage) -> None:
    """0 for an unknown reference, 2 for no stream."""
    stream = stage.stream()
    client = stage.client()
    client.call("QueryPublisherSequence", reference="unknown", stream=stream)
    client.call("QueryPublisherSequence", reference="unknown", stream=stage.name("nothing"))


# --- sub-batches


@scenario(each={"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4, "user": 7})
def sub_batches(stage: Stage, compression: int) -> None:
    """One id, one confirm, one entry, several messages; never looked into."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    plain = None if compression != 1 else gzip.compress(b"".join(b"\0\0\0\7" + each for each in M[:3]), mtime=0)
    content = plain if compression == 1 else b"opaque" if compression else None
    client.publish([sub_batch(M[:3], compression=compression, data=content)])
    client.publish([M[3]], first=1)
    client.subscribe(stream)
    client.wait_records(0, 4)


@scenario()
def sub_batches_between(stage: Stage) -> None:
    """Offsets count messages, not entries."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.publish_one_by_one([M[0], sub_batch(M[1:4]), M[4], sub_batch(M[5:6])])
    client.subscribe(stream, ("offset", 2))
    client.wait_records(0, 5)


@scenario()
def sub_batches_deduplicated(stage: Stage) -> None:
    """By the one id."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream, reference="r")
    for number in (0, 0, 1):
        client.publish([sub_batch(M[:2])], first=number)
    client.subscribe(stream)
    client.wait_records(0, 4)


# --- version 2


@scenario(since="3.13")
def second_version(stage: Stage) -> None:
    """With values for filters, null and empty ones, too."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    for number, value in enumerate(["a", None, "", "b"]):
        client.publish([(value, M[number])], first=number, version=2)
    client.subscribe(stream)
    client.wait_records(0, 4)


@scenario(since="3.13")
def second_version_undeclared(stage: Stage) -> None:
    """18 for each."""
    client = stage.client()
    client.publish([("a", M[0]), (None, M[1])], publisher=9, version=2)


@scenario(since="3.13")
def second_version_deduplicated(stage: Stage) -> None:
    """As the first."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream, reference="r")
    for number in (0, 0, 1):
        client.publish([("a", M[number])], first=number, version=2)
    client.subscribe(stream)
    client.wait_records(0, 2)
