"""Subscriptions: where they begin, credit, both versions of Deliver, filters."""

from typing import Any

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Stage, data
from interop.stream.codec import request

AFTER = [data(b"after")]


@scenario(
    each={
        "first": ("first", 4),
        "last": ("last", 2),
        "next": ("next", 1),
        "offset 0": (("offset", 0), 4),
        "offset 1": (("offset", 1), 3),
        "offset 2": (("offset", 2), 2),
        "offset at the end": (("offset", 3), 1),
        "offset beyond the end": (("offset", 100), 1),
        "largest offset": (("offset", 2**63 - 1), 1),
        "timestamp 0": (("timestamp", 0), 4),
        "timestamp in the future": (("timestamp", 2**42), 1),
        "negative timestamp": (("timestamp", -1), 4),
    }
)
def offsets(stage: Stage, given: tuple[Any, int]) -> None:
    """Where a subscription begins, in a stream of three chunks, and one more that comes later."""
    stream = stage.filled(3)
    client, publisher = stage.client(), stage.client()
    client.subscribe(stream, given[0])
    client.wait_records(0, given[1] - 1)
    client.sync()
    publisher.declare(stream)
    publisher.publish(AFTER)
    client.wait_records(0, given[1])


@scenario(each=["first", "last", "next"])
def empty(stage: Stage, place: str) -> None:
    """Of a stream without messages."""
    stream = stage.stream()
    client = stage.client()
    client.subscribe(stream, place)
    client.declare(stream)
    client.publish(AFTER)
    client.wait_records(0, 1)


@scenario(each={"type 0": b"\0\0", "type 6": b"\0\6", "type 99": b"\0\x63", "negative": b"\xff\xff"})
def unknown_offset_types(stage: Stage, given: bytes) -> None:
    """The connection ends."""
    stream = stage.filled(1)
    client = stage.client()
    client.send("Subscribe", subscription=0, stream=stream, offset=given, credit=1)
    client.send("Metadata", streams=[])
    client.wait(lambda frame: frame.name == "Metadata", "an answer, or the end")


@scenario()
def refusals(stage: Stage) -> None:
    """3 for an id that is taken, 2 for no stream, and for a classic queue; 4 for none."""
    stream = stage.stream()
    queue = stage.channel().declare(stage.name("classic"), durable=True)
    client = stage.client()
    client.subscribe(stream, subscription=1)
    client.subscribe(stream, subscription=1)
    client.subscribe(stage.name("nothing"), subscription=2)
    client.subscribe(stage.name("nothing"), subscription=1)
    client.subscribe(queue, subscription=2)
    client.call("Unsubscribe", subscription=1)
    client.call("Unsubscribe", subscription=1)
    client.subscribe(stream, subscription=1)


@scenario()
def unsubscribed(stage: Stage) -> None:
    """Nothing comes any more."""
    stream = stage.filled(2)
    client = stage.client()
    client.subscribe(stream)
    client.wait_records(0, 2)
    client.call("Unsubscribe", subscription=0)
    client.declare(stream)
    client.publish(AFTER)
    client.subscribe(stream, subscription=1)
    client.wait_records(1, 3)


@scenario()
def many_on_a_stream(stage: Stage) -> None:
    """Each has its own place and credit."""
    stream = stage.filled(3)
    client = stage.client()
    for number in (0, 1, 255):
        client.subscribe(stream, ("offset", number % 3), subscription=number)
    client.wait_records(0, 3)
    client.wait_records(1, 2)
    client.wait_records(255, 3)


# --- credit


@scenario()
def credit(stage: Stage) -> None:
    """Chunks come as long as there is credit."""
    stream = stage.filled(6)
    client = stage.client()
    client.subscribe(stream, credit=2)
    client.wait_chunks(0, 2)
    client.sync()
    client.send("Credit", subscription=0, credit=2)
    client.wait_chunks(0, 4)
    client.sync()
    client.send("Credit", subscription=0, credit=5)
    client.wait_chunks(0, 6)


@scenario()
def credit_one(stage: Stage) -> None:
    """An initial credit of one, and one at a time."""
    stream = stage.filled(3)
    client = stage.client()
    client.subscribe(stream, credit=1)
    for number in (1, 2, 3):
        client.wait_chunks(0, number)
        client.sync()
        client.send("Credit", subscription=0, credit=1)


@scenario()
def no_credit(stage: Stage) -> None:
    """Nothing comes before there is some."""
    stream = stage.filled(2)
    client = stage.client()
    client.subscribe(stream, credit=0)
    client.sync()
    client.send("Credit", subscription=0, credit=5)
    client.wait_chunks(0, 2)


@scenario()
def credit_for_nobody(stage: Stage) -> None:
    """4, in a frame without a correlation id."""
    client = stage.client()
    client.send("Credit", subscription=7, credit=1)
    client.sync()


@scenario(since="3.12")
def half_of_the_credit(stage: Stage) -> None:
    """One more after an initial credit of four brings nothing: the server waits until it has more than half of it."""
    stream = stage.filled(8)
    client = stage.client()
    client.subscribe(stream, credit=4)
    client.wait_chunks(0, 4)
    client.send("Credit", subscription=0, credit=1)
    client.sync()
    client.sync()
    client.send("Credit", subscription=0, credit=2)
    client.wait_chunks(0, 7)


