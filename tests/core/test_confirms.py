"""What a publisher is told: everything once, in order, in as few frames as can say it."""

from typing import Any

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


turns = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.lists(st.booleans(), min_size=1, max_size=4), st.booleans()),
        st.tuples(st.just("take")),
        st.tuples(st.just("durable")),
    ),
    max_size=30,
)


@given(turns)
def test_every_message_is_told_once_in_order_and_not_before_its_batch(turns: list[tuple[Any, ...]]) -> None:
    """What is published in a turn, true for those that are refused, and whether some of it was stored; a batch is
    taken; a batch is durable."""
    confirms = Confirms()
    gathering, taken, durable = 1, 0, 0
    published: list[tuple[bool, int]] = []
    told: list[bool] = []

    def tell(batch: int | None) -> None:
        for tag, multiple, nack in confirms.take(batch):
            run = tag - len(told)
            assert run == 1 or (multiple and run > 1 and not nack)
            told.extend([nack] * run)

    for kind, *details in turns:
        if kind == "publish":
            nacks, is_stored = details
            # In order: who was not stored waits for what is before it.
            batch = gathering if is_stored else max([0, *(batch for _, batch in published)])
            for nack in nacks:
                confirms.last_tag += 1
                published.append((nack, batch))
                if nack:
                    confirms.nack(confirms.last_tag)
            assert confirms.pending
            confirms.note(gathering if is_stored else None)
            assert not confirms.pending
            if not is_stored:
                tell(None)
        elif kind == "take" and taken == durable:
            taken, gathering = gathering, gathering + 1
        elif kind == "durable" and taken > durable:
            durable = taken
            tell(durable)
        may_be_told = [nack for nack, batch in published if batch <= durable]
        assert told == may_be_told, "all that can be told, and no more"


def test_a_batch_is_noted_once_however_many_turns_it_has() -> None:
    confirms = Confirms()
    for _ in range(100):
        confirms.last_tag += 1
        confirms.note(7)
        assert confirms.take(6) == []
    assert len(confirms._awaited) == 1  # noqa: SLF001 (what it costs)
    assert confirms.take(7) == [Confirm(100, multiple=True, nack=False)]
