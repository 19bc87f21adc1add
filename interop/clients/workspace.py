"""Where a library is installed and its programs and tests run: a folder of `.interop/`, which may be thrown away."""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from interop import debian
from interop.clients.library import Checkout, Installed, Library, Sdist, Suite

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).resolve().parent
INSTALL_TIMEOUT_S = 1200.0
LOCK_POLL_S = 0.2

_system_packages = threading.Lock()


class InstallFailed(RuntimeError):
    """The library is not there and could not be installed; the text says what was tried and what it said."""


class Workspace:
    """The folder of one library."""

    def __init__(self, library: Library, home: Path = ROOT / ".interop") -> None:
        self.library = library
        self.folder = home / library.folder
        self.programs = self.folder / "programs"
        self._venv = self.folder / "venv"

    @contextlib.contextmanager
    def alone(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait until no other run has the folder, and have it; it is free again at the latest when our process ends.

        `check` is called while it waits, and may raise.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            while not is_locked(lock):
                check()
                time.sleep(LOCK_POLL_S)
            yield

    def install(self) -> None:
        """Install what the library asks for, unless it is there since the last time; its programs are copied anew.

        Raises `InstallFailed`.
        """
        library = self.library
        install_system_packages(library.apt)
        if library.pip:
            self._once("pip", library.pip, self._make_venv)
        if library.npm:
            self._once("npm", library.npm, self._install_npm)
        shutil.rmtree(self.programs, ignore_errors=True)
        ignored = shutil.ignore_patterns("library.py", "__init__.py", "__pycache__")
        shutil.copytree(CLIENTS / "harness", self.programs, ignore=ignored)
        shutil.copytree(CLIENTS / "libraries" / library.folder, self.programs, ignore=ignored, dirs_exist_ok=True)
        if library.newest:
            self._unpack_newest()
        for command in library.build:
            self._run(command, self.programs)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """What programs and tests of this library find: its own environment before the machine's, nothing of ours."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))}
        own = [str(self._venv / "bin"), str(self.folder / "node_modules" / ".bin")]
        return {
            **inherited,
            "PATH": os.pathsep.join([*own, inherited["PATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "INTEROP_LIBRARY": str(self.folder),
            **more,
        }

    def version(self) -> str:
        """Of the library itself, as its package manager knows it; nothing if it is in none."""
        library = self.library
        if library.package is None:
            return ""
        if library.package:
            return self._version_in_debian(library.package)
        if library.pip:
            name = library.pip[0].partition("==")[0].partition("[")[0]
            code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
            return self._run([str(self._venv / "bin" / "python"), "-c", code], self.folder)
        if library.npm:
            name = library.npm[0].rpartition("@")[0]
            manifest = json.loads((self.folder / "node_modules" / name / "package.json").read_text())
            return str(manifest["version"])
        if library.newest:
            return debian.version_of(library.newest, debian.root_with_tool(library.newest))
        if library.apt:
            return self._version_in_debian(library.apt[0])
        return ""

    def _version_in_debian(self, package: str) -> str:
        shown = self._run(["dpkg-query", "--show", "--showformat=${Version}", package], self.folder)
        return shown.partition(":")[2] or shown

    def fresh_copy(self, suite: Suite) -> Path:
        """The tests of a suite, as published, with our settings in them, prepared to run but for the broker's address.

        Raises `InstallFailed`.
        """
        place = self.folder / "suites" / "".join(c if c.isalnum() else "-" for c in suite.name)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        match suite.source:
            case Sdist(requirement):
                source = self._unpacked(requirement)
                shutil.copytree(source, place, dirs_exist_ok=True)
            case Checkout(url, tag):
                quietly = ["-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1", "--branch", tag]
                self._run(["git", *quietly, url, str(place)], self.folder)
            case Installed(path):
                shutil.copytree(self.folder / path, place, dirs_exist_ok=True)
        for ours, theirs in suite.overlay.items():
            (place / theirs).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CLIENTS / "libraries" / self.library.folder / ours, place / theirs)
        return place

    def _unpacked(self, requirement: str) -> Path:
        name, _, _ = requirement.partition("==")
        place = self.folder / "sdists" / requirement
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            fetch = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name, "--dest"]
            # In a place of its own until it is whole: a run may be killed.
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                self._run([sys.executable, *fetch, made, "--disable-pip-version-check", requirement], self.folder)
                (archive,) = Path(made).glob("*.t*gz")
                with tarfile.open(archive) as packed:
                    packed.extractall(made, filter="data")
                Path(made).rename(place)
                Path(made).mkdir()  # for TemporaryDirectory to remove
        (folder,) = (path for path in place.iterdir() if path.is_dir())
        return folder

    def _once(self, what: str, requirements: Sequence[str], install: Callable[[Sequence[str]], None]) -> None:
        stamp = self.folder / f"installed-{what}"
        wanted = "\n".join([sys.version, *requirements])
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            install(requirements)
            stamp.write_text(wanted)

    def _make_venv(self, requirements: Sequence[str]) -> None:
        self._run([sys.executable, "-m", "venv", "--clear", str(self._venv)], self.folder)
        pip = [str(self._venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self._run([*pip, *requirements], self.folder)

    def _install_npm(self, requirements: Sequence[str]) -> None:
        (self.folder / "package.json").write_text("{}\n")
        self._run(["npm", "install", "--silent", "--no-audit", "--no-fund", *requirements], self.folder)

    def _unpack_newest(self) -> None:
        try:
            root = debian.root_with_tool(self.library.newest)
        except debian.DebianUnavailable as error:
            raise InstallFailed(str(error)) from error
        inside = self.programs / "inside"
        inside.write_text(f'#!/bin/sh\nexec {shlex.join(debian.inside(root))} "$@"\n')
        inside.chmod(0o755)

    def _run(self, command: Sequence[str], cwd: Path) -> str:
        return run(command, cwd, self.environment({}))


def is_locked(file: IO[str]) -> bool:
    """Whether it is from now on: by us, and so not by others."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def install_system_packages(packages: Sequence[str]) -> None:
    """Raises `InstallFailed`, also where this is not Debian or not done by root."""
    with _system_packages:
        missing = [package for package in packages if not is_installed(package)]
        if not missing:
            return
        if os.geteuid() or not shutil.which("apt-get"):
            raise InstallFailed(f"needs Debian's {' '.join(missing)}: apt-get install {' '.join(missing)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
        run([*apt, "update"], ROOT, environment)
        run([*apt, "install", "-y", "--no-install-recommends", *missing], ROOT, environment)


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return bool(shutil.which("dpkg-query")) and (
        subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"
    )


def run(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> str:
    """What a command of an installation printed. Raises `InstallFailed`."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallFailed(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise InstallFailed(f"{' '.join(command)}: ended with code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
