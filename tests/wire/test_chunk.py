"""Chunks: the layout, byte for byte, and entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.wire.chunk import ChunkHead, checksum, entry_of, read_entry, read_head, sub_batch_messages, write_head
from amqpy.wire.values import MalformedValue

HEAD = ChunkHead(0, 2, 3, 1_700_000_000_123, 1, 42, 0xCAFEBABE, 1000, 7, 16)
RAW = bytes.fromhex(
    "5000"  # magic, version, type
    "0002"
    "00000003"
    "0000018bcfe5687b"
    "0000000000000001"
    "000000000000002a"
    "cafebabe"
    "000003e8"
    "00000007"
    "10"
    "000000"
)


def test_the_header() -> None:
    assert write_head(HEAD) == RAW
    assert read_head(RAW) == HEAD
    assert read_head(b"before" + RAW, 6) == HEAD
    assert (HEAD.data_at, HEAD.size) == (64, 48 + 16 + 1000 + 7)


@pytest.mark.parametrize("raw", [b"", RAW[:-1], b"\x51" + RAW[1:], RAW[:-1] + b"\x01", bytes(48)])
def test_what_is_no_header(raw: bytes) -> None:
    with pytest.raises(MalformedValue):
        read_head(raw)


@pytest.mark.parametrize(
    "change",
    [{"data_size": 7}, {"entries": 0, "records": 0}, {"records": 1}, {"epoch": 0}, {"data_size": 0, "crc": 0}],
)
def test_numbers_that_do_not_fit_together(change: dict[str, int]) -> None:
    assert HEAD.is_sound
    assert not HEAD._replace(**change).is_sound


def test_the_checksum_is_crc_32() -> None:
    assert checksum(b"123456789") == 0xCBF43926


def test_messages() -> None:
    data = entry_of(b"hello") + entry_of(b"")
    first = read_entry(data, 0)
    assert first is not None
    assert (first.records, data[first.start : first.end], first.compression) == (1, b"hello", None)
    second = read_entry(data, first.end)
    assert second is not None
    assert (second.start, second.end) == (len(data), len(data))


@pytest.mark.parametrize("compression", range(8))
def test_sub_batches(compression: int) -> None:
    inner = entry_of(b"one") + entry_of(b"two")
    raw = bytes((0x80 | compression << 4,)) + b"\x00\x02" + bytes(3) + b"\x0e" + len(inner).to_bytes(4, "big") + inner
    entry = read_entry(raw, 0)
    assert entry is not None
    assert (entry.records, entry.compression, raw[entry.start : entry.end]) == (2, compression, inner)
    assert list(sub_batch_messages(inner)) == [b"one", b"two"]
    assert list(sub_batch_messages(inner[:-1])) == [b"one"]
    assert read_entry(raw[:10], 0) is None


def test_more_bytes_are_needed() -> None:
    assert read_entry(b"\0\0\0", 0) is None
    assert read_entry(b"", 0) is None


@given(st.binary(max_size=40), st.integers(0, 40))
def test_arbitrary_bytes(raw: bytes, position: int) -> None:
    entry = read_entry(raw, position)
    assert entry is None or position < entry.start <= entry.end
    assert sum(len(message) + 4 for message in sub_batch_messages(raw)) <= len(raw)
