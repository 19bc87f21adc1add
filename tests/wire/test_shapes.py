"""Conversions that are learned do what those do that they were learned from."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.profile import PROFILES
from amqpy.wire import shapes
from amqpy.wire.properties import content_header
from amqpy.wire.section_reader import SectionReader
from amqpy.wire.section_writer import SectionWriter
from amqpy.wire.shapes import BIT, SMALL, TEXT, TIME, Place, Shapes, learn
from interop.bench.messages import business_event, distinct
from tests.strategies import fields
from tests.wire.test_sections import ADDRESS, header_of

ANY_PROFILE = pytest.mark.parametrize("profile", sorted(PROFILES))


# --- messages that are alike


def texts(size: int) -> st.SearchStrategy[bytes]:
    """Mostly plain ones, and now and then any octets."""
    plain = st.text("abcXYZ019-/:.% \0\x7f", min_size=size, max_size=size).map(str.encode)
    return plain | plain | st.binary(min_size=size, max_size=size)


NUMBERS = st.binary(min_size=8, max_size=8) | st.integers(0, 2**35).map(lambda value: value.to_bytes(8, "big"))
SMALL_INTS = st.integers(0, 200).map(lambda value: b"I" + value.to_bytes(4, "big"))
BITS = st.sampled_from((b"t\0", b"t\1", b"t\2"))
BYTES = st.binary(min_size=1, max_size=1).map(lambda raw: b"b" + raw)


def values(kind: str, size: int) -> st.SearchStrategy[bytes]:
    """A field's tag and value; of texts, the same length each time."""
    if kind == "text":
        return texts(size).map(lambda raw: b"S" + size.to_bytes(4, "big") + raw)
    return {"int": SMALL_INTS, "bit": BITS, "byte": BYTES, "time": NUMBERS.map(lambda raw: b"T" + raw)}[kind]


KINDS = ("text", "text", "int", "bit", "byte", "time")


@st.composite
def families(draw: st.DrawFn) -> list[tuple[bytes, bytes, bytes]]:
    """Addresses, headers and bodies of messages with the same properties, whose values differ."""
    names = draw(st.lists(st.sampled_from(["a", "x-a", "x-stream-offset", "CC", "zz", "x-request-id"]), unique=True))
    kinds = [
        (name, draw(st.sampled_from(["text", "text", "int", "bit", "byte", "time"])), draw(st.integers(0, 40)))
        for name in names
    ]
    id_size, key_size = draw(st.sampled_from([0, 1, 36, 45])), draw(st.integers(0, 5))
    with_time, mode = draw(st.booleans()), draw(st.sampled_from([b"\1", b"\2"]))
    messages = []
    for _ in range(draw(st.integers(2, 8))):
        table = b"".join(bytes((len(name),)) + name.encode() + draw(values(kind, size)) for name, kind, size in kinds)
        parts = {"content_type": b"\4text", "headers": len(table).to_bytes(4, "big") + table, "delivery_mode": mode}
        if id_size:
            raw = draw(texts(id_size) | st.just(b"urn:uuid:550e8400-e29b-41d4-a716-446655440000"[:id_size]))
            parts["message_id"] = bytes((id_size,)) + raw
        if with_time:
            parts["timestamp"] = draw(NUMBERS)
        address = b"\4encx" + bytes((key_size,)) + draw(texts(key_size))
        messages.append((address, content_header(0, parts), draw(st.binary(max_size=3))))
    return messages


