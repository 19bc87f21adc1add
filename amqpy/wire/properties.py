"""The properties of a message, read from the content header a client sent.

A message keeps its header's bytes; they are read when somebody asks (a headers exchange, the user-id check), and
once at the door to make sure that no consumer is handed bytes that its library cannot parse.

    class weight body-size flags property...      14 bits of flags say which properties follow, in this order

Source: AMQP 0-9-1 section 4.2.6.1; `rabbit_framing_amqp_0_9_1:decode_properties`.
"""

import struct
from typing import Any, Final

from amqpy.wire.values import MalformedValue, Table, decode_table, text

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
_FLAGS = struct.Struct(">H").unpack_from
_LONG = struct.Struct(">I").unpack_from
_LONGLONG = struct.Struct(">Q").unpack_from

FLAGS_AT = 12
"""Where the flags stand in a content header's payload."""


def decode_properties(header: bytes) -> dict[str, Any]:
    """The properties that are present, by name: text, int or Table. Raises MalformedValue."""
    try:
        (flags,) = _FLAGS(header, FLAGS_AT)
        if flags & 3:
            raise MalformedValue("unknown property flags")
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


def headers_of(header: bytes) -> Table:
    """The headers table, empty when there is none."""
    headers: Table = decode_properties(header).get("headers", {})
    return headers
