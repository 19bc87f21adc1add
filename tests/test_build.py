"""The wheels that are built from a checkout: with the part in C where it can be compiled, and without it elsewhere."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.wire.twins import JUDGES

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys, hatchling.build as backend; getattr(backend, f'build_{sys.argv[1]}')(sys.argv[2])"

needs_a_compiler_of_its_own = pytest.mark.skipif(os.name == "nt", reason="CC does not choose the compiler on Windows")


class Built(NamedTuple):
    name: str
    files: set[str]
    told: str


def build(kind: str, folder: Path, **variables: str) -> Built:
    """Builds from this checkout, without the web page unless the variables say otherwise."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"AMQPY_PURE", "CC"}}
    command = [sys.executable, "-c", BUILD, kind, str(folder)]
    given = inherited | {"AMQPY_UI": "0"} | variables
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True)
    (path,) = folder.iterdir()
    if kind == "sdist":
        with tarfile.open(path) as archive:
            files = {name.partition("/")[2] for name in archive.getnames()}
    else:
        with zipfile.ZipFile(path) as wheel:
            files = set(wheel.namelist())
    return Built(path.name, files, done.stdout + done.stderr)


def compiled(files: set[str]) -> set[str]:
    return {name for name in files if name.endswith((".so", ".pyd"))}


def test_a_wheel_has_the_part_in_c_if_this_checkout_could_be_given_it(tmp_path: Path) -> None:
    wheel = build("wheel", tmp_path)
    assert "amqpy/wire/scan.py" in wheel.files
    assert not [name for name in wheel.files if name.endswith(".c")]
    if "C" in JUDGES:
        assert "-cp311-abi3-" in wheel.name
        assert len(compiled(wheel.files)) == 1
        assert compiled(wheel.files) <= {"amqpy/wire/_scan.abi3.so", "amqpy/wire/_scan.pyd"}
    else:
        assert "-py3-none-any." in wheel.name
        assert "without its part in C" in wheel.told


@needs_a_compiler_of_its_own
def test_without_a_compiler_a_wheel_is_pure_and_says_so(tmp_path: Path) -> None:
    wheel = build("wheel", tmp_path, CC=str(tmp_path.parent / "no-compiler"))
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not compiled(wheel.files)
    assert "amqpy is built without its part in C" in wheel.told


def test_who_asks_for_pure_python_gets_it_without_a_warning(tmp_path: Path) -> None:
    wheel = build("wheel", tmp_path, AMQPY_PURE="1")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not compiled(wheel.files)
    assert "part in C" not in wheel.told


def test_the_source_distribution_has_all_that_is_built_from(tmp_path: Path) -> None:
    source = build("sdist", tmp_path)
    assert {"hatch_build.py", "amqpy/wire/_scan.c", "amqpy/wire/_scan.pyi", "pyproject.toml"} <= source.files
    assert not compiled(source.files)
