"""The switches of streams, each in every profile: as queues, and in the form in which messages are kept."""

from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire import amqp1
from tests.core.core_harness import CoreHarness, refusal
from tests.core.stream_reading import declared, refused
from tests.profiles import switch
from tests.wire.test_sections import again, header_of, read, sections_of, written


@switch("stream_ages_in_ms", "'1D'", "'1D'", "'1D'", None)
def test_ages_are_compared(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    declared(core, max_age="1D")
    text = "inequivalent arg 'x-max-age' for queue 's' in vhost '/': received '24h' but current is '1D'"
    assert refused(core, arguments={"max_age": "24h"}) == (expected and text)
    other = refused(core, arguments={"max_age": "1h"})
    assert other is not None
    assert ("'3600000'" in other) is (expected is None)


@switch("stream_filter_blanks", None, "  ", "  ", " ")
def test_sizes_of_filters(profile: str, expected: str | None) -> None:
    text = refused(CoreHarness(profile), arguments={"stream_filter_size_bytes": 15})
    assert text == (expected and f"Invalid value for{expected}x-stream-filter-size-bytes")
    assert refused(CoreHarness(profile), arguments={"stream_filter_size_bytes": "16"}) == text


@switch("stream_in_text", "'{}'", "'{}'", "stream {}", "stream {}")
def test_a_consumer_needs_a_prefetch(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    declared(core)
    text = "consumer prefetch count is not set for " + expected.format("queue 's' in vhost '/'")
    assert refusal(core.consume, "s", UnackedDeliveries()) == text
    what = "stream queues" if "'" in expected else "stream"
    assert refusal(core.consume, "s", UnackedDeliveries(), prefetch=1, no_ack=True) == (
        f"automatic acknowledgement not supported by {what} queue 's' in vhost '/'"
    )


@switch("stream_nacks", False, True, True, True)
def test_returns(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    text = refusal(declared(core).check_return)
    assert (text is None) is expected
    if text is not None:
        assert text == "basic.nack and basic.reject not supported by stream queues queue 's' in vhost '/'"


@switch("stream_headers", None, 1, 1, 1)
def test_a_message_without_delivery_mode(profile: str, expected: int | None) -> None:
    """The header section says durable or not: then it comes back as transient."""
    assert again(profile, header_of())[0].get("delivery_mode") == expected


@switch("stream_durable_by_default", {}, {}, {"delivery_mode": 2}, {})
def test_a_message_that_does_not_say_how_durable_it_is(profile: str, expected: dict[str, int]) -> None:
    data = bytes.fromhex("005375a00568656c6c6f")
    for entry in (data, bytes.fromhex("00537045") + data):
        found = read(profile, entry)[0]
        del found["headers"]
        assert found == expected


@switch("stream_headers", None, "g", "g", "g")
def test_the_group_of_a_message(profile: str, expected: str | None) -> None:
    properties = bytes.fromhex("005373c0100d" + "40" * 10 + "a10167" + "4040")
    assert read(profile, properties + bytes.fromhex("005375a000"))[0].get("app_id") == expected


@switch("stream_delivery_fields", "", "4040", "4143", "4143")
def test_the_header_section(profile: str, expected: str) -> None:
    header = header_of(delivery_mode=2, priority=7, expiration="60000")
    found = sections_of(written(profile, header)).get(0x70)
    assert found == (None if not expected else "c00b05415007700000ea60" + expected)


@switch("stream_trims_properties", 13, 13, 13, 1)
def test_the_properties_section(profile: str, expected: int) -> None:
    found = sections_of(written(profile, header_of(message_id="m")))[0x73]
    assert len(list(amqp1.items_of(bytes.fromhex(found)))) == expected


@switch("stream_addresses", b"a b", b"a b", b"a b", b"/queues/a%20b")
def test_where_replies_go(profile: str, expected: bytes) -> None:
    found = sections_of(written(profile, header_of(reply_to="a b")))[0x73]
    assert list(amqp1.items_of(bytes.fromhex(found)))[4].value == expected
    assert again(profile, header_of(reply_to="a b"))[0]["reply_to"] == "a b"
