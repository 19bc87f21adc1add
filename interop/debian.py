"""RabbitMQs, and a tool, of other releases of Debian, each unpacked into a root directory of its own.

Every release of Debian has one RabbitMQ. What this machine has not installed is downloaded with apt, from the mirror
it uses itself, once; it is unpacked below the cache directory, and nothing is installed. Its programs run with that
directory as their root, with `/dev`, `/proc` and the directory for temporary files of the machine mounted where only
they see it: that takes root, and Linux.

`python -m interop.debian 4.0` makes the root directory ready, and says why if that cannot be.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NEWEST = "sid"
RELEASES = {"3.10": "bookworm", "4.0": "trixie", "4.3": NEWEST}
"""Which release of Debian has which RabbitMQ. That of sid moves on: what was downloaded stays until it is removed."""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# apt adds what these depend on. Nothing is set up, so the rest is what RabbitMQ's scripts take for granted.
PACKAGES = ["rabbitmq-server", "base-files", "bash", "coreutils", "dash", "findutils", "grep", "hostname", "mawk"]
PACKAGES += ["sed"]
OF_TOOLS = ["base-files"]
"""What a tool takes for granted: only that there are the usual directories."""

FILES = {
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "hosts: files\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
}

# $0 is the root, $1 the directory for temporary files, and then comes the program with its arguments. Each step takes
# the place of the one before, so that the process that was started becomes the program.
ENTER = """
mkdir -p "$0$1" && mount --make-rprivate / && mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" \\
    && mount --rbind "$1" "$0$1" && shift && exec chroot "$0" "$@"
"""


class DebianUnavailable(RuntimeError):
    """There is no such RabbitMQ, or this machine cannot run it; the text says why."""


def inside(root: Path, *command: str) -> list[str]:
    """The command line that runs another one in `root`, which finds temporary files where they are."""
    return ["unshare", "--mount", "sh", "-c", ENTER, str(root), tempfile.gettempdir(), *command]


def root_with(version: str) -> Path:
    """The root directory with RabbitMQ `version` (`4.0`), downloaded if this is the first time."""
    if version not in RELEASES:
        raise DebianUnavailable(f"no RabbitMQ {version} is known, only {', '.join(RELEASES)}")
    if needed := obstacle():
        raise DebianUnavailable(f"RabbitMQ {version} needs {needed}, as it is not installed")
    return unpacked(f"rabbitmq-{version}", RELEASES[version], PACKAGES)


def root_with_tool(package: str) -> Path:
    """The root directory with a package of Debian's newest release, as `root_with`."""
    if needed := obstacle():
        raise DebianUnavailable(f"{package} needs {needed}")
    return unpacked(package, NEWEST, [package, *OF_TOOLS])


def obstacle() -> str:
    """What is missing here for a root directory; nothing if it can be made and used."""
    missing = [program for program in ("apt-get", "dpkg-deb", "unshare", "chroot") if shutil.which(program) is None]
    return ", ".join(missing) or ("root" if os.geteuid() else "")


def unpacked(name: str, release: str, packages: list[str]) -> Path:
    """The root directory of that name in the cache, with these packages of a release."""
    root = cache() / name
    if not root.exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{root.name}-", dir=root.parent) as folder:
            made = Path(folder, "root")
            unpack(download(release, Path(folder), packages), made)
            put_in_place(made, root)
    return root


def version_of(package: str, root: Path) -> str:
    """The version of a package in a root directory, by the first line of its changelog."""
    with gzip.open(root / "usr/share/doc" / package / "changelog.Debian.gz", "rt") as changelog:
        return changelog.readline().partition("(")[2].partition(")")[0]


def put_in_place(made: Path, root: Path) -> None:
    """Another run may have been faster; its directory is in use, and as good."""
    try:
        made.rename(root)
    except OSError:
        if not root.exists():
            raise


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "amqpy")


def download(release: str, folder: Path, packages: list[str]) -> list[Path]:
    """These packages of that release and what they depend on, by an apt that knows nothing of those of this machine."""
    sources, installed, cached = folder / "sources.list", folder / "status", folder / "cache"
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    sources.write_text(f"deb [signed-by={keyring}] {mirror()} {release} main\n")
    installed.touch()
    for each in ("state/lists/partial", "cache/archives/partial"):
        (folder / each).mkdir(parents=True)
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": installed,
        "Dir::Cache": cached,
        "APT::Sandbox::User": "root",  # the one apt would take may not read this directory
    }
    apt = ["apt-get", "-qq", *(f"--option={name}={value}" for name, value in settings.items())]
    run(*apt, "update")
    run(*apt, "--yes", "--download-only", "--no-install-recommends", "install", *packages)
    return sorted((cached / "archives").glob("*.deb"))


def mirror() -> str:
    """The address of Debian's archive that this machine's apt uses, the first of them."""
    addresses = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    raise DebianUnavailable("apt knows no mirror of Debian's archive")


def unpack(packages: list[Path], root: Path) -> None:
    root.mkdir()
    for package in packages:
        run("dpkg-deb", "--extract", str(package), str(root))
    for name, text in FILES.items():
        (root / name).write_text(text)
    for mount_point in ("dev", "proc"):
        (root / mount_point).mkdir(exist_ok=True)
    (root / "usr/bin/awk").symlink_to("mawk")


def run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise DebianUnavailable(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout


def main(version: str) -> int:
    try:
        root = root_with(version)
        run(*inside(root, "/bin/true"))
    except DebianUnavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
