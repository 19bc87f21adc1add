"""Declaring, binding and deleting with pika."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from .blocking import get_all, get_body, message_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel


def exists(connection: pika.BlockingConnection, *, queue: str = "", exchange: str = "") -> bool:
    """Whether a passive declaration finds it, asked on a new channel as a refusal closes the channel."""
    channel = connection.channel()
    try:
        if exchange:
            channel.exchange_declare(exchange, passive=True)
        else:
            channel.queue_declare(queue, passive=True)
    except ChannelClosedByBroker as closed:
        return closed.reply_code != 404
    channel.close()
    return True


def test_an_exclusive_queue_is_locked_for_others(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    owner, stranger = connect(), connect()
    owner.channel().queue_declare(name, exclusive=True)
    owner.channel().queue_declare(name, passive=True)
    attempts: list[Callable[[BlockingChannel], object]] = [
        lambda channel: channel.queue_declare(name, exclusive=True),
        lambda channel: channel.queue_declare(name, passive=True),
        lambda channel: channel.basic_get(name),
        lambda channel: channel.basic_consume(name, lambda *_: None),
        lambda channel: channel.queue_purge(name),
        lambda channel: channel.queue_delete(name),
        lambda channel: channel.queue_bind(name, "amq.direct", "key"),
    ]
    for attempt in attempts:
        with pytest.raises(ChannelClosedByBroker) as closed:
            attempt(stranger.channel())
        assert (closed.value.reply_code, closed.value.reply_text) == (
            405,
            f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '/'. "
            "It could be originally declared on another connection or the exclusive property value "
            "does not match that of the original declaration.",
        )
    stranger.channel().basic_publish("", name, b"publishing is open to all")
    assert exists(owner, queue=name)


def test_an_exclusive_queue_is_gone_when_its_connection_has_closed(
    connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    for _ in range(20):
        owner = connect()
        channel = owner.channel()
        assert channel.queue_declare(name, exclusive=True).method.message_count == 0
        channel.basic_publish("", name, b"dies with the queue")
        owner.close()
    assert not exists(connect(), queue=name)


def test_passive_declaration_reports_and_creates_nothing(connection: pika.BlockingConnection, name: str) -> None:
    assert not exists(connection, queue=name)
    assert not exists(connection, exchange=name)
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(name, exclusive=True)
    channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.basic_publish("", name, b"1")
    found = channel.queue_declare(name, passive=True, durable=True).method
    assert (found.queue, found.message_count, found.consumer_count) == (name, 1, 0)
    assert exists(connection, exchange=name)
    channel.exchange_delete(name)
    assert not exists(connection, exchange=name)


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic", "headers", "match"])
def test_predeclared_exchanges(channel: BlockingChannel, name: str, kind: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, f"amq.{kind}", name, {"x-match": "all", "only": name})
    headers = pika.BasicProperties(headers={"only": name})
    channel.basic_publish(f"amq.{kind}", name, kind.encode(), headers)
    assert kind.encode() in get_all(channel, name)


def test_exchange_to_exchange_bindings(channel: BlockingChannel, name: str) -> None:
    source, middle = f"{name}.source", f"{name}.middle"
    channel.exchange_declare(source, "topic", auto_delete=True)
    channel.exchange_declare(middle, "fanout", internal=True)
    channel.queue_declare(name, exclusive=True)
    channel.exchange_bind(middle, source, "a.#")
    channel.exchange_bind(source, middle)  # a cycle
    channel.queue_bind(name, middle)
    channel.basic_publish(source, "a.b", b"through both")
    channel.basic_publish(source, "b.a", b"matches nothing")
    assert get_all(channel, name) == [b"through both"]
    channel.exchange_unbind(middle, source, "a.#")
    channel.exchange_delete(middle)
    assert not exists(channel.connection, exchange=source), "its last binding as a source is gone"


@pytest.mark.parametrize(
    ("binding", "headers", "matches"),
    [
        ({"x-match": "all", "kind": "report", "page": 1}, {"kind": "report", "page": 1, "more": True}, True),
        ({"x-match": "all", "kind": "report", "page": 1}, {"kind": "report"}, False),
        ({"x-match": "all", "page": 1}, {"page": 2**40}, False),
        ({"x-match": "any", "kind": "report", "page": 1}, {"page": 1}, True),
        ({"x-match": "any", "kind": "report", "page": 1}, {"kind": "note"}, False),
        ({"kind": None}, {"kind": "whatever"}, True),
        ({"kind": None}, {"other": "whatever"}, False),
        ({"page": 1}, {"page": "1"}, False),
        ({"x-match": "all", "x-ignored": 1}, {}, True),
        ({"x-match": "any"}, {"kind": "report"}, False),
    ],
)
def test_headers_exchange(
    channel: BlockingChannel, name: str, binding: dict[str, object], headers: dict[str, object], matches: bool
) -> None:
    channel.exchange_declare(name, "headers", auto_delete=True)
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name, "", binding)
    channel.basic_publish(name, "ignored", b"body", pika.BasicProperties(headers=headers))
    assert (get_body(channel, name) is not None) == matches


def test_alternate_exchange(channel: BlockingChannel, name: str) -> None:
    alternate, known, unknown = f"{name}.alternate", f"{name}.known", f"{name}.unknown"
    channel.exchange_declare(alternate, "fanout", auto_delete=True)
    channel.exchange_declare(name, "direct", auto_delete=True, arguments={"alternate-exchange": alternate})
    channel.queue_declare(known, exclusive=True)
    channel.queue_declare(unknown, exclusive=True)
    channel.queue_bind(known, name, "known")
    channel.queue_bind(unknown, alternate)
    channel.confirm_delivery()
    channel.basic_publish(name, "known", b"known", mandatory=True)
    channel.basic_publish(name, "other", b"other", mandatory=True)
    assert get_all(channel, known) == [b"known"]
    assert get_all(channel, unknown) == [b"other"]


def test_a_second_binding_brings_no_second_copy(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "topic", auto_delete=True)
    channel.queue_declare(name, exclusive=True)
    for pattern in ("#", "a.*", "a.b", "a.b"):
        channel.queue_bind(name, name, pattern)
    channel.basic_publish(name, "a.b", b"once")
    assert get_all(channel, name) == [b"once"]


def test_unbinding_and_deleting_what_is_gone_is_harmless(channel: BlockingChannel, name: str) -> None:
    channel.queue_unbind(name, "amq.direct", "no such queue")
    channel.queue_unbind(name, name, "no such exchange either")
    channel.exchange_unbind(name, "amq.direct", "no such destination")
    channel.exchange_delete(name)
    channel.queue_declare(name, exclusive=True)
    channel.queue_unbind(name, "amq.direct", "no such binding")
    channel.queue_delete(name)
    assert channel.queue_delete(name).method.message_count == 0


def test_deleting_a_queue_says_how_much_was_in_it(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    channel.queue_declare(name)
    for _ in range(3):
        channel.basic_publish("", name, b"x")
    assert message_count(channel, name) == 3
    assert channel.queue_delete(name).method.message_count == 3


def test_the_last_declared_queue_is_meant_by_an_empty_name(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind("", "amq.direct", name)
    channel.basic_publish("amq.direct", name, b"bound")
    assert get_body(channel, "") == b"bound"
    assert channel.queue_purge("").method.message_count == 0
    channel.queue_delete("")
    assert not exists(channel.connection, queue=name)


def test_redeclaring_with_equal_settings_is_harmless(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    for _ in range(2):
        channel.queue_declare(name, durable=True, arguments={"whatever": "is stored"})
        channel.exchange_declare(name, "topic", durable=True)
        channel.queue_bind(name, name, "#")
        channel.basic_publish(name, "key", b"x")
    assert message_count(channel, name) == 2
    channel.queue_delete(name)
    channel.exchange_delete(name)
