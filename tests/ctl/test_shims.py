"""Programs of RabbitMQ's names."""

import subprocess
from pathlib import Path

import pytest

from amqpy.cli import main
from amqpy.ctl.shims import TOOLS
from tests.serving import DEADLINE_S, environment


def test_programs_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "bin"
    assert main(["shims", str(directory)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(directory / tool) for tool in TOOLS]
    assert {path.name for path in directory.iterdir()} == set(TOOLS)


@pytest.mark.parametrize("tool", TOOLS)
def test_programs_run(tool: str, tmp_path: Path) -> None:
    """Somewhere else, and with a package of the same name in the way."""
    main(["shims", str(tmp_path)])
    (tmp_path / "amqpy").mkdir()
    (tmp_path / "amqpy" / "__init__.py").write_text("raise SystemExit('not this one')")
    done = subprocess.run(
        [tmp_path / tool, "nosuch"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 64
    assert "Command 'nosuch' not found." in done.stderr


def test_they_may_be_written_again(tmp_path: Path) -> None:
    assert [main(["shims", str(tmp_path)]) for _ in range(2)] == [0, 0]


def test_other_programs_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "rabbitmq-plugins"
    other.write_text("#!/bin/sh\n")
    assert main(["shims", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"amqpy: {other} is there already, and is another program\n"
    assert list(tmp_path.iterdir()) == [other]
    assert main(["shims", "--force", str(tmp_path)]) == 0
    assert "amqpy" in other.read_text()
