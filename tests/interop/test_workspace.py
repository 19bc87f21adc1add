"""Folders of libraries: one run at a time."""

from pathlib import Path

import pytest

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
