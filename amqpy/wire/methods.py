"""All methods, decoded to typed objects and encoded, in one table per version of AMQP. (`content` has the fast path.)

The classes, their names and their fields' types come from pamqp's tables of the specification, so that the
specification is not written down twice. The values are decoded and encoded here: pamqp refuses names that RabbitMQ
accepts and loses the types of table fields (see docs/decisions). This is the only module that knows pamqp.
"""

import struct
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, cast

from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx

from amqpy.errors import FrameFault, SyntaxFault, erlang_text
from amqpy.wire.values import Field, MalformedValue, Table, decode_table, encode_table

__all__ = [
    "AMQP_0_9_1",
    "Access",
    "Basic",
    "Channel",
    "Confirm",
    "Connection",
    "Exchange",
    "Method",
    "MethodTable",
    "Queue",
    "Tx",
    "method_name",
    "shortstr",
    "table_of",
    "undecodable",
]

_FIXED = {
    "octet": struct.Struct(">B"),
    "short": struct.Struct(">H"),
    "long": struct.Struct(">I"),
    "longlong": struct.Struct(">Q"),
}


def method_name(method: type[Method]) -> str:
    """The specification's name, such as `queue.declare-ok`."""
    group, name = method.name.split(".")
    dashed = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
    return f"{group.lower()}.{dashed}"


class Access:
    """The class of AMQP 0-8 that RabbitMQ keeps for very old clients."""

    class Request(Method):
        __slots__: ClassVar[list[str]] = [  # noqa: RUF023 (the order on the wire)
            "realm",
            "exclusive",
            "passive",
            "active",
            "write",
            "read",
        ]
        index = 0x001E000A
        name = "Access.Request"
        _realm = "shortstr"
        _exclusive = _passive = _active = _write = _read = "bit"

    class RequestOk(Method):
        __slots__: ClassVar[list[str]] = ["ticket"]
        index = 0x001E000B
        name = "Access.RequestOk"
        _ticket = "short"


ABSENT = "absent"
"""The type of a field that AMQP 0-9-1 has and another version does not: not on the wire, and an empty table here."""


class MethodTable:
    """The methods of one version of AMQP: their ids, decoding and encoding.

    `ids` are class id and method id as one number, `with_content` the methods that are followed by a message. `absent`
    are the fields that this version does not have: code that handles or sends such a method need not know.
    """

    def __init__(
        self,
        ids: Mapping[type[Method], int],
        with_content: Collection[type[Method]],
        absent: Collection[tuple[type[Method], str]] = (),
    ) -> None:
        self.with_content = frozenset(with_content)
        self._ids = ids
        self._methods = {number: method for method, number in ids.items()}
        self._plans = {
            method: tuple(
                (name, ABSENT if (method, name) in absent else method.amqp_type(name)) for name in method.attributes()
            )
            for method in ids
        }

    def __iter__(self) -> Iterator[type[Method]]:
        return iter(self._ids)

    def find(self, payload: bytes) -> type[Method] | None:
        """Finds the method by the ids in a method frame's payload; None if this version has no such method."""
        return self._methods.get(int.from_bytes(payload[:4], "big"))

    def id_of(self, method: type[Method]) -> tuple[int, int]:
        """The class id and the method id of a method."""
        return self._ids[method] >> 16, self._ids[method] & 0xFFFF

    def fields_of(self, method: type[Method]) -> tuple[tuple[str, str], ...]:
        """The names of a method's fields and their wire types, in order."""
        return self._plans[method]

    def decode(self, method: type[Method], payload: bytes) -> Method:
        """Decodes a method from a method frame's payload (with the four bytes of ids).

        Raises FrameFault for a payload that does not fit the method exactly, or for a name that is not UTF-8, and
        SyntaxFault for a malformed table.
        """
        result = method.__new__(method)
        position, bit = 4, 8
        try:
            for name, kind in self._plans[method]:
                value: Any
                if kind == "bit":
                    if bit == 8:
                        position, bit = position + 1, 0
                    value = bool(payload[position - 1] >> bit & 1)
                    bit += 1
                    setattr(result, name, value)
                    continue
                bit = 8
                fixed = _FIXED.get(kind)
                if fixed is not None:
                    (value,) = fixed.unpack_from(payload, position)
                    position += fixed.size
                elif kind == "shortstr":
                    end = position + 1 + payload[position]
                    value = _name(payload[position + 1 : end])
                    position = end
                elif kind == ABSENT:
                    value = {}
                else:
                    (size,) = _FIXED["long"].unpack_from(payload, position)
                    end = position + 4 + size
                    raw = payload[position + 4 : end]
                    value = _table(raw, method) if kind == "table" and end <= len(payload) else raw
                    position = end
                setattr(result, name, value)
        except (IndexError, struct.error):
            raise undecodable(payload) from None
        if position != len(payload):
            raise undecodable(payload)
        return result

    def encode(self, channel: int, method: type[Method], *values: object) -> bytes:
        """Encodes a whole method frame. The fields are in the specification's order, with those that are absent."""
        parts = [struct.pack(">I", self._ids[method])]
        bits = count = 0
        for (_, kind), value in zip(self._plans[method], values, strict=True):
            if kind == "bit":
                bits |= bool(value) << count
                count += 1
                continue
            if count:
                parts.append(bytes((bits,)))
                bits = count = 0
            parts.append(_encode(kind, value))
        if count:
            parts.append(bytes((bits,)))
        payload = b"".join(parts)
        return struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce"


AMQP_0_9_1 = MethodTable(
    {method: number for number, method in commands.INDEX_MAPPING.items()}
    | {method: method.index for method in (Access.Request, Access.RequestOk)},
    with_content=(Basic.Publish, Basic.Return, Basic.Deliver, Basic.GetOk),
)


def _table(raw: bytes, method: type[Method]) -> Table:
    try:
        return decode_table(raw)
    except (IndexError, MalformedValue):
        # RabbitMQ's reader crashes here and disconnects; we send the reason.
        raise SyntaxFault(f"cannot decode {method_name(method)}") from None


def undecodable(payload: bytes) -> FrameFault:
    """The fault for a method frame whose fields cannot be decoded."""
    return FrameFault(f"cannot decode {erlang_text(payload[4:])}")


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FrameFault("Malformed UTF-8 in shortstr", method_id=(0, 0)) from None


def _encode(kind: str, value: Any) -> bytes:  # noqa: ANN401 (what it is depends on `kind`)
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed.pack(value)
    if kind == "shortstr":
        return shortstr(value)
    if kind == ABSENT:
        return b""
    raw = encode_table(value) if kind == "table" else value
    return struct.pack(">I", len(raw)) + raw


def shortstr(value: str) -> bytes:
    """Encodes a short string. One longer than 255 bytes is cut as RabbitMQ cuts its reply texts."""
    raw = value.encode("utf-8", "surrogateescape")
    if len(raw) > 255:
        raw = raw[:252] + b"..."
    return bytes((len(raw),)) + raw


def table_of(value: object) -> Table:
    """A table of a decoded method, with its real type: pamqp's annotations say plain values where there are Fields."""
    return cast("dict[str, Field]", value)
