"""From the protocol header to connection.open-ok: versions, login, tuning, virtual hosts."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interop.parity import codec
from interop.parity.connection import ROOM_FOR_ANYTHING
from interop.parity.scenario import Differs, says_why, scenario
from interop.parity.script import Connection, Stage

REFUSED_END_S = 25.0  # RabbitMQ waits before it hangs up on a peer that it does not trust

AUTHENTICATION_FAILURE_CLOSE = {"authentication_failure_close": True}


def greeted(stage: Stage, *, record: bool = False) -> Connection:
    """A connection that may send start-ok; connection.start is long and recorded once only."""
    connection = stage.dial()
    connection.recording = record
    connection.send_bytes(codec.PROTOCOL_HEADER)
    connection.wait("connection.start")
    connection.recording = True
    return connection


def start_ok(
    connection: Connection,
    mechanism: str,
    response: str | bytes,
    client_properties: Mapping[str, Any] | bytes = b"",
    locale: str = "en_US",
) -> None:
    connection.send(
        "connection.start-ok",
        client_properties=client_properties,
        mechanism=mechanism,
        response=response,
        locale=locale,
    )


HANGS_UP = "RabbitMQ logs this text but hangs up without it: its error has a method already and is taken for a crash"


def newer(limit: int) -> int:
    """The same limit from 4.3 on."""
    return 8192 if limit == 4096 else limit


def tuned(stage: Stage, tuning: Mapping[str, int] | None = None, *, record: bool = False) -> Connection:
    """A connection that may send open."""
    connection = greeted(stage, record=record)
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait("connection.tune")
    connection.send("connection.tune-ok", **(ROOM_FOR_ANYTHING | dict(tuning or {})))
    return connection


@scenario()
def start_and_tune(stage: Stage) -> None:
    """What the server says about itself, and the values it proposes."""
    tuned(stage, record=True).call("connection.open", virtual_host="/")


@scenario(
    each={
        "0-9-0": b"AMQP\x00\x00\x09\x00",
        "0-9-2": b"AMQP\x00\x00\x09\x02",
        "0-10": b"AMQP\x01\x01\x00\x0a",
        "1.0": b"AMQP\x00\x01\x00\x00",
        "1.0 over SASL": b"AMQP\x03\x01\x00\x00",
        "1.0 over TLS": b"AMQP\x02\x01\x00\x00",
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "TLS": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03",
        "zeros": bytes(8),
        "lower case": b"amqp\x00\x00\x09\x01",
        "frame": codec.frame(codec.METHOD, 0, codec.method_payload("connection.open", virtual_host="/")),
    },
    differs={
        "1.0 over SASL": Differs(
            "AMQP 1.0 is not spoken here",
            [r"protocol header b'AMQP\x03\x01\x00\x00'", "the connection ends within…"],
            [r"protocol header b'AMQP\x00\x00\t\x01'", "the connection ends"],
            since="4.0",
        )
    },
)
def protocol_header(stage: Stage, header: bytes) -> None:
    """A version the server does not speak is answered with the one it speaks, and the end."""
    connection = stage.dial()
    connection.send_bytes(header)
    connection.wait_end(REFUSED_END_S)


@scenario()
def protocol_header_of_0_9(stage: Stage) -> None:
    """Version 0-9 is so near that it is welcome."""
    connection = stage.dial()
    connection.send_bytes(b"AMQP\x01\x01\x00\x09")
    connection.wait("connection.start")


@scenario(each={"nothing": b"", "half a header": b"AMQP", "seven bytes": codec.PROTOCOL_HEADER[:7]})
def end_before_the_header_is_complete(stage: Stage, header: bytes) -> None:
    """A peer that stops sending within its header gets no answer."""
    connection = stage.dial()
    connection.send_bytes(header)
    connection.socket.shutdown(socket.SHUT_WR)
    connection.wait_end(REFUSED_END_S)


@scenario()
def protocol_header_byte_by_byte(stage: Stage) -> None:
    """The header may come in any pieces."""
    connection = stage.dial()
    for byte in codec.PROTOCOL_HEADER:
        connection.send_bytes(bytes([byte]))
    connection.wait("connection.start")


@scenario(
    each={
        "PLAIN": ("PLAIN", b"\0guest\0guest"),
        "PLAIN with an authorisation identity": ("PLAIN", b"admin\0guest\0guest"),
        "AMQPLAIN": ("AMQPLAIN", codec.amqplain("guest", "guest")),
        "AMQPLAIN in another order": ("AMQPLAIN", codec.table_entries({"PASSWORD": "guest", "LOGIN": "guest"})),
        "AMQPLAIN with more": ("AMQPLAIN", codec.amqplain("guest", "guest") + codec.table_entries({"X": 1})),
    }
)
def login(stage: Stage, case: tuple[str, bytes]) -> None:
    """Every way to say guest and guest leads to connection.tune."""
    connection = greeted(stage)
    start_ok(connection, *case)
    connection.wait("connection.tune")


BAD_LOGINS = {
    "PLAIN, wrong password": ("PLAIN", b"\0guest\0wrong"),
    "PLAIN, empty password": ("PLAIN", b"\0guest\0"),
    "PLAIN, unknown user": ("PLAIN", b"\0nobody\0guest"),
    "PLAIN, no separators": ("PLAIN", b"guestguest"),
    "PLAIN, one separator": ("PLAIN", b"guest\0guest"),
    "PLAIN, three separators": ("PLAIN", b"\0guest\0guest\0"),
    "PLAIN, empty": ("PLAIN", b""),
    "AMQPLAIN, wrong password": ("AMQPLAIN", codec.amqplain("guest", "wrong")),
    "AMQPLAIN, no password": ("AMQPLAIN", codec.table_entries({"LOGIN": "guest"})),
    "AMQPLAIN, password is a number": ("AMQPLAIN", codec.table_entries({"LOGIN": "guest", "PASSWORD": 5})),
    "AMQPLAIN, garbage": ("AMQPLAIN", b"\xffguest"),
    "AMQPLAIN, empty": ("AMQPLAIN", b""),
    "AMQPLAIN, with length": ("AMQPLAIN", codec.long_bytes(codec.amqplain("guest", "guest"))),
    "unknown mechanism": ("NONSENSE", b"\0guest\0guest"),
    "mechanism in lower case": ("plain", b"\0guest\0guest"),
    "empty mechanism": ("", b""),
    "EXTERNAL": ("EXTERNAL", b""),
    "ANONYMOUS": ("ANONYMOUS", b""),
}


@scenario(each=BAD_LOGINS)
def refused_login(stage: Stage, case: tuple[str, bytes]) -> None:
    """Without the client capability, a refused login just ends the connection."""
    connection = greeted(stage)
    start_ok(connection, *case)
    connection.wait_end(REFUSED_END_S)


@scenario(each=BAD_LOGINS)
def refused_login_with_close(stage: Stage, case: tuple[str, bytes]) -> None:
    """With authentication_failure_close, wrong credentials are answered with connection.close."""
    connection = greeted(stage)
    start_ok(connection, *case, client_properties={"capabilities": AUTHENTICATION_FAILURE_CLOSE})
    connection.wait_end(REFUSED_END_S)


@scenario(each=["", "de_DE", "en_us"])
def locale(stage: Stage, name: str) -> None:
    """The locale is not looked at."""
    connection = greeted(stage)
    start_ok(connection, "PLAIN", "\0guest\0guest", locale=name)
    connection.wait("connection.tune")


@scenario(
    each={
        "capabilities is text": {"capabilities": "all"},
        "capability is a number": {"capabilities": {"authentication_failure_close": 1}},
        "every type": {
            "product": "parity",
            "table": {"in": {"table": [1, 2.5, None, True]}},
            "decimal": codec.Typed("D", (2, 314)),
            "octets": codec.Typed("x", b"\x00\xff"),
            "time": codec.Typed("T", 1),
        },
        "the same key twice": codec.table_entries({"product": "one"}) + codec.table_entries({"product": "two"}),
    }
)
def client_properties(stage: Stage, properties: dict[str, Any] | bytes) -> None:
    """Odd client properties do no harm."""
    connection = greeted(stage)
    start_ok(connection, "PLAIN", "\0guest\0guest", client_properties=properties)
    connection.wait("connection.tune")


@scenario(
    each={
        "smallest frames": {"frame_max": 4096},
        "one channel": {"channel_max": 1},
        "longest heartbeat": {"heartbeat": 65535},
    },
    differs={
        "smallest frames": replace(
            says_why(
                HANGS_UP,
                "530 NOT_ALLOWED - negotiated frame_max = 4096 is lower than the minimum allowed value (8192)",
                (10, 30),
            ),
            since="4.3",
        )
    },
)
def tuning(stage: Stage, case: dict[str, int]) -> None:
    """The client may lower what the server proposed, and choose any heartbeat."""
    connection = tuned(stage, case)
    connection.call("connection.open", virtual_host="/")
    connection.channel(1)


OUT_OF_BOUNDS = {
    "frames below the minimum": ({"frame_max": 4095}, "frame_max = 4095 is lower than the minimum", 4096),
    "frames of one byte": ({"frame_max": 1}, "frame_max = 1 is lower than the minimum", 4096),
    "frames without limit": ({"frame_max": 0}, "frame_max = 0 is higher than the maximum", 131072),
    "frames above the maximum": ({"frame_max": 131073}, "frame_max = 131073 is higher than the maximum", 131072),
    "channels without limit": ({"channel_max": 0}, "channel_max = 0 (no limit) is higher than the maximum", 2047),
    "channels above the maximum": ({"channel_max": 2048}, "channel_max = 2048 is higher than the maximum", 2047),
    "everything at zero": (
        {"channel_max": 0, "frame_max": 0},
        "frame_max = 0 is higher than the maximum",
        131072,
    ),
}


@scenario(
    each={label: tuning for label, (tuning, _, _) in OUT_OF_BOUNDS.items()},
    differs={
        label: [
            says_why(HANGS_UP, f"530 NOT_ALLOWED - negotiated {text} allowed value ({limit})", (10, 30), before="4.3"),
            replace(
                says_why(HANGS_UP, f"530 NOT_ALLOWED - negotiated {text} allowed value ({newer(limit)})", (10, 30)),
                since="4.3",
            ),
        ]
        for label, (_, text, limit) in OUT_OF_BOUNDS.items()
    },
)
def tuning_out_of_bounds(stage: Stage, case: dict[str, int]) -> None:
    """What the client chooses has a minimum and a maximum; nothing is unlimited."""
    tuned(stage, case).wait_end(REFUSED_END_S)


@scenario()
def channel_above_the_negotiated_maximum(stage: Stage) -> None:
    """530 when one channel too many is opened."""
    connection = stage.connect(channel_max=2)
    connection.channel(1)
    connection.channel(2)
    connection.channel(3)


@scenario()
def channel_number_above_the_negotiated_maximum(stage: Stage) -> None:
    """The number counts, not how many are open."""
    stage.connect(channel_max=10).channel(11)


@scenario()
def highest_channel(stage: Stage) -> None:
    """2047 is the highest number of all."""
    connection = stage.connect()
    connection.channel(2047).declare(stage.name(), exclusive=True)
    connection.channel(2048)


@scenario(each=["missing", "", "//", "/missing", "é", " / "])
def unknown_vhost(stage: Stage, vhost: str) -> None:
    """A virtual host that does not exist is refused with 530."""
    tuned(stage).call("connection.open", virtual_host=vhost)


@scenario()
def open_fields_are_ignored(stage: Stage) -> None:
    """The reserved fields of connection.open have no meaning left."""
    connection = tuned(stage)
    connection.call("connection.open", virtual_host="/", capabilities="what", insist=True)
    connection.channel(1)


PREMATURE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "tune-ok": ("connection.tune-ok", {"channel_max": 1, "frame_max": 4096}),
    "open": ("connection.open", {"virtual_host": "/"}),
    "close": ("connection.close", {"reply_code": 200}),
    "close-ok": ("connection.close-ok", {}),
    "secure-ok": ("connection.secure-ok", {"response": "x"}),
    "channel.open": ("channel.open", {}),
    "connection.start": ("connection.start", {"version_minor": 9}),
}


@scenario(each=PREMATURE)
def method_before_start_ok(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """Anything but start-ok ends the connection."""
    connection = greeted(stage)
    method, fields = case
    connection.send(method, **fields)
    connection.wait_end(REFUSED_END_S)


@scenario(each=[name for name in PREMATURE if name != "open"])
def method_before_open(stage: Stage, case: str) -> None:
    """Anything but connection.open ends the connection."""
    connection = tuned(stage)
    method, fields = PREMATURE[case]
    connection.send(method, **fields)
    connection.wait_end(REFUSED_END_S)


@scenario()
def frame_on_a_channel_before_open(stage: Stage) -> None:
    """Before connection.open, only channel 0 exists."""
    connection = tuned(stage)
    connection.send("channel.open", on=1)
    connection.wait_end(REFUSED_END_S)


@scenario()
def second_start_ok(stage: Stage) -> None:
    """start-ok again instead of tune-ok."""
    connection = greeted(stage)
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait("connection.tune")
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait_end(REFUSED_END_S)


@scenario(each=[4097, 131073, 1 << 31])
def oversize_frame_before_tuning(stage: Stage, size: int) -> None:
    """Until frame_max is negotiated, the smallest limit holds."""
    connection = greeted(stage)
    connection.send_bytes(struct.pack(">BHI", codec.METHOD, 0, size))
    connection.wait_end(REFUSED_END_S)


@scenario(each={"all of it": 4096 - 8, "a little too much": 4096, "too much": 4097})
def large_start_ok(stage: Stage, size: int) -> None:
    """A start-ok that fills the smallest frame, and the tolerance behind it."""
    connection = greeted(stage)
    fields = {"mechanism": "PLAIN", "response": "\0guest\0guest", "locale": "en_US"}
    room = size - len(codec.method_payload("connection.start-ok", **fields)) - len(b"\x01kS\0\0\0\0")
    start_ok(connection, "PLAIN", "\0guest\0guest", client_properties={"k": "x" * room})
    connection.wait("connection.tune")


@scenario()
def heartbeat_before_start_ok(stage: Stage) -> None:
    """Heartbeats are welcome at any time."""
    connection = greeted(stage)
    connection.send_frame(codec.HEARTBEAT, 0, b"")
    start_ok(connection, "PLAIN", "\0guest\0guest")
    connection.wait("connection.tune")


@scenario(each={"no header": False, "no start-ok": True})
def silence_during_the_handshake(stage: Stage, greet: bool) -> None:
    """Who does not finish the handshake in time is hung up on, without a word."""
    connection = greeted(stage) if greet else stage.dial()
    connection.wait_end(REFUSED_END_S)


@scenario()
def server_sends_heartbeats(stage: Stage) -> None:
    """An idle server sends heartbeats when the client asked for them."""
    stage.connect(heartbeat=1).wait_heartbeat()


@scenario()
def silent_client_is_dropped(stage: Stage) -> None:
    """A client that sends nothing for its own heartbeat interval, twice, is gone."""
    stage.connect(heartbeat=1).wait_end(REFUSED_END_S)


@scenario()
def everything_in_one_packet(stage: Stage) -> None:
    """A client may send its whole handshake, and more, before it reads anything."""
    connection = stage.dial()
    methods = (
        codec.method_payload("connection.start-ok", mechanism="PLAIN", response="\0guest\0guest", locale="en_US"),
        codec.method_payload("connection.tune-ok", channel_max=10, frame_max=8192),
        codec.method_payload("connection.open", virtual_host="/"),
    )
    packet = codec.PROTOCOL_HEADER + b"".join(codec.frame(codec.METHOD, 0, each) for each in methods)
    connection.send_bytes(packet)
    connection.wait("connection.open-ok")
    connection.channel(1)


@scenario()
def closed_again_and_again(stage: Stage) -> None:
    """Behind close-ok the client is the one to hang up; until then it is answered."""
    connection = stage.connect()
    for _ in range(3):
        connection.call("connection.close", reply_code=200, reply_text="bye")
    connection.send("connection.close-ok")
    connection.wait_end()
