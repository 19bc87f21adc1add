"""What a publisher is told: everything once, in order, in as few frames as can say it."""

from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.confirms import Confirm, Confirms


@given(st.lists(st.lists(st.booleans(), max_size=8), max_size=8))
def test_every_message_is_told_once_in_order(turns: list[list[bool]]) -> None:
    """A turn is a list of publishes, true for those that are refused."""
    confirms = Confirms()
    told: list[bool] = []
    for turn in turns:
        for nacked in turn:
            confirms.last_tag += 1
            if nacked:
                confirms.nack(confirms.last_tag)
        assert confirms.pending == bool(turn)
        confirms.note()
        frames = confirms.take()
        for tag, multiple, nack in frames:
            run = tag - len(told)
            assert run == 1 or (multiple and run > 1)
            told += [nack] * run
        assert frames == confirms_of(turn, len(told) - len(turn)), "as few frames as can say it"
        assert not confirms.pending
    assert told == [nacked for turn in turns for nacked in turn]


def confirms_of(turn: list[bool], before: int) -> list[Confirm]:
    frames: list[Confirm] = []
    run = 0
    for tag, nacked in enumerate(turn, before + 1):
        if nacked:
            frames.append(Confirm(tag, multiple=False, nack=True))
            run = 0
        else:
            run += 1
            if run > 1:
                frames.pop()
            frames.append(Confirm(tag, multiple=run > 1, nack=False))
    return frames


def test_nothing_to_tell() -> None:
    confirms = Confirms()
    assert not confirms.pending
    assert confirms.take() == []
    confirms.last_tag = 3
    confirms.note()
    assert confirms.take() == [Confirm(3, multiple=True, nack=False)]
    assert confirms.take() == []
