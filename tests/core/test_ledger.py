"""What a channel's client owes, held against a plain dict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.ledger import Ledger, Owed
from amqpy.core.message import Message
from amqpy.errors import PreconditionFailed
from tests.core.world import World

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
