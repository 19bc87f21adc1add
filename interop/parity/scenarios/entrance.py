"""Who is let in: headers of the PROXY protocol, and limits of the whole broker.

These change settings of the broker, so each has it to itself.
"""

import re
import struct
from ipaddress import ip_address
from typing import Any

from interop.parity import codec
from interop.parity.inbox import Incoming
from interop.parity.scenario import Differs, scenario
from interop.parity.scenarios.events import Watched
from interop.parity.script import Connection, Stage

# The PROXY protocol

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, SERVER = "203.0.113.9", "203.0.113.1"
CLIENT_6, SERVER_6 = "2001:db8::9", "2001:db8::1"


def line(text: str) -> bytes:
    """A header of version 1."""
    return f"PROXY {text}\r\n".encode()


def block(content: bytes, *, command: int = 0x21, family: int = 0x11) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack(">BBH", command, family, len(content)) + content


def content(client: str, server: str) -> bytes:
    return ip_address(client).packed + ip_address(server).packed + struct.pack(">HH", 4321, 5672)


MORE = struct.pack(">BH", 0xEA, 5) + b"vpce1"

HEADERS = {
    "v1": line(f"TCP4 {CLIENT} {SERVER} 4321 5672"),
    "v1 of version 6": line(f"TCP6 {CLIENT_6} {SERVER_6} 4321 5672"),
    "v2": block(content(CLIENT, SERVER)),
    "v2 of version 6": block(content(CLIENT_6, SERVER_6), family=0x21),
    "v2 with more": block(content(CLIENT, SERVER) + MORE),
}

WITHOUT_ADDRESSES = {
    "local": block(b"", command=0x20, family=0),
    "local, and addresses": block(content(CLIENT, SERVER), command=0x20),
    "v1 unknown": line("UNKNOWN"),
    "v1 unknown, and addresses": line(f"UNKNOWN {CLIENT} {SERVER} 4321 5672"),
    "v2 unknown": block(b"", family=0),
    "v2 of a unix socket": block(b"/run/x".ljust(216, b"\0"), family=0x31),
}

NO_HEADERS = {
    "none": b"",
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "v1 of another family": line(f"UDP4 {CLIENT} {SERVER} 4321 5672"),
    "v1 of the other family": line(f"TCP6 {CLIENT} {SERVER} 4321 5672"),
    "v1 with a name": line(f"TCP4 localhost {SERVER} 4321 5672"),
    "v1 with too little": line(f"TCP4 {CLIENT} {SERVER} 4321"),
    "v1 with port 0": line(f"TCP4 {CLIENT} {SERVER} 0 5672"),
    "v1 with port 65536": line(f"TCP4 {CLIENT} {SERVER} 4321 65536"),
    "v1 with two blanks": line(f"TCP4  {CLIENT} {SERVER} 4321 5672"),
    "version 1 in binary": block(content(CLIENT, SERVER), command=0x11),
    "another command": block(content(CLIENT, SERVER), command=0x22),
    "another family": block(content(CLIENT, SERVER), family=0x41),
    "too short": block(content(CLIENT, SERVER)[:-1]),
}


def new_user(stage: Stage) -> dict[str, Any]:
    """A user who may come from anywhere: its login."""
    user = stage.admin.add_user()
    stage.admin.set_permissions(user, "/")
    return {"user": user, "password": "hunter2"}


def behind_proxy(stage: Stage, header: bytes) -> Connection:
    """A connection on which nothing was said but this."""
    connection = stage.dial()
    connection.send_bytes(header)
    return connection


@scenario(each=HEADERS, alone=True)
def header(stage: Stage, data: bytes) -> None:
    """The addresses of a header are those of the connection."""
    login = new_user(stage)
    watched = Watched(stage, "connection.created", "user.authentication.*")
    stage.admin.set_setting("proxy_protocol", True)
    behind_proxy(stage, data).handshake(**login)
    watched.note("connection.created")


LOCAL_FROM_4_0 = Differs("RabbitMQ 3.10 hangs up", ["hung up"], ["served"], before="4.0")
UNKNOWN = Differs("RabbitMQ hangs up", ["hung up"], ["served"])


@scenario(
    each=WITHOUT_ADDRESSES,
    differs={label: LOCAL_FROM_4_0 if label.startswith("local") else UNKNOWN for label in WITHOUT_ADDRESSES},
    alone=True,
)
def header_without_addresses(stage: Stage, data: bytes) -> None:
    """A connection that the proxy makes for itself, or for somebody of whom it has no address."""
    login = new_user(stage)
    stage.admin.set_setting("proxy_protocol", True)
    connection = behind_proxy(stage, data)
    connection.recording = False
    connection.handshake(**login)
    stage.note("hung up" if connection.ended else "served")


