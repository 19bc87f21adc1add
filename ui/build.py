"""Builds amqpy's page into the package, if it is not newer than what it is made of; takes Node and npm.

`scripts/serve` runs this, and so do builds of wheels (`hatch_build.py`). Ends with 1 and the reason if there is no
current page and none can be built.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

UI = Path(__file__).resolve().parent
PAGE = UI.parent / "amqpy" / "management" / "ui" / "index.html"
INSTALLED = UI / "node_modules" / ".package-lock.json"
LOCK = UI / "package-lock.json"


def sources() -> Iterator[Path]:
    """Every file that the page is made of."""
    yield from (UI / "build.mjs", LOCK)
    yield from (path for path in (UI / "src").rglob("*") if path.is_file())


def is_newer(made: Path, than: float) -> bool:
    return made.exists() and made.stat().st_mtime >= than


def build() -> None:
    """Raises OSError or CalledProcessError."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise OSError("it takes Node and npm (Debian: apt-get install nodejs npm)")
    if not is_newer(INSTALLED, LOCK.stat().st_mtime):
        for_checks = [] if (UI / "node_modules" / "typescript").exists() else ["--omit=dev"]
        run(npm, "ci", *for_checks, "--no-audit", "--no-fund", "--loglevel=error")
    run(npm, "run", "--silent", "build")


def run(*command: str) -> None:
    subprocess.run(command, cwd=UI, stdout=sys.stderr, check=True)


def main() -> int:
    if is_newer(PAGE, max(path.stat().st_mtime for path in sources())):
        return 0
    try:
        build()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"ui/build.py: the web page is not built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
