"""The engine's own frames, against pamqp where pamqp can say the same."""

import struct
from typing import TYPE_CHECKING, Any

import pytest
from pamqp import commands, decode

from interop.parity import codec
from interop.parity.codec import METHODS, Typed
from interop.parity.normalise import Normaliser

if TYPE_CHECKING:
    from pamqp.common import FieldTable


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_reads_back(name: str) -> None:
    """Each field gets a value of its own, so that none can stand for another."""
    values: dict[str, Any] = {
        field: position % 2 == 1 if amqp_type == "bit" else {} if amqp_type == "table" else str(position)
        if amqp_type.endswith("str") else position + 1
        for position, (field, amqp_type) in enumerate(METHODS[name].fields)
    }  # fmt: skip
    frame = codec.parse_frame(codec.METHOD, 7, codec.method_payload(name, **values))
    assert frame.name == name
    assert frame.fields == {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}


def test_methods_are_encoded_as_pamqp_does() -> None:
    arguments: FieldTable = {"x-number": 5, "x-text": "five", "x-yes": True, "x-table": {"a": [1, "b"]}}
    declare = commands.Queue.Declare(queue="q", durable=True, auto_delete=True, arguments=arguments)
    payload = codec.method_payload(
        "queue.declare",
        queue="q",
        durable=True,
        auto_delete=True,
        arguments={
            "x-number": Typed("b", 5),
            "x-table": {"a": [Typed("b", 1), "b"]},
            "x-text": "five",
            "x-yes": True,
        },
    )
    assert payload == struct.pack(">I", declare.index) + declare.marshal()


def test_properties_are_encoded_as_pamqp_does() -> None:
    ours = codec.properties(content_type="text/plain", delivery_mode=2, priority=7, message_id="m", app_id="a")
    theirs = commands.Basic.Properties("text/plain", delivery_mode=2, priority=7, message_id="m", app_id="a")
    assert ours == theirs.marshal()


def test_a_field_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(TypeError, match=r"queue\.declare has no field queu$"):
        codec.method_payload("queue.declare", queu="q")


VALUES = {
    "t": True, "b": -1, "B": 255, "s": -2, "u": 65535, "I": -3, "i": 2**32 - 1, "l": -(2**63), "T": 2**40, "f": 1.5,
    "d": 1e300, "D": (2, -5), "S": "text", "x": b"\xff", "A": [1, [None]], "F": {"k": {"n": 1}}, "V": None,
}  # fmt: skip


@pytest.mark.parametrize("tag", VALUES)
def test_every_type_of_value_shows_in_the_text(tag: str) -> None:
    """Values of another type or another size must not look the same."""
    payload = codec.method_payload("connection.start", server_properties={"k": Typed(tag, VALUES[tag])})
    (text,) = codec.parse_frame(codec.METHOD, 0, payload).fields["server_properties"].values()
    assert text.startswith(tag)


def test_pamqp_reads_our_tables() -> None:
    readable = {tag: value for tag, value in VALUES.items() if tag not in "TDx"}  # pamqp has types of its own there
    table = codec.long_bytes(codec.table_entries({tag: Typed(tag, value) for tag, value in readable.items()}))
    assert decode.field_table(table) == (len(table), readable)


def test_long_bodies_differ_by_their_checksum() -> None:
    one, other = b"x" * 10_000, b"x" * 9_999 + b"y"
    assert codec.bytes_text(one) != codec.bytes_text(other)
    assert len(codec.bytes_text(one)) < 500


def test_undecodable_methods_show_their_bytes() -> None:
    frame = codec.parse_frame(codec.METHOD, 1, b"\0\x32\0\x0b\x09q")
    assert codec.frame_text(frame) == r"frame type=1 '\x002\x00\x0b\tq'"


def test_server_made_names_are_numbered() -> None:
    normal = Normaliser("run")
    one, two = "amq.gen-" + "a" * 22, "amq.gen-" + "B-_" * 7 + "c"
    assert normal(f"{two} {one} {two}") == "amq.gen-<1> amq.gen-<2> amq.gen-<1>"
    assert normal(one) == "amq.gen-<2>"
    assert normal("amq.gen-tooshort amq.gen-" + "a" * 23) == "amq.gen-tooshort amq.gen-" + "a" * 23


def test_only_versions_of_the_server_properties_are_hidden() -> None:
    line = r"connection.start server_properties={cluster_name: S'rabbit@it\'s', product: S'RabbitMQ', version: S'3'}"
    hidden = "connection.start server_properties={cluster_name: S…, product: S'RabbitMQ', version: S…}"
    assert Normaliser("run")(line) == hidden
    assert Normaliser("run")("basic.get-ok version: S'3'") == "basic.get-ok version: S'3'"
