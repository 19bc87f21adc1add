"""The broker's clock: what it moves, and what it does not."""

from datetime import UTC, datetime, timedelta

import pytest

from amqpy.testing import TestBroker
from tests.testing.apps import Publisher

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.amqp(clock="frozen", now=NOON)
def test_a_clock_that_stands_still(amqp_broker: TestBroker) -> None:
    assert (amqp_broker.clock.now, amqp_broker.clock.frozen) == (NOON, True)
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q", arguments={"x-expires": 1000})
        publisher.channel.queue_declare("t", arguments={"x-message-ttl": 5000})
        publisher.send(b"1", "t")
        assert amqp_broker.clock.due() == [
            (NOON + timedelta(seconds=1), "expiry of queue 'q'"),
            (NOON + timedelta(seconds=5), "message TTL in queue 't'"),
        ]
        assert [event.at for event in amqp_broker.published()] == [NOON]
        assert amqp_broker.clock.advance_to_next()
        assert (amqp_broker.clock.now, amqp_broker.queues) == (NOON + timedelta(seconds=1), ["t"])
        amqp_broker.clock.advance(timedelta(seconds=3), milliseconds=999)
        assert len(amqp_broker.queue("t")) == 1
        amqp_broker.clock.advance(0.001)
        assert len(amqp_broker.queue("t")) == 0
        assert not amqp_broker.clock.advance_to_next()
    assert amqp_broker.find("discarded", reason="expired")[0].at == NOON + timedelta(seconds=5)


def test_it_ticks_unless_it_is_frozen(amqp_broker: TestBroker) -> None:
    clock = amqp_broker.clock
    assert not clock.frozen
    assert abs(datetime.now(UTC) - clock.now) < timedelta(minutes=1)
    clock.advance(days=1)
    first = clock.now
    assert clock.now >= first
    clock.freeze()
    assert clock.now == clock.now
    clock.unfreeze()
    assert not clock.frozen
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="without a time zone"):
        TestBroker(now=datetime(2030, 1, 1))
    with pytest.raises(ValueError, match="'ticking' and 'frozen'"):
        TestBroker(clock="stopped")


def test_time_that_ticks_comes_to_what_is_due(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("t", arguments={"x-message-ttl": 3_600_010})
        publisher.send(b"1", "t")
        amqp_broker.clock.advance(hours=1)
        amqp_broker.wait_for("discarded", reason="expired")


def test_a_chain_of_queues_has_the_right_times(amqp_broker: TestBroker) -> None:
    amqp_broker.clock.freeze()
    start = amqp_broker.clock.now
    with Publisher(amqp_broker.url) as publisher:
        for number in range(4):
            publisher.channel.queue_declare(
                f"q{number}",
                arguments={
                    "x-message-ttl": 600_000,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": f"q{number + 1}",
                },
            )
        publisher.channel.queue_declare("q4")
        publisher.send(b"1", "q0")
        steps: list[timedelta] = []
        amqp_broker.clock.follow(steps.append)
        amqp_broker.clock.advance(hours=2)
        (message,) = amqp_broker.queue("q4").ready
    assert [(start - event.at) // timedelta(minutes=-10) for event in amqp_broker.dead_lettered()] == [1, 2, 3, 4]
    assert steps == [*[timedelta(minutes=10)] * 4, timedelta(minutes=80)]
    assert message.headers is not None
    deaths = message.headers["x-death"]
    assert [death["queue"] for death in deaths] == ["q3", "q2", "q1", "q0"]
    times = [death["time"] for death in deaths]
    assert times == [start.replace(microsecond=0) + timedelta(minutes=10 * number) for number in (4, 3, 2, 1)]


def test_a_heartbeat_is_in_real_time(amqp_broker: TestBroker) -> None:
    with Publisher(f"{amqp_broker.url}/%2F?heartbeat=60") as publisher:
        amqp_broker.clock.advance(days=1)
        publisher.channel.queue_declare("q")


@pytest.mark.amqp(profile="rabbitmq-4")
def test_a_delayed_exchange(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        channel = publisher.channel
        channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "fanout"})
        channel.queue_declare("q", durable=True)
        channel.queue_bind("q", "later")
        publisher.send(b"1", "", "later", headers={"x-delay": 60_000})
        assert [what for _, what in amqp_broker.clock.due()] == ["a delayed message of exchange 'later'"]
        assert amqp_broker.published()[0].queues is None
        amqp_broker.clock.advance(60)
        assert amqp_broker.queue("q").bodies == [b"1"]
