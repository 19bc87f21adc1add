"""Properties as RabbitMQ writes them anew from 3.13 on; the expected bytes were seen from RabbitMQ 4.0.5."""

import struct

import pytest

from interop.parity import codec
from interop.parity.codec import Frame
from interop.parity.rewriting import written_anew


def header(properties: bytes) -> Frame:
    return codec.parse_frame(codec.HEADER, 1, codec.header_payload(4, properties))


def headers(table: bytes) -> bytes:
    return b"\x20\x00" + struct.pack(">I", len(table)) + table


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(b"\0\0", b"\0\0", id="none"),
        pytest.param(b"\0\x02", b"\0\0", id="a flag that stands for nothing"),
        pytest.param(b"\0\x01", b"\0\0", id="more flags announced"),
        pytest.param(b"\x01\0\x07+500000", b"\x01\0\x06500000", id="plus"),
        pytest.param(b"\x01\0\x070700000", b"\x01\0\x06700000", id="zeros"),
        pytest.param(
            headers(b"\x01zI\0\0\0\x01\x01aI\0\0\0\x02\x01zI\0\0\0\x03"),
            headers(b"\x01aI\0\0\0\x02\x01zI\0\0\0\x01"),
            id="sorted, the first of a name",
        ),
        pytest.param(headers(b"\x01tt\x02"), headers(b"\x01tt\x01"), id="a flag"),
        pytest.param(
            headers(b"\x01FF\0\0\0\x12\x01zL\0\0\0\0\0\0\0\0\x01at\x02\x01zV"),
            headers(b"\x01FF\0\0\0\x12\x01zl\0\0\0\0\0\0\0\0\x01at\x01\x01zV"),
            id="a table within, in its order",
        ),
        pytest.param(
            headers(b"\x01AA\0\0\0\x10t\x02L\0\0\0\0\0\0\0\x01S\0\0\0\0"),
            headers(b"\x01AA\0\0\0\x10t\x01l\0\0\0\0\0\0\0\x01S\0\0\0\0"),
            id="an array",
        ),
        pytest.param(
            b"\xff\xfc\x01a\x01b\0\0\0\0\x02\x05\x01c\x01d\x0212\x01e\0\0\0\0\0\0\0\x01\x01f\x01g\x01h\x01i",
            b"\xff\xfc\x01a\x01b\0\0\0\0\x02\x05\x01c\x01d\x0212\x01e\0\0\0\0\0\0\0\x01\x01f\x01g\x01h\x01i",
            id="every property",
        ),
    ],
)
def test_what_is_written(given: bytes, expected: bytes) -> None:
    written = written_anew(header(given))
    assert written.payload == header(expected).payload
    assert written_anew(written) == written


@pytest.mark.parametrize(
    "malformed",
    [b"", b"\x80", b"\x80\0", b"\x80\0\x01ab", headers(b"\x01a?"), headers(b"\x01aS\0\0"), b"\x01\0\x02no"],
)
def test_what_cannot_be_read_stays(malformed: bytes) -> None:
    assert written_anew(header(malformed)) == header(malformed)


def test_other_frames_stay() -> None:
    frame = codec.parse_frame(codec.BODY, 1, header(headers(b"\x01tt\x02")).payload)
    assert written_anew(frame) == frame
