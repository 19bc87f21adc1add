"""Sections of AMQP 1.0: the parts of a message in a stream.

    header  annotations  properties  application properties  data

What comes before the data is the *prefix*: exchange, routing key and all properties. `section_writer` makes sections of
messages of AMQP 0-9-1, `section_reader` is the way back. Publishers that change only the body have the same prefix each
time, so both remember some prefixes, and then cost little more than a copy.

Source: AMQP 1.0 part 3.2; `rabbit_msg_record` (RabbitMQ 3.10), `mc_amqpl`, `mc_amqp` (3.13 and later).
"""

from collections.abc import Iterator
from typing import Final

from amqpy.wire import amqp1
from amqpy.wire.values import MalformedValue

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES = 0x70, 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = 0x74, 0x75, 0x76, 0x77, 0x78

DATA_HEAD: Final = b"\x00\x53\x75"
AMQP_1_0: Final = b"amqp-1.0"
"""The type of a message whose body is sections of AMQP 1.0."""
URN: Final = b"urn:uuid:"

PREFIXES_MAX: Final = 64
"""Prefixes that a stream remembers, each way."""
REMEMBERED_MAX: Final = 512
"""Bytes of properties up to which they are remembered: longer ones are likely to have identifiers."""
DEPTH_MAX: Final = 32
"""Tables and arrays inside each other up to which they are converted; deeper ones are left out."""

_SMALL_ID, _LARGE_ID = b"\x00\x53", b"\x00\x80\x00\x00\x00\x00\x00\x00\x00"


def section(code: int, value: bytes) -> bytes:
    """Makes a section of its encoded value."""
    return b"\x00\x53%c" % code + value


def split_sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields the sections: code, and where the value begins and ends. Raises MalformedValue."""
    position = 0
    while position < len(data):
        if data.startswith(_SMALL_ID, position):
            at = position + 2
        elif data.startswith(_LARGE_ID, position):
            at = position + 9
        else:
            raise MalformedValue("not a section")
        if at >= len(data) or not HEADER <= data[at] <= FOOTER:
            raise MalformedValue("unknown section")
        end = amqp1.end_of(data, at + 1)
        yield data[at], at + 1, end
        position = end


def is_body(sections: bytes) -> bool:
    """True if these are sections of AMQP 1.0 that a body may have."""
    try:
        codes = [code for code, _, _ in split_sections(sections)]
    except MalformedValue:
        return False
    return bool(codes) and codes[0] != FOOTER and all(code in {DATA, SEQUENCE, VALUE, FOOTER} for code in codes)
