"""Sender-selected distribution: the headers CC and BCC name more routing keys for a message.

A message goes to every queue that any of its keys leads to, once. CC stays in the message, BCC is taken out.

Source: `rabbit_basic:header_routes`, `rabbit_basic:strip_bcc_header`.
"""

from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import headers_of, replace_headers
from amqpy.wire.values import Field


def may_have_copies(header: bytes) -> bool:
    """A quick look: False means that there is neither a CC nor a BCC."""
    return b"CC" in header


def take_copies(header: bytes) -> tuple[tuple[str, ...], bytes]:
    """The additional routing keys, and the content header without BCC. Raises PreconditionFailed."""
    headers = headers_of(header)
    for name in ("CC", "BCC"):
        field = headers.get(name)
        if field is not None and field.kind != "array":
            raise PreconditionFailed(f'invalid message: {{unacceptable_type_in_header,"{name}",{field.kind}}}')
    keys = (*keys_in(headers.get("CC")), *keys_in(headers.get("BCC")))
    if "BCC" in headers:
        del headers["BCC"]
        header = replace_headers(header, headers)
    return keys, header


def keys_in(field: Field | None) -> list[str]:
    """The routing keys in the value of a CC or BCC header."""
    if field is None or field.kind != "array":
        return []
    return [item.value for item in field.value if item.kind == "longstr"]
