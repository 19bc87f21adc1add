"""Creating and deleting streams, metadata, statistics, versions of commands."""

from collections.abc import Sequence

from interop.parity.scenario import Differs
from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Stage, data

Pairs = Sequence[tuple[str, str]]


@scenario()
def create(stage: Stage) -> None:
    """5 when it is there; 2 when it is deleted twice."""
    name = stage.name()
    client = stage.client()
    client.call("Create", stream=name, arguments=[])
    client.call("Create", stream=name, arguments=[])
    client.call("Create", stream=name, arguments=[("max-age", "1h")])
    client.call("Delete", stream=name)
    client.call("Delete", stream=name)


@scenario(
    each={
        "all": [
            ("max-length-bytes", "1000000"),
            ("max-age", "7D"),
            ("stream-max-segment-size-bytes", "500000"),
            ("initial-cluster-size", "1"),
            ("queue-leader-locator", "balanced"),
        ],
        "unknown": [("nothing", "x")],
        "segment too large": [("stream-max-segment-size-bytes", "3000000001")],
        "bad locator": [("queue-leader-locator", "here")],
        "old locator": [("queue-leader-locator", "least-leaders")],
        "cluster of 0": [("initial-cluster-size", "0")],
        "twice": [("max-age", "1h"), ("max-age", "2h")],
        "max-length": [("max-length", "1")],
    }
)
def arguments(stage: Stage, given: Pairs) -> None:
    """Those that are known, and others; made again with the same, and without."""
    name = stage.name()
    client = stage.client()
    client.call("Create", stream=name, arguments=given)
    client.call("Create", stream=name, arguments=given)
    client.call("Create", stream=name, arguments=[])


CRASHES = "RabbitMQ's process for this crashes"
REFUSED = ["Create response #1 code=17", "Create response #2 code=17", "Create response #3 code=1"]


@scenario(
    each={
        "a segment size that is no number": [("stream-max-segment-size-bytes", "x")],
        "an age without a number": [("max-age", "abc")],
        "a length that is no number": [("max-length-bytes", "x")],
    },
    differs=Differs(CRASHES, ["the connection ends"], REFUSED),
    alone=True,
)
def nonsense(stage: Stage, given: Pairs) -> None:
    """17."""
    name = stage.name()
    client = stage.client()
    for arguments in (given, given, []):
        client.call("Create", stream=name, arguments=arguments)


@scenario(each={"empty": "", "null": None, "reserved": "amq.stream", "line break": "line\nbreak", "unicode": "ströme"})
def names(stage: Stage, name: str | None) -> None:
    """17 for those that cannot be."""
    client = stage.client()
    client.call("Create", stream=name, arguments=[])
    client.call("Delete", stream=name)
    if name == "line\nbreak":
        client.call("Delete", stream="linebreak")


@scenario()
def over_a_queue(stage: Stage) -> None:
    """17 to create over a classic queue, 2 to delete one."""
    queue = stage.channel().declare(stage.name(), durable=True)
    client = stage.client()
    client.call("Create", stream=queue, arguments=[])
    client.call("Delete", stream=queue)


