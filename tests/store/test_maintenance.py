"""What an operator does with a store; with the commands, as their user meets them."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from amqpy.cli import main
from amqpy.core.durability.records import ExchangeRecord, LaneRecord, QueueRecord, Record
from amqpy.store import maintenance
from amqpy.store.directory import DATABASE, open_store
from amqpy.store.store import Store
from tests.store.material import Run, by_size, key_of, lane_record, message_of

Command = Callable[..., tuple[int, str, str]]


class DirectoryOpener:
    """A store as a broker opens it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self) -> Store:
        return open_store(self.directory, sync="os")

    def crash(self, store: Store) -> None:
        store.close(is_clean=False)


def run_of(directory: Path) -> Run:
    return Run(DirectoryOpener(directory))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


pytestmark = pytest.mark.usefixtures("few_are_a_run")


@pytest.fixture
def run(data: Path) -> Iterator[Run]:
    run = run_of(data)
    puts: list[Record] = [
        QueueRecord("/", "q", "classic", False, b""),
        QueueRecord("/", "empty\udcff\n", "classic", False, b""),
        ExchangeRecord("/", "x", "x-delayed-message", False, False, b""),
        lane_record(1),
        LaneRecord(2, "/", "queue", "q", 5, 0),
        LaneRecord(3, "/", "exchange", "x", 0, 0),
    ]
    fanout = b"f" * 5000
    messages = by_size([100] * 10) | {key_of(lane, 50): message_of(fanout) for lane in (1, 2, 3)}
    run.write(run.batch(messages, puts=puts, transient=[key_of(1, 0)]))
    yield run
    run.close()