@given(st.sampled_from(sorted(PROFILES)), families())
def test_what_is_learned_makes_no_difference(profile: str, family: list[tuple[bytes, bytes, bytes]]) -> None:
    """Whether a message is the first one, or one like it came before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "EVERY", 1)
        writer, reader = SectionWriter(PROFILES[profile]), SectionReader(PROFILES[profile])
        for message in family:
            entry = writer.write(*message)
            assert entry == SectionWriter(PROFILES[profile]).write(*message)
            assert reader.read(entry[0]) == SectionReader(PROFILES[profile]).read(entry[0])


@ANY_PROFILE
def test_identifiers_that_are_uuids_have_no_shape(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "EVERY", 1)
    writer, urn = SectionWriter(PROFILES[profile]), "urn:uuid:550e8400-e29b-41d4-a716-446655440000"
    for message_id in ("x" * len(urn), "y" * len(urn), urn):
        header = header_of(message_id=message_id)
        assert writer.write(ADDRESS, header, b"") == SectionWriter(PROFILES[profile]).write(ADDRESS, header, b"")


@ANY_PROFILE
def test_a_known_prefix_before_a_body_that_is_no_data(profile: str) -> None:
    reader = SectionReader(PROFILES[profile])
    entry = SectionWriter(PROFILES[profile]).write(ADDRESS, header_of(message_id="1"), b"body")[0]
    prefix = entry.removesuffix(b"\x00\x53\x75\xa0\x04body")
    assert prefix != entry
    for body in (
        b"\x00\x53\x75\xa0\x01a",
        b"\x00\x53\x77\xa0\x01a",
        b"\x00\x53\x76\xa0\x01a",
        b"\x00\x53\x75\xa0\x01b",
    ):
        assert reader.read(prefix + body) == SectionReader(PROFILES[profile]).read(prefix + body)


@given(st.lists(fields, min_size=2, max_size=4))
def test_any_headers(some: list[Any]) -> None:
    writer, reader = SectionWriter(PROFILES["rabbitmq-4.3"]), SectionReader(PROFILES["rabbitmq-4.3"])
    for field in some:
        entry = writer.write(ADDRESS, header_of(headers={"x-h": field, "h": field}), b"")
        assert reader.read(entry[0]) == SectionReader(PROFILES["rabbitmq-4.3"]).read(entry[0])


@ANY_PROFILE
def test_most_messages_of_an_application_have_known_shapes(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "EVERY", 1)
    count = 300
    writer, reader = SectionWriter(PROFILES[profile]), SectionReader(PROFILES[profile])
    for each in distinct(business_event, "", "q", count=count):
        header = bytes(12) + each.property_flags.to_bytes(2, "big") + each.properties
        entry = writer.write(ADDRESS, header, each.body)
        assert entry == SectionWriter(PROFILES[profile]).write(ADDRESS, header, each.body)
        assert reader.read(entry[0]) == SectionReader(PROFILES[profile]).read(entry[0])
    assert writer._shapes.hits > count * 0.7  # noqa: SLF001
    assert reader._shapes.hits > count * 0.7  # noqa: SLF001


# --- learning


def whole(data: bytes) -> Iterator[Place]:
    yield Place(0, len(data), TEXT)


@pytest.mark.parametrize(
    "convert",
    [
        bytes.upper,
        lambda data: data[::-1],
        lambda data: data.replace(b"%", b"%25"),
        lambda data: data.replace(b"/", b"|"),
        lambda data: data + data,
        lambda data: data[:-1],
        lambda data: b"other" if data.startswith(b"a") else data,
        lambda data: b"const",
    ],
)
def test_a_conversion_that_does_not_copy_is_not_learned(convert: Any) -> None:  # noqa: ANN401
    assert learn(b"0123456789", whole, lambda data: [convert(data)], bytes) is None


def test_a_copy_is_learned() -> None:
    shape = learn(b"12345", whole, lambda data: [b"<", data, b">", b""], bytes)
    assert shape is not None
    assert shape.convert(b"54321") == [b"<", b"54321", b">", b""]
    assert shape.convert(b"5432\0") is None
    assert shape.convert(b"5432\xe9") is None


def test_numbers_and_times() -> None:
    def places(data: bytes) -> Iterator[Place]:
        yield from (Place(0, 1, SMALL), Place(1, 2, BIT), Place(2, 10, TIME))

    def twice(raw: bytes) -> bytes:
        return (2 * int.from_bytes(raw, "big") % 2**64).to_bytes(8, "big")

    def convert(data: bytes) -> list[bytes]:
        return [twice(data[2:10]) + data[:2] + data[10:]]

    shape = learn(b"\1\1" + bytes(8) + b"end", places, convert, twice)
    assert shape is not None
    for data in (b"\7\0" + b"\xff" * 8 + b"end", b"\x7f\1" + b"\1" * 8 + b"end"):
        assert shape.convert(data) == convert(data)
    for data in (b"\x80\0" + bytes(8) + b"end", b"\7\2" + bytes(8) + b"end", b"\7\0" + bytes(8) + b"and"):
        assert shape.convert(data) is None


def test_what_does_not_serve_is_not_learned_for_ever() -> None:
    random, learned = Random(1), 0

    def places(data: bytes) -> Iterator[Place]:
        nonlocal learned
        learned += 1
        yield Place(0, 2, TEXT)

    known = Shapes(lambda data: [data], places, bytes)
    for _ in range(10_000):
        data = b"ab" + random.randbytes(20)
        assert known.convert(data) is None
        known.note(data)
    assert learned == shapes.FREE


def test_what_serves_pays_for_more() -> None:
    known = Shapes(lambda data: [data], whole, bytes)
    for size in range(1, 100):
        for _ in range(2 * shapes.PAID_BY + shapes.EVERY):
            data = b"x" * size
            if known.convert(data) is None:
                known.note(data)
    assert known.convert(b"y" * 99) == [b"y" * 99]


def test_the_number_of_shapes_has_a_limit() -> None:
    known = Shapes(lambda data: [data], whole, bytes)
    for size in range(1, 2 * shapes.SHAPES_MAX):
        for _ in range(100):
            if known.convert(b"x" * size) is None:
                known.note(b"x" * size)
    assert sum(map(len, known._by_size.values())) <= shapes.SHAPES_MAX  # noqa: SLF001
    big = b"x" * (shapes.SIZE_MAX + 1)
    for _ in range(100):
        known.note(big)
    assert known.convert(big) is None
