"""Frames of the raw client, against bytes that were written down."""

import struct
import zlib

import pytest

from interop.stream import codec
from interop.stream.chunk import BadChunk, Chunk


def test_a_request_has_size_key_version_and_correlation() -> None:
    assert codec.request("Create", 7, stream="s", arguments=[("a", "b")]).hex() == (
        "00000015" + "000d0001" + "00000007" + "000173" + "00000001" + "000161" + "000162"
    )


def test_fields_at_the_end_that_are_not_given_are_not_sent() -> None:
    sent = codec.request("Subscribe", 1, subscription=3, stream="s", offset="next", credit=2)
    assert sent[12:] == b"\x03\0\1s\0\3\0\2"


@pytest.mark.parametrize(
    ("given", "written"),
    [("first", "0001"), (("offset", 5), "00040000000000000005"), (("timestamp", -1), "0005ffffffffffffffff")],
)
def test_offset_specifications(given: str | tuple[str, int], written: str) -> None:
    assert codec.offset(given).hex() == written


def test_an_unknown_field_is_a_mistake_of_the_script() -> None:
    with pytest.raises(TypeError, match="no field x"):
        codec.request("Delete", 1, x=1)


def test_a_publish_of_the_second_version_has_values_for_filters() -> None:
    sent = codec.request("Publish", 0, 2, publisher=1, messages=[(5, "v", b"m"), (6, None, b"")])
    assert sent[4:].hex() == (
        "00020002" + "01" + "00000002" + "0000000000000005000176000000016d" + "0000000000000006ffff00000000"
    )


def test_a_sub_batch_has_its_sizes() -> None:
    assert codec.sub_batch([b"a"], compression=1, data=b"zz") == b"\x90\0\1\0\0\0\5\0\0\0\2zz"


def test_a_response_has_code_and_fields() -> None:
    frame = codec.parsed(bytes.fromhex("800b0001" + "00000002" + "0001" + "0000000000000009"))
    assert (frame.name, frame.is_response, frame.correlation, frame.code) == ("QueryOffset", True, 2, 1)
    assert frame.fields == {"offset": 9}


def test_a_refusal_may_have_no_fields() -> None:
    frame = codec.parsed(bytes.fromhex("800b0001" + "00000002" + "0013"))
    assert (frame.code, frame.fields) == (19, {})


def test_the_error_of_a_credit_has_no_correlation() -> None:
    frame = codec.parsed(bytes.fromhex("80090001" + "0004" + "07"))
    assert (frame.correlation, frame.fields) == (None, {"code": 4, "subscription": 7})


@pytest.mark.parametrize(
    "content", ["800b0001" + "00000002" + "0001" + "00", "800e0001" + "000000020001" + "00", "0063"]
)
def test_what_cannot_be_read_has_no_name(content: str) -> None:
    assert codec.parsed(bytes.fromhex(content)).name == ""


def chunk_of(data: bytes, **header: int) -> bytes:
    values = {"crc": zlib.crc32(data), "size": len(data), **header}
    return struct.pack(">BBHIqQQIIIB3x", 0x50, 0, 2, 3, 1, 1, 10, values["crc"], values["size"], 0, 0) + data


DATA = b"\0\0\0\1m" + codec.sub_batch([b"a", b"b"])


def test_a_chunk_has_its_entries() -> None:
    chunk = Chunk.parse(chunk_of(DATA))
    assert (chunk.id, chunk.entry_count, chunk.record_count) == (10, 2, 3)
    assert chunk.is_sound
    assert list(chunk.entries()) == [(0, b"m"), (0x80, DATA[5:])]


def test_a_wrong_checksum_or_size_is_seen() -> None:
    assert not Chunk.parse(chunk_of(DATA, crc=1)).is_sound
    assert not Chunk.parse(chunk_of(DATA, size=1)).is_sound


@pytest.mark.parametrize("data", [b"\0\0\0\5m", b"\0\0", b"\x80\0"])
def test_entries_that_are_cut_off(data: bytes) -> None:
    with pytest.raises(BadChunk):
        list(Chunk.parse(chunk_of(data)).entries())
    with pytest.raises(BadChunk):
        Chunk.parse(b"\x50")