# --- properties


@scenario(
    each={
        "none": {},
        "name": {"name": "app"},
        "unknown": {"x": "y"},
        "identifier": {"identifier": "me"},
        "a group without name": {"single_active_consumer": "true"},
        "a long name": {"name": "n" * 256},
        "single active, but not true": {"single_active_consumer": "false", "name": "app"},
    }
)
def properties(stage: Stage, given: dict[str, Any]) -> None:
    """Those that are known, and others."""
    stream = stage.filled(1)
    client = stage.client()
    reply = client.subscribe(stream, **given)
    if reply is not None and reply.code == 1:
        client.wait_chunks(0, 1)


@scenario()
def properties_of_none(stage: Stage) -> None:
    """An empty list of properties."""
    stream = stage.filled(1)
    client = stage.client()
    client.call("Subscribe", subscription=0, stream=stream, offset="first", credit=1, properties=[])
    client.wait_chunks(0, 1)


# --- the stream goes


@scenario(each=["Delete", "queue.delete"])
def deleted(stage: Stage, how: str) -> None:
    """A MetadataUpdate of code 6 to each connection, and the subscription is gone."""
    stream = stage.filled(1)
    client, other = stage.client(), stage.client()
    client.subscribe(stream)
    client.wait_chunks(0, 1)
    if how == "Delete":
        other.call(how, stream=stream)
    else:
        stage.channel().call(how, queue=stream)
    client.wait_for("MetadataUpdate")
    client.call("Unsubscribe", subscription=0)
    client.subscribe(stream)


@scenario()
def deleted_by_oneself(stage: Stage) -> None:
    """The response comes first."""
    stream = stage.filled(1)
    client = stage.client()
    client.declare(stream)
    client.subscribe(stream)
    client.wait_chunks(0, 1)
    client.call("Delete", stream=stream)
    client.wait_for("MetadataUpdate")
    client.sync()


@scenario()
def deleted_and_made_again(stage: Stage) -> None:
    """It is another stream."""
    stream = stage.filled(2)
    client, other = stage.client(), stage.client()
    client.subscribe(stream)
    client.wait_chunks(0, 2)
    other.call("Delete", stream=stream)
    client.wait_for("MetadataUpdate")
    other.call("Create", stream=stream, arguments=[])
    other.declare(stream)
    other.publish(AFTER)
    client.subscribe(stream)
    client.wait_chunks(0, 3)


# --- deliver 2


@scenario(since="3.13")
def second_version(stage: Stage) -> None:
    """Deliver 2 for who has said that it can be read."""
    stream = stage.filled(2)
    client = stage.client(versions=True)
    client.subscribe(stream)
    client.wait_chunks(0, 2)


@scenario(since="3.13")
def first_version(stage: Stage) -> None:
    """Deliver 1 for who has only that."""
    stream = stage.filled(2)
    client = stage.client()
    client.call("ExchangeCommandVersions", commands=[(8, 1, 1)])
    client.subscribe(stream)
    client.wait_chunks(0, 2)


# --- filters


@scenario(
    since="3.13",
    each={
        "one": ({"filter__1": "a"}, 1),
        "two": ({"filter__1": "a", "filter__2": "b"}, 2),
        "unfiltered": ({"filter__1": "a", "match_unfiltered": "true"}, 2),
        "unfiltered, not true": ({"filter__1": "a", "match_unfiltered": "false"}, 1),
        "another name": ({"filter__x": "c"}, 1),
    },
)
def filters(stage: Stage, given: tuple[dict[str, Any], int]) -> None:
    """Chunks without such a message are left out."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    for number, value in enumerate(["a", "b", None, "c"]):
        client.publish([(value, data(b"%d" % number))], first=number, version=2)
    client.subscribe(stream, **given[0])
    client.wait_chunks(0, given[1])
    client.sync()


@scenario(since="3.13")
def filter_that_matches_nothing(stage: Stage) -> None:
    """Nothing comes, until something does."""
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.publish([("a", data(b"a"))], version=2)
    client.subscribe(stream, filter__0="nothing like it")
    client.sync()
    client.publish([("nothing like it", data(b"here"))], first=1, version=2)
    client.wait_chunks(0, 1)


@scenario(since="3.13")
def filter_size(stage: Stage) -> None:
    """A stream with larger filters."""
    stream = stage.stream(stream_filter_size_bytes="255")
    client = stage.client()
    client.declare(stream)
    client.publish([("a", data(b"a"))], version=2)
    client.subscribe(stream, filter__0="a")
    client.wait_chunks(0, 1)


@scenario()
def pipelined(stage: Stage) -> None:
    """Subscribe and credit at once; the response comes before the first chunk."""
    stream = stage.filled(3)
    client = stage.client()
    client.send_bytes(
        request("Subscribe", 1, subscription=0, stream=stream, offset="first", credit=1)
        + request("Credit", 0, subscription=0, credit=10)
    )
    client.wait_chunks(0, 3)
