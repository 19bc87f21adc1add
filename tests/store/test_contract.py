"""What any store must do."""

import pytest

from amqpy.core.durability.journal import POSITIONS
from amqpy.core.durability.records import (
    BindingRecord,
    ExchangeRecord,
    LaneRecord,
    LaneState,
    ParameterRecord,
    PermissionRecord,
    QueueRecord,
    Record,
    TopicPermissionRecord,
    UserRecord,
    VhostRecord,
)
from amqpy.core.message import Message, PersistentMessage
from amqpy.store import sqlite, statements
from amqpy.wire.properties import content_header
from tests.store.material import Opener, Run, by_size, key_of, lane_record, look, message_of, traced

LANE = key_of(1, 0), key_of(2, 0) - 1

RECORDS: list[Record] = [
    VhostRecord("/", "", "[]", None, False),
    VhostRecord("späť\x00\n", "d", '["a"]', "quorum", True),
    UserRecord("guest", b"\x00\xff", '["administrator"]', "{}", "sha512"),
    UserRecord("", b"", "[]", '{"max-channels": 1}', "sha256"),
    PermissionRecord("guest", "/", ".*", "^$", ""),
    TopicPermissionRecord("guest", "/", "amq.topic", "^{username}", ""),
    TopicPermissionRecord("guest", "/", "x", "", "\udcff"),
    ParameterRecord("/", "policy", "p", '{"a": 1}'),
    ParameterRecord("", "global", "cluster_name", '"x"'),
    ExchangeRecord("/", "x", "topic", True, False, b"\x00\x00"),
    ExchangeRecord("/", "y", "x-delayed-message", False, True, b""),
    QueueRecord("/", "q", "classic", False, b""),
    QueueRecord("/", "\udcff\udc80q", "quorum", True, b"\xff"),
    BindingRecord("/", "x", "queue", "q", "a.#", b""),
    BindingRecord("/", "x", "queue", "q", "a.#", b"\x01"),
    BindingRecord("/", "x", "exchange", "y", "\udcfe", b""),
    LaneRecord(2**21 - 1, "/", "queue", "q", 255, POSITIONS - 1),
    LaneRecord(1, "/", "exchange", "y", 0, 0),
]


# --- records


def test_all_kinds_of_records_come_back_as_they_were_and_in_order(run: Run) -> None:
    run.write(run.batch(puts=list(reversed(RECORDS))))
    kinds = list(dict.fromkeys(type(record) for record in RECORDS))
    expected = [record for kind in kinds for record in reversed(RECORDS) if type(record) is kind]
    for loaded in (run.crash(), run.restart()):
        assert loaded.records == expected
        assert all(
            type(a) is type(b) for x, y in zip(loaded.records, expected, strict=True) for a, b in zip(x, y, strict=True)
        )


def test_a_record_that_changes_keeps_its_place(run: Run) -> None:
    run.write(run.batch(puts=[QueueRecord("/", name, "classic", False, b"") for name in "abc"]))
    run.write(
        run.batch(puts=[QueueRecord("/", "a", "quorum", True, b"\x01"), QueueRecord("/", "c", "quorum", True, b"")])
    )
    run.write(
        run.batch(puts=[QueueRecord("/", "d", "classic", False, b""), QueueRecord("/", "d", "classic", True, b"")])
    )
    assert run.crash().records == [
        QueueRecord("/", "a", "quorum", True, b"\x01"),
        QueueRecord("/", "b", "classic", False, b""),
        QueueRecord("/", "c", "quorum", True, b""),
        QueueRecord("/", "d", "classic", True, b""),
    ]


def test_a_record_that_is_dropped_and_put_again_comes_last(run: Run) -> None:
    run.write(run.batch(puts=RECORDS))
    vhost, other = RECORDS[0], RECORDS[1]
    run.write(run.batch(drops=[vhost], puts=[vhost]))
    assert run.crash().records[:2] == [other, vhost]


