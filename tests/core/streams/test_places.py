"""Where a consumer of a stream begins."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.streams.places import NEXT, Place, check_offset, interval_ms, place_of
from amqpy.wire.values import Field
from tests.core.streams.logs import ScriptedLog

DAY = 86_400_000


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, NEXT),
        (Field("longstr", "first"), Place("first")),
        (Field("binary", b"last"), Place("last")),
        (Field("longstr", "next"), NEXT),
        (Field("signedint", 5), Place("offset", 5)),
        (Field("long", 0), Place("offset", 0)),
        (Field("byte", -1), Place("from end", 1)),
        (Field("unsignedshort", 7), Place("offset", 7)),
        (Field("timestamp", 1_700_000_000), Place("timestamp", 1_700_000_000_000)),
        (Field("longstr", "1h"), Place("interval", 3_600_000)),
        (Field("longstr", "02m"), Place("interval", 120_000)),
    ],
)
def test_what_an_argument_means(field: Field | None, expected: Place) -> None:
    assert place_of(field) == expected
    assert field is None or check_offset(field) is None


@pytest.mark.parametrize(
    ("field", "term"),
    [
        (Field("longstr", "5"), '{longstr,<<"5">>}'),
        (Field("longstr", "FIRST"), '{longstr,<<"FIRST">>}'),
        (Field("longstr", ""), "{longstr,<<>>}"),
        (Field("longstr", "0h"), '{longstr,<<"0h">>}'),
        (Field("longstr", "1x"), '{longstr,<<"1x">>}'),
        (Field("bool", True), "{bool,true}"),
        (Field("double", 1.5), "{double,1.5}"),
        (Field("void", None), "{void,undefined}"),
        (Field("decimal", (0, 1)), "{decimal,{0,1}}"),
    ],
)
def test_what_means_nothing(field: Field, term: str) -> None:
    assert check_offset(field) == f"{{invalid_stream_offset_arg,{term}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1Y", 365 * DAY),
        ("2M", 60 * DAY),
        ("1D", DAY),
        ("1h", 3_600_000),
        ("1m", 60_000),
        ("10s", 10_000),
        ("s", None),
        ("1", None),
        ("-1s", None),
        ("1 s", None),
        ("0s", None),
        ("9" * 30 + "s", None),
        ("\u0661s", None),
    ],
)
def test_intervals(text: str, expected: int | None) -> None:
    assert interval_ms(text) == expected


def stream_of_chunks() -> ScriptedLog:
    """Ten chunks of two messages, a second apart, in segments of three chunks."""
    stream = ScriptedLog(segment_bytes=150)
    for number in range(10):
        stream.write(b"%d" % number, b"more")
        stream.now_ms += 1000
    return stream


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("first"), 0),
        (Place("last"), 18),
        (Place("next"), 20),
        (Place("offset", 3), 3),
        (Place("offset", 1000), 1000),
        (Place("from end", 1), 19),
        (Place("from end", 20), 0),
        (Place("from end", 10**30), 0),
        (Place("timestamp", 0), 0),
        (Place("timestamp", 1_000_000), 0),
        (Place("timestamp", 1_000_001), 2),
        (Place("timestamp", 1_003_000), 6),
        (Place("timestamp", 1_009_000), 18),
        (Place("timestamp", 1_009_001), 20),
        (Place("timestamp", 10**30), 20),
        (Place("interval", 1000), 18),
        (Place("interval", 1), 20),
        (Place("interval", 10**30), 0),
    ],
)
def test_places(place: Place, expected: int) -> None:
    assert stream_of_chunks().find(place) == expected
    assert stream_of_chunks().restarted().find(place) == expected


@given(st.integers(999_000, 1_011_000))
def test_any_time(timestamp_ms: int) -> None:
    """The first message of the first chunk that is not older."""
    stream = stream_of_chunks()
    times = [1_000_000 + number * 1000 for number in range(10)]
    expected = next((2 * number for number, time in enumerate(times) if time >= timestamp_ms), 20)
    assert stream.find(Place("timestamp", timestamp_ms)) == expected


def test_places_when_the_oldest_are_dropped() -> None:
    stream = stream_of_chunks()
    stream.log.bytes_max = 400
    stream.expire()
    first = stream.log.first
    assert first > 0
    for place in (Place("first"), Place("offset", 1), Place("from end", 100), Place("timestamp", 1)):
        assert stream.find(place) == first


def test_places_in_an_empty_stream() -> None:
    stream = ScriptedLog()
    for kind in ("first", "last", "next", "from end", "timestamp", "interval"):
        assert stream.find(Place(kind, 5)) == 0
    assert stream.find(Place("offset", 5)) == 5


def test_what_is_not_written_yet_is_before_the_next() -> None:
    stream = stream_of_chunks()
    stream.append(b"pending")
    assert stream.find(Place("next")) == 21
    assert stream.find(Place("last")) == 18
    assert stream.find(Place("timestamp", 10**15)) == 21


def test_a_decimal_that_erlang_prints() -> None:
    assert check_offset(Field("decimal", (2, Decimal(5)))) == "{invalid_stream_offset_arg,{decimal,{2,5}}}"
