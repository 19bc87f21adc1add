"""Answers that cover more than a turn may do: the same as small ones, but bit by bit."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.consumer import Delivery
from amqpy.core.durability.journal import Journal
from amqpy.core.durability.records import BindingRecord
from amqpy.core.message import Message
from amqpy.core.portions import Portions, Taken
from amqpy.core.unacked import UnackedDeliveries, commands
from amqpy.store.memory import MemoryStore
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header, longstr
from tests.core.invariants import check_invariants
from tests.core.slices import sliced

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer
    from amqpy.core.queues.queue import Queue


def reference(taken: Taken, *, together: bool) -> list[list[Delivery]]:
    """The portions, by sorting every message (`rabbit_channel:foreach_per_queue`)."""

    def place(entry: tuple[int, Delivery]) -> tuple[bytes, bool, int, bytes]:
        tag, (queue, _, _, consumer) = entry
        if consumer is not None:
            return queue.name.encode(), True, 0, consumer.tag.encode()
        return (queue.name.encode(), True, 0, str(tag).encode()) if together else (queue.name.encode(), False, tag, b"")

    portions: dict[object, list[Delivery]] = {}
    for entry in sorted(taken, key=lambda entry: (place(entry), entry[0])):
        portions.setdefault(place(entry)[0] if together else place(entry), []).append(entry[1])
    return list(portions.values())


def in_parts(taken: Taken, *, together: bool) -> list[list[Delivery]]:
    """The portions, as a job takes them."""
    portions = Portions(together=together)
    for entry in taken:
        portions.add([entry])
    for _ in portions.sort():
        pass
    found: list[list[Delivery]] = [[]]
    rest = len(taken)
    while (part := portions.pop()) is not None:
        rest -= len(part.deliveries)
        assert len(list(portions)) == rest
        found[-1].extend(part.deliveries)
        if part.ends_portion:
            found.append([])
    return found[:-1]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, "1", "10", "2", "a", "b"])), max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_portions_are_in_rabbitmqs_order(owners: list[tuple[int, str | None]], together: bool, small: bool) -> None:
    core = CoreHarness()
    queues = [core.queue(name) for name in ("q2", "q1", "é")]
    unacked = UnackedDeliveries()
    consumers: dict[tuple[int, str], Consumer] = {}
    for number, (pick, tag) in enumerate(owners):
        if tag is not None and (pick, tag) not in consumers:
            consumers[pick, tag] = core.consume(queues[pick].name, UnackedDeliveries(), tag=tag)
        consumer = None if tag is None else consumers[pick, tag]
        unacked.add(queues[pick], number, Message(b"", b"", b""), consumer)
    taken = unacked.take_all()
    expected = reference(taken, together=together)
    assert commands(taken, together=together) == expected
    if small:
        with sliced(1):
            assert in_parts(taken, together=together) == expected
    else:
        assert in_parts(taken, together=together) == expected


@given(st.lists(st.booleans(), max_size=20), st.data())
def test_taking_bit_by_bit_is_taking(answered: list[bool], data: st.DataObject) -> None:
    queue = CoreHarness().queue("q")

    def unacked_of() -> UnackedDeliveries:
        unacked = UnackedDeliveries()
        for number, is_answered in enumerate(answered):
            tag = unacked.add(queue, number, Message(b"", b"", b""), None)
            if is_answered:
                unacked.take_one(tag)
        return unacked

    one, other = unacked_of(), unacked_of()
    outstanding = [0, *one.by_tag]
    tag = data.draw(st.sampled_from(outstanding))
    with sliced(0):
        lots = one.take_many(tag, multiple=True)
        taken = lots if isinstance(lots, list) else [entry for lot in lots for entry in lot]
    assert [each for each, _ in taken] == [each for each, _ in other.take(tag, True)]
    assert list(one.by_tag) == list(other.by_tag)
    assert not one.is_busy
    one.put_back(taken[::-1])
    assert list(one.by_tag) == outstanding[1:], "in the order of their tags"
    assert [each for each, _ in one.take(0, True)] == outstanding[1:]


def test_what_is_delivered_while_much_is_put_back() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    queue = core.queue("q")
    with sliced(1):
        for number in range(5):
            unacked.add(queue, number, Message(b"", b"", b""), None)
        taken = unacked.take(3, multiple=True)
        steps = unacked.put_back_many(taken)
        next(steps)
        unacked.add(queue, 5, Message(b"", b"", b""), None)
        for _ in steps:
            pass
    assert list(unacked.by_tag) == [1, 2, 3, 4, 5, 6]


class Scene:
    """A consumer that owes ten messages of a queue, in a broker that moves one message a turn."""

    def __init__(self, **options: str | int) -> None:
        with sliced(1):
            self.core = CoreHarness()
        self.queue: Queue = self.core.queue("q", durable=True, arguments=arguments(**options))
        self.unacked, self.target = UnackedDeliveries(), FakeTarget()
        self.consumer = self.core.consume("q", self.unacked, self.target, prefetch=10)
        self.core.publish("", "q", *"0123456789abc")

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.core.broker.work()

    def state(self) -> tuple[str, int, int]:
        return "".join(self.core.ready("q")), self.queue.unacked_count, len(self.unacked.by_tag)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def answer(scene: Scene, verdict: str) -> None:
    with sliced(1):
        broker = scene.core.broker
        broker.scheduler.jobs.begin_turn()
        taken = scene.unacked.take_many(0, multiple=True)
        assert not isinstance(taken, list)
        if verdict == "ack":
            broker.acknowledge(taken)
        elif verdict == "drop":
            broker.reject(taken)
        else:
            broker.requeue(taken, "nack")
        broker.settle()
        while broker.scheduler.jobs:
            yield_state(scene)
            broker.work()


def yield_state(scene: Scene) -> None:
    """What everybody can see between two turns is right."""
    ready, unacked, owed = scene.state()
    assert unacked >= owed
    assert list(ready) == sorted(ready, key="0123456789abc".index), "in order"


@pytest.mark.parametrize("verdict", ["ack", "drop", "requeue"])
def test_a_large_answer_ends_as_a_small_one(verdict: str) -> None:
    scene = Scene()
    scene.core.cancel(scene.consumer)
    answer(scene, verdict)
    expected = "0123456789abc" if verdict == "requeue" else "abc"
    assert scene.state() == (expected, 0, 0)


@pytest.mark.parametrize("verdict", ["ack", "drop", "requeue"])
def test_the_consumer_gets_more_as_it_goes(verdict: str) -> None:
    scene = Scene()
    answer(scene, verdict)
    assert scene.state() == (("abc", 10, 10) if verdict == "requeue" else ("", 3, 3))
    bodies = scene.target.bodies[10:]
    assert bodies == list("0123456789" if verdict == "requeue" else "abc")


@pytest.mark.parametrize("options", [{}, {"single_active_consumer": True}, {"queue_type": "quorum"}])
def test_who_comes_after_a_large_channel_gets_all_in_order(options: dict[str, str | int]) -> None:
    """Not what comes next before what comes back."""
    scene, heir = Scene(**options), FakeTarget()
    with sliced(1):
        broker = scene.core.broker
        scene.core.publish("", "q", "d")
        scene.core.consume("q", UnackedDeliveries(), heir, prefetch=0 if options else 1)
        before = heir.bodies
        broker.scheduler.jobs.begin_turn()
        broker.scheduler.jobs.do(broker.close_channel(scene.core.vhost, scene.unacked, []))
        broker.settle()
        turns = 0
        while broker.scheduler.jobs:
            scene.core.broker.work()
            turns += 1
        assert turns > 10
    expected = "0123456789abcd"
    if "queue_type" in options or not options:
        # It was there before, and had what came next.
        expected = "".join(body for body in expected if body not in before)
    got = heir.bodies[len(before) :]
    assert "".join(got) == (expected if options else "")


def test_nobody_gets_anything_while_it_comes_back(scene: Scene) -> None:
    """Only when all is back, in its order; a consumer that waits meanwhile does not wait for ever."""
    with sliced(1):
        broker, other = scene.core.broker, FakeTarget()
        scene.core.cancel(scene.consumer)
        scene.core.get("q", UnackedDeliveries(), no_ack=True), scene.core.get("q", UnackedDeliveries(), no_ack=True)
        scene.core.get("q", UnackedDeliveries(), no_ack=True)
        broker.scheduler.jobs.begin_turn()
        taken = scene.unacked.take_many(0, multiple=True)
        broker.requeue(taken, "nack")
        for _ in range(15):
            broker.work()
        assert 0 < len(scene.core.ready("q")) < 10
        consumer = broker.consume(
            scene.core.client,
            scene.core.vhost,
            "q",
            UnackedDeliveries(),
            other,
            tag="other",
            no_ack=True,
            exclusive=False,
            prefetch=0,
            arguments={},
        )
        broker.settle()
        assert other.got == []
        scene.core.settle()
        assert other.bodies == list("0123456789")
        assert consumer in scene.queue.consumers


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize("dead_letters", [False, True])
def test_a_limit_that_comes_late_drops_all_that_is_too_much(kind: str, dead_letters: bool) -> None:
    """The first ones, in the order in which a queue of this type buries them, bit by bit or at once."""

    def letters(units: int) -> tuple[list[str], list[str]]:
        with sliced(units):
            core = CoreHarness()
            options = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead"} if dead_letters else {}
            core.queue("q", durable=True, arguments=arguments(queue_type=kind, **options))
            core.queue("dead", arguments=arguments(queue_mode="default"))
            core.publish("", "q", *"0123456789")
            administration = core.broker.administration
            core.broker.scheduler.jobs.begin_turn()
            administration.set_policy("/", "p", "^q$", {"max-length": 3}, apply_to="queues")
            count = len(core.ready("q"))
            message = Message(core.route("", "q").address, content_header(), b"a")
            core.vhost.queues["q"].publish(message)
            assert len(core.ready("q")) == (count + 1 if units == 1 else 3), "who publishes does not drop the rest"
            core.settle()
            core.catch_up()
            assert core.ready("q") == list("89a")
            return core.ready("dead"), core.ready("q")

    assert sorted(letters(1)[0]) == sorted(letters(1000)[0]) == (list("01234567") if dead_letters else [])


def test_a_purge_where_each_message_must_be_forgotten() -> None:
    with sliced(1):
        core = CoreHarness()
        core.queue("q", arguments=arguments(message_deduplication=True))
        for body in "0123456789":
            core.publish("", "q", body, headers={"x-deduplication-header": longstr(body)})
        broker = core.broker
        broker.scheduler.jobs.begin_turn()
        assert broker.topology.purge_queue(core.client, core.vhost, "q") == 10
        assert 0 < len(core.ready("q")) < 10
        core.settle()
        assert core.ready("q") == []
        core.publish("", "q", "3", headers={"x-deduplication-header": longstr("3")})
        assert core.ready("q") == ["3"]
        check_invariants(broker, [])


def test_a_binding_that_is_made_again_meanwhile_survives() -> None:
    """The queue is deleted and declared again, and its bindings, while the old ones are still being removed: their
    records are the same."""
    store = MemoryStore()
    journal = Journal(store, lambda: 0)
    with sliced(1):
        core = CoreHarness(journal=journal)
        core.queue("q", durable=True)
        for number in range(5):
            core.bind("q", "amq.direct", str(number))
        core.broker.scheduler.jobs.begin_turn()
        core.broker.topology.delete_queue(core.client, core.vhost, "q", if_unused=False, if_empty=False)
        core.queue("q", durable=True)
        core.bind("q", "amq.direct", "4")
        core.settle()
    batch = journal.take()
    assert batch is not None
    store.append(batch)
    store.sync()
    journal.written()
    records = store.load().records
    assert [record.routing_key for record in records if isinstance(record, BindingRecord)] == ["4"]
