"""What is made of what brokers told: differences, waits in vain, memory, and the table."""

import pytest
from click.testing import CliRunner

from interop import rabbitmq
from interop.matrix import features
from interop.matrix.__main__ import main
from interop.matrix.bodies import body, checksum, runs
from interop.matrix.brokers import Player
from interop.matrix.cells import AT_ONCE, LATE, NEVER, QUICK, READERS, SIZES, Cell
from interop.matrix.registry import FEATURES, cells, play, quick_cells
from interop.matrix.report import line_of, table
from interop.matrix.run import Outcome, growth_max_mib, judged
from interop.matrix.scene import Told
from interop.parity.amqpy import running_amqpy

CELL = Cell("some.thing", "1K", LATE)
RABBITMQ, AMQPY = Player("RabbitMQ", "url"), Player("amqpy", "url", is_amqpy=True)
LINES = {"consumer": ["basic.deliver c: 1-3"], "cell": ["left in queue: 0"]}
features.load()


def outcome(reference: Told, player: Told, cell: Cell = CELL) -> Outcome:
    return judged(cell, [(RABBITMQ, reference), (AMQPY, player)])


def test_the_same_passes() -> None:
    assert outcome(Told(LINES), Told(LINES)).passed


def test_what_may_differ_does_not_count() -> None:
    assert outcome(Told(LINES, asides=("one",)), Told(LINES, asides=("other",), seconds=9.0)).passed


def test_what_differs_is_told_by_who_tells_it() -> None:
    (complaint,) = outcome(Told(LINES), Told(LINES | {"consumer": ["basic.deliver c: 1-2"]})).complaints
    assert complaint.splitlines() == [
        "amqpy differs (- RabbitMQ, + amqpy) in consumer",
        "-basic.deliver c: 1-3",
        "+basic.deliver c: 1-2",
    ]


def test_somebody_who_tells_nothing_is_a_difference() -> None:
    assert not outcome(Told(LINES), Told({"cell": LINES["cell"]})).passed


@pytest.mark.parametrize("side", ["RabbitMQ", "amqpy"])
def test_a_wait_in_vain_counts_on_either_side_and_on_both(side: str) -> None:
    told = {"RabbitMQ": Told(LINES), "amqpy": Told(LINES)} | {side: Told(LINES, in_vain=("waited",))}
    assert outcome(told["RabbitMQ"], told["amqpy"]).complaints == [f"{side} waited"]
    assert len(outcome(Told(LINES, in_vain=("waited",)), Told(LINES, in_vain=("waited",))).complaints) == 2


def test_memory_is_bounded_for_amqpy() -> None:
    much = growth_max_mib(CELL) + 1
    assert outcome(Told(LINES, growth_mib=much), Told(LINES)).passed
    (complaint,) = outcome(Told(LINES), Told(LINES, growth_mib=much)).complaints
    assert complaint == f"amqpy grew by {much:.0f} MiB, {much - 1:.0f} are allowed"


def test_the_table_names_the_readers_with_whom_something_differs() -> None:
    bad = Told({"cell": ["left in queue: 1"]}, seconds=2.0, growth_mib=3.0)
    outcomes = [
        outcome(Told(LINES), Told(LINES), Cell("a.feature", "1K", AT_ONCE)),
        outcome(Told(LINES), bad, Cell("a.feature", "1K", NEVER)),
        outcome(Told(LINES), bad, Cell("a.feature", "1K", LATE)),
        outcome(Told(LINES), Told(LINES), Cell("a.feature", "20M", LATE)),
        outcome(Told(LINES), Told(LINES), Cell("b.feature", "20M", LATE)),
    ]
    assert table(outcomes).splitlines() == [
        "feature    1K           20M",
        "a.feature  late, never  ok",
        "b.feature               ok",
        "",
        "RabbitMQ: 0 s, grew by 0 MiB in a.feature[1K, at once]",
        "amqpy: 4 s, grew by 3 MiB in a.feature[1K, never]",
    ]
    assert line_of(outcomes[1]) == "FAILED a.feature[1K, never]: RabbitMQ 0.0 s +0 MiB, amqpy 2.0 s +3 MiB"


# Cells


def test_cells_are_chosen_by_feature_size_and_reader() -> None:
    assert len(list(cells())) == len(FEATURES) * len(SIZES) * len(READERS)
    assert list(cells(["limits.ttl_0"], ["3M"], [LATE, NEVER])) == [
        Cell("limits.ttl_0", "3M", LATE),
        Cell("limits.ttl_0", "3M", NEVER),
    ]


def test_the_quick_cells_have_every_feature_and_reader() -> None:
    assert {(cell.feature, cell.reader) for cell in quick_cells()} == {
        (name, reader) for name in FEATURES for reader in READERS
    }
    assert max(SIZES[size] for size in QUICK.values()) == 600_000


def test_sizes_stand_around_what_one_frame_takes() -> None:
    assert [SIZES[name] - (131_072 - 8) for name in ("128K-1", "128K", "128K+1")] == [-1, 0, 1]


def test_counts_stay_below_the_limit_rabbitmq_has() -> None:
    assert all(cell.few < 200 for cell in cells())
    assert all(cell.few * cell.size > 2**21 for cell in cells() if cell.size > 100_000)


def test_every_feature_says_what_it_is_for() -> None:
    assert [feature.name for feature in FEATURES.values() if not feature.purpose] == []


def test_bodies_differ_by_number_and_size() -> None:
    assert len({checksum(number, size) for number in range(1, 61) for size in (999, 1000)}) == 120
    assert len(body(9_999, SIZES["20M"])) == SIZES["20M"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], "nothing"),
        (["1"], "1"),
        (["1", "2", "3", "5"], "1-3 5"),
        (["9", "10", "r11", "r12", "13!", "14"], "9-10 r11-r12 13! 14"),
        (["2", "1", "1"], "2 1 1"),
        (["?", "?"], "? ?"),
    ],
)
def test_numbers_in_a_row_are_told_as_one(labels: list[str], expected: str) -> None:
    assert runs(labels) == expected


# The whole


def test_a_cell_on_amqpy_tells_who_got_what() -> None:
    with running_amqpy() as amqpy:
        told = play(Cell("consume.prefetch", "1K", NEVER), amqpy)
    assert told.in_vain == ()
    assert told.lines == {
        "consumer": ["basic.deliver c: 1-30"],
        "publisher": ["confirmed by basic.ack: 1-60"],
        "other": ["basic.deliver c: 31-60"],
        "bystander": ["basic.get-ok: 1"],
        "cell": ["ready in queue: 30", "left in queue: 0"],
    }


def test_an_unknown_size_is_a_usage_error() -> None:
    result = CliRunner().invoke(main, ["--sizes", "1K,5G"])
    assert result.exit_code == 2
    assert "there is no 5G" in result.output


def test_without_rabbitmq_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "is_installed", lambda: False)
    result = CliRunner().invoke(main, ["--only", "limits.ttl_0"])
    assert result.exit_code == 1
    assert result.output == "Error: RabbitMQ is not installed: apt-get install rabbitmq-server\n"


def test_features_can_be_listed() -> None:
    result = CliRunner().invoke(main, ["--list", "--only", "limits.ttl_0"])
    assert result.output == 'limits.ttl_0: "Only live".\n'
