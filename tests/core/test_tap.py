"""Taps: which messages are seen, what is said about them, and what becomes of those that are too many."""

from typing import Any

import pytest

from amqpy.core import publishing, tap
from amqpy.core.detailed_statistics import DetailedDeliveries
from amqpy.core.message import AnnotatedMessage, Message, address_of
from amqpy.core.ports import Origin
from amqpy.core.tap import ExchangeTap, Passage, QueueTap, Tap
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.watcher import WatchedTarget
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header

ORIGIN = Origin("1.2.3.4:5 -> 6.7.8.9:10", 3, "user", "<pid>")
NOW_MS = 1_700_000_000_999


class Looker:
    """Somebody who looks on; the time is what the test says."""

    def __init__(
        self, core: CoreHarness, *, exchange: str | None = None, queue: str = "q", payload_max: int = 100
    ) -> None:
        self.now_ms = NOW_MS
        self.woken = 0
        self.tap: Tap
        about = (lambda: self.now_ms, self._wake, payload_max)
        self.tap = QueueTap(queue, *about) if exchange is None else ExchangeTap(exchange, *about)
        core.vhost.watch(self.tap)

    def _wake(self) -> None:
        self.woken += 1

    def take(self) -> list[Passage]:
        taken = []
        while (passage := self.tap.take()) is not None:
            taken.append(passage)
        return taken

    def told(self) -> list[tuple[str, str]]:
        """What happened to which message."""
        return [(each.kind, each.payload.decode()) for each in self.take()]


def publish(core: CoreHarness, exchange: str, key: str, *bodies: str, more_keys: tuple[str, ...] = ()) -> None:
    """As a channel publishes."""
    for body in bodies:
        message = AnnotatedMessage(address_of(exchange, key), content_header(), body.encode(), more_keys=more_keys)
        publishing.publish(core.client, core.vhost, exchange, key, message, origin=ORIGIN)
        core.settle()


# --- exchanges


def test_what_is_published_to_an_exchange() -> None:
    core = CoreHarness()
    looker = Looker(core, exchange="amq.direct", payload_max=3)
    core.queue("q2")
    core.queue("q1")
    for name in ("q2", "q1"):
        core.bind(name, "amq.direct", "k")
    publish(core, "amq.direct", "k", "hello")
    publish(core, "amq.direct", "nowhere", "")
    publish(core, "amq.fanout", "k", "elsewhere")
    publish(core, "", "q1", "elsewhere")
    assert looker.take() == [
        Passage(
            "published", NOW_MS, address_of("amq.direct", "k"), content_header(), b"hel", 5, ORIGIN, queues=("q2", "q1")
        ),
        Passage("published", NOW_MS, address_of("amq.direct", "nowhere"), content_header(), b"", 0, ORIGIN, queues=()),
    ]
    assert looker.woken == 2


def test_names_that_begin_alike_are_not_the_same() -> None:
    core = CoreHarness()
    core.exchange("a")
    core.exchange("ab")
    looker = Looker(core, exchange="a")
    publish(core, "ab", "x", "1")
    publish(core, "a", "bx", "2")
    assert looker.told() == [("published", "2")]


def test_what_the_broker_publishes_has_no_origin() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(dead_letter_exchange="amq.fanout", message_ttl=10))
    core.queue("dead")
    core.bind("dead", "amq.fanout")
    looker, of_queue = Looker(core, exchange="amq.fanout"), Looker(core, queue="dead")
    publish(core, "", "q", "1")
    core.advance(10)
    for seen in (looker, of_queue):
        (passage,) = seen.take()
        assert (passage.kind, passage.origin.connection, passage.queues) == ("published", "", ("dead",))
        assert b"x-death" in passage.header


def test_a_history_that_is_replayed_is_seen_at_its_queue() -> None:
    core = CoreHarness()
    core.exchange("x", "x-recent-history")
    publish(core, "x", "", "1", "2")
    core.queue("q")
    looker = Looker(core)
    core.bind("q", "x")
    core.advance(0)
    assert looker.told() == [("published", "1"), ("published", "2")]


def test_what_is_refused_and_returned() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_length=1, overflow="reject-publish"))
    core.bind("q", "amq.direct", "k")
    looker, of_queue = Looker(core, exchange="amq.direct"), Looker(core)
    publish(core, "amq.direct", "k", "1", "2")
    core.vhost.watchers[0].returned(Message(address_of("amq.direct", "x"), content_header(), b"3"), ORIGIN)
    core.vhost.watchers[0].returned(Message(address_of("amq.topic", "x"), content_header(), b"4"), ORIGIN)
    assert [(each.kind, each.payload, each.queue, each.reason) for each in looker.take()] == [
        ("published", b"1", None, None),
        ("published", b"2", None, None),
        ("refused", b"2", "q", "maxlen"),
        ("returned", b"3", None, "NO_ROUTE"),
    ]
    assert of_queue.told() == [("published", "1"), ("published", "2"), ("refused", "2")]


