"""Bars for work that takes long: on a terminal, and nowhere else."""

import io
import os
import sys
from pathlib import Path

import pytest

from amqpy.cli import main
from amqpy.ctl.progress import progress
from amqpy.store.directory import open_store
from tests.ctl.fake import FakeApi, Tools


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def look_on(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes standard error a terminal. Not as a fixture: pytest puts its own there before each test."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("AMQPY_", "RABBITMQ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    directory = tmp_path / "data"
    store = open_store(directory, sync="os")
    store.load()
    store.close(is_clean=True)
    return directory


def test_a_bar_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_on(monkeypatch)
    with progress("copying [b]") as tell:
        tell(0.25)
        tell(0.5)
    assert "copying [b]" in terminal.getvalue()
    assert "50%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K"), "it is gone"


def test_without_a_terminal_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("copying") as tell:
        tell(0.5)
    assert capsys.readouterr() == ("", "")


def test_without_rich_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_on(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress("copying") as tell:
        tell(0.5)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["check"], "checking"), (["compact"], "writing the store anew"), (["backup", "copy"], "copying")],
)
def test_commands_of_the_store_have_one(
    arguments: list[str],
    text: str,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = look_on(monkeypatch)
    monkeypatch.chdir(data.parent)
    line = ["store", *arguments, "--data-dir", str(data)]
    assert main(line) == 0
    shown, said = terminal.getvalue(), capsys.readouterr().out
    assert text in shown
    if arguments[0] == "check":
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        assert main(line) == 0
        assert capsys.readouterr().out == said, "what is printed is the same"


def test_imports_have_one(tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = look_on(monkeypatch)
    file = tmp_path / "definitions.json"
    file.write_text('{"queues": []}')
    api = FakeApi({})
    said = tools.run(["ctl", "import_definitions", str(file)], api)
    assert said.code == 0
    assert "importing" in terminal.getvalue()
    assert [method for method, *_ in api.changes] == ["POST"]
