"""The verdict on a content header: both twins give the one that the plainest reading of the grammar gives."""

import os
import struct
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amqpy.wire.properties import NAMES, decode_properties
from amqpy.wire.scan import (
    ASKS,
    COPIES,
    DIRECT_REPLY_TO,
    MALFORMED,
    SHAPES_MAX,
    delivery_mode_of,
    judge_in_python,
    shapes,
)
from amqpy.wire.values import MalformedValue
from tests.strategies import mangled
from tests.wire.keeping import kept_by
from tests.wire.test_properties import content_header, encoded, some_properties
from tests.wire.twins import JUDGES, Judge

both_twins = pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES)

# --- the plainest reading: takes apart what is there, recursively

OCTETS = {
    "b": 1,
    "B": 1,
    "t": 1,
    "s": 2,
    "u": 2,
    "I": 4,
    "i": 4,
    "f": 4,
    "l": 8,
    "L": 8,
    "d": 8,
    "T": 8,
    "V": 0,
    "D": 5,
}


def taken(data: bytes, size: int) -> tuple[bytes, bytes]:
    """The first octets, and the rest."""
    if size > len(data):
        raise MalformedValue
    return data[:size], data[size:]


def sized(data: bytes, octets: int) -> tuple[bytes, bytes]:
    """What follows a size of so many octets, and the rest."""
    size, data = taken(data, octets)
    return taken(data, int.from_bytes(size, "big"))


def after_value(data: bytes) -> bytes:
    tag, data = taken(data, 1)
    kind = tag.decode("latin-1")
    if kind in OCTETS:
        return taken(data, OCTETS[kind])[1]
    if kind not in "SxFA":
        raise MalformedValue
    content, data = sized(data, 4)
    if kind == "F":
        names_in(content)
    while kind == "A" and content:
        content = after_value(content)
    return data


def names_in(table: bytes) -> list[bytes]:
    names = []
    while table:
        name, table = sized(table, 1)
        names.append(name)
        table = after_value(table)
    return names


def plainest(header: bytes) -> int:
    try:
        (flags,) = struct.unpack(">H", taken(header[12:], 2)[0])
        verdict, data = flags, header[14:]
        for place, name in enumerate(NAMES):
            if not flags & 0x8000 >> place:
                continue
            if name == "headers":
                table, data = sized(data, 4)
                if {b"CC", b"BCC"} & set(names_in(table)):
                    verdict |= COPIES
            elif name in {"delivery_mode", "priority", "timestamp"}:
                value, data = taken(data, 8 if name == "timestamp" else 1)
                verdict |= value[0] << 16 if name == "delivery_mode" else 0
            else:
                value, data = sized(data, 1)
                verdict |= ASKS if (name, value) == ("reply_to", b"amq.rabbitmq.reply-to") else 0
    except MalformedValue:
        return MALFORMED
    return MALFORMED if data else verdict


# --- by chance

_ITEMS = st.sampled_from([b"V", b"t\x01", b"I\x00\x00\x00\x01", b"S\x00\x00\x00\x02hi", b"A\x00\x00\x00\x01V"])
_NAMES = st.sampled_from([b"", b"k", b"CC", b"BCC", b"cc", b"CCC", b"xBCC"])


