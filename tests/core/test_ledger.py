"""What a channel's client owes, held against a plain dict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.ledger import Ledger, Owed, commands
from amqpy.core.message import Message
from amqpy.errors import PreconditionFailed
from tests.core.world import World, arguments

TAKE = st.tuples(st.just("take"), st.integers(0, 12), st.booleans())
OTHER = st.tuples(st.sampled_from(["owe", "owe", "owe", "pass", "take all", "put back"]), st.just(0), st.just(False))


@given(st.lists(TAKE | OTHER, max_size=40))
def test_a_ledger_is_a_dict_of_tags(steps: list[tuple[str, int, bool]]) -> None:
    queue = World().queue("q")
    ledger = Ledger()
    model: dict[int, Owed] = {}
    pending: dict[int, Owed] = {}
    count = 0
    for action, back, multiple in steps:
        if action == "owe":
            count += 1
            owed = (queue, count, Message(b"", b"", b""), None)
            assert ledger.owe(*owed) == count
            model[count] = owed
        elif action == "pass":
            count += 1
            assert ledger.next_tag() == count
        elif action == "take":
            tag = max(count - back, 0)
            covered = [each for each in sorted(model) if each == tag or (multiple and (each < tag or tag == 0))]
            if tag in covered or (multiple and tag == 0):
                assert ledger.take(tag, multiple) == [(each, model[each]) for each in covered], "oldest first"
                pending |= {each: model.pop(each) for each in covered}
            else:
                with pytest.raises(PreconditionFailed) as caught:
                    ledger.take(tag, multiple)
                assert caught.value.text == f"unknown delivery tag {tag}"
        elif action == "take all":
            assert ledger.take_all() == sorted(model.items())
            model.clear()
        elif action == "put back":
            ledger.put_back(sorted(pending.items()))
            model |= pending
            pending.clear()
        assert dict(ledger.owed) == model
        assert list(ledger.owed) == sorted(model)
        assert ledger.last_tag == count


def test_answering_one_by_one_and_then_all_the_rest() -> None:
    """Most of what a `multiple` answer spans may be answered already."""
    queue = World().queue("q")
    ledger = Ledger()
    for _ in range(100):
        ledger.owe(queue, 0, Message(b"", b"", b""), None)
    for tag in range(1, 98):
        ledger.take(tag, multiple=False)
    assert [tag for tag, _ in ledger.take(99, multiple=True)] == [98, 99]
    assert [tag for tag, _ in ledger.take(100, multiple=True)] == [100]
    assert ledger.take(0, multiple=True) == []


def test_what_comes_back_together_comes_in_the_order_of_its_tags() -> None:
    """An uncommitted answer is undone by the end of the channel, and stands behind what was never answered."""
    world, ledger = World(), Ledger()
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    world.consume("q", ledger)
    world.publish("", "q", *"abc")
    answered = ledger.take(1, False)
    taken = [*ledger.take_all(), *answered]
    assert [[message.body for _, _, message, _ in portion] for portion in commands(taken, together=True)] == [
        [b"a", b"b", b"c"]
    ]


def test_portions_of_one_command() -> None:
    world, ledger = World(), Ledger()
    world.queue("q")
    world.publish("", "q", *"abcdef")
    world.get("q", ledger)
    second = world.consume("q", ledger, tag="second", prefetch=2)
    world.consume("q", ledger, tag="first", prefetch=2)
    world.cancel(second)
    world.get("q", ledger)
    portions = commands(ledger.take_all())
    assert [b"".join(message.body for _, _, message, _ in portion) for portion in portions] == [
        b"a", b"f", b"de", b"bc",
    ]  # fmt: skip
