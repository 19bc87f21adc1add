"""The life of a connection: peer properties, login, tune, open, close, heartbeats."""

from collections.abc import Callable

from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Connection, Stage
from interop.stream import codec

PLAIN = b"\0guest\0guest"


@scenario()
def whole(stage: Stage) -> None:
    """From the first frame to the last."""
    client = stage.raw()
    client.call("PeerProperties", properties=[("product", "raw"), ("connection_name", "mine")])
    client.call("SaslHandshake")
    client.call("SaslAuthenticate", mechanism="PLAIN", data=PLAIN)
    client.tune()
    client.call("Open", vhost="/")
    client.call("Close", code=1, reason="done")
    client.wait_end()


@scenario(each={"none": [], "null": [("a", None)], "twice": [("a", "b"), ("a", "c")], "unicode": [("ä", "ö")]})
def peer_properties(stage: Stage, properties: list[tuple[str, str | None]]) -> None:
    """Whatever a client says of itself."""
    client = stage.raw()
    client.call("PeerProperties", properties=properties)
    client.call("SaslHandshake")


@scenario(
    each={
        "PLAIN": ("PLAIN", PLAIN),
        "AMQPLAIN": ("AMQPLAIN", b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x05guest"),
        "unknown": ("NOPE", b""),
        "lower case": ("plain", PLAIN),
        "no mechanism": ("", PLAIN),
        "wrong password": ("PLAIN", b"\0guest\0wrong"),
        "unknown user": ("PLAIN", b"\0nobody\0guest"),
        "malformed": ("PLAIN", b"guest"),
        "empty": ("PLAIN", b""),
        "null": ("PLAIN", None),
        "malformed AMQPLAIN": ("AMQPLAIN", b"\xff"),
    }
)
def authenticate(stage: Stage, given: tuple[str, bytes | None]) -> None:
    """1, 7, 8 and 9; all but the first end the connection."""
    client = stage.raw()
    client.call("PeerProperties", properties=[])
    client.call("SaslHandshake")
    reply = client.call("SaslAuthenticate", mechanism=given[0], data=given[1])
    if reply is None or reply.code != 1:
        client.wait_end()
    else:
        client.wait_for("Tune")


@scenario(each={"small": (4096, 5), "none": (0, 0), "large": (2**31, 100)})
def tune(stage: Stage, values: tuple[int, int]) -> None:
    """The client's values are taken."""
    client = stage.raw()
    client.authenticate()
    client.tune(*values)
    client.call("Open", vhost="/")
    client.sync()


@scenario()
def tune_as_response(stage: Stage) -> None:
    """A Tune of the client may have the form of a response."""
    client = stage.raw()
    client.authenticate()
    client.wait_for("Tune")
    client.send_frame(codec.RESPONSE | 20, b"\0\x10\0\0\0\0\0\0")
    client.call("Open", vhost="/")


@scenario()
def open_without_tune(stage: Stage) -> None:
    """The client need not answer."""
    client = stage.raw()
    client.authenticate()
    client.wait_for("Tune")
    client.call("Open", vhost="/")


@scenario(each=["nowhere", ""])
def open_elsewhere(stage: Stage, vhost: str) -> None:
    """12, and the end."""
    client = stage.raw()
    client.open(vhost)
    client.wait_end()


@scenario()
def open_without_permission(stage: Stage) -> None:
    """12 for a user who may do nothing there."""
    user = stage.admin.add_user()
    client = stage.raw()
    client.open("/", user, "hunter2")
    client.wait_end()


@scenario()
def open_another_vhost(stage: Stage) -> None:
    """What is made there is not here."""
    vhost, name = stage.admin.add_vhost(), stage.name()
    there, here = stage.client(vhost), stage.client()
    there.call("Create", stream=name, arguments=[])
    there.call("Metadata", streams=[name])
    here.call("Metadata", streams=[name])
    there.call("Delete", stream=name)


def create(client: Connection) -> None:
    client.send("Create", stream="x", arguments=[])


def opens(client: Connection) -> None:
    client.send("Open", vhost="/")


def authenticates(client: Connection) -> None:
    client.send("SaslAuthenticate", mechanism="PLAIN", data=PLAIN)


@scenario(
    each={
        "create first": create,
        "open first": opens,
        "authenticate first": authenticates,
        "heartbeat first": lambda client: client.send("Heartbeat"),
        "unknown first": lambda client: client.send_frame(999, b"\0\0\0\1"),
    }
)
def out_of_order(stage: Stage, act: Callable[[Connection], None]) -> None:
    """What a client may not begin with ends the connection."""
    client = stage.raw()
    act(client)
    client.wait_end()


@scenario(each={"create": create, "authenticate again": authenticates})
def before_open(stage: Stage, act: Callable[[Connection], None]) -> None:
    """Nothing else before Open."""
    client = stage.raw()
    client.authenticate()
    client.tune()
    act(client)
    client.wait_end()


@scenario(
    each={
        "peer properties": lambda client: client.send("PeerProperties", properties=[]),
        "handshake": lambda client: client.send("SaslHandshake"),
        "tune": lambda client: client.send("Tune", frame_max=0, heartbeat=0),
        "open": opens,
    }
)
def again(stage: Stage, act: Callable[[Connection], None]) -> None:
    """After Open these are not known: 13."""
    client = stage.client()
    act(client)
    client.wait_end()


@scenario(since="4.0", each={"the same": PLAIN, "another user": b"\0other\0guest", "wrong": b"\0guest\0wrong"})
def authenticate_again(stage: Stage, answer: bytes) -> None:
    """The secret may be renewed."""
    client = stage.client()
    client.call("SaslAuthenticate", mechanism="PLAIN", data=answer)
    client.call("Metadata", streams=[])


@scenario(since="4.0")
def authenticate_again_otherwise(stage: Stage) -> None:
    """20: not by another mechanism."""
    client = stage.client()
    client.call("SaslAuthenticate", mechanism="AMQPLAIN", data=PLAIN)
    client.call("Metadata", streams=[])


@scenario()
def heartbeats(stage: Stage) -> None:
    """The server sends them; those of the client are not answered."""
    client = stage.raw()
    client.authenticate()
    client.tune(heartbeat=1)
    client.call("Open", vhost="/")
    client.send("Heartbeat")
    client.wait_for("Heartbeat", 2)
    stage.note("two heartbeats came")


@scenario()
def silence(stage: Stage) -> None:
    """Who is silent is cut off."""
    client = stage.raw()
    client.authenticate()
    client.tune(heartbeat=1)
    client.call("Open", vhost="/")
    client.wait_end()


@scenario(each={"short": "bye", "null": None, "long": "x" * 300})
def close(stage: Stage, reason: str | None) -> None:
    """Answered, then the server hangs up."""
    client = stage.client()
    client.call("Close", code=1, reason=reason)
    client.wait_end()


@scenario()
def close_before_open(stage: Stage) -> None:
    """A client that thinks better of it."""
    client = stage.raw()
    client.authenticate()
    client.tune()
    client.send("Close", code=1, reason="no")
    client.wait_end()
