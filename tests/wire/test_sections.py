"""Messages of AMQP 0-9-1 as sections of AMQP 1.0 and back: RabbitMQ's bytes, round trips, and arbitrary bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.profile import PROFILES
from amqpy.wire import amqp1
from amqpy.wire.properties import NAMES, content_header, decode_properties, header_entries, split_properties
from amqpy.wire.section_reader import SectionReader
from amqpy.wire.section_writer import SectionWriter
from amqpy.wire.sections import section, split_sections
from amqpy.wire.values import Field, MalformedValue, array_field, encode_table, table_field
from tests.strategies import fields

ADDRESS = b"\x04encx\x02rk"
URN = "urn:uuid:550e8400-e29b-41d4-a716-446655440000"


def header_of(**properties: Any) -> bytes:  # noqa: ANN401
    parts = {}
    for name in NAMES:
        value = properties.pop(name, None)
        if isinstance(value, dict):
            raw = encode_table(value)
            parts[name] = len(raw).to_bytes(4, "big") + raw
        elif isinstance(value, str):
            parts[name] = bytes((len(value.encode()),)) + value.encode()
        elif value is not None:
            parts[name] = value.to_bytes(8 if name == "timestamp" else 1, "big")
    assert not properties
    return content_header(0, parts)


def header_with(table: dict[str, Field]) -> bytes:
    return header_of(headers=table)


def written(profile: str, header: bytes = header_of(), body: bytes = b"hello") -> bytes:
    return SectionWriter(PROFILES[profile]).write(ADDRESS, header, body)[0]


def again(profile: str, header: bytes, body: bytes = b"hello") -> tuple[dict[str, Any], bytes]:
    """The properties that come back, and the body."""
    return read(profile, written(profile, header, body))


def read(profile: str, entry: bytes) -> tuple[dict[str, Any], bytes]:
    prefix, body = SectionReader(PROFILES[profile]).read(entry)
    return decode_properties(prefix.header(7, len(body))), body


def sections_of(entry: bytes) -> dict[int, str]:
    return {code: entry[start:end].hex() for code, start, end in split_sections(entry)}


HELLO_3_10 = (
    bytes.fromhex("005372c12604a30d")
    + b"x-routing-key\xa1\x02rk\xa3\x0ax-exchange\xa1\x04encx"
    + b"\x00\x53\x75\xa0\x05hello"
)
HELLO_ANNOTATIONS = bytes.fromhex("005372c12604a30a") + b"x-exchange\xa1\x04encx\xa3\x0dx-routing-key\xa1\x02rk"
HELLO_4_0 = bytes.fromhex("005370c0060542404041 43") + HELLO_ANNOTATIONS + b"\x00\x53\x75\xa0\x05hello"
HELLO_3_13 = bytes.fromhex("005370c0060542404040 40") + HELLO_ANNOTATIONS + b"\x00\x53\x75\xa0\x05hello"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("rabbitmq-3.10", HELLO_3_10),
        ("rabbitmq-3.13", HELLO_3_13),
        ("rabbitmq-4.0", HELLO_4_0),
        ("rabbitmq-4.3", HELLO_4_0),
    ],
)
def test_a_message_without_properties(profile: str, expected: bytes) -> None:
    """Byte for byte what RabbitMQ has in its log."""
    assert written(profile) == expected


def test_all_properties_in_the_form_of_3_10() -> None:
    """Byte for byte what RabbitMQ has in its log."""
    properties = {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "delivery_mode": 2,
        "priority": 7,
        "correlation_id": "corr",
        "reply_to": "rt",
        "expiration": "60000",
        "message_id": "mid",
        "timestamp": 1_700_000_000,
        "type": "ty",
        "user_id": "guest",
        "app_id": "app",
    }
    table = {"s": Field("longstr", "t")}
    entry = written("rabbitmq-3.10", header_of(**properties, headers=table))
    found = sections_of(entry)
    expected = b"\xc0\x38\x0d\xa1\x03mid\xa0\x05guest\x40\x40\xa1\x02rt\xa1\x04corr\xa3\x0atext/plain\xa3\x04gzip\x40"
    assert found[0x73] == (expected + bytes.fromhex("830000018bcfe56800404040")).hex()
    names = (b"x-routing-key", b"x-exchange", b"x-basic-priority", b"x-basic-delivery-mode", b"x-basic-expiration")
    places = [entry.index(name) for name in names]
    assert places == sorted(places)
    more = [key.value for key, _ in amqp1.pairs_of(bytes.fromhex(found[0x74]))]
    assert more == [b"x-basic-type", b"x-basic-app-id", b"s"]
    found_again, body = read("rabbitmq-3.10", entry)
    assert found_again == properties | {"headers": table | {"x-stream-offset": Field("long", 7)}}
    assert body == b"hello"


@pytest.mark.parametrize("profile", PROFILES)
def test_all_properties_come_back(profile: str) -> None:
    """But for the cluster id, which RabbitMQ drops, too."""
    properties = {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": URN,
        "reply_to": "rt",
        "expiration": "5000",
        "message_id": "mid",
        "type": "ty",
        "user_id": "guest",
        "app_id": "app",
    }
    found, body = again(profile, header_of(**properties, cluster_id="gone"))
    assert found.pop("headers") == {"x-stream-offset": Field("long", 7)}
    assert (found, body) == (properties, b"hello")


@pytest.mark.parametrize("profile", ["rabbitmq-3.13", "rabbitmq-4.0", "rabbitmq-4.3"])
def test_a_uuid_is_stored_as_one(profile: str) -> None:
    entry = written(profile, header_of(message_id=URN, correlation_id="urn:uuid:550e8400-e29b-41d4-a716-44665544000g"))
    items = list(amqp1.items_of(bytes.fromhex(sections_of(entry)[0x73])))
    assert items[0] == amqp1.Value("uuid", bytes.fromhex("550e8400e29b41d4a716446655440000"))
    assert items[5].kind == "string"


def test_a_time_to_live_beyond_32_bits_survives() -> None:
    for profile in PROFILES:
        assert again(profile, header_of(expiration="315360000000"))[0]["expiration"] == "315360000000"


SIMPLE = {
    "S": Field("longstr", "text"),
    "s": Field("short", -3),
    "u": Field("unsignedshort", 65535),
    "I": Field("signedint", -70000),
    "i": Field("unsignedint", 4_000_000_000),
    "l": Field("long", -(2**40)),
    "b": Field("byte", -1),
    "B": Field("unsignedbyte", 255),
    "f": Field("float", 1.5),
    "d": Field("double", -2.25),
    "t": Field("bool", True),
    "T": Field("timestamp", 1_700_000_000),
    "V": Field("void", None),
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("prefix", ["", "x-h-"])
def test_headers_keep_their_types(profile: str, prefix: str) -> None:
    table = {prefix + name: field for name, field in SIMPLE.items()}
    found = again(profile, header_with(table))[0]["headers"]
    assert found == table | {"x-stream-offset": Field("long", 7)}
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("rabbitmq-3.10", Field("binary", b"\xff")), ("rabbitmq-3.13", Field("longstr", "\udcff"))],
)
def test_byte_arrays(profile: str, expected: Field) -> None:
    assert again(profile, header_with({"x": Field("binary", b"\xff")}))[0]["headers"]["x"] == expected


def test_containers_stay_only_in_annotations() -> None:
    inner = table_field({"n": Field("signedint", 1), "a": array_field([Field("longstr", "v")])})
    table = {"x-t": inner, "x-a": array_field([inner, Field("void", None)]), "t": inner, "a": array_field([])}
    dropped = {"x-dec": Field("decimal", (2, 5)), "dec": Field("decimal", (2, 5))}
    found = again("rabbitmq-3.13", header_with(table | dropped))[0]["headers"]
    assert set(found) == {"x-t", "x-a", "x-stream-offset"}
    assert found["x-t"] == inner
    assert found["x-a"] == table["x-a"]
    assert set(again("rabbitmq-3.10", header_with(table | dropped))[0]["headers"]) == {"x-stream-offset"}


def test_deep_containers_end_somewhere() -> None:
    field = Field("longstr", "deep")
    for _ in range(500):
        field = array_field([field])
    again("rabbitmq-3.13", header_with({"x-deep": field}))


def test_copies() -> None:
    keys = array_field([Field("longstr", "k1"), Field("longstr", "k2")])
    found = again("rabbitmq-3.13", header_with({"CC": keys, "BCC": keys}))[0]["headers"]
    assert found == {"CC": keys, "x-stream-offset": Field("long", 7)}


def test_the_offset_takes_the_place_of_the_publishers() -> None:
    for profile in PROFILES:
        table = {"x-stream-offset": Field("longstr", "mine"), "a": Field("void", None), "z": Field("void", None)}
        found = again(profile, header_with(table))[0]["headers"]
        assert list(found) == ["a", "x-stream-offset", "z"]
        assert found["x-stream-offset"] == Field("long", 7)


def test_names_of_our_own_annotations_are_the_publishers_the_second_time() -> None:
    table = {"x-exchange": Field("longstr", "mine"), "x-routing-key": Field("signedint", 1)}
    entry = written("rabbitmq-3.13", header_with(table))
    prefix, _ = SectionReader(PROFILES["rabbitmq-3.13"]).read(entry)
    assert prefix.address == ADDRESS
    assert decode_properties(prefix.header(7, 0))["headers"] == table | {"x-stream-offset": Field("long", 7)}


def test_filter_values() -> None:
    writer = SectionWriter(PROFILES["rabbitmq-3.13"])
    table = {"x-stream-filter-value": Field("longstr", "invoices")}
    assert writer.write(ADDRESS, header_with(table), b"")[1] == b"invoices"
    assert writer.write(ADDRESS, header_with({"x-stream-filter-value": Field("signedint", 1)}), b"")[1] is None
    assert writer.write(ADDRESS, header_of(), b"")[1] is None


# --- the other protocol's messages


def test_bodies_of_amqp_1_0() -> None:
    value = section(0x77, amqp1.string(b"v"))
    entry = written("rabbitmq-3.13", header_of(type="amqp-1.0"), value)
    assert entry.endswith(value)
    assert 0x75 not in sections_of(entry)
    found, body = read("rabbitmq-3.13", entry)
    assert (found["type"], body) == ("amqp-1.0", value)
    plain = written("rabbitmq-3.13", header_of(type="amqp-1.0"), b"no sections")
    assert plain.endswith(b"\x00\x53\x75\xa0\x0bno sections")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (section(0x75, amqp1.binary(b"one")) + section(0x75, amqp1.binary(b"two")), b"onetwo"),
        (section(0x75, amqp1.binary(b"one")) + section(0x78, amqp1.map_of([])), b"one"),
        (section(0x71, amqp1.map_of([])) + section(0x75, b"\xb0\x00\x00\x00\x01x"), b"x"),
        (b"\x00\x80\x00\x00\x00\x00\x00\x00\x00\x75\xa0\x01x", b"x"),
        (section(0x72, amqp1.map_of([])), b""),
        (b"", b""),
        (b"plain text", b"plain text"),
        (section(0x75, amqp1.string(b"no binary")), section(0x75, amqp1.string(b"no binary"))),
        (section(0x72, amqp1.list_of([])) + section(0x75, b"\xa0\x01x"), None),
        (section(0x77, amqp1.uint(1)), section(0x77, amqp1.uint(1))),
        (section(0x76, b"\x45") + section(0x76, b"\x45"), section(0x76, b"\x45") * 2),
    ],
)
def test_what_native_clients_store(entry: bytes, expected: bytes | None) -> None:
    """What is no AMQP 1.0 comes as it is."""
    assert read("rabbitmq-3.13", entry)[1] == (entry if expected is None else expected)


def test_identifiers_of_other_types() -> None:
    def properties(identifier: bytes) -> bytes:
        return section(0x73, amqp1.list_of([identifier])) + section(0x75, b"\xa0\x00")

    found = read("rabbitmq-3.13", properties(b"\x80" + (2**63).to_bytes(8, "big")))[0]
    assert found["message_id"] == str(2**63)
    found = read("rabbitmq-3.13", properties(amqp1.binary(b"\x01")))[0]
    assert found["headers"]["x-message-id"] == Field("binary", b"\x01")
    found = read("rabbitmq-3.13", properties(amqp1.string(b"m" * 256)))[0]
    assert found["headers"]["x-message-id"] == Field("longstr", "m" * 256)
    assert "message_id" not in found


def test_prefixes_are_told_from_each_other() -> None:
    """Also where one is the beginning of another one."""
    writer, reader = SectionWriter(PROFILES["rabbitmq-3.13"]), SectionReader(PROFILES["rabbitmq-3.13"])
    headers = [
        header_of(),
        header_of(message_id="a"),
        header_of(),
        header_with({"n": Field("void", None)}),
        header_of(),
    ]
    for _ in range(3):
        for number, header in enumerate(headers):
            entry, _ = writer.write(ADDRESS, header, b"b" * number * 100)
            prefix, body = reader.read(entry)
            fresh, _ = SectionReader(PROFILES["rabbitmq-3.13"]).read(entry)
            assert (prefix, body) == (fresh, b"b" * number * 100)


short = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30).filter(
    lambda value: len(value.encode()) < 256
)
properties = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("content_type", "content_encoding", "correlation_id", "message_id", "user_id"), short),
        **dict.fromkeys(("reply_to", "type", "app_id"), short),
        "expiration": st.integers(0, 10**12).map(str),
        "delivery_mode": st.sampled_from([1, 2]),
        "priority": st.integers(0, 255),
        "timestamp": st.integers(0, 2**40),
    },
)
MODES = {"delivery_mode": 1}


@given(
    properties,
    st.dictionaries(short.filter(lambda n: n not in {"CC", "BCC"}), fields, max_size=4),
    st.binary(max_size=600),
)
def test_round_trips(given: dict[str, Any], table: dict[str, Field], body: bytes) -> None:
    """What comes back can be written again, and comes back as the same."""
    header = header_of(**given, headers=table)
    for profile in PROFILES:
        writer, reader = SectionWriter(PROFILES[profile]), SectionReader(PROFILES[profile])
        for _ in range(2):
            prefix, found_body = reader.read(writer.write(ADDRESS, header, body)[0])
            assert prefix.address == ADDRESS
            if given.get("type") != "amqp-1.0":
                assert found_body == body
            found = decode_properties(prefix.header(1, len(body)))
            plain = {name: value for name, value in found.items() if name != "headers"}
            assert plain == (MODES if PROFILES[profile].stream_headers else {}) | given
        once = prefix.header(1, len(body))
        prefix, _ = reader.read(writer.write(ADDRESS, once, body)[0])
        assert prefix.header(1, len(body)) == once
        names = [name for name, _ in header_entries(split_properties(once))]
        assert names == sorted(names)


@given(st.binary(max_size=80), st.sampled_from(sorted(PROFILES)))
def test_arbitrary_entries(raw: bytes, profile: str) -> None:
    """They are read somehow, and what comes of them can be parsed."""
    reader = SectionReader(PROFILES[profile])
    for entry in (raw, b"\x00\x53\x72" + raw, b"\x00\x53\x73" + raw, b"\x00\x53\x74" + raw, HELLO_3_10 + raw):
        prefix, body = reader.read(entry)
        decode_properties(prefix.header(0, len(body)))
        assert body in entry


@given(st.binary(max_size=60))
def test_sections_do_not_overlap(raw: bytes) -> None:
    position = 0
    try:
        for _, start, end in split_sections(raw):
            assert position < start < end <= len(raw)
            position = end
    except MalformedValue:
        return
    assert position == len(raw)