@scenario(
    differs=Differs(
        "up to 4.2 RabbitMQ asks where the proxy is, so that guest may come from anywhere",
        ["granted"],
        ["refused"],
        before="4.3",
    ),
    alone=True,
)
def guest_from_afar(stage: Stage) -> None:
    """A user who may log in on the broker's machine only, from elsewhere through a proxy on that machine."""
    stage.admin.set_setting("proxy_protocol", True)
    connection = behind_proxy(stage, HEADERS["v1"])
    connection.recording = False
    connection.handshake(capabilities={"authentication_failure_close": True})
    stage.note("refused" if connection.closing else "granted")


@scenario(each=NO_HEADERS, alone=True)
def no_header(stage: Stage, data: bytes) -> None:
    """Without a good header there is no answer, and an end."""
    stage.admin.set_setting("proxy_protocol", True)
    connection = behind_proxy(stage, data + codec.PROTOCOL_HEADER)
    connection.wait_end()


@scenario(each=["v1", "v2"], alone=True)
def header_without_the_setting(stage: Stage, version: str) -> None:
    """Nobody is believed then."""
    behind_proxy(stage, HEADERS[version]).wait_end()


# Limits of the whole broker

NODE = re.compile("'[^' ]+@[^' ]+'")


def note_outcome(stage: Stage, reply: Incoming | None) -> None:
    """Note a refusal, and that there is none. The names of nodes differ."""
    if reply is None or not reply.method.endswith(".close"):
        stage.note("granted")
    else:
        stage.note(NODE.sub("<node>", f"{reply.method}: {reply['reply_text'].decode()}"))


def not_in_3_10(reference: str, subject: str) -> Differs:
    return Differs("RabbitMQ 3.10 does not have this limit", [reference], [subject], before="4.0")


CHANNELS = (
    "connection.close: NOT_ALLOWED - number of channels opened on node <node> has reached the maximum allowed limit of "
)
CONSUMERS = "connection.close: NOT_ALLOWED - reached maximum (1) of consumers per channel"
REFUSED = "connection.close reply_code=530 reply_text="
NO_CONNECTIONS = (
    f"{REFUSED}'NOT_ALLOWED - connection refused: node connection limit (0) is reached' class_id=10 method_id=40"
)


@scenario(
    each=["/", "nowhere"],
    differs={
        "nowhere": not_in_3_10(
            f"{REFUSED}'NOT_ALLOWED - vhost nowhere not found' class_id=10 method_id=40", NO_CONNECTIONS
        ),
        "/": Differs(
            "RabbitMQ 3.10 does not have this limit",
            ["connection.open-ok known_hosts=''"],
            [NO_CONNECTIONS, "the connection ends"],
            before="4.0",
        ),
    },
    alone=True,
)
def connections_of_a_node(stage: Stage, vhost: str) -> None:
    """connection.open is refused beyond the limit, before it is asked which virtual host it is."""
    stage.admin.set_setting("connection_max", 0)
    stage.connect(vhost=vhost, record=True)


@scenario(
    differs=[
        not_in_3_10("granted", f"{CHANNELS}(1)"),
        Differs("the brackets are gone, as of the limits of users", [f"{CHANNELS}1"], [f"{CHANNELS}(1)"], since="4.3"),
    ],
    alone=True,
)
def channels_of_a_node(stage: Stage) -> None:
    """channel.open is refused beyond the limit, on whichever connection."""
    one, two = stage.connect(), stage.connect()
    one.channel(1)
    # RabbitMQ counts channels a moment after it opened them: to set the limit takes longer.
    stage.admin.set_setting("channel_max_per_node", 1)
    two.recording = False
    two.channel(1)
    note_outcome(stage, two.wait("connection.close")[-1] if two.closing else None)


@scenario(
    each=["", "used", "missing", "replies"],
    differs={
        "": not_in_3_10("granted", CONSUMERS),
        "missing": not_in_3_10("channel.close: NOT_FOUND - no queue 'missing.*' in vhost '/'", CONSUMERS),
        "replies": not_in_3_10("granted", CONSUMERS),
    },
    alone=True,
)
def consumers_of_a_channel(stage: Stage, case: str) -> None:
    """basic.consume is refused beyond the limit, before it is asked of which queue; but after a tag that is used."""
    stage.admin.set_setting("consumer_max_per_channel", 1)
    channel = stage.channel()
    queue = channel.declare(stage.name(), exclusive=True)
    channel.consume(queue, "used")
    queues = {"missing": stage.name("missing"), "replies": "amq.rabbitmq.reply-to"}
    channel.connection.recording = False
    tag = "used" if case == "used" else "other"
    note_outcome(stage, channel.consume(queues.get(case, queue), tag, no_ack=True))