@scenario()
def declared_over_amqp(stage: Stage) -> None:
    """The same stream by both protocols."""
    channel, client = stage.channel(), stage.client()
    name, other = stage.name(), stage.name("other")
    channel.declare(name, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1h"})
    client.call("Create", stream=name, arguments=[("max-age", "1h")])
    client.call("Create", stream=name, arguments=[("max-age", "2h")])
    client.call("Create", stream=other, arguments=[("max-age", "1h"), ("max-length-bytes", "1000")])
    arguments = {"x-queue-type": "stream", "x-max-age": "1h", "x-max-length-bytes": 1000}
    channel.declare(other, durable=True, arguments=arguments)
    channel.declare(other, durable=True, arguments=arguments | {"x-max-age": "2h"})


@scenario()
def metadata(stage: Stage) -> None:
    """Of streams that are there, and of others."""
    stream = stage.stream()
    queue = stage.channel().declare(stage.name("classic"), durable=True)
    client = stage.client()
    for names in ([], [stream], [stage.name("nothing")], [stream, stage.name("nothing"), queue], [stream, stream]):
        client.call("Metadata", streams=names)


@scenario()
def metadata_of_no_name(stage: Stage) -> None:
    """The empty name."""
    client = stage.client()
    client.call("Metadata", streams=[""])


@scenario(since="3.13")
def statistics(stage: Stage) -> None:
    """Of an empty stream, and of one with messages; 2."""
    stream, empty = stage.filled(3), stage.stream("empty")
    client = stage.client()
    for name in (empty, stream, stage.name("nothing")):
        client.call("StreamStats", stream=name)


@scenario(since="3.13", each={"none": [], "some": [(3, 1, 1), (8, 1, 2)], "unknown": [(99, 1, 1)], "odd": [(8, 5, 2)]})
def versions(stage: Stage, commands: list[tuple[int, int, int]]) -> None:
    """The server tells its own, whatever it was told."""
    client = stage.client()
    client.call("ExchangeCommandVersions", commands=commands)
    client.call("ExchangeCommandVersions", commands=commands)


# --- offsets that are stored


@scenario()
def stored_offsets(stage: Stage) -> None:
    """By stream and reference, for all connections; 19 and 2."""
    stream = stage.filled(1)
    client, other = stage.client(), stage.client()
    client.call("QueryOffset", reference="r", stream=stream)
    client.call("QueryOffset", reference="r", stream=stage.name("nothing"))
    for offset in (5, 3, 2**63):
        client.send("StoreOffset", reference="r", stream=stream, offset=offset)
        client.until_offset("r", stream, offset)
        other.call("QueryOffset", reference="r", stream=stream)
    other.call("QueryOffset", reference="q", stream=stream)


@scenario()
def stored_offset_of_nothing(stage: Stage) -> None:
    """No answer, whatever is wrong."""
    client = stage.client()
    client.send("StoreOffset", reference="r", stream=stage.name("nothing"), offset=1)
    client.sync()
    client.call("QueryOffset", reference="r", stream=stage.name("nothing"))


@scenario(each={"empty": "", "of 255 bytes": "r" * 255})
def references_of_offsets(stage: Stage, reference: str) -> None:
    """Any name."""
    stream = stage.filled(1)
    client = stage.client()
    client.send("StoreOffset", reference=reference, stream=stream, offset=7)
    client.until_offset(reference, stream, 7)
    client.call("QueryOffset", reference=reference, stream=stream)


@scenario(each={"of 256 bytes": "r" * 256})
def references_too_long(stage: Stage, reference: str) -> None:
    """Not stored, or 17."""
    stream = stage.filled(1)
    client = stage.client()
    client.send("StoreOffset", reference=reference, stream=stream, offset=7)
    client.sync()
    client.call("QueryOffset", reference=reference, stream=stream)


@scenario()
def stored_offsets_go(stage: Stage) -> None:
    """With their stream."""
    stream = stage.filled(1)
    client = stage.client()
    client.send("StoreOffset", reference="r", stream=stream, offset=1)
    client.until_offset("r", stream, 1)
    client.call("Delete", stream=stream)
    client.call("Create", stream=stream, arguments=[])
    client.call("QueryOffset", reference="r", stream=stream)


@scenario()
def publishing_goes_on(stage: Stage) -> None:
    """What is stored is between the messages; their order is not touched."""
    stream = stage.filled(1)
    client = stage.client()
    client.offsets_told = False
    client.declare(stream)
    client.send("StoreOffset", reference="r", stream=stream, offset=1)
    client.until_offset("r", stream, 1)
    client.publish([data(b"after")])
    client.subscribe(stream)
    client.wait_records(0, 2)
