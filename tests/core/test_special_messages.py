"""Messages whose properties mean something to the broker: expiration, CC and BCC, direct reply-to."""

import pytest

from amqpy.core.argument_validators import EXPIRY_MAX_MS, check_expiration
from amqpy.core.message import Message
from amqpy.core.queues.reply_to import REPLY_TO, name_reply_queue
from amqpy.core.sender_selected import take_copies
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import NotFound, PreconditionFailed
from amqpy.wire.properties import REPLY_TO_FLAG, decode_properties, headers_of
from amqpy.wire.scan import ASKS, COPIES, judge
from amqpy.wire.values import Field, Table, array_field
from tests.core.core_harness import CoreHarness, Delivery, FakeTarget, content_header, longstr

# --- expiration


@pytest.mark.parametrize("value", ["0", "1", "+5", "007", str(EXPIRY_MAX_MS)])
def test_expirations(value: str) -> None:
    assert check_expiration(value) == int(value)


@pytest.mark.parametrize(
    ("value", "term"),
    [
        ("", "no_integer"),
        ("abc", "no_integer"),
        (" 1", "no_integer"),
        ("1s", '{leftover_string,"s"}'),
        ("1.5", '{leftover_string,".5"}'),
        ("-1", "{value_negative,-1}"),
        (str(EXPIRY_MAX_MS + 1), f"{{value_too_large,{EXPIRY_MAX_MS + 1}}}"),
    ],
)
def test_expirations_that_are_refused(value: str, term: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_expiration(value)
    assert caught.value.text == f"invalid expiration '{value}': {term}"


# --- CC and BCC


def strings(*values: str) -> Field:
    return array_field([longstr(value) for value in values])


@pytest.mark.parametrize(
    ("headers", "keys", "kept"),
    [
        ({}, (), {}),
        ({"CC": strings("a", "b")}, ("a", "b"), {"CC"}),
        ({"BCC": strings("a")}, ("a",), set()),
        ({"BCC": strings("c"), "CC": strings("a"), "x": longstr("y")}, ("a", "c"), {"CC", "x"}),
        ({"CC": strings()}, (), {"CC"}),
        ({"CC": array_field([Field("byte", 1), longstr("a")])}, ("a",), {"CC"}),
    ],
)
def test_copies(headers: Table, keys: tuple[str, ...], kept: set[str]) -> None:
    header = content_header(headers)
    found, passed_on = take_copies(header)
    assert found == keys
    assert headers_of(passed_on) == {name: field for name, field in headers.items() if name in kept}
    assert (passed_on == header) == ("BCC" not in headers)
    assert bool(judge(header) & COPIES) == (not headers.keys().isdisjoint({"CC", "BCC"}))


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_copies_must_be_a_list(name: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        take_copies(content_header({name: longstr("a")}))
    assert caught.value.text == f'invalid message: {{unacceptable_type_in_header,"{name}",longstr}}'


# --- direct reply-to


def asking(reply_to: str) -> bytes:
    """A content header with this reply-to."""
    raw = reply_to.encode()
    return b"\x00\x3c" + bytes(10) + REPLY_TO_FLAG.to_bytes(2, "big") + bytes((len(raw),)) + raw


def test_a_request_gets_the_name_of_its_reply_queue() -> None:
    core = CoreHarness()
    queue = core.broker.consume_replies(core.vhost, UnackedDeliveries(), FakeTarget(), tag="tag")
    assert judge(asking(REPLY_TO)) & ASKS
    assert not judge(asking("other")) & ASKS
    assert not judge(content_header({"h": longstr(f"{chr(len(REPLY_TO))}{REPLY_TO}")})) & ASKS
    assert decode_properties(name_reply_queue(asking(REPLY_TO), queue)) == {"reply_to": queue.name}
    assert queue.name.startswith(f"{REPLY_TO}.")


def test_a_reply_goes_straight_to_who_asked() -> None:
    core, unacked, target = CoreHarness(), UnackedDeliveries(), FakeTarget()
    queue = core.broker.consume_replies(core.vhost, unacked, target, tag="tag")
    core.broker.check_reply_queue(core.vhost, REPLY_TO)
    core.broker.check_reply_queue(core.vhost, queue.name)
    core.publish("", queue.name, "answer", "more")
    assert target.got == [Delivery(1, False, "answer"), Delivery(2, False, "more")]
    assert not unacked.by_tag
    core.vhost.remove_reply_queue(queue)
    assert core.routed("", queue.name) == set()
    queue.publish(Message(b"", b"", b"too late"))
    assert target.bodies == ["answer", "more"]
    with pytest.raises(NotFound) as caught:
        core.broker.check_reply_queue(core.vhost, queue.name)
    assert caught.value.text == f"no queue '{queue.name}' in vhost '/'"


def test_replies_wait_in_order_for_a_client_that_does_not_read() -> None:
    core, unacked, target = CoreHarness(), UnackedDeliveries(), FakeTarget()
    queue = core.broker.consume_replies(core.vhost, unacked, target, tag="tag")
    target.reading = False
    core.publish("", queue.name, "1", "2")
    assert (target.got, unacked.last_tag, core.broker.message_count()) == ([], 0, 2)
    target.reading = True
    core.publish("", queue.name, "3")
    assert target.got == [], "none overtakes those that wait"
    queue.drain()
    assert target.bodies == ["1", "2", "3"]
    assert core.broker.message_count() == 0


def test_replies_that_wait_come_before_the_end_of_their_consumer() -> None:
    core, target = CoreHarness(), FakeTarget()
    queue = core.broker.consume_replies(core.vhost, UnackedDeliveries(), target, tag="tag")
    target.reading = False
    core.publish("", queue.name, "1", "2")
    queue.finish()
    assert target.bodies == ["1", "2"]


def test_replies_that_wait_go_with_their_channel() -> None:
    core, target = CoreHarness(), FakeTarget()
    queue = core.broker.consume_replies(core.vhost, UnackedDeliveries(), target, tag="tag")
    target.reading = False
    core.publish("", queue.name, "1", "2")
    core.vhost.remove_reply_queue(queue)
    assert core.broker.message_count() == 0
    core.broker.sweep(10)
    queue.publish(Message(b"", b"", b"3"))
    assert not queue.waiting
