"""Sizes and limits as people write them."""

import pytest

from amqpy.sizes import Limit, parse_limit, parse_size, parse_watermark


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1k", 1000),
        ("1kB", 1000),
        ("1KB", 1000),
        ("2Ki", 2048),
        ("2KiB", 2048),
        ("50MB", 50_000_000),
        ("50MiB", 50 << 20),
        ("3G", 3_000_000_000),
        ("3gb", 3_000_000_000),
        ("3GiB", 3 << 30),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "B", "MB", "1 MB", "1.5MB", "-1", "1X", "1MBs", "1kiBB", "\u0661", "1e3", "1\n"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0.4", Limit(share=0.4)),
        (".4", Limit(share=0.4)),
        ("40%", Limit(share=0.4)),
        ("0", Limit(share=0)),
        ("1", Limit(share=1)),
        ("1.0", Limit(share=1)),
        ("2", Limit(2)),
        ("2GiB", Limit(2 << 30)),
        ("none", None),
    ],
)
def test_limits(text: str, limit: Limit | None) -> None:
    assert parse_limit(text) == parse_watermark(text) == limit


def test_a_disk_may_need_more_than_the_memory_but_not_the_memory_itself() -> None:
    assert parse_limit("1.5") == parse_limit("150%") == Limit(share=1.5)
    for text in ("1.5", "101%"):
        with pytest.raises(ValueError, match="more than there is"):
            parse_watermark(text)


@pytest.mark.parametrize("text", ["", "None", "%", "0.4.4", "-0.4", "0.4GiB", "1001.0", "9" * 400 + ".0"])
def test_no_limits(text: str) -> None:
    with pytest.raises(ValueError, match=r"no size|too large a share"):
        parse_limit(text)


def test_a_share_is_one_of_the_memory() -> None:
    assert Limit(share=0.4).of(999) == 399
    assert Limit(500).of(999) == 500
