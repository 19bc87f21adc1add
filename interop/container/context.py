"""The folder that an image is built from: the files that .dockerignore lets pass, and the wheels of what they need."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("http", "management", "oauth2", "terminal", "tls")


def make(folder: Path, python: str) -> None:
    """Fills a folder, for a base with this version of Python (`3.13`). Raises OSError if the wheels cannot be had."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        source = ROOT / line.removeprefix("!")
        if line.startswith("!") and source.exists():
            target = folder / line.removeprefix("!")
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(
                    source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "build", "node_modules")
                )
            else:
                shutil.copy2(source, target)
    for each in ("Containerfile", ".dockerignore"):
        shutil.copy2(ROOT / each, folder)
    download(folder / "wheels", python)


def download(folder: Path, python: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", f"--python-version={python}", f"--dest={folder}", *requirements()]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"the wheels for the image cannot be downloaded:\n{done.stderr.strip()}")


def requirements() -> list[str]:
    """The distributions that the image is made of, and those that build amqpy itself."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = told["project"]
    found = [*told["build-system"]["requires"], *project["dependencies"]]
    return [*found, *(each for extra in EXTRAS for each in project["optional-dependencies"][extra])]
