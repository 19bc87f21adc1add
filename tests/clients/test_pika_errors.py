"""Refusals as a pika application meets them: the code, the text, and what lives on afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from .blocking import get_body

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

Operation = Callable[["BlockingChannel", str], object]


def publish(channel: BlockingChannel, exchange: str, key: str, properties: pika.BasicProperties | None = None) -> None:
    """Publish, and wait for an answer to something else: an error arrives before it."""
    channel.basic_publish(exchange, key, b"body", properties)
    channel.basic_qos()


def declare_again(channel: BlockingChannel, name: str, **settings: object) -> None:
    channel.queue_declare(name, auto_delete=True)
    channel.queue_declare(name, **settings)


def declare_exchange_again(channel: BlockingChannel, name: str, kind: str, **settings: object) -> None:
    channel.exchange_declare(name, "direct", auto_delete=True)
    channel.exchange_declare(name, kind, **settings)


def delete_used(channel: BlockingChannel, name: str, **condition: bool) -> None:
    channel.queue_declare(name, auto_delete=True)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"keeps the queue from being empty")
    channel.basic_consume(name, lambda *_: None)
    channel.basic_recover(requeue=True)
    channel.queue_delete(name, **condition)


def delete_full(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.confirm_delivery()
    channel.basic_publish("", name, b"body")
    channel.queue_delete(name, if_empty=True)


def delete_bound_exchange(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name)
    channel.exchange_delete(name, if_unused=True)


def publish_to_internal(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "fanout", internal=True, auto_delete=True)
    publish(channel, name, "")


def acknowledge(channel: BlockingChannel, tag: int) -> None:
    channel.basic_ack(tag)
    channel.basic_qos()


def acknowledge_twice(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.basic_publish("", name, b"body")
    method, _, _ = channel.basic_get(name)
    channel.basic_ack(method.delivery_tag)
    acknowledge(channel, method.delivery_tag)


def select_both(channel: BlockingChannel, *, tx_first: bool) -> None:
    for select in (channel.tx_select, channel.confirm_delivery)[:: 1 if tx_first else -1]:
        select()


def inequivalent(argument: str, kind: str, received: str, current: str) -> str:
    return (
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for {kind} '{{name}}' in vhost '/': "
        f"received '{received}' but current is '{current}'"
    )


CHANNEL_ERRORS: list[tuple[str, Operation, int, str]] = [
    (
        "publish to an unknown exchange",
        lambda channel, name: publish(channel, name, "key"),
        404,
        "NOT_FOUND - no exchange '{name}' in vhost '/'",
    ),
    (
        "consume from an unknown queue",
        lambda channel, name: channel.basic_consume(name, lambda *_: None),
        404,
        "NOT_FOUND - no queue '{name}' in vhost '/'",
    ),
    (
        "get from an unknown queue",
        lambda channel, name: channel.basic_get(name),
        404,
        "NOT_FOUND - no queue '{name}' in vhost '/'",
    ),
    (
        "purge an unknown queue",
        lambda channel, name: channel.queue_purge(name),
        404,
        "NOT_FOUND - no queue '{name}' in vhost '/'",
    ),
    (
        "passive exchange",
        lambda channel, name: channel.exchange_declare(name, passive=True),
        404,
        "NOT_FOUND - no exchange '{name}' in vhost '/'",
    ),
    (
        "bind an unknown queue",
        lambda channel, name: channel.queue_bind(name, "amq.direct", "key"),
        404,
        "NOT_FOUND - no queue '{name}' in vhost '/'",
    ),
    (
        "no queue declared before",
        lambda channel, _: channel.basic_get(""),
        404,
        "NOT_FOUND - no previously declared queue",
    ),
    (
        "another durable flag",
        lambda channel, name: declare_again(channel, name, auto_delete=True, durable=True),
        406,
        inequivalent("durable", "queue", "true", "false"),
    ),
    (
        "another auto-delete flag",
        lambda channel, name: declare_again(channel, name),
        406,
        inequivalent("auto_delete", "queue", "false", "true"),
    ),
    (
        "another exchange type",
        lambda channel, name: declare_exchange_again(channel, name, "topic", auto_delete=True),
        406,
        inequivalent("type", "exchange", "topic", "direct"),
    ),
    (
        "another exchange durable flag",
        lambda channel, name: declare_exchange_again(channel, name, "direct", auto_delete=True, durable=True),
        406,
        inequivalent("durable", "exchange", "true", "false"),
    ),
    (
        "delete a queue in use",
        lambda channel, name: delete_used(channel, name, if_unused=True),
        406,
        "PRECONDITION_FAILED - queue '{name}' in vhost '/' in use",
    ),
    (
        "delete a queue that is not empty",
        delete_full,
        406,
        "PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty",
    ),
    (
        "delete an exchange in use",
        delete_bound_exchange,
        406,
        "PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use",
    ),
    (
        "publish to an internal exchange",
        publish_to_internal,
        403,
        "ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'",
    ),
    (
        "declare the default exchange",
        lambda channel, _: channel.exchange_declare("", "direct"),
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
    ),
    (
        "bind to the default exchange",
        lambda channel, name: (
            channel.queue_declare(name, exclusive=True),
            channel.queue_bind(name, "", "key"),
        ),
        403,
        "ACCESS_REFUSED - operation not permitted on the default exchange",
    ),
    (
        "delete a system exchange",
        lambda channel, _: channel.exchange_delete("amq.direct"),
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    ),
    (
        "a reserved queue name",
        lambda channel, name: channel.queue_declare(f"amq.{name}"),
        403,
        "ACCESS_REFUSED - queue name 'amq.{name}' contains reserved prefix 'amq.*'",
    ),
    (
        "a reserved exchange name",
        lambda channel, name: channel.exchange_declare(f"amq.{name}"),
        403,
        "ACCESS_REFUSED - exchange name 'amq.{name}' contains reserved prefix 'amq.*'",
    ),
    (
        "acknowledge what was not delivered",
        lambda channel, _: acknowledge(channel, 99),
        406,
        "PRECONDITION_FAILED - unknown delivery tag 99",
    ),
    ("acknowledge twice", acknowledge_twice, 406, "PRECONDITION_FAILED - unknown delivery tag 1"),
    (
        "confirm after tx",
        lambda channel, _: select_both(channel, tx_first=True),
        406,
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
    ),
    (
        "tx after confirm",
        lambda channel, _: select_both(channel, tx_first=False),
        406,
        "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
    ),
    (
        "commit without tx",
        lambda channel, _: channel.tx_commit(),
        406,
        "PRECONDITION_FAILED - channel is not transactional",
    ),
    (
        "an expiration that is no number",
        lambda channel, name: publish(channel, "", name, pika.BasicProperties(expiration="soon")),
        406,
        "PRECONDITION_FAILED - invalid expiration 'soon': no_integer",
    ),
    (
        "somebody else's user-id",
        lambda channel, name: publish(channel, "", name, pika.BasicProperties(user_id="root")),
        406,
        "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'",
    ),
]


def clean_up(channel: BlockingChannel, name: str) -> None:
    channel.queue_delete(name)
    channel.exchange_delete(name)


@pytest.mark.parametrize(
    ("operation", "code", "text"), [pytest.param(*case[1:], id=case[0]) for case in CHANNEL_ERRORS]
)
def test_channel_errors_close_one_channel(
    connection: pika.BlockingConnection, name: str, operation: Operation, code: int, text: str
) -> None:
    failing, living = connection.channel(), connection.channel()
    living.queue_declare(f"{name}.living", exclusive=True)
    with pytest.raises(ChannelClosedByBroker) as closed:
        operation(failing, name)
    assert (closed.value.reply_code, closed.value.reply_text) == (code, text.format(name=name))
    assert failing.is_closed
    living.basic_publish("", f"{name}.living", b"on and on")
    assert get_body(living, f"{name}.living") == b"on and on"
    clean_up(connection.channel(failing.channel_number), name)


CONNECTION_ERRORS: list[tuple[str, Operation, int, str]] = [
    (
        "prefetch size",
        lambda channel, _: channel.basic_qos(prefetch_size=10),
        540,
        "NOT_IMPLEMENTED - prefetch_size!=0 (10)",
    ),
    (
        "recover to the same consumer",
        lambda channel, _: channel.basic_recover(requeue=False),
        540,
        "NOT_IMPLEMENTED - requeue=false",
    ),
    ("flow", lambda channel, _: channel.flow(False), 540, "NOT_IMPLEMENTED - active=false"),
]


@pytest.mark.parametrize(
    ("operation", "code", "text"), [pytest.param(*case[1:], id=case[0]) for case in CONNECTION_ERRORS]
)
def test_connection_errors_close_every_channel(
    connection: pika.BlockingConnection, name: str, operation: Operation, code: int, text: str
) -> None:
    failing, bystander = connection.channel(), connection.channel()
    with pytest.raises(ConnectionClosedByBroker) as closed:
        operation(failing, name)
    assert (closed.value.reply_code, closed.value.reply_text) == (code, text)
    assert connection.is_closed
    assert bystander.is_closed
