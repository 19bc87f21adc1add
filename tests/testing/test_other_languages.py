"""The examples of docs/testing-other-languages.md run as they stand there: in Node with amqplib, and in a shell."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from amqpy.testing.control_routes import AT, OF_FAULTS, router
from interop.clients.libraries.amqplib.library import LIBRARY
from interop.clients.library import Library
from interop.clients.workspace import ROOT, Workspace

PAGE = (ROOT / "docs" / "testing-other-languages.md").read_text("utf-8")
NODE = re.findall(r"`(?P<name>[\w.]+\.mjs)`[^`]*(?:`[^`]+`[^`]*)*?```js\n(?P<code>.*?)```", PAGE, re.DOTALL)
(SHELL,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
DEADLINE_S = 100


def environment() -> dict[str, str]:
    """This process's variables, with the `amqpy` of this Python on the path."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("npm") is None, reason="this machine has no npm")
def test_the_example_for_node() -> None:
    workspace = Workspace(Library(**{**vars(LIBRARY), "folder": "amqplib"}))
    with workspace.alone(lambda: None):
        workspace.install()
        with tempfile.TemporaryDirectory(dir=workspace.folder) as folder:
            for name, code in NODE:
                (Path(folder) / name).write_text(code, "utf-8")
            command = ["node", "--test", "--test-reporter=tap", "orders.test.mjs"]
            done = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False
            )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 3" in done.stdout, done.stdout


@pytest.mark.skipif(None in {shutil.which("jq"), shutil.which("curl")}, reason="this machine has no jq, or no curl")
def test_the_example_for_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "example"
    script.write_text(SHELL, "utf-8")
    # Not by `-c`: there bash becomes its last command, and with bash the server would have ended.
    command = ["bash", "-eu", str(script)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.stderr == ""
    assert '{"id":"1"}' in done.stdout
    assert "expected to be published once: exchange='orders'" in done.stdout
    assert "user.tags.set" not in done.stdout


def test_the_page_has_every_request() -> None:
    """And no other."""
    rows = re.findall(r"^\| (`(?:GET|POST|PUT|DELETE) .*?) \|", PAGE, re.MULTILINE)
    told = {each.partition("?")[0] for row in rows for each in re.findall(r"`((?:GET|POST|PUT|DELETE) [^`]+)`", row)}
    names = {"{broker}": "ID", "{queue}": "NAME", "{fault}": "FAULT"}
    there = set()
    for resource in router:
        path = resource.template.removeprefix(f"{AT}/")
        for variable, name in names.items():
            path = path.replace(variable, name)
        there |= {f"{method} {path}" for method in resource.endpoints}
    assert told == there


def test_the_page_has_every_kind_of_faults() -> None:
    table = PAGE.partition("| kind | takes |")[2]
    assert set(re.findall(r"`(\w+_\w+)`", table.partition("\n\n")[0])) == OF_FAULTS.keys()
