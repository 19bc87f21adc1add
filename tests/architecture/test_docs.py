"""The documents agree with the code and with each other."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"
FILES = ROOT / "docs" / "files.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CODE = re.compile(r"`([^`\n]+)`|^ {4}(.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")


def test_generated_parts_are_current() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "docs.py"), "--check"]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert not missing


def test_architecture_stays_readable() -> None:
    assert len(ARCHITECTURE.read_text("utf-8").splitlines()) <= 200


def test_every_file_is_named() -> None:
    text = FILES.read_text("utf-8")
    files = {path.name for path in (ROOT / "amqpy").rglob("*.py")} - {"__init__.py", "__main__.py"}
    assert not {name for name in files if not re.search(rf"\b{re.escape(name)}\b", text)}


def test_glossary_names_files_that_are_there() -> None:
    rows = [row for row in GLOSSARY.read_text("utf-8").splitlines() if row.startswith("|")]
    entries = [row for row in rows if not row.startswith(("|---", "| Looking for ", "| Term "))]
    named = {row: re.findall(r"`([\w/]+\.py)`", row) for row in entries}
    assert entries
    assert not [row for row, files in named.items() if not files]
    assert not [path for files in named.values() for path in files if not (ROOT / "amqpy" / path).is_file()]


def test_contributing_names_what_is_there() -> None:
    """Files and folders, of the project or of the package, and the modules after `-m`."""
    words = [word for code in CODE.findall(CONTRIBUTING.read_text("utf-8")) for word in "".join(code).split()]
    files = {word for word in words if "/" in word or word.endswith((".py", ".md"))}
    modules = {module.replace(".", "/") for option, module in pairwise(words) if option == "-m"}
    assert {"scripts/check", "core/exchanges/", "interop/parity"} <= files | modules, "the page is read"
    assert not {name for name in files if not (ROOT / name).exists() and not (ROOT / "amqpy" / name).exists()}
    assert not {name for name in modules if not (ROOT / name).is_dir() and not (ROOT / f"{name}.py").is_file()}
