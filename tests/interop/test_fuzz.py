"""The comparison of the scanner's twins meets every sort of header, and finds what they differ in."""

from itertools import islice

import pytest

from amqpy.wire.scan import COPIES, MALFORMED, judge_in_python
from interop.fuzz import TwinsDiffer, compare, headers
from tests.wire.twins import JUDGES


def test_all_sorts_are_met() -> None:
    seen = compare(1_000_000, 1, *(list(JUDGES.values()) * 2)[:2])
    assert seen["octets"] >= 1_000_000
    assert min(seen["good"], seen["malformed"]) > 200
    assert seen["with copies"] > 50


def test_a_seed_says_which_headers() -> None:
    first, again, other = (list(islice(headers(seed), 50)) for seed in (3, 3, 4))
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


@pytest.mark.parametrize("broken", [without_depth, by_search, one_too_many])
def test_a_difference_is_found(broken: object) -> None:
    assert callable(broken)
    with pytest.raises(TwinsDiffer, match=r"in Python, .* in C: "):
        compare(2_000_000, 1, judge_in_python, broken)
