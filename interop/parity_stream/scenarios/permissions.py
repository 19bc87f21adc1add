"""Users who may do less."""

from collections.abc import Callable

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Connection, Stage, data

NOTHING = {"configure": "", "write": "", "read": ""}


def limited(stage: Stage, **permissions: str) -> Connection:
    """A connection of a user who has only these permissions."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/", **{**NOTHING, **permissions})
    return stage.client("/", user, "hunter2")


ACTS: dict[str, Callable[[Connection, str], object]] = {
    "create": lambda client, stream: client.call("Create", stream=stream, arguments=[]),
    "delete": lambda client, stream: client.call("Delete", stream=stream),
    "declare": lambda client, stream: client.declare(stream),
    "subscribe": lambda client, stream: client.subscribe(stream),
    "metadata": lambda client, stream: client.call("Metadata", streams=[stream]),
    "query offset": lambda client, stream: client.call("QueryOffset", reference="r", stream=stream),
    "query sequence": lambda client, stream: client.call("QueryPublisherSequence", reference="r", stream=stream),
}


@scenario(each=ACTS)
def nothing(stage: Stage, act: Callable[[Connection, str], object]) -> None:
    """16, also for what does not exist."""
    stream = stage.stream()
    client = limited(stage)
    act(client, stream)
    act(client, stage.name("nothing"))


@scenario(each=ACTS)
def configure(stage: Stage, act: Callable[[Connection, str], object]) -> None:
    """Who may configure."""
    stream = stage.stream()
    act(limited(stage, configure=".*"), stream)


@scenario(each=ACTS)
def write(stage: Stage, act: Callable[[Connection, str], object]) -> None:
    """Who may write."""
    stream = stage.stream()
    act(limited(stage, write=".*"), stream)


@scenario(each=ACTS)
def read(stage: Stage, act: Callable[[Connection, str], object]) -> None:
    """Who may read."""
    stream = stage.filled(1)
    client = limited(stage, read=".*")
    act(client, stream)
    client.sync()


@scenario(since="3.13", each=["", "configure", "write", "read"])
def statistics(stage: Stage, permission: str) -> None:
    """StreamStats needs read."""
    stream = stage.stream()
    limited(stage, **({permission: ".*"} if permission else {})).call("StreamStats", stream=stream)


@scenario(since="3.13", each=["", "configure", "write", "read"])
def super_streams(stage: Stage, permission: str) -> None:
    """To make one needs all three, to look at it none."""
    name, part = stage.name("super"), stage.name("part")
    client = limited(stage, **({permission: ".*"} if permission else {}))
    client.call("CreateSuperStream", name=name, partitions=[part], binding_keys=["0"], arguments=[])
    client.call("DeleteSuperStream", name=name)
    everybody = stage.client()
    everybody.call("CreateSuperStream", name=name, partitions=[part], binding_keys=["0"], arguments=[])
    client.call("Partitions", super_stream=name)
    client.call("Route", routing_key="0", super_stream=name)
    client.call("DeleteSuperStream", name=name)


@scenario(each=["", "write", "read"])
def store_offset(stage: Stage, permission: str) -> None:
    """Nothing happens without it."""
    stream = stage.filled(1)
    client = limited(stage, **({permission: ".*"} if permission else {}))
    looking = stage.client()
    client.send("StoreOffset", reference="r", stream=stream, offset=9)
    client.sync()
    looking.send("StoreOffset", reference="later", stream=stream, offset=1)
    looking.until_offset("later", stream, 1)
    looking.call("QueryOffset", reference="r", stream=stream)


@scenario()
def by_name(stage: Stage) -> None:
    """Only some streams."""
    mine, other = stage.stream("mine"), stage.stream("other")
    client = limited(stage, write="^mine", read="^mine")
    for publisher, stream in enumerate((mine, other)):
        client.declare(stream, publisher=publisher)
        client.subscribe(stream, subscription=publisher)
    client.publish([data(b"m")])
    client.wait_chunks(0, 1)


@scenario()
def withdrawn(stage: Stage) -> None:
    """A permission that is taken away while there is a publisher."""
    stream = stage.stream()
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    client = stage.client("/", user, "hunter2")
    client.declare(stream)
    client.publish([data(b"m")])
    stage.admin.set_permissions(user, "/", **NOTHING)
    client.declare(stream, publisher=1)


@scenario()
def user_deleted(stage: Stage) -> None:
    """Its connections go on, or end."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    client = stage.client("/", user, "hunter2")
    stage.admin.delete_user(user)
    client.wait_end()