def test_a_transaction_is_seen_when_it_is_committed() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    lookers = Looker(core, exchange=""), Looker(core)
    message = Message(address_of("", "q"), content_header(), b"1")
    for watcher in core.vhost.watchers:
        assert watcher.published(message, (queue,), ORIGIN, in_transaction=True) == (queue,)
    assert [looker.take() for looker in lookers] == [[], []]
    for watcher in core.vhost.watchers:
        watcher.committed(message, [queue], ORIGIN)
    for looker in lookers:
        assert [(each.kind, each.queues, each.origin) for each in looker.take()] == [("published", ("q",), ORIGIN)]


def test_the_default_exchange_shows_what_its_looker_may_read() -> None:
    core = CoreHarness()
    looker = Looker(core, exchange="")
    assert isinstance(looker.tap, ExchangeTap)
    asked, readable = [], {"a", "b"}

    def may_read(queue: str) -> bool:
        asked.append(queue)
        return queue in readable

    looker.tap.may_read = may_read
    publish(core, "", "a", "1", "2")
    publish(core, "", "secret", "3", "4")
    publish(core, "", "a", "5", more_keys=("secret",))
    publish(core, "", "a", "6", more_keys=("b",))
    assert looker.told() == [("published", "1"), ("published", "2"), ("published", "6")]
    assert asked == ["a", "secret", "b"]
    readable.remove("a")
    publish(core, "", "a", "7")
    looker.tap.forget_rights()
    publish(core, "", "a", "8")
    assert looker.told() == [("published", "7")]


def test_the_names_that_are_remembered_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "READABLE_MAX", 2)
    core = CoreHarness()
    looker = Looker(core, exchange="")
    assert isinstance(looker.tap, ExchangeTap)
    looker.tap.may_read = lambda queue: queue != "b"
    for key in "abcabcab":
        publish(core, "", key, key)
        assert len(looker.tap._readable) <= 2  # noqa: SLF001
    assert [payload for _, payload in looker.told()] == ["a", "c", "a", "c", "a"]


# --- queues


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_the_way_of_a_message_through_a_queue(kind: str) -> None:
    core = CoreHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.queue("other")
    looker = Looker(core)
    target, unacked = FakeTarget(), UnackedDeliveries(ORIGIN)
    publish(core, "", "other", "x")
    publish(core, "", "q", "1")
    core.get("other", UnackedDeliveries())
    consumer = core.consume("q", unacked, target, tag="c")
    core.nack(unacked, 1)
    core.cancel(consumer)
    core.nack(unacked, 2)
    core.get("q", unacked)
    core.nack(unacked, 3, requeue=False)
    passages = looker.take()
    assert [(each.kind, each.queue, each.redelivered, each.consumer_tag, each.reason) for each in passages] == [
        ("published", "q", None, None, None),
        ("delivered", "q", False, "c", None),
        ("delivered", "q", True, "c", None),
        ("got", "q", True, None, None),
        ("dropped", "q", None, None, "rejected"),
    ]
    assert passages[0].queues == ("q",)
    assert [each.origin.connection for each in passages] == [ORIGIN.connection] * 4 + [""]
    assert target.bodies == ["1", "1"]


def test_a_stream() -> None:
    core = CoreHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type="stream"))
    looker = Looker(core)
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(ORIGIN), target, prefetch=10)
    publish(core, "", "q", "1", "2")
    assert target.bodies == ["1", "2"]
    assert sorted(looker.told()) == [("delivered", "1"), ("delivered", "2"), ("published", "1"), ("published", "2")]


def test_dead_letters() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(dead_letter_exchange="amq.direct", max_length=1))
    core.queue("dead")
    core.bind("dead", "amq.direct", "q")
    looker = Looker(core)
    publish(core, "", "q", "1", "2")
    core.unbind("dead", "amq.direct", "q")
    publish(core, "", "q", "3")
    assert [(each.kind, each.payload, each.reason, each.queues) for each in looker.take()] == [
        ("published", b"1", None, ("q",)),
        ("published", b"2", None, ("q",)),
        ("dead_lettered", b"1", "maxlen", ("dead",)),
        ("published", b"3", None, ("q",)),
        ("dropped", b"2", "maxlen", None),
    ]