def test_records_are_dropped_by_their_keys_alone(run: Run) -> None:
    run.write(run.batch(puts=RECORDS))
    drops: list[Record] = [
        VhostRecord("/", "other", "", "x", True),
        PermissionRecord("guest", "/", "", "", ""),
        PermissionRecord("guest", "elsewhere", "", "", ""),
        TopicPermissionRecord("guest", "/", "x", "a", "b"),
        QueueRecord("/", "\udcff\udc80q", "", False, b""),
        BindingRecord("/", "x", "queue", "q", "a.#", b"\x01"),
        LaneRecord(1, "", "", "", 0, 0),
    ]
    run.write(run.batch(drops=drops))
    gone = {RECORDS[0], RECORDS[4], RECORDS[6], RECORDS[12], RECORDS[14], RECORDS[17]}
    assert run.crash().records == [record for record in RECORDS if record not in gone]


def test_many_facts_at_once(run: Run) -> None:
    queues = [QueueRecord("/", f"q{number}", "classic", False, b"") for number in range(1000)]
    lanes = [lane_record(number, f"q{number}") for number in range(1, 1000)]
    run.write(run.batch(puts=[record for pair in zip(queues[1:], lanes, strict=True) for record in pair]))
    run.write(run.batch(drops=queues[1:990]))
    assert run.crash().records == [*queues[990:], *lanes]


# --- messages

