"""Installs what drives the browser, starts brokers, and runs the tests in `browser/`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from interop.clients.workspace import InstallFailed, install_system_packages
from interop.keeper import stay_behind
from interop.kit.brokers import Amqpy, private_amqpy, private_folder

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path(__file__).resolve().parent / "browser"
FOLDER = ROOT / ".interop" / "page"

LIBRARIES = ("pika==1.4.4", "pillow==13.0.0", "playwright==1.65.2", "pytest==9.0.3", "pytest-timeout==2.4.0")
AXE = "axe-core@4.14.1"

DETAILED = 'management_rates_mode = "detailed"\n'
"""A broker with this counts by pair: also who publishes to which exchange."""

SHORT_OF_MEMORY = 'memory_high_watermark = "1MiB"\n'
"""A broker with this has an alarm from the beginning."""


def install() -> Path:
    """Installs all that it takes, unless it is there; returns the Python of its environment. Raises InstallFailed."""
    install_system_packages(("chromium",))
    if subprocess.run([sys.executable, str(ROOT / "ui" / "build.py")], check=False).returncode:
        raise InstallFailed("the page cannot be built")
    python, stamp = FOLDER / "venv" / "bin" / "python", FOLDER / "installed"
    wanted = "\n".join([sys.version, *LIBRARIES, AXE])
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        FOLDER.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / "venv")], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *LIBRARIES], check=True)
        (FOLDER / "package.json").write_text("{}\n", "utf-8")
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", AXE], cwd=FOLDER, check=True)
        stamp.write_text(wanted, "utf-8")
    return python


def environment(broker: Amqpy, short: Amqpy, screenshots: str | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VIRTUAL_"))}
    return {
        **inherited,
        "AMQP_URL": broker.address.url,
        "AXE": str(FOLDER / "node_modules" / "axe-core" / "axe.min.js"),
        "MANAGEMENT_URL": f"http://127.0.0.1:{broker.management_port}/",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCREENSHOTS": screenshots or "",
        "SHORT_URL": f"http://127.0.0.1:{short.management_port}/",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshots", metavar="DIR", help="where pictures of the pages are put")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, behind --")
    options = parser.parse_args()
    stay_behind()
    try:
        python = install()
    except InstallFailed as reason:
        print(f"NOT RUN: {reason}")
        return 1
    screenshots = None if options.screenshots is None else str(Path(options.screenshots).absolute())
    with private_folder() as folder:
        detailed, short_of_memory = folder / "detailed.toml", folder / "short.toml"
        detailed.write_text(DETAILED, "utf-8")
        short_of_memory.write_text(SHORT_OF_MEMORY, "utf-8")
        with (
            private_amqpy(("--strict", "--config", str(detailed)), managed=True) as broker,
            private_amqpy(("--strict", "--config", str(short_of_memory)), managed=True) as short,
        ):
            broker.start()
            short.start()
            command = [str(python), "-m", "pytest", "-c", str(TESTS / "pytest.ini"), "-q", *options.pytest, str(TESTS)]
            done = subprocess.run(command, cwd=TESTS, env=environment(broker, short, screenshots), check=False)
            broker.stop()
            short.stop()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