def test_many_deliveries_at_once() -> None:
    core = CoreHarness()
    core.queue("q")
    looker = Looker(core)
    publish(core, "", "q", *"abcdef")
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(ORIGIN), target, no_ack=True)
    assert target.bodies == list("abcdef")
    assert [payload for kind, payload in looker.told() if kind == "delivered"] == list("abcdef")


# --- beginning and end


def targets_before(consumer: Any) -> int:  # noqa: ANN401
    count, target = 0, consumer.target
    while isinstance(target, WatchedTarget):
        count, target = count + 1, target.target
    return count


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_watchers_may_leave_in_any_order(order: tuple[int, ...]) -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    target = FakeTarget()
    consumer = core.consume("q", UnackedDeliveries(ORIGIN), target)
    unwatched = core.consume("other", UnackedDeliveries(ORIGIN))
    core.broker.administration.trace_on("/")
    lookers = [Looker(core), Looker(core)]
    assert (targets_before(consumer), targets_before(unwatched)) == (3, 1)
    watchers = [core.vhost.tracer, *(looker.tap for looker in lookers)]
    left = {0, 1, 2}
    for number, index in enumerate(order, 1):
        watcher = watchers[index]
        if watcher is core.vhost.tracer:
            core.broker.administration.trace_off("/")
        else:
            assert watcher is not None
            core.vhost.unwatch(watcher)
        left.remove(index)
        publish(core, "", "q", str(number))
        for place, looker in enumerate(lookers, 1):
            expected = [("published", str(number)), ("delivered", str(number))] if place in left else []
            assert looker.told() == expected
        assert targets_before(consumer) == len(left)
        assert targets_before(unwatched) == (0 in left)
    assert consumer.target is target
    assert target.bodies == ["1", "2", "3"]


def test_pairs_are_counted_before_a_tap_and_after_it() -> None:
    core = CoreHarness(management_rates_mode="detailed")
    core.queue("q")
    unacked = DetailedDeliveries(ORIGIN)
    consumer = core.consume("q", unacked)
    assert targets_before(consumer) == 1
    looker = Looker(core)
    publish(core, "", "q", "1")
    core.vhost.unwatch(looker.tap)
    publish(core, "", "q", "2")
    assert targets_before(consumer) == 1
    assert [pair.deliver for pair in unacked.pairs] == [2]


def test_routes_are_remembered_again_after_a_tap() -> None:
    core = CoreHarness()
    core.queue("q")
    looker = Looker(core, exchange="amq.topic")
    assert core.route("", "q").targets is None
    core.vhost.unwatch(looker.tap)
    assert core.route("", "q").targets is not None


# --- bounds


def test_no_more_than_so_many_a_second() -> None:
    core = CoreHarness()
    looker = Looker(core, exchange="amq.fanout")
    publish(core, "amq.fanout", "", *["x"] * (tap.RATE_MAX + 3))
    assert len(looker.take()) == tap.RATE_MAX
    assert looker.tap.has_waiting
    assert (looker.tap.take_skipped(), looker.tap.take_skipped()) == (3, 0)
    assert not looker.tap.has_waiting
    publish(core, "amq.fanout", "", "y", "y")
    looker.now_ms += 1
    publish(core, "amq.fanout", "", "z")
    assert [(each.payload, each.skipped) for each in looker.take()] == [(b"z", 2)]
    assert looker.tap.take_skipped() == 0


def test_no_more_than_so_many_wait() -> None:
    core = CoreHarness()
    looker = Looker(core, exchange="amq.fanout")
    for _ in range(3):
        looker.now_ms += 1000
        publish(core, "amq.fanout", "", *["x"] * 150)
    assert len(looker.take()) == tap.WAITING_MAX
    assert looker.tap.take_skipped() == 250


def test_no_more_octets_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "WAITING_BYTES_MAX", 1000)
    core = CoreHarness()
    looker = Looker(core, exchange="amq.fanout", payload_max=400)
    publish(core, "amq.fanout", "", *["x" * 5000] * 9)
    assert len(looker.take()) == 3
    publish(core, "amq.fanout", "", *["x" * 5000] * 9)
    taken = looker.take()
    assert [each.skipped for each in taken] == [6, 0, 0]
    assert all((len(each.payload), each.payload_bytes) == (400, 5000) for each in taken)


def test_what_waits_can_be_dropped() -> None:
    core = CoreHarness()
    looker = Looker(core, exchange="amq.fanout")
    publish(core, "amq.fanout", "", *["x"] * (tap.RATE_MAX + 3))
    looker.tap.clear()
    assert not looker.tap.has_waiting
    assert looker.take() == []
