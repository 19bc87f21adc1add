"""The examples in docs/dead-letters.md and docs/streams.md run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from interop.kit.brokers import ROOT

if TYPE_CHECKING:
    from interop.kit.address import Address

PAGE = ROOT / "docs" / "dead-letters.md"
EXAMPLE = re.compile(r"^## (?P<title>[^\n]*)\n(?:(?!^## ).)*?```python\n(?P<code>.*?)```", re.DOTALL | re.MULTILINE)
EXAMPLES = {example["title"]: example["code"] for example in EXAMPLE.finditer(PAGE.read_text("utf-8"))}
SAID = {
    "Retrying later": r"attempt 1\nattempt 2\nattempt 3\n",
    "A ladder of delays": r".*after 0 steps.*\n.*after 3 steps.*\n.*after 11 steps.*\n",
}


@pytest.mark.parametrize("title", SAID)
def test_an_example_runs(broker: Address, title: str) -> None:
    code = EXAMPLES[title].replace("guest:guest@localhost/", f"guest:guest@{broker.host}:{broker.port}/")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert re.fullmatch(SAID[title], run.stdout)


def test_the_example_of_streams_runs(broker: Address) -> None:
    code, _ = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "streams.md").read_text("utf-8"), re.DOTALL)
    code = code.replace("guest:guest@localhost/", f"guest:guest@{broker.host}:{broker.port}/")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout == "".join(f"{number} b'event {number}'\n" for number in range(3))


def test_no_example_is_left_out() -> None:
    assert EXAMPLES.keys() == SAID.keys()
