"""What a channel's client owes, held against a plain dict."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries, commands
from amqpy.errors import PreconditionFailed
from tests.core.core_harness import CoreHarness, arguments

if TYPE_CHECKING:
    from amqpy.core.consumer import Delivery

TAKE = st.tuples(st.just("take"), st.integers(0, 12), st.booleans())
OTHER = st.tuples(st.sampled_from(["owe", "owe", "owe", "pass", "take all", "put back"]), st.just(0), st.just(False))


@given(st.lists(TAKE | OTHER, max_size=40))
def test_unacked_deliveries_are_a_dict_of_tags(steps: list[tuple[str, int, bool]]) -> None:
    queue = CoreHarness().queue("q")
    unacked = UnackedDeliveries()
    model: dict[int, Delivery] = {}
    pending: dict[int, Delivery] = {}
    count = 0
    for action, back, multiple in steps:
        if action == "owe":
            count += 1
            owed = (queue, count, Message(b"", b"", b""), None)
            assert unacked.add(*owed) == count
            model[count] = owed
        elif action == "pass":
            count += 1
            assert unacked.next_tag() == count
        elif action == "take":
            tag = max(count - back, 0)
            covered = [each for each in sorted(model) if each == tag or (multiple and (each < tag or tag == 0))]
            if tag in covered or (multiple and tag == 0):
                assert unacked.take(tag, multiple) == [(each, model[each]) for each in covered], "oldest first"
                pending |= {each: model.pop(each) for each in covered}
            else:
                with pytest.raises(PreconditionFailed) as caught:
                    unacked.take(tag, multiple)
                assert caught.value.text == f"unknown delivery tag {tag}"
        elif action == "take all":
            assert unacked.take_all() == sorted(model.items())
            model.clear()
        elif action == "put back":
            unacked.put_back(sorted(pending.items()))
            model |= pending
            pending.clear()
        assert dict(unacked.by_tag) == model
        assert list(unacked.by_tag) == sorted(model)
        assert unacked.last_tag == count


@pytest.mark.parametrize("tags", [[], [2], [3, 1, 2], [1, 9, 2], [2, 2], [9]])
def test_several_are_taken_up_to_the_first_unknown_tag(tags: list[int]) -> None:
    queue = CoreHarness().queue("q")
    unacked = UnackedDeliveries()
    owed = [(queue, at, Message(b"", b"", b""), None) for at in range(3)]
    for each in owed:
        unacked.add(*each)
    known = list(dict.fromkeys(tags))
    known = known[: known.index(9)] if 9 in known else known
    taken: list[Delivery] = []
    if known == tags:
        unacked.take_each(tags, taken)
    else:
        with pytest.raises(PreconditionFailed) as caught:
            unacked.take_each(tags, taken)
        assert caught.value.text == f"unknown delivery tag {tags[len(known)]}"
    assert taken == [owed[tag - 1] for tag in known]
    assert list(unacked.by_tag) == [tag for tag in (1, 2, 3) if tag not in known]


def test_answering_one_by_one_and_then_all_the_rest() -> None:
    """Most of what a `multiple` answer spans may be answered already."""
    queue = CoreHarness().queue("q")
    unacked = UnackedDeliveries()
    for _ in range(100):
        unacked.add(queue, 0, Message(b"", b"", b""), None)
    for tag in range(1, 98):
        unacked.take(tag, multiple=False)
    assert [tag for tag, _ in unacked.take(99, multiple=True)] == [98, 99]
    assert [tag for tag, _ in unacked.take(100, multiple=True)] == [100]
    assert unacked.take(0, multiple=True) == []


def test_what_comes_back_together_comes_in_the_order_of_its_tags() -> None:
    """An uncommitted answer is undone by the end of the channel, and stands behind what was never answered."""
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    core.consume("q", unacked)
    core.publish("", "q", *"abc")
    answered = unacked.take(1, False)
    taken = [*unacked.take_all(), *answered]
    assert [[message.body for _, _, message, _ in portion] for portion in commands(taken, together=True)] == [
        [b"a", b"b", b"c"]
    ]


def test_portions_of_one_command() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("q")
    core.publish("", "q", *"abcdef")
    core.get("q", unacked)
    second = core.consume("q", unacked, tag="second", prefetch=2)
    core.consume("q", unacked, tag="first", prefetch=2)
    core.cancel(second)
    core.get("q", unacked)
    portions = commands(unacked.take_all())
    assert [b"".join(message.body for _, _, message, _ in portion) for portion in portions] == [
        b"a", b"f", b"de", b"bc",
    ]  # fmt: skip
