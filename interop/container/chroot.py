"""The steps of a Containerfile in root directories of Debian's, and the image that they make in one of them.

Each stage is a copy of a base that debootstrap has made, once, below the cache directory. What an instruction means
here is what ours needs of it: RUN is a shell in the root, COPY copies, ENV and USER hold for what is run.
"""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from interop import debian
from interop.clients.network import IFF_UP, SIOCSIFFLAGS
from interop.container.containerfile import Stage, Step, stages_of, with_values
from interop.container.image import Done, Unavailable

RELEASE = "trixie"
PYTHON = "3.13"
"""That of the release."""
NEEDED = ("debootstrap", "unshare", "chroot", "mount", "cp")
CLONE_NEWNET = 0x40000000
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE_S = 60

# $0 is the root, $1 a directory and $2 the mount point of it in the root, and then comes the program. Each step takes
# the place of the one before, so that the process that was started becomes the program.
ENTER = """
mount --make-rprivate / && mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" \\
    && mkdir -p "$0$2" && mount --bind "$1" "$0$2" && shift 2 && exec "$@"
"""


def check() -> None:
    """Raises Unavailable."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        raise Unavailable(f"without a container runtime it takes {', '.join(missing) or 'root'}")


def leave_network() -> None:
    """Has this process, and what it starts, in a network of its own from now on, which has a loopback and nothing else.
    Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "no network namespaces")
    with socket.socket() as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def base() -> Path:
    """The root directory of the release, made if this is the first time. Raises Unavailable."""
    root = debian.cache() / f"debian-{RELEASE}"
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        made = root.with_name(f"{root.name}-{os.getpid()}")
        try:
            debian.run("debootstrap", "--variant=minbase", RELEASE, str(made), debian.mirror())
            shutil.rmtree(made / "var/cache/apt/archives")
            (made / "var/cache/apt/archives/partial").mkdir(parents=True)
            debian.put_in_place(made, root)
        except debian.DebianUnavailable as reason:
            raise Unavailable(str(reason)) from None
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return root


class Root:
    """A root directory, and what holds for the programs that run in it."""

    def __init__(self, path: Path, volume: Path) -> None:
        self.path = path
        self.variables = {"PATH": PATH}
        self.user = "root"
        self.volume = volume
        self.mount_point = "/mnt"
        """The place of the volume."""

    def command(self, *command: str, variables: Mapping[str, str] | None = None) -> list[str]:
        """The command line that runs another one in here."""
        given = {**self.variables, **(variables or {})}
        enter = ["unshare", "--mount", "sh", "-c", ENTER, str(self.path), str(self.volume), self.mount_point]
        inside = ["chroot", f"--userspec={self.user}:{self.user}", str(self.path)]
        return [*enter, *inside, "env", "-i", *(f"{key}={value}" for key, value in given.items()), *command]

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> Done:
        line = self.command(*command, variables=variables)
        return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True)


class ChrootImage:
    """An image in a root directory."""

    def __init__(self, context: Path, folder: Path, arguments: Mapping[str, str]) -> None:
        """Builds it of a folder with a Containerfile, in another one. Raises Unavailable, RuntimeError."""
        self._context, self._folder = context, folder
        self._volume = folder / "volume"
        self._volume.mkdir()
        self._roots: dict[str, Root] = {}
        self._count = 0
        for stage in stages_of((context / "Containerfile").read_text(), arguments):
            self._root = self._build(stage, arguments)
            self._stage = stage
        # As a new volume, it gets what the image has in its place.
        (mount_point,) = self._stage.only("VOLUME").arguments
        copy(self._root.path / mount_point.removeprefix("/"), self._volume)
        self._root.mount_point = mount_point

    def _build(self, stage: Stage, arguments: Mapping[str, str]) -> Root:
        root = self._roots[stage.name] = Root(self._folder / f"root-{len(self._roots)}", self._context)
        root.path.mkdir()
        copy(base(), root.path)
        given: dict[str, str] = {}
        for step in stage.steps:
            match step.name:
                case "ARG":
                    given |= step.pairs
                    given |= {name: arguments[name] for name in step.arguments if name in arguments}
                case "ENV":
                    root.variables |= {key: with_values(value, root.variables) for key, value in step.pairs.items()}
                case "RUN":
                    done = root.run("/bin/sh", "-c", step.text, variables=given)
                    if done.returncode:
                        raise RuntimeError(f"{step.text}\nfailed:\n{done.stdout}{done.stderr}")
                case "COPY":
                    self._copy(step, root)
                case "USER":
                    (root.user,) = step.arguments
        return root

    def _copy(self, step: Step, root: Root) -> None:
        *sources, target = step.arguments
        stage = step.options.get("from")
        origin = self._context if stage is None else self._roots[stage].path
        for source in sources:
            found, place = origin / source.removeprefix("/"), root.path / target.removeprefix("/")
            if found.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                copy(found, place)
            else:
                shutil.copy2(found, place)

    @property
    def path(self) -> Path:
        """Its root directory."""
        return self._root.path

    @property
    def health_check(self) -> list[str]:
        return self._stage.only("HEALTHCHECK").arguments

    @contextlib.contextmanager
    def start(self, variables: Mapping[str, str], files: Mapping[str, str]) -> Iterator["ChrootContainer"]:
        self._count += 1
        root = Root(self._folder / f"container-{self._count}", self._volume)
        root.path.mkdir()
        copy(self._root.path, root.path)
        root.variables = {**self._root.variables, **variables}
        root.user, root.mount_point = self._root.user, self._root.mount_point
        for name, text in files.items():
            (root.path / name.removeprefix("/")).write_text(text)
        container = ChrootContainer(root, self._stage.only("CMD").arguments)
        try:
            yield container
        finally:
            container.end()
            shutil.rmtree(root.path)


class ChrootContainer:
    """A process in a root directory, and those that are run beside it."""

    def __init__(self, root: Root, command: list[str]) -> None:
        self._root = root
        self._process = subprocess.Popen(
            root.command(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lines(self) -> Iterator[str]:
        assert self._process.stdout is not None
        return iter(self._process.stdout.readline, "")

    def address(self, port: int) -> tuple[str, int]:
        return "127.0.0.1", port

    def run(self, *command: str) -> Done:
        return self._root.run(*command)

    def users(self) -> set[int]:
        status = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return {int(number) for line in status if line.startswith("Uid:") for number in line.split()[1:]}

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(DEADLINE_S)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def copy(source: Path, target: Path) -> None:
    """Copies what is in a directory into another one, with all that is known of it."""
    subprocess.run(["cp", "--archive", "--reflink=auto", f"{source}/.", str(target)], check=True)
    shutil.copystat(source, target)
    told = source.stat()
    os.chown(target, told.st_uid, told.st_gid)
