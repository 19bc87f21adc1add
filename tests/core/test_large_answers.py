"""Answers that cover more than a turn may do: the same as small ones, but bit by bit."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.ledger import Ledger, Owed, Taken, commands
from amqpy.core.message import Message
from amqpy.core.portions import Portions
from amqpy.core.queues.consumers import Consumer
from amqpy.core.queues.queue import Queue
from tests.core.slices import sliced
from tests.core.world import FakeRecipient, World, arguments


def reference(taken: Taken, *, together: bool) -> list[list[Owed]]:
    """The portions, by sorting every message (`rabbit_channel:foreach_per_queue`)."""

    def place(entry: tuple[int, Owed]) -> tuple[bytes, bool, int, bytes]:
        tag, (queue, _, _, consumer) = entry
        if consumer is not None:
            return queue.name.encode(), True, 0, consumer.tag.encode()
        return (queue.name.encode(), True, 0, str(tag).encode()) if together else (queue.name.encode(), False, tag, b"")

    portions: dict[object, list[Owed]] = {}
    for entry in sorted(taken, key=lambda entry: (place(entry), entry[0])):
        portions.setdefault(place(entry)[0] if together else place(entry), []).append(entry[1])
    return list(portions.values())


def in_parts(taken: Taken, *, together: bool) -> list[list[Owed]]:
    """The portions, as a job takes them."""
    portions = Portions(together=together)
    for entry in taken:
        portions.add([entry])
    for _ in portions.sort():
        pass
    found: list[list[Owed]] = [[]]
    rest = len(taken)
    while (part := portions.pop()) is not None:
        rest -= len(part.owed)
        assert len(list(portions)) == rest
        found[-1].extend(part.owed)
        if part.ends_portion:
            found.append([])
    return found[:-1]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, "1", "10", "2", "a", "b"])), max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_portions_are_in_rabbitmqs_order(owners: list[tuple[int, str | None]], together: bool, small: bool) -> None:
    world = World()
    queues = [world.queue(name) for name in ("q2", "q1", "é")]
    ledger = Ledger()
    consumers: dict[tuple[int, str], Consumer] = {}
    for number, (pick, tag) in enumerate(owners):
        if tag is not None and (pick, tag) not in consumers:
            consumers[pick, tag] = world.consume(queues[pick].name, Ledger(), tag=tag)
        consumer = None if tag is None else consumers[pick, tag]
        ledger.owe(queues[pick], number, Message(b"", b"", b""), consumer)
    taken = ledger.take_all()
    expected = reference(taken, together=together)
    assert commands(taken, together=together) == expected
    if small:
        with sliced(1):
            assert in_parts(taken, together=together) == expected
    else:
        assert in_parts(taken, together=together) == expected


@given(st.lists(st.booleans(), max_size=20), st.data())
def test_taking_bit_by_bit_is_taking(answered: list[bool], data: st.DataObject) -> None:
    queue = World().queue("q")

    def ledger_of() -> Ledger:
        ledger = Ledger()
        for number, is_answered in enumerate(answered):
            tag = ledger.owe(queue, number, Message(b"", b"", b""), None)
            if is_answered:
                ledger.take_one(tag)
        return ledger

    one, other = ledger_of(), ledger_of()
    outstanding = [0, *one.owed]
    tag = data.draw(st.sampled_from(outstanding))
    with sliced(0):
        lots = one.take_many(tag, multiple=True)
        taken = lots if isinstance(lots, list) else [entry for lot in lots for entry in lot]
    assert [each for each, _ in taken] == [each for each, _ in other.take(tag, True)]
    assert list(one.owed) == list(other.owed)
    assert not one.is_busy
    one.put_back(taken[::-1])
    assert list(one.owed) == outstanding[1:], "in the order of their tags"
    assert [each for each, _ in one.take(0, True)] == outstanding[1:]


def test_what_is_delivered_while_much_is_put_back() -> None:
    world, ledger = World(), Ledger()
    queue = world.queue("q")
    with sliced(1):
        for number in range(5):
            ledger.owe(queue, number, Message(b"", b"", b""), None)
        taken = ledger.take(3, multiple=True)
        steps = ledger.put_back_many(taken)
        next(steps)
        ledger.owe(queue, 5, Message(b"", b"", b""), None)
        for _ in steps:
            pass
    assert list(ledger.owed) == [1, 2, 3, 4, 5, 6]


class Scene:
    """A consumer that owes ten messages of a queue, in a broker that moves one message a turn."""

    def __init__(self, **options: str | int) -> None:
        with sliced(1):
            self.world = World()
        self.queue: Queue = self.world.queue("q", durable=True, arguments=arguments(**options))
        self.ledger, self.recipient = Ledger(), FakeRecipient()
        self.consumer = self.world.consume("q", self.ledger, self.recipient, prefetch=10)
        self.world.publish("", "q", *"0123456789abc")

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.world.broker.work()

    def state(self) -> tuple[str, int, int]:
        return "".join(self.world.ready("q")), self.queue.unacked, len(self.ledger.owed)


@pytest.fixture
def scene() -> Scene:
    return Scene()


Answer = Callable[[Scene], None]


def answer(scene: Scene, verdict: str) -> None:
    with sliced(1):
        broker = scene.world.broker
        broker.agenda.jobs.begin_turn()
        taken = scene.ledger.take_many(0, multiple=True)
        assert not isinstance(taken, list)
        if verdict == "ack":
            broker.acknowledge(taken)
        elif verdict == "drop":
            broker.reject(taken)
        else:
            broker.requeue(taken, "nack")
        broker.settle()
        while broker.agenda.jobs:
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
    scene.world.cancel(scene.consumer)
    answer(scene, verdict)
    expected = "0123456789abc" if verdict == "requeue" else "abc"
    assert scene.state() == (expected, 0, 0)


@pytest.mark.parametrize("verdict", ["ack", "drop", "requeue"])
def test_the_consumer_gets_more_as_it_goes(verdict: str) -> None:
    scene = Scene()
    answer(scene, verdict)
    assert scene.state() == (("abc", 10, 10) if verdict == "requeue" else ("", 3, 3))
    bodies = scene.recipient.bodies[10:]
    assert bodies == list("0123456789" if verdict == "requeue" else "abc")
