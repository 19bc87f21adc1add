"""Each store in turn, for what must be true of all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from amqpy.store import statements
from tests.store.material import FEW, MemoryOpener, Opener, Run, SqliteOpener


@pytest.fixture(params=["memory", "sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return MemoryOpener() if request.param == "memory" else SqliteOpener(tmp_path)


@pytest.fixture
def run(opener: Opener) -> Iterator[Run]:
    run = Run(opener)
    yield run
    run.close()


@pytest.fixture
def few_are_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that tests of runs need few messages."""
    monkeypatch.setattr(statements, "RUN_MIN", FEW)
