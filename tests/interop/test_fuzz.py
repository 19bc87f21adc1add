"""The comparison of the scanner's twins meets every sort of octets, and finds what they differ in."""

import struct
from collections.abc import Callable, Sequence
from itertools import islice

import pytest

from amqpy.wire.scan import (
    COPIES,
    MALFORMED,
    Content,
    cut_acks_in_python,
    cut_run_in_python,
    deliveries_in_python,
    judge_in_python,
)
from interop.fuzz import FUNCTIONS, IN_PYTHON, SORTS, TwinsDiffer, compare, headers, message_lists, streams
from tests.wire.twins import TWINS

OTHER = {name: getattr(list(TWINS.values())[-1], name) for name in FUNCTIONS}
"""The functions in C, where that was built."""


def test_all_sorts_of_headers_are_met() -> None:
    seen = compare(1_000_000, headers(1), IN_PYTHON, OTHER)
    assert seen["octets"] >= 1_000_000
    assert min(seen["good"], seen["malformed"]) > 200
    assert min(seen["with copies"], seen["with direct reply-to"]) > 50


def test_all_sorts_of_streams_are_met() -> None:
    seen = compare(1_000_000, streams(1), IN_PYTHON, OTHER)
    assert min(seen["runs"], seen["runs of one"], seen["unusual"], seen["rows of acks"], seen["one or no ack"]) > 50
    assert seen["to be waited for"] > 20


def test_all_sorts_of_messages_are_met() -> None:
    seen = compare(5_000_000, message_lists(1), IN_PYTHON, OTHER)
    assert min(seen["deliveries"], seen["empty"], seen["overflows"]) > 20


@pytest.mark.parametrize("sort", SORTS)
def test_a_seed_says_which(sort: str) -> None:
    first, again, other = (list(islice(SORTS[sort](seed), 50)) for seed in (3, 3, 4))
    assert first == again != other


def without_depth(header: bytes) -> int:
    """Misses all that is wrong after a table inside of a table."""
    verdict = judge_in_python(header)
    return verdict if verdict != MALFORMED or header.count(b"F") < 2 else 0


def by_search(header: bytes) -> int:
    """Finds CC wherever it is."""
    verdict = judge_in_python(header)
    return verdict | COPIES if verdict != MALFORMED and b"\x02CC" in header else verdict


def one_too_many(header: bytes) -> int:
    """Does not mind one more octet."""
    return max(judge_in_python(header), judge_in_python(header[:-1]))


def never_unusual(data: bytes, position: int, frame_max: int) -> object:
    """Waits where frames are to be looked at one by one."""
    return cut_run_in_python(data, position, frame_max) or 1


def without_limit(data: bytes, position: int, frame_max: int) -> object:
    """Does not look at frame_max."""
    return cut_run_in_python(data, position, 2**63 - 1)


def with_any_end(data: bytes, position: int) -> object:
    """Takes what has another end, or is of another channel, for an acknowledgement."""
    head = data[position : position + 11]
    rest = (data[at + 11 : at + 20] for at in range(position, len(data) - 20, 21))
    return cut_acks_in_python(data[:position] + b"".join(head + each + b"\xce" for each in rest), position)


def one_less(
    opening: bytes, channel: int, tag: int, messages: Sequence[Content], start: int, body_max: int
) -> tuple[bytes, int]:
    """Leaves the last message out."""
    return deliveries_in_python(opening, channel, tag, messages[:-1], start, body_max)


def with_empty_frames(
    opening: bytes, channel: int, tag: int, messages: Sequence[Content], start: int, body_max: int
) -> tuple[bytes, int]:
    """Writes a frame for a body that is empty, behind the last message."""
    frames, count = deliveries_in_python(opening, channel, tag, messages, start, body_max)
    if count and not messages[start + count - 1].body:
        frames += struct.pack(">BHIB", 3, channel, 0, 0xCE)
    return frames, count


@pytest.mark.parametrize(
    ("sort", "name", "broken"),
    [
        ("headers", "judge", without_depth),
        ("headers", "judge", by_search),
        ("headers", "judge", one_too_many),
        ("streams", "cut_run", never_unusual),
        ("streams", "cut_run", without_limit),
        ("streams", "cut_acks", with_any_end),
        ("messages", "deliveries", one_less),
        ("messages", "deliveries", with_empty_frames),
    ],
)
def test_a_difference_is_found(sort: str, name: str, broken: Callable[..., object]) -> None:
    with pytest.raises(TwinsDiffer, match=rf"(?s)in Python, .* in C: {name}\("):
        compare(2_000_000, SORTS[sort](1), IN_PYTHON, {**IN_PYTHON, name: broken})