@pytest.fixture
def command(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`amqpy store …`: exit code, output, errors."""
    for name in [name for name in os.environ if name.startswith(("AMQPY_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SQLITE_TMPDIR", str(data.parent))

    def call(*arguments: str, data_dir: Path | None = data) -> tuple[int, str, str]:
        where = () if data_dir is None else ("--data-dir", str(data_dir))
        code = main(["store", *arguments, *where])
        return (code, *capsys.readouterr())

    return call


# --- check


def test_check_tells_what_is_there_while_a_broker_runs(run: Run, command: Command) -> None:
    code, out, err = command("check")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "vhost  queue          messages  bytes",
        "/      q                    12  11000",
        "/      empty\\udcff\\n         0      0",
        "2 durable queues, 0 problems",
    ]


def test_check_of_an_empty_store(data: Path, command: Command) -> None:
    run_of(data).close()
    assert command("check") == (0, "0 durable queues, 0 problems\n", "")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM queues WHERE name = 'q'", "lane 1 belongs to a queue or exchange that is not there"),
        ("DELETE FROM exchanges", "lane 3 belongs to a queue or exchange that is not there"),
        ("UPDATE bodies SET refs = 7", "body 1 counts its messages wrongly"),
        ("DELETE FROM bodies", f"message {key_of(2, 50)} has no body"),
        ("INSERT INTO bodies VALUES (9, 1, x'00')", "body 9 counts its messages wrongly"),
        (f"UPDATE messages SET body = NULL WHERE key = {key_of(1, 3)}", f"message {key_of(1, 3)} has no body"),
        ("UPDATE runs SET cuts = '[0,1]'", f"run {key_of(2, 0)} is not whole"),
        ("UPDATE runs SET cuts = 'x'", f"run {key_of(2, 0)} is not whole"),
        ("UPDATE runs SET content = x'00'", f"run {key_of(2, 0)} is not whole"),
        ("UPDATE runs SET step = 4", f"run {key_of(2, 0)} is not whole"),
        ("UPDATE runs SET bytes = 7", f"run {key_of(2, 0)} is not whole"),
        ("INSERT INTO gone VALUES (7, 8)", "what is gone from 7 on was in no run"),
    ],
)
def test_check_finds_what_must_not_be(run: Run, data: Path, command: Command, damage: str, problem: str) -> None:
    run.write(run.batch(by_size([5] * 20, lane=2)))
    run.close()
    with sqlite3.connect(data / DATABASE) as other:
        other.execute(damage)
    other.close()
    code, out, err = command("check")
    assert code == 1
    assert f"amqpy: {problem}\n" in err
    assert out.endswith("problems\n")


def test_check_finds_a_damaged_file(run: Run, data: Path, command: Command) -> None:
    run.write(run.batch(by_size([1000] * 500, lane=4)))
    run.close()
    with (data / DATABASE).open("r+b") as file:
        file.seek(-200_000, os.SEEK_END)
        file.write(b"\xff" * 150_000)
    code, _, err = command("check")
    assert code == 1
    assert err


def test_a_check_tells_how_far_it_is(run: Run, data: Path) -> None:
    told: list[float] = []
    assert maintenance.check(data, told.append).problems == []
    assert told == sorted(set(told))
    assert 0 < told[0] < told[-1] < 1


# --- compact


def test_compact_gives_space_back_and_changes_nothing_else(run: Run, data: Path, command: Command) -> None:
    total = 10_000
    run.write(run.batch(by_size([1000] * total, lane=9)))
    run.write(
        run.batch(by_size([1] * 20_000, lane=2), cleared=[(key_of(9, 0), key_of(9, total))], removed=[key_of(2, 50)])
    )
    run.write(run.batch(cleared=[(key_of(2, 10), key_of(2, 19_999))]))
    run.store.close(is_clean=True)
    code, out, err = command("compact")
    assert (code, err) == (0, "")
    before, after = (int(word) for word in out.split() if word.isdigit())
    assert before > 10_000_000
    assert after < 1_000_000
    assert after == (data / DATABASE).stat().st_size
    loaded = run.start()
    assert loaded.is_clean
    assert list(run.all(1)) == [*range(1, 10), 50]
    assert list(run.all(2)) == list(range(10))
    assert list(run.all(3)) == [50]
    assert command("check")[0] == 0


def test_compact_does_not_call_a_crash_a_stop(run: Run, command: Command) -> None:
    run.close()
    assert command("compact")[0] == 0
    assert not run.start().is_clean


def test_compact_refuses_while_a_broker_runs(run: Run, data: Path, command: Command) -> None:
    assert command("compact") == (1, "", f"amqpy: the data directory {data} is in use by another broker\n")
    run.write(run.batch(by_size([1], lane=2)))


# --- backup


def test_a_backup_of_a_running_broker_is_the_store_at_that_moment(run: Run, tmp_path: Path, command: Command) -> None:
    copy = tmp_path / "copy"
    code, out, err = command("backup", str(copy))
    assert (code, err) == (0, "")
    assert out == f"{copy.stat().st_size} bytes\n"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    run.write(run.batch(by_size([1] * 5, lane=2)))
    restored = tmp_path / "restored"
    restored.mkdir()
    copy.rename(restored / DATABASE)
    assert sorted(os.listdir(tmp_path)) == ["data", "restored"]
    assert command("check", data_dir=restored)[0] == 0
    other = run_of(restored)
    assert other.loaded.records == run.restart().records
    assert list(other.all(1)) == [*range(1, 10), 50]
    assert list(other.all(2)) == [50]
    other.write(other.batch(by_size([1] * 5, lane=3)))
    other.close()
    assert list(run.all(2)) == [0, 1, 2, 3, 4, 50]


@pytest.mark.parametrize("name", ["copy", "copy.part"])
def test_a_backup_overwrites_nothing(run: Run, tmp_path: Path, command: Command, name: str) -> None:
    (tmp_path / name).write_text("mine")
    code, out, err = command("backup", str(tmp_path / "copy"))
    assert (code, out, err) == (1, "", f"amqpy: cannot make {tmp_path / name}: File exists\n")
    assert (tmp_path / name).read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [name, "data"]


def test_a_backup_that_fails_leaves_nothing(
    run: Run, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("amqpy.store.maintenance.sync_directory", broken)
    code, _, err = command("backup", str(tmp_path / "copy"))
    assert code == 1
    assert "No space left on device" in err
    assert os.listdir(tmp_path) == ["data"]


def test_a_backup_is_of_one_moment_even_if_it_takes_long(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part at a time, between which a broker writes."""
    monkeypatch.setattr(maintenance, "COPIED_PAGES", 3)
    expected, told = list(run.all(1)), list[float]()

    def tell(part: float) -> None:
        told.append(part)
        if len(told) <= 3:
            run.write(run.batch({key_of(1, 1000 * len(told)): message_of(b"m" * 9000)}))

    other = tmp_path / "other"
    other.mkdir()
    size = maintenance.back_up(data, other / DATABASE, tell)
    assert told == sorted(told), "it was not begun anew"
    with closing(sqlite3.connect(other / DATABASE)) as database:
        (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
    assert (len(told), told[-1]) == (-(-size // page_bytes // 3), 1.0)
    assert len(list(run.all(1))) == len(expected) + 3
    copy = run_of(other)
    assert list(copy.all(1)) == expected[1:], "and not the transient one"
    copy.close()


# --- which store


@pytest.mark.parametrize("arguments", [("check",), ("compact",), ("backup", "copy")])
def test_where_there_is_no_store_none_is_made(tmp_path: Path, command: Command, arguments: tuple[str, ...]) -> None:
    assert command(*arguments, data_dir=tmp_path) == (1, "", f"amqpy: there is no store in {tmp_path}\n")
    assert not os.listdir(tmp_path)


def test_the_store_is_the_one_that_serve_would_take(
    run: Run, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("check", data_dir=None) == (2, "", "amqpy: which store? give --data-dir\n")
    monkeypatch.setenv("AMQPY_DATA_DIR", str(data))
    assert command("check", data_dir=None)[0] == 0
    monkeypatch.delenv("AMQPY_DATA_DIR")
    settings = tmp_path / "settings.toml"
    settings.write_text(f'data_dir = "{data}"\n')
    assert command("check", "--config", str(settings), data_dir=None)[0] == 0
    assert command("check", "--config", str(tmp_path / "none"), data_dir=None)[0] == 2


def test_somebody_elses_database_is_refused(tmp_path: Path, command: Command) -> None:
    sqlite3.connect(tmp_path / DATABASE).close()
    with sqlite3.connect(tmp_path / DATABASE) as other:
        other.execute("CREATE TABLE songs (name)")
    other.close()
    code, _, err = command("check", data_dir=tmp_path)
    assert code == 1
    assert "is a database, but not one of amqpy" in err