MESSAGES = {
    "persistent": message_of(b"body"),
    "transient": message_of(b"body", persistent=False),
    "empty": message_of(b""),
    "zeros": message_of(b"\x00" * 5000),
    "large": message_of(bytes(range(256)) * 1200),
    "that ends": message_of(b"body", expires_at_ms=77),
    "ended before the broker started": message_of(b"body", expires_at_ms=-5),
    "with keys": traced(b"body", more_keys=("a", "\udcff", "")),
    "that died": traced(b"body", persistent=False, is_dead_letter=True, expires_at_ms=1),
    "that came back": traced(b"body", delivery_count=3, acquired_count=2**40, waits_first=True),
    "traced for nothing": traced(b"body"),
    "transient, traced for nothing": traced(b"body", persistent=False),
    "without properties": Message(b"\x00\x00", content_header(0, {}), b""),
    "with all properties before its mode": PersistentMessage(
        b"\x00\x02\xff\x00",
        content_header(
            1, {"content_type": b"\x00", "content_encoding": b"\x01e", "headers": b"\0\0\0\0", "delivery_mode": b"\x02"}
        ),
        b"1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_as_it_was(run: Run, name: str) -> None:
    message = MESSAGES[name]
    run.write(run.batch({key_of(1, 7): message}, puts=[lane_record(1)]))
    assert run.all(1) == {7: look(message)}
    run.crash()
    assert run.all(1) == {7: look(message)}


def test_all_messages_at_once_come_back_as_they_were(run: Run) -> None:
    messages = {key_of(1, at): message for at, message in enumerate(MESSAGES.values())}
    run.write(run.batch(messages, puts=[lane_record(1)]))
    assert run.all(1) == {key - key_of(1, 0): look(message) for key, message in messages.items()}


def test_time_goes_on_while_the_broker_is_off(run: Run) -> None:
    messages = {
        key_of(1, 0): message_of(b"", expires_at_ms=1500),
        key_of(1, 1): traced(b"", expires_at_ms=500, delivery_count=1),
    }
    run.write(run.batch(messages, puts=[lane_record(1)], notes={key_of(1, 1): 2000}))
    run.restart(after_ms=1000)
    assert [message.expires_at_ms for _, message in run.read(*LANE)] == [500, -500]
    assert [due for _, _, due in run.store.read_lane(1, unix_offset_ms=run.now_ms)] == [None, 1000]


def test_a_lane_is_read_with_what_was_noted(run: Run) -> None:
    messages = by_size([10] * 1200)
    messages[key_of(1, 3)] = traced(b"x", delivery_count=1)
    messages[key_of(2, 0)] = message_of(b"of another lane")
    notes = {key_of(1, 0): 5, key_of(1, 3): -5}
    run.write(run.batch(messages, puts=[lane_record(1), lane_record(2)], notes=notes))
    run.crash()
    found = list(run.store.read_lane(1, unix_offset_ms=run.now_ms))
    assert [position for position, _, _ in found] == list(range(1200))
    assert [due for _, _, due in found] == [5, None, None, -5, *[None] * 1196]
    assert [look(message) for _, message, _ in found] == [look(messages[key_of(1, at)]) for at in range(1200)]
    assert not list(run.store.read_lane(3, unix_offset_ms=run.now_ms))


def test_a_note_makes_no_other_message(run: Run) -> None:
    run.write(run.batch({key_of(1, 0): message_of(b"x")}, notes={key_of(1, 0): 9}))
    assert run.all(1) == {0: look(message_of(b"x"))}


# --- reading


def test_reading_stops_at_either_limit(run: Run) -> None:
    run.write(run.batch(by_size([10, 20, 30, 40])))
    keys = [key_of(1, at) for at in range(4)]
    for limits, expected in (
        ({"count_max": 2}, 2),
        ({"count_max": 1, "size_max": 1}, 1),
        ({"size_max": 1}, 1),
        ({"size_max": 10}, 1),
        ({"size_max": 11}, 2),
        ({"size_max": 30}, 2),
        ({"size_max": 61}, 4),
        ({}, 4),
    ):
        assert [key for key, _ in run.read(*LANE, **limits)] == keys[:expected]


def test_reading_keeps_within_its_range(run: Run) -> None:
    run.write(run.batch({**by_size([1] * 10), **by_size([1] * 10, lane=2), **by_size([1] * 10, lane=3)}))
    assert [key for key, _ in run.read(key_of(1, 8), key_of(3, 0))] == [
        *(key_of(1, at) for at in (8, 9)), *(key_of(2, at) for at in range(10)), key_of(3, 0)
    ]  # fmt: skip
    assert [key for key, _ in run.read(key_of(2, 3), key_of(2, 3))] == [key_of(2, 3)]
    assert not run.read(key_of(2, 10), key_of(2, POSITIONS - 1))


def test_order_is_that_of_positions_not_of_arrival(run: Run) -> None:
    run.write(run.batch({key_of(1, at): message_of(b"%d" % at) for at in (5, 1, 9, 3)}))
    run.write(run.batch({key_of(1, at): message_of(b"%d" % at) for at in (7, 0, 4)}))
    assert list(run.all(1)) == [0, 1, 3, 4, 5, 7, 9]


# --- what goes


@pytest.mark.parametrize(
    "removed", [[0], [9], [3, 5], range(10), range(2, 8), [0, 1, 2, 3, 4, 6, 8, 9], [5, 5, 4, 77], []]
)
def test_removed_messages_are_gone_and_no_others(run: Run, removed: list[int]) -> None:
    run.write(run.batch({**by_size([1] * 10), **by_size([1] * 10, lane=2)}))
    run.write(run.batch(removed=[key_of(1, at) for at in reversed(removed)]))
    assert list(run.all(1)) == [at for at in range(10) if at not in removed]
    assert list(run.all(2)) == list(range(10))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_many_are_removed_at_once(run: Run, step: int) -> None:
    total = 2 * statements.ROWS_MAX + 77
    run.write(run.batch(by_size([1] * total)))
    run.write(run.batch(removed=[key_of(1, at) for at in range(0, total, step)]))
    assert list(run.all(1)) == [at for at in range(total) if at % step]


def test_many_runs_are_removed_at_once(run: Run) -> None:
    total = 3000
    run.write(run.batch(by_size([1] * total)))
    run.write(run.batch(removed=[key_of(1, at) for at in range(total) if at % 9 < 5]))
    assert list(run.all(1)) == [at for at in range(total) if at % 9 >= 5]


def test_a_message_may_take_the_place_of_itself(run: Run) -> None:
    run.write(run.batch(by_size([1, 1, 1]), puts=[lane_record(1)]))
    again = traced(b"x", delivery_count=1)
    run.write(run.batch({key_of(1, 1): again}, removed=[key_of(1, 1)]))
    run.crash()
    assert list(run.all(1)) == [0, 1, 2]
    assert run.all(1)[1] == look(again)


@pytest.mark.parametrize("total", [10, 3 * sqlite.CLEARED_AT_ONCE])
def test_a_cleared_range_is_empty_at_once_and_after_a_crash(run: Run, total: int) -> None:
    run.write(run.batch({**by_size([1] * total), **by_size([1] * 3, lane=2)}, puts=[lane_record(1), lane_record(2)]))
    run.write(run.batch(cleared=[(key_of(1, 2), key_of(1, total - 3))]))
    left = [0, 1, total - 2, total - 1]
    assert list(run.all(1)) == left
    loaded = run.crash()
    assert list(run.all(1)) == left
    assert loaded.lanes == {1: LaneState(4, 0, total, 4), 2: LaneState(3, 0, 3, 3)}
    while run.store.tidy():
        assert list(run.all(1)) == left
    assert list(run.all(1)) == left
    assert list(run.all(2)) == [0, 1, 2]


@pytest.mark.parametrize("total", [10, 3 * sqlite.CLEARED_AT_ONCE])
def test_a_cleared_lane_can_be_used_again_at_once(run: Run, total: int) -> None:
    run.write(run.batch(by_size([1] * total), puts=[lane_record(1)]))
    new = {key_of(1, at): message_of(b"new") for at in (0, 5, total + 5)}
    run.write(run.batch(new, drops=[lane_record(1)], puts=[lane_record(1, "other")], cleared=[LANE]))
    expected = {at: look(message_of(b"new")) for at in (0, 5, total + 5)}
    assert run.all(1) == expected
    loaded = run.crash()
    assert run.all(1) == expected
    assert loaded.lanes == {1: LaneState(3, 0, total + 6, 9)}
    while run.store.tidy():
        assert run.all(1) == expected
    assert run.all(1) == expected


def test_a_cleared_lane_can_be_used_again_later(run: Run) -> None:
    total = 5 * sqlite.CLEARED_AT_ONCE
    run.write(run.batch(by_size([1] * total), puts=[lane_record(1)]))
    run.write(run.batch(cleared=[LANE]))
    assert not run.all(1)
    run.write(run.batch({key_of(1, 1): message_of(b"new")}))
    assert list(run.all(1)) == [1]
    run.write(run.batch(cleared=[(key_of(1, 1), key_of(1, 1))]))
    assert not run.all(1)


def test_what_is_added_in_the_batch_that_clears_stays(run: Run) -> None:
    run.write(run.batch({key_of(1, 1): message_of(b"new")}, cleared=[LANE], removed=[key_of(1, 1)]))
    assert list(run.all(1)) == [1]


def test_ranges_may_cover_many_lanes_and_overlap(run: Run) -> None:
    total = 2 * sqlite.CLEARED_AT_ONCE
    for lane in (1, 2, 3):
        run.write(run.batch(by_size([1] * total, lane), puts=[lane_record(lane, str(lane))]))
    run.write(
        run.batch(cleared=[(key_of(1, 5), key_of(2, 5)), (key_of(2, 3), key_of(3, 7)), (key_of(2, 0), key_of(2, 1))])
    )
    for _ in range(2):
        assert (list(run.all(1)), list(run.all(2))) == ([0, 1, 2, 3, 4], [])
        assert list(run.all(3)) == list(range(8, total))
        run.crash()


# --- restarts


def test_transient_messages_end_with_the_run(run: Run) -> None:
    transient = [key_of(1, at) for at in (0, 2, 4)]
    run.write(run.batch(by_size([7] * 5), puts=[lane_record(1)], transient=transient))
    assert list(run.all(1)) == [0, 1, 2, 3, 4]
    state = run.restart().lanes[1]
    assert (state.messages, state.first, state.size) == (2, 1, 14)
    assert state.end >= 4
    assert list(run.all(1)) == [1, 3]
    run.write(run.batch({key_of(1, state.end): message_of(b"next")}, transient=[key_of(1, state.end)]))
    assert list(run.all(1)) == [1, 3, state.end]
    while run.store.tidy():
        assert list(run.all(1)) == [1, 3, state.end]
    assert list(run.all(1)) == [1, 3, state.end]


def test_a_quorum_queues_transient_messages_stay(run: Run) -> None:
    run.write(run.batch({key_of(1, 0): message_of(b"x", persistent=False)}, puts=[lane_record(1)]))
    run.crash()
    assert run.all(1) == {0: look(message_of(b"x", persistent=False))}


def test_where_only_transient_messages_were_there_is_nothing(run: Run) -> None:
    run.write(run.batch(by_size([7] * 5), puts=[lane_record(1)], transient=[key_of(1, at) for at in range(5)]))
    state = run.crash().lanes.get(1, LaneState(0, 0, 0, 0))
    assert (state.messages, state.size) == (0, 0)
    assert state.first == state.end
    run.write(run.batch({key_of(1, state.end): message_of(b"next")}))
    assert list(run.all(1)) == [state.end]


def test_lanes_without_a_record_are_gone(run: Run) -> None:
    run.write(run.batch({**by_size([1] * 9), **by_size([1] * 9, lane=2)}, puts=[lane_record(2)]))
    assert list(run.all(1)) == list(range(9))
    loaded = run.crash()
    assert loaded.lanes.keys() == {2}
    assert loaded.garbage <= {1}
    assert not run.all(1)
    assert list(run.all(2)) == list(range(9))
    run.write(run.batch({key_of(1, 4): message_of(b"new")}, puts=[lane_record(1, "other")]))
    assert list(run.all(1)) == [4]
    assert run.crash().lanes.keys() == {1, 2}
    assert list(run.all(1)) == [4]


def test_what_was_not_synced_is_lost_and_nothing_else(run: Run) -> None:
    run.write(run.batch(by_size([1] * 3), puts=[lane_record(1)]))
    run.store.append(run.batch({key_of(1, 3): message_of(b"lost")}, puts=[lane_record(2)], removed=[key_of(1, 0)]))
    assert list(run.all(1)) == [0, 1, 2]
    assert run.crash().records == [lane_record(1)]
    assert list(run.all(1)) == [0, 1, 2]


def test_all_that_was_appended_is_synced_together(run: Run) -> None:
    run.store.append(run.batch(by_size([1] * 3), puts=[lane_record(1)]))
    run.store.append(run.batch({key_of(1, 3): message_of(b"")}, removed=[key_of(1, 0)]))
    run.store.append(run.batch({key_of(2, 0): message_of(b"")}, cleared=[(key_of(1, 1), key_of(1, 1))]))
    assert run.store.sync() == 3
    assert run.store.sync() == 3
    run.crash()
    assert list(run.all(1)) == [2, 3]


def test_it_is_known_whether_the_broker_stopped_in_good_order(opener: Opener) -> None:
    run = Run(opener)
    assert run.loaded.is_clean
    assert not run.crash().is_clean
    run.write(run.batch(by_size([1])))
    assert run.restart().is_clean
    assert not run.crash().is_clean
    run.close()


def test_closing_in_good_order_writes_what_was_appended(run: Run) -> None:
    run.store.append(run.batch(by_size([1] * 3), puts=[lane_record(1)]))
    assert run.restart().lanes == {1: LaneState(3, 0, 3, 3)}


# --- bodies that are shared


@pytest.mark.parametrize("size", [1, statements.SHARED_BODY_MIN_BYTES, 100_000])
def test_a_body_for_many_queues_comes_back_in_each_and_lives_as_long_as_one(run: Run, size: int) -> None:
    body = b"s" * size
    messages = {key_of(lane, 0): message_of(body, expires_at_ms=lane) for lane in (1, 2, 3)}
    messages[key_of(1, 1)] = message_of(b"alone")
    messages |= {key_of(lane, 5): message_of(body) for lane in (4, 5)}
    run.write(run.batch(messages, puts=[lane_record(lane, str(lane)) for lane in range(1, 6)]))
    for gone in range(1, 5):
        assert [run.all(lane).get(0) for lane in range(gone, 4)] == [
            look(message_of(body, expires_at_ms=lane)) for lane in range(gone, 4)
        ]
        state = run.crash().lanes[5]
        assert state == LaneState(1, 5, 6, size)
        run.write(run.batch(removed=[key_of(gone, 0), key_of(gone, 5)]))
    assert run.all(5) == {5: look(message_of(body))}
