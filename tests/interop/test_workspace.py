"""Folders of libraries: one run at a time."""

import subprocess
from pathlib import Path

import pytest

from interop import debian
from interop.clients.library import Library
from interop.clients.play import Interrupted
from interop.clients.workspace import Workspace

LIBRARY = Library("A library", "Python", "nothing", folder="a_library")


def give_up() -> None:
    raise Interrupted


def test_the_second_waits_until_it_gives_up(tmp_path: Path) -> None:
    with Workspace(LIBRARY, tmp_path).alone(give_up):
        with pytest.raises(Interrupted), Workspace(LIBRARY, tmp_path).alone(give_up):
            pass
        with Workspace(Library("Another", "C", "", folder="another"), tmp_path).alone(give_up):
            pass
    with Workspace(LIBRARY, tmp_path).alone(give_up):
        pass


def test_a_replay_has_no_version(tmp_path: Path) -> None:
    library = Library("A replay", "other", "", pip=("pika==1.4.4",), package=None)
    assert Workspace(library, tmp_path).version() == ""


def test_the_version_may_be_that_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], *_: object) -> str:
        asked.append(command)
        return "1:3.10.8-1"

    monkeypatch.setattr("interop.clients.workspace.run", run)
    library = Library("Pages", "other", "", pip=("playwright==1.65.2",), apt=("chromium",), package="rabbitmq-server")
    assert Workspace(library, tmp_path).version() == "3.10.8-1"
    assert [command[-1] for command in asked] == ["rabbitmq-server"]


def test_what_is_of_another_release_of_debian_runs_in_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "root_with_tool", lambda package: tmp_path / package)
    monkeypatch.setattr(debian, "inside", lambda root: ["echo", str(root)])
    workspace = Workspace(Library("A tool", "other", "", newest="some-tool", folder="pika"), tmp_path)
    workspace.folder.mkdir()
    workspace.install()
    done = subprocess.run(
        [workspace.programs / "inside", "some-tool", "a b"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/some-tool some-tool a b\n"
