"""Sender-selected distribution: the headers CC and BCC name more routing keys for a message.

A message is routed to every queue that any of its keys matches, once. CC stays in the message, BCC is removed. Of
several headers with one name the first counts, and the others stay.

Source: `rabbit_basic:header_routes`, `rabbit_basic:strip_bcc_header`.
"""

from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import header_entries, headers_of, headers_property, join_properties, split_properties
from amqpy.wire.values import Field, decode_array, drop_entry


def take_copies(header: bytes) -> tuple[tuple[str, ...], bytes]:
    """Returns the additional routing keys, and the content header without BCC. Raises PreconditionFailed."""
    headers = headers_of(header)
    for name in ("CC", "BCC"):
        field = headers.get(name)
        if field is not None and field.kind != "array":
            raise PreconditionFailed(f'invalid message: {{unacceptable_type_in_header,"{name}",{field.kind}}}')
    keys = (*keys_in(headers.get("CC")), *keys_in(headers.get("BCC")))
    if "BCC" in headers:
        properties = split_properties(header)
        entries = header_entries(properties)
        drop_entry(entries, b"BCC")
        properties["headers"] = headers_property(b"".join(entry for _, entry in entries))
        header = join_properties(header, properties)
    return keys, header


def keys_in(field: Field | None) -> list[str]:
    """The routing keys in the value of a CC or BCC header."""
    if field is None or field.kind != "array":
        return []
    return [item.value for item in decode_array(field.value) if item.kind == "longstr"]
