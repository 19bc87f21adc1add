"""The tutorials' patterns, confirms, errors and cancellation with pika's asynchronous SelectConnection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from .blocking import parameters
from .select_play import Event, Inbox, Script, open_channel, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.kit.address import Address


def test_hello_world(broker: Address, name: str) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        declared = yield partial(channel.queue_declare, name, auto_delete=True)
        assert (declared.method.message_count, declared.method.consumer_count) == (0, 0)
        channel.basic_publish("", name, b"Hello World!")
        inbox = Inbox()
        yield partial(channel.basic_consume, name, inbox, auto_ack=True)
        yield inbox.holds(1)
        assert inbox.bodies == [b"Hello World!"]

    play(parameters(broker), script)


def test_work_queue_alternates_between_workers(broker: Address, name: str) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        publisher = yield open_channel(connection)
        yield partial(publisher.queue_declare, name, exclusive=True)
        inboxes = Inbox(), Inbox()
        for inbox in inboxes:
            worker = yield open_channel(connection)
            yield partial(worker.basic_qos, prefetch_count=2)
            yield partial(worker.basic_consume, name, inbox)
        for number in range(6):
            publisher.basic_publish("", name, b"%d" % number)
        for inbox in inboxes:
            yield inbox.holds(2)
        assert [inbox.bodies for inbox in inboxes] == [[b"0", b"2"], [b"1", b"3"]]

        worker.basic_ack(inboxes[1].deliveries[-1].method.delivery_tag, multiple=True)
        yield inboxes[1].holds(4)
        assert [inbox.bodies for inbox in inboxes] == [[b"0", b"2"], [b"1", b"3", b"4", b"5"]]

    play(parameters(broker), script)


@pytest.mark.parametrize(
    ("kind", "binding_keys", "expected"),
    [
        pytest.param("fanout", [""], [b"a.error", b"a.info", b"b.error"], id="publish-subscribe"),
        pytest.param("direct", ["a.error", "b.error"], [b"a.error", b"b.error"], id="routing"),
        pytest.param("topic", ["a.*"], [b"a.error", b"a.info"], id="topics"),
    ],
)
def test_exchanges(broker: Address, name: str, kind: str, binding_keys: list[str], expected: list[bytes]) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        yield partial(channel.exchange_declare, name, kind, auto_delete=True)
        queue = (yield partial(channel.queue_declare, "", exclusive=True)).method.queue
        for binding_key in binding_keys:
            yield partial(channel.queue_bind, queue, name, binding_key)
        for key in ("a.error", "a.info", "b.error"):
            channel.basic_publish(name, key, key.encode())
        inbox = Inbox()
        yield partial(channel.basic_consume, queue, inbox, auto_ack=True)
        yield inbox.holds(len(expected))
        rest = yield partial(channel.queue_declare, queue, passive=True)
        assert (inbox.bodies, rest.method.message_count) == (expected, 0)

    play(parameters(broker), script)


def test_rpc(broker: Address, name: str) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        server = yield open_channel(connection)
        client = yield open_channel(connection)
        reply_to = (yield partial(client.queue_declare, "", exclusive=True)).method.queue
        yield partial(server.queue_declare, name, exclusive=True)
        requests, replies = Inbox(), Inbox()
        yield partial(server.basic_consume, name, requests)
        yield partial(client.basic_consume, reply_to, replies, auto_ack=True)
        call = pika.BasicProperties(reply_to=reply_to, correlation_id="42")
        client.basic_publish("", name, b"ping", call)
        yield requests.holds(1)
        request = requests.deliveries[0]
        answer = pika.BasicProperties(correlation_id=request.properties.correlation_id)
        server.basic_publish("", request.properties.reply_to, request.body + b" pong", answer)
        server.basic_ack(request.method.delivery_tag)
        yield replies.holds(1)
        assert (replies.deliveries[0].properties.correlation_id, replies.bodies) == ("42", [b"ping pong"])

    play(parameters(broker), script)


def test_every_publish_is_confirmed_once(broker: Address, name: str) -> None:
    confirmed: set[int] = set()
    published = set(range(1, 501))

    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        yield partial(channel.queue_declare, name, exclusive=True)
        all_confirmed = Event()

        def on_confirm(frame: pika.frame.Method) -> None:
            tag, multiple = frame.method.delivery_tag, frame.method.multiple
            assert isinstance(frame.method, pika.spec.Basic.Ack)
            covered = {number for number in published - confirmed if number == tag or (multiple and number < tag)}
            assert covered, f"delivery tag {tag} was confirmed twice"
            confirmed.update(covered)
            if confirmed == published:
                all_confirmed.set()

        yield partial(channel.confirm_delivery, on_confirm)
        for number in published:
            channel.basic_publish("", name, b"%d" % number)
        yield all_confirmed.wait
        stored = yield partial(channel.queue_declare, name, passive=True)
        assert stored.method.message_count == len(published)

    play(parameters(broker), script)


def test_a_return_comes_before_its_confirm(broker: Address, name: str) -> None:
    events: list[tuple[object, ...]] = []

    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        channel.add_on_return_callback(
            lambda _, method, properties, body: events.append(
                (method.reply_code, method.reply_text, method.routing_key, properties.message_id, body)
            )
        )
        confirmed = Event()

        def on_confirm(frame: pika.frame.Method) -> None:
            events.append((frame.method.NAME, frame.method.delivery_tag))
            confirmed.set()

        yield partial(channel.confirm_delivery, on_confirm)
        properties = pika.BasicProperties(message_id="m-1")
        channel.basic_publish("", name, b"nobody", properties, mandatory=True)
        yield confirmed.wait

    play(parameters(broker), script)
    assert events == [(312, "NO_ROUTE", name, "m-1", b"nobody"), ("Basic.Ack", 1)]


def test_a_channel_error_leaves_other_channels_alone(broker: Address, name: str) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        failing = yield open_channel(connection)
        living = yield open_channel(connection)

        def fail(*, callback: Callable[..., None]) -> None:
            failing.add_on_close_callback(callback)
            failing.basic_publish(name, "key", b"to no exchange")
            failing.basic_publish(name, "key", b"dropped while the channel closes")

        channel, reason = yield fail
        assert channel is failing
        assert isinstance(reason, ChannelClosedByBroker)
        expected = (404, f"NOT_FOUND - no exchange '{name}' in vhost '/'")
        assert (reason.reply_code, reason.reply_text) == expected
        yield partial(living.queue_declare, name, exclusive=True)
        reopened = yield lambda *, callback: connection.channel(failing.channel_number, on_open_callback=callback)
        yield partial(reopened.queue_declare, name, passive=True)

    play(parameters(broker), script)


def test_a_connection_error_ends_the_connection(broker: Address) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        yield partial(channel.basic_qos, prefetch_size=1)

    with pytest.raises(ConnectionClosedByBroker) as closed:
        play(parameters(broker), script)
    assert (closed.value.reply_code, closed.value.reply_text) == (
        540,
        "NOT_IMPLEMENTED - prefetch_size!=0 (1)",
    )


def test_cancelled_by_the_client_and_by_queue_deletion(broker: Address, name: str) -> None:
    def script(connection: pika.SelectConnection) -> Script:
        channel = yield open_channel(connection)
        yield partial(channel.queue_declare, name)
        inbox = Inbox()
        yield partial(channel.basic_consume, name, inbox, consumer_tag="first")
        yield partial(channel.basic_cancel, "first")
        channel.basic_publish("", name, b"stays")
        kept = yield partial(channel.queue_declare, name, passive=True)
        assert (kept.method.consumer_count, inbox.bodies) == (0, [])

        yield partial(channel.basic_consume, name, inbox, consumer_tag="ours")
        yield inbox.holds(1)
        other = yield open_channel(connection)

        def delete(*, callback: Callable[..., None]) -> None:
            channel.add_on_cancel_callback(callback)
            other.queue_delete(name)

        cancelled = yield delete
        assert cancelled.method.consumer_tag == "ours"
        assert channel.is_open

    play(parameters(broker), script)
