"""Numbers of lanes: whose they are, and when somebody else may have them."""

import pytest

from amqpy.core.durability import journal as journal_module
from amqpy.core.durability.journal import Journal
from amqpy.store.memory import MemoryStore


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(journal_module, "RESTING_LANES", 2)
    return Journal(MemoryStore(), lambda: 0)


def write(journal: Journal) -> None:
    assert journal.take() is not None
    journal.written()


def opened(journal: Journal, count: int) -> list[int]:
    return [journal.open_lane(None) for _ in range(count)]


def test_the_number_of_a_closed_lane_rests_before_another_queue_has_it(journal: Journal) -> None:
    assert opened(journal, 3) == [1, 2, 3]
    for number in (2, 1, 3):
        journal.close_lane(number, None)
        write(journal)
    assert opened(journal, 2) == [2, 4]
    journal.close_lane(4, None)
    write(journal)
    assert opened(journal, 2) == [1, 5]


def test_no_queue_has_the_number_of_a_lane_whose_end_is_not_durable(journal: Journal) -> None:
    """Whoever reads in the lane would find what was in it before."""
    for number in opened(journal, 4):
        journal.close_lane(number, None)
    assert opened(journal, 1) == [5]
    assert journal.take() is not None
    assert opened(journal, 1) == [6]
    journal.written()
    assert opened(journal, 3) == [1, 2, 7]


def test_after_a_restart_free_numbers_are_used_again(journal: Journal) -> None:
    journal.use_lanes({2, 6})
    assert opened(journal, 3) == [1, 3, 7]


def test_when_all_numbers_were_used_closed_ones_need_not_rest(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "LANES", 4)
    assert opened(journal, 3) == [1, 2, 3]
    with pytest.raises(OverflowError):
        journal.open_lane(None)
    journal.close_lane(2, None)
    with pytest.raises(OverflowError):
        journal.open_lane(None)
    write(journal)
    assert opened(journal, 1) == [2]
