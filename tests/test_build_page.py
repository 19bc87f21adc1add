"""The web page in what is built from a checkout: with npm, for which a few lines of shell stand here, and without."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys, hatchling.build as backend; getattr(backend, f'build_{sys.argv[1]}')(sys.argv[2])"
PAGE = "amqpy/management/ui/index.html"

NPM = """#!/bin/sh
echo "npm $@" >>"$NPM_LOG"
case "$1" in
    ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
    run) mkdir -p ../amqpy/management/ui && echo "<html>built" >../amqpy/management/ui/index.html ;;
esac
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script is no program on Windows")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a build needs of this checkout, but for most of the package."""
    folder = tmp_path / "checkout"
    for name in ("amqpy/__init__.py", "amqpy/version.py", "hatch_build.py", "pyproject.toml", "README.md", "LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "amqpy" / "management").mkdir()
    shutil.copy(ROOT / ".gitignore", folder)
    ignored = shutil.ignore_patterns("node_modules", "build")
    shutil.copytree(ROOT / "ui", folder / "ui", ignore=ignored)
    return folder


@pytest.fixture
def npm(tmp_path: Path) -> Path:
    """A folder for PATH with programs called npm and node; what npm was told is in `log`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("npm", "node"):
        (folder / name).write_text(NPM)
        (folder / name).chmod(0o755)
    return folder


def run(checkout: Path, *command: str, path: Path | None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the checkout, with these programs and those of a shell."""
    kept = {name: value for name, value in os.environ.items() if name not in {"AMQPY_UI", "PATH"}}
    shell = checkout.parent / "shell"
    if not shell.exists():
        shell.mkdir()
        for name in ("sh", "mkdir", "touch"):
            (shell / name).symlink_to(str(shutil.which(name)))
    programs = os.pathsep.join([*([] if path is None else [str(path)]), str(shell)])
    given = {**kept, "PATH": programs, "AMQPY_PURE": "1", "NPM_LOG": str(checkout.parent / "log"), **variables}
    return subprocess.run([sys.executable, *command], cwd=checkout, env=given, capture_output=True, text=True)


def build(checkout: Path, kind: str, *, path: Path | None, **variables: str) -> tuple[set[str], str]:
    """Builds a wheel or a source distribution; the files in it, and what was said."""
    folder = checkout.parent / kind
    done = run(checkout, "-c", BUILD, kind, str(folder), path=path, **variables)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    if kind == "wheel":
        with zipfile.ZipFile(made) as wheel:
            return set(wheel.namelist()), done.stdout + done.stderr
    with tarfile.open(made) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_has_the_page(checkout: Path, npm: Path, kind: str) -> None:
    files, _ = build(checkout, kind, path=npm)
    assert PAGE in files


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_without_npm_there_is_no_page_and_a_warning(checkout: Path, kind: str) -> None:
    files, told = build(checkout, kind, path=None)
    assert PAGE not in files
    assert "without its web page" in told
    assert "nodejs npm" in told


def test_who_wants_no_page_gets_none_without_a_warning(checkout: Path, npm: Path) -> None:
    files, told = build(checkout, "wheel", path=npm, AMQPY_UI="0")
    assert PAGE not in files
    assert "web page" not in told


def test_a_page_that_was_built_before_needs_no_npm(checkout: Path) -> None:
    page = checkout / PAGE
    page.parent.mkdir(parents=True)
    page.write_text("<html>")
    files, told = build(checkout, "wheel", path=None)
    assert PAGE in files
    assert "web page" not in told


def test_it_is_built_when_its_sources_are_newer(checkout: Path, npm: Path) -> None:
    def built() -> list[str]:
        assert run(checkout, "ui/build.py", path=npm).returncode == 0
        log = checkout.parent / "log"
        commands = [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return commands

    assert built() == ["ci", "run"]
    assert built() == []
    os.utime(checkout / "ui" / "src" / "main.tsx", (4e9, 4e9))
    assert built() == ["run"]
    os.utime(checkout / PAGE, (5e9, 5e9))
    assert built() == []
    os.utime(checkout / "ui" / "package-lock.json", (6e9, 6e9))
    assert built() == ["ci", "run"]


def test_it_is_told_why_it_is_not_built(checkout: Path) -> None:
    done = run(checkout, "ui/build.py", path=None)
    assert done.returncode == 1
    assert "the web page is not built" in done.stderr
