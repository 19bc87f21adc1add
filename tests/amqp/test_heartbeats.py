"""Heartbeats, to the millisecond: when we speak, and when a silent peer is given up."""

import pytest
from pamqp.commands import Basic, Channel, Connection, Queue

from amqpy.wire.frames import HEARTBEAT_FRAME

from .client import HEADER, Client, is_heartbeat, method_frame, names, remains, start_ok

INTERVAL_MS = 60_000
HALF_MS = INTERVAL_MS // 2
PUBLIC_HEARTBEAT_S = INTERVAL_MS // 1000


def beating(now_ms: int = 0, *, interval_s: int = PUBLIC_HEARTBEAT_S) -> Client:
    """A client that has just opened a connection with heartbeats."""
    client = Client(now_ms=now_ms)
    client.feed(HEADER)
    client.send(start_ok(), Connection.TuneOk(2047, 131_072, interval_s), Connection.Open("/"), channel=0)
    return client


def listen(client: Client, span_ms: int) -> list[int]:
    """The times at which heartbeats came, within a span in which the client itself keeps beating."""
    times, until_ms = [], client.now_ms + span_ms
    while client.now_ms < until_ms:
        received = client.wait(1000)
        assert all(map(is_heartbeat, received))
        times += [client.now_ms] * len(received)
        client.feed(HEARTBEAT_FRAME)
    return times


@pytest.mark.parametrize("opened_at_ms", [0, 123_457])
def test_we_look_twice_an_interval_and_speak_if_nothing_was_said(opened_at_ms: int) -> None:
    client = beating(opened_at_ms)
    assert client.session.next_at_ms == opened_at_ms + HALF_MS
    # Neither the handshake nor the heartbeat before counts as something said.
    beats = [at_ms - opened_at_ms for at_ms in listen(client, 4 * INTERVAL_MS)]
    assert beats == [HALF_MS * look for look in range(1, 9)]


def test_what_we_say_anyhow_is_as_good_as_a_heartbeat() -> None:
    client = beating()
    client.wait(HALF_MS)
    channel = 0
    while client.now_ms < 5 * INTERVAL_MS:
        channel += 1
        client.send(Channel.Open(), channel=channel)
        assert client.wait(HALF_MS) == []


def test_nothing_is_added_for_a_peer_that_does_not_read() -> None:
    client = beating()
    client.session.receive(method_frame(Channel.Open(), 1), 0)
    before = client.session.outbox.size
    for look in range(1, 5):
        client.session.receive(HEARTBEAT_FRAME, look * HALF_MS)
        client.session.on_timer(look * HALF_MS)
    assert client.session.outbox.size == before > 0


@pytest.mark.parametrize(
    ("last_byte_ms", "lost_at_ms"),
    [
        (0, 3 * INTERVAL_MS),
        (INTERVAL_MS - 1, 3 * INTERVAL_MS),
        (INTERVAL_MS, 4 * INTERVAL_MS),
        (INTERVAL_MS + 1, 4 * INTERVAL_MS),
        (2 * INTERVAL_MS - 1, 4 * INTERVAL_MS),
        (7 * INTERVAL_MS + HALF_MS, 10 * INTERVAL_MS),
    ],
)
def test_a_silent_peer_is_given_up_between_two_and_three_intervals_after_its_last_byte(
    last_byte_ms: int, lost_at_ms: int
) -> None:
    client = beating()
    while client.now_ms < last_byte_ms:
        client.wait(min(INTERVAL_MS // 3, last_byte_ms - client.now_ms))
        client.feed(HEARTBEAT_FRAME)
    client.wait(lost_at_ms - 1 - client.now_ms)
    assert not client.session.is_closed
    client.wait(1)
    assert client.session.is_closed
    assert 2 * INTERVAL_MS < lost_at_ms - last_byte_ms <= 3 * INTERVAL_MS


def test_a_peer_is_not_told_that_it_was_given_up() -> None:
    client = beating()
    assert all(map(is_heartbeat, client.wait(4 * INTERVAL_MS)))
    assert client.session.is_closed
    assert client.session.next_at_ms is None


def test_what_a_peer_had_goes_when_it_is_given_up() -> None:
    client = beating()
    client.send(Channel.Open(), Queue.Declare(queue="own", exclusive=True), Queue.Declare(queue="q"))
    client.send(Basic.Consume(queue="q"))
    assert names(client.publish("q")) == ["Basic.Deliver"]
    client.wait(4 * INTERVAL_MS)
    assert client.session.is_closed
    assert remains(client.broker) == {}
    queues = client.broker.vhosts["/"].queues
    assert list(queues) == ["q"]
    assert queues["q"].ready_count == 1


def test_any_byte_is_a_sign_of_life() -> None:
    """Even one in the middle of a frame."""
    client = beating()
    frame = method_frame(Channel.Open(), 1)
    for byte in frame[:-1]:
        client.wait(INTERVAL_MS)
        client.feed(bytes((byte,)))
    assert not client.session.is_closed


def test_a_peer_that_is_not_read_is_not_judged() -> None:
    client = beating()
    client.session.paused = True
    client.wait(10 * INTERVAL_MS)
    assert not client.session.is_closed
    client.session.paused = False
    client.wait(2 * INTERVAL_MS)
    assert not client.session.is_closed
    client.wait(INTERVAL_MS)
    assert client.session.is_closed


def test_without_heartbeats_nothing_is_ever_due() -> None:
    client = beating(interval_s=0)
    assert client.session.next_at_ms is None


def test_a_client_may_choose_an_interval_of_its_own() -> None:
    client = beating(interval_s=65_535)
    assert client.session.next_at_ms == 65_535_000 // 2
    client = beating(interval_s=1)
    assert client.session.next_at_ms == 500


def test_an_odd_interval_is_halved_without_losing_time() -> None:
    client = beating(interval_s=1)
    assert len(listen(client, 10_000)) == 20
