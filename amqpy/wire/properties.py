"""The properties of a message, read from the content header that a client sent.

A message keeps its header's bytes; they are decoded when needed (by a headers exchange, the user-id check), and
checked once on arrival (`scan.judge`).

    class weight body-size flags property...      14 bits of flags say which properties follow, in this order

Source: AMQP 0-9-1 section 4.2.6.1; `rabbit_framing_amqp_0_9_1:decode_properties`.
"""

import struct
from functools import lru_cache
from typing import Any, Final

from amqpy.wire.scan import FLAGS_AT, KINDS, REPLY_TO, SHORTSTR, TABLE
from amqpy.wire.values import Entries, MalformedValue, Table, canonical, decode_table, split_table, text

NAMES: Final = (
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
NUMBERS: Final = frozenset({"delivery_mode", "priority", "timestamp"})
_FLAGS = struct.Struct(">H").unpack_from
_LONG = struct.Struct(">I").unpack_from
_LONGLONG = struct.Struct(">Q").unpack_from
_HEAD = struct.Struct(">HHQ")
BASIC_CLASS: Final = 60


def decode_properties(header: bytes) -> dict[str, Any]:
    """Decodes the properties that are present, by name: text, int or Table. Raises MalformedValue."""
    try:
        (flags,) = _FLAGS(header, FLAGS_AT)
        position = FLAGS_AT + 2
        found: dict[str, Any] = {}
        bit = 0x8000
        for name in NAMES:
            if flags & bit:
                if name == "headers":
                    end = position + 4 + _LONG(header, position)[0]
                    found[name] = decode_table(header[position + 4 : end])
                elif name in {"delivery_mode", "priority"}:
                    end = position + 1
                    found[name] = header[position]
                elif name == "timestamp":
                    end = position + 8
                    found[name] = _LONGLONG(header, position)[0]
                else:
                    end = position + 1 + header[position]
                    found[name] = text(header[position + 1 : end])
                position = end
            bit >>= 1
    except (IndexError, struct.error):
        raise MalformedValue("truncated properties") from None
    if position != len(header):
        raise MalformedValue("truncated properties" if position > len(header) else "octets after the properties")
    return found


_FLAG_OF: Final = {name: 0x8000 >> bit for bit, name in enumerate(NAMES)}
PRIORITY_FLAG = _FLAG_OF["priority"]
REPLY_TO_FLAG = _FLAG_OF["reply_to"]
EXPIRATION_FLAG = _FLAG_OF["expiration"]
USER_ID_FLAG = _FLAG_OF["user_id"]


def flags_of(header: bytes) -> int:
    """The flags: a bit for each property that is present."""
    return header[FLAGS_AT] << 8 | header[FLAGS_AT + 1]


def headers_of(header: bytes) -> Table:
    """The headers table, empty when there is none."""
    headers: Table = decode_properties(header).get("headers", {})
    return headers


def priority_of(header: bytes) -> int:
    """The priority property, 0 when there is none. Read by hand, because some queues need it for each message."""
    present = header[FLAGS_AT]
    if not present & 0x08:
        return 0
    position = FLAGS_AT + 2
    if present & 0x80:
        position += 1 + header[position]
    if present & 0x40:
        position += 1 + header[position]
    if present & 0x20:
        position += 4 + int.from_bytes(header[position : position + 4], "big")
    if present & 0x10:
        position += 1
    return header[position]


def is_persistent(header: bytes) -> bool:
    """True if the delivery mode is 2. Read by hand, because it is needed for each message that is read from disk."""
    present = header[FLAGS_AT]
    if not present & 0x10:
        return False
    position = FLAGS_AT + 2
    if present & 0x80:
        position += 1 + header[position]
    if present & 0x40:
        position += 1 + header[position]
    if present & 0x20:
        position += 4 + int.from_bytes(header[position : position + 4], "big")
    return header[position] == 2


@lru_cache(maxsize=1024)
def _present(flags: int) -> list[tuple[str, int]]:
    """The names and kinds of the properties that these flags announce, in order."""
    return [(name, kind) for name, kind in zip(NAMES, KINDS, strict=True) if flags & _FLAG_OF[name]]


def split_properties(header: bytes) -> dict[str, bytes]:
    """Splits a header into the bytes of each property that is present, with its length, in order."""
    position = FLAGS_AT + 2
    parts = {}
    for name, kind in _present(flags_of(header)):
        if kind in (SHORTSTR, REPLY_TO):
            end = position + 1 + header[position]
        elif kind == TABLE:
            end = position + 4 + int.from_bytes(header[position : position + 4], "big")
        else:
            end = position + (8 if name == "timestamp" else 1)
        parts[name] = header[position:end]
        position = end
    return parts


def decode_property(name: str, raw: bytes) -> Any:  # noqa: ANN401 - text or a number
    """Decodes one property, but not the headers, from its bytes in `split_properties`."""
    return int.from_bytes(raw, "big") if name in NUMBERS else text(raw[1:])


def join_properties(header: bytes, parts: dict[str, bytes]) -> bytes:
    """The header with these properties instead of its own."""
    flags = 0
    for name in parts:
        flags |= _FLAG_OF[name]
    ordered = [parts[name] for name, _ in _present(flags)]
    return b"".join((header[:FLAGS_AT], flags.to_bytes(2, "big"), *ordered))


def content_header(size: int, parts: dict[str, bytes]) -> bytes:
    """Makes the payload of a content header frame for a body of this size."""
    return join_properties(_HEAD.pack(BASIC_CLASS, 0, size), parts)


def replace_property(header: bytes, name: str, replacement: bytes) -> bytes:
    """The header with one property's bytes (with its length) replaced. The others stay as the client sent them, except
    that RabbitMQ encodes the headers anew."""
    parts = split_properties(header)
    if "headers" in parts:
        parts["headers"] = headers_property(canonical(parts["headers"][4:]))
    return join_properties(header, parts | {name: replacement})


def headers_property(table: bytes) -> bytes:
    """Encodes the headers property from the content of a table."""
    return len(table).to_bytes(4, "big") + table


def header_entries(parts: dict[str, bytes]) -> Entries:
    """The entries of the headers property, to be changed, in the form in which RabbitMQ encodes changed headers."""
    raw = parts.get("headers")
    return [] if raw is None else split_table(raw[4:])
