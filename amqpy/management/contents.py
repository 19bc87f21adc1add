"""The content of messages, between JSON and AMQP: properties and payloads.

Source: `rabbit_mgmt_format`: `to_basic_properties`, `basic_properties`; `rabbit_mgmt_wm_queue_get:payload_part`,
`rabbit_mgmt_wm_exchange_publish:decode`.
"""

import base64
import binascii
import re
from typing import Any, Final

from amqpy.core import views
from amqpy.management.answers import bad_request
from amqpy.management.checks import check_length
from amqpy.management.tables import table_of
from amqpy.profile import Profile
from amqpy.wire.properties import NAMES, decode_properties, headers_property
from amqpy.wire.values import encode_table

INTEGER_BYTES: Final = {"delivery_mode": 1, "priority": 1, "timestamp": 8}
"""The sizes of the properties that are integers. Of a larger one, RabbitMQ's client keeps the lower octets."""

ENCODINGS: Final = ("auto", "base64")


def encoded_properties(properties: object, profile: Profile) -> dict[str, bytes]:
    """The octets of each property in JSON, for `content_header`; those of other names do not matter. Raises Refusal."""
    if not isinstance(properties, dict):
        raise bad_request("properties should be an object")
    return {name: _encoded(name, properties[name], profile) for name in NAMES if name in properties}


def _encoded(name: str, value: object, profile: Profile) -> bytes:
    if name == "headers":
        if value is None or (isinstance(value, list) and value and "listed-headers" not in profile.management):
            raise bad_request(["not_table", name])
        # RabbitMQ keeps a list, and shows no headers.
        return headers_property(encode_table({} if isinstance(value, list) else table_of(value)))
    if (size := INTEGER_BYTES.get(name)) is not None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise bad_request(["not_int", name])
        if name == "delivery_mode" and not 0 <= value <= 255 and not profile.any_delivery_mode:
            raise bad_request(f"406 PRECONDITION_FAILED - invalid message: {{delivery_mode_unknown,{value}}}")
        return (value % (1 << 8 * size)).to_bytes(size, "big")
    if not isinstance(value, str):
        raise bad_request(["not_string", name])
    check_length(name, value)
    raw = value.encode()
    return bytes((len(raw),)) + raw


def body_of(payload: str, encoding: object) -> bytes:
    """The body of a message. Raises Refusal."""
    match encoding:
        case "string":
            return payload.encode()
        case "base64":
            try:
                return base64.b64decode(re.sub(r"[ \t\r\n]", "", payload), validate=True)
            except (binascii.Error, ValueError):
                raise bad_request(["not_base64", payload]) from None
    raise bad_request(["unsupported_encoding", encoding])


def shown_properties(header: bytes) -> dict[str, Any] | list[Any]:
    """The properties of a message. None are an empty list: Erlang prints an empty object like that."""
    properties = decode_properties(header)
    if "headers" in properties:
        properties["headers"] = views.json_of(properties["headers"])
    return properties or []


def shown_payload(body: bytes, encoding: str, truncate: int | None) -> dict[str, str]:
    """As many octets of a body as are asked for, as text if they are one and that will do, or else in base64."""
    part = body if truncate is None else body[:truncate]
    if encoding == "auto":
        try:
            return {"payload": part.decode(), "payload_encoding": "string"}
        except UnicodeDecodeError:
            pass
    return {"payload": base64.b64encode(part).decode(), "payload_encoding": "base64"}
