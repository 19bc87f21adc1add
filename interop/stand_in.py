"""The examples of docs/testing-with-clients.md that need libraries of their own, each run as a module of tests.

python -m interop.stand_in

Makes an environment in .interop/stand-in, which may be thrown away, with these libraries and what amqpy needs; amqpy is
the one of this checkout. Ends with pytest's status.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "testing-with-clients.md"
FOLDER = ROOT / ".interop" / "stand-in"
EXAMPLE = re.compile(r"(?:<!-- environment: (?P<environment>\w+) -->\n)?```python\n(?P<code>.*?)```", re.DOTALL)

LIBRARIES = ("aio-pika==10.2.1", "anyio==4.16.0", "faststream[rabbit]==0.7.8", "pytest==9.0.3", "pytest-asyncio==1.3.0")

IMPORTS = {
    "asyncio": "import asyncio\nimport aio_pika\nimport pytest\nimport pytest_asyncio\n",
    "anyio": "import aio_pika\nimport pytest\n",
    "faststream": "import pytest\n"
    "from faststream import AckPolicy\n"
    "from faststream.rabbit import RabbitBroker, RabbitQueue, RabbitRouter, TestRabbitBroker\n",
}
"""What the examples take for granted, by their environments on the page."""


def sources_of(environment: str | None) -> list[tuple[int, str]]:
    """The examples of an environment, each with the number of lines before it."""
    text = PAGE.read_text("utf-8")
    found = [example for example in EXAMPLE.finditer(text) if example["environment"] == environment]
    return [(text.count("\n", 0, example.start("code")), example["code"]) for example in found]


def examples_of(environment: str | None) -> list[CodeType]:
    """The examples of an environment, compiled so that a traceback shows the page."""
    return [compile("\n" * before + code, PAGE, "exec") for before, code in sources_of(environment)]


def install() -> Path:
    """Makes the environment unless it is there; returns its Python."""
    python = FOLDER / "venv" / "bin" / "python"
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    wanted = "\n".join([sys.version, *LIBRARIES, *needed])
    stamp = FOLDER / "installed"
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER / "venv")], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *LIBRARIES, *needed], check=True)
        stamp.write_text(wanted, "utf-8")
    return python


def main() -> None:
    python, tests = install(), FOLDER / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "pytest.ini").write_text("[pytest]\n", "utf-8")  # else that of this project is found
    for environment, imports in IMPORTS.items():
        codes = [code for _, code in sources_of(environment)]
        assert codes, f"the page has no example of {environment}"
        (tests / f"test_{environment}.py").write_text("\n\n".join([imports, *codes]), "utf-8")
    command = [str(python), "-m", "pytest", "-p", "amqpy.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", "."]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VIRTUAL_"))}
    environment_of_run = {**inherited, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.exit(subprocess.run(command, cwd=tests, env=environment_of_run, check=False).returncode)


if __name__ == "__main__":
    main()
