"""Measurements, also where the system does not tell."""

import gc
import os
from pathlib import Path

import pytest

from amqpy.management import machine
from amqpy.management.erlang import sockets_max
from amqpy.management.machine import InputOutput, Machine


def test_open_files_are_counted(tmp_path: Path) -> None:
    mine = Machine()
    before = mine.fd_used
    with (tmp_path / "x").open("w"):
        assert mine.fd_used == before + 1
    assert mine.fd_used == before


def test_open_files_are_counted_one_by_one_where_need_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "DESCRIPTORS", tmp_path / "nowhere")
    mine = Machine()
    before = mine.fd_used
    with (tmp_path / "x").open("w"):
        assert mine.fd_used == before + 1


def test_what_is_not_told_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        raise PermissionError

    monkeypatch.setattr(machine, "DESCRIPTORS", tmp_path / "nowhere")
    mine = Machine()
    for name in ("num_fds", "num_handles", "num_ctx_switches", "io_counters"):
        monkeypatch.setattr(mine._process, name, refuse, raising=False)  # noqa: SLF001 (what psutil raises elsewhere)
    assert (mine.fd_used, mine.context_switches, mine.input_output) == (0, 0, InputOutput())


def test_collections_are_counted() -> None:
    mine = Machine()
    before = mine.collections
    gc.collect()
    assert mine.collections > before


def test_the_rest() -> None:
    mine = Machine()
    assert mine.pid == os.getpid()
    assert 0 < mine.memory_used < mine.memory_total
    assert 0 < mine.fd_used < mine.fd_total
    assert mine.disk_free > 0


@pytest.mark.parametrize(("files", "sockets"), [(20_000, 17_910), (1_048_576, 943_628), (1, 2)])
def test_sockets_are_most_of_the_files(files: int, sockets: int) -> None:
    assert sockets_max(files) == sockets