def _named(names: st.SearchStrategy[bytes], items: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    entries = st.tuples(names, items).map(lambda entry: bytes((len(entry[0]),)) + entry[0] + entry[1])
    return st.lists(entries, max_size=4).map(b"".join)


def _containers(items: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    tables = _named(_NAMES, items).map(lambda content: b"F" + struct.pack(">I", len(content)) + content)
    arrays = st.lists(items, max_size=4).map(b"".join)
    return tables | arrays.map(lambda content: b"A" + struct.pack(">I", len(content)) + content)


_TABLES = _named(_NAMES, st.recursive(_ITEMS, _containers, max_leaves=8))


def with_headers(table: bytes) -> bytes:
    return content_header(0x2000, struct.pack(">I", len(table)) + table)


@both_twins
@given(some_properties.map(encoded).flatmap(mangled) | some_properties.map(encoded) | st.binary(max_size=60))
@example(b"")
@example(content_header(0, b"")[:-1])
@example(content_header(0, b""))
def test_headers(judge: Judge, header: bytes) -> None:
    assert judge(header) == plainest(header)


@both_twins
@given(st.integers(0, 0xFFFF), st.binary(max_size=60))
def test_any_flags(judge: Judge, flags: int, rest: bytes) -> None:
    header = content_header(flags, rest)
    assert judge(header) == plainest(header)


@both_twins
@given(_TABLES.map(with_headers).flatmap(mangled) | _TABLES.map(with_headers))
def test_tables(judge: Judge, header: bytes) -> None:
    assert judge(header) == plainest(header)


@both_twins
@given(some_properties.map(encoded).flatmap(mangled) | _TABLES.map(with_headers).flatmap(mangled))
def test_what_is_good_can_be_read_and_nothing_else(judge: Judge, header: bytes) -> None:
    verdict = judge(header)
    try:
        read = decode_properties(header)
    except MalformedValue:
        assert verdict == MALFORMED
    else:
        assert delivery_mode_of(verdict) == read.get("delivery_mode")
        assert bool(verdict & COPIES) == (not {"CC", "BCC"}.isdisjoint(read.get("headers", {})))
        assert verdict & 0xFFFF == int.from_bytes(header[12:14], "big")


# --- by hand


@both_twins
def test_every_type_and_every_cut(judge: Judge) -> None:
    for tag in range(256):
        for size in range(12):
            header = with_headers(b"\x01k" + bytes((tag,)) + bytes(size))
            assert judge(header) == plainest(header), (tag, size)


@both_twins
def test_every_property_and_every_cut(judge: Judge) -> None:
    properties = dict.fromkeys(NAMES, "ab") | {"headers": {}, "delivery_mode": 255, "priority": 9, "timestamp": 1}
    whole = encoded(properties)
    assert judge(whole) == 0xFFFC | 255 << 16
    assert {judge(whole[:size]) for size in range(len(whole))} == {MALFORMED}
    assert judge(whole + b"\0") == MALFORMED
    for name, value in properties.items():
        header = encoded({name: value})
        assert judge(header) == plainest(header) >= 0
        assert judge(header[:-1]) == judge(header + b"\0") == MALFORMED


@both_twins
def test_flags_of_no_property_mean_nothing(judge: Judge) -> None:
    assert judge(content_header(0x8003, b"\x01a")) == 0x8003


@both_twins
@pytest.mark.parametrize("mode", [None, 0, 1, 2, 255])
def test_delivery_modes(judge: Judge, mode: int | None) -> None:
    assert delivery_mode_of(judge(encoded({} if mode is None else {"delivery_mode": mode}))) == mode


@both_twins
def test_direct_replies_are_asked_for_by_one_name(judge: Judge) -> None:
    name = DIRECT_REPLY_TO[1:].decode()
    assert judge(encoded({"reply_to": name})) == 0x0200 | ASKS
    assert judge(encoded({"reply_to": name, "delivery_mode": 2, "app_id": "a"})) == 0x1208 | 2 << 16 | ASKS
    assert judge(encoded({"reply_to": name})[:-1]) == judge(encoded({"reply_to": name}) + b"\0") == MALFORMED
    for other in (name[:-1], name + ".", name.upper(), ""):
        assert judge(encoded({"reply_to": other})) == 0x0200
    for elsewhere in ("correlation_id", "expiration", "type"):
        assert not judge(encoded({elsewhere: name})) & ASKS


@both_twins
@pytest.mark.parametrize(
    ("table", "names_copies"),
    [
        (b"\x02CCV", True),
        (b"\x03BCCV", True),
        (b"\x01kV\x02CCS\0\0\0\0\x01lV", True),
        (b"\x02ccV\x03CCCV\x04BCC\0V\x01CV\0V", False),
        (b"\x01kS\0\0\0\x03\x02CC", False),
        (b"\x01kF\0\0\0\x04\x02CCV", False),
        (b"\x01kA\0\0\0\x09F\0\0\0\x04\x02CCV", False),
        (b"\x01kF\0\0\0\0\x02CCV", True),
    ],
)
def test_copies_are_named_at_the_top(judge: Judge, table: bytes, names_copies: bool) -> None:
    assert judge(with_headers(table)) == 0x2000 | (COPIES if names_copies else 0)


@both_twins
@pytest.mark.parametrize("tag", [b"F", b"A"])
@pytest.mark.parametrize("depth", [64, 65, 20_000])
@pytest.mark.parametrize("innermost", [b"", b"V", b"Z", b"S\x00\x00\x00\x01"])
def test_tables_in_tables(judge: Judge, tag: bytes, depth: int, innermost: bytes) -> None:
    name = b"\0" if tag == b"F" else b""
    item = name + innermost if innermost else b""
    around = len(name) + 5
    sizes = (len(item) + around * inside for inside in reversed(range(depth)))
    first, *others = (struct.pack(">cI", tag, size) for size in sizes)
    header = with_headers(b"".join([b"\x01k", first, *(name + each for each in others), item]))
    assert judge(header) == (0x2000 if innermost in {b"", b"V"} else MALFORMED)


@both_twins
@pytest.mark.parametrize("beyond", [1, 2, 7, 100])
def test_tables_that_claim_more_than_the_one_around_them_has(judge: Judge, beyond: int) -> None:
    table = b"\x01kA\x00\x00\x00" + bytes((3 + beyond,)) + b"b\x01V"
    raw = struct.pack(">I", len(table)) + table + bytes((beyond,)) + b"V" * beyond
    assert judge(content_header(0x2008, raw)) == MALFORMED


@both_twins
@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFB, 0xFFFFFFFF])
def test_sizes_that_overflow(judge: Judge, size: int) -> None:
    claim = struct.pack(">I", size)
    assert judge(content_header(0x2000, claim + b"\x01kV")) == MALFORMED
    for tag in b"S", b"x", b"F", b"A":
        assert judge(with_headers(b"\x01k" + tag + claim + b"V")) == MALFORMED
        assert judge(with_headers(b"\x01kA\0\0\0\x06" + tag + claim + b"V")) == MALFORMED


