"""The scripts that run for long say so first, if they are asked."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("name", ["check", "test"])
def test_help_is_all_that_is_done(name: str, option: str) -> None:
    # Not by its bare name: Windows would look for another bash first.
    command = [shutil.which("bash") or "bash", str(ROOT / "scripts" / name), "-x", option]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "Arguments go to pytest" in said.stdout
    assert "\n== " not in f"\n{said.stdout}", "no check was begun"