@both_twins
def test_nothing_is_kept(judge: Judge) -> None:
    good = with_headers(b"\x01k" + b"A\0\0\0\x05" + b"A\0\0\0\0")
    bad = good[:-1] + b"\1"
    for _ in range(100):  # until Python has adapted its code to what comes
        judge(good)
        judge(bad)
    for header in good, bad:
        assert kept_by(partial(judge, header)) < 10_000  # a thousand times the smallest thing would be more


def test_few_combinations_of_flags_are_remembered() -> None:
    for flags in range(0, 4 * SHAPES_MAX, 2):
        judge_in_python(content_header(flags, b""))
    assert 0 < len(shapes) <= SHAPES_MAX


@both_twins
def test_only_octets_are_judged(judge: Judge) -> None:
    with pytest.raises(TypeError):
        judge(None)  # type: ignore[arg-type]


# --- the choice


@pytest.mark.parametrize(("variable", "language"), [("1", "Python"), ("0", list(JUDGES)[-1]), ("", list(JUDGES)[-1])])
def test_the_environment_may_ask_for_python(variable: str, language: str) -> None:
    program = "from amqpy.wire import scan; print(scan.LANGUAGE, scan.judge is scan.judge_in_python)"
    environment = os.environ | {"AMQPY_PURE": variable}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [language, str(language == "Python")]
